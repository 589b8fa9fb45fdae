"""Where the pipeline is killed: gates on the way to the lake, to Postgres and to BEA, each a proxy on loopback.

Each thing that passes has a name: what is done (`PUT`, `COPY`, `MERGE`, ...), to what (hashes, dates and years left
out), and at which moment: `before` it is done, `amid` (half of its bytes have come), `after` (done, not yet answered).
"""

import re
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

BEFORE, AMID, AFTER = "before", "amid", "after"
_PARTS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<run>"),
    (re.compile(r"[0-9a-f]{12,}"), "<hash>"),
    (re.compile(r"\d{4}-\d{2}-\d{2}T[\d.:]+Z?"), "<time>"),
    (re.compile(r"\d{4}-\d{2}-\d{2}(\.\d+)?"), "<day>"),
    (re.compile(r"year=\d{4}"), "year=*"),
    (re.compile(r"\b(19|20)\d{2}\b"), "<year>"),
    (re.compile(r"state=\w+"), "state=*"),
    (re.compile(r"line=\d+|\d{3,}"), "*"),
)
_OF_ONE_CONNECTION = ("transfer-encoding", "connection", "keep-alive", "content-length")


def named(what: str) -> str:
    """What is the same in every run: without hashes, days, years and other numbers.

    >>> named("PUT sample/bronze/pce_state/2026-02-23/a1b2c3d4e5f60718.json.gz")
    'PUT sample/bronze/pce_state/<day>/<hash>.json.gz'
    """
    for pattern, instead in _PARTS:
        what = pattern.sub(instead, what)
    return what


class Gone(Exception):
    """The process that something was for has been killed: it gets no answer."""


class Watch:
    """Counts what passes the gates; where the chosen point is reached, `kill` is called, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chosen: str | None = None
        self._kill: Callable[[], None] = lambda: None
        self.passed: Counter[str] = Counter()
        self.order: list[str] = []
        self.hit = False

    def expect(self, point: str | None, kill: Callable[[], None]) -> None:
        """Begin anew and kill at `point`, if any."""
        with self._lock:
            self._chosen, self._kill, self.hit = point, kill, False
            self.passed.clear()
            self.order.clear()

    def reached(self, moment: str, what: str) -> None:
        """Something is at this point. Raises `Gone` where that was the chosen one, or comes after it."""
        name = f"{moment} {what}"
        with self._lock:
            if self.hit:
                raise Gone
            if not self.passed[name]:
                self.order.append(name)
            self.passed[name] += 1
            if name == self._chosen:
                self.hit = True
                self._kill()
                raise Gone


Naming = Callable[[str, str, Mapping[str, str]], str | None]
"""What a request is called, of its method, its path with the query, and its headers; None for what may pass unnamed."""

Changing = Callable[[bytes], bytes]
"""What becomes of the body of an answer."""


def of_s3(root: Callable[[str], str]) -> Naming:
    """Names of what changes a lake; `root` makes of a path what readers call it."""

    def name(method: str, address: str, headers: Mapping[str, str]) -> str | None:
        if method not in ("PUT", "POST", "DELETE"):
            return None
        verb = "COPY" if "x-amz-copy-source" in {name.lower() for name in headers} else method
        return named(f"{verb} {root(unquote(urlsplit(address).path))}")

    return name


def of_bea(method: str, address: str, _headers: Mapping[str, str]) -> str | None:
    """Names of what is asked of BEA."""
    parts = urlsplit(address)
    asked = {key.lower(): values[0] for key, values in parse_qs(parts.query).items()}
    about = " ".join(filter(None, (asked.get("method"), asked.get("tablename"), asked.get("targetparameter"))))
    return named(f"{method} BEA {about or parts.path}")


class HttpGate(BaseHTTPRequestHandler):
    """One connection to a gate: what comes is passed to the server at `upstream`, and its answer back."""

    protocol_version = "HTTP/1.1"
    watch: ClassVar[Watch]
    upstream: ClassVar[str]
    naming: ClassVar[Naming]
    changing: ClassVar[Changing]

    def setup(self) -> None:
        super().setup()
        self._server = HTTPConnection(urlsplit(self.upstream).netloc)

    def finish(self) -> None:
        self._server.close()
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _pass(self) -> None:
        try:
            self.answer()
        except (Gone, OSError):
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815 (the server's names)

    def answer(self) -> None:
        """Answer one request."""
        what = type(self).naming(self.command, self.path, dict(self.headers.items()))
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length // 2)
        if what and length > 1:
            self.watch.reached(AMID, what)
        body += self.rfile.read(length - len(body))
        if what:
            self.watch.reached(BEFORE, what)
        self._server.request(self.command, self.path, body or None, dict(self.headers.items()))
        answer = self._server.getresponse()
        content = type(self).changing(answer.read())
        if what:
            self.watch.reached(AFTER, what)
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_ONE_CONNECTION:
                self.send_header(name, value)
        size = answer.getheader("content-length") if self.command == "HEAD" else str(len(content))
        self.send_header("content-length", size or "0")
        self.end_headers()
        half = len(content) // 2
        self.wfile.write(content[:half])
        if what and half and self.command == "GET":
            self.wfile.flush()
            self.watch.reached(AMID, what)
        self.wfile.write(content[half:])


def unchanged(body: bytes) -> bytes:
    """The body of an answer as it came."""
    return body


def http_gate(
    watch: Watch, upstream: str, naming: Naming, changing: Changing = unchanged
) -> AbstractContextManager[str]:
    """The URL of a gate before the server at `upstream`."""
    made = {"watch": watch, "upstream": upstream, "naming": staticmethod(naming), "changing": staticmethod(changing)}
    return served(type("_Gate", (HttpGate,), made))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that is gone: it was killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def served(handler: type[HttpGate]) -> Iterator[str]:
    """The URL of a gate of this kind."""
    server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Messages:
    """The messages of Postgres's protocol that come through a connection, whole."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._held = b""

    def _take(self, size: int) -> bytes:
        while len(self._held) < size:
            more = self._connection.recv(1 << 20)
            if not more:
                raise ConnectionError
            self._held += more
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def start(self) -> bytes:
        """The first message of a client, which has no type."""
        size = self._take(4)
        return size + self._take(int.from_bytes(size) - 4)

    def one(self) -> tuple[bytes, bytes]:
        """The next message: its type, all of it."""
        head = self._take(5)
        return head[:1], head + self._take(int.from_bytes(head[1:5]) - 4)

    def byte(self) -> bytes:
        """The answer to a question for encryption."""
        return self._take(1)


