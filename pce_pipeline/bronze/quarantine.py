"""Quarantine: what BEA published and could not be read, with its text, the reason, and where it stands.

A cell that cannot be typed is in Silver as NULL; a row of an unknown area has no place there. Both are set aside when
an extract is read whole, in a file beside Bronze that can be made again from it at any time. Cells of lines that the
catalogue does not pin are left out of Silver altogether, and so of quarantine.
"""

import io

import polars as pl
import structlog

from pce_pipeline.bea.values import explained, typed
from pce_pipeline.bronze.counting import Layer
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.judgement import cells_of_layers, content_of, meanings
from pce_pipeline.bronze.manifest import Manifest
from pce_pipeline.bronze.reading import Content
from pce_pipeline.bronze.scope import CELL
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.parquet import to_parquet
from pce_pipeline.tables.table import QUARANTINED

_log = structlog.get_logger()

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "bea_table": pl.String,
    "line_code": pl.Int32,
    "geo_fips": pl.String,
    "year": pl.Int32,
    "month": pl.Int32,
    "unit": pl.String,
    "unit_multiplier": pl.Int32,
    "object_key": pl.String,
    "value_text": pl.String,
    "rule": pl.String,
    "reason": pl.String,
}
"""The columns of a quarantine file, sorted by the first five; `object_key` is relative to the extract, and `month` NULL
where a cell is of a whole year."""

LISTED_SCHEMA = {"extract": pl.String, "state": pl.String, **SCHEMA}
"""The columns of the listing."""

STATES = (CURRENT, READ_ELSEWHERE, HEALED, NOT_IN_USE) = ("current", "read elsewhere", "healed", "not in use")
"""What a cell may be: missing in what is published now; missing in Silver alone, because Gold takes the figure from
another of BEA's tables; not missing any more, because a later extract brought a figure or the text can be read by now;
or of an extract that does not count."""

_LINE = ["bea_table", "line_code"]
_CELL = [*_LINE, "geo_fips", "year", "month"]


def set_aside(content: Content, dataset: Dataset) -> pl.DataFrame:
    """What cannot be read of an extract that was read whole, by SCHEMA."""
    found = _unreadable(content.cells, dataset)
    located = [
        found.select(_CELL)
        .join(of_object, on=[name for name in _CELL if name in of_object.columns], how="semi")
        .with_columns(object_key=pl.lit(key))
        for key, of_object in content.places
        if found.height
    ]
    places = pl.concat([pl.DataFrame(schema={name: SCHEMA[name] for name in (*_CELL, "object_key")}), *located])
    return (
        found.join(places.unique(_CELL, keep="first", maintain_order=True), on=_CELL, how="left", nulls_equal=True)
        .select(list(SCHEMA))
        .sort(_CELL)
    )


def counted(quarantine: pl.DataFrame) -> dict[str, int]:
    """How many cells of each table are set aside."""
    return dict(quarantine.group_by("bea_table").len().iter_rows())


def packed(quarantine: pl.DataFrame) -> bytes | None:
    """The file of it; None where there is nothing to keep."""
    return to_parquet(quarantine) if quarantine.height else None


def listed(now: Current) -> pl.DataFrame:
    """Everything in quarantine, by LISTED_SCHEMA, newest extract first.

    What is lost or damaged is made again from Bronze and kept. Raises `DamagedObject` where that is damaged too.
    """
    found = [pl.DataFrame(schema=LISTED_SCHEMA)]
    for extract, manifest in sorted(now.manifests.items(), reverse=True):
        if any(entry.quarantined for entry in manifest.tables.values()):
            kept = _kept(now.bronze, now.dataset, manifest)
            found.append(_with_state(kept, now.dataset, now, extract).select(list(LISTED_SCHEMA)))
    cells = pl.concat(found)
    elsewhere = _read_elsewhere(cells.filter(state=CURRENT), now).with_columns(
        state=pl.lit(CURRENT), better=pl.lit(READ_ELSEWHERE)
    )
    return (
        cells.join(elsewhere, on=[*_CELL, "state"], how="left", maintain_order="left", nulls_equal=True)
        .with_columns(state=pl.coalesce("better", "state"))
        .select(cells.columns)
    )


def standing(now: Current) -> pl.DataFrame:
    """What of it stands in the extracts that count now, whether Gold misses the figure or not, by LISTED_SCHEMA."""
    return listed(now).filter(pl.col("state").is_in([CURRENT, READ_ELSEWHERE]))


def of_live_extracts(now: Current) -> dict[ExtractId, pl.DataFrame]:
    """What of BEA's own answers could not be read and stands in the current figures, by extract."""
    cells = standing(now)
    return {
        extract: cells.filter(pl.col("extract") == str(extract))
        for extract in map(ExtractId.parse, cells["extract"].unique().sort())
        if now.manifests[extract].is_live
    }


