"""Asking BEA: its API, its bulk archives and its release calendar.

Every answer that comes out of here is whole, about what was asked, and free of the key. Errors and cut answers are
tried again where that may help, within the budget of the key, and never handed on. The key is added to a request at
the last moment, so that it stands in no variable, exception or log line of ours.

Not verified with BEA: how long a refusal lasts without Retry-After (an hour is assumed, as BEA's own client says).
"""

import asyncio
import io
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import stamina
from pydantic import SecretStr

from pce_pipeline import __version__
from pce_pipeline.bea.budget import RequestBudget
from pce_pipeline.bea.bulk import check_archive
from pce_pipeline.bea.errors import (
    BeaContentError,
    BeaError,
    BeaFileRefused,
    BeaKeyExposed,
    BeaMoved,
    BeaQuotaExceeded,
    BeaRateLimited,
    BeaRequestRejected,
    BeaTransportError,
)
from pce_pipeline.bea.national import REGISTER, SeriesOf, check_months
from pce_pipeline.bea.observations import ReleaseNote
from pce_pipeline.bea.protocol import check_data, decode_lines, redact, redact_key
from pce_pipeline.bea.releases import parse_calendar
from pce_pipeline.errors import UsageError

if TYPE_CHECKING:
    import httpx

_API = "/api/data"
_CALENDAR = "/API/signup/release_dates.json"
_AGENT = f"pce_pipeline/{__version__} (uses the BEA Data API; not endorsed or certified by BEA)"

_STATE_ANSWER_BYTES = 300_000  # one line, all areas, all years; 262 kB measured
_SMALL_ANSWER_BYTES = 20_000
_LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
_LARGEST_ARCHIVE_BYTES = 256 * 1024 * 1024
_NATIONAL_ANSWER_BYTES = 8_000_000  # one table, all months since 1959
_NATIONAL_YEAR_BYTES = 120_000
_SHOWN = 5
_LOCK_WITHOUT_WORD = timedelta(hours=1)
_LONGEST_LOCK = timedelta(days=1)
_ARCHIVE_NAME = re.compile(r"\w+\.zip")
_REDIRECTS = {301, 302, 303, 307, 308}
_NATIONAL_FILES = "/national/Release/TXT"


@dataclass(frozen=True)
class RawAnswer:
    """One answer as received, but for the key."""

    body: bytes
    """Its bytes."""
    endpoint: str
    """Where it came from, without a query."""
    parameters: Mapping[str, str]
    """What was asked, without the key; of files also what BEA says of them."""
    fetched_at: datetime
    """When it came (UTC)."""
    last_updated: ReleaseNote | None = None
    """The table's release note, where the answer carries one; an archive carries many, and gives None here."""


