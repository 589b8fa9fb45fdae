"""A day's answer is what the tag of that day's extract holds, whoever reads it: SQL, query, pyiceberg, Polars.

One world takes the sample's archived release of October 2024, is brought to Gold and to the Iceberg tables, and then
takes what the sample publishes today.
"""

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pyiceberg.table import StaticTable

from pce_pipeline.asking.reading import Reader
from pce_pipeline.asking.tables_as_of import TablesAsOf
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.errors import NotKnownYet
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.gold.known import log_until
from pce_pipeline.lake.iceberg.places import IcebergPlace
from pce_pipeline.opened_lake import OpenLake
from pce_pipeline.tables.table import Table
from pce_pipeline_tests.explorer.small_set import NO_DATABASE, take, to_gold
from pce_pipeline_tests.worlds import World, command_line_of

PROFILES = {
    "pce_state": "SAPCE1 = [1, 2]\nSAPCE2 = [1]\nSAPCE3 = [75]",
    "prices_state": "SARPP = []\nSARPI = []\nSAIRPD = []",
    "pce_us_monthly": "T20804 = [1, 2]\nT20805 = [1, 2]",
}
FIRST, LATER = "2024-10-03", "2025-08-01"
"""The day of the archived release, and one on which it still was the newest."""
EARLY = "2020-01-01"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("days")
    catalog = folder / "catalog"
    for name, scope in PROFILES.items():
        (catalog / name).mkdir(parents=True)
        (catalog / name / "dataset.toml").write_text(f'name = "{name}"\n\n[profiles.lean]\n{scope}\n')
    made = World(folder / "home", NO_DATABASE, profile="lean", catalog=catalog, load_postgres=False)
    file = BeaGateway(made.settings).sample_release_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("2")
    pulled = command_line_of(made)("archive", "pull", PCE_LOAD_POSTGRES="false")
    assert pulled.code == 0, pulled.err
    to_gold(made, 1997, 2024)
    take(made, 3)
    to_gold(made, 1997, 2026)
    return made


@pytest.fixture(scope="module")
def lake(world: World) -> OpenLake:
    return OpenLake(world.settings)


def tagged(world: World, day: str) -> Iterator[tuple[Table, str, int]]:
    """The tables with a tag of the extract of a day: the address of the newest metadata, and the tag's snapshot."""
    for table in world.registry.tables:
        place = IcebergPlace.of(world.lake, table)
        number = place.newest()
        refs = place.document(number)["refs"] if number else {}
        tag = next((tag for tag in refs if tag.endswith(f"extract-{day}")), None)
        if tag is not None:
            yield table, place.addresses.of_key(place.metadata_key(number)), refs[tag]["snapshot-id"]


def in_sql(lake: OpenLake, table: Table, day: str) -> pl.DataFrame:
    return lake.sql(f"FROM {table.layer}.{table.relation}", as_of=day).frame


def assert_same(table: Table, ours: pl.DataFrame, theirs: pl.DataFrame, whose: str) -> None:
    """Cell by cell, whatever the order; engines name the zone of times differently."""
    same_types = theirs.select(pl.col(name).cast(dtype) for name, dtype in ours.schema.items())
    try:
        assert_frame_equal(ours.sort(table.key), same_types.sort(table.key))
    except AssertionError as differs:
        raise AssertionError(f"{table.name}, {whose}") from differs


@pytest.mark.parametrize("day", [FIRST, None])
def test_sql_as_of_a_day_is_what_the_tag_of_that_extract_holds_in_every_engine(
    world: World, lake: OpenLake, day: str | None
) -> None:
    extract = day or str(max(world.bronze.extracts()))
    asked = day or str(datetime.now(UTC).date())
    names = set()
    for table, metadata, snapshot in tagged(world, extract):
        names.add(table.name)
        ours = in_sql(lake, table, asked)
        # a tag of two datasets may be of one that counted and one that came later
        if table.name == "gold/dim_vintage" and day is not None:
            assert ours["dataset"].unique().sort().to_list() == ["pce_state", "prices_state"]
        found = StaticTable.from_metadata(metadata).scan(snapshot_id=snapshot).to_arrow()
        assert_same(table, ours, pl.DataFrame(found), "pyiceberg")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scanned = pl.scan_iceberg(metadata, snapshot_id=snapshot).collect()
        assert_same(table, ours, scanned, "Polars")
        if table.name not in DIMENSION_FRAMES or day is None:
            assert_same(table, ours, lake.table(table.name, as_of=asked).pl(), "open_lake")
    assert {
        "silver/pce_state",
        "gold",
        "gold/pce_state_annual",
        "gold/pce_state_vintages",
        "gold/line_history",
    } <= names


@pytest.mark.parametrize("day", [FIRST, LATER])
def test_sql_and_query_answer_the_same_of_a_day(lake: OpenLake, day: str) -> None:
    for measure, column in (("pce", "pce_millions_usd"), ("pce_per_capita", "pce_per_capita_usd")):
        asked = lake.query(areas="states,US", measures=measure, as_of=day).frame
        rows = asked.select("geo_fips", "category_id", "year", "value").rows()
        statement = f"SELECT geo_fips, category_id, year, {column} FROM pce_state_annual WHERE geo_level <> 'region'"
        answered = [row for row in lake.sql(statement, as_of=day).frame.rows() if row[3] is not None]
        assert sorted(answered) == sorted(row for row in rows if row[3] is not None)
        assert answered


def test_until_the_next_extract_every_day_answers_the_same(world: World, lake: OpenLake) -> None:
    for table, _, _ in tagged(world, FIRST):
        assert_same(table, in_sql(lake, table, FIRST), in_sql(lake, table, LATER), LATER)


def test_what_was_not_known_on_a_day_has_no_answer_and_the_first_days_are_told(world: World, lake: OpenLake) -> None:
    for table in world.registry.tables:
        if table.name in DIMENSION_FRAMES:
            continue
        with pytest.raises(NotKnownYet):
            in_sql(lake, table, EARLY)
    with pytest.raises(NotKnownYet) as early:
        lake.sql("FROM pce_us_monthly", as_of=LATER)
    assert list(early.value.first) == ["pce_us_monthly"]


def test_a_dimension_of_before_its_first_version_is_shown_with_a_note(lake: OpenLake) -> None:
    answered = lake.sql("FROM dim_category", as_of=FIRST)
    assert answered.about is not None
    assert any(note.startswith("Of gold/dim_category versions are kept from ") for note in answered.about.notes)
    assert answered.frame.height


def test_a_log_folded_anew_is_the_published_one_cut_off(world: World) -> None:
    """Which of the two answers depends on what was imported when: both have to say the same."""
    tables = TablesAsOf(Reader(world.lake, world.registry), datetime.fromisoformat(FIRST).date())
    for derivation in world.registry.logs.values():
        folded = tables.folded_anew(world.registry.dataset_of(derivation.table).name)
        published = world.lake.table(derivation.table).read()
        cut = log_until(published, int(FIRST.replace("-", "")) * 100 + 99)
        assert_same(derivation.table, folded, cut, "cut off")
        assert folded.height < published.height


def test_years_of_a_log_can_be_chosen_as_of_a_day(lake: OpenLake) -> None:
    some = lake.table("pce_state_vintages", years="2020...2021", as_of=LATER).pl()
    every = lake.table("pce_state_vintages", as_of=LATER).pl()
    assert_frame_equal(some, every.filter(pl.col("year").is_in([2020, 2021])))
    assert some.height