_STATEMENT = re.compile(
    r"\s*(?:WITH\b.*?)?(COPY|MERGE\s+INTO|INSERT\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE|COMMIT|CREATE\s+TEMP\w*\s+\w+)\s*([\w.\"]*)",
    re.IGNORECASE | re.DOTALL,
)
_ASKS_FOR_ENCRYPTION = (80877103).to_bytes(4)


def statement(text: str) -> str | None:
    """What of a statement of SQL is named: what writes, and into what; None for what only reads.

    >>> statement('MERGE INTO "gold"."pce_state_annual" AS t USING staged AS s ON ...')
    'MERGE INTO gold.pce_state_annual'
    """
    found = _STATEMENT.match(text)
    if not found:
        return None
    verb, target = (each.replace('"', "") for each in found.groups())
    return named(f"{' '.join(verb.upper().split())} {target}".strip())


class _PostgresGate:
    """One connection of a client, and ours to the server in its place."""

    def __init__(self, client: socket.socket, address: tuple[str, int], watch: Watch) -> None:
        self._client, self._server = client, socket.create_connection(address)
        self._watch = watch
        self._doing: str | None = None

    def serve(self) -> None:
        from_client, from_server = _Messages(self._client), _Messages(self._server)
        try:
            first = from_client.start()
            self._server.sendall(first)
            if first[4:8] == _ASKS_FOR_ENCRYPTION:
                self._client.sendall(from_server.byte())
                self._server.sendall(from_client.start())
            back = threading.Thread(target=self._back, args=(from_server,), daemon=True)
            back.start()
            while True:
                self._there(*from_client.one())
        except (OSError, Gone):
            self._close()

    def _there(self, kind: bytes, message: bytes) -> None:
        if kind == b"Q":
            self._doing = statement(message[5:-1].decode("utf-8", "replace"))
            if self._doing:
                self._watch.reached(BEFORE, self._doing)
        elif kind == b"d" and self._doing:
            self._watch.reached(AMID, self._doing)
        self._server.sendall(message)

    def _back(self, from_server: _Messages) -> None:
        try:
            while True:
                kind, message = from_server.one()
                if kind == b"Z" and self._doing:  # ready for the next: what was asked is done
                    done, self._doing = self._doing, None
                    self._watch.reached(AFTER, done)
                self._client.sendall(message)
        except (OSError, Gone):
            self._close()

    def _close(self) -> None:
        for each in (self._client, self._server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def postgres_gate(watch: Watch, host: str, port: int) -> Iterator[int]:
    """The port of a gate before the Postgres at `host` and `port`."""
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                threading.Thread(target=_PostgresGate(client, (host, port), watch).serve, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
