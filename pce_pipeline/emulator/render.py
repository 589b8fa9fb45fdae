"""BEA's answers as bytes: key order, all-string values, codes and notes as recorded from BEA's own API.

Rows are rendered by whole columns: a table of half a million cells is some 77 MB of JSON.
"""

import json
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any

import polars as pl

from pce_pipeline.catalog.dataset import Measure
from pce_pipeline.emulator.faults import FaultKind
from pce_pipeline.emulator.publication import Publication
from pce_pipeline.emulator.query import DataQuery, Parameters, Refusal

NOT_BEA = "Invented figures of a look-alike, for trial and tests: not statistics of the Bureau of Economic Analysis. "
_UNIT_NOTES = {
    "usd": "Per capita estimates are in current dollars and are computed from unrounded data.",
    "millions_usd": "All estimates are in millions of current dollars (not adjusted for inflation).",
}
CODE_NOTES = {
    "(D)": "Not shown to avoid disclosure of confidential information; estimates are included in higher-level totals.",
    "(L)": "Less than $50,000.",
    "(NA)": "Not available.",
}
_DIMENSIONS = (
    ("Code", "string", "0"),
    ("GeoFips", "string", "0"),
    ("GeoName", "string", "0"),
    ("TimePeriod", "string", "0"),
    ("DataValue", "numeric", "1"),
    ("CL_UNIT", "string", "0"),
    ("UNIT_MULT", "numeric", "0"),
)
_PARAMETERS = (
    ("GeoFips", "string", "COUNTY, STATE, MSA, MIC, PORT, DIV, CSA, a postal code or a list of codes", "1", None, "1"),
    ("LineCode", "integer", "Line code for a statistic or industry", "1", None, "0"),
    ("TableName", "string", "Regional income or product table to retrieve", "1", "", "0"),
    (
        "Year",
        "string",
        "Comma-delimted list of years; LAST5 for latest 5 years; LAST10 for latest 10 years; ALL for all years",
        "0",
        "LAST5",
        "1",
    ),
)


def compact(value: Any) -> str:  # noqa: ANN401 (any JSON)
    """JSON without blanks, as BEA writes it."""
    return json.dumps(value, separators=(",", ":"))


def production_time() -> str:
    """Now, as BEA writes it in answers."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def envelope(parameters: Parameters, results: str, *, key: str = "Results") -> str:
    """An answer around its results, which are JSON."""
    request = compact({"RequestParam": parameters.echo})
    return f'{{"BEAAPI":{{"Request":{request},"{key}":{results}}}}}'


def error_answer(parameters: Parameters, refusal: Refusal, kinds: AbstractSet[FaultKind]) -> str:
    """The error as BEA words it, at the place and in the shape that the faults ask for."""
    body = [refusal.body] if FaultKind.ERROR_AS_LIST in kinds else refusal.body
    if FaultKind.ERROR_AT_TOP in kinds:
        return envelope(parameters, compact(body), key="Error")
    return envelope(parameters, compact({"Error": body}))


def list_answer(parameters: Parameters, name: str, entries: list[dict[str, str]], kinds: AbstractSet[FaultKind]) -> str:
    """A metadata answer whose Results hold one list."""
    single = FaultKind.SINGLE_AS_DICT in kinds and len(entries) == 1
    return envelope(parameters, _in_results({name: entries[0] if single else entries}, kinds))


def _in_results(results: dict[str, Any], kinds: AbstractSet[FaultKind]) -> str:
    return compact([results] if FaultKind.RESULTS_AS_LIST in kinds else results)


def dataset_entries() -> list[dict[str, str]]:
    """What GetDataSetList lists."""
    return [
        {"DatasetName": "NIPA", "DatasetDescription": "Standard NIPA tables"},
        {"DatasetName": "Regional", "DatasetDescription": "Regional data sets"},
    ]


def parameter_entries() -> list[dict[str, str]]:
    """What GetParameterList lists; a parameter without default has no such key."""
    entries = []
    for name, kind, description, required, default, multiple in _PARAMETERS:
        entry = {
            "ParameterName": name,
            "ParameterDataType": kind,
            "ParameterDescription": description,
            "ParameterIsRequiredFlag": required,
        }
        if default is not None:
            entry["ParameterDefaultValue"] = default
        entries.append({**entry, "MultipleAcceptedFlag": multiple})
    return entries


def unit_note(measure: Measure) -> str:
    """What BEA says of the unit of a table's figures."""
    return NOT_BEA + _UNIT_NOTES.get(measure.unit, f"Estimates are in {measure.unit_title}.")


