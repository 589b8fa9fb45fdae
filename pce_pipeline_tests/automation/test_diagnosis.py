"""What is said of a world, given what was seen of it: pure diagnosis, no I/O."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pce_pipeline.automation.diagnosis import (
    Finding,
    HistorySeen,
    LakeSeen,
    PostgresSeen,
    cells_not_there,
    diagnose,
    not_there,
)
from pce_pipeline.automation.next_step import LakeState, LoadState
from pce_pipeline.bronze.counting import Layer, Vintage
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.lake.integrity import Damage
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.pointer import WHOLE, Partition
from pce_pipeline.lake.store import open_store
from pce_pipeline.quality.frames import expected_cells
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_METRICS
from pce_pipeline.warehouse.parity import Parity
from pce_pipeline_tests.automation.test_next_step import known, settled
from pce_pipeline_tests.datasets import REGISTRY, pce_state

WORLD = ("bea", "prod")
METRICS = GOLD_PCE_STATE_METRICS.name
SOUND = PostgresSeen(("0004", "0004"), WORLD)


@pytest.fixture
def lake() -> LakeState:
    """Five years of one table, everything refreshed."""
    return settled({"SAPCE1": known({year: f"{year}" for year in range(2020, 2025)})})[0]


def said(lake: LakeSeen, postgres: PostgresSeen | None = SOUND, history: HistorySeen | None = None) -> list[Finding]:
    return diagnose(lake, postgres, history, world=WORLD)


def without(lake: LakeState, table: str, *years: str) -> LakeState:
    held: Mapping[str, Partition] = {k: p for k, p in lake.partitions[table].items() if years and k not in years}
    return replace(lake, partitions={**lake.partitions, table: held})


def test_of_a_sound_world_nothing_is_said(lake):
    assert said(LakeSeen(lake)) == []
    assert said(LakeSeen(lake), None, HistorySeen()) == []


def test_bulletins_that_are_not_of_what_is_held_are_made_by_a_refresh(lake):
    (found,) = said(LakeSeen(replace(lake, stale_bulletins=(("pce_state", "2025-01-01"),))))
    assert (found.what, found.command, found.mend) == (
        "bulletins of pce_state: missing or out of date: 2025-01-01",
        "refresh",
        "refresh",
    )


def test_an_explorer_set_that_is_behind_gold_is_made_by_a_refresh(lake):
    (found,) = said(LakeSeen(replace(lake, stale_explorer=("figures/pce_state.parquet", "index.json"))))
    assert (found.what, found.command, found.mend) == (
        "explorer files: missing, or behind Gold: pce_state",
        "refresh",
        "refresh",
    )


def test_years_that_are_covered_and_not_there_are_named_by_table(lake):
    poorer = without(without(lake, METRICS, "2021", "2022"), "gold/dim_category")
    assert not_there(poorer) == {METRICS: [2021, 2022], "gold/dim_category": []}
    assert not_there(poorer, [2022, 2023]) == {METRICS: [2022], "gold/dim_category": []}
    assert [(each.what, each.command, each.years) for each in said(LakeSeen(poorer))] == [
        (f"{METRICS} 2021...2022 is not there", "refresh", (2021, 2022)),
        ("gold/dim_category is not there", "refresh", ()),
    ]


def test_what_is_there_and_not_what_its_inputs_say_is_named_with_the_reason(lake):
    revised = known({**{year: f"{year}" for year in range(2020, 2025)}, 2022: "revised"})
    (found,) = said(LakeSeen(replace(lake, tables={"SAPCE1": revised})))
    assert found.what == "2022: silver/pce_state was made from another SAPCE1"


def test_a_lake_without_extracts_is_empty_or_has_lost_them(lake):
    (empty,) = said(LakeSeen(LakeState(REGISTRY, {}, {})))
    assert (empty.command, empty.mend, empty.is_wrong) == ("run", None, True)
    (lost,) = said(LakeSeen(replace(lake, tables={}, has_extracts=())))
    assert "silver/pce_state" in lost.what
    assert "PCE_LAKE_URI" in lost.advice


def test_damage_is_healed_but_in_bronze(lake):
    damage = Damage("prod/gold/x", "missing", "a", "nothing")
    table, bronze = said(LakeSeen(lake, {METRICS: [damage]}))[0], said(LakeSeen(None, lost=[damage]))[0]
    assert (table.what, table.command, table.mend) == (
        f"1 object of {METRICS} damaged: prod/gold/x (missing)",
        "heal",
        "heal",
    )
    assert (bronze.command, bronze.mend) == (None, None)
    assert (
        "Restore it from the second copy, if there is one (pce bronze restore URI), or from a backup." in bronze.advice
    )
    (on_aws,) = said(
        LakeSeen(None, lost=[Damage("prod/bronze/bea/d/2026-01-01/x", "changed", "a", "b")], address="s3://b")
    )
    assert "python infra/restore_object.py --env prod prod/bronze/bea/d/2026-01-01/x" in on_aws.advice


def test_cells_that_silver_lacks_are_named_by_year(lake):
    (found,) = said(LakeSeen(lake, lacks={"silver/pce_state": {2020: "60 cells", 2021: "60 cells"}}))
    assert found.what == "silver/pce_state 2020...2021 lacks 60 cells"
    assert found.command == "refresh --years 2020...2021 --force"


def test_silver_is_compared_with_what_the_extracts_speak_of():
    dataset = pce_state("smoke")
    table = known({2023: "a", 2024: "b"})
    (layer,) = table.vintage.layers
    vintage = Vintage("SAPCE1", layer.extract, (Layer(layer.extract, layer.entry, is_live=True),))
    nowhere = BronzeStore(open_store(Path("nowhere")), Layout("local", "bea"), dataset.name)
    now = Current(dataset, nowhere, {}, [], None)
    now.__dict__["sources"] = {"SAPCE1": type("S", (), {"vintage": vintage})}
    whole = expected_cells(dataset, {"SAPCE1": [2023, 2024]})
    assert cells_not_there(now, whole, [2023, 2024]) == {}
    poorer = whole.filter(~((whole["geo_fips"] == "06000") & (whole["year"] == 2024)))
    (words,) = cells_not_there(now, poorer, [2023, 2024]).values()
    assert "area 06000" in words
    assert cells_not_there(now, poorer, [2023]) == {}


def test_another_worlds_database_is_all_that_is_said_of_it(lake):
    (found,) = said(LakeSeen(lake), replace(SOUND, world=("sample", "local"), missing=["gold.x"]))
    assert "holds world 'sample' of local" in found.what
    assert found.mend is None


def test_loaded_rows_of_which_nothing_says_whose_they_are_want_a_load_that_does(lake):
    (found,) = said(LakeSeen(lake), replace(SOUND, world=None, loaded=LoadState({(METRICS, "2020"): "a"})))
    assert found.what == "meta.world does not say whose rows are loaded"
    assert (found.command, found.mend, found.years) == ("refresh --years 2024", "refresh", (2024,))
    assert said(LakeSeen(lake), replace(SOUND, world=None)) == []


@pytest.mark.parametrize("revision", [None, "0001"])
def test_a_database_behind_the_code_is_migrated(lake, revision):
    (found,) = said(LakeSeen(lake), replace(SOUND, revision=(revision, "0004")))
    assert (found.command, found.mend) == ("db migrate", "migrate")


def test_views_that_are_gone_and_those_that_somebody_has_changed_are_told_apart(lake):
    gone, changed = said(LakeSeen(lake), replace(SOUND, missing=["serving.a"], outdated=["serving.b", "serving.c"]))
    assert gone.what == "serving.a is gone"
    assert changed.what == "serving.b, serving.c are not as this version makes views"
    assert {gone.mend, changed.mend} == {"migrate"}


def test_what_gold_lacks_is_not_said_of_postgres_as_well(lake):
    parity = Parity(METRICS, surplus=("2020", "2021", "1999"))
    (found,) = said(LakeSeen(lake), replace(SOUND, parities=[parity, Parity("gold/dim_category", surplus=(WHOLE,))]))
    assert found.what == f"Postgres holds {METRICS} that Gold does not in 1999"


def test_only_changed_rows_need_their_years_named(lake):
    parity = Parity(METRICS, miscounted={"2020": (0, 5)}, changed=("2021", "2023"))
    commands = [each.command for each in said(LakeSeen(lake), replace(SOUND, parities=[parity]))]
    assert commands == ["refresh", "refresh --years 2021...2023"]


def test_rows_of_before_hashes_are_one_note(lake):
    parities = [Parity(METRICS, unknown=("2021",)), Parity("gold/dim_category", unknown=(WHOLE,))]
    (note,) = said(LakeSeen(lake), replace(SOUND, parities=parities))
    assert (note.is_wrong, note.mend, note.command) == (False, "refresh", "refresh --years 2021")


def test_the_history_is_settled_and_a_run_under_way_is_only_named(lake):
    seen = HistorySeen(("dead",), ("alive",), ("2026-01-01",), tuple("abcd"))
    found = said(LakeSeen(lake), None, seen)
    assert [each.mend for each in found] == ["settle", None, "settle", "settle"]
    assert [each.is_wrong for each in found] == [True, False, True, True]
    assert found[-1].what.endswith("a, b, c and others")
