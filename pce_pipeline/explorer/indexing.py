"""The index of a set, put together from what is declared, what is held, and the files of the set. Pure functions."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import msgspec

from pce_pipeline.asking.columns import WITHOUT_UNIT
from pce_pipeline.bronze.current import Current
from pce_pipeline.bulletins.making import places
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.citation import BEA, SAMPLE, cite, licence
from pce_pipeline.explorer import index as document
from pce_pipeline.explorer.cells import category_ids
from pce_pipeline.explorer.measures import ShownMeasure, shown_measures
from pce_pipeline.explorer.statuses import REASONS
from pce_pipeline.explorer.store import Part
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.tables.registry import Registry


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What is declared of a dataset: all of the index that no extract changes."""

    measures: list[document.Measure]
    """Its measures, with nothing of vintages."""
    categories: list[document.Category]
    """Its categories."""


def described(registry: Registry, dataset: Dataset) -> Described:
    """What is declared of a dataset."""
    taken = category_ids(dataset)
    rows = {row["category_id"]: row for row in dataset.categories.iter_rows(named=True)}
    return Described(
        measures=[_measure(each, taken) for each in shown_measures(registry, dataset)],
        categories=[
            document.Category(
                id=each,
                title=rows[each]["name"],
                parent=_place(rows[each]["parent_id"], taken),
                scheme=rows[each]["scheme"],
                role=rows[each]["role"],
                depth=rows[each]["depth"],
                is_deducted=rows[each]["sign"] < 0,
            )
            for each in taken
        ],
    )


def _place(category: str | None, taken: Sequence[str]) -> int | None:
    """The place of a category in the list; None for one that is not there."""
    return taken.index(category) if category in taken else None


def _measure(shown: ShownMeasure, taken: Sequence[str]) -> document.Measure:
    own = set(shown.column.categories)
    places = [place for place, each in enumerate(taken) if each in own]
    unit = shown.column.unit
    return document.Measure(
        id=shown.id,
        title=shown.title,
        about=shown.about if shown.about != shown.title else "",
        unit=None if unit == WITHOUT_UNIT else unit,
        decimals=shown.decimals,
        is_published=shown.is_published,
        formula=None if shown.is_published else shown.column.formula.text,
        why_no_line=shown.why_no_line,
        adds_up_over=shown.adds_up_over,
        is_of_states=shown.is_of_states,
        categories=None if len(places) == len(taken) else places,
    )


def areas_of(dataset: Dataset) -> list[document.Area]:
    """All areas."""
    return [
        document.Area(
            id=row["geo_fips"],
            name=row["geo_name"],
            level=row["geo_level"],
            abbreviation=row["path_segment"],
            region=row["region_fips"],
        )
        for row in dataset.areas.sort("geo_fips").iter_rows(named=True)
    ]


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Where the set has what it has of a dataset."""

    figures: str
    """The path of its figures."""
    missing: str
    """The path of the counts of its cells without a number."""
    history: dict[str, str]
    """The path of the history of each measure, by id."""
    bulletins: dict[str, str]
    """The path of what an extract changed, by its name."""

    @property
    def paths(self) -> set[str]:
        """All of them."""
        return {self.figures, self.missing, *self.history.values(), *self.bulletins.values()}


def index_of(
    *,
    env: str,
    world: str,
    is_sample: bool,
    registry: Registry,
    held: Mapping[str, Current],
    files: Mapping[str, Files],
    parts: Mapping[str, Part],
    gold: Mapping[str, str],
    quality: Mapping[str, int],
) -> document.Index:
    """The index of a set of these parts (by path), with what `files` has of each dataset."""
    datasets = [
        _dataset(registry, held[name], of_dataset, parts, is_sample=is_sample) for name, of_dataset in files.items()
    ]
    named = {
        path: document.File(bytes=part.bytes, sha256=part.sha256, footer=part.footer, rows=part.rows)
        for path, part in sorted(parts.items())
        if part.inputs
    }
    unnamed = document.Index(
        format=document.FORMAT,
        version="",
        env=env,
        world=world,
        is_sample=is_sample,
        source=SAMPLE if is_sample else BEA,
        licence=licence(is_sample=is_sample),
        gold=dict(sorted(gold.items())),
        statuses=REASONS,
        areas=areas_of(next(iter(held.values())).dataset),
        datasets=datasets,
        quality=dict(quality),
        files=named,
    )
    return msgspec.structs.replace(unnamed, version=hashlib.sha256(msgspec.json.encode(unnamed)).hexdigest()[:16])


def _dataset(
    registry: Registry, now: Current, files: Files, parts: Mapping[str, Part], *, is_sample: bool
) -> document.Dataset:
    dataset, declared = now.dataset, described(registry, now.dataset)
    figures = parts[files.figures].details
    extracts = list(_extracts(now, files))
    released = [each.released for each in extracts if each.released is not None]
    return document.Dataset(
        id=dataset.name,
        title=dataset.title,
        cadence=dataset.grain,
        first=figures["first"],
        last=figures["last"],
        newest_release=max(released, default=None),
        pinned=now.pin.extract if now.pin is not None else None,
        citation=_citation(now, max(released, default=None), is_sample=is_sample),
        extracts=extracts,
        measures=[_of_vintages(each, files, parts) for each in declared.measures],
        categories=declared.categories,
        figures=files.figures,
        missing=files.missing,
    )


def _of_vintages(measure: document.Measure, files: Files, parts: Mapping[str, Part]) -> document.Measure:
    """A measure with its base years, as its history has them."""
    path = files.history.get(measure.id)
    if path is None:
        return measure
    base_years = parts[path].details.get("base_years", [])
    there = any(year is not None for year in base_years)
    return msgspec.structs.replace(
        measure,
        history=path,
        base_year=base_years[-1] if there else None,
        base_years=base_years if there else None,
    )


def _extracts(now: Current, files: Files) -> Iterator[document.Extract]:
    for at in places(now):
        of_it = {table: vintage for table in now.dataset.tables for vintage in now.vintages(table) if vintage.at == at}
        released = [each.release for each in of_it.values() if each.release is not None]
        yield document.Extract(
            extract=str(at),
            released=max(released, default=None),
            tables=sorted(of_it),
            origins=sorted({now.manifests[each].origin for vintage in of_it.values() for each in vintage.extracts}),
            is_comprehensive=any(day in now.dataset.comprehensive_updates for day in released),
            bulletin=files.bulletins.get(str(at)),
        )


def _citation(now: Current, released: date | None, *, is_sample: bool) -> str:
    """A citation of the dataset as it was retrieved when its newest extract was taken."""
    newest: ExtractId = max(now.manifests)
    last = f"; last updated {released}" if released is not None else ""
    return cite(
        f"{now.dataset.title}.",
        of=f"{now.dataset.title} (tables {', '.join(now.dataset.tables)}{last})",
        is_sample=is_sample,
        today=now.manifests[newest].ingested_at.date(),
    )
