"""BEA's national tables by month, as its API answers and as its keyless files of all series have them.

Both are rendered from one publication, so that they cannot disagree. The files hold more than anybody here wants, as
BEA's own do: series of other tables, and lines of the register without months.
"""

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, time
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.months import ADDENDA, CHAINED, DOLLARS, PRICES
from pce_pipeline.emulator.publication import Publication, publish
from pce_pipeline.emulator.query import NationalQuery, Parameters
from pce_pipeline.emulator.render import NOT_BEA, compact, envelope

REGISTER, VALUES = "SeriesRegister.txt", "NipaDataM.txt"
FILES = (REGISTER, VALUES)
"""BEA's names of the list of all series, and of the file of those that have months."""

_NEWLINE = "\r\n"
_STEMS = {
    **dict(
        enumerate(
            (
                *("DPCE", "DGDS", "DDUR", "DMOT", "DFDH", "DREQ", "DODG", "DNDG", "DFXA", "DCLO", "DGOE", "DONG"),
                *("DSER", "DHCE", "DHUT", "DHLC", "DTRS", "DRCA", "DFSA", "DIFS", "DOTS", "DNPI", "DNPE", "DNPS"),
            ),
            start=1,
        )
    ),
    **{each.line: each.stem for each in ADDENDA},
}
_ENDS = {DOLLARS: "RC", PRICES: "RG", CHAINED: "RX"}
_UNITS = {
    PRICES: "Index numbers, 2017=100; seasonally adjusted",
    DOLLARS: "Billions of dollars; seasonally adjusted at annual rates",
    CHAINED: "Billions of chained (2017) dollars; seasonally adjusted at annual rates",
}
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
_OTHERS = (
    ("A065RC", "Personal income", "Current Dollars", -6, "T20600:1"),
    ("A067RC", "Disposable personal income", "Current Dollars", -6, "T20600:27"),
    ("A072RC", "Personal saving as a percentage of disposable personal income", "Percent", 0, "T20600:35"),
    ("B230RC", "Population (midperiod, thousands)", "Quantity", -3, "T20600:40"),
)
_WITHOUT_MONTHS = (("A191RC", "Gross domestic product", "Current Dollars", -6, "T10105:1"),)
_REGISTER_HEADER = "%SeriesCode,SeriesLabel,MetricName,CalculationType,DefaultScale,TableId:LineNo,SeriesCodeParents"
_VALUES_HEADER = "%SeriesCode,Period,Value"


def data_answer(
    parameters: Parameters, query: NationalQuery, publication: Publication, kinds: AbstractSet[FaultKind]
) -> str:
    """The answer to a request for months: every line of the table."""
    published = publication.tables[query.table]
    cells = publication.cells[query.table].frame.filter(pl.col("year").is_in(query.years))
    rows = _rows(cells, publication, query.table, unknown_field=FaultKind.UNKNOWN_FIELD in kinds)
    head = {
        "Statistic": "NIPA Table",
        "UTCProductionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3],
        "Dimensions": [
            {"Ordinal": str(nth), "Name": name, "DataType": kind, "IsValue": str(int(name == "DataValue"))}
            for nth, (name, kind) in enumerate(_DIMENSIONS, start=1)
        ],
    }
    (measure,) = {publication.measure(query.table, line).name for line in publication.line_texts[query.table]}
    title = f"Table 2.8.{query.table[5:6]}. {published.title} [{_UNITS[measure]}] - {published.note}"
    notes: Any = [
        {"NoteRef": query.table, "NoteText": title},
        {"NoteRef": f"{query.table}.1", "NoteText": NOT_BEA.strip()},
    ]
    shown = "" if FaultKind.NO_DATA in kinds else f'"Data":[{",".join(rows)}],'
    results = f'{compact(head)[:-1]},{shown}"Notes":{compact(notes)}}}'
    return envelope(parameters, f"[{results}]" if FaultKind.RESULTS_AS_LIST in kinds else results)


def _rows(cells: pl.DataFrame, publication: Publication, table: str, *, unknown_field: bool) -> list[str]:
    texts = publication.line_texts[table]
    lines = pl.DataFrame(
        [
            (
                line,
                (
                    f'{{"TableName":"{table}","SeriesCode":"{_code(publication, table, line)}","LineNumber":"{line}",'
                    f'"LineDescription":{compact(text)},"TimePeriod":"'
                ),
                f'","METRIC_NAME":{compact(unit)},"CL_UNIT":"Level","UNIT_MULT":"{multiplier}","DataValue":"',
            )
            for line, (text, unit, multiplier) in texts.items()
        ],
        schema={"line_code": pl.Int32, "before": pl.String, "between": pl.String},
        orient="row",
    )
    more = ',"Reliability":"A"' if unknown_field else ""
    row = pl.concat_str("before", _period(), "between", "value_text", pl.lit(f'","NoteRef":"{table}"{more}}}'))
    return cells.join(lines, on="line_code", maintain_order="left").select(row=row)["row"].to_list()


def _period() -> pl.Expr:
    return pl.concat_str("year", pl.lit("M"), pl.col("month").cast(pl.String).str.zfill(2))


def _code(publication: Publication, table: str, line: int) -> str:
    """The code of a line's series; of a line that BEA never had, one of its own."""
    return f"{_STEMS.get(line, f'DX{line:02}')}{_ENDS[publication.measure(table, line).name]}"


def written(publication: Publication) -> str:
    """When the files of a release were written, as a header says it."""
    return format_datetime(datetime.combine(publication.vintage.last_updated, time(12, 30), UTC), usegmt=True)


@lru_cache(maxsize=4)
def series(name: str, release: int, faults: frozenset[Fault] = frozenset(), catalog: Path | None = None) -> bytes:
    """One of the FILES of a release under the given faults of publication; the last few are kept."""
    publication = publish(release, faults, catalog)
    made = _register(publication) if name == REGISTER else _values(publication)
    return (_NEWLINE.join(made) + _NEWLINE).encode("ascii")


def _register(publication: Publication) -> list[str]:
    rows = [*_OTHERS, *_WITHOUT_MONTHS]
    for table in sorted(table for table in publication.tables if publication.is_national(table)):
        for line, (text, unit, multiplier) in publication.line_texts[table].items():
            places = f"{table}:{line}|U2{table[2:]}:{line}"
            rows.append((_code(publication, table, line), text, unit, -multiplier, places))
    listed = [f'{code},"{text}","{unit}","Level",{scale},{places},NONE' for code, text, unit, scale, places in rows]
    return [_REGISTER_HEADER, *sorted(listed)]


def _values(publication: Publication) -> list[str]:
    parts = []
    for table in (table for table in publication.tables if publication.is_national(table)):
        codes = {line: _code(publication, table, line) for line in publication.line_texts[table]}
        cells = publication.cells[table].frame
        code = pl.col("line_code").replace_strict(codes, default=None, return_dtype=pl.String)
        parts.append(cells.select(code=code, period=_period(), value_text="value_text").drop_nulls("code"))
    own = pl.concat(parts)
    total = own.filter(code="DPCERC")
    others = [total.with_columns(code=pl.lit(code)) for code, *_ in _OTHERS]
    rows = pl.concat([own, *others]).sort("code", "period")
    line = pl.concat_str("code", pl.lit(","), "period", pl.lit(',"'), "value_text", pl.lit('"'))
    return [_VALUES_HEADER, *rows.select(line=line)["line"]]
