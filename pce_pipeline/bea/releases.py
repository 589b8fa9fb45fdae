"""When BEA published what: the "Last updated" notes of its tables, and its calendar of releases.

Both are texts written by people, so unknown wording never fails: a note that says no day is no note, and a calendar
without the release asked for says so. Whether data really changed is decided by content hashes alone.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType

import msgspec

from pce_pipeline.bea.errors import BeaContentError
from pce_pipeline.bea.observations import ReleaseNote
from pce_pipeline.decoding import decoded_json

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAY = re.compile(
    r"(?:last\s+updated|last\s*revised)\s*:?\s*(?P<month>[a-z]{3,})\.?\s+(?P<day>\d{1,2})\s*,?\s+(?P<year>\d{4})",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"(?P<kinds>(?:new|revised)(?:\s*(?:and|/|,)\s*(?:new|revised))?)(?:\s+(?!new\b|revised\b)[a-z]\w*){0,6}?\s+"
    r"(?:statistics|estimates|data)\s+for\s+"
    r"(?P<years>\d{4}(?:(?:[\s\-\u2013\u2014,&]|and|to|through)+\d{4})*)",
    re.IGNORECASE,
)
_YEARS = re.compile(r"(\d{4})(?:\s*(?:[-\u2013\u2014]+|to|through)\s*(\d{4}))?", re.IGNORECASE)


def parse_last_updated(text: str) -> ReleaseNote | None:
    """The day and the years of a "Last updated: ..." text ("LastRevised: ..." in national tables); None without one."""
    found = _DAY.search(text)
    if found is None:
        return None
    months = (number for number, name in enumerate(_MONTHS, start=1) if name.startswith(found["month"].lower()))
    try:
        day = date(int(found["year"]), next(months, 0), int(found["day"]))
    except ValueError:
        return None
    new: set[int] = set()
    revised: set[int] = set()
    for clause in _CLAUSE.finditer(text, found.end()):
        years = _years(clause["years"])
        kinds = clause["kinds"].lower()
        new.update(years if "new" in kinds else ())
        revised.update(years if "revised" in kinds else ())
    return ReleaseNote(
        last_updated=day,
        text=text[found.start() :].strip().strip('"').strip(),
        new_years=tuple(sorted(new)),
        revised_years=tuple(sorted(revised)),
    )


def newest_note(texts: Iterable[str]) -> ReleaseNote | None:
    """The newest release note among texts of which most are about other things."""
    notes = [note for text in texts if (note := parse_last_updated(text)) is not None]
    return max(notes, key=lambda note: note.last_updated, default=None)


def _years(text: str) -> list[int]:
    spans = ((int(first), int(last or first)) for first, last in _YEARS.findall(text))
    return [year for first, last in spans for year in range(first, last + 1)]


@dataclass(frozen=True)
class Calendar:
    """BEA's release calendar."""

    dates: Mapping[str, tuple[datetime, ...]]
    """The moments of each release (UTC, ascending), without those that are to be rescheduled."""
    rescheduled: Mapping[str, tuple[datetime, ...]]
    """The moments that are to be rescheduled."""
    unreadable: tuple[str, ...]
    """The releases with a date that could not be read."""
    updated: datetime | None
    """When BEA last wrote the calendar; taken as UTC, although BEA writes no zone and nothing verified it."""

    def name_found(self, names: Sequence[str]) -> str | None:
        """The first of `names` the calendar has, in its own spelling: exact ones first, then whatever the case.

        Parts of names never match: "Personal Consumption Expenditures by State" lies inside the name of another one.
        """
        folded = {_fold(name): name for name in self.dates}
        exact = (name for name in names if name in self.dates)
        alike = (folded[_fold(name)] for name in names if _fold(name) in folded)
        return next(exact, None) or next(alike, None)

    def releases(self, names: Sequence[str]) -> tuple[datetime, ...]:
        """All dates, past and future, of the release found under `names`; empty where there is none."""
        name = self.name_found(names)
        return self.dates[name] if name is not None else ()

    def next_after(self, names: Sequence[str], now: datetime) -> datetime | None:
        dates = self.releases(names)
        position = bisect_right(dates, now)
        return dates[position] if position < len(dates) else None

    def latest_before(self, names: Sequence[str], now: datetime) -> datetime | None:
        """The newest date that is not after `now`."""
        dates = self.releases(names)
        position = bisect_right(dates, now)
        return dates[position - 1] if position else None


def parse_calendar(body: bytes) -> Calendar:
    """BEA's release_dates.json as a `Calendar`; values that are not objects and unknown keys are passed over.

    Raises `BeaContentError` for anything but a JSON object.
    """
    try:
        declared = decoded_json(body.removeprefix(b"\xef\xbb\xbf"), object)
    except msgspec.DecodeError as unreadable:
        raise BeaContentError(f"BEA's release calendar is not readable: {unreadable}.") from None
    if not isinstance(declared, dict):
        raise BeaContentError("BEA's release calendar is not a JSON object.")
    dates: dict[str, tuple[datetime, ...]] = {}
    rescheduled: dict[str, tuple[datetime, ...]] = {}
    unreadable_names: list[str] = []
    for name, release in declared.items():
        if not isinstance(release, dict):
            continue
        planned, planned_fine = _dates(release.get("release_dates"))
        moved, moved_fine = _dates(release.get("to_be_rescheduled"))
        dates[name] = tuple(sorted(planned - moved))
        rescheduled[name] = tuple(sorted(moved))
        if not (planned_fine and moved_fine):
            unreadable_names.append(name)
    return Calendar(
        dates=MappingProxyType(dates),
        rescheduled=MappingProxyType(rescheduled),
        unreadable=tuple(unreadable_names),
        updated=_moment(declared.get("file_last_updated")),
    )


def _dates(listed: object) -> tuple[set[datetime], bool]:
    """The moments in a JSON list, and whether all of it could be read."""
    if listed is None:
        return set(), True
    entries = listed if isinstance(listed, list) else [listed]
    moments = [_moment(entry) for entry in entries]
    return {moment for moment in moments if moment is not None}, None not in moments


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _fold(name: str) -> str:
    return " ".join(name.casefold().split())
