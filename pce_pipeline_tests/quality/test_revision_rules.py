"""Damage to what was revised, or to how far figures usually move, makes the rule fail that is there for it."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest

from pce_pipeline.gold.revisions import revision_stats, revisions
from pce_pipeline.gold.vintages import figures
from pce_pipeline.quality.revision_stats import stats_rules
from pce_pipeline.quality.revisions import RevisionYears, revisions_rules
from pce_pipeline.quality.rules import judge
from pce_pipeline.tables.vintages import LEAST_RELEASES, revisions_table
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.gold.test_revisions import ages
from pce_pipeline_tests.silver.test_folding_vintages import YEAR, Step, at_of, fold, vintages

TABLE = revisions_table(PCE_STATE)
STEPS: list[Step] = [
    ("counted", {"00000": "5.0", "01000": "200.0", "02000": "3.0"}),
    ("derived", {"01000": "205.0"}),
    ("counted", {"00000": "(D)", "01000": "210.0", "02000": "3.0"}),
    ("counted", {"00000": "(D)", "01000": "220.0"}),
    ("counted", {"00000": "6.0", "01000": "220.0", "02000": "4.0"}),
]


@pytest.fixture(scope="module")
def years() -> RevisionYears:
    log = figures(fold(STEPS), vintages(STEPS), PCE_STATE)
    return RevisionYears(TABLE, {YEAR: revisions(log, vintages(STEPS), PCE_STATE)}, {YEAR: log})


@pytest.fixture(scope="module")
def stats() -> pl.DataFrame:
    logs = ages(LEAST_RELEASES)
    together = pl.concat([each for _, each in logs]).unique(maintain_order=True)
    return revision_stats([log for log, _ in logs], together, PCE_STATE)


Damage = Callable[[pl.DataFrame], pl.DataFrame]
SECOND = (pl.col("geo_fips") == "01000") & (pl.col("valid_from") == at_of(3))


def with_value(where: pl.Expr, **values: object) -> Damage:
    def damage(frame: pl.DataFrame) -> pl.DataFrame:
        assert frame.filter(where).height, "this damages nothing"
        changed = [
            pl.when(where)
            .then(value if isinstance(value, pl.Expr) else pl.lit(value))
            .otherwise(name)
            .cast(frame.schema[name])
            .alias(name)
            for name, value in values.items()
        ]
        return frame.with_columns(changed)

    return damage


REVISED: list[tuple[str, Damage]] = [
    ("schema_is_as_declared", lambda frame: frame.drop("age_years")),
    ("primary_key_is_unique", lambda frame: pl.concat([frame, frame.filter(SECOND)])),
    ("changes_lead_from_one_value_to_the_next", with_value(SECOND, from_status="suppressed")),
    ("changes_lead_from_one_value_to_the_next", with_value(SECOND, valid_from=at_of(1))),
    ("changes_lead_from_one_value_to_the_next", with_value(SECOND, changed_from=at_of(0), from_value=Decimal(200),
                                                           change=Decimal(20), change_pct=10.0)),
    ("changes_lead_from_one_value_to_the_next", with_value(SECOND, to_value=Decimal(230), change=Decimal(20),
                                                           change_pct=9.52381)),
    ("changes_lead_from_one_value_to_the_next", with_value(pl.col("basis") == "derived", changed_from=at_of(3))),
    ("kinds_are_known", with_value(pl.col("kind") == "withdrawn", kind="gone")),
    ("kinds_are_known", with_value(pl.col("kind") == "withdrawn", kind="precision")),
    ("change_is_the_later_less_the_earlier", with_value(pl.col("kind") == "withdrawn", change=Decimal(1))),
    ("percent_is_of_a_number_above_zero", with_value(SECOND, change_pct=4.8)),
    ("percent_is_of_a_number_above_zero", with_value(SECOND, change_pct=None)),
    ("percent_is_of_a_number_above_zero", with_value(SECOND, change_pct=float("nan"))),
    ("percent_is_of_a_number_above_zero", with_value(pl.col("kind") == "new", change_pct=1.0)),
]  # fmt: skip
AGE_2 = pl.col("age_years") == 2
MOVED: list[tuple[str, Damage]] = [
    ("schema_is_as_declared", with_value(AGE_2, dataset=None)),
    ("primary_key_is_unique", lambda frame: pl.concat([frame, frame.head(1)])),
    ("bands_need_enough_releases", with_value(AGE_2, n_releases=LEAST_RELEASES - 1)),
    ("bands_need_enough_releases", with_value(AGE_2, pct05=None)),
    ("bands_need_enough_releases", with_value(AGE_2, band_is="too_few_releases")),
    ("bands_are_in_order", with_value(AGE_2, pct05=2.0)),
    ("bands_are_in_order", with_value(AGE_2, abs_pct90=-1.0)),
    ("bands_are_in_order", with_value(AGE_2, mean_abs_pct=0.5)),
    ("bands_are_in_order", with_value(AGE_2, n_figures=1)),
]


def test_what_was_made_passes_every_rule(years: RevisionYears, stats: pl.DataFrame) -> None:
    assert {"revision", "withdrawn", "new", "newly_suppressed", "newly_published"} == set(years.revisions[YEAR]["kind"])
    assert set(years.revisions[YEAR]["basis"]) == {"counted", "derived"}
    results = [*judge(revisions_rules, TABLE.name, years), *judge(stats_rules, "gold/revision_stats", stats)]
    assert [(each.name, each.examples) for each in results if not each.passed] == []
    assert all(each.has_subject for each in results)


@pytest.mark.parametrize(("name", "damage"), REVISED, ids=[name for name, _ in REVISED])
def test_damage_to_revisions_is_found(years: RevisionYears, name: str, damage: Damage) -> None:
    damaged = replace(years, revisions={YEAR: damage(years.revisions[YEAR])})
    failed = [each for each in judge(revisions_rules, TABLE.name, damaged) if not each.passed]
    assert [each.name for each in failed] == [name]
    assert failed[0].examples


@pytest.mark.parametrize(("name", "damage"), MOVED, ids=[name for name, _ in MOVED])
def test_damage_to_statistics_is_found(stats: pl.DataFrame, name: str, damage: Damage) -> None:
    failed = [each for each in judge(stats_rules, "gold/revision_stats", damage(stats)) if not each.passed]
    assert [each.name for each in failed] == [name]
    assert failed[0].examples


def test_every_rule_is_shown_to_find_damage() -> None:
    assert {name for name, _ in REVISED} == {each.name for each in revisions_rules}
    assert {name for name, _ in MOVED} == {each.name for each in stats_rules}
