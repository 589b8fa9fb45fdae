"""What can go wrong between us and BEA, as a tree of types with facts as attributes.

    BeaError
    ├── BeaTransportError        no usable answer came (time-out, 5xx, refused connection); worth another try
    ├── BeaRateLimited           BEA counts us out until `retry_at`
    ├── BeaApiError              BEA answered with an error: `code`, `detail`
    │   ├── BeaKeyRejected       codes 1, 3, 4: the key is unknown or not active; nothing will work until it is
    │   ├── BeaRequestRejected   codes 20, 31, 34, 40: BEA does not know this table, line or parameter
    │   │   └── BeaMoved         BEA answered with another address
    │   ├── BeaQuotaExceeded     code 7: the quota in words of an answer; the client makes it BeaRateLimited
    │   └── BeaUnavailable       codes 101, 2xx and unknown ones: passing, or a combination BEA cannot serve
    ├── BeaKeyExposed            the address is neither https nor this machine: the key would be readable on the way
    └── BeaContentError          the answer or file is not what BEA documents
        ├── BeaUnknownField      a field this version does not know
        └── BeaFileRefused       a file that is unsafe or no BEA table

No attribute and no text ever holds the API key or a URL with it.
"""

from datetime import datetime

from pce_pipeline.errors import PceError


class BeaError(PceError):
    """Base of everything here; `table`, `line` and `area` name the request where there was one."""

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        table: str | None = None,
        line: int | None = None,
        area: str | None = None,
    ) -> None:
        self.table = table
        self.line = line
        self.area = area
        where = ", ".join(
            part
            for part in (
                f"table {table}" if table else "",
                f"line {line}" if line is not None else "",
                f"area {area}" if area else "",
            )
            if part
        )
        super().__init__(f"{message} ({where})" if where else message, remedy=remedy)


class BeaKeyExposed(BeaError):
    """The key would travel in the clear, so nothing is sent."""

    def __init__(self, url: str) -> None:
        host = url.partition("://")[2].rpartition("@")[2].split("/")[0]
        super().__init__(
            f"BEA's key is not sent to {host[:80]!r}: the address is neither https nor this machine.",
            remedy="Set PCE_BEA_URL to an https address (or leave it out), or take BEA_API_KEY away.",
        )


class BeaTransportError(BeaError):
    """No usable answer came: time-out, refused connection, 5xx, an empty or cut body."""

    retryable = True


class BeaRateLimited(BeaError):
    """BEA's limit is reached; `retry_at` (UTC) is when to come back."""

    def __init__(self, retry_at: datetime, *, table: str | None = None, line: int | None = None) -> None:
        self.retry_at = retry_at
        super().__init__(
            f"BEA has locked this key for sending too much until {retry_at:%Y-%m-%d %H:%M:%S} UTC.",
            remedy="Run the same command after that: what was fetched so far is kept.",
            table=table,
            line=line,
        )


class BeaApiError(BeaError):
    """BEA answered HTTP 200 with an error: `code` is its number, `detail` its words."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        remedy: str = "",
        table: str | None = None,
        line: int | None = None,
        area: str | None = None,
    ) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"BEA answered error {code}: {detail}", remedy=remedy, table=table, line=line, area=area)


class BeaKeyRejected(BeaApiError):
    """The key is unknown or not yet activated."""


class BeaRequestRejected(BeaApiError):
    """BEA does not know what was asked for: a renamed table, a dropped line, a wrong parameter."""


class BeaMoved(BeaRequestRejected):
    """BEA answered with another address, `location`, of which only the part before a query is kept."""

    def __init__(
        self,
        code: str,
        detail: str,
        location: str,
        *,
        remedy: str = "",
        table: str | None = None,
        line: int | None = None,
    ) -> None:
        self.location = location
        super().__init__(code, detail, remedy=remedy, table=table, line=line)


class BeaQuotaExceeded(BeaApiError):
    """The answer says that the quota is used up; it does not say until when."""


class BeaUnavailable(BeaApiError):
    """An error that may pass."""

    retryable = True


class BeaContentError(BeaError):
    """The answer or file is not what BEA documents."""


class BeaUnknownField(BeaContentError):
    """The answer carries a field this version does not know; `fields` names them."""

    def __init__(self, fields: tuple[str, ...], *, table: str | None = None, line: int | None = None) -> None:
        self.fields = fields
        super().__init__(
            f"BEA's answer has unknown fields: {', '.join(fields)}.",
            remedy="Look at the stored answer; set PCE_TOLERATE_UNKNOWN_FIELDS=true to go on without them.",
            table=table,
            line=line,
        )


ZIP_INSTEAD = "Take the file as BEA published it, or download BEA's zip."
"""What to do with a copy that cannot be read for certain."""


class BeaFileRefused(BeaContentError):
    """A file that is unsafe to open or holds no BEA table."""
