"""The page on a port of this machine, until it is told to stop; it shows the version that the lake's pointer names.

The set is copied into a folder first, because a browser asks for byte ranges of files, and a lake may be a bucket.
Whenever the page itself is asked for, the pointer is looked at, so that a reload shows what a run has published.
"""

import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pce_pipeline.errors import PceError
from pce_pipeline.explorer.store import ExplorerSet
from pce_pipeline.look.errors import PortTaken
from pce_pipeline.look.publishing import place_at, publish, publish_beside
from pce_pipeline.look.site import INDEX_HTML, headers_of

HOST = "127.0.0.1"


class ServedFolder:
    """A folder with the page of one lake, brought up to what the lake names whenever it is asked for.

    `current` gives the set as it is now, None where there is none; `beside` the files that follow what happens.
    """

    def __init__(
        self,
        folder: Path,
        current: Callable[[], ExplorerSet | None],
        beside: Callable[[], Mapping[str, bytes]] = dict,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._current = current
        self._beside = beside
        self._lock = threading.Lock()
        self._holds: tuple[str, ...] = ()
        self._said: Mapping[str, bytes] = {}

    def refresh(self) -> None:
        """Copy what is another than the folder holds; where there is no set now, leave what is there."""
        with self._lock:
            found = self._current()
            if found is None:
                return
            holds = tuple(sorted(part.sha256 for part in found.parts.values()))
            place, said = place_at(str(self.folder)), self._beside()
            if holds != self._holds:
                publish(found, place, beside=said)
            elif said != self._said:
                publish_beside(found.version, place, said)
            self._holds, self._said = holds, said


class _Files(StaticFiles):
    """Files of the types that they have where they are published, asked for again each time."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers.update(headers_of(path, changes=True))
        return answer


def create_app(served: ServedFolder) -> Starlette:
    """An ASGI app of the page in this folder, for this machine's own names only."""

    def page(_: Request) -> Response:
        try:
            served.refresh()
        except PceError as failed:
            return PlainTextResponse(f"{failed}\n", 503)
        return FileResponse(served.folder / INDEX_HTML, headers=headers_of(INDEX_HTML))

    return Starlette(
        routes=[Route("/", page), Route(f"/{INDEX_HTML}", page), Mount("/", _Files(directory=served.folder))],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])],
    )


def listen(port: int) -> socket.socket:
    """The listening socket on loopback; port 0 takes a free one. Raises `PortTaken`."""
    try:
        return socket.create_server((HOST, port))
    except OSError as refused:
        command = f"pce look --port {port + 1 if 0 < port < 65535 else 0}"  # noqa: PLR2004 (the last port)
        raise PortTaken(port, refused.strerror or str(refused), command) from refused