def _unreadable(cells: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The typed cells of pinned lines that are quarantined, or of no area that the catalogue holds."""
    pinned = cells.join(dataset.lines.select(_LINE), on=_LINE, how="semi")
    strange = pinned.join(dataset.areas, on="geo_fips", how="anti").with_columns(
        rule=pl.lit("area_is_unknown"), reason=pl.format("'{}' is not an area that the catalogue holds.", "geo_fips")
    )
    found = pl.concat([explained(pinned.join(dataset.areas, on="geo_fips", how="semi")), strange])
    return _with_month(found)


def unread_cells(now: Current) -> int:
    """How many cells of what counts now could not be read; manifests say it, and no file is read."""
    return sum(layer.entry.quarantined for source in now.known_sources.values() for layer in source.vintage.layers)


def _kept(bronze: BronzeStore, dataset: Dataset, manifest: Manifest) -> pl.DataFrame:
    body = bronze.quarantine(manifest.extract)
    if body is not None:
        try:
            kept = pl.read_parquet(io.BytesIO(body))
            if "month" not in kept.columns:  # as versions wrote it that knew no months
                kept = kept.with_columns(month=None)
            return kept.select([pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()])
        except pl.exceptions.PolarsError as problem:
            _log.warning("a quarantine file cannot be read", extract=manifest.extract_date, problem=str(problem))
    tables = [table for table in manifest.tables if table in dataset.tables]
    again = set_aside(content_of(bronze, manifest, tables, dataset), dataset)
    if again.height:
        bronze.write_quarantine(manifest.extract, to_parquet(again))
    return again


def _with_state(kept: pl.DataFrame, dataset: Dataset, now: Current, extract: ExtractId) -> pl.DataFrame:
    cells = kept.drop("rule", "reason", *(() if dataset.is_monthly else ("month",)))
    unreadable = _unreadable(typed(cells), dataset).select(_CELL)
    above = {table: _layers_above(now, table, extract) for table in kept["bea_table"].unique()}
    standing = {
        table: CURRENT if layers is not None else HEALED if _is_followed(now, table, extract) else NOT_IN_USE
        for table, layers in above.items()
    }
    covered = [pl.DataFrame(schema={name: SCHEMA[name] for name in _CELL})] + [
        _with_month(cells_of_layers(layers).join(meanings(dataset, table), on=["measure", "category_id"])).select(_CELL)
        for table, layers in above.items()
        if layers
    ]
    healed = pl.concat(
        [
            kept.join(unreadable, on=_CELL, how="anti", nulls_equal=True).select(_CELL),
            kept.join(pl.concat(covered), on=_CELL, how="semi", nulls_equal=True).select(_CELL),
        ]
    ).unique()
    return (
        kept.with_columns(
            extract=pl.lit(str(extract)), state=pl.col("bea_table").replace_strict(standing, return_dtype=pl.String)
        )
        .join(healed.with_columns(is_healed=True), on=_CELL, how="left", maintain_order="left", nulls_equal=True)
        .with_columns(state=pl.when("is_healed").then(pl.lit(HEALED)).otherwise("state"))
    )


def _read_elsewhere(unread: pl.DataFrame, now: Current) -> pl.DataFrame:
    """Those of the cells, as _CELL, whose figure Gold takes from another of BEA's tables."""
    figures = unread.select(_CELL).join(meanings(now.dataset), on=_LINE)
    if figures.is_empty() or now.dataset.is_monthly:  # each figure of a month is in one table
        return figures.select(_CELL).clear()
    of_year = _CELL[:-1]
    held = pl.concat(
        cells_of_layers(source.vintage.layers)
        .join(figures, on=CELL, how="semi")
        .join(meanings(now.dataset, table), on=["measure", "category_id"])
        for table, source in now.known_sources.items()
    )
    # Gold itself is asked which table it takes, with rows of Silver that say no more than whether they could be read
    silver = (
        held.join(unread.select(*of_year, status=pl.lit(QUARANTINED)), on=of_year, how="left")
        .join(now.dataset.areas.select("geo_fips", "geo_level", "state"), on="geo_fips")
        .select(*of_year, "category_id", "geo_level", "state", pl.col("status").fill_null("reported"), value=None)
    )
    facts = conform_facts(silver, now.dataset, now.releases)
    return figures.join(facts.filter(pl.col("status") != QUARANTINED), on=CELL, how="semi").select(_CELL)


def _with_month(cells: pl.DataFrame) -> pl.DataFrame:
    return cells if "month" in cells.columns else cells.with_columns(month=pl.lit(None, pl.Int32))


def _layers_above(now: Current, table: str, extract: ExtractId) -> list[Layer] | None:
    """The layers that lie over those of an extract in the current figures; None where it is not part of them."""
    source = now.sources.get(table)
    layers = list(source.vintage.layers) if source is not None else []
    at = [place for place, layer in enumerate(layers) if layer.extract == extract]
    return layers[at[-1] + 1 :] if at else None


def _is_followed(now: Current, table: str, extract: ExtractId) -> bool:
    """Whether the table's figures of today are of a later day."""
    source = now.sources.get(table)
    return source is not None and source.newest.at > extract
