"""Judging what arrives: whether a table of an extract counts, against what is held and what Silver can read.

An extract counts if it covers every cell of the vintage it would follow by date. Parts of one release that do not
contradict each other complete one another. Everything else is kept and changes nothing until somebody decides so.
The verdict is given once, when the extract arrives, and stored with it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import msgspec
import polars as pl
import structlog

from pce_pipeline.bea.errors import BeaError
from pce_pipeline.bea.observations import cell_of
from pce_pipeline.bronze.counting import Layer, Manifests, Vintage, dropped, verdict_of, vintages
from pce_pipeline.bronze.decisions import Decision, Verdict
from pce_pipeline.bronze.manifest import DERIVED, ExtractScope, Manifest, TableScope, with_scope
from pce_pipeline.bronze.reading import Content, read_content
from pce_pipeline.bronze.scope import Block, blocks_of, cells_of, in_words, together, without
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.lake.errors import DamagedObject, LakeAccessDenied
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.observability import progress
from pce_pipeline.quality.frames import expected_cells
from pce_pipeline.silver.errors import SilverRefused
from pce_pipeline.silver.observations import normalise
from pce_pipeline.tables.columns import figure_of
from pce_pipeline.tables.table import QUARANTINED

_log = structlog.get_logger()

_LINE = ("measure", "category_id")
_SAID = ("value", "status", "text")
_MOSTLY = 0.5
_SHOWN = 6


@dataclass(frozen=True)
class Judged:
    """What became of one table of an arriving extract."""

    verdict: Verdict
    """Whether it counts."""
    equals: ExtractId | None = None
    """The extract that says the same already, so that keeping this one would add nothing."""


def meanings(dataset: Dataset, table: str | None = None) -> pl.DataFrame:
    """The pinned lines with their measure: bea_table, line_code, measure, category_id."""
    lines = dataset.lines if table is None else dataset.lines.filter(pl.col("bea_table") == table)
    return lines.select("bea_table", "line_code", "measure", "category_id")


def statements(cells: pl.DataFrame, dataset: Dataset, table: str) -> pl.DataFrame:
    """What typed cells of a table say: its figures with value and status, and the text of a quarantined one.

    An empty cell says nothing and is left out, as is an area that the catalogue does not hold. What cannot be read
    does say something.
    """
    said = (
        cells.filter((pl.col("bea_table") == table) & (pl.col("status") != "blank"))
        .join(dataset.areas, on="geo_fips", how="semi")
        .join(meanings(dataset, table), on=["bea_table", "line_code"])
        .with_columns(text=pl.when(pl.col("status") == QUARANTINED).then("value_text"))
    )
    return said.select(*figure_of(said), *_SAID)


def whole_table(dataset: Dataset, table: str, years: Collection[int]) -> pl.DataFrame:
    """Every figure that the catalogue expects of a table in these years, of which months may not be out yet."""
    expected = expected_cells(dataset, {table: sorted(years)})
    return expected.select(figure_of(expected))


def cells_of_layers(layers: Sequence[Layer]) -> pl.DataFrame:
    """The figures that the layers hold together."""
    return together(cells_of(layer.entry.holds or ()) for layer in layers)


def is_complete(vintage: Vintage, dataset: Dataset) -> bool:
    """Whether it may stand for what BEA published: a live answer, or files that hold the table from its first year."""
    if any(layer.is_live for layer in vintage.layers) or vintage.table not in dataset.tables:
        return True
    return missing_of_catalogue(vintage, dataset).is_empty()


def expected_of_catalogue(vintage: Vintage, dataset: Dataset) -> pl.DataFrame:
    """The cells that the catalogue expects of a vintage's table, up to the newest year or month that it holds."""
    years = range(dataset.first_year_of(vintage.table), max(vintage.years) + 1)
    return _published_by_then(whole_table(dataset, vintage.table, years), cells_of_layers(vintage.layers))


def missing_of_catalogue(vintage: Vintage, dataset: Dataset) -> pl.DataFrame:
    """The cells that the catalogue expects up to the vintage's newest year, and that none of its layers holds."""
    return without(expected_of_catalogue(vintage, dataset), cells_of_layers(vintage.layers))


