"""AWS as this program sees it: clients by name, from one session, with patient retries."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.provisioning.errors import UsageRefused

Client: TypeAlias = Any
"""A boto3 client; its methods are made at run time."""


class Cloud:
    """Clients of one account and region, each made once."""

    def __init__(self, session: boto3.Session) -> None:
        self._session = session
        self._clients: dict[str, Client] = {}

    @property
    def region(self) -> str:
        return self._session.region_name or ""

    def client(self, service: str) -> Client:
        if service not in self._clients:
            retries = Config(retries={"mode": "standard", "total_max_attempts": 8})
            make: Client = self._session.client
            self._clients[service] = make(service, config=retries)
        return self._clients[service]

    def account(self) -> str:
        """The number of the account. Raises `UsageRefused` without credentials that work."""
        try:
            return str(self.client("sts").get_caller_identity()["Account"])
        except (BotoCoreError, ClientError) as refused:
            raise UsageRefused(
                f"AWS does not know who this is ({type(refused).__name__}).",
                remedy="Sign in (`aws sso login`, AWS_PROFILE) or put credentials into the environment.",
            ) from None


def session(arguments: Mapping[str, str]) -> boto3.Session:
    """A session of boto3 with these arguments of its own; AWS's default chain gives what they leave out."""
    make: Client = boto3.Session
    made: boto3.Session = make(**arguments)
    return made


def refusal(error: ClientError | BotoCoreError) -> str:
    """What AWS, or boto3 before it was asked, has against a call."""
    return f"{error_code(error)}, {error_message(error)}" if isinstance(error, ClientError) else str(error)


def error_code(error: ClientError) -> str:
    """What AWS calls the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: ClientError) -> str:
    """What AWS says of it."""
    return str(error.response.get("Error", {}).get("Message", ""))
