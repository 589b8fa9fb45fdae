"""Signing in to the database that PCE_DATABASE_URL names: with what user and password, and over what connection.

The URL's own password, a token of RDS that lives for 15 minutes, or user and password from a secret that RDS rotates.
A password goes over the network only to a server that has proven its name: in staging and prod, and with a token
anywhere, `sslmode=verify-full` is asked for and nothing weaker taken.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Literal, NoReturn
from urllib.parse import quote, urlencode

import msgspec
import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)
from psycopg2.extensions import parse_dsn
from pydantic import SecretStr

from pce_pipeline.decoding import decoded_json
from pce_pipeline.observability.logs import hide
from pce_pipeline.redaction import blanked, spellings
from pce_pipeline.settings import Settings
from pce_pipeline.warehouse.errors import (
    CertificateRefused,
    ConnectionTooWeak,
    DatabaseNotNamed,
    SignInRefused,
    SignInUnavailable,
    WarehouseUnreachable,
    WarehouseUrlInvalid,
)

Way = Literal["url", "iam", "secret"]

_DEFAULTS: Mapping[str, Any] = {"connect_timeout": 10, "application_name": "pce"}
_VERIFIED = "verify-full"
# Blanking `pce` or `postgres` would deface every log line, and hide nothing from anybody.
_REGION_IN_HOST = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\..*amazonaws\.com|\.rds\.(cn(?:-[a-z]+)+-\d)\.amazonaws")
_ABOUT_CERTIFICATES = ("certificate", "does not support SSL", "SSL support is not compiled in")


class _Credentials(msgspec.Struct, frozen=True):
    """What RDS keeps in the secret of a master user."""

    username: str
    password: str


_credentials: dict[str, _Credentials] = {}


class DatabaseLogin:
    """How to sign in to one database; every call gives a password that is good now.

    `way` is `url` (what the URL says), `iam` (a new token for each connection) or `secret` (user and password from
    the secret of AWS Secrets Manager `secret_arn`). `env` other than local demands a verified server unless the
    connection stays on this machine.
    """

    def __init__(
        self, url: SecretStr | str, *, way: Way = "url", secret_arn: str | None = None, env: str = "local"
    ) -> None:
        self._url = SecretStr(url) if isinstance(url, str) else url
        self._way = way
        self._secret_arn = secret_arn
        self._env = env
        self._signer: Any = None

    @classmethod
    def of(cls, settings: Settings) -> "DatabaseLogin":
        """The way into the database the settings name. Raises `DatabaseNotNamed` where they name none."""
        if settings.chosen_database_url is None:
            raise DatabaseNotNamed(settings.env)
        return cls(
            settings.chosen_database_url,
            way=settings.database_login,
            secret_arn=settings.database_secret_arn,
            env=settings.env,
        )

    def __repr__(self) -> str:
        return f"DatabaseLogin({self.server}, way={self._way!r})"

    @property
    def server(self) -> str:
        """Where the database is, for people: host, port and database. Raises `WarehouseUrlInvalid`."""
        where = self._taken_apart()
        return f"{where.get('host', 'localhost')}:{where.get('port', 5432)}/{where.get('dbname', '')}"

    def parameters(self) -> dict[str, Any]:
        """The parameters of libpq (and psycopg2) to connect with now, password included.

        Raises `WarehouseUrlInvalid`, `ConnectionTooWeak` or `SignInUnavailable`.
        """
        where = self._taken_apart()
        self._demand_verified(where)
        if self._way == "iam":
            where["password"] = self._token(where)
        elif self._way == "secret":
            held = self._from_secret()
            where |= {"user": held.username, "password": held.password}
        if self._way != "iam":
            hide(where.get("password", ""))
        return where

    def url(self) -> str:
        """The same as a URL for other programs, its password included; that of a token works for 15 minutes."""
        if self._way == "url":
            return self._url.get_secret_value()
        where = self.parameters()
        authority = (
            f"{quote(where.pop('user'), safe='')}:{quote(where.pop('password'), safe='')}@{where.pop('host', '')}"
        )
        port = f":{where.pop('port')}" if "port" in where else ""
        database = quote(where.pop("dbname", ""), safe="")
        return f"postgresql://{authority}{port}/{database}?{urlencode(where, quote_via=quote)}"

    def connect(self, **more: Any) -> Connection:  # noqa: ANN401 (parameters of libpq)
        """A connection, with `more` parameters than the URL has; a secret that RDS has rotated is fetched again.

        Raises what `parameters` raises, or `WarehouseUnreachable`: `SignInRefused` or `CertificateRefused` where it
        is one of these.
        """
        asked = {**_DEFAULTS, **more, **self.parameters()}
        connection, reason = _attempt(asked)
        if connection is None and self._way == "secret":
            _credentials.pop(self._secret_arn or "", None)
            now = self.parameters()
            if now["password"] != asked["password"]:
                connection, reason = _attempt({**asked, **now})
        if connection is None:
            self._explain(reason)
        return connection

    def _explain(self, reason: str) -> NoReturn:
        if any(words in reason for words in _ABOUT_CERTIFICATES):
            raise CertificateRefused(self.server, reason)
        if "authentication failed" in reason:
            raise SignInRefused(self.server, reason, self._way)
        raise WarehouseUnreachable(self.server, reason)

    def _taken_apart(self) -> dict[str, Any]:
        """The URL's parameters; raises `WarehouseUrlInvalid` without a trace of what was wrong with it."""
        scheme, separator, rest = self._url.get_secret_value().partition("://")
        # SQLAlchemy's spelling names the driver, Postgres' does not.
        url = f"{scheme.partition('+')[0]}{separator}{rest}"
        parameters: dict[str, Any] | None = None
        if url.startswith(("postgresql://", "postgres://")) and not _splits_password(url):
            try:
                parameters = parse_dsn(url)
            except psycopg2.Error:
                parameters = None
        if parameters is None:
            raise WarehouseUrlInvalid
        return parameters

    def _demand_verified(self, where: Mapping[str, Any]) -> None:
        if where.get("sslmode") == _VERIFIED:
            return
        if self._way == "iam":
            raise ConnectionTooWeak(self.server, where.get("sslmode"), "A token is a password for whoever reads it")
        if self._env != "local" and not _stays_here(where):
            raise ConnectionTooWeak(self.server, where.get("sslmode"), f"In {self._env} the server must prove its name")

    def _token(self, where: Mapping[str, Any]) -> str:
        """A password for this user at this server, signed here; nothing is asked over the network.

        The logs blank the signature of whatever is signed so.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (most databases need no AWS)

        host, user = where.get("host"), where.get("user")
        if not host or not user:
            raise SignInUnavailable(
                "a token is for one user at one server",
                remedy="Write both in PCE_DATABASE_URL: postgresql://pce_loader@host:5432/pce?sslmode=verify-full.",
            )
        try:
            if self._signer is None:
                self._signer = _signer(host)
            token: str = self._signer.generate_db_auth_token(host, int(where.get("port") or 5432), user)
        except (BotoCoreError, ClientError) as failed:
            raise SignInUnavailable(f"no token of RDS could be signed: {failed}") from failed
        return token

    def _from_secret(self) -> _Credentials:
        if self._secret_arn is None:
            raise SignInUnavailable("no secret is named", remedy="Set PCE_DATABASE_SECRET_ARN.")
        held = _credentials.get(self._secret_arn)
        if held is None:
            held = _credentials[self._secret_arn] = _fetch(self._secret_arn)
        return held


def _signer(host: str) -> Any:  # noqa: ANN401 (boto3 makes its clients' types at run time)
    """RDS's client for the region of that server; making it takes a tenth of a second."""
    import boto3  # noqa: PLC0415 (most databases need no AWS)

    session = boto3.Session()
    named = _REGION_IN_HOST.search(host)
    region = (named[1] or named[2]) if named else session.region_name
    if region is None:
        raise SignInUnavailable(
            f"{host} does not say in which region it is", remedy="Set AWS_REGION, or use RDS's own host name."
        )
    return session.client("rds", region_name=region)


