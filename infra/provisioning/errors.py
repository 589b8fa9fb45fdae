"""What can go wrong, each with what to do about it. No secret ever stands in a message."""

from collections.abc import Sequence


class ProvisioningError(Exception):
    """Base of all; `remedy` says what to do."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class UsageRefused(ProvisioningError):
    """What was asked cannot or must not be done this way."""

    exit_code = 2


class EndpointNotAws(ProvisioningError):
    """Something answered in AWS's place, with success and nothing that means anything: `service`, `call`."""

    def __init__(self, service: str, call: str) -> None:
        super().__init__(
            f"What answered {call} of {service} is not AWS.",
            remedy="Look at AWS_ENDPOINT_URL (and its forms for one service), proxies and DNS of this machine.",
        )
        self.service = service
        self.call = call


class NoEnvironment(ProvisioningError):
    """CloudFormation has no stack of that name."""

    def __init__(self, stack: str) -> None:
        super().__init__(
            f"{stack} does not exist.", remedy="Run without --outputs, --drift or --destroy to make a plan."
        )
        self.stack = stack


class StackFailed(ProvisioningError):
    """An operation ended elsewhere than it should; `status` is where, `failures` are the first causes."""

    def __init__(self, stack: str, status: str, failures: Sequence[str], *, standing: str, remedy: str) -> None:
        causes = "".join(f"\n  - {failure}" for failure in failures)
        super().__init__(f"{stack} ended as {status}. {standing}{causes}", remedy=remedy)
        self.stack = stack
        self.status = status
        self.failures = tuple(failures)


class TookTooLong(ProvisioningError):
    """An operation is still running when patience ended; it goes on without us."""

    def __init__(self, what: str, minutes: float) -> None:
        super().__init__(
            f"{what} is still running after {minutes:.0f} minutes.",
            remedy="Nothing is lost: run the same command again, it follows what is running.",
        )
