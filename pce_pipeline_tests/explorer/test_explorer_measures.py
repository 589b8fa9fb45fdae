"""What the set shows of every dataset of the catalogue follows from declarations, and the index of all stays small."""

import re
from datetime import UTC, datetime

import msgspec
import pytest

from pce_pipeline.asking.columns import NO_NUMBER
from pce_pipeline.explorer.checks import last_words
from pce_pipeline.explorer.indexing import areas_of, described
from pce_pipeline.explorer.measures import ShownMeasure, shown_measures
from pce_pipeline.explorer.statuses import REASONS, REPORTED, WITHDRAWN
from pce_pipeline.observability.records import CheckOutcome, RunRecord, StepRecord
from pce_pipeline.tables.table import STATUSES
from pce_pipeline.tracing.asking import traceable
from pce_pipeline_tests.datasets import EVERYTHING

ALL = [(name, each) for name, of in EVERYTHING.datasets.items() for each in shown_measures(EVERYTHING, of)]
OF_DECLARATIONS = 70_000
"""Bytes of what the catalogue declares: extracts and files come to it, and the index keeps below 100 kB."""


def one(dataset: str, name: str) -> ShownMeasure:
    return next(each for of, each in ALL if of == dataset and each.id == name)


def test_every_column_with_a_formula_is_shown_published_ones_first():
    assert {(name, each.id) for name, each in ALL} == {
        (dataset.name, column) for dataset, _, column, _ in traceable(EVERYTHING, list(EVERYTHING.datasets))
    }
    for name in EVERYTHING.datasets:
        published = [each.is_published for of, each in ALL if of == name]
        assert published == sorted(published, reverse=True)


def test_titles_are_words_and_name_no_column():
    columns = {each.id for _, each in ALL if "_" in each.id}
    for _, measure in ALL:
        words = set(re.findall(r"\w+", measure.title))
        assert not words & columns, measure.title
        assert "NULL" not in measure.title
    assert one("pce_state", "pce_yoy_pct").title == "change of personal consumption expenditures on the year before"


def test_decimals_are_those_of_the_measure_or_of_the_unit():
    assert one("pce_state", "pce_millions_usd").decimals == 1
    assert one("pce_state", "pce_mean_5y_millions_usd").decimals == 1
    assert one("pce_state", "pce_per_capita_usd").decimals == 0
    assert one("pce_state", "pce_yoy_pct").decimals == 2
    assert one("pce_state", "pce_rank_among_states").decimals == 0
    assert one("prices_state", "rpp_all_items").decimals == 3


def test_what_compares_areas_within_a_year_is_no_line():
    for name in ("rpp_all_items", "value_of_100_usd"):
        why = one("prices_state", name).why_no_line
        assert why is not None
        assert "two years cannot be compared" in why
    assert one("prices_state", "irpd").why_no_line is None
    assert one("prices_state", "inflation_pct").why_no_line is None
    assert one("pce_state", "pce_rank_among_states").why_no_line is None


def test_only_what_is_published_and_adds_up_says_so():
    assert one("pce_state", "pce_millions_usd").adds_up_over == ["areas", "categories"]
    assert one("pce_state", "pce_yoy_pct").adds_up_over == []
    assert one("prices_state", "rpp_all_items").adds_up_over == []


def test_a_rank_is_of_states_alone():
    assert [each.id for _, each in ALL if each.is_of_states] == [
        "pce_rank_among_states",
        "pce_per_capita_rank_among_states",
    ]


def test_every_status_has_a_sentence():
    assert REASONS.keys() == {*STATUSES, NO_NUMBER, WITHDRAWN} - {REPORTED}


@pytest.mark.parametrize("name", EVERYTHING.datasets)
def test_categories_stand_after_those_that_they_are_parts_of(name):
    found = described(EVERYTHING, EVERYTHING.datasets[name])
    for place, category in enumerate(found.categories):
        assert category.parent is None or category.parent < place
    own = {place for each in found.measures for place in each.categories or range(len(found.categories))}
    assert own == set(range(len(found.categories)))


def test_what_is_declared_of_all_datasets_leaves_room_in_the_index():
    said = [described(EVERYTHING, each) for each in EVERYTHING.datasets.values()]
    areas = areas_of(EVERYTHING.datasets["pce_state"])
    assert [each.level for each in areas].count("state") == 51
    assert len(msgspec.json.encode([said, areas, REASONS])) < OF_DECLARATIONS


def _run(run: str, *checks: tuple[str, bool, str]) -> RunRecord:
    moment = datetime(2026, 2, 23, 14, tzinfo=UTC)
    outcomes = [
        CheckOutcome(asset="gold", name=name, passed=passed, severity=severity, summary=f"{name} of {run}")
        for name, passed, severity in checks
    ]
    step = StepRecord(step="gold", partitions=[], started_at=moment, checks=outcomes)
    return RunRecord(
        run_id=run,
        env="local",
        world="bea",
        dataset="pce_state",
        job="refresh",
        requested={},
        started_at=moment,
        updated_at=moment,
        steps=[step],
    )


def test_the_last_word_of_a_check_is_that_of_the_newest_run_in_which_it_ran():
    newest = _run("new", ("b", False, "WARN"), ("c", False, "ERROR"))
    words = last_words([newest, _run("old", ("a", True, "ERROR"), ("b", True, "WARN"))])
    assert [(each.name, each.said, each.run) for each in words.checks] == [
        ("a", "passed", "old"),
        ("b", "warned", "new"),
        ("c", "failed", "new"),
    ]
    assert words.counts == {"passed": 1, "warned": 1, "failed": 1}
