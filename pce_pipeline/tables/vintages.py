"""The tables that keep every value as it was known: cells in Silver, figures in Gold, what was revised, and when.

A row is a *stretch*: one value of one cell over the vintages that publish it without a break, from `valid_from` up to,
and not including, `valid_to`. A cell that a vintage has no more ends in a row of its own, without a value, whose status
is one of `ENDINGS`; so each cell has exactly one row for any day from its first vintage on.
"""

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.columns import CATEGORY, GEO_FIPS, GEO_LEVEL, STATE, STATUS_TEXT, YEAR
from pce_pipeline.tables.table import MONEY, Column, Table

BASES = {
    "counted": "the vintage counts: what BEA published, or what a person decided to use",
    "partial": "the extract holds a part and does not count; it answers only where partial ones are asked for",
    "derived": "not BEA's own file, but values that somebody took from one; it answers only where derived ones are",
}
"""What a stretch is based on, and what each means."""

COUNTED = "counted"
"""The basis of what counts."""

DERIVED = "derived"
"""The basis of values that somebody took from a file of BEA's."""

ENDINGS = {
    "withdrawn": "the vintage should have the cell, and does not",
    "not_spoken_of": "the vintage is of a part that does not speak of the cell",
}
"""The statuses of a row that says a cell is there no more."""

SILENT = ("blank", "not_spoken_of")
"""The statuses of a row that says nothing of its figure: neither a value nor that it has gone."""

INSTANT = pl.Datetime("us", "UTC")

MEASURE = Column(
    "measure",
    pl.String,
    "what the value is: the measure's name in the catalogue",
    source="the catalogue's meaning of BEA's line",
)
BASIS = Column("basis", pl.String, f"what the value is based on: {', '.join(BASES)}", source="what counts in Bronze")
VALID_FROM = Column(
    "valid_from",
    pl.Int32,
    "the first vintage with this value: its extract date and number of that day, as yyyymmddnn (dim_vintage)",
    source="Bronze's extract dates",
)
VALID_TO = Column(
    "valid_to",
    pl.Int32,
    "the vintage from which on another row holds, as yyyymmddnn; NULL where this one still does",
    nullable=True,
    source="Bronze's extract dates",
)
_VALUE = Column("value", MONEY, "the number as published, in `unit`", nullable=True, source="BEA's DataValue")
_STATUS = Column(
    "status",
    pl.String,
    f"{STATUS_TEXT}; or {', '.join(ENDINGS)} where a vintage ends the cell",
    source="BEA's code or note of the cell",
)
_BASE_YEAR = Column(
    "base_year",
    pl.Int32,
    "the year in whose prices, or relative to which, the value is; NULL where it has none",
    nullable=True,
    source="the year in BEA's unit or text of the line, or of the line that it follows",
)
_DECIMALS = Column(
    "decimals",
    pl.Int32,
    "how many decimals the published number has; NULL where there is none",
    nullable=True,
    source="BEA's DataValue",
)
_RELEASED_ON = Column(
    "released_on",
    pl.Date,
    "the day on which BEA released the value: the earliest release of the vintages that have it; of a vintage without "
    "a release date the day or month for which it is kept",
    source='the "Last updated" of the vintages',
)
_INGESTED_AT = Column(
    "ingested_at",
    INSTANT,
    "the earliest time (UTC) at which the pipeline took an extract of this row that holds the value",
    source="Bronze's manifests",
)
_SOURCE_OBJECT = Column(
    "source_object",
    pl.String,
    "the extract and the stored object in it that first published the value",
    source="Bronze's manifests",
)


def silver_vintages(dataset: Dataset) -> Table:
    """Every value that each cell of a dataset's BEA tables has had."""
    return Table(
        name=f"silver/{dataset.name}_vintages",
        grain=f"One row per BEA table, line, area, year and stretch of equal values ({dataset.title}).",
        key=("bea_table", "line_code", "geo_fips", "year", "basis", "valid_from"),
        hazard="Rows are of different times: take those of one day (`pce query --as-of`) before anything else.",
        columns=(
            Column("bea_table", pl.String, "BEA's table name", source="the table asked for"),
            Column(
                "line_code",
                pl.Int32,
                "BEA's line code in the catalogue's layout",
                source="LineCode, or the line's text",
            ),
            CATEGORY,
            MEASURE,
            GEO_FIPS,
            GEO_LEVEL,
            STATE,
            YEAR,
            BASIS,
            VALID_FROM,
            VALID_TO,
            _VALUE,
            Column(
                "value_text",
                pl.String,
                "the text that first published the value; the code itself for a coded cell",
                source="BEA's DataValue",
            ),
            _STATUS,
            Column("unit", pl.String, "BEA's unit label", source="BEA's CL_UNIT, or Unit of a file"),
            Column(
                "unit_multiplier",
                pl.Int32,
                "power of ten already in `unit`: never multiply twice",
                source="BEA's UNIT_MULT, or Unit of a file",
            ),
            _BASE_YEAR,
            _DECIMALS,
            _RELEASED_ON,
            _INGESTED_AT,
            _SOURCE_OBJECT,
        ),
    )


