"""National (NIPA) tables by month: answers of BEA's API, and the keyless files of all series.

Both decode to the same observations, whose unit is the metric that BEA names and whose area is the nation. A row of an
answer says table, line and text. The file of series says a code only, and the register beside it which line of which
tables that code is: `NipaDataM.txt` has some 2,700 series, so only those of the tables wanted are kept, line by line as
BEA wrote them, below the lines of the register that name them. That is what is stored, and what `read_series` reads.

Not verified with BEA: that the label of a series in the register is the text of its line in every table that has it.
"""

import csv
import hashlib
import io
from collections.abc import Collection, Iterable, Sequence

import polars as pl

from pce_pipeline.bea.bulk import member, members_of
from pce_pipeline.bea.errors import BeaContentError, BeaFileRefused
from pce_pipeline.bea.observations import LINE_SCHEMA, MONTHLY_SCHEMA, Observations, ReleaseNote, combined
from pce_pipeline.bea.protocol import decode_national
from pce_pipeline.texts import clean_description, each

NATION = "00000"
"""The area that all national figures are of."""

REGISTER = "SeriesRegister.txt"
"""BEA's name of the list of all series."""

VALUES = "NipaDataM.txt"
"""BEA's name of the file of the values of all monthly series."""

_MARK = b"%SeriesCode,"
_DATA_HEADER = b"%SeriesCode,Period,Value"
_PERIOD = r"^([12][0-9]{3})M(0[1-9]|1[0-2])$"
_LINES_OF = "TableId:LineNo"
_REGISTERED = ("%SeriesCode", "SeriesLabel", "MetricName", "CalculationType", "DefaultScale", _LINES_OF)
_LEVEL = "Level"
_SHOWN = 3


def decode_months(bodies: Iterable[bytes], *, tolerate_unknown: bool = False) -> Observations:
    """Monthly GetData answers as one; of several release notes on one table the newest holds.

    Raises what `decode_national` raises, and `BeaContentError` for rows of another frequency.
    """
    parts = []
    for body in bodies:
        answer = decode_national(body, tolerate_unknown=tolerate_unknown)
        frame = answer.frame.with_columns(bea_table=pl.col("table_name").str.strip_chars(), line_code="line_number")
        lines = frame.select(
            "bea_table", "line_code", description=each(frame["line_description"], clean_description)
        ).unique(maintain_order=True)
        tables = frame["bea_table"].unique(maintain_order=True)
        notes = {} if answer.release_note is None else dict.fromkeys(tables, answer.release_note)
        parts.append(Observations(_months(frame, "metric_name", "unit"), lines, notes))
    return combined(parts, "month")


def check_months(body: bytes, table: str) -> ReleaseNote | None:
    """Make sure that a body is a whole GetData answer about that table by month, and read its release note.

    Raises as `decode_national` does, and `BeaContentError` where rows are of another table or are not of months.
    """
    answer = decode_national(body, tolerate_unknown=True)
    others = sorted(set(answer.frame["table_name"].str.strip_chars()) - {table})
    if others:
        raise BeaContentError(f"BEA answered with {', '.join(others[:_SHOWN])} instead.", table=table)
    _refuse_other_periods(answer.frame["time_period"], table)
    return answer.release_note


def is_series(content: bytes) -> bool:
    """Whether a text is BEA's register of series, its file of their values, or both."""
    return content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_MARK)


def is_register(content: bytes) -> bool:
    """Whether it has a register; without one the codes of a file of values say nothing."""
    return is_series(content) and not _is_data_header(content.removeprefix(b"\xef\xbb\xbf").lstrip())


def has_values(content: bytes) -> bool:
    """Whether it has values of series."""
    return any(_is_data_header(line) for line in io.BytesIO(content.removeprefix(b"\xef\xbb\xbf")))


