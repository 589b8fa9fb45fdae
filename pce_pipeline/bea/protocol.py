"""BEA's API answers as frames, and the one place that takes the key out of them.

Cells of the regional tables become observations, of national tables a frame of their own; line lists and parameter
lists become frames too. Answers are told apart by what the rows say (Code is "SAPCE1-1"), never by position or title.

Not verified with BEA: that "(L)" comes beside "0" in a note, as "(NA)" and "(D)" do (both ways are read); that a data
answer's Statistic is the line's text as in the line list (it is handed on, nothing depends on it).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import AnyStr

import polars as pl
from msgspec import UnsetType

from pce_pipeline.bea.answers import Body, CodeOnly, NationalRow, RegionalRow, Row, read_answer
from pce_pipeline.bea.errors import BeaContentError, BeaTransportError
from pce_pipeline.bea.observations import (
    LINE_SCHEMA,
    Observations,
    ReleaseNote,
    combined,
)
from pce_pipeline.bea.releases import newest_note
from pce_pipeline.bea.values import coded
from pce_pipeline.redaction import is_recognisable
from pce_pipeline.texts import clean_description, clean_text, each

REDACTED = "REDACTED"

NATIONAL_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "table_name": pl.String,
    "series_code": pl.String,
    "line_number": pl.Int32,
    "line_description": pl.String,
    "time_period": pl.String,
    "metric_name": pl.String,
    "unit": pl.String,
    "unit_multiplier": pl.Int32,
    "value_text": pl.String,
    "note_ref": pl.String,
}

_ROWS_AT_ONCE = 100_000  # structs are heavy, columns are not: about 50 MB in between
_FAR_BEYOND_THE_ECHO = 10_000  # bytes; the echo stands at the start of bodies that may be megabytes
_PREFIX = re.compile(r"^\[(\w+)\]")
_ECHOED_KEY = re.compile(
    rb'("ParameterName"\s*:\s*"USERID"\s*,\s*"ParameterValue"\s*:\s*")((?:[^"\\]|\\.)*)'
    rb'|("ParameterValue"\s*:\s*")((?:[^"\\]|\\.)*)(?="\s*,\s*"ParameterName"\s*:\s*"USERID")',
    re.IGNORECASE,
)


@dataclass(frozen=True)
class DataAnswer:
    """One regional GetData answer."""

    bea_table: str
    """BEA's table."""
    title: str
    """The table's name and title in one text."""
    line_codes: tuple[int, ...]
    """The lines it has rows of; none without rows."""
    statistic: str
    """BEA's text of the line."""
    unit: str
    """BEA's unit."""
    notes: tuple[tuple[str, str], ...]
    """The notes, as reference and text."""
    observations: Observations
    """The cells."""

    @property
    def release_note(self) -> ReleaseNote | None:
        return self.observations.notes.get(self.bea_table)


@dataclass(frozen=True)
class NationalAnswer:
    """One national (NIPA) GetData answer."""

    frame: pl.DataFrame
    """The cells: NATIONAL_SCHEMA."""
    release_note: ReleaseNote | None
    """The release note, where there is one."""


def decode_data(body: bytes, *, tolerate_unknown: bool = False) -> DataAnswer:
    """A regional GetData answer.

    Raises what `read_answer` raises, and `BeaContentError` for more than one table and an unreadable code or year.
    """
    answer = read_answer(body, RegionalRow, tolerate_unknown=tolerate_unknown)
    rows = _rows(answer)
    observations = combined([_observations([(answer, rows)])])
    tables = observations.frame["bea_table"].unique().to_list() or [_table_asked(answer)]
    if len(tables) > 1:
        raise BeaContentError(f"One answer holds several tables: {', '.join(sorted(tables))}.")
    return DataAnswer(
        bea_table=tables[0],
        title=answer.results.public_table,
        line_codes=tuple(observations.frame["line_code"].unique().sort()),
        statistic=answer.results.statistic,
        unit=answer.results.unit,
        notes=tuple((note.ref, note.text) for note in answer.results.notes),
        observations=observations,
    )


def decode_many(bodies: Iterable[bytes], *, tolerate_unknown: bool = False) -> Observations:
    """Many regional GetData answers as one; of several release notes on one table the newest holds.

    Errors as in `decode_data`. About 500,000 rows a second.
    """
    parts: list[Observations] = []
    waiting: list[tuple[Body[RegionalRow], list[RegionalRow]]] = []
    count = 0
    for body in bodies:
        answer = read_answer(body, RegionalRow, tolerate_unknown=tolerate_unknown)
        rows = _rows(answer)
        waiting.append((answer, rows))
        count += len(rows)
        if count >= _ROWS_AT_ONCE:
            parts.append(_observations(waiting))
            waiting, count = [], 0
    parts.append(_observations(waiting))
    return combined(parts)


