"""A report in words: its sections, each a few sentences and tables, for whichever form a page has. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pce_pipeline.bulletins.blocks import Block, Grid, Items, Paragraph
from pce_pipeline.reports.report import (
    Balance,
    CheckOf,
    Compared,
    Head,
    IdentityOf,
    LayerPart,
    MissingOf,
    QuarantineOf,
    Report,
    Residual,
    StepOf,
)

SAMPLE = "SAMPLE: synthetic numbers, invented by this package, and none of BEA's statistics."
BALANCED = "balanced"
UNBALANCED = "unaccounted for"

_SHORT = 8
_UNEXPLAINED = "nothing"
_OUTCOMES = ("failed", "warned", "passed")


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    name: str
    """Its address within the page."""
    title: str
    """Its heading."""
    blocks: Sequence[Block] = ()
    """What it says."""
    folded: Sequence[Block] = ()
    """What it says to those who unfold it."""
    folded_as: str = ""
    """The words that unfold it."""
    gaps: Sequence[MissingOf] = ()
    """Of the section of missing figures: what is drawn as areas by years."""
    timed: Sequence[StepOf] = ()
    """Of the section of steps: what is drawn as bars of seconds."""


def title_of(report: Report) -> str:
    """The title: what ran, and what came of it."""
    head = report.head
    title = f"{head.job.replace('_', ' ').strip()}: {head.outcome}"
    return f"SAMPLE: {title}" if head.is_sample else title


def when_of(head: Head) -> str:
    """When the run began and how long it took, in a sentence."""
    return f"It began on {head.started_at:%Y-%m-%d at %H:%M:%S} UTC, and its steps took {head.seconds:,.1f} s."


def sections_of(report: Report) -> list[Section]:
    """All sections that have something to say, the most urgent first."""
    parts = report.parts
    found = [
        _failures(report.head),
        _overview(parts),
        _layers(parts),
        _asked(report.head),
        _balances([each for part in parts for each in part.balances]),
        _extracts(parts),
        _drift([each for part in parts for each in part.compared]),
        _quarantine(parts),
        _identities([each for part in parts for each in part.identities]),
        _missing(parts),
        _checks([each for part in parts for each in part.checks]),
        _steps([*report.head.others, *(each for part in parts for each in part.steps)]),
    ]
    return [section for section in found if section is not None]


def _failures(head: Head) -> Section | None:
    if not head.failures:
        return None
    rows = [
        (f"{each.step}: {each.dataset}" if each.dataset else each.step, each.what, each.what_to_do)
        for each in head.failures
    ]
    return Section(
        "failures",
        "What went wrong, and what to do",
        [Grid(["Where", "What happened", "What to do"], rows)],
    )


def _overview(parts: Sequence[LayerPart]) -> Section | None:
    checks = [check for part in parts for check in part.checks]
    bad = [check for check in checks if check.outcome != "passed"]
    balances = [balance for part in parts for balance in part.balances]
    off = sum(bool(balance.difference) for balance in balances)
    identities = [each for part in parts for each in part.identities if each.checked]
    summed = sum(each.checked for each in identities)
    violated = sum(each.violations for each in identities)
    drift = sum(len(compared.differences) for part in parts for compared in part.compared)
    unread = sum(each.cells for part in parts for each in part.quarantine)
    gaps = sum(gap.cells for part in parts for gap in part.missing)
    compared = any(each.before for part in parts for each in part.compared)
    said = (
        (checks, f"{len(checks) - len(bad):,} of {_counted(len(checks), 'check')} passed"),
        (balances, f"{len(balances) - off:,} of {_counted(len(balances), 'balance')} between the layers hold"),
        (identities, f"{_counted(summed, 'sum')} of accounting identities compared, {violated:,} not kept"),
        (compared, f"{_counted(drift, 'difference')} of shape from what was before"),
        (any(part.extracts for part in parts), f"{_counted(unread, 'cell')} could not be read"),
        (gaps, f"{_counted(gaps, 'published figure')} without a value, each with its reason"),
    )
    told = [words for is_told, words in said if is_told]
    return Section("overview", "Overview", [Items(told)]) if told else None


def _asked(head: Head) -> Section:
    rows = [
        ("Run", head.run_id),
        ("World", f"{head.env}, {head.world}"),
        *((name.replace("_", " ").capitalize(), asked) for name, asked in sorted(head.requested.items())),
        *([("Datasets", ", ".join(head.datasets))] if head.datasets else []),
        *([("Extracts", ", ".join(head.extracts))] if head.extracts else []),
        ("Began", f"{head.started_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("Last heard of", f"{head.ended_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in sorted(head.versions.items()))),
    ]
    return Section("asked", "What was asked", [Grid(["", ""], rows)])


def _layers(parts: Sequence[LayerPart]) -> Section | None:
    rows = [
        (
            part.layer,
            *(f"{count:,}" for count in (_came_in(part), part.rows, _unread(part))),
            f"{part.seconds:,.1f}",
            *(
                str(sum(check.outcome == outcome for check in part.checks))
                for outcome in ("passed", "warned", "failed")
            ),
        )
        for part in parts
        if part.steps
    ]
    if not rows:
        return None
    headings = ["Layer", "Rows in", "Rows out", "Could not be read", "Seconds", "Passed", "Warned", "Failed"]
    said = (
        "Rows in are those of the layer before that are accounted for below; rows out those of all tables made of them."
    )
    return Section("layers", "Layers", [Grid(headings, rows, frozenset(range(1, len(headings)))), Paragraph(said)])


def _came_in(part: LayerPart) -> int:
    """The rows that its balances account for; of Bronze the cells of the extracts."""
    if part.layer == "bronze":
        return sum(table.cells for extract in part.extracts for table in extract.tables)
    of_steps = {step.step for step in part.steps}
    last = {balance.of: balance.given for balance in part.balances if balance.given_is != "facts"}
    return sum(last.values()) if of_steps else 0


def _unread(part: LayerPart) -> int:
    if part.layer == "bronze":
        return sum(table.quarantined for extract in part.extracts for table in extract.tables)
    return sum(count for balance in part.balances for count in balance.of_which.values())


def _balances(balances: Sequence[Balance]) -> Section | None:
    if not balances:
        return None
    off = [each for each in balances if each.difference]
    said = (
        f"{len(off)} of {_counted(len(balances), 'balance')} {'does' if len(off) == 1 else 'do'} not hold: rows were "
        "lost or made on the way."
        if off
        else f"All {_counted(len(balances), 'balance')} hold: nothing was lost or made on the way."
    )
    grid = Grid(
        ["Of", "Came in", "What became of it", "Difference"],
        [(each.of, f"{each.given:,} {each.given_is}", _became(each), _difference(each)) for each in balances],
        frozenset({3}),
    )
    if off:
        return Section("balances", "Reconciliation", [Paragraph(said), grid])
    return Section("balances", "Reconciliation", [Paragraph(said)], [grid], f"All {len(balances)} balances")


def _became(balance: Balance) -> str:
    told = " + ".join(f"{count:,} {words}" for words, count in balance.became.items())
    which = ", ".join(f"{count:,} {words}" for words, count in balance.of_which.items())
    return f"{told} (of which {which})" if which else told


def _difference(balance: Balance) -> str:
    return f"{balance.difference:+,} {UNBALANCED}" if balance.difference else BALANCED


def _extracts(parts: Sequence[LayerPart]) -> Section | None:
    rows = [
        (
            f"{extract.dataset} {extract.extract}",
            extract.origin,
            table.bea_table,
            table.last_updated or "not said",
            f"{table.cells:,}",
            f"{table.lines:,}",
            table.years,
            "yes" if table.counts else f"no: {table.why}",
        )
        for part in parts
        for extract in part.extracts
        for table in extract.tables
    ]
    headings = ["Extract", "From", "Table", "Last updated", "Cells", "Lines", "Years", "Counts"]
    return Section("extracts", "Extracts", [Grid(headings, rows, frozenset({4, 5}))]) if rows else None


def _drift(compared: Sequence[Compared]) -> Section | None:
    if not compared:
        return None
    together: dict[tuple[str, ...], list[str]] = {}
    for each in (each for one in compared for each in one.differences):
        together.setdefault((each.kind, each.what, each.before, each.after), []).append(each.of)
    rows = [(", ".join(tables), *difference) for difference, tables in together.items()]
    against = Items(
        [
            f"{each.of}: {each.now} against {each.before}, {_differences(len(each.differences))}"
            if each.before
            else f"{each.of}: {each.now} is the first, and compared with nothing"
            for each in compared
        ]
    )
    grid = [Grid(["Of", "What", "Which", "Before", "Now"], rows)] if rows else []
    beside = Paragraph("Figures that changed are no drift: `pce show bulletin` tells of them.")
    return Section("drift", "Schema drift", [against, *grid, beside])


def _differences(count: int) -> str:
    return _counted(count, "difference") if count else "the same shape"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _quarantine(parts: Sequence[LayerPart]) -> Section | None:
    cells: list[QuarantineOf] = [each for part in parts for each in part.quarantine]
    if not any(part.layer == "bronze" for part in parts):
        return None
    if not cells:
        return Section("quarantine", "Quarantine", [Paragraph("Every cell of these extracts could be read.")])
    rows = [(each.dataset, each.bea_table, each.rule, each.state, f"{each.cells:,}", each.example) for each in cells]
    total = sum(each.cells for each in cells)
    said = (
        f"{_counted(total, 'cell')} could not be read. They are NULL and keep BEA's text; `pce quarantine` lists them."
    )
    grid = Grid(["Dataset", "Table", "Rule", "State", "Cells", "The first reason"], rows, frozenset({4}))
    return Section("quarantine", "Quarantine", [Paragraph(said), grid])


def _identities(identities: Sequence[IdentityOf]) -> Section | None:
    looked_at = [each for each in identities if each.checked or each.not_checked]
    if not looked_at:
        return None
    counts = Grid(
        ["Identity", "Of", "Sums checked", "Not kept", "Known exceptions", "Not checked"],
        [
            (
                each.identity.replace("_", " "),
                each.asset,
                *(f"{n:,}" for n in (each.checked, each.violations, each.known_exceptions, each.not_checked)),
            )
            for each in looked_at
        ],
        frozenset({2, 3, 4, 5}),
    )
    residuals = [(each.identity, largest) for each in looked_at for largest in each.largest]
    told: list[Block] = [
        Paragraph("The largest residual of each dataset, beside what rounding allows:"),
        _residuals(residuals),
    ]
    return Section("identities", "Accounting identities", [counts, *(told if residuals else [])])


def _residuals(residuals: Sequence[tuple[str, Residual]]) -> Grid:
    rows = [
        (
            identity.replace("_", " "),
            f"{each.deviation:+,.3f}",
            f"{each.tolerance:,.3f}",
            "nothing explains it" if each.explained_by == _UNEXPLAINED else each.explained_by,
            f"{each.dataset} {each.measure} of {each.category_id}, area {each.geo_fips}, {each.year}",
            *(f"{number:,.3f}" for number in (each.published, each.added_up)),
        )
        for identity, each in residuals
    ]
    headings = ["Identity", "Residual", "Tolerance", "Explained by", "Largest in", "Published", "Added up"]
    return Grid(headings, rows, frozenset({1, 2, 5, 6}))


def _missing(parts: Sequence[LayerPart]) -> Section | None:
    gaps = [each for part in parts for each in part.missing]
    if not any(part.layer == "gold" for part in parts):
        return None
    if not gaps:
        return Section("missing", "Figures without a value", [Paragraph("Every figure that is published has a value.")])
    rows = [
        (each.dataset, each.status, f"{each.cells:,}", f"{each.of_cells:,}", f"{100 * each.cells / each.of_cells:.2f}")
        for each in gaps
    ]
    said = "A figure without a value is NULL, and its status says why. By area and year, in what is published now:"
    grid = Grid(["Dataset", "Status", "Figures", "Of", "%"], rows, frozenset({2, 3, 4}))
    return Section("missing", "Figures without a value", [Paragraph(said), grid], gaps=gaps)


def by_years(gap: MissingOf) -> Grid:
    """Which areas lack figures in which years, areas that lack the same together."""
    together: dict[tuple[int, ...], list[str]] = {}
    for area, counts in zip(gap.areas, gap.counts, strict=True):
        together.setdefault(counts, []).append(area)
    rows = [
        (
            ", ".join(areas) if len(areas) <= _SHORT else f"{', '.join(areas[:_SHORT])} and {len(areas) - _SHORT} more",
            ", ".join(f"{year} {count:,}" for year, count in zip(gap.years, counts, strict=True) if count),
            f"{sum(counts) * len(areas):,}",
        )
        for counts, areas in together.items()
    ]
    return Grid(["Areas", "Figures by year, of each", "Together"], rows, frozenset({2}))


def _checks(checks: Sequence[CheckOf]) -> Section | None:
    if not checks:
        return None
    counts: Mapping[str, int] = {outcome: sum(each.outcome == outcome for each in checks) for outcome in _OUTCOMES}
    said = Paragraph(", ".join(f"{counts[outcome]:,} {outcome}" for outcome in reversed(_OUTCOMES)))
    bad, good = [[each for each in checks if (each.outcome == "passed") == passed] for passed in (False, True)]
    blocks: list[Block] = [said, *([_grid_of_checks(bad)] if bad else [])]
    folded: list[Block] = [_grid_of_checks(good)] if good else []
    return Section("checks", "Checks", blocks, folded, f"The {len(good):,} that passed")


def _grid_of_checks(checks: Sequence[CheckOf]) -> Grid:
    ordered = sorted(checks, key=lambda each: _OUTCOMES.index(each.outcome))
    return Grid(
        ["Outcome", "Table", "Check", "What it saw"],
        [(each.outcome, each.asset, each.name.replace("_", " "), each.summary) for each in ordered],
    )


def _steps(steps: Sequence[StepOf]) -> Section | None:
    return Section("steps", "Steps", timed=steps) if steps else None


def grid_of_steps(steps: Sequence[StepOf]) -> Grid:
    """The steps in their order, with rows and seconds."""
    rows = [
        (each.step, each.partitions, f"{each.rows:,}", each.did, f"{each.seconds:,.2f}", each.status) for each in steps
    ]
    return Grid(["Step", "Of", "Rows", "What it did", "Seconds", "Status"], rows, frozenset({2, 4}))


def lines_of(report: Report) -> Iterator[str]:
    """What everybody has to know before reading: that the numbers are synthetic, and what became of the run."""
    if report.head.is_sample:
        yield SAMPLE
    yield f"{report.head.status.capitalize()}. {when_of(report.head)}"
