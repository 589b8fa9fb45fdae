"""The world of one bench: the sample's release as an extract in Bronze, and what the plain way is told about it."""

from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

import httpx
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bea.values import STATUS_OF_CODE
from pce_pipeline.bronze.extract import next_extract_id, prepare, publish
from pce_pipeline.bronze.feeds import ApiFeed
from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.emulator.app import create_app
from pce_pipeline.lake.resource import Lake
from pce_pipeline.settings import Settings, load_settings
from pce_pipeline_tests.bench.scratch import Scratch
from pce_pipeline_tests.datasets import pce_state

RELEASE = 3
RUN_ID = "bench"

_URL = "http://sample"
_KEY = SecretStr("00000000-0000-0000-0000-0000000bench")


def settings_of(scratch: Scratch, *, database_url: str | None = None) -> Settings:
    """The settings of a sample world below the scratch folder."""
    return load_settings(
        home=scratch.home, profile=scratch.profile, chosen_source="sample", chosen_database_url=database_url
    )


def make_world(scratch: Scratch, *, years: str) -> int:
    """Take the extract and leave the reference; how many observations the extract holds.

    `years` is what BEA's API is asked for: ALL, or LAST5 for a small world.
    """
    settings, dataset = settings_of(scratch), pce_state(scratch.profile)
    bronze_lake = Lake.of(settings)
    bronze = bronze_of(bronze_lake, dataset)
    extract = next_extract_id(bronze, datetime.now(UTC).date())
    prepared = prepare(
        bronze,
        ApiFeed(partial(_client, years), dataset, settings.source),
        dataset,
        extract,
        list(dataset.tables),
        world=settings.world,
        run_id=RUN_ID,
    )
    publish(bronze, prepared)
    held = {table: sorted(entry.years) for table, entry in prepared.manifest.tables.items()}
    scratch.leave_reference(
        {
            "dataset": dataset.name,
            "bronze": bronze_lake.uri_of(bronze_lake.layout.extract(dataset.name, extract)),
            "tables": list(dataset.tables),
            "measures": {
                name: {"unit": measure.unit, "decimals": measure.decimals} for name, measure in dataset.measures.items()
            },
            "lines": dataset.lines.to_dicts(),
            "areas": dataset.areas.to_dicts(),
            "categories": dataset.categories.to_dicts(),
            "known_exceptions": [asdict(exception) for exception in dataset.known_exceptions],
            "statuses": STATUS_OF_CODE,
            "held": held,
            "years": sorted({year for years in held.values() for year in years}),
        }
    )
    return sum(entry.rows for entry in prepared.manifest.tables.values())


def _client(years: str) -> BeaClient:
    app = create_app(RELEASE)

    async def asked_for_years(scope: Scope, receive: Receive, send: Send) -> None:
        # the pipeline always asks for all years
        query = scope["query_string"].replace(b"Year=ALL", f"Year={years}".encode())
        await app({**scope, "query_string": query}, receive, send)

    return BeaClient(_URL, _KEY, transport=httpx.ASGITransport(app=asked_for_years))
