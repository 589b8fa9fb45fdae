"""The look-alike on a port of this machine: for as long as a `with` block lasts, or until it is stopped."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.vintages import DEFAULT_RELEASE
from pce_pipeline.errors import PceError

_START_SECONDS = 10.0
_POLL_SECONDS = 0.005


class EmulatorNotServed(PceError):
    """The look-alike cannot be served at `host` and `port`."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host = host
        self.port = port
        super().__init__(
            f"The look-alike of BEA cannot be served at {host}:{port}: {reason}.", remedy="Choose another port."
        )


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(app, loop="asyncio", ws="none", lifespan="off", log_config=None, log_level="critical")


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as refused:
        raise EmulatorNotServed(host, port, refused.strerror or str(refused)) from refused


@contextmanager
def running(app: ASGIApp, port: int = 0, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve an ASGI app from a thread and yield its base URL; port 0 takes a free one.

    Raises `EmulatorNotServed` where the port is taken or the server does not come up.
    """
    listening = _listen(host, port)
    server = uvicorn.Server(_config(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="emulator", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise EmulatorNotServed(host, port, "the server did not start")
            time.sleep(_POLL_SECONDS)
        yield f"http://{host}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
        listening.close()


def serve(port: int, release: int = DEFAULT_RELEASE, host: str = "127.0.0.1") -> None:
    """Serve the sample until interrupted.

    Raises `LookupError` for a release the sample does not have and `EmulatorNotServed` where the port is taken.
    """
    app = create_app(release)
    listening = _listen(host, port)
    try:
        uvicorn.Server(_config(app)).run(sockets=[listening])
    finally:
        listening.close()
