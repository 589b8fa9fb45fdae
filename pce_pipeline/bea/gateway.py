"""The way to BEA that a run's settings choose: its API, its keyless archive, or the embedded look-alike.

A plain object, because it knows the key. Clients are made where they are used and closed after it.
"""

import asyncio
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import structlog
from pydantic import SecretStr

from pce_pipeline.bea.archive_walk import PAUSE
from pce_pipeline.bea.budget import RequestBudget
from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bea.errors import BeaError
from pce_pipeline.bea.observations import ReleaseNote
from pce_pipeline.bea.releases import Calendar, parse_calendar
from pce_pipeline.emulator.vintages import DEFAULT_RELEASE, VINTAGES
from pce_pipeline.errors import UsageError
from pce_pipeline.settings import Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

_log = structlog.get_logger()

_SAMPLE_URL = "http://sample"
_SAMPLE_KEY = SecretStr("00000000-0000-0000-0000-000000sample")
_SAMPLE_RELEASE_FILE = "sample-release"
_LONG = timedelta(seconds=120)
_SHORT = timedelta(seconds=20)

Probes = Mapping[str, tuple[int, str] | int]
"""The cell (line and area) by which each table is asked for its release note; of a national table, a year."""


@dataclass(frozen=True)
class Release:
    """What BEA says of the releases of one dataset."""

    asked_at: datetime
    """When it was asked (UTC)."""
    notes: Mapping[str, ReleaseNote | None] | None
    """The "Last updated" line of each table; None where there is no API to ask."""
    calendar: Calendar | None
    """BEA's release calendar; None where it could not be read."""
    release_names: tuple[str, ...] = ()
    """The names under which the calendar may announce the dataset."""
    problem: str | None = None
    """Why BEA says nothing of the dataset's tables; None where it does."""

    def latest_announced(self) -> datetime | None:
        """The newest announced release that is already out."""
        if self.calendar is None:
            return None
        return self.calendar.latest_before(self.release_names, self.asked_at)


class BeaGateway:
    """Makes clients for the source that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sample: Starlette | None = None

    @property
    def origin(self) -> Literal["api", "bulk", "sample"]:
        return self._settings.source

    @property
    def sample_release_file(self) -> Path:
        """Where a laptop keeps which release its embedded sample publishes."""
        return self._settings.world_home / _SAMPLE_RELEASE_FILE

    def sample_release(self) -> int:
        """The release that the embedded sample publishes now.

        Raises `UsageError` where the file says something else than a release the sample has.
        """
        try:
            said = self.sample_release_file.read_text("utf-8", errors="replace").strip()
        except FileNotFoundError:
            return DEFAULT_RELEASE
        known = {str(vintage.number): vintage.number for vintage in VINTAGES}
        if said not in known:
            raise UsageError(
                f"{self.sample_release_file} names no release of the sample.",
                remedy=f"Write one of {', '.join(known)} into it, or delete it.",
            )
        return known[said]

    def client(self, *, patient: bool = True) -> BeaClient:
        """A new client; close it by `async with`. An impatient one gives up within a minute, whatever happens."""
        if self._settings.is_sample:
            import httpx  # noqa: PLC0415 (a seventh of a second that most verbs do not need)

            return BeaClient(_SAMPLE_URL, _SAMPLE_KEY, transport=httpx.ASGITransport(app=self._look_alike()))
        key = self._settings.bea_api_key
        budget = RequestBudget(
            longest_wait=_LONG if patient else _SHORT,
            key=key.get_secret_value() if key else "",
            state_directory=Path(tempfile.gettempdir()) / f"pce-{os.getuid()}",
            requests_per_minute=self._settings.requests_per_minute,
            bytes_per_minute=self._settings.megabytes_per_minute * 1_000_000,
            errors_per_minute=self._settings.errors_per_minute,
        )
        if patient:
            return BeaClient(self._settings.bea_url, key, budget=budget)
        return BeaClient(self._settings.bea_url, key, budget=budget, attempts=2, timeout=_SHORT, whole_timeout=_SHORT)

    @property
    def pause(self) -> float:
        """How many seconds lie between two requests to the archive of releases; the embedded look-alike needs none."""
        return 0.0 if self._settings.is_sample else PAUSE

    def releases(
        self, release_names: Mapping[str, tuple[str, ...]], probes: Mapping[str, Probes]
    ) -> dict[str, Release]:
        """Ask BEA what it has released, by dataset: one small request per table (API only), and the calendar once.

        Both mappings are by dataset; of one without probes only the calendar is asked. Impatient, because Dagster
        gives a sensor a minute. A dataset of which BEA gives no notes has a `problem`; raises `BeaError` where that is
        so of all.
        """
        asked = {name: probes.get(name, {}) if self.origin != "bulk" else {} for name in release_names}
        return asyncio.run(self._releases(release_names, asked))

    async def _releases(self, names: Mapping[str, tuple[str, ...]], probes: Mapping[str, Probes]) -> dict[str, Release]:
        async with self.client(patient=False) as client:
            calendar, notes = await asyncio.gather(
                _calendar(client), asyncio.gather(*(_notes(client, probes[name]) for name in names))
            )
        now, has_notes = datetime.now(UTC), self.origin != "bulk"
        problems = [each for each in notes if isinstance(each, BeaError)]
        if problems and len(problems) == len(names):
            raise problems[0]
        return {
            name: Release(now, None, calendar, names[name], problem=str(found))
            if isinstance(found, BeaError)
            else Release(now, found if has_notes else None, calendar, names[name])
            for name, found in zip(names, notes, strict=True)
        }

    def _look_alike(self) -> "Starlette":
        if self._sample is None:
            from pce_pipeline.emulator.app import create_app  # noqa: PLC0415 (only the sample needs it)

            self._sample = create_app(self.sample_release, catalog=self._settings.catalog)
        return self._sample


async def _notes(client: BeaClient, probes: Probes) -> dict[str, ReleaseNote | None] | BeaError:
    """The notes of a dataset's tables, or what kept BEA from giving them."""
    try:
        found = await asyncio.gather(
            *(
                client.months_last_updated(table, probe)
                if isinstance(probe, int)
                else client.last_updated(table, *probe)
                for table, probe in probes.items()
            )
        )
    except BeaError as problem:
        return problem
    return dict(zip(probes, found, strict=True))


async def _calendar(client: BeaClient) -> Calendar | None:
    try:
        return parse_calendar((await client.release_dates()).body)
    except BeaError as problem:
        _log.warning("BEA's release calendar could not be read", problem=str(problem))
        return None
