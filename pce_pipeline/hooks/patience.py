"""How long the endpoint waits for a peer, and how many connections it keeps for one.

The server counts connections and refuses requests beyond a number, but waits for the headers of a request for as long
as a peer keeps its connection open. So peers that send half a header and no more would silence the endpoint. Of the
server's two parsers this is the one that limits the size of headers.
"""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class Impatient(H11Protocol):
    """HTTP/1.1 that closes a connection whose headers do not come in time, and those that a peer has too many of."""

    headers_seconds = 10.0
    """How long the headers of a request may take: from the connection, or the answer before them, to their end."""
    most_of_a_peer = 32
    """How many connections one address may have open."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        beside = [each for each in self.connections if isinstance(each, Impatient) and each.peer == self.peer]
        if len(beside) > self.most_of_a_peer:
            transport.close()
            return
        self._wait_for_headers()

    @property
    def peer(self) -> str | None:
        """The address at the other end."""
        return self.client[0] if self.client else None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        self._wait_for_headers()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(self.headers_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
