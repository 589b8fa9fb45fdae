"""What comes next, for every state of the lake, of BEA and of Postgres: pure decisions, no I/O."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.automation.next_step import (
    KnownTable,
    LakeState,
    LoadState,
    Step,
    next_step,
    stale_bulletins,
    stale_years,
)
from pce_pipeline.bea.gateway import Release
from pce_pipeline.bea.observations import ReleaseNote
from pce_pipeline.bea.releases import Calendar
from pce_pipeline.bronze.counting import Layer, Vintage
from pce_pipeline.bronze.manifest import TableEntry
from pce_pipeline.hooks.events import Received
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.pointer import WHOLE, Partition
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS
from pce_pipeline.tables.registry import Registry
from pce_pipeline_tests.datasets import REGISTRY
from pce_pipeline_tests.examples import examples

NOON = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONTH = timedelta(days=30)
NAMES = ("PCE by State",)
NOTE = date(2025, 9, 26)

HELD = ("pce_state",)

Checkpoints = dict[tuple[str, str], str]


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def years_of(lake: LakeState) -> Mapping[int, str]:
    (layer,) = lake.tables["SAPCE1"].vintage.layers
    return layer.entry.years


def known(
    years: Mapping[int, str],
    *,
    table: str = "SAPCE1",
    compared_at: datetime = NOON,
    noted: date | None = NOTE,
    changed: datetime | None = None,
) -> KnownTable:
    entry = TableEntry(last_updated=noted, note="", rows=1, lines=(1,), years=dict(years), content_sha256="x")
    extract = ExtractId(compared_at.date())
    vintage = Vintage(table, extract, (Layer(extract, entry, is_live=True),))
    return KnownTable(vintage, noted, compared_at, changed_at=changed)


def partition(
    key: str, content: str, inputs: Mapping[str, str] = MappingProxyType({}), version: str = "1"
) -> Partition:
    return Partition(
        key=key, objects=(), rows=1, content_sha256=content, inputs=dict(inputs), code_version=version, details={},
        run_id="a-run", published_at=NOON,
    )  # fmt: skip


def refreshed(lake: LakeState, first: int, last: int) -> tuple[LakeState, Checkpoints]:
    """The lake after a refresh of those years, and what it loads: contents follow from inputs alone."""
    partitions = {name: dict(held) for name, held in lake.partitions.items()}
    for derivation in REGISTRY.derivations:
        name = derivation.table.name
        held = partitions.setdefault(name, {})
        for year in range(first, last + 1):
            if year in lake.covered(derivation):
                now = replace(lake, partitions=partitions)
                inputs = derivation.inputs_of(year, now.part_hash, now.inputs_of_bronze)
                held[str(year)] = partition(str(year), digest(name, year, inputs), inputs, derivation.code_version)
    for table in REGISTRY.in_one_piece:
        partitions[table.name] = {WHOLE: partition(WHOLE, digest(table.name))}
    after = replace(lake, partitions=partitions, stale_dimensions=())
    loaded = {
        (table.name, str(year)): after.partitions[table.name][str(year)].content_sha256
        for table in REGISTRY.loaded
        for year in range(first, last + 1)
        if year in lake.covered(REGISTRY.derivation_of(table))
    }
    return after, loaded | {(table.name, WHOLE): digest(table.name) for table in REGISTRY.in_one_piece}


def vintages_of(
    tables: Mapping[str, KnownTable], registry: Registry = REGISTRY
) -> dict[str, dict[int, dict[str, str]]]:
    """What the logs are made from where these tables have had no other vintage."""
    found: dict[str, dict[int, dict[str, str]]] = {}
    for table, each in tables.items():
        of_dataset = found.setdefault(registry.bea_tables[table], {})
        for year in each.vintage.years:
            of_dataset.setdefault(year, {})[table] = digest(str(each.vintage), each.vintage.inputs(year))
    return found


def settled(tables: Mapping[str, KnownTable]) -> tuple[LakeState, Checkpoints]:
    empty = LakeState(REGISTRY, tables, {}, has_extracts=HELD, vintages=vintages_of(tables))
    return refreshed(empty, empty.covered_years[0], empty.covered_years[-1])


def release(
    asked_at: datetime = NOON + HOUR,
    *,
    notes: Mapping[str, date | None] | None = MappingProxyType({"SAPCE1": NOTE}),
    announced: Sequence[datetime] = (),
    calendar: bool = True,
    names: tuple[str, ...] = NAMES,
) -> Release:
    said = (
        None if notes is None else {table: ReleaseNote(day, "a note") if day else None for table, day in notes.items()}
    )
    dates = Calendar({NAMES[0]: tuple(sorted(announced))}, {}, (), None)
    return Release(asked_at, said, dates if calendar else None, names)


def decide(
    lake: LakeState, asked: Release | None, loaded: Checkpoints | None, tables: Sequence[str] = ("SAPCE1",)
) -> Step:
    held = None if loaded is None else LoadState(loaded)
    others = [table for table in REGISTRY.bea_tables if table not in tables]
    releases = {} if asked is None else {"pce_state": asked}
    return next_step(lake, releases, held, leave_out=others, full_comparison=MONTH)


@pytest.fixture
def world() -> tuple[LakeState, Checkpoints]:
    """Ten years of one table, compared at noon, everything refreshed and loaded."""
    return settled({"SAPCE1": known({year: f"{year}" for year in range(2015, 2025)})})


def test_nothing_is_to_be_done_where_nothing_is_new_and_nothing_stale(world):
    lake, loaded = world
    assert decide(lake, release(), loaded) == Step("nothing")


def test_a_table_without_an_extract_is_taken_and_no_other(world):
    lake, loaded = world
    step = decide(lake, release(notes={"SAPCE1": NOTE, "SAPCE2": NOTE}), loaded, ["SAPCE1", "SAPCE2"])
    assert (step.action, step.tables) == ("extract", {"pce_state": ("SAPCE2",)})
    assert step.reasons == {"SAPCE2": "no extract holds it yet"}


def test_an_empty_lake_takes_everything_whatever_bea_says():
    for notes in (None, {"SAPCE1": None, "SAPCE2": NOTE}):
        step = decide(LakeState(REGISTRY, {}, {}, has_extracts=HELD), release(notes=notes), {}, ["SAPCE1", "SAPCE2"])
        assert (step.action, step.tables) == ("extract", {"pce_state": ("SAPCE1", "SAPCE2")})


@pytest.mark.parametrize(
    ("day", "new"),
    [(date(2026, 3, 9), True), (date(2025, 9, 25), True), (NOTE, False), (None, False)],
    ids=["newer", "older: BEA went back", "equal", "no note"],
)
def test_any_other_note_than_the_known_one_is_news(world, day, new):
    lake, loaded = world
    step = decide(lake, release(notes={"SAPCE1": day}), loaded)
    assert step.action == ("extract" if new else "nothing")
    if new:
        assert step.reasons["SAPCE1"] == f"updated on {day}; the newest extract is of 2025-09-26"


def test_a_note_on_what_was_never_dated_is_news():
    lake, loaded = settled({"SAPCE1": known({2024: "a"}, noted=None)})
    assert "is of unknown" in decide(lake, release(), loaded).reasons["SAPCE1"]


def test_a_full_comparison_is_due_after_its_interval(world):
    lake, loaded = world
    assert decide(lake, release(NOON + MONTH - HOUR), loaded).action == "nothing"
    step = decide(lake, release(NOON + MONTH), loaded)
    assert step.reasons == {"SAPCE1": "not compared in full for 30 days"}


def test_a_full_comparison_is_due_once_a_release_was_announced(world):
    lake, loaded = world
    to_come = release(NOON + HOUR, announced=[NOON + 2 * HOUR])
    assert decide(lake, to_come, loaded).action == "nothing"
    step = decide(lake, release(NOON + 2 * HOUR, announced=[NOON + 2 * HOUR]), loaded)
    assert step.reasons == {"SAPCE1": "the release calendar has a release on 2026-03-10; comparing in full"}


def comparisons(*, api: bool, days: int, known_at: datetime, shows: timedelta | None = None) -> list[timedelta]:
    """When, after an announcement at noon, a pipeline that looks every half hour compares, to find nothing."""
    at: list[timedelta] = []
    state = known({2024: "a"}, compared_at=known_at)
    for half_hours in range(days * 48):
        now = NOON + half_hours * HOUR / 2
        lake, loaded = settled({"SAPCE1": state})
        asked = release(now, notes={"SAPCE1": NOTE} if api else None, announced=[NOON])
        if decide(lake, asked, loaded).action == "extract":
            at.append(now - NOON)
            changed = (
                now if shows is not None and now - NOON >= shows and state.changed_at is None else state.changed_at
            )
            state = replace(state, compared_at=now, changed_at=changed)
    return at


def test_a_release_that_does_not_show_is_compared_again_ever_more_seldom_and_given_up_after_two_weeks():
    at = comparisons(api=True, days=20, known_at=NOON - DAY)
    assert at == [HOUR * hours for hours in (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)]


def test_comparing_again_ends_once_figures_have_changed():
    assert comparisons(api=True, days=20, known_at=NOON - DAY, shows=3 * HOUR) == [HOUR * each for each in (0, 1, 2, 4)]


def test_without_an_api_the_archive_is_looked_at_once_a_day_until_the_release_shows():
    at = comparisons(api=False, days=20, known_at=NOON - DAY)
    midnight = timedelta(hours=11, minutes=30)
    assert at == [timedelta(0), *(midnight + DAY * day for day in range(14))]
    shown = comparisons(api=False, days=20, known_at=NOON - DAY, shows=2 * DAY)
    assert shown == at[:4]


def test_comparing_again_ends_once_the_note_says_so(world):
    lake, loaded = world
    came = known({2024: "a"}, compared_at=NOON + HOUR, noted=NOON.date())
    lake, loaded = settled({"SAPCE1": came})
    asked = release(NOON + 20 * HOUR, notes={"SAPCE1": NOON.date()}, announced=[NOON])
    assert decide(lake, asked, loaded).action == "nothing"


def test_without_an_api_a_table_is_looked_at_once_a_day_at_most():
    lake, loaded = settled({"SAPCE1": known({2024: "a"}, compared_at=NOON)})
    assert decide(lake, release(NOON + 2 * HOUR, notes=None, announced=[NOON + HOUR]), loaded).action == "nothing"
    assert decide(lake, release(NOON + DAY, notes=None, announced=[NOON + HOUR]), loaded).action == "extract"
    assert decide(lake, release(NOON + DAY, notes=None), loaded).action == "nothing"
    assert decide(lake, release(NOON + MONTH, notes=None), loaded).action == "extract"


def test_the_archive_is_watched_daily_after_an_announced_release():
    lake, loaded = settled({"SAPCE1": known({2024: "a"}, compared_at=NOON + HOUR)})
    step = decide(lake, release(NOON + DAY, notes=None, announced=[NOON]), loaded)
    assert step.reasons == {"SAPCE1": "the release announced for 2026-03-10 is not in the archive yet"}


def test_tables_are_decided_one_by_one():
    lake, loaded = settled({"SAPCE1": known({2024: "a"}), "SAPCE2": known({2024: "b"}, compared_at=NOON - MONTH)})
    step = decide(lake, release(notes={"SAPCE1": NOTE, "SAPCE2": NOTE}), loaded, ["SAPCE1", "SAPCE2"])
    assert step.tables == {"pce_state": ("SAPCE2",)}


def test_a_table_that_only_extracts_beyond_the_pin_hold_is_not_taken_again_and_again(world):
    lake, loaded = world
    pinned = replace(lake, beyond_pin={"SAPCE2": known({2024: "b"})})
    asked = release(notes={"SAPCE1": NOTE, "SAPCE2": NOTE})
    assert decide(pinned, asked, loaded, ["SAPCE1", "SAPCE2"]).action == "nothing"
    later = release(notes={"SAPCE1": NOTE, "SAPCE2": date(2026, 3, 10)})
    assert decide(pinned, later, loaded, ["SAPCE1", "SAPCE2"]).tables == {"pce_state": ("SAPCE2",)}


def test_new_data_goes_before_stale_years(world):
    lake, _ = world
    assert decide(lake, release(notes={"SAPCE1": NOON.date()}), {}).action == "extract"
    assert decide(lake, release(), {}).action == "refresh"


def test_without_asking_bea_only_stale_years_matter(world):
    lake, loaded = world
    assert decide(LakeState(REGISTRY, {}, {}, has_extracts=HELD), None, {}).action == "nothing"
    assert decide(lake, None, loaded) == Step("nothing")
    assert decide(lake, None, {}).action == "refresh"


def test_without_asking_postgres_only_the_lake_matters(world):
    lake, _ = world
    assert decide(lake, release(), None).action == "nothing"


@pytest.mark.parametrize("derivation", REGISTRY.derivations, ids=lambda each: each.table.name)
def test_a_year_is_stale_where_a_table_lacks_it(world, derivation):
    lake, loaded = world
    name = derivation.table.name
    partitions = {**lake.partitions, name: {k: p for k, p in lake.partitions[name].items() if k != "2018"}}
    stale = stale_years(replace(lake, partitions=partitions), LoadState(loaded))
    assert stale[2018] == f"{name} is not materialised"
    reach = max(
        (each.reach for each in REGISTRY.derivations if derivation.table in [one.table for one in each.tables]),
        default=0,
    )
    assert set(stale) == set(range(2018, 2018 + reach + 1))


@pytest.mark.parametrize("derivation", REGISTRY.derivations, ids=lambda each: each.table.name)
def test_a_year_is_stale_where_another_version_of_the_code_made_a_table(world, derivation):
    lake, loaded = world
    name = derivation.table.name
    old = {**lake.partitions[name], "2018": replace_struct(lake.partitions[name]["2018"], code_version="0")}
    stale = stale_years(replace(lake, partitions={**lake.partitions, name: old}), LoadState(loaded))
    assert stale == {2018: f"{name} was made by code version 0"}


def replace_struct(one: Partition, **changes: str) -> Partition:

    return msgspec.structs.replace(one, **changes)


def test_a_year_is_stale_where_silver_was_made_from_other_figures(world):
    lake, loaded = world
    revised = known({**years_of(lake), 2018: "revised"})
    changed = replace(lake, tables={"SAPCE1": revised})
    assert stale_years(changed, LoadState(loaded)) == {2018: "silver/pce_state was made from another SAPCE1"}
    step = decide(changed, None, loaded)
    assert (step.first_year, step.last_year) == (2018, 2022)


def test_a_table_that_joins_makes_its_years_stale(world):
    lake, loaded = world
    more = replace(lake, tables={**lake.tables, "SAPCE2": known({2023: "b", 2024: "c"}, table="SAPCE2")})
    assert set(stale_years(more, LoadState(loaded))) == {2023, 2024}


def test_the_hull_of_the_stale_years_ends_with_the_newest_year(world):
    lake, loaded = world
    years = {**years_of(lake), 2016: "revised", 2023: "revised"}
    step = decide(replace(lake, tables={"SAPCE1": known(years)}), None, loaded)
    assert (step.first_year, step.last_year) == (2016, 2024)
    assert set(step.reasons) == {"2016", "2023"}


@pytest.mark.parametrize("held", [None, "something else"])
def test_a_year_is_stale_where_postgres_does_not_hold_it(world, held):
    lake, loaded = world
    key = (GOLD_PCE_STATE_METRICS.name, "2024")
    changed = {name: value for name, value in loaded.items() if name != key} | ({key: held} if held else {})
    word = "another" if held else "no"
    assert stale_years(lake, LoadState(changed)) == {2024: f"Postgres holds {word} gold/pce_state_metrics"}


@pytest.mark.parametrize(("there", "loaded_once"), [(0, 12), (11, 12), (13, 12)])
def test_a_year_is_stale_where_postgres_holds_other_rows_than_were_loaded(world, there, loaded_once):
    lake, loaded = world
    key = (GOLD_PCE_STATE_ANNUAL.name, "2019")
    short = LoadState(loaded, {key: (there, loaded_once)})
    assert stale_years(lake, short) == {2019: f"Postgres holds {there} of 12 rows of gold/pce_state_annual"}


def test_rows_of_a_year_that_nobody_loaded_make_no_year_stale(world):
    lake, loaded = world
    assert stale_years(lake, LoadState(loaded, {(GOLD_PCE_STATE_ANNUAL.name, "1990"): (5, 0)})) == {}


def test_a_dimension_that_lacks_rows_in_postgres_is_loaded_with_the_newest_year(world):
    lake, loaded = world
    short = LoadState(loaded, {(REGISTRY.in_one_piece[0].name, WHOLE): (0, 60)})
    step = next_step(lake, {}, short, full_comparison=MONTH)
    assert (step.action, step.first_year, step.last_year) == ("refresh", 2024, 2024)
    assert step.reasons == {
        REGISTRY.in_one_piece[0].name: f"Postgres holds 0 of 60 rows of {REGISTRY.in_one_piece[0].name}"
    }


def test_a_dimension_that_is_not_what_the_catalogue_says_is_refreshed_with_the_newest_year(world):
    lake, loaded = world
    step = decide(replace(lake, stale_dimensions=("gold/dim_geography",)), release(), loaded)
    assert (step.action, step.first_year, step.last_year) == ("refresh", 2024, 2024)
    assert step.reasons == {"gold/dim_geography": "the catalogue has changed"}
    empty = LakeState(REGISTRY, {}, {}, ("gold/dim_geography",))
    assert decide(empty, None, loaded).action == "nothing"


def test_bulletins_that_are_missing_are_made_with_the_newest_year(world):
    lake, loaded = world
    due = tuple(("pce_state", f"2025-01-0{day}") for day in range(1, 6))
    step = decide(replace(lake, stale_bulletins=(*due[:1], ("other", "2025-01-01"))), release(), loaded)
    assert (step.action, step.first_year, step.last_year) == ("refresh", 2024, 2024)
    assert step.reasons == {"bulletins of pce_state": "missing or out of date: 2025-01-01"}
    assert stale_bulletins(replace(lake, stale_bulletins=due), ["pce_state"]) == {
        "bulletins of pce_state": "missing or out of date: 2025-01-01, 2025-01-02, 2025-01-03 and others"
    }
    assert decide(replace(lake, stale_bulletins=(("other", "2025-01-01"),)), release(), loaded).action == "nothing"


def test_an_explorer_set_that_is_behind_is_made_with_the_newest_year(world):
    lake, loaded = world
    behind = replace(lake, stale_explorer=("history/pce_state/pce_yoy_pct.parquet", "missing/other.json"))
    step = decide(behind, release(), loaded)
    assert (step.action, step.first_year, step.last_year) == ("refresh", 2024, 2024)
    assert step.reasons == {"explorer files": "missing, or behind Gold: pce_state"}
    only_index = replace(lake, stale_explorer=("index.json",))
    assert decide(only_index, release(), loaded).reasons == {"explorer files": "missing, or behind Gold: its index"}
    of_other = replace(lake, stale_explorer=("bulletins/other/2025-01-01.2.json",))
    assert decide(of_other, release(), loaded).action == "nothing"


@pytest.mark.parametrize(("held", "word"), [(None, "none"), ("another hash", "another")])
def test_a_dimension_that_postgres_does_not_hold_is_loaded_with_the_newest_year(world, held, word):
    lake, loaded = world
    key = ("gold/dim_category", WHOLE)
    changed = {name: value for name, value in loaded.items() if name != key} | ({key: held} if held else {})
    step = decide(lake, release(), changed)
    assert (step.action, step.first_year, step.reasons) == (
        "refresh",
        2024,
        {"gold/dim_category": f"Postgres holds {word}"},
    )


def test_a_calendar_that_cannot_be_read_or_lacks_the_name_is_a_warning_and_no_failure(world):
    lake, loaded = world
    (unread,) = decide(lake, release(calendar=False), loaded).warnings
    assert "could not be read" in unread
    (unnamed,) = decide(lake, release(names=("Another name",)), loaded).warnings
    assert "release_names" in unnamed
    assert decide(lake, release(NOON + MONTH, calendar=False), loaded).action == "extract"
    assert decide(lake, release(), loaded).warnings == ()


def test_years_that_the_extracts_no_longer_cover_are_withdrawn_by_a_refresh(world):
    lake, loaded = world
    shorter = known({year: digest_ for year, digest_ in years_of(lake).items() if year < 2024})
    step = decide(replace(lake, tables={"SAPCE1": shorter}), None, loaded)
    assert (step.action, step.first_year, step.last_year) == ("refresh", 2024, 2024)
    assert step.reasons == {"2024": "no extract that counts covers it any more"}


YEAR = st.integers(2015, 2024)
TABLE = st.sampled_from(["SAPCE1", "SAPCE2"])


@settings(max_examples=examples(60), deadline=None)
@given(
    revisions=st.dictionaries(st.tuples(TABLE, YEAR), st.sampled_from(["b", "c"]), max_size=4),
    lost=st.sets(st.tuples(st.sampled_from([each.table.name for each in REGISTRY.derivations]), YEAR), max_size=3),
    older=st.sets(st.tuples(st.sampled_from([each.table.name for each in REGISTRY.derivations]), YEAR), max_size=3),
    unloaded=st.sets(st.tuples(st.sampled_from([each.name for each in REGISTRY.loaded]), YEAR), max_size=3),
)
def test_one_refresh_of_what_it_says_settles_everything_and_touches_no_other_year(revisions, lost, older, unloaded):
    years = {(table, year): "a" for table in ("SAPCE1", "SAPCE2") for year in range(2015, 2025)}
    lake, loaded = settled(
        {table: known(dict.fromkeys(range(2015, 2025), "a"), table=table) for table in ("SAPCE1", "SAPCE2")}
    )
    now = {**years, **revisions}
    tables = {
        table: known({year: content for (name, year), content in now.items() if name == table}, table=table)
        for table in ("SAPCE1", "SAPCE2")
    }
    partitions = {name: dict(held) for name, held in lake.partitions.items()}
    for name, year in older:
        partitions[name][str(year)] = replace_struct(partitions[name][str(year)], code_version="0")
    for name, year in lost:
        del partitions[name][str(year)]
    broken = LakeState(REGISTRY, tables, partitions, has_extracts=HELD, vintages=vintages_of(tables))
    holds = {
        key: content
        for key, content in loaded.items()
        if (key[0], int(key[1]) if key[1] != WHOLE else 0) not in unloaded
    }
    step = decide(broken, None, holds)
    if step.action == "nothing":
        assert not revisions
        assert not lost
        assert not older
        assert not unloaded
        return
    assert step.first_year is not None
    assert step.last_year is not None
    after, newly = refreshed(broken, step.first_year, step.last_year)
    assert decide(after, None, {**holds, **newly}).action == "nothing"
    expected, _ = settled(tables)
    assert after.partitions == expected.partitions


def announced(lake: LakeState, at: datetime) -> LakeState:
    return replace(lake, event=Received("evt_1", at))


@pytest.mark.parametrize("notes", [{"SAPCE1": NOTE}, None], ids=["api", "archive"])
def test_an_event_is_a_reason_to_compare_until_somebody_has_compared(world, notes):
    lake, loaded = world
    asked = release(NOON + HOUR, notes=notes, calendar=False)
    for came in (timedelta(0), HOUR / 2, HOUR):
        step = decide(announced(lake, NOON + came), asked, loaded)
        assert (step.action, step.tables) == ("extract", {"pce_state": ("SAPCE1",)})
    assert step.reasons == {
        "SAPCE1": "event evt_1 announced a release on 2026-03-10 13:30 UTC, "
        "after the last comparison at 2026-03-10 12:30:00"
    }
    assert decide(announced(lake, NOON - timedelta(microseconds=1)), asked, loaded).action == "nothing"


def test_an_event_asks_for_the_tables_that_were_not_compared_since():
    tables = {
        "SAPCE1": known({2024: "a"}, compared_at=NOON),
        "SAPCE2": known({2024: "b"}, compared_at=NOON + HOUR),
    }
    lake, loaded = settled(tables)
    beyond = replace(lake, tables={"SAPCE2": tables["SAPCE2"]}, beyond_pin={"SAPCE1": tables["SAPCE1"]})
    for each in (lake, beyond):
        step = decide(announced(each, NOON + HOUR / 2), release(NOON + 2 * HOUR), loaded, tables=["SAPCE1", "SAPCE2"])
        assert step.tables == {"pce_state": ("SAPCE1",)}


def test_what_bea_says_itself_is_the_better_reason_than_an_event(world):
    lake, loaded = world
    step = decide(announced(lake, NOON + HOUR), release(notes={"SAPCE1": date(2026, 3, 10)}), loaded)
    assert "updated on 2026-03-10" in step.reasons["SAPCE1"]


def test_without_asking_bea_an_event_changes_nothing(world):
    lake, loaded = world
    assert decide(announced(lake, NOON + HOUR), None, loaded).action == "nothing"


def test_a_part_of_a_table_says_nothing_of_the_rest_so_it_is_asked_for(world):
    lake, loaded = world
    part = replace(lake, tables={"SAPCE1": replace(lake.tables["SAPCE1"], is_complete=False)})
    assert decide(part, release(), loaded).reasons == {"SAPCE1": "only a part of it is held"}
    assert decide(part, release(notes=None), loaded).action == "extract"
