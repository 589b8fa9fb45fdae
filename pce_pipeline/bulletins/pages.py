"""A bulletin in words: the sections of its page, short enough to be read, with what was left out counted. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from pce_pipeline.bulletins.blocks import Bar, Bars, Block, Grid, Heading, Items, Paragraph, as_html, as_markdown
from pce_pipeline.bulletins.bulletin import Bulletin, Change, Figure, Outlook, TableOf
from pce_pipeline.bulletins.chart import chart
from pce_pipeline.gold.changes import KINDS
from pce_pipeline.tables.vintages import LEAST_RELEASES
from pce_pipeline.tables.years import years_text

SAMPLE = "SAMPLE (synthetic)"
"""How the title of a bulletin of the sample begins."""

_INVENTED = "The numbers are the sample's: synthetic, invented by this package, and none of BEA's statistics."
_SHOWN = 10
_BARS = 15
_NAMED = 8
_MONTHS = (
    "Months have no log of values: this compares the extract with the one before it, and says nothing of what was "
    "known in between. There is no usual size of their revisions either."
)
_KIND_TITLES: Mapping[str, str] = {
    "newly_suppressed": "Newly suppressed",
    "newly_published": "Newly published",
    "withdrawn": "Withdrawn",
    "unreadable": "Could not be read",
    "restated": "Without a number for another reason than before",
}


def title_of(bulletin: Bulletin) -> str:
    """The title: the dataset, its release and its extract."""
    released = bulletin.released_on
    of = f"released {released}, extract {bulletin.extract}" if released else f"extract {bulletin.extract}"
    title = f"{bulletin.dataset}: {of}"
    return f"{SAMPLE}: {title}" if bulletin.is_sample else title


def markdown_of(bulletin: Bulletin, *, depth: int = 1) -> str:
    """The bulletin as Markdown, its title a heading of that depth."""
    return as_markdown(title_of(bulletin), blocks_of(bulletin), depth=depth)


def html_of(bulletin: Bulletin) -> str:
    """The bulletin below its title as simple HTML."""
    return as_html(blocks_of(bulletin))


def chart_of(bulletin: Bulletin) -> bytes:
    """The largest revision of each state, or of each category of the nation, as SVG."""
    of = "a total in each state" if bulletin.level == "state" else "each category"
    said = f"Largest revision of {of}, in percent"
    return chart(title_of(bulletin), said, _bars(bulletin))


def summary_of(bulletin: Bulletin) -> str:
    """The bulletin in one or two sentences."""
    held = f"{bulletin.held.cells:,} cells from {bulletin.held.first} to {bulletin.held.last}"
    if bulletin.compared_with is None:
        return f"The first extract of this dataset that counts: it holds {held} and is compared with nothing."
    changed = sum(bulletin.kinds.values())
    against = f"the extract of {bulletin.compared_with}"
    if not changed:
        return f"It holds {held}, and no cell changed against {against}."
    kinds = ", ".join(f"{count:,} {_in_words(kind)}" for kind, count in bulletin.kinds.items())
    return f"It holds {held}. Against {against}, {changed:,} cells changed: {kinds}."


def blocks_of(bulletin: Bulletin) -> list[Block]:
    """The sections of the page."""
    return [
        Paragraph(f"{bulletin.title}. {_INVENTED}" if bulletin.is_sample else f"{bulletin.title}."),
        Paragraph(summary_of(bulletin)),
        *_of_tables(bulletin.tables),
        *_of_news(bulletin),
        *_of_kinds(bulletin),
        *_of_largest(bulletin),
        *_of_areas(bulletin),
        *_of_categories(bulletin),
        *_of_named(bulletin),
        *_of_wording(bulletin),
        *_of_coverage(bulletin),
        *_of_outlook(bulletin),
    ]


def _in_words(kind: str) -> str:
    return kind.replace("_", " ")


def _of_tables(tables: Sequence[TableOf]) -> Iterator[Block]:
    rows = [
        (each.bea_table, each.title, each.vintage_before or "none", each.vintage, str(each.last_updated or "unknown"))
        for each in tables
    ]
    yield Heading("Tables")
    yield Grid(["Table", "What it is", "Extract before", "Extract", "Last updated"], rows)
    notes = list(dict.fromkeys(each.note for each in tables if each.note and each.note != each.note_before))
    if notes:
        yield Items([f"Note of the table: {note}" for note in notes])
    decided = list(dict.fromkeys(f"{each.bea_table}: {each.decided}" for each in tables if each.decided))
    if decided:
        yield Items([f"A person decided what counts. {each}" for each in decided])


def _of_news(bulletin: Bulletin) -> Iterator[Block]:
    news = bulletin.news
    said = [
        ("Tables", ", ".join(news.tables)),
        ("Years", years_text(list(news.years)) if news.years else ""),
        ("Months", _first(news.months)),
        ("Areas", _first(news.areas)),
        (
            "Lines",
            _first(
                [
                    f"{each.bea_table} {each.line_code} {each.text}{'' if each.is_held else ' (not in the catalogue)'}"
                    for each in news.lines
                ]
            ),
        ),
        ("Cells", f"{news.cells:,}" if news.cells else ""),
    ]
    items = [f"{name}: {what}" for name, what in said if what]
    if items:
        yield Heading("New")
        yield Items(items)


def _first(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f", and {more:,} more" if more > 0 else "")


def _of_kinds(bulletin: Bulletin) -> Iterator[Block]:
    if not bulletin.kinds:
        return
    rows = [(_in_words(kind), f"{count:,}", KINDS[kind]) for kind, count in bulletin.kinds.items()]
    yield Heading("What changed")
    yield Grid(["Kind", "Cells", "Which means"], rows, frozenset({1}))
    if any(bulletin.sizes.values()):
        sizes = "; ".join(f"{size}: {count:,}" for size, count in bulletin.sizes.items() if count)
        yield Paragraph(f"Revisions by size: {sizes}.")


def _of_largest(bulletin: Bulletin) -> Iterator[Block]:
    if not bulletin.largest:
        return
    rows = [
        (
            _percent(each.change_pct),
            each.state or each.area,
            _when(each),
            each.category,
            each.measure_title,
            _from_to(each),
            each.unit,
        )
        for each in bulletin.largest[:_SHOWN]
    ]
    yield Heading("Largest revisions")
    yield Grid(["Change", "Area", "Of", "Category", "Measure", "From, to", "Unit"], rows, frozenset({0}))


def _of_areas(bulletin: Bulletin) -> Iterator[Block]:
    bars = _bars(bulletin)
    if not bars:
        return
    if bulletin.level != "state":
        yield Heading("The largest revision of each category")
        yield Bars(bars)
        return
    yield Heading("By state")
    yield Bars(bars)
    rest = len(bulletin.by_area) - len(bars)
    more = f" {rest} more have smaller ones." if rest > 0 else ""
    yield Paragraph(f"The largest revision of a total in each state: █ up, ░ down.{more}")


def _bars(bulletin: Bulletin) -> list[Bar]:
    """The largest revision of each state; where a dataset has none, of each category."""
    if bulletin.level == "state":
        largest = [(each.state or each.area, each.largest) for each in bulletin.by_area[:_BARS]]
        return [Bar(label, of.change_pct or 0.0, f"{of.measure_title}, {_when(of)}") for label, of in largest]
    by_category: dict[str, Change] = {}
    for each in bulletin.by_category:
        before = by_category.get(each.category)
        if before is None or abs(each.largest.change_pct or 0.0) > abs(before.change_pct or 0.0):
            by_category[each.category] = each.largest
    ranked = sorted(by_category.items(), key=lambda item: (-abs(item[1].change_pct or 0.0), item[0]))
    return [Bar(_when(of), of.change_pct or 0.0, category) for category, of in ranked[:_BARS]]


def _of_categories(bulletin: Bulletin) -> Iterator[Block]:
    if not bulletin.by_category:
        return
    rows = [
        (
            each.category,
            each.measure_title,
            f"{each.revised:,}",
            f"{each.mean_abs_pct:.2f} %",
            _percent(each.mean_pct),
            f"{_percent(each.largest.change_pct)} {each.largest.state or each.largest.area} {_when(each.largest)}",
        )
        for each in bulletin.by_category[:_SHOWN]
    ]
    yield Heading("By category")
    yield Grid(
        ["Category", "Measure", "Revised", "Mean size", "Mean", "Largest"],
        rows,
        frozenset({2, 3, 4}),
    )
    rest = len(bulletin.by_category) - _SHOWN
    if rest > 0:
        yield Paragraph(f"{rest:,} more were revised by less.")


def _of_named(bulletin: Bulletin) -> Iterator[Block]:
    for each in bulletin.named:
        yield Heading(f"{_KIND_TITLES[each.kind]}: {each.total:,} {'cell' if each.total == 1 else 'cells'}")
        items = [f"{_named(cell)}{_became(cell)}" for cell in each.cells[:_NAMED]]
        rest = each.total - len(items)
        yield Items([*items, *([f"and {rest:,} more"] if rest else [])])


def _of_wording(bulletin: Bulletin) -> Iterator[Block]:
    if not bulletin.wording:
        return
    yield Heading("Titles, units and lines that changed")
    items = [
        f"{each.bea_table} line {each.line_code} is gone: {each.before}"
        if each.what == "line"
        else f"{each.bea_table} line {each.line_code}, {each.what}: {each.before} is now {each.after}"
        for each in bulletin.wording[:_SHOWN]
    ]
    rest = len(bulletin.wording) - len(items)
    yield Items([*items, *([f"and {rest:,} more"] if rest else [])])


def _of_coverage(bulletin: Bulletin) -> Iterator[Block]:
    rows = [
        (
            each.bea_table,
            f"{each.held:,}",
            f"{each.expected:,}",
            f"{100 * each.held / each.expected:.1f} %" if each.expected else "",
            f"{each.quarantined:,}",
        )
        for each in bulletin.coverage
    ]
    yield Heading("Coverage")
    yield Grid(["Table", "Cells held", "Expected", "Share", "Could not be read"], rows, frozenset({1, 2, 3, 4}))
    without = {status: count for status, count in bulletin.held.by_status.items() if status != "reported"}
    if without:
        reasons = ", ".join(f"{count:,} {_in_words(status)}" for status, count in without.items())
        yield Paragraph(f"Figures without a number, each with its reason: {reasons}.")


def _of_outlook(bulletin: Bulletin) -> Iterator[Block]:
    yield Heading("What is still to come")
    if bulletin.is_monthly:
        yield Paragraph(_MONTHS)
        return
    items = [*_not_yet_revised(bulletin.outlook), *_usual(bulletin.outlook)]
    yield Items(items or ["Nothing is known of revisions to come."])


def _not_yet_revised(outlook: Outlook) -> Iterator[str]:
    together: dict[tuple[str, str, tuple[int, ...], int, int], list[str]] = {}
    for each in outlook.not_yet_revised:
        key = each.dataset, each.belongs_to, each.years, each.cells, each.of_cells
        together.setdefault(key, []).append(each.measure)
    for (dataset, belongs_to, years, cells, of_cells), measures in together.items():
        yield (
            f"Not yet revised: {', '.join(measures)} of {dataset}, {years_text(list(years))} ({cells:,} of "
            f"{of_cells:,} cells of the states). They were made with {belongs_to} as it was before it was "
            "revised. They are revised with the releases of prices and real figures, as a rule in February."
        )


def _usual(outlook: Outlook) -> Iterator[str]:
    for each in outlook.usual:
        if each.abs_pct90 is not None:
            yield (
                f"{each.measure_title} of {each.year} ({each.category}): nine states in ten usually move by no more "
                f"than {each.abs_pct90:.2f} % within a year, up or down ({each.n_releases} releases)."
            )
    few = [each.n_releases for each in outlook.usual if each.abs_pct90 is None]
    if few:
        yield (
            f"How far {'the others' if len(few) < len(outlook.usual) else 'figures'} usually move within a year cannot "
            f"be said yet: that needs {LEAST_RELEASES} releases that each follow one of the year before (held: "
            f"{max(few)})."
        )


def _percent(change: float | None) -> str:
    return "" if change is None else f"{round(change, 2) + 0.0:+,.2f} %"


def _when(figure: Figure) -> str:
    return str(figure.year) if figure.month is None else f"{figure.year}M{figure.month:02}"


def _from_to(change: Change) -> str:
    sides = (change.from_value, change.to_value)
    return " to ".join("none" if side is None else f"{side:,.{change.decimals}f}" for side in sides)


def _named(cell: Figure) -> str:
    return f"{cell.area} {_when(cell)}, {cell.category}: {cell.measure_title}, {cell.unit}"


def _became(cell: Change) -> str:
    """What became of a cell: the number that it had or has, and the status beside it."""
    if cell.to_value is not None:
        return f": {cell.to_value:,.{cell.decimals}f} (was {_in_words(cell.from_status or 'not there')})"
    was = f"{cell.from_value:,.{cell.decimals}f}" if cell.from_value is not None else _in_words(cell.from_status or "")
    return f": {_in_words(cell.to_status)} (was {was})"
