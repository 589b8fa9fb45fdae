"""Peers that send half a header and stay silence nobody: one peer keeps few connections, and none for long."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from pce_pipeline.hooks.patience import Impatient
from pce_pipeline.lake.store import Store
from pce_pipeline_tests.hooks.conftest import Endpoint, serving

HALF = b"POST /webhooks/bea HTTP/1.1\r\nHost: here\r\nX-"


class Quick(Impatient):
    headers_seconds = 0.5


@pytest.fixture
def quick(directory: Store) -> Iterator[Endpoint]:
    with serving(directory, protocol=Quick) as endpoint:
        yield endpoint


def connected(endpoint: Endpoint, *, at: str) -> socket.socket:
    port = int(endpoint.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(at, 0))


@contextmanager
def half_open(endpoint: Endpoint, addresses: list[str]) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        peers = [stack.enter_context(connected(endpoint, at=address)) for address in addresses]
        for peer in peers:
            peer.sendall(HALF)
        yield peers


def is_closed(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_peer_with_seventy_half_open_connections_silences_nobody(directory: Store) -> None:
    with serving(directory) as endpoint, half_open(endpoint, ["127.0.0.2"] * 70) as peers:
        assert endpoint.post().status_code == 202
        assert sum(map(is_closed, peers[Impatient.most_of_a_peer :])) == 70 - Impatient.most_of_a_peer
        peers[0].setblocking(False)
        with pytest.raises(BlockingIOError):
            peers[0].recv(1)


def test_seventy_peers_with_half_a_header_are_gone_after_a_moment(quick: Endpoint) -> None:
    with half_open(quick, [f"127.0.1.{number}" for number in range(1, 71)]) as peers:
        assert quick.post().status_code == 503
        assert all(map(is_closed, peers))
        assert quick.post().status_code == 202


def test_a_connection_that_says_nothing_is_closed(quick: Endpoint) -> None:
    with connected(quick, at="127.0.0.1") as peer:
        assert is_closed(peer)


def test_a_header_that_comes_byte_by_byte_has_no_more_time_than_others(quick: Endpoint) -> None:
    with connected(quick, at="127.0.0.1") as peer:
        peer.settimeout(0.05)
        sent = 0
        while sent < 100 and not _refuses(peer, b"P" if sent else HALF):
            sent += 1
        assert 3 <= sent < 100


def _refuses(peer: socket.socket, piece: bytes) -> bool:
    try:
        peer.sendall(piece)
        return peer.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_half_a_second_request_after_an_answer_is_not_waited_for_either(quick: Endpoint) -> None:
    with connected(quick, at="127.0.0.1") as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert peer.recv(4096).startswith(b"HTTP/1.1 404")
        peer.sendall(HALF)
        while (said := peer.recv(4096)) != b"":
            assert b"404" in said or b"refused" in said