def gold_vintages(dataset: Dataset, *, in_postgres: bool = False) -> Table:
    """Every value that each figure of a dataset's facts has had."""
    return Table(
        name=f"gold/{dataset.name}_vintages",
        grain=f"One row per measure, category, area, year and stretch of equal values ({dataset.title}).",
        key=("measure", "category_id", "geo_fips", "year", "basis", "valid_from"),
        hazard="Rows are of different times: take those of one day (`pce query --as-of`) before anything else.",
        in_postgres=in_postgres,
        coded=True,
        columns=(
            MEASURE,
            CATEGORY,
            GEO_FIPS,
            GEO_LEVEL,
            STATE,
            YEAR,
            BASIS,
            VALID_FROM,
            VALID_TO,
            _VALUE,
            _STATUS,
            Column(
                "unit",
                pl.String,
                "the measure's unit, by its name in the catalogue: millions_usd",
                source="the catalogue's unit of the measure",
            ),
            _BASE_YEAR,
            _DECIMALS,
            Column(
                "bea_table",
                pl.String,
                "the BEA table that the figure is taken from",
                source="the first BEA table that has the figure",
            ),
            _RELEASED_ON,
            _INGESTED_AT,
            _SOURCE_OBJECT,
        ),
    )


def revisions_table(dataset: Dataset, *, in_postgres: bool = False) -> Table:
    """What was changed in each figure of a dataset, and when."""
    return Table(
        name=f"gold/{dataset.name}_revisions",
        grain=f"One row per measure, category, area, year and change of the figure ({dataset.title}).",
        key=("measure", "category_id", "geo_fips", "year", "basis", "valid_from"),
        hazard="Changes are of different kinds: only those of kind `revision` have a change in numbers.",
        in_postgres=in_postgres,
        coded=True,
        columns=(
            MEASURE,
            CATEGORY,
            GEO_FIPS,
            GEO_LEVEL,
            STATE,
            YEAR,
            BASIS,
            VALID_FROM,
            Column(
                "changed_from",
                pl.Int32,
                "the first vintage of the earlier value, as yyyymmddnn; NULL for a figure that was never there before",
                nullable=True,
                source="valid_from of the row before",
            ),
            _RELEASED_ON,
            Column("kind", pl.String, "the kind of change (see docs/vintages.md)", source="both rows"),
            Column("from_value", MONEY, "the earlier number", nullable=True, source="value of the row before"),
            Column("to_value", MONEY, "the later number", nullable=True, source="value"),
            Column(
                "from_status",
                pl.String,
                "the earlier status; NULL for a figure that was never there before",
                nullable=True,
                source="status of the row before",
            ),
            Column("to_status", pl.String, "the later status", source="status"),
            Column(
                "change",
                MONEY,
                "to_value less from_value, in `unit`; NULL unless the kind is a revision",
                nullable=True,
                source="from_value and to_value",
            ),
            Column(
                "change_pct",
                pl.Float64,
                "the change in percent of from_value; NULL unless the kind is a revision and from_value is above zero",
                nullable=True,
                unit="percent",
                source="from_value and to_value",
            ),
            Column(
                "age_years",
                pl.Int32,
                "the year of the release that changed the figure, less the year of the figure",
                source="released_on and year",
            ),
            Column(
                "unit",
                pl.String,
                "the measure's unit, by its name in the catalogue: millions_usd",
                source="the catalogue's unit of the measure",
            ),
            Column("bea_table", pl.String, "the BEA table that the later figure is taken from", source="bea_table"),
        ),
    )


