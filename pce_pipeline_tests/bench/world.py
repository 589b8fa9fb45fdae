"""The world of one bench: the sample's release as an extract in Bronze, and what the plain way is told about it."""

from dataclasses import asdict
from datetime import UTC, datetime

from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bea.values import STATUS_OF_CODE
from pce_pipeline.bronze.extract import next_extract_id, prepare, publish
from pce_pipeline.bronze.feeds import ApiFeed
from pce_pipeline.catalog import load_catalog
from pce_pipeline.lake.resource import Lake
from pce_pipeline.settings import Settings, load_settings
from pce_pipeline_tests.bench.scratch import Scratch

RELEASE = 3
RUN_ID = "bench"


def settings_of(scratch: Scratch, *, database_url: str | None = None) -> Settings:
    """The settings of a sample world below the scratch folder."""
    return load_settings(
        home=scratch.home, profile=scratch.profile, chosen_source="sample", chosen_database_url=database_url
    )


def make_world(scratch: Scratch) -> int:
    """Take the extract and leave the reference; how many observations the extract holds."""
    settings, catalog = settings_of(scratch), load_catalog(scratch.profile)
    bronze_lake = Lake.of(settings, catalog.dataset)
    bea = BeaGateway(settings)
    bea.sample_release_file.parent.mkdir(parents=True)
    bea.sample_release_file.write_text(str(RELEASE), "ascii")
    extract = next_extract_id(bronze_lake.bronze, datetime.now(UTC).date())
    prepared = prepare(
        bronze_lake.bronze,
        ApiFeed(bea.client, catalog, bea.origin),
        catalog,
        extract,
        list(catalog.tables),
        world=settings.world,
        run_id=RUN_ID,
    )
    publish(bronze_lake.bronze, prepared)
    held = {table: sorted(entry.years) for table, entry in prepared.manifest.tables.items()}
    scratch.leave_reference(
        {
            "dataset": catalog.dataset,
            "bronze": bronze_lake.uri_of(bronze_lake.layout.extract(catalog.dataset, extract)),
            "tables": [asdict(table) for table in catalog.tables.values()],
            "lines": catalog.lines.to_dicts(),
            "areas": catalog.areas.to_dicts(),
            "categories": catalog.categories.to_dicts(),
            "known_exceptions": [asdict(exception) for exception in catalog.known_exceptions],
            "statuses": STATUS_OF_CODE,
            "held": held,
            "years": sorted({year for years in held.values() for year in years}),
        }
    )
    return sum(entry.rows for entry in prepared.manifest.tables.values())
