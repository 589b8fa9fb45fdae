"""BEA's answers about national tables by month: what a request asks for, and the bytes it gets.

Whole tables only, as BEA's: it has no parameter for a line. Key order, all-string values and notes are as recorded from
BEA's own API; where its answer has not been seen, the comment says that it is a guess.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import polars as pl

from pce_pipeline.emulator.faults import FaultKind
from pce_pipeline.emulator.national import NationalPublication, NationalTable
from pce_pipeline.emulator.query import Parameters, Refusal, invalid
from pce_pipeline.emulator.render import NOT_BEA, compact, envelope, production_time

_FREQUENCIES = frozenset("AQM")
_DIMENSIONS = (
    ("TableName", "string"),
    ("SeriesCode", "string"),
    ("LineNumber", "numeric"),
    ("LineDescription", "string"),
    ("TimePeriod", "string"),
    ("CL_UNIT", "string"),
    ("UNIT_MULT", "numeric"),
    ("METRIC_NAME", "string"),
    ("DataValue", "numeric"),
)
_FOOD = (
    "4. Food consists of food and beverages purchased for off-premises consumption; food services, which include "
    "purchased meals and beverages, are not classified as food."
)
_PARAMETERS = (
    ("Frequency", "string", "A - Annual, Q-Quarterly, M-Monthly", "1", "1"),
    ("ShowMillions", "string", "A flag indicating that million-dollar data should be returned.", "0", "0"),
    ("TableName", "string", "The new NIPA table identifier", "0", "0"),
    ("Year", "string", "List of year(s) of data to retrieve (X for All)", "1", "1"),
)


@dataclass(frozen=True)
class NationalQuery:
    """A request for a national table."""

    table: str
    """The table."""
    years: frozenset[int] | None
    """The years; None for all."""


def read_national_query(
    parameters: Parameters, publication: NationalPublication, *, year_is_error: bool
) -> NationalQuery:
    """Raises `Refusal` for whatever BEA refuses."""
    table = parameters.required("TABLENAME")
    if table not in publication.tables:
        raise invalid("TableName")
    asked = {each.strip() for each in parameters.required("FREQUENCY").split(",")}
    if not asked <= _FREQUENCIES:
        raise invalid("Frequency")
    # These tables have months only; that BEA answers with this error where others are asked for is a guess.
    if "M" not in asked:
        raise Refusal("101")
    text = parameters.required("YEAR")
    if text in {"ALL", "X"}:
        return NationalQuery(table, None)
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise invalid("Year")
    years = frozenset(map(int, parts))
    if year_is_error and not years <= set(publication.tables[table].cells["year"]):
        raise invalid("Year")
    return NationalQuery(table, years)


def national_answer(
    parameters: Parameters, query: NationalQuery, publication: NationalPublication, kinds: AbstractSet[FaultKind]
) -> str:
    """The answer to a request for a national table; raises `Refusal` where it has no month of the years asked for."""
    table = publication.tables[query.table]
    cells = table.cells if query.years is None else table.cells.filter(pl.col("year").is_in(list(query.years)))
    # With which error BEA answers here is a guess.
    if cells.is_empty():
        raise Refusal("101")
    rows = _rows(cells, table, query.table, unknown_field=FaultKind.UNKNOWN_FIELD in kinds)
    head = {
        "Statistic": "NIPA Table",
        "UTCProductionTime": production_time(),
        "Dimensions": [
            {"Ordinal": str(ordinal), "Name": name, "DataType": kind, "IsValue": str(int(name == "DataValue"))}
            for ordinal, (name, kind) in enumerate(_DIMENSIONS, start=1)
        ],
    }
    shown = "" if FaultKind.NO_DATA in kinds else f'"Data":[{rows.str.join(",").item()}],'
    notes = _notes(publication, table, query.table)
    results = f'{compact(head)[:-1]},{shown}"Notes":{compact(notes)}}}'
    return envelope(parameters, f"[{results}]" if FaultKind.RESULTS_AS_LIST in kinds else results)


def _rows(cells: pl.DataFrame, table: NationalTable, name: str, *, unknown_field: bool) -> pl.Series:
    starts = [
        f'{{"TableName":"{name}","SeriesCode":"{series}","LineNumber":"{line}",'
        f'"LineDescription":{compact(description)},"TimePeriod":"'
        for line, series, description in table.lines.select("line_code", "series_code", "description").iter_rows()
    ]
    form = table.form
    of_lines = table.lines.select("line_code", pl.Series("start", starts, dtype=pl.String))
    row = pl.concat_str(
        "start",
        "year",
        pl.lit("M"),
        pl.col("month").cast(pl.String).str.pad_start(2, "0"),
        pl.lit(f'","METRIC_NAME":"{form.metric}","CL_UNIT":"Level","UNIT_MULT":"{form.multiplier}","DataValue":"'),
        "value_text",
        pl.lit(f'","NoteRef":"{name}"{_UNKNOWN if unknown_field else ""}}}'),
    )
    return cells.join(of_lines, on="line_code", maintain_order="left").select(row.alias("row"))["row"]


_UNKNOWN = ',"Reliability":"A"'


def _notes(publication: NationalPublication, table: NationalTable, name: str) -> list[dict[str, str]]:
    form = table.form
    revised = f"LastRevised: {publication.vintage.updated_text}"
    return [
        {"NoteRef": name, "NoteText": f"Table {table.number}. {table.title} [{form.unit}] - {revised}"},
        {"NoteRef": f"{name}.4", "NoteText": _FOOD},
        {"NoteRef": "Note.", "NoteText": NOT_BEA.strip()},
    ]


def national_parameter_entries() -> list[dict[str, str]]:
    """What GetParameterList lists of national tables."""
    return [
        {
            "ParameterName": name,
            "ParameterDataType": kind,
            "ParameterDescription": description,
            "ParameterIsRequiredFlag": required,
            "MultipleAcceptedFlag": multiple,
        }
        for name, kind, description, required, multiple in _PARAMETERS
    ]


def national_table_entries(publication: NationalPublication) -> list[dict[str, Any]]:
    """What GetParameterValues lists for TableName; that BEA's keys are these is a guess."""
    return [
        {"TableName": name, "Description": f"Table {table.number}. {table.title} (M)"}
        for name, table in sorted(publication.tables.items())
    ]