def check_data(body: bytes, table: str, line: int) -> ReleaseNote | None:
    """Make sure that a body is a whole GetData answer about that line, and read its release note.

    Looks at nothing else, so that whatever else BEA may have changed is stored before it is judged. Raises as
    `read_answer` does, and `BeaContentError` where the rows are of another line.
    """
    answer = read_answer(body, CodeOnly, tolerate_unknown=True, table=table, line=line)
    expected = f"{table}-{line}"
    others = sorted({row.code for row in _rows(answer)} - {expected})
    if others:
        raise BeaContentError(f"BEA answered with {', '.join(others[:3])} instead.", table=table, line=line)
    return newest_note(note.text for note in answer.results.notes)


def decode_national(body: bytes, *, tolerate_unknown: bool = False) -> NationalAnswer:
    """A national (NIPA) GetData answer; errors as in `decode_data`."""
    answer = read_answer(body, NationalRow, tolerate_unknown=tolerate_unknown)
    rows = _rows(answer)
    frame = pl.DataFrame(
        {
            "table_name": [row.table_name for row in rows],
            "series_code": [row.series_code for row in rows],
            "line_number": [row.line_number for row in rows],
            "line_description": [row.line_description for row in rows],
            "time_period": [row.time_period for row in rows],
            "metric_name": [row.metric_name for row in rows],
            "unit": [row.unit for row in rows],
            "unit_multiplier": [row.unit_multiplier for row in rows],
            "value_text": [row.value for row in rows],
            "note_ref": [row.note_ref for row in rows],
        },
        schema=dict.fromkeys(NATIONAL_SCHEMA, pl.String),
    )
    typed = frame.with_columns(
        _integer("line_number"),
        _integer("unit_multiplier"),
        coded(pl.col("value_text"), pl.col("note_ref")).alias("value_text"),
    )
    _refuse_nulls(typed, frame, ("line_number", "unit_multiplier", "value_text"))
    return NationalAnswer(typed, newest_note(note.text for note in answer.results.notes))


def decode_lines(body: bytes, *, table: str | None = None, tolerate_unknown: bool = False) -> pl.DataFrame:
    """The lines of a table (LINE_SCHEMA, by line code) from a GetParameterValuesFiltered answer.

    A description keeps everything after "[TABLE] " but footnote marks; that may begin with the statistic's name, so
    callers test what it ends with. `table` stands in where neither the text nor BEA's echo names one. Raises as
    `read_answer` does, and `BeaContentError` for keys that are not numbers.
    """
    answer = read_answer(body, CodeOnly, tolerate_unknown=tolerate_unknown, table=table)
    values = answer.results.parameter_values
    if isinstance(values, UnsetType):
        raise BeaTransportError("BEA's answer has no list of lines and no error.", remedy="Try again.", table=table)
    asked = table or _table_asked(answer)
    odd = [value.key for value in values if not value.key.strip().isdecimal()]
    if odd:
        raise BeaContentError(f"BEA lists line codes that are not numbers: {', '.join(odd[:5])}.", table=asked)
    prefixes = (_PREFIX.match(value.description.strip()) for value in values)
    return pl.DataFrame(
        {
            "bea_table": [prefix[1] if prefix else asked for prefix in prefixes],
            "line_code": [int(value.key) for value in values],
            "description": [clean_description(value.description) for value in values],
        },
        schema=LINE_SCHEMA,
    ).sort("bea_table", "line_code")


def decode_parameters(body: bytes, *, tolerate_unknown: bool = False) -> pl.DataFrame:
    """The parameters of a dataset: name, data_type, description, required, multiple, default (NULL without one)."""
    answer = read_answer(body, CodeOnly, tolerate_unknown=tolerate_unknown)
    parameters = answer.results.parameters
    if isinstance(parameters, UnsetType):
        raise BeaTransportError("BEA's answer has no list of parameters and no error.", remedy="Try again.")
    return pl.DataFrame(
        {
            "name": [parameter.name for parameter in parameters],
            "data_type": [parameter.data_type for parameter in parameters],
            "description": [parameter.description for parameter in parameters],
            "required": [parameter.required == "1" for parameter in parameters],
            "multiple": [parameter.multiple == "1" for parameter in parameters],
            "default": [parameter.default for parameter in parameters],
        },
        schema={
            "name": pl.String,
            "data_type": pl.String,
            "description": pl.String,
            "required": pl.Boolean,
            "multiple": pl.Boolean,
            "default": pl.String,
        },
    )


def redact(body: bytes) -> bytes:
    """The body without the user id that BEA repeats in it; nothing else changes, whole JSON or not."""
    end = body.upper().rfind(b"USERID") + _FAR_BEYOND_THE_ECHO
    return _ECHOED_KEY.sub(lambda found: (found[1] or found[3]) + REDACTED.encode(), body[:end]) + body[end:]


