"""What tasks are given that is secret, and where it lies: BEA's key in its secret, alert channels in Parameter Store.

Neither is part of the stack, which only knows whether they are there: a task whose definition names a value that is
missing does not start. Nothing here is ever printed.
"""

from collections.abc import Mapping

from botocore.exceptions import ClientError

from infra.provisioning.cloud import Cloud, error_code

CHANNELS = {
    "SlackAlerts": ("PCE_ALERT_SLACK_URL",),
    "WebhookAlerts": ("PCE_ALERT_WEBHOOK_URL", "PCE_ALERT_WEBHOOK_SECRET"),
}
"""The variables of each channel, by the parameter of the template that says whether tasks get them."""

CHANNEL_VARIABLES = tuple(name for names in CHANNELS.values() for name in names)

_KEY_SECRET = "BeaKeySecretArn"  # noqa: S105 (the name of an output)


def known(environment: str, outputs: Mapping[str, str], cloud: Cloud, given: Mapping[str, str]) -> dict[str, str]:
    """The template's parameters about secrets: what is there, and of the channels also what is about to be put."""
    channels = {*_stored_channels(cloud, environment), *given}
    return {
        "BeaKeyStored": _yes(holds=_stored_key(cloud, outputs) is not None),
        **{parameter: _yes(holds=channels >= set(names)) for parameter, names in CHANNELS.items()},
    }


def none_known() -> dict[str, str]:
    """The same where nothing runs as a task."""
    return dict.fromkeys(("BeaKeyStored", *CHANNELS), "no")


def put_key(cloud: Cloud, outputs: Mapping[str, str], key: str) -> bool:
    """Put BEA's key where tasks find it, unless it is there; whether that was needed."""
    if _stored_key(cloud, outputs) == key:
        return False
    cloud.client("secretsmanager").put_secret_value(SecretId=outputs[_KEY_SECRET], SecretString=key)
    return True


def put_channels(cloud: Cloud, environment: str, given: Mapping[str, str]) -> list[str]:
    """Put the variables of alert channels where tasks find them; the names of those that were not there like this."""
    stored = _stored_channels(cloud, environment)
    changed = [name for name, value in given.items() if stored.get(name) != value]
    for name in changed:
        cloud.client("ssm").put_parameter(
            Name=_address(environment, name), Value=given[name], Type="SecureString", Overwrite=True
        )
    return changed


def drop_channels(cloud: Cloud, environment: str) -> list[str]:
    """Take away what tasks were told of alert channels; the names."""
    stored = sorted(_stored_channels(cloud, environment))
    if stored:
        cloud.client("ssm").delete_parameters(Names=[_address(environment, name) for name in stored])
    return stored


def _stored_key(cloud: Cloud, outputs: Mapping[str, str]) -> str | None:
    if _KEY_SECRET not in outputs:
        return None
    try:
        found = cloud.client("secretsmanager").get_secret_value(SecretId=outputs[_KEY_SECRET])
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return None
    return str(found["SecretString"])


def _stored_channels(cloud: Cloud, environment: str) -> dict[str, str]:
    names = {_address(environment, name): name for name in CHANNEL_VARIABLES}
    found = cloud.client("ssm").get_parameters(Names=list(names), WithDecryption=True)
    return {names[each["Name"]]: str(each["Value"]) for each in found["Parameters"]}


def _address(environment: str, variable: str) -> str:
    return f"/pce/{environment}/{variable}"


def _yes(*, holds: bool) -> str:
    return "yes" if holds else "no"
