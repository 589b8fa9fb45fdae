"""A lake's backend that lists reads and writes, dies after some of these, or lets something else happen before one."""

import threading
from collections.abc import Callable, Sequence

from pce_pipeline.lake.backends import Backend, ObjectInfo


class Killed(BaseException):
    """The process is gone: nothing that comes after is written."""


class ObservedBackend:
    """Passes everything on to `inner`; one write at a time, so that the order of writes is that of the calls.

    `writes` lists them as (operation, key), `reads` the keys of what was read. After `dies_after` writes each further
    one raises `Killed`. `interject(operation, key)` is called before each write.
    """

    parallel = 1

    def __init__(
        self,
        inner: Backend,
        *,
        dies_after: int | None = None,
        interject: Callable[[str, str], object] = lambda *_: None,
    ) -> None:
        self.writes: list[tuple[str, str]] = []
        self.reads: list[str] = []
        self._inner = inner
        self._dies_after = dies_after
        self._interject = interject
        self._lock = threading.Lock()

    def describe(self) -> str:
        return self._inner.describe()

    def get(self, key: str) -> bytes:
        self.reads.append(key)
        return self._inner.get(key)

    def get_versioned(self, key: str) -> tuple[bytes, str]:
        self.reads.append(key)
        return self._inner.get_versioned(key)

    def exists(self, key: str) -> bool:
        return self._inner.exists(key)

    def list(self, prefix: str) -> Sequence[ObjectInfo]:
        return self._inner.list(prefix)

    def list_dirs(self, prefix: str) -> Sequence[str]:
        return self._inner.list_dirs(prefix)

    def create(self, key: str, body: bytes) -> str:
        self._about_to("create", key)
        return self._inner.create(key, body)

    def put(self, key: str, body: bytes) -> str:
        self._about_to("put", key)
        return self._inner.put(key, body)

    def swap(self, key: str, body: bytes, expected: str | None) -> str:
        self._about_to("swap", key)
        return self._inner.swap(key, body, expected)

    def copy(self, source: str, target: str) -> None:
        self._about_to("copy", target)
        self._inner.copy(source, target)

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._about_to("delete", key)
            self._inner.delete([key])

    def _about_to(self, operation: str, key: str) -> None:
        self._interject(operation, key)
        with self._lock:
            if self._dies_after is not None and len(self.writes) >= self._dies_after:
                raise Killed
            self.writes.append((operation, key))
