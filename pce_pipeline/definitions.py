"""The map of the house: every asset, job, sensor and resource of the code location, and no logic.

`build_definitions` makes it from settings, so that tests and production run the same graph; `defs` is what Dagster
loads, made from the environment. Nothing is opened, contacted or created here.
"""

from datetime import timedelta

import dagster as dg

from pce_pipeline.automation.alerts.sensors import build_alert_sensors
from pce_pipeline.automation.jobs import extract_job, refresh_job
from pce_pipeline.automation.sensor import build_release_sensor, build_webhook_sensor
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.assets import bronze_pce_state
from pce_pipeline.bronze.current import current
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.assets import dimension_assets, gold_facts, gold_pce_state_annual, gold_pce_state_metrics
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.cloudwatch import send_to_cloudwatch
from pce_pipeline.observability.logs import configure_logs, hide
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.settings import Settings, load_settings
from pce_pipeline.shell.io_manager import LakeIOManager
from pce_pipeline.shell.page import OWNERS
from pce_pipeline.shell.stored_checks import stored_checks
from pce_pipeline.silver.assets import silver_pce_state
from pce_pipeline.warehouse.assets import postgres_tables
from pce_pipeline.warehouse.postgres import PostgresResource

_GOLD = [gold_facts, gold_pce_state_annual, gold_pce_state_metrics, *dimension_assets]


def build_definitions(settings: Settings) -> dg.Definitions:
    """The code location for these settings."""
    dataset = load_datasets(settings.profile)["pce_state"]
    lake = Lake.of(settings, dataset.name)
    journal = RunJournal(lake, dataset.name)
    looks_every = timedelta(minutes=settings.release_check_minutes)
    return dg.Definitions(
        assets=[
            *_in_group("bronze", [bronze_pce_state]),
            *_in_group("silver", [silver_pce_state]),
            *_in_group("gold", _GOLD),
            postgres_tables,
        ],
        asset_checks=stored_checks,
        jobs=[extract_job, refresh_job],
        sensors=[build_release_sensor(looks_every), build_webhook_sensor(looks_every), *build_alert_sensors()],
        executor=dg.in_process_executor,
        resources={
            "lake": lake,
            "lake_io": LakeIOManager(
                lake, dataset, journal, covered_years=lambda: current(lake.bronze, dataset).covered_years
            ),
            "bea": BeaGateway(settings),
            "postgres": PostgresResource.of(settings),
            "dataset": dataset,
            "settings": settings,
            "journal": journal,
        },
    )


def _in_group(group: str, assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    return [
        asset.map_asset_specs(lambda spec: spec.replace_attributes(group_name=group, owners=OWNERS)) for asset in assets
    ]


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: the code location for the environment's settings."""
    settings = load_settings()
    for secret in settings.secrets:
        hide(secret)
    configure_logs(settings.log_level)
    send_to_cloudwatch(settings)
    return build_definitions(settings)
