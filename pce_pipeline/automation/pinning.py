"""What a pin does: which figures Postgres holds because of it, since when, and why.

Pure functions over what counts and what is loaded. A pin is a rollback that somebody decided on, and must not be
forgotten: whatever shows the state of a world says that it is pinned.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from pce_pipeline.automation.next_step import LakeState, LoadState, stale_years
from pce_pipeline.bronze.current import Current, releases_of
from pce_pipeline.lake.layout import ExtractId

Holds = Literal["pinned", "later", "mixed", "nothing"]


@dataclass(frozen=True)
class Pinned:
    """A pin, and what Postgres holds while it lasts."""

    dataset: str
    """The dataset that is pinned."""
    extract: str
    """Extracts later than this one do not count."""
    pinned_at: datetime
    """Since when (UTC)."""
    reason: str
    """Why, as the person said who pinned it."""
    ignored: tuple[str, ...]
    """The extracts that are later."""
    holds: Holds | None
    """Whether Postgres holds the pinned figures, still the later ones, years of both, or nothing of the dataset; None
    if it was not asked, or has no table for it."""
    releases: Mapping[str, str]
    """The release that each table's figures in Postgres are of; of the pinned ones where Postgres does not tell."""

    def is_older_than(self, age: timedelta, now: datetime) -> bool:
        return now - self.pinned_at > age

    @property
    def of_releases(self) -> str:
        """The releases in words."""
        return " and ".join(sorted(set(self.releases.values()))) or "an unknown release"

    def __str__(self) -> str:
        match self.holds:
            case "pinned":
                held = f"Postgres holds the figures of {self.of_releases}"
            case "later":
                held = f"Postgres still holds the later figures of {self.of_releases}, until `pce refresh`"
            case "mixed":
                held = "Postgres holds some years of either, until `pce refresh`"
            case "nothing":
                held = "Postgres holds nothing of it, until `pce refresh`"
            case _:
                held = f"what counts is of {self.of_releases}"
        return (
            f"{self.dataset}: extracts after {self.extract} do not count since {self.pinned_at:%Y-%m-%d %H:%M} UTC "
            f"({self.reason or 'no reason given'}); {held}"
        )


def pinned(now: Current, lake: LakeState, loaded: LoadState | None) -> Pinned | None:
    """What the pin does; None where there is none. `loaded` None leaves Postgres out."""
    if now.pin is None:
        return None
    holds = _holds(now, lake, loaded)
    return Pinned(
        dataset=now.dataset.name,
        extract=now.pin.extract,
        pinned_at=now.pin.pinned_at,
        reason=now.pin.reason,
        ignored=tuple(str(each) for each in sorted(now.manifests) if each > ExtractId.parse(now.pin.extract)),
        holds=holds,
        releases=releases_of(now.unpinned) if holds == "later" else now.releases,
    )


def _holds(now: Current, lake: LakeState, loaded: LoadState | None) -> Holds | None:
    name = now.dataset.name
    if loaded is None or not lake.registry.has_table_in_postgres(name):
        return None
    if not {table for table, _ in loaded.hashes} & {each.table.name for each in lake.registry.gold[name]}:
        return "nothing"
    if not stale_years(lake, loaded, [name]):
        return "pinned"
    known = {**lake.beyond_pin, **lake.tables}
    later = {
        table: replace(known[table], vintage=source.vintage) for table, source in now.unpinned.items() if table in known
    }
    unpinned = replace(lake, tables={**lake.tables, **later}, beyond_pin={})
    return "mixed" if stale_years(unpinned, loaded, [name]) else "later"
