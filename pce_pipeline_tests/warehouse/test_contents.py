"""The database says what it holds: a load keeps a hash of its rows, and every change of them shows later."""

import pytest

from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.tables.dimensions import DIM_GEOGRAPHY
from pce_pipeline.warehouse.contents import Content, contents_held, missing_relations, rows_held
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import checkpoints
from pce_pipeline_tests.warehouse.test_loads import ANNUAL, Cells, annual, dimensions, manifest, rows, run_load

YEAR = (ANNUAL.name, "2022")


@pytest.fixture
def loaded(postgres: PostgresResource) -> PostgresResource:
    """Two years of three areas, and the dimensions."""
    cells: Cells = {(area, year): f"{year}.5" for area in ("01000", "06000", "36000") for year in (2022, 2023)}
    run_load(
        postgres, [*dimensions(), annual(cells)], [2022, 2023], manifests=[manifest(2022, "a"), manifest(2023, "b")]
    )
    return postgres


def change(postgres: PostgresResource, statement: str) -> None:
    with postgres.connect() as connection:
        connection.cursor().execute(statement)
        connection.commit()


@pytest.mark.postgres
def test_a_load_keeps_the_hash_that_the_database_gives_of_what_it_loaded(loaded):
    with loaded.connect() as connection:
        held, kept = contents_held(connection), checkpoints(connection)
    assert {key: kept[key].held_hash for key in kept} == {key: held[key].hash for key in kept}
    assert held[YEAR].rows == 3
    assert held[DIM_GEOGRAPHY.name, WHOLE].rows == 60
    assert held[YEAR].hash != held[ANNUAL.name, "2023"].hash


@pytest.mark.postgres
@pytest.mark.parametrize(
    "what",
    [
        "UPDATE gold.pce_state_annual SET pce_millions_usd = 1 WHERE geo_fips = '06000' AND year = 2022",
        "UPDATE gold.pce_state_annual SET pce_millions_usd = NULL WHERE geo_fips = '06000' AND year = 2022",
        "UPDATE gold.pce_state_annual SET pce_status = 'blank' WHERE geo_fips = '06000' AND year = 2022",
        "UPDATE gold.pce_state_annual SET geo_fips = '06001' WHERE geo_fips = '06000' AND year = 2022",
        "DELETE FROM gold.pce_state_annual WHERE geo_fips = '06000' AND year = 2022",
    ],
)
def test_whatever_somebody_changes_shows_in_the_hash_of_its_year_alone(loaded, what):
    with loaded.connect() as connection:
        before = contents_held(connection)
    change(loaded, what)
    with loaded.connect() as connection:
        after = contents_held(connection)
    assert {key for key in before if after[key].is_other_than(before[key].hash or "")} == {YEAR}


@pytest.mark.postgres
def test_rows_are_the_same_content_in_whatever_order_they_lie(loaded):
    with loaded.connect() as connection:
        before = contents_held(connection)
    change(loaded, "UPDATE gold.pce_state_annual SET year = year WHERE geo_fips = '01000'")
    held = (
        "SELECT series.geo_fips FROM gold.pce_state_annual_stored AS held JOIN gold.pce_state_series AS series "
        "USING (series_id) WHERE held.year = 2022 ORDER BY held.ctid"
    )
    assert rows(loaded, held)[-1] == ("01000",)
    with loaded.connect() as connection:
        assert contents_held(connection) == before


@pytest.mark.postgres
def test_a_table_that_is_gone_holds_nothing_and_is_named(loaded):
    change(loaded, "DROP VIEW gold.pce_state_annual CASCADE")
    with loaded.connect() as connection:
        assert missing_relations(connection)[0] == "gold.pce_state_annual"
        assert YEAR not in rows_held(connection)
        assert YEAR not in contents_held(connection)
        assert rows_held(connection)[DIM_GEOGRAPHY.name, WHOLE] == 60


@pytest.mark.postgres
def test_a_checkpoint_of_before_is_not_known_until_its_rows_are_loaded_again(loaded):
    change(loaded, "UPDATE meta.checkpoints SET held_hash = NULL")
    cells: Cells = {(area, 2022): "2022.5" for area in ("01000", "06000", "36000")}
    run_load(loaded, [annual(cells)], [2022], manifests=[manifest(2022, "a")], run_id="later")
    with loaded.connect() as connection:
        kept = checkpoints(connection)
    assert kept[YEAR].held_hash
    assert kept[ANNUAL.name, "2023"].held_hash is None


def test_hashes_of_two_major_versions_are_not_compared():
    assert Content(1, "18:5:6").is_other_than("18:5:6") is False
    assert Content(1, "18:5:6").is_other_than("18:5:7") is True
    assert Content(1, "18:5:6").is_other_than("17:5:7") is None
    assert Content(1).is_other_than("18:5:6") is None