def table_entries(publication: Publication) -> list[dict[str, str]]:
    """What GetParameterValues lists for TableName."""
    return [{"Key": table, "Desc": published.title} for table, published in sorted(publication.tables.items())]


def line_entries(publication: Publication, table: str) -> list[dict[str, str]]:
    """The lines of a table as BEA lists them: sorted as text (1, 10, 11, 2)."""
    return [
        {"Key": str(line), "Desc": f"[{table}] {publication.statistic(table, line)}"}
        for line in sorted(publication.line_texts[table], key=str)
    ]


def data_answer(
    parameters: Parameters, query: DataQuery, publication: Publication, kinds: AbstractSet[FaultKind]
) -> str:
    """The answer to a request for data."""
    rows: list[str] = []
    codes: set[str] = set()
    for line in query.lines:
        cells = publication.cells_of(query.table, line).filter(_asked(query))
        rows += _rows(cells, publication, query, line, unknown_field=FaultKind.UNKNOWN_FIELD in kinds)
        coded = cells["value_text"].filter(cells["value_text"].str.starts_with("("))
        codes.update(coded)
    last = query.lines[-1]
    # What BEA writes here for LineCode=ALL has not been seen.
    statistic = "All statistics in table" if query.all_lines else publication.statistic(query.table, last)
    head = {
        "Statistic": statistic,
        "UnitOfMeasure": publication.line_texts[query.table][last][1],
        "PublicTable": f"{query.table} {publication.tables[query.table].title}",
        "UTCProductionTime": production_time(),
        "NoteRef": " ",
        "Dimensions": _dimensions(with_description=query.all_lines),
    }
    notes: Any = _notes(publication, query.table, publication.measure(query.table, last), codes)
    if FaultKind.SINGLE_AS_DICT in kinds and len(notes) == 1:
        notes = notes[0]
    data = rows[0] if FaultKind.SINGLE_AS_DICT in kinds and len(rows) == 1 else f"[{','.join(rows)}]"
    shown = "" if FaultKind.NO_DATA in kinds else f'"Data":{data},'
    results = f'{compact(head)[:-1]},{shown}"Notes":{compact(notes)}}}'
    if FaultKind.RESULTS_AS_LIST in kinds:
        results = f"[{results}]"
    return envelope(parameters, results)


def _asked(query: DataQuery) -> pl.Expr:
    asked = pl.col("year").is_in(query.years)
    return asked if query.areas is None else asked & pl.col("geo_fips").is_in(list(query.areas))


def _rows(
    cells: pl.DataFrame, publication: Publication, query: DataQuery, line: int, *, unknown_field: bool
) -> list[str]:
    description, unit, multiplier = publication.line_texts[query.table][line]
    described = f',"Description":{compact(description)}' if query.all_lines else ""
    value = pl.col("value_text")
    row = pl.concat_str(
        pl.lit(f'{{"Code":"{query.table}-{line}","GeoFips":"'),
        pl.col("geo_fips"),
        pl.lit('","GeoName":'),
        pl.col("geo_json"),
        pl.lit(',"TimePeriod":"'),
        pl.col("year"),
        pl.lit(f'"{described},"CL_UNIT":{compact(unit)},"UNIT_MULT":"{multiplier}","DataValue":"'),
        # BEA sends a coded cell as a zero with a note.
        pl.when(value.str.starts_with("(")).then(pl.concat_str(pl.lit('0","NoteRef":"'), value)).otherwise(value),
        pl.lit('","Reliability":"A"}' if unknown_field else '"}'),
    )
    return cells.select(row.alias("row"))["row"].to_list()


def _dimensions(*, with_description: bool) -> list[dict[str, str]]:
    named = list(_DIMENSIONS)
    if with_description:
        named.insert(4, ("Description", "string", "0"))
    return [{"Name": name, "DataType": kind, "IsValue": is_value} for name, kind, is_value in named]


def _notes(publication: Publication, table: str, measure: Measure, codes: set[str]) -> list[dict[str, str]]:
    return [
        {"NoteRef": "Note.", "NoteText": unit_note(measure)},
        *({"NoteRef": code, "NoteText": CODE_NOTES[code]} for code in sorted(codes)),
        {"NoteRef": " ", "NoteText": publication.tables[table].note},
    ]
