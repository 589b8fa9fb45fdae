"""A dataset that fails does not keep the others from Postgres: what was published of it stands, the run ends red."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from pce_pipeline.automation.jobs import REFRESH, assets_of, range_tags
from pce_pipeline.lake.pointer import NewPartition
from pce_pipeline.lake.resource import files_of_year
from pce_pipeline.local.world import move_sample
from pce_pipeline.observability.records import RunRecord
from pce_pipeline.shell.deferring import DatasetsPutOff
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.tables.a_dataset import NAME, declare
from pce_pipeline_tests.worlds import QUIET, World

FIRST, LAST = 1997, 2024
REVISED_FROM = 2014
"""No later run needs to look further back: releases of the sample revise nothing before."""
STATE = "pce_state"
SILVER = f"silver/{NAME}"


@dataclass(frozen=True)
class Seen:
    """What a run came to, and what there is after it."""

    failed_step: str | None
    record: RunRecord
    status: str | None
    hashes: dict[tuple[str, str], str]
    facts: pl.DataFrame
    loaded: list[tuple[object, ...]]

    def of(self, dataset: str) -> dict[tuple[str, str], str]:
        return {key: digest for key, digest in self.hashes.items() if dataset in key[0]}


class Story:
    """One world of two datasets, and what its runs came to."""

    def __init__(self, home: Path, url: str, catalog: Path) -> None:
        self.world = World(home, url, profile="smoke", catalog=catalog, threshold_checks="block")

    def extract(self) -> None:
        for dataset in (STATE, NAME):
            self.world.extract(dataset=dataset)

    def damage(self) -> dict[Path, bytes]:
        """Flip a byte of everything that the newest extract of the failing dataset holds; what it was before.

        What is kept of it decoded is gone, so that it has to be read.
        """
        bronze = self.world.bronze_of(NAME)
        newest = bronze.extracts()[-1]
        files = {
            Path(self.world.lake.uri) / bronze.key_of(newest, each.key) for each in bronze.manifest(newest).objects
        }
        whole = {file: file.read_bytes() for file in files}
        for file, body in whole.items():
            file.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
        layout = self.world.lake.layout
        shutil.rmtree(Path(self.world.lake.uri) / layout.cells(NAME) / str(newest))
        return whole

    def spoil_silver(self) -> None:
        """Change Silver in a way that only a rule of the facts finds: the states no longer add up to the nation."""
        table = next(each.table for each in self.world.registry.derivations if each.table.name == SILVER)
        frame = self.world.lake.table(table).read([str(LAST)])
        nation = (pl.col("geo_fips") == "00000") & (pl.col("line_code") == 51)
        more = pl.when(nation).then(pl.col("value") + 5000).otherwise("value").cast(frame["value"].dtype)
        segments = dict(self.world.dataset.areas.select("geo_fips", "path_segment").iter_rows())
        files = files_of_year(table, LAST, frame.with_columns(value=more), segments)
        partition = NewPartition(str(LAST), files, inputs={"damaged": "by a test"}, code_version="test")
        self.world.lake.table(table).publish([partition], run_id="test")

    def refresh(self, selection: Sequence[dg.AssetKey] | None = None, *, first: int = REVISED_FROM) -> Seen:
        result = self.world.definitions.resolve_job_def(REFRESH).execute_in_process(
            instance=self.world.instance,
            asset_selection=selection,
            tags=range_tags(first, LAST),
            run_config=QUIET,
            raise_on_error=False,
        )
        failed = [event.step_key for event in result.all_node_events if event.is_step_failure]
        status = self.world.query(f"SELECT status FROM meta.ingest_runs WHERE run_id = '{result.run_id}'")
        facts = self.world.lake.table(self.world.registry.facts.table).read()
        return Seen(
            failed_step=failed[0] if failed else None,
            record=self.world.record(result),
            status=str(status[0][0]) if status else None,
            hashes=self.world.hashes(),
            facts=facts.filter(dataset=NAME),
            loaded=self.world.query(
                "SELECT year, sum(pce_millions_usd) FROM gold.pce_state_annual GROUP BY 1 ORDER BY 1"
            ),
        )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> dict[str, Seen]:
    """What runs came to, by what was wrong when they ran; nothing is `never`, `damaged` and `spoiled` are as named."""
    seen: dict[str, Seen] = {}
    with server.database(migrated=False) as url:
        told = Story(tmp_path_factory.mktemp("home"), url, declare(tmp_path_factory.mktemp("catalog")))
        everything = assets_of(told.world.registry, told.world.registry.datasets)
        told.extract()
        whole = told.damage()
        seen["never published"] = told.refresh(first=FIRST)
        for file, body in whole.items():
            file.write_bytes(body)
        seen["whole"] = told.refresh(first=FIRST)
        told.spoil_silver()
        seen["spoiled"] = told.refresh([key for key in everything if key.path[0] != "silver"])
        move_sample(told.world.settings, 3)
        told.extract()
        whole = told.damage()
        seen["alone"] = told.refresh(assets_of(told.world.registry, [NAME]))
        seen["the other alone"] = told.refresh(assets_of(told.world.registry, [STATE]))
        seen["damaged"] = told.refresh()
        for file, body in whole.items():
            file.write_bytes(body)
        seen["mended"] = told.refresh()
    return seen


pytestmark = pytest.mark.postgres


def test_the_others_are_loaded_and_the_run_ends_red_and_names_it(story: dict[str, Seen]) -> None:
    now = story["damaged"]
    assert now.failed_step == "postgres"
    assert (now.record.status, now.status) == ("failed", "failed")
    assert set(now.record.put_off) == {NAME}
    step = now.record.step("postgres")
    assert step is not None
    assert step.error is not None
    assert NAME in step.error
    assert STATE not in step.error


def test_a_run_of_the_other_dataset_alone_succeeds_and_leaves_what_stands(story: dict[str, Seen]) -> None:
    before, now = story["alone"], story["the other alone"]
    assert (now.failed_step, now.status, now.record.put_off) == (None, "succeeded", {})
    assert now.loaded != before.loaded
    assert now.of(STATE) != before.of(STATE)
    assert now.of(NAME) == before.of(NAME)
    assert now.facts.equals(before.facts)


def test_what_was_published_of_it_stands(story: dict[str, Seen]) -> None:
    before, now = story["spoiled"], story["damaged"]
    assert now.of(NAME) == before.of(NAME)
    assert now.facts.equals(before.facts)
    assert not now.facts.is_empty()


def test_the_next_run_makes_it_and_leaves_the_rest_alone(story: dict[str, Seen]) -> None:
    before, now = story["damaged"], story["mended"]
    assert (now.failed_step, now.status) == (None, "succeeded")
    assert not now.facts.equals(before.facts)
    assert now.of(STATE) == before.of(STATE)
    step = now.record.step("gold/pce_state_annual")
    assert step is not None
    assert step.outputs["written"] == []


def test_of_a_dataset_that_was_never_published_there_is_nothing(story: dict[str, Seen]) -> None:
    now = story["never published"]
    assert set(now.record.put_off) == {NAME}
    assert now.of(NAME) == {}
    assert now.facts.is_empty()
    assert len(now.loaded) == LAST + 1 - FIRST
    assert len(story["whole"].of(NAME)) == 5 * len(now.loaded), "Silver, the annual table, two logs, the revisions"


def test_a_check_that_blocks_one_dataset_of_the_facts_puts_off_that_dataset_alone(story: dict[str, Seen]) -> None:
    before, now = story["whole"], story["spoiled"]
    assert now.failed_step == "postgres"
    assert set(now.record.put_off) == {NAME}
    assert "states_add_up_to_the_nation" in now.record.put_off[NAME]
    assert now.facts.equals(before.facts)
    step = now.record.step("postgres")
    assert step is not None
    assert "gold/pce_state_annual" in step.outputs
    assert f"gold/{NAME}_annual" not in step.outputs


def test_a_run_of_one_dataset_alone_fails_where_it_fails(story: dict[str, Seen]) -> None:
    now = story["alone"]
    assert now.failed_step in {f"silver__{NAME}", f"silver__{NAME}_vintages"}, "each reads the damaged extract"
    assert now.record.put_off == {}
    assert now.hashes == story["spoiled"].hashes


def test_the_error_says_which_and_why() -> None:
    said = str(DatasetsPutOff("run", {"income_state": "LineMeaningChanged: line 2 says something else"}))
    assert "income_state" in said
    assert "line 2 says something else" in said
