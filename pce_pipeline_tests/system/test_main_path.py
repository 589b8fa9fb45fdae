"""The whole main path at full scale: from BEA's answers to rows in Postgres, on a directory and on S3."""

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pyarrow.parquet as pq
import pytest

from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.explorer.store import INDEX, ExplorerStore
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.tables.dimensions import CATEGORY_LINE, DIM_CATEGORY, DIMENSIONS
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL
from pce_pipeline.tables.table import content_sha256
from pce_pipeline.tables.vintages import REVISION_STATS
from pce_pipeline_tests.carried.published import PUBLISHED, hash_by_table, over_partitions
from pce_pipeline_tests.datasets import SILVER_PCE_STATE
from pce_pipeline_tests.installed import Installed
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.servers import S3
from pce_pipeline_tests.worlds import World

pytestmark = [pytest.mark.postgres]

ROOT = Path(__file__).parents[2]

_AREAS = 60
_STATES_AND_NATION = 52
_CELLS_OF_A_YEAR = 17_582


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[World]:
    """The sample's default vintage, brought to Postgres once for all tests here."""
    with server.database(migrated=False) as url:
        world = World(tmp_path_factory.mktemp("full"), url)
        for dataset in world.registry.datasets:
            world.extract(dataset=dataset)
        world.refresh(1997, 2024)
        yield world


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[World]:
    """The same for one table and three lines."""
    with server.database(migrated=False) as url:
        world = World(tmp_path_factory.mktemp("small"), url, profile="smoke")
        world.extract()
        world.refresh(1997, 2024)
        yield world


def _listing(world: World) -> dict[str, object]:
    layout = world.lake.layout
    return {
        info.key: (info.e_tag, info.last_modified)
        for info in world.lake.store.list(layout.env)
        if not info.key.startswith((layout.runs, layout.reports))
    }


def test_every_cell_of_the_vintage_reaches_silver_gold_and_postgres(full: World) -> None:
    silver = full.lake.table(SILVER_PCE_STATE).read()
    annual = full.lake.table(GOLD_PCE_STATE_ANNUAL).read()
    assert silver.height == 28 * _CELLS_OF_A_YEAR
    assert annual.height == 28 * (113 * _AREAS - 59 + 134 * _AREAS - 59)
    assert full.query("SELECT count(*) FROM gold.pce_state_annual") == [(annual.height,)]
    assert full.query("SELECT count(*) FROM gold.pce_state_metrics") == [(annual.height,)]
    assert full.query("SELECT count(*) FROM gold.dim_geography") == [(_AREAS,)]
    assert full.query("SELECT count(*) FROM gold.income_state_annual") == [(28 * _AREAS,)]
    assert full.query("SELECT count(*) FROM gold.summary_state_annual") == [(27 * _STATES_AND_NATION,)]
    assert full.query("SELECT world FROM meta.world") == [("sample",)]
    assert full.query("SELECT job, status FROM meta.ingest_runs ORDER BY started_at") == [
        *((f"extract_{dataset}", "succeeded") for dataset in full.registry.datasets),
        ("refresh", "succeeded"),
    ]


def test_the_sample_publishes_the_content_that_it_always_has(full: World, small: World) -> None:
    for world in (full, small):
        expected = PUBLISHED[world.settings.world]
        found = {**hash_by_table(Path(world.lake.uri)), **_own_rows_of_dimensions(world)}
        assert {table: found.get(table) for table in expected} == expected


def _own_rows_of_dimensions(world: World) -> dict[str, str]:
    """The hashes of the rows that are of the dataset's own lines and categories: other datasets add theirs."""
    lines = world.lake.table(CATEGORY_LINE).read().filter(pl.col("bea_table").is_in(list(world.dataset.tables)))
    own = world.dataset.categories["category_id"]
    categories = world.lake.table(DIM_CATEGORY).read().filter(pl.col("category_id").is_in(own.implode()))
    return {
        "gold/category_line": over_partitions({WHOLE: content_sha256(lines)}),
        "gold/dim_category": over_partitions({WHOLE: content_sha256(categories)}),
    }


