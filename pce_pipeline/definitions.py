"""The map of the house: every asset, job, sensor and resource of the code location, and no logic.

`build_definitions` makes it from settings, so that tests and production run the same graph; `defs` is what Dagster
loads, made from the environment. Nothing is opened, contacted or created here.
"""

import warnings
from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

from pce_pipeline.automation.alerts.sensors import build_alert_sensors
from pce_pipeline.automation.jobs import build_jobs
from pce_pipeline.automation.newest_release import release_checks, release_schedule
from pce_pipeline.automation.sensor import build_release_sensor, build_webhook_sensor
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.current import Holdings
from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.cloudwatch import send_to_cloudwatch
from pce_pipeline.observability.logs import configure_logs, hide
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.reports.publishing import Publisher
from pce_pipeline.settings import Settings, load_settings
from pce_pipeline.shell.bronze import bronze_asset
from pce_pipeline.shell.bulletins import bulletins_asset
from pce_pipeline.shell.certificates import certificates_asset
from pce_pipeline.shell.command_line import refuse_what_cannot_be
from pce_pipeline.shell.explorer import explorer_asset
from pce_pipeline.shell.gold import gold_assets, gold_pieces
from pce_pipeline.shell.iceberg import iceberg_asset
from pce_pipeline.shell.io_manager import LakeIOManager
from pce_pipeline.shell.page import of_world
from pce_pipeline.shell.postgres import postgres_asset
from pce_pipeline.shell.reports import journal_with_reports
from pce_pipeline.shell.silver import silver_asset
from pce_pipeline.shell.stored_checks import stored_checks
from pce_pipeline.shell.vintages import figures_asset, log_asset, price_releases_asset, revisions_asset, stats_asset
from pce_pipeline.tables.registry import load_registry
from pce_pipeline.warehouse.postgres import PostgresResource


def build_definitions(settings: Settings) -> dg.Definitions:
    """The code location for these settings."""
    registry = load_registry(settings.profile, settings.catalog)
    datasets, contracts = registry.datasets.values(), Contracts(registry)
    lake = Lake.of(settings)
    journal = RunJournal(lake)
    holdings = Holdings(lake, registry.datasets)
    jobs = build_jobs(registry)
    releases = release_checks(registry)
    look_for_releases, daily = release_schedule(releases)
    looks_every = timedelta(minutes=settings.release_check_minutes)
    return dg.Definitions(
        assets=[
            *_in_group("bronze", settings, (bronze_asset(dataset) for dataset in datasets)),
            *_in_group("silver", settings, (silver_asset(dataset, contracts) for dataset in datasets)),
            *_in_group("silver", settings, (log_asset(registry.datasets[name], contracts) for name in registry.logs)),
            *_in_group("gold", settings, gold_assets(contracts)),
            *_in_group("gold", settings, (figures_asset(each, contracts) for each in registry.figures.values())),
            *_in_group("gold", settings, (revisions_asset(each, contracts) for each in registry.revisions.values())),
            *_in_group("gold", settings, [stats_asset(contracts), price_releases_asset(contracts)]),
            *_in_group("gold", settings, gold_pieces(contracts)),
            *_in_group("gold", settings, [bulletins_asset(registry)]),
            *_in_group("gold", settings, [certificates_asset(contracts)]),
            *_in_group("gold", settings, [explorer_asset(registry)]),
            *_in_group("gold", settings, [iceberg_asset(contracts)]),
            *_in_group("postgres", settings, [postgres_asset(registry)]),
        ],
        asset_checks=[*stored_checks(registry), releases],
        jobs=[*jobs, look_for_releases],
        schedules=[daily],
        sensors=[
            build_release_sensor(looks_every, jobs),
            build_webhook_sensor(looks_every, jobs),
            *build_alert_sensors(),
        ],
        executor=dg.in_process_executor,
        resources={
            "lake": lake,
            "lake_io": LakeIOManager(lake, registry, journal, settings),
            "holdings": holdings,
            "bea": BeaGateway(settings),
            "postgres": PostgresResource.of(settings),
            "registry": registry,
            "settings": settings,
            "journal": journal_with_reports(journal, Publisher(lake, registry, journal, holdings.of_run)),
        },
    )


def _in_group(group: str, settings: Settings, assets: Iterable[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    return [
        asset.map_asset_specs(lambda spec: of_world(spec.replace_attributes(group_name=group), settings))
        for asset in assets
    ]


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: the code location for the environment's settings."""
    settings = load_settings()
    for secret in settings.secrets:
        hide(secret)
    configure_logs(settings.log_level, form=settings.log_format)
    send_to_cloudwatch(settings)
    with warnings.catch_warnings():
        # Dagster calls parameters that we use on purpose beta, each time one is used.
        warnings.simplefilter("ignore", dg.BetaWarning)
        definitions = build_definitions(settings)
        refuse_what_cannot_be(definitions, load_registry(settings.profile, settings.catalog), Lake.of(settings))
        return definitions