def redact_key(text: AnyStr, key: str) -> AnyStr:
    """The text (or bytes) without the key itself, in any case, wherever it stands.

    One too short for a key of BEA may be part of a figure or a word, and goes only where a URL names it.
    """
    if not key:
        return text
    pattern = re.escape(key) if is_recognisable(key) else rf"(?<=UserID=){re.escape(key)}"
    if isinstance(text, bytes):
        return re.sub(pattern.encode(), REDACTED.encode(), text, flags=re.IGNORECASE)
    return re.sub(pattern, REDACTED, text, flags=re.IGNORECASE)


def _rows(answer: Body[Row]) -> list[Row]:
    rows = answer.results.data
    if isinstance(rows, UnsetType):
        table = answer.echoed("TableName")
        raise BeaTransportError("BEA's answer has no data and no error.", remedy="Try again.", table=table)
    return rows


def _table_asked(answer: Body[Row]) -> str:
    """The table an answer without rows is about: from its title, else from the request it repeats."""
    return answer.results.public_table.partition(" ")[0] or answer.echoed("TableName") or ""


def _observations(answers: Sequence[tuple[Body[RegionalRow], list[RegionalRow]]]) -> Observations:
    rows = [row for _, some in answers for row in some]
    raw = pl.DataFrame(
        {
            "code": [row.code for row in rows],
            "geo_fips": [row.geo_fips for row in rows],
            "year": [row.time_period for row in rows],
            "value_text": [row.value for row in rows],
            "unit": [row.unit for row in rows],
            "unit_multiplier": [row.unit_multiplier for row in rows],
            "note_ref": [row.note_ref for row in rows],
        },
        schema=dict.fromkeys(
            ("code", "geo_fips", "year", "value_text", "unit", "unit_multiplier", "note_ref"), pl.String
        ),
    )
    codes = _codes(raw["code"].unique())
    value, note = pl.col("value_text"), pl.col("note_ref")
    has_notes = bool((raw["note_ref"] != "").any())
    frame = raw.join(codes, on="code", how="left", maintain_order="left").select(
        pl.col("bea_table"),
        pl.col("line_code"),
        pl.col("geo_fips").str.strip_chars(),
        _integer("year"),
        (coded(value, note) if has_notes else value.str.strip_chars()).alias("value_text"),
        each(raw["unit"], clean_text),
        _integer("unit_multiplier"),
    )
    _refuse_nulls(frame, raw, ("year", "unit_multiplier"))
    return Observations(frame=frame, lines=_lines(answers, codes), notes=_notes(answers))


def _codes(codes: pl.Series) -> pl.DataFrame:
    """Table and line of each distinct Code."""
    parts = codes.to_frame("code").with_columns(
        pl.col("code").str.extract(r"^(\w+)-[0-9]+$", 1).alias("bea_table"),
        pl.col("code").str.extract(r"^\w+-([0-9]+)$", 1).cast(pl.Int32, strict=False).alias("line_code"),
    )
    odd = parts.filter(pl.col("line_code").is_null())["code"].to_list()
    if odd:
        raise BeaContentError(f"A row's Code is not a table and line: {', '.join(map(repr, odd[:3]))}.")
    return parts


def _lines(answers: Sequence[tuple[Body[RegionalRow], list[RegionalRow]]], codes: pl.DataFrame) -> pl.DataFrame:
    """The lines' texts: each row's own where it has one, else the answer's statistic if it holds one line."""
    described: dict[str, str] = {}
    for answer, rows in answers:
        if not rows:
            continue
        if rows[0].description:
            described.update({row.code: row.description for row in rows})
        elif rows[0].code not in described and len({row.code for row in rows}) == 1:
            described[rows[0].code] = answer.results.statistic
    texts = pl.DataFrame(
        {"code": list(described), "description": [clean_description(text) for text in described.values()]},
        schema={"code": pl.String, "description": pl.String},
    )
    return texts.join(codes, on="code", how="left", maintain_order="left").select(list(LINE_SCHEMA))


def _notes(answers: Sequence[tuple[Body[RegionalRow], list[RegionalRow]]]) -> dict[str, ReleaseNote]:
    notes: dict[str, ReleaseNote] = {}
    for answer, rows in answers:
        table = rows[0].code.partition("-")[0] if rows else _table_asked(answer)
        note = newest_note(note.text for note in answer.results.notes)
        if note is not None and (table not in notes or note.last_updated > notes[table].last_updated):
            notes[table] = note
    return notes


def _integer(name: str) -> pl.Expr:
    return pl.col(name).str.strip_chars().cast(pl.Int32, strict=False).alias(name)


def _refuse_nulls(read: pl.DataFrame, raw: pl.DataFrame, names: Sequence[str]) -> None:
    """Every text gave a value; else `BeaContentError` shows the first row that did not."""
    for name in names:
        if read[name].null_count():
            row = raw.row(read[name].is_null().arg_max() or 0, named=True)
            cell = ", ".join(f"{field}={text!r}" for field, text in row.items())
            raise BeaContentError(f"A row's {name} cannot be read: {cell}.")
