"""What counts follows from verdicts and decisions alone: which vintage is current, and what it is made of."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pce_pipeline.bronze.counting import sources, vintages
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.decisions import Decision, DecisionKind, Verdict
from pce_pipeline.bronze.manifest import Manifest, TableEntry
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.lake.layout import ExtractId, Layout
from pce_pipeline.lake.store import open_store
from pce_pipeline_tests.datasets import PCE_STATE

NOON = datetime(2026, 2, 23, 12, tzinfo=UTC)
FIRST, SECOND, THIRD, LAST = (ExtractId(date(2026, month, 1)) for month in (1, 2, 3, 4))
COUNTS = Verdict(counts=True, why="")
PARTIAL = Verdict(counts=False, why="", lacks=3)


def entry(content: str, *, years: tuple[int, ...] = (2023, 2024), release: date | None = None) -> TableEntry:
    return TableEntry(
        last_updated=release,
        note="",
        rows=10,
        lines=(1,),
        years={year: f"{content} {year}" for year in years},
        content_sha256=content,
    )


def manifest(
    extract: ExtractId,
    tables: Mapping[str, TableEntry | str],
    *,
    verdicts: Mapping[str, Verdict] | None = None,
    origin: str = "api",
) -> Manifest:
    entries = {table: entry(each) if isinstance(each, str) else each for table, each in tables.items()}
    return Manifest(
        dataset="pce_state",
        world="bea",
        extract_date=str(extract),
        ingested_at=NOON,
        origin=origin,
        run_id="a-run",
        code_version="1",
        scope={},
        tables=entries,
        objects=(),
        content_sha256="",
        verdicts={**dict.fromkeys(entries, COUNTS), **(verdicts or {})},
    )


def decision(kind: DecisionKind, extract: ExtractId, minute: int = 0, **more: object) -> Decision:
    at = NOON + timedelta(minutes=minute)
    return Decision(kind=kind, extract=str(extract), why="a test", decided_at=at, **more)  # type: ignore[arg-type]


def lake(*held: Manifest) -> dict[ExtractId, Manifest]:
    return {each.extract: each for each in reversed(held)}


def made_of(found: Mapping[str, object]) -> dict[str, str]:
    return {table: str(source.vintage) for table, source in found.items()}  # type: ignore[attr-defined]


def test_each_table_has_its_own_newest_extract():
    held = lake(manifest(FIRST, {"A": "1", "B": "1"}), manifest(SECOND, {"A": "2"}), manifest(LAST, {"B": "2"}))
    assert made_of(sources(held, [])) == {"A": str(SECOND), "B": str(LAST)}
    assert made_of(sources(held, [], pin=SECOND)) == {"A": str(SECOND), "B": str(FIRST)}
    assert sources({}, []) == {}


def test_the_same_figures_again_are_no_new_vintage_but_were_seen_later():
    held = lake(manifest(FIRST, {"A": "1"}), manifest(SECOND, {"A": "2"}), manifest(THIRD, {"A": "2"}))
    (source,) = sources(held, []).values()
    assert (source.vintage.at, source.newest.at) == (SECOND, THIRD)
    (pinned,) = sources(held, [], pin=FIRST).values()
    assert pinned.vintage.at == FIRST


def test_figures_that_return_after_others_are_a_new_vintage():
    held = lake(manifest(FIRST, {"A": "1"}), manifest(SECOND, {"A": "2"}), manifest(THIRD, {"A": "1"}))
    assert made_of(sources(held, [])) == {"A": str(THIRD)}


def test_what_does_not_count_is_passed_over_table_by_table():
    held = lake(manifest(FIRST, {"A": "1", "B": "1"}), manifest(SECOND, {"A": "2", "B": "2"}, verdicts={"A": PARTIAL}))
    assert made_of(sources(held, [])) == {"A": str(FIRST), "B": str(SECOND)}


def test_parts_of_one_release_are_one_vintage_at_the_later_of_them():
    completes = Verdict(counts=True, why="", completes=(str(FIRST),))
    held = lake(manifest(FIRST, {"A": "1"}), manifest(SECOND, {"A": "2"}, verdicts={"A": completes}))
    first, second = vintages(held, [], "A")
    assert (str(first), str(second)) == ("2026-01-01", "2026-01-01 with 2026-02-01")
    assert second.at == SECOND
    assert second.inputs(2023) == {
        "A 1 of 2, 2026-01-01": "1 2023",
        "A 2 of 2, 2026-02-01": "2 2023",
    }


def test_a_year_that_only_one_layer_has_is_named_as_ever():
    completes = Verdict(counts=True, why="", completes=(str(FIRST),))
    held = lake(
        manifest(FIRST, {"A": entry("1", years=(2022, 2023))}),
        manifest(SECOND, {"A": entry("2", years=(2023,))}, verdicts={"A": completes}),
    )
    newest = vintages(held, [], "A")[-1]
    assert newest.inputs(2022) == {"A": "1 2022"}
    assert newest.inputs(2021) == {}
    assert newest.years == [2022, 2023]


def test_an_extract_in_use_stands_where_the_decision_put_it_until_it_is_undone():
    held = lake(manifest(FIRST, {"A": "1"}), manifest(SECOND, {"A": "2"}, verdicts={"A": PARTIAL}))
    over = decision("over", SECOND, layers={"A": (str(FIRST), str(SECOND))}, at={"A": str(SECOND)})
    assert made_of(sources(held, [over])) == {"A": "2026-01-01 with 2026-02-01"}
    undone = [over, decision("undo", SECOND, 1)]
    assert made_of(sources(held, undone)) == {"A": str(FIRST)}
    again = [*undone, decision("instead", SECOND, 2, layers={"A": (str(SECOND),)}, at={"A": str(SECOND)})]
    assert made_of(sources(held, again)) == {"A": str(SECOND)}


def test_an_older_extract_in_use_is_current_until_a_newer_one_counts():
    held = lake(manifest(FIRST, {"A": "1"}, verdicts={"A": PARTIAL}), manifest(SECOND, {"A": "2"}))
    instead = decision("instead", FIRST, layers={"A": (str(FIRST),)}, at={"A": str(SECOND)})
    assert made_of(sources(held, [instead])) == {"A": str(FIRST)}
    held[THIRD] = manifest(THIRD, {"A": "3"})
    assert made_of(sources(held, [instead])) == {"A": str(THIRD)}


def test_what_lies_over_older_figures_does_not_make_them_newer():
    held = lake(
        manifest(FIRST, {"A": entry("1", release=FIRST.day)}),
        manifest(SECOND, {"A": entry("2", release=SECOND.day)}, verdicts={"A": PARTIAL}, origin="file"),
    )
    over = decision("over", SECOND, layers={"A": (str(FIRST), str(SECOND))}, at={"A": str(SECOND)})
    vintage = vintages(held, [over], "A")[-1]
    assert vintage.release == FIRST.day
    assert vintage.is_mixed
    assert vintage.decided == over


def test_a_file_without_a_date_inside_is_of_its_own_day():
    held = lake(manifest(FIRST, {"A": "1"}, origin="file"), manifest(SECOND, {"A": "2"}))
    assert [each.release for each in vintages(held, [], "A")] == [FIRST.day, None]


def test_a_dropped_extract_counts_no_more_alone_or_in_a_mixture():
    completes = Verdict(counts=True, why="", completes=(str(FIRST),))
    held = lake(manifest(FIRST, {"A": "1"}), manifest(SECOND, {"A": "2"}, verdicts={"A": completes}))
    assert made_of(sources(held, [decision("drop", FIRST)])) == {"A": str(SECOND)}
    assert made_of(sources(held, [decision("drop", SECOND)])) == {"A": str(FIRST)}
    assert sources(held, [decision("drop", FIRST), decision("drop", SECOND, 1)]) == {}


@pytest.mark.parametrize("counts", [True, False])
def test_a_decision_may_judge_an_extract_anew(counts):
    held = lake(manifest(FIRST, {"A": "1"}), manifest(SECOND, {"A": "2"}, verdicts={"A": PARTIAL}))
    anew = {str(SECOND): {"A": Verdict(counts=counts, why="judged anew")}}
    found = sources(held, [decision("drop", THIRD, verdicts=anew)])
    assert made_of(found) == {"A": str(SECOND if counts else FIRST)}


def held_now(*held: Manifest, decisions: Sequence[Decision] = ()) -> Current:
    nowhere = BronzeStore(open_store(Path("nowhere")), Layout("local", "bea"), PCE_STATE.name)
    return Current(PCE_STATE, nowhere, lake(*held), decisions, None)


def test_a_year_without_figures_is_not_published_not_held_or_withdrawn():
    whole = manifest(FIRST, {"A": entry("1", years=(2022, 2023))})
    part = manifest(SECOND, {"A": entry("2", years=(2024,))}, verdicts={"A": PARTIAL}, origin="file")
    assert held_now(whole).absence(2024) == "not published: no extract has anything of 2024"
    assert held_now(whole, part).absence(2024) == (
        "not held: of 2024 only parts are here, which do not count (2026-02-01)"
    )
    instead = decision("instead", SECOND, layers={"A": (str(SECOND),)}, at={"A": str(SECOND)})
    assert held_now(whole, part, decisions=[instead]).absence(2023) == (
        "withdrawn: what counts now has nothing of 2023; 2026-01-01 had"
    )
    assert held_now(whole, decisions=[decision("drop", FIRST)]).absence(2023).startswith("withdrawn")
