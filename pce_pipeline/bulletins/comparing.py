"""One extract against the one before it: the bulletin of what the release changed. Pure functions; nothing is read.

The changes are those of `pce diff` between the two extracts: the same cells, the same kinds.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from pce_pipeline import texts
from pce_pipeline.bronze.counting import Vintage
from pce_pipeline.bronze.judgement import cells_of_layers, expected_of_catalogue
from pce_pipeline.bronze.scope import without
from pce_pipeline.bulletins.bulletin import (
    Bulletin,
    Change,
    Coverage,
    Held,
    LineOf,
    Named,
    News,
    OfArea,
    OfCategory,
    Outlook,
    TableOf,
    Wording,
)
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.changes import AsKnown, changes, counts_by, largest, mean_revisions, sizes
from pce_pipeline.gold.rounding import rounded
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.tables.columns import figure_of

MOST_NAMED = 100
"""How many cells of a kind are named."""

MOST_RANKED = 50
"""How many of the largest revisions are listed."""

NAMED_KINDS = ("newly_suppressed", "newly_published", "withdrawn", "unreadable", "restated")
"""The kinds of change whose cells are named."""

_LINE = ["bea_table", "line_code"]
_TEXTS = {"title": "description", "unit": "unit"}


@dataclass(frozen=True)
class Known:
    """What is known of a dataset with an extract."""

    vintages: Mapping[str, Vintage]
    """The vintage of each of BEA's tables."""
    figures: AsKnown
    """Its figures."""
    lines: pl.DataFrame
    """BEA's words for each line: bea_table, line_code, description, and unit, NULL where the newest year has none."""


@dataclass(frozen=True)
class Release:
    """One extract that counts, and the one before it."""

    dataset: Dataset
    """The dataset."""
    at: ExtractId
    """The extract."""
    before_at: ExtractId | None
    """The one before it; None for the first."""
    after: Known
    """What is known with it."""
    before: Known | None
    """What was known with the one before it."""
    origins: tuple[str, ...]
    """Where the extracts of its vintages came from."""
    published_at: datetime
    """When (UTC) the pipeline took the extract."""
    updated_at: datetime
    """When (UTC) it took the last of all extracts that are compared."""
    is_sample: bool
    """Whether the numbers are synthetic."""


def level_of(dataset: Dataset) -> str:
    """The level of areas whose revisions are listed: states, or the nation where a dataset has no states."""
    has_states = any("state" in table.levels for table in dataset.tables.values())
    return "state" if has_states else "nation"


def bulletin_of(release: Release, outlook: Outlook) -> Bulletin:
    """The bulletin of a release; of a first one it says what is held, and compares nothing."""
    dataset, after, before = release.dataset, release.after, release.before
    level = level_of(dataset)
    nothing = AsKnown(after.figures.cells.clear(), after.figures.spoken_of.clear())
    changed = changes(nothing, nothing) if before is None else changes(before.figures, after.figures)
    described = _Described(dataset)
    return Bulletin(
        dataset=dataset.name,
        title=dataset.title,
        extract=str(release.at),
        compared_with=None if release.before_at is None else str(release.before_at),
        is_sample=release.is_sample,
        is_monthly=dataset.is_monthly,
        level=level,
        origins=release.origins,
        published_at=release.published_at,
        updated_at=release.updated_at,
        tables=tuple(_tables(dataset, after, before)),
        held=_held(dataset, after),
        news=News() if before is None else _news(dataset, after, before, changed),
        kinds=counts_by(changed, "kind"),
        by_table=counts_by(changed, "bea_table"),
        sizes=sizes(changed),
        largest=described.changes(largest(changed, MOST_RANKED, level)),
        by_area=tuple(_by_area(changed, level, described)),
        by_category=tuple(_by_category(changed, level, described)),
        named=tuple(_named(changed, described)),
        wording=() if before is None else tuple(wording(after.lines, before.lines, after.vintages)),
        coverage=tuple(_coverage(dataset, vintage) for vintage in _in_order(dataset, after)),
        outlook=outlook,
    )


class _Described:
    """Rows of changes as records, with the catalogue's words for what they are of."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.categories: Mapping[str, str] = dict(dataset.categories.select("category_id", "name").iter_rows())
        self.areas: Mapping[str, str] = dict(dataset.areas.select("geo_fips", "geo_name").iter_rows())

    def changes(self, rows: pl.DataFrame) -> tuple[Change, ...]:
        return tuple(self.change(row) for row in rows.iter_rows(named=True))

    def change(self, row: Mapping[str, Any]) -> Change:
        measure = self.dataset.measures[row["measure"]]
        return Change(
            measure=measure.name,
            measure_title=measure.title,
            unit=measure.unit_title,
            category_id=row["category_id"],
            category=self.categories.get(row["category_id"], row["category_id"]),
            area=self.areas.get(row["geo_fips"], row["geo_fips"]),
            state=row["state"],
            year=row["year"],
            month=row.get("month"),
            kind=row["kind"],
            from_value=row["from_value"],
            to_value=row["to_value"],
            from_status=row["from_status"],
            to_status=row["to_status"],
            change_pct=row["change_pct"],
            decimals=measure.decimals,
        )


def _in_order(dataset: Dataset, known: Known) -> list[Vintage]:
    """Its vintages in the catalogue's order of tables."""
    return [known.vintages[table] for table in dataset.tables if table in known.vintages]


def _tables(dataset: Dataset, after: Known, before: Known | None) -> Iterator[TableOf]:
    earlier = before.vintages if before is not None else {}
    for vintage in _in_order(dataset, after):
        was, decided = earlier.get(vintage.table), vintage.decided
        yield TableOf(
            bea_table=vintage.table,
            title=dataset.tables[vintage.table].title,
            vintage=str(vintage),
            vintage_before=None if was is None else str(was),
            last_updated=vintage.base.entry.last_updated,
            note=vintage.base.entry.note,
            note_before="" if was is None else was.base.entry.note,
            decided=None if decided is None else f"pce use {decided.extract} --{decided.kind}: {decided.why}",
        )


