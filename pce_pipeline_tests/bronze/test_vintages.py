"""Which extracts count and in which order, by verdicts and decisions written by hand."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import pytest

from pce_pipeline.bronze.counting import Layer, Manifests, Vintage, dropped, in_use, sources, verdict_of, vintages
from pce_pipeline.bronze.decisions import Decision, DecisionKind, Verdict
from pce_pipeline.bronze.manifest import FROM_FILES, Manifest, TableEntry
from pce_pipeline.lake.layout import ExtractId

NOW = datetime(2026, 2, 23, 12, 30, tzinfo=UTC)
YES, NO = Verdict(counts=True, why="a test"), Verdict(counts=False, why="a test")


def entry(
    content: str = "x", *, updated: date | None = None, years: Sequence[int] = (2020,), rows: int = 5
) -> TableEntry:
    return TableEntry(
        last_updated=updated,
        note="",
        rows=rows,
        lines=(1,),
        years={year: f"{content} {year}" for year in years},
        content_sha256=content,
    )


def extract(
    day: str,
    tables: Mapping[str, TableEntry],
    *,
    verdicts: Mapping[str, Verdict] | None = None,
    origin: str = "api",
) -> Manifest:
    return Manifest(
        dataset="pce_state", world="local", extract_date=day, ingested_at=NOW, origin=origin, run_id="r",
        code_version="1", scope={}, tables=dict(tables), objects=(), content_sha256="x",
        verdicts=None if verdicts is None else dict(verdicts),
    )  # fmt: skip


def kept(*extracts: Manifest) -> dict[ExtractId, Manifest]:
    return {each.extract: each for each in extracts}


def decision(
    kind: DecisionKind,
    day: str,
    *,
    layers: Mapping[str, tuple[str, ...]] | None = None,
    at: Mapping[str, str] | None = None,
    verdicts: Mapping[str, dict[str, Verdict]] | None = None,
) -> Decision:
    return Decision(
        kind=kind, extract=day, why="a test", decided_at=NOW, layers=dict(layers or {}), at=dict(at or {}),
        verdicts=dict(verdicts or {}),
    )  # fmt: skip


def laid_over(day: str, *others: str, kind: DecisionKind = "over", at: str | None = None) -> Decision:
    return decision(kind, day, layers={"SAPCE1": (*others, day)}, at={"SAPCE1": at or day})


def ids(*days: str) -> list[ExtractId]:
    return [ExtractId.parse(day) for day in days]


def shown(found: Sequence[Vintage]) -> list[tuple[str, str]]:
    return [(str(each.at), str(each)) for each in found]


FIRST, SECOND, THIRD = "2026-01-01", "2026-01-02", "2026-01-03"
THREE = kept(*(extract(day, {"SAPCE1": entry(day)}, verdicts={"SAPCE1": YES}) for day in (THIRD, FIRST, SECOND)))


def layer(day: str, held: TableEntry, *, is_live: bool = True) -> Layer:
    return Layer(ExtractId.parse(day), held, is_live)


def test_a_layer_is_of_the_release_it_names_and_a_file_without_one_of_its_own_day():
    day = date(2025, 9, 26)
    assert layer(FIRST, entry(updated=day)).release == day
    assert layer(FIRST, entry(updated=day), is_live=False).release == day
    assert layer(FIRST, entry()).release is None
    assert layer(FIRST, entry(), is_live=False).release == date(2026, 1, 1)


@pytest.mark.parametrize(
    ("live", "release"), [("", "2025-09-26"), ("a", "2025-09-26"), ("ac", "2024-09-26"), ("c", "2024-09-26")]
)
def test_a_vintage_counts_as_bea_s_last_answer_else_as_its_lowest_layer(live, release):
    low = layer(FIRST, entry("a", updated=date(2025, 9, 26)), is_live="a" in live)
    top = layer(THIRD, entry("c", updated=date(2024, 9, 26)), is_live="c" in live)
    assert Vintage("SAPCE1", ExtractId.parse(THIRD), (low, top)).release == date.fromisoformat(release)


def test_a_vintage_holds_what_all_its_layers_hold():
    low = layer(FIRST, entry("a", updated=date(2025, 9, 26), years=(2021, 2020)))
    middle = layer(SECOND, entry("b", updated=date(2025, 9, 26), years=(2021,), rows=7))
    top = layer(THIRD, entry("c", updated=date(2024, 9, 26), years=(2021, 2022)))
    vintage = Vintage("SAPCE1", ExtractId.parse(THIRD), (low, middle, top))
    assert vintage.is_mixed
    assert (vintage.years, vintage.rows) == ([2020, 2021, 2022], 17)
    assert (list(vintage.extracts), vintage.content) == (ids(FIRST, SECOND, THIRD), ("a", "b", "c"))
    assert str(vintage) == f"{FIRST} with {SECOND} with {THIRD}"
    assert not Vintage("SAPCE1", ExtractId.parse(THIRD), (low, middle)).is_mixed
    assert not Vintage("SAPCE1", ExtractId.parse(THIRD), (low,)).is_mixed


def test_the_inputs_of_a_year_name_the_layers_only_where_there_are_several():
    low, top = layer(FIRST, entry("a", years=(2020, 2021))), layer(SECOND, entry("b", years=(2021,)))
    vintage = Vintage("SAPCE1", ExtractId.parse(SECOND), (low, top))
    assert vintage.inputs(2019) == {}
    assert vintage.inputs(2020) == {"SAPCE1": "a 2020"}
    assert vintage.inputs(2021) == {f"SAPCE1 1 of 2, {FIRST}": "a 2021", f"SAPCE1 2 of 2, {SECOND}": "b 2021"}


def test_a_verdict_is_that_of_the_arrival_unless_a_decision_judged_anew_and_the_last_one_wins():
    manifests = kept(extract(FIRST, {"SAPCE1": entry()}, verdicts={"SAPCE1": NO}), extract(SECOND, {"SAPCE1": entry()}))
    first, second = ids(FIRST, SECOND)
    anew = [
        decision("drop", THIRD, verdicts={FIRST: {"SAPCE1": verdict}, SECOND: {"SAPCE2": NO}})
        for verdict in (NO, NO, YES)
    ]
    assert verdict_of(manifests, [], first, "SAPCE1") == NO
    assert verdict_of(manifests, anew, first, "SAPCE1") == YES
    assert verdict_of(manifests, [*reversed(anew)], first, "SAPCE1") == NO
    assert verdict_of(manifests, anew[1:], first, "SAPCE1") == YES
    assert verdict_of(manifests, anew[2:], first, "SAPCE1") == YES
    assert verdict_of(manifests, anew, second, "SAPCE1").counts, "nothing is recorded about it"
    assert verdict_of(manifests, [], first, "SAPCE2").counts, "nothing is recorded about it"


def test_what_is_dropped_and_what_is_in_use():
    over, instead = laid_over(FIRST), laid_over(SECOND, kind="instead")
    later = laid_over(FIRST, THIRD)
    assert dropped([over, decision("drop", THIRD), decision("pin", SECOND)]) == set(ids(THIRD))
    assert list(in_use([over, instead]).values()) == [over, instead]
    assert list(in_use([over, instead, later]).values()) == [instead, later]
    assert list(in_use([over, instead, decision("undo", FIRST)]).values()) == [instead]
    assert list(in_use([over, instead, decision("drop", SECOND)]).values()) == [over]
    assert list(in_use([over, decision("pin", FIRST), decision("unpin", FIRST)]).values()) == [over]


def test_vintages_are_those_that_count_in_order_of_date():
    manifests = THREE | kept(
        extract("2026-01-04", {"SAPCE1": entry()}, verdicts={"SAPCE1": NO}),
        extract("2026-01-05", {"SAPCE2": entry()}, verdicts={"SAPCE2": YES}),
        extract("2026-01-06", {"SAPCE1": entry()}, verdicts={"SAPCE1": YES}),
    )
    days = [FIRST, SECOND, THIRD, "2026-01-06"]
    assert shown(vintages(manifests, [], "SAPCE1")) == [(day, day) for day in days]
    assert shown(vintages(manifests, [], "SAPCE2")) == [("2026-01-05", "2026-01-05")]
    assert vintages(manifests, [], "SAPCE3") == []


@pytest.mark.parametrize(
    ("pin", "left"), [("2025-12-31", []), (SECOND, [FIRST, SECOND]), ("2026-02-01", [FIRST, SECOND, THIRD])]
)
def test_a_pin_leaves_out_what_is_later(pin, left):
    found = vintages(THREE, [], "SAPCE1", pin=ExtractId.parse(pin))
    assert shown(found) == [(day, day) for day in left]


def test_a_dropped_extract_is_in_no_vintage():
    gone = decision("drop", SECOND)
    assert shown(vintages(THREE, [gone], "SAPCE1")) == [(FIRST, FIRST), (THIRD, THIRD)]
    over = laid_over(THIRD, SECOND, FIRST)
    assert shown(vintages(THREE, [gone, over], "SAPCE1"))[-1] == (THIRD, f"{FIRST} with {THIRD}")
    alone = laid_over(SECOND, at=SECOND)
    assert shown(vintages(THREE, [alone, gone], "SAPCE1")) == [(FIRST, FIRST), (THIRD, THIRD)]


def test_a_layer_that_is_not_kept_or_lacks_the_table_is_left_out():
    manifests = THREE | kept(extract("2026-01-04", {"SAPCE2": entry()}, verdicts={"SAPCE2": YES}))
    over = laid_over(THIRD, "2025-01-01", "2026-01-04", FIRST)
    assert shown(vintages(manifests, [over], "SAPCE1"))[-1] == (THIRD, f"{FIRST} with {THIRD}")
    nothing = laid_over("2025-01-01", at=THIRD)
    assert shown(vintages(manifests, [nothing], "SAPCE1")) == [(day, day) for day in (FIRST, SECOND, THIRD)]
    assert shown(vintages(manifests, [over], "SAPCE2")) == [("2026-01-04", "2026-01-04")]


def test_an_extract_that_completes_others_stands_where_the_last_of_them_does():
    completing = Verdict(counts=True, why="a test", completes=(FIRST, THIRD))
    manifests = THREE | kept(extract(SECOND, {"SAPCE1": entry()}, verdicts={"SAPCE1": completing}))
    assert shown(vintages(manifests, [], "SAPCE1")) == [
        (FIRST, FIRST),
        (THIRD, f"{FIRST} with {THIRD} with {SECOND}"),
        (THIRD, THIRD),
    ]


def test_of_two_vintages_at_one_place_the_decided_one_is_the_newer():
    over = laid_over(SECOND, FIRST)
    found = vintages(THREE, [over], "SAPCE1")
    assert shown(found) == [(FIRST, FIRST), (SECOND, SECOND), (SECOND, f"{FIRST} with {SECOND}"), (THIRD, THIRD)]
    assert [each.decided for each in found] == [None, None, over, None]


def contents(*held: str) -> Manifests:
    days = [f"2026-01-{day:02d}" for day in range(1, len(held) + 1)]
    return kept(
        *(
            extract(day, {"SAPCE1": entry(content)}, verdicts={"SAPCE1": YES})
            for day, content in zip(days, held, strict=True)
        )
    )


@pytest.mark.parametrize(
    ("held", "first", "newest"),
    [
        (["a"], "2026-01-01", "2026-01-01"),
        (["a", "b"], "2026-01-02", "2026-01-02"),
        (["a", "b", "b"], "2026-01-02", "2026-01-03"),
        (["b", "b", "b", "b"], "2026-01-01", "2026-01-04"),
        (["b", "a", "b"], "2026-01-03", "2026-01-03"),
        (["b", "a", "b", "b"], "2026-01-03", "2026-01-04"),
    ],
)
def test_current_figures_come_from_the_first_of_the_newest_equal_vintages(held, first, newest):
    (source,) = sources(contents(*held), []).values()
    assert (str(source.vintage), str(source.newest)) == (first, newest)


def test_every_table_that_counts_has_a_source_and_a_pin_goes_back():
    manifests = THREE | kept(
        extract("2026-01-04", {"SAPCE2": entry(), "SAPCE3": entry()}, verdicts={"SAPCE2": YES, "SAPCE3": NO})
    )
    found = sources(manifests, [])
    assert {table: str(source.newest) for table, source in found.items()} == {"SAPCE1": THIRD, "SAPCE2": "2026-01-04"}
    back = sources(manifests, [], pin=ExtractId.parse(SECOND))
    assert {table: str(source.newest) for table, source in back.items()} == {"SAPCE1": SECOND}


def test_files_do_not_speak_for_bea():
    assert [vintage.layers[0].is_live for vintage in vintages(THREE, [], "SAPCE1")] == [True] * 3
    of_files = kept(extract(FIRST, {"SAPCE1": entry()}, verdicts={"SAPCE1": YES}, origin=FROM_FILES))
    assert [vintage.layers[0].is_live for vintage in vintages(of_files, [], "SAPCE1")] == [False]


def test_a_dropped_extract_no_longer_completes_others():
    completing = Verdict(counts=True, why="a test", completes=(FIRST,))
    manifests = kept(
        extract(FIRST, {"SAPCE1": entry("a")}, verdicts={"SAPCE1": YES}),
        extract(SECOND, {"SAPCE1": entry("b")}, verdicts={"SAPCE1": completing}),
    )
    assert shown(vintages(manifests, [decision("drop", SECOND)], "SAPCE1")) == [(FIRST, FIRST)]