class SeriesOf:
    r"""Keeps of BEA's file of values, which comes in pieces, the lines of the series that some tables have.

    `body` is the document to store: the register's lines of these series, then theirs. `size` and `sha256` are of the
    whole file as it came, `unnamed` are tables of which the register has no line. Raises `BeaContentError` for a
    register without any of the tables.

    >>> of = SeriesOf(
    ...     b'%SeriesCode,SeriesLabel,MetricName,CalculationType,DefaultScale,TableId:LineNo\r\n'
    ...     b'DPCERC,"PCE","Current Dollars","Level",-6,T20805:1|U20405:1\r\n', ["T20805"])
    >>> of.write(b'%SeriesCode,Period,Value\r\nDPCE')
    >>> of.write(b'RC,2026M07,"22,250,420"\r\nDDURRC,2026M07,"1"\r\n')
    >>> of.body.decode().splitlines()[2:]
    ['%SeriesCode,Period,Value', 'DPCERC,2026M07,"22,250,420"']
    """

    def __init__(self, register: bytes, tables: Collection[str]) -> None:
        wanted = set(tables)
        header, *rows = register.removeprefix(b"\xef\xbb\xbf").lstrip().splitlines() or [b""]
        names = _fields(header)
        if missing := [name for name in _REGISTERED if name not in names]:
            raise BeaContentError(f"BEA's register of series has no column {', '.join(missing)}.")
        if rows and len(_fields(rows[-1])) != len(names):
            raise BeaContentError(
                "BEA's register of series is cut off: its last line is none.", remedy="Download it again."
            )
        at = names.index(_LINES_OF)
        kept = [row for row in rows if not wanted.isdisjoint(_tables_in(_field(row, at)))]
        if not kept:
            raise BeaContentError(f"BEA's register of series names no line of {', '.join(sorted(wanted))}.")
        self.unnamed = sorted(wanted - {table for row in kept for table in _tables_in(_field(row, at))})
        self._codes = {self._code(row) for row in kept}
        self._kept: list[bytes] = [header, *kept, _DATA_HEADER]
        self._rest = b""
        self._seen: set[bytes] = set()
        self._has_header = False
        self._sha256 = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Take the next piece of the file."""
        self.size += len(piece)
        self._sha256.update(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self._take(lines)

    @property
    def sha256(self) -> str:
        """The hash of the whole file."""
        return self._sha256.hexdigest()

    @property
    def lacking(self) -> list[str]:
        """The series of the tables that the file has nothing of, ascending: all of them have months."""
        return sorted(code.decode(errors="replace") for code in self._codes - self._seen)

    @property
    def body(self) -> bytes:
        """The document of what was kept; raises `BeaContentError` for what was no file of values, or is cut off."""
        if not self._has_header:
            raise BeaContentError("This is something else than BEA's file of monthly series.")
        if self._code(self._rest) in self._codes:
            raise BeaContentError(
                f"BEA's file of series is cut off: its last line has no end ({self._rest.decode(errors='replace')}).",
                remedy="Download it again.",
            )
        return b"".join(line.rstrip(b"\r") + b"\r\n" for line in self._kept)

    def _take(self, lines: Sequence[bytes]) -> None:
        if not self._has_header and lines and lines[0]:
            self._has_header = _is_data_header(lines[0].removeprefix(b"\xef\xbb\xbf"))
        codes, code = self._codes, self._code
        for line in lines:
            if (found := code(line)) in codes:
                self._kept.append(line)
                self._seen.add(found)

    @staticmethod
    def _code(line: bytes) -> bytes:
        return line.partition(b",")[0].strip(b'" ')


def series_document(register: bytes, values: bytes, tables: Collection[str]) -> bytes:
    """The document to store, of a register and a file of values that somebody has; errors as in `SeriesOf`."""
    kept = SeriesOf(register, tables)
    kept.write(values)
    return kept.body


def series_in_archive(content: bytes, tables: Collection[str]) -> bytes | None:
    """The document to store of a zip that has both files; None for one that has not. Errors as in `SeriesOf`."""
    found = {name.rpartition("/")[2].casefold(): name for name in members_of(content)}
    if not {REGISTER.casefold(), VALUES.casefold()} <= found.keys():
        return None
    register, values = (member(content, found[name.casefold()]) for name in (REGISTER, VALUES))
    return series_document(register, values, tables)


def read_series(document: bytes, tables: Collection[str] | None = None) -> Observations:
    """The observations of a stored document, of some tables or of all that its register names.

    Raises `BeaFileRefused` for one without a register or without values, and `BeaContentError` for lines that cannot be
    read.
    """
    register, values = _parts(document)
    places = _places(register, tables)
    columns = ["series_code", "time_period", "value_text"]
    try:
        read = pl.read_csv(
            io.BytesIO(values),
            has_header=False,
            skip_rows=1,
            new_columns=columns,
            infer_schema=False,
            columns=[0, 1, 2],
        )
    except pl.exceptions.PolarsError as odd:
        raise BeaContentError(f"A line of BEA's file of series cannot be read: {odd}.") from None
    rows = read.with_columns(pl.all().str.strip_chars()).join(places, on="series_code", how="semi")
    frame = rows.unique(maintain_order=True).join(places, on="series_code", maintain_order="left")
    lines = places.select(*LINE_SCHEMA)
    return Observations(_months(frame, "metric_name", "calculation_type"), lines, {})


def codes_of_line(document: bytes, table: str, line: int) -> frozenset[str]:
    """The codes of the series that are a line of a table, by the register of a stored document; raises as it does."""
    places = _places(_parts(document)[0], {table})
    return frozenset(places.filter(line_code=line)["series_code"])


def _parts(document: bytes) -> tuple[bytes, bytes]:
    """The register and the values of a document, each with its header."""
    bare = document.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not is_register(bare):
        raise BeaFileRefused(
            "This is BEA's file of series by their codes, and what each code is stands in another file.",
            remedy=f"Give {REGISTER} too, with a --file of its own.",
        )
    at = bare.find(b"\n" + _MARK) + 1
    if not at or not has_values(bare[at:]):
        raise BeaFileRefused(
            "This is BEA's register of series, without their values.",
            remedy=f"Give {VALUES} too, with a --file of its own.",
        )
    return bare[:at], bare[at:]


def _places(register: bytes, tables: Collection[str] | None) -> pl.DataFrame:
    """Each line of a table with its series: series_code, bea_table, line_code, description, metric_name, ...

    A series may be lines of several tables, or several of one.
    """
    found = []
    try:
        for row in csv.DictReader(io.StringIO(register.decode("utf-8", errors="replace"))):
            for place in (row[_LINES_OF] or "").split("|"):
                table, _, line = place.strip().partition(":")
                if line.isdecimal() and (tables is None or table in tables):
                    found.append(
                        (
                            row["%SeriesCode"].strip(),
                            table,
                            int(line),
                            clean_description(row["SeriesLabel"]),
                            row["MetricName"].strip(),
                            row["CalculationType"].strip(),
                            -int(row["DefaultScale"]),
                        )
                    )
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as odd:
        raise BeaContentError(f"A line of BEA's register of series cannot be read: {odd}.") from None
    return pl.DataFrame(
        found,
        schema={
            "series_code": pl.String,
            **LINE_SCHEMA,
            "metric_name": pl.String,
            "calculation_type": pl.String,
            "unit_multiplier": pl.Int32,
        },
        orient="row",
    )


def _months(frame: pl.DataFrame, metric: str, kind: str) -> pl.DataFrame:
    """The cells of rows with bea_table, line_code, time_period, value_text and unit_multiplier: MONTHLY_SCHEMA."""
    _refuse_other_periods(frame["time_period"])
    period = pl.col("time_period").str.strip_chars()
    unit = pl.when(pl.col(kind) == _LEVEL).then(metric).otherwise(pl.concat_str(metric, kind, separator=", "))
    return frame.select(
        "bea_table",
        "line_code",
        geo_fips=pl.lit(NATION),
        year=period.str.extract(_PERIOD, 1).cast(pl.Int32),
        month=period.str.extract(_PERIOD, 2).cast(pl.Int32),
        value_text=pl.col("value_text").str.strip_chars(),
        unit=unit,
        unit_multiplier="unit_multiplier",
    ).select(list(MONTHLY_SCHEMA))


def _refuse_other_periods(periods: pl.Series, table: str | None = None) -> None:
    odd = periods.filter(~periods.str.strip_chars().str.contains(_PERIOD).fill_null(value=False)).unique().sort()
    if odd.len():
        raise BeaContentError(
            f"Rows are not of months: {', '.join(map(repr, odd.head(_SHOWN)))}.",
            remedy="Ask for Frequency=M.",
            table=table,
        )


def _is_data_header(line: bytes) -> bool:
    return line.lstrip().startswith(_DATA_HEADER)


def _fields(line: bytes) -> list[str]:
    return next(csv.reader([line.decode("utf-8", errors="replace")]), [])


def _field(line: bytes, at: int) -> str:
    fields = _fields(line)
    return fields[at] if len(fields) > at else ""


def _tables_in(places: str) -> set[str]:
    return {place.strip().partition(":")[0] for place in places.split("|")}
