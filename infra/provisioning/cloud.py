"""AWS as this program sees it: clients by name, from one session, with patient retries."""

import json
import re
from collections.abc import Mapping
from copy import copy
from typing import Any, TypeAlias

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from infra.provisioning.errors import EndpointNotAws, UsageRefused

REFUSALS = (ClientError, BotoCoreError, ResponseParserError)
"""Everything that boto3 raises for a call that AWS, or what stands in its place, did not carry out."""

Client: TypeAlias = Any
"""A boto3 client; its methods are made at run time."""


_REFUSED = 300


class Cloud:
    """Clients of one account and region, each made once."""

    def __init__(self, session: boto3.Session) -> None:
        self._session = session
        self._region: str = session.region_name or ""
        self._clients: dict[str, Client] = {}

    @property
    def region(self) -> str:
        return self._region

    def in_region(self, region: str) -> "Cloud":
        """The same account, in another region."""
        there = copy(self)
        there._region, there._clients = region, {}  # noqa: SLF001 (its own, of another object)
        return there

    def client(self, service: str) -> Client:
        if service not in self._clients:
            retries = Config(retries={"mode": "standard", "total_max_attempts": 8})
            make: Client = self._session.client
            self._clients[service] = made = make(service, config=retries, region_name=self._region or None)
            made.meta.events.register("before-parse", _check_answer)
        return self._clients[service]

    def account(self) -> str:
        """The number of the account. Raises `UsageRefused` without credentials that work."""
        try:
            return str(self.client("sts").get_caller_identity()["Account"])
        except REFUSALS as refused:
            raise UsageRefused(
                f"AWS does not know who this is ({type(refused).__name__}).",
                remedy="Sign in (`aws sso login`, AWS_PROFILE) or put credentials into the environment.",
            ) from None


def session(arguments: Mapping[str, str]) -> boto3.Session:
    """A session of boto3 with these arguments of its own; AWS's default chain gives what they leave out."""
    make: Client = boto3.Session
    made: boto3.Session = make(**arguments)
    return made


def refusal(error: Exception) -> str:
    """What AWS, or boto3 before it was asked, has against a call; one of `REFUSALS`."""
    if isinstance(error, ResponseParserError):
        return "what answered does not speak AWS's language"
    return f"{error_code(error)}, {error_message(error)}" if isinstance(error, ClientError) else str(error)


def _check_answer(operation_model: Any, response_dict: Mapping[str, Any], **_: object) -> None:  # noqa: ANN401 (botocore's own, without types)
    """Raises `EndpointNotAws` for an answer that boto3 would trip over, or take for an empty one."""
    service = operation_model.service_model
    body = response_dict.get("body") or b""
    if not isinstance(body, bytes):
        return  # an object's bytes, read by whoever asked for them
    succeeded = response_dict["status_code"] < _REFUSED
    # what it is spoken to in: a service may know several languages
    spoken = str(service.resolved_protocol)
    protocol = "document" if succeeded and _is_document(operation_model) else spoken
    if not _is_of(protocol, body, succeeded=succeeded):
        raise EndpointNotAws(service.service_name, operation_model.name)


def _is_document(operation_model: Any) -> bool:  # noqa: ANN401 (as above)
    """Whether the operation answers with a document that somebody wrote, such as a bucket's policy."""
    shape = operation_model.output_shape
    payload = shape.serialization.get("payload") if shape is not None else None
    return payload is not None and shape.members[payload].type_name in ("string", "blob")


def _is_of(protocol: str, body: bytes, *, succeeded: bool) -> bool:
    """Whether a service of this protocol could have written the body; a document only must not be a website's page."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if "json" in protocol:
        try:
            return isinstance(json.loads(text or "{}"), dict)
        except ValueError:
            return not succeeded  # a proxy's error page: boto3 quotes it
    tag = re.match(r"\s*(?:<\?[^>]*>\s*)?<([\w:]+)", text)
    if protocol == "document":
        return tag is None or tag[1].lower() != "html"
    if protocol in ("query", "ec2"):
        return not succeeded or (tag is not None and tag[1].endswith("Response"))
    return not text or (tag is not None and tag[1].lower() != "html")


def error_code(error: ClientError) -> str:
    """What AWS calls the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: ClientError) -> str:
    """What AWS says of it."""
    return str(error.response.get("Error", {}).get("Message", ""))
