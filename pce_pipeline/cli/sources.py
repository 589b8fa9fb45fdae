"""The comparison of BEA's sources, for `pce check --sources` and `pce alert sources`: asked, and shown."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.automation.agreement import WAYS, Bea, Comparison, Side, compare_sources
from pce_pipeline.automation.differences import REMEDY, Difference, differences_of
from pce_pipeline.bronze.agreement import Tally
from pce_pipeline.bronze.current import current_of
from pce_pipeline.cli import shown
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.session import Answer, Session

_SHOWN = 10
_MOST_IN_JSON = 1000
_DAYS_OF_A_TURN = 7


def compared_sources(session: Session) -> list[Comparison]:
    """All comparisons of the datasets that the call is about; asks BEA, and writes nothing."""
    settings, bea = session.settings, session.bea
    api: Literal["api", "sample"] | None = "sample" if settings.is_sample else "api" if settings.bea_api_key else None
    held = current_of(session.lake, session.registry.datasets)
    with session.watched():
        return compare_sources(held, list(session.datasets), Bea(bea.client, api, turn_of(datetime.now(UTC).date())))


def turn_of(day: date) -> int:
    """Which lines are asked of the API on a day: other ones each week."""
    return day.toordinal() // _DAYS_OF_A_TURN


def check_sources(session: Session) -> Answer:
    """Compare what BEA's API, its keyless files, kept files and tables that repeat figures say of the same releases."""
    comparisons = compared_sources(session)
    differing = [each for comparison in comparisons for each in differences_of(comparison)]
    is_off = bool(differing) or any(each.failed for each in comparisons)
    return Answer(
        document_of(session, comparisons, differing),
        [
            *_compared_shown([each for each in comparisons if each.cells is not None]),
            *_not_compared_shown(comparisons, _not_held(session, comparisons)),
            *_differences_shown(differing),
            Text(),
            headline_of(comparisons, differing),
        ],
        exit_code=FAILED if is_off else 0,
    )


def document_of(session: Session, comparisons: Sequence[Comparison], differing: Sequence[Difference]) -> dict[str, Any]:
    """All of it as a document; of very many differences the first."""
    total = _total(comparisons)
    return {
        "compared": total.cells,
        "equal": total.equal,
        "precision": total.precision,
        "different": total.different,
        "not_held": _not_held(session, comparisons),
        "comparisons": [_document(each) for each in comparisons],
        "differences": [each.document for each in differing[:_MOST_IN_JSON]],
        "what_to_do": REMEDY if differing else None,
    }


def _document(comparison: Comparison) -> dict[str, Any]:
    return {
        "dataset": comparison.dataset,
        "table": comparison.table,
        "measure": comparison.measure,
        "how": comparison.how,
        "one": _side(comparison.one),
        "other": _side(comparison.other) if comparison.other is not None else None,
        **vars(comparison.tally),
        "lines": {"compared": comparison.lines[0], "of": comparison.lines[1]} if comparison.lines else None,
        "why_not": comparison.why_not or None,
        "failed": comparison.failed,
    }


def _side(side: Side) -> dict[str, Any]:
    return {"table": side.table, "origin": side.origin, "release": side.release, "extract": side.extract}


def _total(comparisons: Sequence[Comparison]) -> Tally:
    """How many cells were compared in all; one that is compared with two others counts twice."""
    tallies = [each.tally for each in comparisons]
    return Tally(
        *(sum(getattr(each, name) for each in tallies) for name in ("cells", "equal", "precision", "different"))
    )


def _compared_shown(comparisons: Sequence[Comparison]) -> Iterator[RenderableType]:
    if not comparisons:
        return
    yield shown.table(
        ["Table", "Of", "Compared with", ">Cells", ">Equal", ">Precision", ">Different"],
        [
            (
                each.table,
                str(each.one.release),
                _other(each),
                shown.number(each.tally.cells),
                shown.number(each.tally.equal),
                shown.number(each.tally.precision),
                Text(shown.number(each.tally.different), "bold red" if each.tally.different else ""),
            )
            for each in comparisons
        ],
    )


def _subject(comparison: Comparison) -> str:
    return f"{comparison.table} {comparison.measure}" if comparison.measure else comparison.table


def _other(comparison: Comparison) -> str:
    """What a table was compared with, in as few words as a column has room for."""
    other = comparison.other
    if other is None:
        return ""
    if comparison.how == "repeated":
        is_of_its_day = other.release == comparison.one.release
        return f"{comparison.measure} of {other.table}{'' if is_of_its_day else f' of {other.release}'}"
    if comparison.how == "kept":
        return f"extract {other.extract} ({other.origin})"
    lines = f", {comparison.lines[0]} of {comparison.lines[1]} lines" if comparison.lines else ""
    return f"{WAYS[other.origin]} now{lines}"


def _not_held(session: Session, comparisons: Sequence[Comparison]) -> list[str]:
    """The datasets of which there is nothing to compare."""
    held = {each.dataset for each in comparisons}
    return [name for name in session.datasets if name not in held]


def _not_compared_shown(comparisons: Sequence[Comparison], not_held: Sequence[str]) -> Iterator[RenderableType]:
    tables: dict[tuple[str, bool], list[str]] = {}
    for each in comparisons:
        if each.cells is None:
            tables.setdefault((each.why_not, each.failed), []).append(_subject(each))
    if not_held:
        tables["no extract is held", False] = [*not_held]
    if not tables:
        return
    yield shown.table(
        ["Not compared", "Because"],
        [
            (", ".join(dict.fromkeys(names)), Text(why, "red" if failed else ""))
            for (why, failed), names in tables.items()
        ],
    )


def _differences_shown(differing: Sequence[Difference]) -> Iterator[RenderableType]:
    if not differing:
        return
    yield Text()
    for each in differing[:_SHOWN]:
        yield Text.assemble((f"{each.cell}: ", "bold"), each.both)
        for address in each.addresses:
            yield Text(f"  {address}", "dim", no_wrap=True, overflow="ignore")
    if len(differing) > _SHOWN:
        yield Text(f"and {shown.counted(len(differing) - _SHOWN, 'cell')} more: --json has them.")


def headline_of(comparisons: Sequence[Comparison], differing: Sequence[Difference]) -> Text:
    """What a comparison came to, in a sentence."""
    total, skipped = _total(comparisons), sum(each.cells is None for each in comparisons)
    if differing:
        many = f"{shown.counted(len(differing), 'cell')} of {shown.number(total.cells)}"
        return Text.assemble((f"The sources say {many} in two ways. ", "bold red"), REMEDY)
    failed = sum(each.failed for each in comparisons)
    if failed:
        lead = "Nothing was compared" if not total.cells else "Not all was compared"
        return Text.assemble((f"{lead}: ", "bold red"), "what failed is told here; nothing that was compared differs.")
    if not total.cells:
        return Text.assemble(("Nothing was compared, ", "bold yellow"), "so nothing is known of whether sources agree.")
    rest = f" {shown.counted(skipped, 'comparison')} could not be made, as told above." if skipped else ""
    return Text.assemble(
        (f"Of {shown.counted(total.cells, 'cell')} compared none differs. ", "bold green"),
        f"{shown.number(total.precision)} have other decimals." if total.precision else "",
        rest,
    )
