"""One number followed down to Bronze: the figures that it is made of, and the object in which each was published first.

Figures are those of the log of vintages, so that a number can be traced as it is now and as it was known on a day; of
months there is no log, and they are traced as they are now.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import polars as pl

from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.errors import BeaError
from pce_pipeline.bea.places import Place, PublishedCell, place_of
from pce_pipeline.bronze.cells import kept_cells
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.history import History, log_of
from pce_pipeline.bronze.manifest import Manifest, ObjectEntry
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.formulas import Term
from pce_pipeline.gold.known import AsOf, as_known, known_cells, with_cells
from pce_pipeline.lake.integrity import NOTHING, sha256_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.resource import Lake
from pce_pipeline.silver.layouts import MOVES_SCHEMA, moves
from pce_pipeline.tables.columns import FIGURE
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tracing.checking import (
    checks_of_facts,
    checks_of_gold,
    checks_of_log,
    checks_of_raw,
    checks_of_silver,
)
from pce_pipeline.tracing.errors import NotYetRefreshed
from pce_pipeline.tracing.records import Asked, Link, Raw, Trace
from pce_pipeline.tracing.stored import StoredFile, stored_files

_MONTHS = 12
_OF_CELL = ("bea_table", "line_code", "value_text", "base_year", "released_on", "source_object")
_REPORTED = "reported"
NOT_HELD = "not_held"
"""The status of a number that no extract holds, whatever BEA has published."""


class Tracer:
    """Traces numbers of one lake: what several of them need is read once."""

    def __init__(self, lake: Lake, registry: Registry, held: Mapping[str, Current], as_of: AsOf | None = None) -> None:
        self._lake = lake
        self._registry = registry
        self._held = held
        self._as_of = as_of
        self._figures = cache(self._read_figures)
        self._document = cache(self._read_document)
        self._called_then = cache(self._read_called_then)
        self._files = cache(stored_files)

    def trace(self, asked: Asked) -> Trace:
        """Follow a number down, and look at every step again.

        Raises `NotYetRefreshed` where what counts now is not in Silver yet, so that Gold must be another.
        """
        followed = [(term, self._links(asked, term)) for term in asked.formula.terms]
        links = _each_once(link for _, found in followed for link in found)
        terms = {term.name: [link.known for link in found] for term, found in followed}
        value = asked.formula.compute(terms, _sign(asked))
        silent = [
            link.status if link.raw is not None else NOT_HELD
            for term, found in followed
            if term.of != "all states"
            for link in found
        ]
        status = next((each for each in silent if each != _REPORTED), "no_number") if value is None else _REPORTED
        own = [link for term, found in followed if term.of == "itself" and not term.back for link in found]
        is_held = any(link.raw is not None for link in own)
        checks = [check for link in links for check in checks_of_raw(link)]
        gold: Sequence[StoredFile] = ()
        checks += [check for link in links for check in checks_of_log(self._log(asked.dataset, link.year))]
        if self._as_of is None:
            self._refuse_stale(asked.dataset, {link.year for link in links})
            silver = {link.figure: self._silver(asked.dataset, link) for link in links}
            facts = {link.year: self._facts(asked.dataset, link.year) for link in links}
            gold = self._files(self._lake, asked.table, asked.year)
            checks += [check for link in links for check in checks_of_silver(link, silver[link.figure])]
            checks += [check for link in links for check in checks_of_facts(asked.dataset, link, facts[link.year])]
            checks += checks_of_gold(asked, gold, value, is_held=is_held)
        day = self._as_of.day if self._as_of is not None else None
        return Trace(asked, value, status, links, gold, list(dict.fromkeys(checks)), is_held, day)

    def moment(self, dataset: str) -> AsOf:
        """The time as of which figures of a dataset are traced: the one that was asked for, the pin's, or now."""
        if self._as_of is not None:
            return self._as_of
        pin = self._held[dataset].pin
        if pin is None:
            return AsOf(date.max)
        held_at = ExtractId.parse(pin.extract)
        return AsOf(held_at.day, held_at.number)

    def _links(self, asked: Asked, term: Term) -> list[Link]:
        """The figures that a term of a formula stands for."""
        category = term.category or (_total(asked) if term.of == "its total" else asked.category)
        areas = asked.dataset.areas
        match term.of:
            case "the US":
                codes = areas.filter(geo_level="nation")["geo_fips"].to_list()
            case "all states":
                states = areas.filter(geo_level="state")["geo_fips"].to_list()
                codes = states if asked.geo_fips in states else []
            case _:
                codes = [asked.geo_fips]
        year, month = asked.year - term.back, None
        if asked.month is not None:
            year, month = divmod(asked.year * _MONTHS + asked.month - 1 - term.back, _MONTHS)
            month += 1
        return [self._link(asked.dataset, term, category, code, year, month) for code in codes]

    def _link(self, dataset: Dataset, term: Term, category: str, geo_fips: str, year: int, month: int | None) -> Link:
        named = dict(zip(FIGURE, (term.measure, category, geo_fips, year), strict=True))
        rows = self._figures(dataset.name, year).filter(**named, **({} if month is None else {"month": month}))
        link = Link(term.name, term.measure, category, geo_fips, year, month)
        if rows.is_empty():
            return link
        row = rows.row(0, named=True)
        extract, _, key = row["source_object"].partition("/")
        return replace(
            link,
            value=row["value"],
            status=row["status"],
            unit=row["unit"],
            base_year=row["base_year"],
            bea_table=row["bea_table"],
            line_code=row["line_code"],
            released_on=row["released_on"],
            raw=self._raw(dataset, ExtractId.parse(extract), key, row, month),
        )

    def _read_figures(self, dataset: str, year: int) -> pl.DataFrame:
        """Every figure of a year that was known, with the cell that gives it."""
        now = self._held[dataset]
        if now.dataset.is_monthly:
            return _months_of(now, year)
        history, moment = History(now), self.moment(dataset)
        log = log_of(now, self._lake, self._registry.logs[dataset], [year])
        cells = known_cells(log, history.vintages, moment)
        facts = as_known(log, history.vintages, now.dataset, moment).drop("unit")
        return with_cells(facts, cells, now.dataset, [*_OF_CELL, "unit"])

    def _raw(self, dataset: Dataset, extract: ExtractId, key: str, row: Mapping[str, Any], month: int | None) -> Raw:
        now = self._held[dataset.name]
        manifest = now.manifests[extract]
        entry = _entry(manifest, key)
        body = self._document(dataset.name, extract, key)
        table, line = self._called_then(dataset.name, extract, key, row["bea_table"], row["line_code"])
        of_table = manifest.tables[row["bea_table"]]
        return Raw(
            uri=self._lake.uri_of(now.bronze.key_of(extract, key)),
            sha256=entry.sha256,
            found=NOTHING if body is None else sha256_of(body),
            bytes=entry.bytes,
            endpoint=entry.endpoint,
            parameters=entry.parameters,
            extracted_at=entry.extracted_at,
            extract=str(extract),
            origin=manifest.origin,
            released=of_table.last_updated,
            release_note=of_table.note,
            run_id=manifest.run_id,
            code_version=manifest.code_version,
            published_as=f"{table} line {line}",
            place=_place(body, PublishedCell(table, line, row["geo_fips"], row["year"], month)),
        )

    def _read_document(self, dataset: str, extract: ExtractId, key: str) -> bytes | None:
        stored = self._held[dataset].bronze.key_of(extract, key)
        return self._lake.store.get_many([stored], missing_ok=True).get(stored)

    def _read_called_then(self, dataset: str, extract: ExtractId, key: str, table: str, line: int) -> tuple[str, int]:
        """The table and line under which BEA published in the object what stands at a place of today."""
        now = self._held[dataset]
        entry = _entry(now.manifests[extract], key)
        if entry.line is not None:
            return entry.names[0], entry.line
        if now.dataset.source != "NIPA" and not now.dataset.with_several_layouts:
            return table, line
        place = self._moves(now, extract, entry).filter(today_table=table, today_line=line)
        return (place["bea_table"][0], place["line_code"][0]) if place.height else (table, line)

    def _moves(self, now: Current, extract: ExtractId, entry: ObjectEntry) -> pl.DataFrame:
        body = self._document(now.dataset.name, extract, entry.key)
        try:
            read = read_document(body or b"", entry.names, tolerate_unknown=True, tolerate_repeats=True)
        except BeaError:
            return pl.DataFrame(schema=MOVES_SCHEMA)
        return moves(read.frame, read.lines, now.dataset)

    def _silver(self, dataset: Dataset, link: Link) -> Sequence[StoredFile]:
        segment = str(dataset.areas.filter(geo_fips=link.geo_fips)["path_segment"][0])
        return self._files(self._lake, self._registry.silver[dataset.name].table, link.year, f"state={segment}")

    def _facts(self, dataset: Dataset, year: int) -> Sequence[StoredFile] | None:
        return None if dataset.is_monthly else self._files(self._lake, self._registry.facts.table, year)

    def _log(self, dataset: Dataset, year: int) -> Sequence[StoredFile]:
        log = self._registry.logs.get(dataset.name)
        return () if log is None else self._files(self._lake, log.table, year)

    def _refuse_stale(self, dataset: Dataset, years: set[int]) -> None:
        """Refuse years of which Silver was made of something else than counts now."""
        now = self._held[dataset.name]
        published = self._lake.table(self._registry.silver[dataset.name].table).latest()
        stale = [
            year
            for year in sorted(years & now.covered_years)
            if str(year) not in published or published[str(year)].inputs != now.inputs(year)
        ]
        if stale:
            raise NotYetRefreshed(dataset.name, stale)