def test_the_sample_passes_every_check(full: World) -> None:
    (record,) = [record for record in full.records() if record.job == "refresh"]
    assert [check.name for check in record.checks if not check.passed] == []
    (agreement,) = [check for check in record.checks if check.name == "sources_agree"]
    nominal = 4 * _STATES_AND_NATION * 27  # PCE and income, in total and per capita, since 1998
    of_prices = (4 + 1) * _STATES_AND_NATION * 16 + (
        _STATES_AND_NATION - 1
    ) * 16  # real figures, levels; no US deflator
    assert agreement.figures["compared"] == nominal + of_prices
    of_one_vintage = {each.table.name for each in full.registry.revisions.values()}  # nothing was revised
    assert {check.asset for check in record.checks} == {
        *(each.table.name for each in full.registry.derivations if each.table.name not in of_one_vintage),
        *(name for name in full.registry.pieces if name != REVISION_STATS.name),
        *(each.name for each in DIMENSIONS),
        "gold/certificates",
        "gold/iceberg",
    }


def test_the_fixed_keys_hold_what_the_pointer_says(full: World) -> None:
    folder = Path(full.lake.uri) / full.lake.prefix(SILVER_PCE_STATE)
    store, prefix = full.lake.table(SILVER_PCE_STATE), full.lake.prefix(SILVER_PCE_STATE)
    files = store.files_of(store.latest()["2024"])
    assert len(list(folder.glob("year=*/state=*/part-000.parquet"))) == 28 * _AREAS
    assert {key.removeprefix(f"{prefix}/"): digest for key, digest in files.items() if "/state=" in key} == {
        str(file.relative_to(folder)): sha256_of(file.read_bytes())
        for file in folder.glob("year=2024/state=*/part-000.parquet")
    }
    california = pl.read_parquet(folder / "year=2024" / "state=CA" / "part-000.parquet", hive_partitioning=False)
    assert california.select("state", "year").unique().rows() == [("CA", 2024)]
    assert california.height == 295 - 2, "two lines are published for the nation only"


@pytest.mark.s3
def test_the_main_path_on_s3_gives_the_content_of_the_main_path_on_a_directory(
    small: World, s3: S3, tmp_path: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    with server.database(migrated=False) as url:
        on_s3 = World(
            tmp_path,
            url,
            profile="smoke",
            chosen_lake_uri=f"s3://{s3.bucket}/main-path",
            aws_endpoint_url=s3.endpoint_url,
        )
        on_s3.extract()
        on_s3.refresh(1997, 2024)
        assert on_s3.current_hashes() == small.current_hashes()
        assert on_s3.query("SELECT count(*), sum(pce_millions_usd) FROM gold.pce_state_annual") == small.query(
            "SELECT count(*), sum(pce_millions_usd) FROM gold.pce_state_annual"
        )


def test_a_second_refresh_writes_no_object_and_no_row(small: World) -> None:
    before = _listing(small)
    written = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables WHERE schemaname = 'gold'"
    small.query("SELECT pg_stat_force_next_flush()")
    rows_before = small.query(written)
    record = small.record(small.refresh(1997, 2024))
    small.query("SELECT pg_stat_force_next_flush()")
    assert _listing(small) == before
    assert small.query(written) == rows_before
    load = record.step("postgres")
    assert load is not None
    assert load.outputs["gold/pce_state_annual"]["unchanged"] == load.rows["postgres/pce_state_annual"]


def test_the_examples_of_the_readme_run_with_what_make_run_installs(full: World, tmp_path: Path) -> None:
    (tmp_path / ".pce").symlink_to(full.settings.home)
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "$(call install,requirements.txt,)" in (ROOT / "Makefile").read_text("utf-8")
    assert "\nduckdb==" in (ROOT / "requirements.txt").read_text("utf-8"), "what people install has the extra [ask]"
    made = Installed("pce_pipeline[ask]", tmp_path / "site-packages")
    examples = [["-c", block] for block in re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)]
    shell = [shlex.split(line) for line in re.findall(r"^\$ \.venv/bin/(pce (?:find|query) .*)", readme, re.MULTILINE)]
    pce = ["-c", "from pce_pipeline.cli import main; main()"]
    examples += [[*pce, *arguments] for _, *arguments in shell]
    of_a_day = [example for example in examples if re.search("as.of", " ".join(example))]
    assert (len(examples), len(of_a_day)) == (7, 2)
    for example in of_a_day:
        ran = made.run(*example, cwd=tmp_path, PCE_SOURCE="sample")
        assert "`pce archive pull` brings earlier releases" in ran.stderr
    for example in [each for each in examples if each not in of_a_day]:
        ran = made.run(*example, cwd=tmp_path, PCE_SOURCE="sample")
        assert ran.returncode == 0, (example, ran.stderr)


