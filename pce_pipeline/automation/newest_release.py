"""The check that a table is made of the newest release: BEA's calendar against the lake, the lake against the table.

Dagster's own freshness looks at when a table was last made, and a repeated refresh turns it green. This one looks at
what the table is made of. The sensor reports it whenever it looks; the schedule, off until somebody switches it on,
runs it daily where no sensor looks. Where BEA's calendar cannot be read it says nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import dagster as dg

from pce_pipeline.automation.alerts.lateness import late_release, unknowable
from pce_pipeline.automation.state import Situation, ask, load_state
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.contracts.stored import MadeOf, newest_release_is_held
from pce_pipeline.errors import PceError
from pce_pipeline.instance.private import AssetJob
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.settings import Settings
from pce_pipeline.shell.io_manager import RELEASES
from pce_pipeline.shell.keys import key_of, postgres_key
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.postgres import PostgresResource

NEWEST_RELEASE = newest_release_is_held.name

_JOB = "newest_release"
_DAILY = "0 16 * * *"  # BEA publishes at 8:30 or 10:00 in Washington


@dataclass(frozen=True)
class ReleaseFound:
    """Whether a table is made of the newest release."""

    table: Table
    """The table."""
    asset: dg.AssetKey
    """The asset that holds it: in the lake, or in Postgres."""
    missing: Sequence[str]
    """What it lacks, in words; nothing where it is made of the newest."""
    releases: Mapping[str, str]
    """The release of each of BEA's tables that it is made of."""

    @property
    def said(self) -> str:
        return newest_release_is_held.find(MadeOf(self.missing)).told

    @property
    def result(self) -> dict[str, Any]:
        """The same in Dagster's terms, whoever reports it: data of an older release are right, so it only warns."""
        return {
            "passed": not self.missing,
            "severity": dg.AssetCheckSeverity.WARN,
            "description": self.said,
            "metadata": {"releases": dg.MetadataValue.json(dict(self.releases))},
        }


def newest_releases(found: Situation, *, grace: timedelta) -> list[ReleaseFound]:
    """What there is to say of each yearly table of Gold, in the lake and in Postgres; nothing of what BEA does not say.

    A release is missing once it is announced for longer than `grace` ago, of tables of BEA that are held at all.
    """
    registry = found.lake.registry
    held_at_all = {**found.lake.tables, **found.lake.beyond_pin}
    late = {
        name: known
        for name, release in found.releases.items()
        for tables in [[table for table in registry.datasets[name].tables if table in held_at_all]]
        if (known := late_release(found.lake, release, tables=tables, grace=grace)) is not None
    }
    silent = {name for name, release in found.releases.items() if unknowable({name: release})}
    results = []
    for derivation in registry.derivations:
        table = derivation.table
        partitions = found.lake.partitions.get(table.name, {})
        datasets = registry.datasets_of(derivation)
        if table.layer != "gold" or not partitions or not silent.isdisjoint(datasets):
            continue
        missing = [
            f"{name}: a release was announced for {late[name].announced:%Y-%m-%d}, and no extract holds it"
            for name in datasets
            if name in late
        ]
        newest = partitions[max(partitions)]
        made_of: Mapping[str, str] = newest.details.get(RELEASES, {})
        held = {
            of: release
            for name in datasets
            for of, source in found.held[name].unpinned.items()
            for release in [max((each.release for each in source.newest.layers if each.release), default=None)]
            if release is not None and of in made_of
        }
        older = {of: made_of[of] for of, release in held.items() if made_of[of] < str(release)}
        missing += [f"{of} is of {release}, and an extract of {held[of]} is held" for of, release in older.items()]
        results.append(ReleaseFound(table, key_of(table), missing, made_of))
        if table.in_postgres and found.loaded is not None:
            behind = [
                key
                for key, partition in partitions.items()
                if found.loaded.hashes.get((table.name, key)) != partition.content_sha256
            ]
            lacks = [f"{len(behind)} of its years in Postgres are not those of the lake"] if behind else []
            results.append(ReleaseFound(table, postgres_key(table), [*missing, *lacks], made_of))
    return results


def evaluations(found: Sequence[ReleaseFound]) -> list[dg.AssetCheckEvaluation]:
    """The results as events that a sensor reports."""
    return [dg.AssetCheckEvaluation(asset_key=each.asset, check_name=NEWEST_RELEASE, **each.result) for each in found]


def release_checks(registry: Registry) -> dg.AssetChecksDefinition:
    """The check of every yearly table of Gold, in the lake and in Postgres, made by asking BEA's calendar once."""
    tables = [derivation.table for derivation in registry.derivations if derivation.table.layer == "gold"]
    assets = [*map(key_of, tables), *(postgres_key(table) for table in tables if table.in_postgres)]

    @dg.multi_asset_check(
        name="compare_releases",
        specs=[
            dg.AssetCheckSpec(
                NEWEST_RELEASE,
                asset=asset,
                description=newest_release_is_held.description,
            )
            for asset in assets
        ],
        can_subset=True,
    )
    def compare_releases(
        context: dg.AssetCheckExecutionContext,
        lake: dg.ResourceParam[Lake],
        bea: dg.ResourceParam[BeaGateway],
        postgres: dg.ResourceParam[PostgresResource],
        registry: dg.ResourceParam[Registry],
        settings: dg.ResourceParam[Settings],
    ) -> Iterator[dg.AssetCheckResult]:
        chosen = {key.asset_key for key in context.selected_asset_check_keys}
        try:
            found = ask(lake, registry, bea, None, settings, only_calendar=True)
        except PceError as problem:
            context.log.warning("Nothing can be said of releases: %s", without_secrets(str(problem)))
            return
        if settings.load_postgres and any(key.path[0] == "postgres" for key in chosen):
            with suppress(PceError):  # of a database that cannot be asked nothing is said
                found = replace(found, loaded=load_state(postgres))
        for each in newest_releases(found, grace=timedelta(hours=settings.late_after_hours)):
            if each.asset in chosen:
                yield dg.AssetCheckResult(asset_key=each.asset, check_name=NEWEST_RELEASE, **each.result)

    return compare_releases


def release_schedule(checks: dg.AssetChecksDefinition) -> tuple[AssetJob, dg.ScheduleDefinition]:
    """The job that runs the checks, and the schedule that starts it daily."""
    job = dg.define_asset_job(
        _JOB,
        selection=dg.AssetSelection.checks(*checks.check_keys),
        description="Look whether every table is made of the newest release that was announced.",
    )
    return job, dg.ScheduleDefinition(
        name="daily_release_check",
        job=job,
        cron_schedule=_DAILY,
        description="Runs newest_release once a day, for where no sensor looks.",
    )