def _held(dataset: Dataset, known: Known) -> Held:
    cells = known.figures.cells
    times = _times(cells)
    held = known.lines.join(dataset.lines, on=_LINE, how="semi")
    return Held(
        cells=cells.height,
        by_status=dict(cells.group_by("status").len().sort("len", "status", descending=[True, False]).iter_rows()),
        first=min(times, default=""),
        last=max(times, default=""),
        areas=cells["geo_fips"].n_unique(),
        lines=held.height,
    )


def _times(cells: pl.DataFrame) -> set[str]:
    """The years or months of cells, months as 2025M07."""
    columns = ["year", "month"] if "month" in cells.columns else ["year"]
    return {f"{year}M{month[0]:02}" if month else str(year) for year, *month in cells.select(columns).unique().rows()}


def _news(dataset: Dataset, after: Known, before: Known, changed: pl.DataFrame) -> News:
    now, then = after.figures.cells, before.figures.cells
    names = dict(dataset.areas.select("geo_fips", "geo_name").iter_rows())
    known_tables = list(before.vintages)
    lines = after.lines.filter(pl.col("bea_table").is_in(known_tables)).join(before.lines, on=_LINE, how="anti")
    held = set(dataset.lines.select(_LINE).iter_rows())
    return News(
        years=tuple(sorted(set(now["year"].unique()) - set(then["year"].unique()))),
        months=tuple(sorted(_times(now) - _times(then))) if dataset.is_monthly else (),
        areas=tuple(names[each] for each in sorted(set(now["geo_fips"].unique()) - set(then["geo_fips"].unique()))),
        lines=tuple(
            LineOf(bea_table=table, line_code=code, text=texts.clean_description(text), is_held=(table, code) in held)
            for table, code, text in lines.select(*_LINE, "description").iter_rows()
        ),
        tables=tuple(table for table in after.vintages if table not in before.vintages),
        cells=changed.filter(pl.col("kind") == "new").height,
    )


def _by_area(changed: pl.DataFrame, level: str, described: _Described) -> Iterator[OfArea]:
    """Areas by the largest revision of a total: the percentages of small parts say little of a state."""
    totals = described.dataset.categories.filter(pl.col("role") == "total")["category_id"]
    revised = largest(changed.filter(pl.col("category_id").is_in(totals.implode())), changed.height, level)
    by_area = revised.group_by("geo_fips", maintain_order=True).agg(
        revised=pl.len(), mean_abs_pct=rounded(pl.col("change_pct").abs().mean())
    )
    first = {row["geo_fips"]: row for row in revised.unique("geo_fips", keep="first").iter_rows(named=True)}
    for fips, count, mean in by_area.iter_rows():
        change = described.change(first[fips])
        yield OfArea(area=change.area, state=change.state, revised=count, mean_abs_pct=mean, largest=change)


def _by_category(changed: pl.DataFrame, level: str, described: _Described) -> Iterator[OfCategory]:
    key = ["measure", "category_id"]
    revised = largest(changed, changed.height, level)
    first = {
        (row["measure"], row["category_id"]): row
        for row in revised.unique(key, keep="first", maintain_order=True).iter_rows(named=True)
    }
    means = mean_revisions(revised, *key).sort("mean_abs_pct", *key, descending=[True, False, False])
    for measure, category, count, mean, mean_abs in means.iter_rows():
        change = described.change(first[measure, category])
        yield OfCategory(
            measure=measure,
            measure_title=change.measure_title,
            category_id=category,
            category=change.category,
            revised=count,
            mean_pct=mean,
            mean_abs_pct=mean_abs,
            largest=change,
        )


def _named(changed: pl.DataFrame, described: _Described) -> Iterator[Named]:
    for kind in NAMED_KINDS:
        rows = changed.filter(pl.col("kind") == kind).sort(figure_of(changed))
        if rows.height:
            yield Named(kind=kind, total=rows.height, cells=described.changes(rows.head(MOST_NAMED)))


def wording(after: pl.DataFrame, before: pl.DataFrame, tables: Iterable[str]) -> Iterator[Wording]:
    """The texts and units of lines that mean something else now, and the lines that are gone.

    Both frames are as `Known.lines`; only these tables of BEA are compared.
    """
    was = before.filter(pl.col("bea_table").is_in(list(tables)))
    both = was.join(after, on=_LINE, suffix="_after").sort(_LINE)
    for row in both.iter_rows(named=True):
        for what, column in _TEXTS.items():
            said, says = row[column], row[f"{column}_after"]
            if said is not None and says is not None and texts.meaning(said) != texts.meaning(says):
                cleaned = (texts.clean_description(said), texts.clean_description(says))
                yield Wording(
                    bea_table=row["bea_table"],
                    line_code=row["line_code"],
                    what=what,
                    before=cleaned[0],
                    after=cleaned[1],
                )
    for table, code, text in was.join(after, on=_LINE, how="anti").select(*_LINE, "description").iter_rows():
        yield Wording(bea_table=table, line_code=code, what="line", before=texts.clean_description(text), after="")


def _coverage(dataset: Dataset, vintage: Vintage) -> Coverage:
    expected = expected_of_catalogue(vintage, dataset)
    return Coverage(
        bea_table=vintage.table,
        expected=expected.height,
        held=expected.height - without(expected, cells_of_layers(vintage.layers)).height,
        quarantined=sum(layer.entry.quarantined for layer in vintage.layers),
    )
