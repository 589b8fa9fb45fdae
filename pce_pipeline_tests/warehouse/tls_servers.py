"""Servers that prove who they are: an authority of one's own, Debian's Postgres with TLS, and TLS before any Postgres.

The embedded Postgres is built without TLS; what connects to it over TLS goes through `tls_before`, which answers
Postgres' question for TLS and passes on what is inside.
"""

import os
import select
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pce_pipeline.local.programs import ENVIRONMENT, account_for

ADMIN = "admin"

_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
_READY_WITHIN_SECONDS = 30.0


class Authority:
    """Signs certificates; `bundle` is the file by which clients know it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.bundle = folder / f"{name}.pem"
        signed = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.bundle.write_bytes(signed.public_bytes(Encoding.PEM))

    def certify(self, host: str) -> tuple[Path, Path]:
        """A certificate for a host name, and its key: two files."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = self._signed(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]),
            key,
            x509.SubjectAlternativeName([x509.DNSName(host)]),
        )
        certificate, private = self._folder / f"{host}.crt", self._folder / f"{host}.key"
        certificate.write_bytes(signed.public_bytes(Encoding.PEM))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        private.chmod(0o600)
        return certificate, private

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(extension, critical=True)
            .sign(self._key, hashes.SHA256())
        )


def installed_postgres() -> Path | None:
    """The folder of the newest installed Postgres' programs, which unlike the embedded ones know TLS."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max((each.parent for each in found), key=lambda each: int(each.parent.name), default=None)


@contextmanager
def postgres_with_tls(folder: Path, certificate: tuple[Path, Path], programs: Path) -> Iterator[int]:
    """The port of a Postgres on localhost that takes nobody without TLS; ADMIN needs no password."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    account = account_for(data)
    for source, target in zip(certificate, (folder / "server.crt", folder / "server.key"), strict=True):
        target.write_bytes(source.read_bytes())
        target.chmod(0o600)
        os.chown(target, account.uid, account.gid)
    os.chown(data, account.uid, account.gid)
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", ADMIN, "--auth=reject", "--no-sync", "--locale=C", "--encoding=UTF8"],
        check=True,
        capture_output=True,
        cwd="/",
        env=ENVIRONMENT,
        **account.spawn_arguments,
    )
    # As RDS does with a token: the password itself, inside of TLS.
    (data / "pg_hba.conf").write_text(
        f"hostssl all {ADMIN} localhost trust\nhostssl all all localhost password\n", "ascii"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    settings = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "ssl": "on",
        "ssl_cert_file": folder / "server.crt",
        "ssl_key_file": folder / "server.key",
        "fsync": "off",
        "shared_buffers": "16MB",
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, *(f"--{name}={value}" for name, value in settings.items())],
            stdout=log,
            stderr=log,
            cwd="/",
            env=ENVIRONMENT,
            **account.spawn_arguments,
        )
    try:
        _wait_until_ready(data / "postmaster.pid", process, folder / "server.log")
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(status: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Its port answers earlier, but "is starting up"; its last line of status says when that is over."""
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    while True:
        with suppress(FileNotFoundError):
            if status.read_text().rstrip().endswith("ready"):
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Postgres did not start: {log.read_text()}")
        time.sleep(0.02)


class _Front(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, target: tuple[str, int], context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.target = target
        self.context = context


class _Conversation(socketserver.BaseRequestHandler):
    server: _Front

    def handle(self) -> None:
        if self.request.recv(8) != _SSL_REQUEST:
            return
        self.request.sendall(b"S")
        with (
            suppress(OSError),
            self.server.context.wrap_socket(self.request, server_side=True) as client,
            socket.create_connection(self.server.target) as postgres,
        ):
            while True:
                ready = [client] if client.pending() else select.select([client, postgres], [], [])[0]
                for side in ready:
                    said = side.recv(65_536)
                    if not said:
                        return
                    (postgres if side is client else client).sendall(said)


@contextmanager
def tls_before(target: tuple[str, int], certificate: tuple[Path, Path]) -> Iterator[int]:
    """The port of localhost where the Postgres at `target` can be had over TLS, and not without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with _Front(target, context) as front:
        thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield front.server_address[1]
        finally:
            front.shutdown()
            thread.join()