def test_the_queries_of_the_readme_run(full: World) -> None:
    (block,) = re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), flags=re.DOTALL)
    queries = [query for query in block.split(";") if query.strip()]
    assert [len(full.query(query)) for query in queries] == [5, 12, 12]


@pytest.mark.system
def test_the_literal_command_of_the_readme_materialises_gold_and_everything_downstream(
    small: World, tmp_path: Path
) -> None:
    url = small.settings.chosen_database_url
    assert url is not None
    environment = {
        **os.environ,
        "PCE_HOME": str(small.settings.home),
        "PCE_SOURCE": "sample",
        "PCE_PROFILE": small.settings.profile,
        "PCE_DATABASE_URL": url.get_secret_value(),
        "DAGSTER_HOME": str(tmp_path),
        "DAGSTER_MODULE_NAME": "pce_pipeline.definitions",
    }
    done = subprocess.run(
        [
            Path(sys.executable).with_name("dagster"),
            "asset",
            "materialize",
            "--select",
            "gold*",
            "--partition-range",
            "2022...2024",
        ],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    newest = max(small.records(), key=lambda record: record.started_at)
    assert newest.status == "succeeded"
    assert {step.step for step in newest.steps} == {
        *(table.name for table in small.registry.tables if not table.name.startswith("silver/")),
        "gold/bulletins",
        "gold/certificates",
        "gold/iceberg",
        "explorer",
        "postgres",
    }
    assert all(step.partitions in ([], ["2022", "2023", "2024"]) for step in newest.steps)


def test_gold_and_everything_downstream_are_the_groups_gold_and_postgres(full: World) -> None:
    graph = full.definitions.resolve_asset_graph()
    downstream = dg.AssetSelection.assets("gold").downstream().resolve(graph)
    assert downstream == dg.AssetSelection.groups("gold", "postgres").resolve(graph)


def test_the_explorer_set_of_everything_stays_within_what_a_page_may_fetch(full: World) -> None:
    whole = ExplorerStore(full.lake).current()
    assert whole is not None
    assert whole.parts[INDEX].bytes <= 100_000
    assert {path for path in whole.parts if path.startswith("figures/")} == {
        f"figures/{name}.parquet" for name in full.registry.datasets
    }
    for path in whole.parts:
        if path.endswith(".parquet"):
            file = pq.read_metadata(io.BytesIO(whole.read(path)))
            groups = [file.row_group(number) for number in range(file.num_row_groups)]
            sizes = [sum(each.column(at).total_compressed_size for at in range(each.num_columns)) for each in groups]
            assert max(sizes) + (whole.parts[path].footer or 0) <= 300_000, path


def test_a_new_release_changes_the_years_it_revises_and_a_rollback_takes_it_back_and_can_be_undone(
    small: World,
) -> None:
    before = small.current_hashes()
    (first,) = small.bronze.extracts()
    BeaGateway(small.settings).sample_release_file.write_text("3")
    small.extract()
    small.refresh(1997, 2025)
    after, logs = small.current_hashes(), small.hashes()
    changed = {
        int(year) for (table, year), digest in after.items() if table == "gold" and before.get((table, year)) != digest
    }
    assert changed == set(range(2021, 2026))
    metrics = "gold/pce_state_metrics"
    assert all(before[metrics, str(year)] == after[metrics, str(year)] for year in range(1997, 2021))
    assert small.query("SELECT max(year) FROM gold.pce_state_metrics") == [(2025,)]

    small.bronze.write_pin(first, now=datetime.now(UTC), reason="a test")
    small.refresh(2021, 2025)
    assert small.current_hashes() == before
    kept = small.hashes().items() - small.current_hashes().items()
    assert kept == logs.items() - after.items(), "a pin changes nothing of what was known"
    assert small.query("SELECT max(year) FROM gold.pce_state_annual") == [(2024,)]
    assert not list(Path(small.lake.uri).glob("local/gold/*/pce_state_annual/year=2025/*"))
    small.bronze.clear_pin(now=datetime.now(UTC))
    small.refresh(2021, 2025)
    assert small.hashes() == logs
    assert small.query("SELECT max(year) FROM gold.pce_state_annual") == [(2025,)]
