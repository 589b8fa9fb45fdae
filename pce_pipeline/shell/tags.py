"""The tags by which a person finds a run on Dagster's page: its world, years or extract, releases, and why it ran.

Every way to start a run gives it some; what only the run itself knows, its first step adds.
"""

from collections.abc import Callable, Collection, Mapping

import dagster as dg

from pce_pipeline.bronze.current import Current
from pce_pipeline.settings import Settings
from pce_pipeline.tables.years import years_text

WORLD = "pce/world"
YEARS = "pce/years"
EXTRACT = "pce/extract"
RELEASE = "pce/release"
WHY = "pce/why"
FORCED = "pce/forced"

_BACKFILL = "dagster/backfill"

_LONGEST = 250


def world_tag(settings: Settings) -> dict[str, str]:
    """The world, spelled so that nobody takes the sample for BEA's data."""
    return {WORLD: settings.world.upper() if settings.is_sample else settings.world}


def why_tag(reasons: Mapping[str, str] | str) -> dict[str, str]:
    """Why a run was started: one reason, or one for each table or year; years of one reason are told together."""
    if isinstance(reasons, str):
        return {WHY: reasons[:_LONGEST]}
    by_reason: dict[str, list[str]] = {}
    for year in (name for name in reasons if name.isdecimal()):
        by_reason.setdefault(reasons[year], []).append(year)
    told = [f"{years_text(years)}: {why}" for why, years in by_reason.items()]
    told += [f"{name}: {why}" for name, why in reasons.items() if not name.isdecimal()]
    return {WHY: "; ".join(told)[:_LONGEST]}


def forced_tag() -> dict[str, str]:
    """The tag of a run that makes everything again, also what stands."""
    return {FORCED: "true"}


def is_forced(context: dg.AssetExecutionContext) -> bool:
    """Whether the run is to make again what stands."""
    return context.run.tags.get(FORCED) == "true"


def reported_before(run: dg.DagsterRun, known: Callable[[], Collection[str]]) -> Collection[str]:
    """The partitions that need not be reported again where they stand: those that the history knows.

    A backfill waits for an event of each partition that it asked for, and ends as failed where one does not come.
    """
    return () if _BACKFILL in run.tags else known()


def tag_run(context: dg.AssetExecutionContext, tags: Mapping[str, str]) -> None:
    """Add tags to the run, unless a step before has."""
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is not None and any(run.tags.get(name) != tag for name, tag in tags.items()):
        context.instance.add_run_tags(run.run_id, {name: tag[:_LONGEST] for name, tag in tags.items()})


def refresh_tags(settings: Settings, years: list[str], held: Mapping[str, Current]) -> dict[str, str]:
    """The tags of a run that makes years from what counts."""
    newest = {name: max(now.releases.values()) for name, now in held.items() if now.releases}
    span = {YEARS: years[0] if len(years) == 1 else f"{years[0]}...{years[-1]}"} if years else {}
    releases = {RELEASE: ", ".join(f"{name} {release}" for name, release in newest.items())} if newest else {}
    return {**world_tag(settings), **span, **releases}