def _published_by_then(expected: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Of cells of months those up to the newest month that is held: a year grows by one at a time."""
    if "month" not in expected.columns or held.is_empty():
        return expected
    month = pl.col("year") * 12 + pl.col("month")
    return expected.filter(month <= held.select(month.max()).item())


def spoken_of(vintage: Vintage, dataset: Dataset, years: Collection[int]) -> pl.DataFrame:
    """The cells of these years that a vintage should have, as `expected_cells` gives them.

    A live answer speaks of the whole table. Files speak of the cells they hold, and so does what a person decided on.
    """
    table, held = vintage.table, [year for year in sorted(years) if year in vintage.years]
    expected, cells = expected_cells(dataset, {table: held}), cells_of_layers(vintage.layers)
    if vintage.decided is None and any(layer.is_live for layer in vintage.layers):
        return _published_by_then(expected, cells)
    return cells.filter(pl.col("year").is_in(held)).join(meanings(dataset, table), on=_LINE).select(expected.columns)


def refusals(content: Content, dataset: Dataset, day: date) -> dict[str, str]:
    """Why Silver could not be made of tables, by table, of an extract of that day."""
    found = {table: refusal(content, table, dataset, day) for table in content.tables}
    return {table: problem for table, problem in found.items() if problem is not None}


def refusal(content: Content, table: str, dataset: Dataset, day: date) -> str | None:
    """Why Silver could not be made of a table of an extract of that day.

    Its texts or units changed, its years cannot be, a key is there twice, or hardly a cell can be read. A few cells
    that cannot be read, or of areas that are not known, are quarantined instead.
    """
    of_table = pl.col("bea_table") == table
    impossible = [year for year in content.tables[table].years if not dataset.first_year <= year <= day.year]
    if impossible:
        return (
            f"{table} has figures of {', '.join(map(str, sorted(impossible)))}; on {day} BEA could have published "
            f"{dataset.first_year} to {day.year}."
        )
    if late := _months_to_come(content.cells.filter(of_table), day):
        return f"{table} has figures of {late}; on {day} BEA could not have published that month."
    try:
        normal = normalise(content.cells.filter(of_table), content.lines.filter(of_table), dataset)
    except SilverRefused as refused:
        return str(refused)
    silver, strange = normal.frame, normal.set_aside
    if silver.is_empty() and strange.is_empty():
        lines = content.cells.filter(of_table)["line_code"].unique().sort().head(_SHOWN)
        return f"{table} has no line that the catalogue holds (but {', '.join(map(str, lines))})."
    if strange.height > _MOSTLY * (silver.height + strange.height):
        areas = strange["geo_fips"].unique().sort()
        return (
            f"{strange.height} of {silver.height + strange.height} rows of {table} are of areas that the catalogue "
            f"does not hold: {', '.join(areas.head(_SHOWN))}."
        )
    unread = silver.filter(pl.col("status") == QUARANTINED)
    if unread.height > _MOSTLY * silver.height:
        texts = unread["value_text"].unique(maintain_order=True).head(_SHOWN)
        return (
            f"{unread.height} of {silver.height} cells of {table} are neither numbers nor known codes: "
            f"{', '.join(map(repr, texts))}."
        )
    key = cell_of(silver)[1:]
    repeated = silver.filter(silver.select(key).is_duplicated()).sort(key)
    if repeated.is_empty():
        return None
    line, area, year, *month = repeated.select(key).row(0)
    when = f"{year}M{month[0]:02}" if month else str(year)
    return f"{table} line {line}, area {area}, {when} is there more than once."


def _months_to_come(cells: pl.DataFrame, day: date) -> str | None:
    """The first month of the cells that was not over on a day; None where all were, or they are of years."""
    if "month" not in cells.columns:
        return None
    late = cells.filter(pl.col("year") * 12 + pl.col("month") >= day.year * 12 + day.month)
    found = late.select("year", "month").unique().sort("year", "month").head(1).rows()
    return f"{found[0][0]}M{found[0][1]:02}" if found else None


def lacking(held: pl.DataFrame, arriving: pl.DataFrame, elsewhere: pl.DataFrame) -> pl.DataFrame:
    """The cells held that an arriving table does not hold; a line that moved to another table as a whole is no loss.

    `elsewhere` are the cells of other tables of the same release.
    """
    absent = without(held, arriving)
    if absent.is_empty() or elsewhere.is_empty():
        return absent
    of_lines_gone = absent.join(arriving.select(_LINE).unique(), on=_LINE, how="anti")
    return without(absent, of_lines_gone.join(elsewhere, on=figure_of(absent), how="semi"))


def verdict(
    arriving: pl.DataFrame,
    *,
    is_live: bool,
    release: date | None,
    before: Vintage | None,
    elsewhere: pl.DataFrame,
    companions: Mapping[ExtractId, pl.DataFrame],
    at_times: pl.DataFrame,
) -> Verdict:
    """The verdict on a table that Silver can read; frames have the columns of `scope.figure_of`.

    `before` is the vintage it would follow by date; `companions` are the extracts of the same release that it does not
    contradict, with their cells. Nobody misses the cells `at_times` (measure, category and area): it has them in some
    releases only.
    """
    if before is None:
        return Verdict(counts=True, why="nothing of the table counted up to its day")
    follows = str(before.at)
    if not is_live and release is not None and before.release is not None and release < before.release:
        return Verdict(
            counts=False,
            follows=follows,
            why=f"it is of {release}, and {before} is of {before.release}, which is newer",
        )
    held = cells_of_layers(before.layers).join(at_times, on=[*_LINE, "geo_fips"], how="anti")
    lacks = lacking(held, arriving, elsewhere)
    if lacks.is_empty():
        return Verdict(counts=True, follows=follows, why=f"it covers every cell of {before}")
    of_release = together([arriving, *companions.values()])
    if not is_live and companions and lacking(held, of_release, elsewhere).is_empty():
        others = tuple(str(extract) for extract in sorted(companions))
        return Verdict(
            counts=True, follows=follows, completes=others, why=f"it completes {', '.join(others)} of its release"
        )
    return Verdict(counts=False, follows=follows, lacks=lacks.height, why=f"{before} also holds {in_words(lacks)}")


class Judge:
    """Judges the tables of one arriving extract against what a lake held before it came."""

    def __init__(
        self, bronze: BronzeStore, dataset: Dataset, manifests: Manifests, decisions: Sequence[Decision]
    ) -> None:
        self._bronze = bronze
        self._dataset = dataset
        self._manifests = manifests
        self._decisions = decisions
        self._said: dict[tuple[ExtractId, str], pl.DataFrame] = {}

    @cached_property
    def _kept(self) -> list[ExtractId]:
        gone = dropped(self._decisions)
        return sorted(
            extract
            for extract, manifest in self._manifests.items()
            if extract not in gone and manifest.origin != DERIVED
        )

    def before(self, table: str, extract: ExtractId) -> Vintage | None:
        """The vintage that an extract would follow by date."""
        earlier = [each for each in vintages(self._manifests, self._decisions, table) if each.at < extract]
        return earlier[-1] if earlier else None

    def tables(self, manifest: Manifest, content: Content, problems: Mapping[str, str]) -> dict[str, Judged]:
        """What becomes of the tables of an extract; `problems` says why Silver could not be made of some.

        A table is looked at again where others of the extract count, because its lines may have moved to them.
        """
        if manifest.origin == DERIVED:
            return {name: self._of_derived(manifest, content, name) for name in content.tables}
        alone = {name: self._table(manifest, content, name, problems.get(name), ()) for name in content.tables}
        counting = [name for name, each in alone.items() if each.verdict.counts]
        return {
            name: each
            if each.verdict.counts or not counting
            else self._table(manifest, content, name, problems.get(name), counting)
            for name, each in alone.items()
        }

    def _of_derived(self, manifest: Manifest, content: Content, table: str) -> Judged:
        """Derived values never count; those that were known at their time already are not kept again.

        Known were those of the vintage before them, and of what is kept beside it since. One that is of an earlier day
        than what says the same tells since when its figures are known.
        """
        extract, before, gone = manifest.extract, self.before(table, manifest.extract), dropped(self._decisions)
        mine = statements(content.cells, self._dataset, table)
        candidates = {each.extract for each in before.layers} if before is not None else set()
        candidates |= {
            other
            for other, held in self._manifests.items()
            if table in held.tables
            and other not in gone
            and other < extract
            and (before is None or other > before.at)
            and verdict_of(self._manifests, self._decisions, other, table).usable
        }
        told = [other for other in sorted(candidates) if self._tells(other, table, mine)]
        found = Verdict(counts=False, why=f"it is derived and not BEA's own file: {manifest.provenance}")
        return Judged(found, equals=told[0] if told else None)

    def _tells(self, extract: ExtractId, table: str, mine: pl.DataFrame) -> bool:
        """Whether a kept extract says all of that."""
        theirs = self._statements(extract, table)
        return theirs is not None and _differing(mine, theirs).is_empty() and without(mine, theirs).is_empty()

    def _table(
        self, manifest: Manifest, content: Content, table: str, problem: str | None, counting: Collection[str]
    ) -> Judged:
        extract, entry = manifest.extract, manifest.tables[table]
        before = self.before(table, extract)
        layer = Layer(extract, entry, manifest.is_live)
        if problem is None and before is not None and before.content == (entry.content_sha256,):
            found = Verdict(counts=True, follows=str(before.at), why=f"it equals {before}")
            return Judged(found, equals=before.layers[0].extract)
        companions, equals = ({}, None) if manifest.is_live else self._of_same_release(layer, content, table, before)
        found = (
            Verdict(
                counts=False,
                usable=False,
                follows=str(before.at) if before else None,
                why=problem.removesuffix("."),
            )
            if problem is not None
            else verdict(
                cells_of(entry.holds or ()),
                is_live=manifest.is_live,
                release=layer.release,
                before=before,
                elsewhere=self._elsewhere(manifest, table, counting),
                companions=companions,
                at_times=self._dataset.cells_at_times.filter(pl.col("bea_table") == table),
            )
        )
        if found.counts and not manifest.is_live and before is not None and before.release == layer.release:
            found = self._said_otherwise(found, content, table, before)
        if equals is None and not found.counts:
            equals = self._kept_already(table, entry.content_sha256)
        return Judged(found, equals)

    def _elsewhere(self, manifest: Manifest, table: str, counting: Collection[str]) -> pl.DataFrame:
        """The cells of other tables of the same release that count: in this extract, and of a live one in others.

        A file that lacks a line is no evidence that BEA moved it, unless the table it moved to is in the same extract.
        """
        release = manifest.tables[table].last_updated
        others = [
            manifest.tables[name]
            for name in counting
            if name != table and manifest.tables[name].last_updated == release
        ]
        if release is not None and manifest.is_live:
            others += [
                layer.entry
                for name in {each for extract in self._kept for each in self._manifests[extract].tables} - {table}
                for vintage in vintages(self._manifests, self._decisions, name)
                for layer in vintage.layers
                if layer.is_live and layer.entry.last_updated == release
            ]
        return together(cells_of(entry.holds or ()) for entry in others)

    def _of_same_release(
        self, layer: Layer, content: Content, table: str, before: Vintage | None
    ) -> tuple[dict[ExtractId, pl.DataFrame], ExtractId | None]:
        """The kept extracts of the release that a file does not contradict, and the one that says all it says."""
        mine = statements(content.cells, self._dataset, table)
        candidates = {
            extract
            for extract in self._kept
            if table in self._manifests[extract].tables and self._layer(extract, table).release == layer.release
        }
        if layer.entry.last_updated is None and before is not None:
            candidates |= {each.extract for each in before.layers}
        companions: dict[ExtractId, pl.DataFrame] = {}
        for extract in sorted(candidates):
            theirs = self._statements(extract, table)
            if theirs is not None and _differing(mine, theirs).is_empty():
                companions[extract] = theirs
        if companions and without(mine, pl.concat(list(companions.values()))).is_empty():
            # the same file of an earlier day tells since when its figures are known, so it is kept
            told = [
                extract
                for extract in companions
                if extract < layer.extract
                or self._layer(extract, table).entry.content_sha256 != layer.entry.content_sha256
            ]
            if told:
                return companions, min(told, key=lambda each: without(mine, companions[each]).height)
        return {each: cells for each, cells in companions.items() if each < layer.extract}, None

    def _said_otherwise(self, found: Verdict, content: Content, table: str, before: Vintage) -> Verdict:
        """The verdict, with how many figures of its own release a file contradicts."""
        mine = statements(content.cells, self._dataset, table)
        others = [self._statements(extract, table) for extract in before.extracts]
        differing = sum(_differing(mine, theirs).height for theirs in others if theirs is not None)
        if not differing:
            return found
        why = f"{found.why}, and says otherwise in {differing:,} of them although both are of {before.release}"
        return msgspec.structs.replace(found, why=why, contradicts=differing)

    def _kept_already(self, table: str, content_sha256: str) -> ExtractId | None:
        """The newest kept extract of the table, if it has this content: it did not count either."""
        held = [extract for extract in self._kept if table in self._manifests[extract].tables]
        if held and self._manifests[held[-1]].tables[table].content_sha256 == content_sha256:
            return held[-1]
        return None

    def _layer(self, extract: ExtractId, table: str) -> Layer:
        manifest = self._manifests[extract]
        return Layer(extract, manifest.tables[table], manifest.is_live)

    def _statements(self, extract: ExtractId, table: str) -> pl.DataFrame | None:
        """What a kept extract says of a table; None where its objects cannot be read."""
        if (extract, table) not in self._said:
            try:
                content = content_of(self._bronze, self._manifests[extract], [table], self._dataset)
            except (DamagedObject, BeaError) as unreadable:
                _log.warning("a kept extract cannot be compared with", extract=str(extract), problem=str(unreadable))
                return None
            self._said[extract, table] = statements(content.cells, self._dataset, table)
        return self._said[extract, table]


def holds_of(content: Content, dataset: Dataset, table: str) -> tuple[Block, ...]:
    """The cells that say something, of the lines that the catalogue pins."""
    return blocks_of(statements(content.cells, dataset, table))


def judged_before(bronze: BronzeStore, dataset: Dataset, manifests: Manifests) -> dict[ExtractId, Manifest]:
    """The manifests, those of before with cells and verdicts: read once, in order of arrival, and kept beside them.

    An extract whose objects are damaged counts as it did, and is looked at again next time.
    """
    known = {extract: manifest for extract, manifest in manifests.items() if manifest.verdicts is not None}
    for extract, manifest in sorted(manifests.items(), key=lambda item: (item[1].ingested_at, item[0])):
        if extract in known:
            continue
        progress.stage(f"reading what extract {extract} speaks of")
        arrived = {
            each: known[each] for each in known if (known[each].ingested_at, each) < (manifest.ingested_at, extract)
        }
        try:
            scope = _scope_of(bronze, dataset, manifest, arrived)
        except (DamagedObject, BeaError) as unreadable:
            _log.warning("an extract of before cannot be read", extract=str(extract), problem=str(unreadable))
            known[extract] = with_scope(manifest, _as_it_was(dataset, manifest))
            continue
        try:
            bronze.write_scope(extract, scope)
        except LakeAccessDenied as denied:
            _log.warning("what an extract of before speaks of is not kept", problem=str(denied))
        known[extract] = with_scope(manifest, scope)
    return {extract: known[extract] for extract in manifests}


def _scope_of(bronze: BronzeStore, dataset: Dataset, manifest: Manifest, arrived: Manifests) -> ExtractScope:
    tables = [table for table in manifest.tables if table in dataset.tables]
    content = content_of(bronze, manifest, tables, dataset)
    holds = {table: holds_of(content, dataset, table) for table in tables}
    filled = msgspec.structs.replace(
        manifest,
        tables={
            table: msgspec.structs.replace(entry, holds=holds.get(table, ()))
            for table, entry in manifest.tables.items()
        },
    )
    problems = refusals(content, dataset, manifest.extract.day)
    judged = Judge(bronze, dataset, arrived, []).tables(filled, content, problems)
    return ExtractScope(
        tables={
            table: TableScope(
                holds=holds[table],
                verdict=judged[table].verdict,
            )
            for table in tables
        }
    )


def _as_it_was(dataset: Dataset, manifest: Manifest) -> ExtractScope:
    return ExtractScope(
        tables={
            table: TableScope(
                holds=blocks_of(whole_table(dataset, table, entry.years)),
                verdict=Verdict(counts=True, why="its objects cannot be read"),
            )
            for table, entry in manifest.tables.items()
            if table in dataset.tables
        }
    )


def content_of(bronze: BronzeStore, manifest: Manifest, tables: Sequence[str], dataset: Dataset) -> Content:
    """What a kept extract says of these tables, as far as this version understands it."""
    objects = bronze.read_objects(manifest.extract, tables)
    return read_content(objects, tables, dataset, scope=manifest.scope, is_live=manifest.is_live, tolerate_unknown=True)


def _differing(mine: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """The cells of which both say something, and not the same."""
    both = mine.join(theirs, on=figure_of(mine), suffix="_theirs")
    return both.filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_theirs")) for name in _SAID))
