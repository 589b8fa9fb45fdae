"""The endpoint on a port, until it is told to stop: requests under way are answered first."""

import signal
import socket
from types import FrameType
from typing import NoReturn

import uvicorn
from starlette.types import ASGIApp

from pce_pipeline.errors import PceError
from pce_pipeline.hooks.patience import Impatient

_MOST_CONNECTIONS = 64
_STOP_SECONDS = 15


class HooksNotServed(PceError):
    """The endpoint cannot be served at `host` and `port`."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host = host
        self.port = port
        super().__init__(
            f"Nothing can be served at {host}:{port}: {reason}.", remedy="Choose another --port or --host."
        )


def listen(host: str, port: int) -> socket.socket:
    """The listening socket; port 0 takes a free one. Raises `HooksNotServed`."""
    try:
        return socket.create_server((host, port))
    except OSError as refused:
        raise HooksNotServed(host, port, refused.strerror or str(refused)) from refused


def server_of(app: ASGIApp, protocol: type[Impatient] = Impatient) -> uvicorn.Server:
    """The server, not yet serving; `protocol` says how patient it is."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            loop="asyncio",
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
    )


def serve(app: ASGIApp, listening: socket.socket) -> None:
    """Serve until SIGTERM, which ends the process with 0, or Ctrl-C, which raises `KeyboardInterrupt`."""
    # the server hands a signal back once it has stopped
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        server_of(app).run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)
        listening.close()


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise SystemExit(0)