def _each_once(links: Iterable[Link]) -> list[Link]:
    """Each figure once, as the first term calls it that takes it."""
    found: dict[tuple[object, ...], Link] = {}
    for link in links:
        found.setdefault(link.figure, link)
    return list(found.values())


def _place(body: bytes | None, cell: PublishedCell) -> Place | None:
    """Where an object has a cell; None where it is damaged so that it cannot be read, which its hash tells."""
    try:
        return place_of(body, cell) if body is not None else None
    except BeaError:
        return None


def _entry(manifest: Manifest, key: str) -> ObjectEntry:
    return next(each for each in manifest.objects if each.key == key)


def _sign(asked: Asked) -> int:
    """With which sign a category counts in what it is a part of."""
    of_category = asked.dataset.categories.filter(category_id=asked.category)["sign"]
    return int(of_category[0]) if of_category.len() else 1


def _total(asked: Asked) -> str:
    """The category that is all of the scheme of the one asked for."""
    categories = asked.dataset.categories
    (scheme,) = categories.filter(category_id=asked.category)["scheme"]
    return str(categories.filter(scheme=scheme, role="total")["category_id"][0])


def _months_of(now: Current, year: int) -> pl.DataFrame:
    """The figures of the months of a year that count now, with the cell that gives each."""
    lines = now.dataset.lines.select("bea_table", "line_code", "measure", "category_id")
    found: list[pl.DataFrame] = []
    for table, source in now.known_sources.items():
        for place, layer in enumerate(source.vintage.layers):
            manifest = now.manifests[layer.extract]
            cells = kept_cells(now.bronze, manifest, now.dataset, tolerate_unknown=True).of_year(year)
            found.append(
                cells.filter(bea_table=table).with_columns(
                    layer=pl.lit(place),
                    released_on=pl.lit(layer.release or layer.extract.day),
                    base_year=pl.lit(None, dtype=pl.Int32),
                    source_object=pl.format("{}/{}", pl.lit(str(layer.extract)), "object"),
                )
            )
    if not found:
        return pl.DataFrame(schema=dict.fromkeys([*FIGURE, "month"], pl.Int32))
    says_something = (pl.col("status") != "blank").cast(pl.Int8)
    return (
        pl.concat(found)
        .sort(says_something, "layer", maintain_order=True)
        .unique(["bea_table", "line_code", "geo_fips", "year", "month"], keep="last", maintain_order=True)
        .join(lines, on=["bea_table", "line_code"], maintain_order="left")
    )
