"""Postgres compared with Gold: each kind of difference is told apart, and a partition is named once."""

from datetime import UTC, datetime

import pytest

from pce_pipeline.lake.pointer import Partition
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL
from pce_pipeline.warehouse.contents import Content
from pce_pipeline.warehouse.parity import Parity, parity
from pce_pipeline.warehouse.reading import Checkpoint

TABLE = GOLD_PCE_STATE_ANNUAL
NOW = datetime(2026, 3, 1, tzinfo=UTC)
YEAR = "2020"


def gold(content: str = "a") -> dict[str, Partition]:
    made = Partition(
        key=YEAR, objects=(), rows=3, content_sha256=content, inputs={}, code_version="1", details={}, run_id="r",
        published_at=NOW,
    )  # fmt: skip
    return {YEAR: made}


def loaded(content: str = "a", held_hash: str | None = "18:1:1") -> dict[tuple[str, str], Checkpoint]:
    return {(TABLE.name, YEAR): Checkpoint(content, "1", 3, "r", NOW, held_hash)}


def there(rows: int = 3, text: str = "18:1:1") -> dict[tuple[str, str], Content]:
    return {(TABLE.name, YEAR): Content(rows, text)} if rows else {}


def test_what_is_as_it_was_loaded_has_no_problem() -> None:
    assert parity(TABLE, gold(), loaded(), there()) == Parity(TABLE.name, miscounted={})
    assert parity(TABLE, gold(), loaded(), there()).problems == []


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (parity(TABLE, gold(), {}, {}), "absent"),
        (parity(TABLE, gold(), {}, there()), "absent"),
        (parity(TABLE, gold("b"), loaded(), there()), "another"),
        (parity(TABLE, gold("b"), loaded(), there(1)), "another"),
        (parity(TABLE, {}, loaded(), there()), "surplus"),
        (parity(TABLE, {}, {}, there()), "strange"),
        (parity(TABLE, gold(), loaded(), there(0)), "miscounted"),
        (parity(TABLE, gold(), loaded(), there(4)), "miscounted"),
        (parity(TABLE, gold(), loaded(), there(3, "18:1:2")), "changed"),
    ],
)
def test_each_difference_has_its_name(found: Parity, kind: str) -> None:
    (problem,) = found.problems
    assert (problem.kind, problem.partitions) == (kind, (YEAR,))
    assert str(problem).endswith("in 2020")
    assert found.within([YEAR]).problems == [problem]
    assert found.within(["2021"]).problems == []


@pytest.mark.parametrize("kept", [None, "17:1:1"])
def test_rows_without_a_comparable_hash_are_not_known_and_no_problem(kept: str | None) -> None:
    found = parity(TABLE, gold(), loaded(held_hash=kept), there())
    assert (found.problems, found.unknown) == ([], (YEAR,))