def _keeps_secrets(url: str) -> bool:
    """Whether nobody between here and there reads along: https, or this very machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    try:
        return parts.scheme == "http" and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


class BeaClient:
    """A connection to BEA at `url` ("https://apps.bea.gov"), used as an async context manager.

    `budget` None sends without counting (for BEA's look-alike). `transport` replaces the network, for instance by an
    in-process application. `attempts` bounds how often one request is tried.

    Raises `BeaKeyExposed` where the key would travel in the clear: the address is neither https nor this machine.
    """

    def __init__(
        self,
        url: str,
        key: SecretStr | None = None,
        *,
        budget: RequestBudget | None = None,
        transport: "httpx.AsyncBaseTransport | None" = None,
        attempts: int = 5,
        timeout: timedelta = timedelta(seconds=60),
        whole_timeout: timedelta = timedelta(seconds=300),
    ) -> None:
        if key is not None and transport is None and not _keeps_secrets(url):
            raise BeaKeyExposed(url)
        self._key = key
        self._budget = budget or RequestBudget.unlimited()
        self._unkeyed = RequestBudget.unlimited()
        self._attempts = attempts
        self._whole_timeout = whole_timeout.total_seconds()
        self._under_way: set[asyncio.Task[object]] = set()
        logging.getLogger("httpx").addFilter(_WITHOUT_KEYED_URLS)
        import httpx  # noqa: PLC0415 (a seventh of a second that most verbs do not need)

        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            transport=transport,
            timeout=timeout.total_seconds(),
            headers={"User-Agent": _AGENT},
            follow_redirects=False,
        )

    @property
    def url(self) -> str:
        """The address that everything is asked below."""
        return str(self._http.base_url).rstrip("/")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Call off what other tasks still ask, then close.

        `asyncio.gather` raises the first error while its other questions go on: each would open a connection that
        nobody closes any more.
        """
        others = self._under_way - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._http.aclose()

    async def lines(self, table: str) -> RawAnswer:
        """The list of a table's lines (`protocol.decode_lines` reads it)."""
        return await self._api(
            {
                "method": "GetParameterValuesFiltered",
                "datasetname": "Regional",
                "TargetParameter": "LineCode",
                "TableName": table,
                "ResultFormat": "JSON",
            },
            _SMALL_ANSWER_BYTES,
            check=lambda body: _is_list_of_lines(body, table),
            table=table,
        )

    async def data(self, table: str, line: int, *, geo: str = "STATE", year: str = "ALL") -> RawAnswer:
        """One line of a table for an area, areas or a kind of areas (`protocol.decode_data` reads it).

        Always one line: BEA takes LineCode=ALL for single areas only, and we do not rely on it.
        """
        return await self._api(
            {
                "method": "GetData",
                "datasetname": "Regional",
                "TableName": table,
                "LineCode": str(line),
                "GeoFips": geo,
                "Year": year,
                "ResultFormat": "JSON",
            },
            _STATE_ANSWER_BYTES if geo.isalpha() else _SMALL_ANSWER_BYTES,
            check=lambda body: check_data(body, table, line),
            table=table,
            line=line,
        )

    async def last_updated(self, table: str, line: int, geo: str) -> ReleaseNote | None:
        """A table's release note, by one small request for a cell that the table has."""
        return (await self.data(table, line, geo=geo, year="LAST5")).last_updated

    async def months(self, table: str, *, year: str = "ALL") -> RawAnswer:
        """A whole national table by month (`national.decode_months` reads it), or a year of it."""
        return await self._api(
            {
                "method": "GetData",
                "datasetname": "NIPA",
                "TableName": table,
                "Frequency": "M",
                "Year": year,
                "ResultFormat": "JSON",
            },
            _NATIONAL_ANSWER_BYTES if year == "ALL" else _NATIONAL_YEAR_BYTES,
            check=lambda body: check_months(body, table),
            table=table,
        )

    async def months_last_updated(self, table: str, year: int) -> ReleaseNote | None:
        """A national table's release note, by one request for a year that it has: BEA answers whole tables only."""
        return (await self.months(table, year=str(year))).last_updated

    async def series(self, file: str, tables: Collection[str]) -> RawAnswer:
        """The monthly series that some national tables have (`national.read_series` reads them); needs no key.

        The file of all series is read as it comes and nothing else of it kept. `parameters` say when BEA wrote it, its
        bytes and its hash.
        """
        register = await self._file(
            f"{_NATIONAL_FILES}/{REGISTER}", _LARGEST_ANSWER_BYTES, check=lambda body: _is_register_of(body, tables)
        )
        return await self._persistently(
            _Question(
                f"{_NATIONAL_FILES}/{file}",
                MappingProxyType({}),
                lambda _: None,  # what is kept of it was looked at as it came
                0,
                _LARGEST_ARCHIVE_BYTES,
                series_of=lambda: SeriesOf(register.body, tables),
            ),
            self._unkeyed,
            None,
        )

    async def bulk(self, archive: str) -> RawAnswer:
        """A whole archive of regional tables, every checksum verified; needs no key."""
        if not _ARCHIVE_NAME.fullmatch(archive):
            raise UsageError(
                f"{archive!r} is not the name of an archive.",
                remedy="Give a name that ends with .zip, as BEA lists it.",
            )
        return await self._file(f"/regional/zip/{archive}", _LARGEST_ARCHIVE_BYTES, check=_is_archive)

    async def archived(self, path: str, *, largest: int, check: Callable[[bytes], None]) -> RawAnswer:
        """A page or file of BEA's archive of releases, `parameters` with its Last-Modified; needs no key.

        Raises `BeaMoved` for a redirect: `archive_walk` knows where one may lead.
        """
        question = _Question(path, MappingProxyType({}), check, 0, largest, says_when_written=True)
        return await self._persistently(question, self._unkeyed, None)

    async def release_dates(self) -> RawAnswer:
        """BEA's calendar of releases (`releases.parse_calendar` reads it); needs no key."""
        return await self._file(_CALENDAR, _LARGEST_ANSWER_BYTES, check=_is_calendar)

    async def fetch_lines(
        self,
        wanted: Iterable[tuple[str, int]],
        on_answer: Callable[[str, int, RawAnswer], Awaitable[None]],
        *,
        at_once: int = 8,
    ) -> None:
        """Fetch many lines (table, line), some at once, handing each answer to `on_answer` as it comes.

        After an error nothing new is asked, what is under way is still handed over, and the first error is raised.
        """
        waiting = deque(wanted)

        async def work() -> None:
            while waiting:
                table, line = waiting.popleft()
                await on_answer(table, line, await self.data(table, line))

        workers = [asyncio.create_task(work()) for _ in range(min(at_once, len(waiting)))]
        if not workers:
            return
        try:
            ended, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            waiting.clear()
            outcomes = await asyncio.gather(*workers, return_exceptions=True)
        except asyncio.CancelledError:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            raise
        for error in (*(worker.exception() for worker in ended), *outcomes):
            if error is not None:
                raise error

    async def _api(
        self,
        parameters: dict[str, str],
        expected_bytes: int,
        *,
        check: Callable[[bytes], ReleaseNote | None],
        table: str,
        line: int | None = None,
    ) -> RawAnswer:
        if self._key is None:
            raise UsageError("BEA's API needs a key.", remedy="Set BEA_API_KEY, or PCE_SOURCE=bulk to do without.")
        return await self._persistently(
            _Question(_API, MappingProxyType(parameters), check, expected_bytes, _LARGEST_ANSWER_BYTES, table, line),
            self._budget,
            _UserId(self._key),
        )

    async def _file(self, path: str, largest: int, *, check: Callable[[bytes], ReleaseNote | None]) -> RawAnswer:
        return await self._persistently(_Question(path, MappingProxyType({}), check, 0, largest), self._unkeyed, None)

    async def _persistently(self, question: "_Question", budget: RequestBudget, auth: "_UserId | None") -> RawAnswer:
        def worth_another_try(error: Exception) -> bool:
            if isinstance(error, BeaRateLimited):
                return budget.waits_out(error.retry_at)
            return isinstance(error, BeaError) and error.retryable

        answer: RawAnswer | None = None
        with self._asking():
            async for attempt in stamina.retry_context(
                on=worth_another_try,
                attempts=self._attempts,
                timeout=None,
                wait_initial=1.0,
                wait_max=20.0,
                wait_jitter=1.0,
            ):
                with attempt:
                    answer = await self._once(question, budget, auth)
        assert answer is not None  # noqa: S101 (the loop ends with an answer or an error)
        return answer

    @contextmanager
    def _asking(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (a coroutine always runs in a task)
        self._under_way.add(task)
        try:
            yield
        finally:
            self._under_way.discard(task)

    async def _once(self, question: "_Question", budget: RequestBudget, auth: "_UserId | None") -> RawAnswer:
        """One request, counted in the budget with what it took and how it ended."""
        ticket = await budget.acquire(question.expected_bytes)
        body = b""
        failed = True
        try:
            received = await self._receive(question, auth)
            status, retry_after = received.status, received.headers.get("Retry-After")
            if status == HTTPStatus.TOO_MANY_REQUESTS:
                raise self._locked(question, budget, retry_after)
            if status != HTTPStatus.OK:
                raise _unusable(status, question, received.headers.get("Location", ""))
            body = redact_key(redact(received.body), self._key.get_secret_value() if self._key is not None else "")
            try:
                note = question.check(body)
            except BeaQuotaExceeded:
                raise self._locked(question, budget, retry_after) from None
            failed = False
        finally:
            budget.settle(ticket, len(body), failed=failed)
        return RawAnswer(
            body=body,
            endpoint=self.url + question.path,
            parameters=MappingProxyType({**question.parameters, **received.told(question)}),
            fetched_at=datetime.now(UTC),
            last_updated=note,
        )

    async def _receive(self, question: "_Question", auth: "_UserId | None") -> "_Received":
        """Status, headers and body; raises our errors outside of httpx's, whose requests carry the key."""
        import httpx  # noqa: PLC0415

        problem = ""
        try:
            async with (
                asyncio.timeout(self._whole_timeout),
                self._http.stream("GET", question.path, params=dict(question.parameters), auth=auth) as response,
            ):
                sink = io.BytesIO() if question.series_of is None else question.series_of()
                size = 0
                async for chunk in response.aiter_bytes():
                    sink.write(chunk)
                    size += len(chunk)
                    if size > question.largest:
                        raise BeaFileRefused(f"{question.path} is larger than {question.largest >> 20} MB.")
                return _Received(response.status_code, response.headers, sink)
        except (httpx.HTTPError, httpx.StreamError) as failure:
            problem = type(failure).__name__
        except TimeoutError:
            problem = f"no whole answer within {self._whole_timeout:.0f} seconds"
        raise BeaTransportError(
            f"BEA did not answer {question.path}: {problem}.",
            remedy="Try again; see whether BEA's site can be reached.",
            table=question.table,
            line=question.line,
        )

    @staticmethod
    def _locked(question: "_Question", budget: RequestBudget, retry_after: str | None) -> BeaRateLimited:
        retry_at = budget.now() + _delay(retry_after, budget.now())
        budget.lock_until(retry_at)
        return BeaRateLimited(retry_at, table=question.table, line=question.line)


@dataclass(frozen=True)
class _Question:
    path: str
    parameters: Mapping[str, str]
    check: Callable[[bytes], ReleaseNote | None]
    expected_bytes: int
    largest: int
    table: str | None = None
    line: int | None = None
    series_of: Callable[[], SeriesOf] | None = None
    says_when_written: bool = False


@dataclass(frozen=True)
class _Received:
    status: int
    headers: Mapping[str, str]
    sink: io.BytesIO | SeriesOf

    @property
    def body(self) -> bytes:
        if isinstance(self.sink, io.BytesIO):
            return self.sink.getvalue()
        try:
            body = self.sink.body
        except BeaContentError as odd:  # a page or a cut file may be whole the next time
            raise BeaTransportError(odd.message, remedy="Try again.") from None
        if lacking := self.sink.lacking:
            raise BeaTransportError(
                f"BEA's file of series is cut off: it has nothing of {', '.join(lacking[:_SHOWN])}.",
                remedy="Try again.",
            )
        return body

    def told(self, question: _Question) -> dict[str, str]:
        """When a file was written; of one of which only a part is kept, also what it was as a whole."""
        written = self.headers.get("Last-Modified")
        said = {"Last-Modified": written} if written else {}
        if isinstance(self.sink, io.BytesIO):
            return said if question.says_when_written else {}
        return {**said, "bytes": str(self.sink.size), "sha256": self.sink.sha256}


class _UserId:
    """Puts the key into a request when httpx sends it, and nowhere before."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def __call__(self, request: "httpx.Request") -> "httpx.Request":
        parameters = [("UserID", self._key.get_secret_value()), *request.url.params.multi_items()]
        request.url = request.url.copy_with(params=parameters)
        return request


class _WithoutKeyedUrls(logging.Filter):
    """Keeps log lines of httpx that show a URL with a key from being written."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "userid=" not in record.getMessage().lower()


_WITHOUT_KEYED_URLS = _WithoutKeyedUrls()


def _unusable(status: int, question: _Question, location: str) -> BeaError:
    words = f"HTTP {status} for {question.path}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return BeaTransportError(
            f"BEA answered {words}.", remedy="Try again.", table=question.table, line=question.line
        )
    remedy = "BEA may have moved: compare PCE_BEA_URL with BEA's documentation."
    if status in _REDIRECTS and location:
        # what follows a question mark may be our own query, and that has the key
        place = location.partition("?")[0].partition("#")[0]
        return BeaMoved(str(status), words, place, remedy=remedy, table=question.table, line=question.line)
    return BeaRequestRejected(str(status), words, remedy=remedy, table=question.table, line=question.line)


def _delay(retry_after: str | None, now: datetime) -> timedelta:
    """What Retry-After says, in seconds or as a date, from a second to a day; an hour without a readable one."""
    said = (retry_after or "").strip()
    if said.isdecimal():
        return min(timedelta(seconds=max(int(said[:9]), 1)), _LONGEST_LOCK)
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return _LOCK_WITHOUT_WORD
    until = moment.replace(tzinfo=moment.tzinfo or UTC) - now
    return min(max(until, timedelta(seconds=1)), _LONGEST_LOCK)


def _is_list_of_lines(body: bytes, table: str) -> None:
    others = set(decode_lines(body, table=table, tolerate_unknown=True)["bea_table"]) - {table}
    if others:
        raise BeaContentError(f"BEA listed the lines of {', '.join(sorted(others))} instead.", table=table)


def _is_calendar(body: bytes) -> None:
    parse_calendar(body)


def _is_register_of(body: bytes, tables: Collection[str]) -> None:
    """A page or a cut list where a register was due may be whole the next time."""
    try:
        unnamed = SeriesOf(body, tables).unnamed
    except BeaContentError as odd:
        raise BeaTransportError(odd.message, remedy="Try again.") from None
    if unnamed:
        raise BeaTransportError(f"BEA's register of series names no line of {', '.join(unnamed)}.", remedy="Try again.")


def _is_archive(body: bytes) -> None:
    """A page or a cut file where an archive was due may be whole the next time; an unsafe archive will not."""
    if not body.startswith(b"PK"):
        raise BeaTransportError("BEA sent something else than the archive.", remedy="Try again.")
    check_archive(body)