def _fetch(arn: str) -> _Credentials:
    """User and password that the secret holds now."""
    import boto3  # noqa: PLC0415 (most databases need no AWS)
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    parts = arn.split(":")
    region = parts[3] if arn.startswith("arn:") and len(parts) > 3 else None  # noqa: PLR2004 (arn:aws:service:region)
    try:
        held = boto3.client("secretsmanager", region_name=region).get_secret_value(SecretId=arn)
    except (BotoCoreError, ClientError) as failed:
        raise SignInUnavailable(f"the secret {arn} cannot be read: {failed}") from failed
    credentials: _Credentials | None = None
    try:
        credentials = decoded_json(held.get("SecretString", ""), _Credentials)
    except msgspec.MsgspecError:
        credentials = None
    if credentials is None:
        raise SignInUnavailable(
            f"the secret {arn} does not hold username and password",
            remedy="PCE_DATABASE_SECRET_ARN names the secret that RDS made for the master user.",
        )
    return credentials


def _attempt(parameters: Mapping[str, Any]) -> tuple[Connection | None, str]:
    """A connection, or the reason why there is none, without the password and without the driver's error."""
    try:
        return psycopg2.connect(**parameters), ""
    except psycopg2.Error as failed:
        reason = str(failed).strip()
    return None, blanked(reason, spellings(str(parameters.get("password") or "")))


def _stays_here(where: Mapping[str, Any]) -> bool:
    """Whether every address is this machine's loopback or a socket in its file system."""
    addresses = str(where.get("hostaddr") or where.get("host") or "").split(",")
    return all(_is_here(address) for address in addresses) and "service" not in where


def _is_here(address: str) -> bool:
    if address == "localhost" or address.startswith(("/", "@")):
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _splits_password(url: str) -> bool:
    """Whether a bare `@` or `/` in the password would make its rest a host or database, which errors name."""
    authority, _, database = url.partition("://")[2].partition("?")[0].partition("/")
    return authority.count("@") > 1 or "@" in database
