"""What the values of settings look like: folders, lakes, databases, web addresses, topics, log groups, secrets.

Each type takes a value as it was written and gives it as it is used, or says what is wrong with it; none repeats a
value that may hold a password. Nothing is opened or contacted.
"""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, SecretStr

from pce_pipeline.webhook_secrets import HOW_TO_MAKE_ONE, key_of

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|[sS]3:")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]*")
_TOPIC = re.compile(r"arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^:@\[\]]*)(?::([0-9]{1,5}))?")
_PORTS = 2**16
_LOG_GROUP = re.compile(r"[A-Za-z0-9._/#-]{1,512}")


def _folder(path: Path) -> Path:
    """A folder of this machine; `~` is the home, also in `.env`, where no shell resolves it."""
    if _ADDRESS.match(str(path)):
        raise ValueError("it is an address, and a folder of this machine is needed")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("the home that its ~ stands for is not known; write the whole path") from None


def _existing_folder(path: Path) -> Path:
    """A folder that is there."""
    found = _folder(path)
    if not found.is_dir():
        raise ValueError(f"{found} is not a folder")
    return found


def _lake_address(value: str) -> str:
    """`s3://bucket[/prefix]`, or a directory."""
    if not _ADDRESS.match(value):
        return str(_folder(Path(value)))
    scheme, _, rest = value.partition("://")
    if scheme != "s3" or not _BUCKET.fullmatch(rest.partition("/")[0]):
        raise ValueError("a lake is a directory or s3://bucket[/prefix]")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    """A URL of Postgres, also as SQLAlchemy spells it."""
    scheme, separator, rest = value.get_secret_value().partition("://")
    if scheme.partition("+")[0] not in {"postgresql", "postgres"} or not separator or not rest:
        raise ValueError("it is not postgresql://user@host:5432/database")
    user, _, hosts = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")
    ports = [int(found[1] or 5432) if (found := _HOST.fullmatch(host)) else 0 for host in hosts.split(",")]
    if "@" in user or not all(0 < port < _PORTS for port in ports):
        raise ValueError(
            "it is not postgresql://user@host:5432/database; "
            "within user and password @ is written as %40, / as %2F and : as %3A"
        )
    return value


def _web_address(value: str) -> str:
    """An address that begins with http:// or https:// and names a host."""
    found = _taken_apart(value)
    if found is None or found.scheme not in {"http", "https"}:
        raise ValueError("it is not http://host or https://host")
    return value


def _https_address(value: SecretStr) -> SecretStr:
    """An address to which texts may be sent: https, or http on this very machine."""
    found = _taken_apart(value.get_secret_value())
    if found is None or not (found.scheme == "https" or (found.scheme == "http" and _is_here(found.hostname or ""))):
        raise ValueError("it is not https://host/path (http:// only on this machine)")
    return value


def _world_name(value: str) -> str:
    """What may be part of a folder's name and of a lake key."""
    if not _NAME.fullmatch(value):
        raise ValueError("a name has letters, digits and . _ = - only")
    return value


def _topic(value: str) -> str:
    """The ARN of an SNS topic."""
    if not _TOPIC.fullmatch(value):
        raise ValueError("it is not arn:aws:sns:region:account:name")
    return value


def _log_group(value: str) -> str:
    """The name of a CloudWatch log group."""
    if not _LOG_GROUP.fullmatch(value):
        raise ValueError("a log group has letters, digits and . _ / # - only")
    return value


def _taken_apart(value: str) -> SplitResult | None:
    """The parts of an address with a host and, if it names one, a possible port."""
    try:
        found = urlsplit(value)
        possible = bool(found.hostname) and (found.port is None or found.port > 0)
    except ValueError:
        return None
    return found if possible and not re.search(r"\s", value) else None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _webhook_secrets(value: SecretStr) -> SecretStr:
    """One secret, or a new and an old one, separated by a space."""
    for number, each in enumerate(value.get_secret_value().split(), start=1):
        try:
            key_of(each)
        except ValueError as wrong:
            raise ValueError(f"secret {number} cannot be used: {wrong}; make one with: {HOW_TO_MAKE_ONE}") from None
    return value


Folder = Annotated[Path, AfterValidator(_folder)]
ExistingFolder = Annotated[Path, AfterValidator(_existing_folder)]
LakeAddress = Annotated[str, AfterValidator(_lake_address)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
HttpsAddress = Annotated[SecretStr, AfterValidator(_https_address)]
WorldName = Annotated[str, AfterValidator(_world_name)]
Topic = Annotated[str, AfterValidator(_topic)]
LogGroup = Annotated[str, AfterValidator(_log_group)]
WebhookSecrets = Annotated[SecretStr, AfterValidator(_webhook_secrets)]
