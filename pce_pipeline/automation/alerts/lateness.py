"""Whether a release is late: BEA's calendar says that it is out, and the lake does not have it.

Pure functions over what the lake holds and what the calendar says. That the calendar cannot be read is no lateness.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pce_pipeline.automation.alerts.alert import Alert, key_of
from pce_pipeline.automation.next_step import SOONEST_REPEAT, WAIT_FOR_LATE_RELEASE, KnownTable, LakeState
from pce_pipeline.bea.gateway import Release

_SCHEDULE = "https://www.bea.gov/news/schedule"


@dataclass(frozen=True)
class LateRelease:
    """A release that was announced and that the lake does not hold."""

    name: str
    """The dataset."""
    announced: datetime
    """The announced moment (UTC)."""
    asked_at: datetime
    """When BEA was asked (UTC)."""
    tables: Mapping[str, str]
    """What the lake holds of each table instead."""


def unknowable(releases: Mapping[str, Release]) -> str | None:
    """Why nothing can be said of lateness of some dataset; None where it can of all."""
    if any(each.calendar is None for each in releases.values()):
        return "BEA's release calendar could not be read."
    unnamed = [
        name
        for name, each in releases.items()
        if each.calendar is not None and each.calendar.name_found(each.release_names) is None
    ]
    if unnamed:
        return f"BEA's release calendar names none of the releases that the catalogue lists for {', '.join(unnamed)}."
    return None


def late_releases(lake: LakeState, releases: Mapping[str, Release], *, grace: timedelta) -> dict[str, LateRelease]:
    """The releases that are late, by dataset."""
    found = {
        name: late_release(lake, release, tables=lake.registry.datasets[name].tables, grace=grace)
        for name, release in releases.items()
    }
    return {name: late for name, late in found.items() if late is not None}


def late_release(lake: LakeState, release: Release, *, tables: Iterable[str], grace: timedelta) -> LateRelease | None:
    """The newest release that is announced for longer than `grace` ago, if the lake lacks it.

    A table has a release if BEA's note of it is not older, if its figures changed since, or if a comparison after it
    found nothing new and the next one is not overdue either: BEA may publish after the announced moment, so the first
    comparison settles nothing, and they are repeated at growing distances for two weeks.
    """
    name = release.calendar.name_found(release.release_names) if release.calendar is not None else None
    if release.calendar is None or name is None:
        return None
    announced = release.calendar.latest_before(release.release_names, release.asked_at - grace)
    if announced is None:
        return None
    without = {
        table: "not in any extract" if known is None else f"last compared {known.compared_at:%Y-%m-%d %H:%M} UTC"
        for table in tables
        if _is_late(known := lake.tables.get(table) or lake.beyond_pin.get(table), announced, release.asked_at, grace)
    }
    return LateRelease(name, announced, release.asked_at, without) if without else None


def _is_late(known: KnownTable | None, announced: datetime, now: datetime, grace: timedelta) -> bool:
    if known is None or known.compared_at < announced:
        return True
    noted = known.last_updated is not None and known.last_updated >= announced.date()
    changed = known.changed_at is not None and known.changed_at >= announced
    if noted or changed:
        return False
    next_comparison = known.compared_at + max(SOONEST_REPEAT, known.compared_at - announced)
    return next_comparison - announced <= WAIT_FOR_LATE_RELEASE and now - next_comparison > grace


def alert_of_late(late: LateRelease, *, env: str, world: str, dataset: str, lake: str) -> Alert:
    """The alert, the same one for the same release."""
    hours = (late.asked_at - late.announced).total_seconds() / 3600
    held = "; ".join(f"{table}: {what}" for table, what in late.tables.items())
    return Alert(
        kind="release_late",
        key=key_of(dataset, late.announced.date().isoformat()),
        severity="warning",
        env=env,
        world=world,
        title=f"{dataset}: BEA's release of {late.announced:%Y-%m-%d} is not in the lake",
        happened=f"BEA's calendar has {late.name!r} for {late.announced:%Y-%m-%d %H:%M} UTC, {hours:.0f} hours ago. "
        f"The lake does not hold it ({held}).",
        remedy="Look whether the daily run or the release sensor is on and why it stopped (`pce status`), and what it "
        "would do now (`pce check`); `pce run` takes the release at once. Where BEA itself is late, its page says so.",
        facts={
            "dataset": dataset,
            "release": late.announced.isoformat(),
            "tables": ", ".join(late.tables),
            "lake": lake,
            "schedule": _SCHEDULE,
        },
        at=late.asked_at,
    )
