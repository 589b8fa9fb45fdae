"""The S3 requests of a whole run: what the pipeline asks of its lake, recorded, as calls that policies can judge."""

from collections.abc import Sequence

from pce_pipeline.lake.backends import Backend, ObjectInfo
from pce_pipeline_tests.infra.policies import Call


class RecordingBackend:
    """Passes everything on to `inner` and notes each operation as (operation, key)."""

    parallel = 1

    def __init__(self, inner: Backend) -> None:
        self.operations: set[tuple[str, str]] = set()
        self._inner = inner

    def describe(self) -> str:
        return self._inner.describe()

    def get(self, key: str) -> bytes:
        self.operations.add(("get", key))
        return self._inner.get(key)

    def get_versioned(self, key: str) -> tuple[bytes, str]:
        self.operations.add(("get", key))
        return self._inner.get_versioned(key)

    def exists(self, key: str) -> bool:
        self.operations.add(("get", key))
        return self._inner.exists(key)

    def list(self, prefix: str) -> Sequence[ObjectInfo]:
        self.operations.add(("list", prefix))
        return self._inner.list(prefix)

    def list_dirs(self, prefix: str) -> Sequence[str]:
        self.operations.add(("list", prefix))
        return self._inner.list_dirs(prefix)

    def create(self, key: str, body: bytes) -> str:
        self.operations.add(("create", key))
        return self._inner.create(key, body)

    def put(self, key: str, body: bytes) -> str:
        self.operations.add(("put", key))
        return self._inner.put(key, body)

    def swap(self, key: str, body: bytes, expected: str | None) -> str:
        self.operations.add(("create" if expected is None else "swap", key))
        return self._inner.swap(key, body, expected)

    def copy(self, source: str, target: str) -> None:
        self.operations |= {("get", source), ("put", target)}
        self._inner.copy(source, target)

    def delete(self, keys: Sequence[str]) -> None:
        self.operations |= {("delete", key) for key in keys}
        self._inner.delete(keys)


def requests(operation: str, key: str, bucket: str) -> list[Call]:
    """What S3 checks for one operation of the lake.

    Reading also needs leave to list: without it S3 answers "forbidden" where an object is missing, and the pipeline
    must know the difference. It then takes the key for the prefix. A conditional replacement reads the object's tag.
    """
    of_object, of_bucket = f"arn:aws:s3:::{bucket}/{key}", f"arn:aws:s3:::{bucket}"
    match operation:
        case "get":
            return [Call("s3:GetObject", of_object), Call("s3:ListBucket", of_bucket, {"s3:prefix": key})]
        case "list":
            return [Call("s3:ListBucket", of_bucket, {"s3:prefix": f"{key}/"})]
        case "create":
            return [Call("s3:PutObject", of_object, {"s3:if-none-match": "*"})]
        case "put":
            return [Call("s3:PutObject", of_object)]
        case "swap":
            return [Call("s3:PutObject", of_object, {"s3:if-match": '"e-tag"'}), Call("s3:GetObject", of_object)]
        case "delete":
            return [Call("s3:DeleteObject", of_object)]
        case _:
            raise NotImplementedError(operation)