DIM_VINTAGE = Table(
    name="gold/dim_vintage",
    partition=None,
    in_postgres=True,
    grain="One row per dataset and extract that is kept in Bronze and was not dropped.",
    key=("dataset", "vintage_id"),
    columns=(
        Column("dataset", pl.String, "the dataset", source="Bronze"),
        Column(
            "vintage_id",
            pl.Int32,
            "extract date and number of that day, as yyyymmddnn: it sorts, and no import renumbers it",
            source="the extract date",
        ),
        Column(
            "extract", pl.String, "the extract's name, such as 2026-02-23, or 2026-02-23.2", source="the extract date"
        ),
        Column(
            "extract_date", pl.Date, "the day on which this was BEA's current publication", source="the extract date"
        ),
        Column(
            "released_on",
            pl.Date,
            "the newest release of its tables, or the day or month for which it is kept",
            source='"Last updated" of its tables',
        ),
        Column(
            "release_is",
            pl.String,
            "what released_on goes by: release (BEA says it), extract (the day of the extract), month (the last day "
            "of the month that was given)",
            source="the manifest",
        ),
        Column("ingested_at", INSTANT, "when (UTC) the pipeline took it", source="the manifest"),
        Column("origin", pl.String, "where it came from: api, bulk, file, sample, derived", source="the manifest"),
        Column(
            "basis", pl.String, f"whether anything of it counts: {', '.join(BASES)}", source="what counts in Bronze"
        ),
        Column("bea_tables", pl.String, "the BEA tables it holds, with blanks between them", source="the manifest"),
        Column(
            "provenance",
            pl.String,
            "of derived values, where they come from, in the words of whoever imported them",
            nullable=True,
            source="`pce extract --derived --why`",
        ),
    ),
)
"""The vintages: what `valid_from` and `valid_to` refer to."""

DIM_FIGURE = Table(
    name="gold/dim_figure",
    partition=None,
    in_postgres=True,
    grain="One row per dataset, measure and category: what a figure is, whatever its area and year.",
    key=("figure_id",),
    columns=(
        Column(
            "figure_id",
            pl.Int32,
            "a number of its own that never changes",
            source="31 bits of a hash of dataset, measure and category",
        ),
        Column("dataset", pl.String, "the dataset", source="the catalogue"),
        MEASURE,
        CATEGORY,
        Column(
            "unit",
            pl.String,
            "the measure's unit, by its name in the catalogue: millions_usd",
            source="the catalogue's unit of the measure",
        ),
    ),
)
"""The figures: what stands for measure and category where texts would be too long."""

LEAST_RELEASES = 5
"""How many releases a band needs: all states are revised together, so that one release is one event."""

BANDS = {"ok": "there are enough releases", "too_few_releases": f"fewer than {LEAST_RELEASES} releases: no band"}
"""What `band_is` may say, and what each means."""

_STATISTICS = "values of gold/<dataset>_vintages at the last release of each calendar year"

STATS_CODE_VERSION = "1"

REVISION_STATS = Table(
    name="gold/revision_stats",
    partition=None,
    in_postgres=True,
    grain="One row per dataset, measure, category, level, age, and whether a comprehensive update lies between: "
    "how far figures move from the last release of one calendar year to the last one of the next.",
    key=("dataset", "measure", "category_id", "geo_level", "age_years", "is_comprehensive"),
    hazard="A band of few releases is rough; figures that did not move are in it as 0.",
    columns=(
        Column("dataset", pl.String, "the dataset", source="the table's dataset"),
        MEASURE,
        CATEGORY,
        GEO_LEVEL,
        Column(
            "age_years",
            pl.Int32,
            "the year of the later release, less the year of the figure: 2 is the first year after the publication of "
            "what BEA publishes in the year after its own",
            source="released_on and year",
        ),
        Column(
            "is_comprehensive",
            pl.Boolean,
            "whether BEA released a comprehensive update after the earlier release, up to the later one",
            source="comprehensive_updates of the catalogue",
        ),
        Column(
            "n_releases",
            pl.Int32,
            "how many later releases there are, one of a calendar year each, after one of the year before",
            source=_STATISTICS,
        ),
        Column(
            "n_figures",
            pl.Int32,
            "how many figures were compared: those with a number above zero in the earlier release, and one of the "
            "same base year in the later one",
            source=_STATISTICS,
        ),
        Column(
            "mean_pct",
            pl.Float64,
            "mean change of the figures, unchanged ones as 0; so is a change of decimals only",
            unit="percent",
            source=_STATISTICS,
        ),
        Column(
            "mean_abs_pct",
            pl.Float64,
            "mean size of the change, whatever its direction",
            unit="percent",
            source=_STATISTICS,
        ),
        Column(
            "pct05",
            pl.Float64,
            "one figure in twenty moved by this or less, which may be further down; NULL where releases are too few",
            nullable=True,
            unit="percent",
            source=_STATISTICS,
        ),
        Column(
            "pct95",
            pl.Float64,
            "one figure in twenty moved by this or more, nine in ten lie between pct05 and pct95; NULL where releases "
            "are too few",
            nullable=True,
            unit="percent",
            source=_STATISTICS,
        ),
        Column(
            "abs_pct90",
            pl.Float64,
            "nine figures in ten moved by no more than this, up or down; NULL where releases are too few",
            nullable=True,
            unit="percent",
            source=_STATISTICS,
        ),
        Column(
            "band_is",
            pl.String,
            f"whether there is a band: {', '.join(BANDS)} (fewer than {LEAST_RELEASES} releases)",
            source="n_releases",
        ),
    ),
)
"""How far figures usually move within a year."""
