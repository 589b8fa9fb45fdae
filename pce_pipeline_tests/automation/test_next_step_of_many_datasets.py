"""What comes next where there are several datasets: each is asked, taken and refreshed for itself."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date

import msgspec
import pytest

from pce_pipeline.automation.next_step import KnownTable, LakeState, LoadState, Step, next_step, stale_years
from pce_pipeline.bea.gateway import Release
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.lake.pointer import WHOLE, Partition
from pce_pipeline.tables.lineage import FromBronze
from pce_pipeline.tables.registry import registry_of
from pce_pipeline_tests.automation.test_next_step import (
    HOUR,
    MONTH,
    NOON,
    NOTE,
    digest,
    known,
    partition,
    release,
    vintages_of,
)

STATE, INCOME = "pce_state", "income_state"
REGISTRY = registry_of({name: load_datasets("full")[name] for name in (INCOME, STATE)})
YEARS = {year: f"content of {year}" for year in range(2018, 2025)}
NEW_DAY = date(2026, 3, 9)

Held = tuple[LakeState, LoadState]


def made(lake: LakeState, datasets: Collection[str]) -> Held:
    """The lake after a refresh of these datasets, and what Postgres holds then: contents follow from inputs alone."""
    partitions: dict[str, dict[str, Partition]] = {name: dict(held) for name, held in lake.partitions.items()}
    for derivation in REGISTRY.derivations_of(datasets):
        name = derivation.table.name
        held = partitions.setdefault(name, {})
        for year in lake.covered(derivation):
            now = replace(lake, partitions=partitions)
            inputs = derivation.inputs_of(year, now.part_hash, now.inputs_of_bronze)
            new = partition(str(year), digest(name, year, inputs), inputs, derivation.code_version)
            if derivation.table.parts_by is not None:
                parts = {each: digest(each, inputs.get(f"silver/{each}/{year}")) for each in REGISTRY.datasets}
                new = msgspec.structs.replace(new, parts=parts)
            held[str(year)] = new
    for table in REGISTRY.in_one_piece:
        partitions[table.name] = {WHOLE: partition(WHOLE, digest(table.name))}
    after = replace(lake, partitions=partitions, stale_dimensions=())
    loaded = {
        (table.name, key): held.content_sha256
        for table in REGISTRY.in_postgres
        for key, held in partitions.get(table.name, {}).items()
    }
    return after, LoadState(loaded)


def lake_of(**tables: KnownTable) -> LakeState:
    found = {REGISTRY.bea_tables[table] for table in tables}
    return LakeState(REGISTRY, tables, {}, has_extracts=tuple(sorted(found)), vintages=vintages_of(tables, REGISTRY))


def all_of(dataset: str, years: Mapping[int, str] = YEARS, noted: date = NOTE) -> dict[str, KnownTable]:
    return {table: known(years, table=table, noted=noted) for table in REGISTRY.datasets[dataset].tables}


@pytest.fixture
def both() -> Held:
    """Both datasets held, refreshed and loaded."""
    return made(lake_of(**all_of(STATE), **all_of(INCOME)), REGISTRY.datasets)


def releases(**others: Release) -> dict[str, Release]:
    """What BEA says: what is known of both datasets, or otherwise as given."""
    said = {name: release(notes=dict.fromkeys(REGISTRY.datasets[name].tables, NOTE)) for name in REGISTRY.datasets}
    return {**said, **others}


def decided(held: Held, said: Mapping[str, Release], *, datasets: Collection[str] | None = None) -> Step:
    lake, loaded = held
    return next_step(lake, said, loaded, datasets=datasets, full_comparison=MONTH)


def test_what_another_dataset_changed_of_a_shared_table_is_no_matter_of_the_chosen_one(both: Held) -> None:
    lake, loaded = both
    silver = f"silver/{STATE}"
    changed = msgspec.structs.replace(lake.partitions[silver]["2024"], content_sha256="another")
    partitions = {**lake.partitions, silver: {**lake.partitions[silver], "2024": changed}}
    later = replace(lake, partitions=partitions)
    assert stale_years(later, loaded, {INCOME}) == {}
    assert stale_years(later, loaded, {STATE}) == {2024: f"gold was made from another {silver}/2024"}
    assert stale_years(later, loaded, {INCOME, STATE}) == stale_years(later, loaded, {STATE})


def test_where_nothing_is_new_of_any_dataset_nothing_is_to_be_done(both: Held) -> None:
    assert decided(both, releases()).action == "nothing"


def test_a_new_release_of_one_dataset_asks_for_its_tables_alone(both: Held) -> None:
    step = decided(both, releases(income_state=release(notes={"SAINC1": NEW_DAY})))
    assert (step.action, step.tables) == ("extract", {INCOME: ("SAINC1",)})


def test_a_release_of_one_dataset_makes_nothing_of_another_stale(both: Held) -> None:
    lake, loaded = both
    revised = {**YEARS, 2024: "revised", 2025: "new"}
    lake = replace(lake, tables={**lake.tables, **all_of(INCOME, revised, NEW_DAY)})
    assert set(stale_years(lake, loaded, [INCOME])) == {2024, 2025}
    assert stale_years(lake, loaded, [STATE]) == {}
    before = {table.name: dict(lake.partitions[table.name]) for table in REGISTRY.tables}
    lake, loaded = made(lake, [INCOME])
    assert stale_years(lake, loaded) == {}
    assert lake.partitions["gold"] != before["gold"], "the facts hold new figures of income"
    for derivation in REGISTRY.derivations_of([STATE]):
        if derivation is not REGISTRY.facts:
            assert lake.partitions[derivation.table.name] == before[derivation.table.name]


def test_of_a_dataset_of_which_nothing_is_held_nothing_is_stale_and_the_others_go_on() -> None:
    held = made(lake_of(**all_of(STATE)), [STATE])
    assert stale_years(*held) == {}
    step = decided(held, releases())
    assert (step.action, step.tables) == ("extract", {INCOME: ("SAINC1",)})
    assert decided(held, releases(), datasets=[STATE]).action == "nothing"
    # a year of it that is lost is found although the other dataset has nothing
    lake, loaded = held
    lost = {year: each for year, each in lake.partitions["silver/pce_state"].items() if year != "2020"}
    lake = replace(lake, partitions={**lake.partitions, "silver/pce_state": lost})
    assert decided((lake, loaded), {}, datasets=[STATE]).action == "refresh"


def test_a_dataset_of_which_bea_says_nothing_is_left_out_with_a_warning(both: Held) -> None:
    silent = Release(NOON + HOUR, None, release().calendar, ("Income",), problem="BEA answered with error 40")
    step = decided(both, releases(income_state=silent))
    assert step.action == "nothing"
    assert any(INCOME in warning and "error 40" in warning for warning in step.warnings)
    news = release(notes={**dict.fromkeys(REGISTRY.datasets[STATE].tables, NOTE), "SAPCE2": NEW_DAY})
    assert decided(both, releases(income_state=silent, pce_state=news)).tables == {STATE: ("SAPCE2",)}


def test_new_tables_of_several_datasets_are_taken_in_one_go() -> None:
    step = decided(made(lake_of(), []), releases())
    assert step.action == "extract"
    assert {name: set(tables) for name, tables in step.tables.items()} == {
        name: set(dataset.tables) for name, dataset in REGISTRY.datasets.items()
    }


def test_every_dataset_has_bronze_of_its_own() -> None:
    assert {each.inputs for each in REGISTRY.silver.values()} == {(FromBronze(STATE),), (FromBronze(INCOME),)}
