"""One file of unknown kind, as someone kept it: a zip, a CSV, API answers, series, each perhaps compressed.

What a file is, its content says and never its name. Everything that is not BEA's is refused with what it looks like.
"""

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Literal

from pce_pipeline.bea.bulk import (
    MOST_UNPACKED_BYTES,
    check_archive,
    members_of,
    read_archive,
    read_csv,
    sole_member,
    tables_in,
)
from pce_pipeline.bea.doubts import refuse_doubtful
from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.bea.kept import is_national, kept_answers
from pce_pipeline.bea.layouts import canonical
from pce_pipeline.bea.national import decode_months, is_series, read_series
from pce_pipeline.bea.observations import Observations, cell_of, of_tables
from pce_pipeline.bea.protocol import decode_many, redact
from pce_pipeline.bea.sheets import GLANCE, Sheet, glance, read_sheet
from pce_pipeline.bea.tables import area_code, tables_of, without_repeats
from pce_pipeline.texts import each

Kind = Literal["zip", "csv", "json", "series"]

_BEGINNING = 4096  # bytes; an interactive table has lines without a separator above its header
_ENDING = 100  # bytes
_LAST_FIELD = re.compile(rb"[^,;\t|\r\n]*\Z")
_DECIMALS = re.compile(rb"\d\.(\d+)")
_ENDS_WHOLE = re.compile(rb"[\r\n\")]\s*\Z")
_MOST_ZIPS = 2  # a zip may be made so that it holds itself
_ZIP = b"PK\x03\x04"
_COMPRESSED: dict[bytes, Callable[[io.BytesIO], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_STRANGERS = {
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF document",
    b"\x28\xb5\x2f\xfd": "a file compressed with zstd: unpack it first",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
    b"\xff\xfe": "text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "text in UTF-16: save it as UTF-8",
    b"PK\x05\x06": "an empty zip archive",
    b"<": "a web page or XML",
}


def read_document(
    content: bytes,
    tables: Iterable[str] | None = None,
    *,
    tolerate_unknown: bool = False,
    tolerate_repeats: bool = False,
) -> Observations:
    """The observations in a file, of the tables asked for or of all it holds.

    With `tolerate_repeats` an archive or CSV may hold a cell twice and differently: BEA's own is not refused for it.
    Raises `BeaFileRefused` for what is not a file of BEA's, is unsafe, or lacks a table asked for; otherwise what
    `read_archive`, `read_csv` and `decode_many` raise.
    """
    wanted = frozenset(tables) if tables is not None else None
    plain = unpacked(content)
    match kind_of(plain):
        case "zip":
            return read_archive(plain, wanted, tolerate_unknown=tolerate_unknown, tolerate_repeats=tolerate_repeats)
        case "csv":
            return read_csv(plain, wanted, tolerate_unknown=tolerate_unknown, tolerate_repeats=tolerate_repeats)
        case "series":
            return _of_months(read_series(plain, wanted), wanted, tolerate_repeats=tolerate_repeats)
        case "json":
            answers = kept_answers(plain)
            if any(map(is_national, answers)):
                read = _decoded_months(answers, tolerate_unknown=tolerate_unknown)
                return _of_months(read, wanted, tolerate_repeats=tolerate_repeats)
            read = decode_many(answers, tolerate_unknown=tolerate_unknown)
            refuse_doubtful(read.frame, ",")
            return of_tables(_as_published_today(read), wanted)


def _decoded_months(answers: list[bytes], *, tolerate_unknown: bool) -> Observations:
    if not all(map(is_national, answers)):
        raise BeaFileRefused(
            "Answers about national and about regional tables are together in one file.", remedy="Give them apart."
        )
    return decode_months(answers, tolerate_unknown=tolerate_unknown)


def _of_months(read: Observations, wanted: frozenset[str] | None, *, tolerate_repeats: bool) -> Observations:
    """Months of the tables asked for, each once; a file that says two things of one is refused unless that is told."""
    frame = read.frame.unique(maintain_order=True)
    cell = cell_of(frame)
    twice = frame.filter(frame.select(cell).is_duplicated()).sort(*cell, "value_text")
    if twice.height and not tolerate_repeats:
        table, line, _, year, month = twice.select(cell).row(0)
        texts = " and ".join(twice["value_text"].head(2))
        raise BeaFileRefused(
            f"{table} line {line} of {year}M{month:02} is there more than once, and differently: {texts}.",
            remedy="Take out the one that BEA did not publish, or fetch the table again.",
            table=table,
            line=line,
        )
    return of_tables(replace(read, frame=frame), wanted)


def tables_recognised(content: bytes) -> frozenset[str]:
    """The regional tables in a zip or CSV by the names they have today, without reading their figures; perhaps none.

    Raises `BeaFileRefused` for a zip that is unsafe or damaged, in whichever member, or whose tables lie in another zip
    in it, and for what is neither zip nor CSV.
    """
    plain = unpacked(content)
    if plain.startswith(_ZIP):
        check_archive(plain)
        found = frozenset(tables_in(plain))
        inner = [name for name in members_of(plain) if name.lower().endswith(".zip")]
        if inner and not found:
            raise BeaFileRefused(
                f"The zip holds another zip, {inner[0]}.", remedy="Unpack it, and give what is inside."
            )
        return found
    sheet = glance(plain[:GLANCE])
    if sheet is None:
        kind_of(plain)  # says what it looks like instead
        return frozenset()
    try:
        return tables_of(read_sheet(plain))
    except BeaFileRefused:
        return _tables_at_first_sight(sheet)


def _tables_at_first_sight(sheet: Sheet) -> frozenset[str]:
    """The table of the first row, of a file in which something else is wrong: what, reading it will tell."""
    try:
        return tables_of(sheet)
    except BeaFileRefused:
        return frozenset()


def sole_csv(content: bytes) -> bytes:
    """The one CSV in a file: itself, or what is compressed in it, or alone in a zip that may lie in another zip.

    Raises `BeaFileRefused` for what holds none or several, and for what is unsafe or damaged.
    """
    plain = unpacked(content)
    for _ in range(_MOST_ZIPS):
        if kind_of(plain) == "zip":
            plain = unpacked(sole_member(plain, (".csv", ".csv.gz", ".zip")))
    if (kind := kind_of(plain)) != "csv":
        raise BeaFileRefused(f"This is {kind}, and no CSV.", remedy="Save it as CSV with commas between its columns.")
    return plain


def refuse_cut(content: bytes) -> None:
    """Make sure that a received file of lines ends with a whole figure: without a line end the last may lack digits.

    What else ends a figure is what `refuse_cut_lines` knows, and BEA's remarks below it. What is packed shows by itself
    that it is whole, and so does JSON. Raises `BeaFileRefused`.
    """
    if content.startswith((_ZIP, *_COMPRESSED)) or _ends_whole(content):
        return
    if (kind := kind_of(content)) == "json" or (kind == "csv" and read_sheet(content).remarks):
        return
    refuse_cut_lines(content)


def refuse_cut_lines(content: bytes) -> None:
    """The same of lines that are nothing but figures, of whatever layout.

    A closing quotation mark or bracket ends a figure too, and as many decimals as any figure of the file has. Raises
    `BeaFileRefused`.
    """
    if _ends_whole(content):
        return
    last = _LAST_FIELD.search(content)
    said = last[0] if last else b""
    decimals = max(map(len, _DECIMALS.findall(content[: len(content) - len(said)])), default=0)
    if decimals and (own := _DECIMALS.search(said)) and len(own[1]) == decimals:
        return
    raise BeaFileRefused(
        "The file may be cut off: its last line is data, and has no line end (it ends with "
        f"{said.decode('utf-8', 'replace')!r}).",
        remedy="Download it again. If its last figure is whole, put a line end after it.",
    )


def _ends_whole(content: bytes) -> bool:
    return _ENDS_WHOLE.search(content[-_ENDING:]) is not None


def storable(content: bytes) -> bytes:
    """The bytes of a document to keep: as received, but for BEA's echo of the key (which ends a compression too)."""
    plain = unpacked(content)
    clean = redact(plain) if kind_of(plain) == "json" else plain
    return content if clean == plain else clean


def kind_of(content: bytes) -> Kind:
    """What an uncompressed document is; `BeaFileRefused` says what it looks like if it is none of ours."""
    if content.startswith(_ZIP):
        if b"[Content_Types].xml" in content[:4096]:
            raise _refused("an Excel workbook or another office document: save it as CSV")
        return "zip"
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:64]
    if not start:
        raise _refused("an empty file")
    for magic, name in _STRANGERS.items():
        if start.startswith(magic):
            raise _refused(name)
    if start[:1] in b"{[":
        return "json"
    return "series" if is_series(start) else _csv(content, start)


def _csv(content: bytes, start: bytes) -> Kind:
    if content[257:262] == b"ustar":
        raise _refused("a tar archive: unpack it first")
    beginning = content[:_BEGINNING]
    if b"\x00" in beginning[:4]:
        raise _refused("text in UTF-16, or no text at all: save it as UTF-8")
    if b"\x00" not in beginning and any(separator in beginning for separator in (b",", b"\t", b";", b"|")):
        return "csv"
    raise _refused(f"neither zip, CSV nor JSON (it begins with {start[:16]!r})")


def unpacked(content: bytes) -> bytes:
    """The content without gzip, bz2 or xz around it."""
    for magic, opener in _COMPRESSED.items():
        if content.startswith(magic):
            try:
                with opener(io.BytesIO(content)) as stream:
                    plain = stream.read(MOST_UNPACKED_BYTES + 1)
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as damaged:
                raise BeaFileRefused(f"The compressed file is damaged: {damaged}.") from None
            if len(plain) > MOST_UNPACKED_BYTES:
                raise BeaFileRefused(f"The file would unpack to more than {MOST_UNPACKED_BYTES >> 20} MB.")
            if plain.startswith(tuple(_COMPRESSED)):
                raise _refused("compressed twice: unpack it first")
            return plain
    return content


def _as_published_today(read: Observations) -> Observations:
    """Answers as they would come today: tables by their present names, area codes with their zeros, each cell once."""
    frame = read.frame.with_columns(
        each(read.frame["bea_table"], canonical),
        each(read.frame["geo_fips"], lambda text: area_code(text) or text),
    )
    return Observations(
        frame=without_repeats(frame),
        lines=read.lines.with_columns(each(read.lines["bea_table"], canonical)),
        notes={canonical(table): note for table, note in read.notes.items()},
    )


def _refused(looks_like: str) -> BeaFileRefused:
    return BeaFileRefused(
        f"This is {looks_like}.",
        remedy="Wanted: BEA's regional zip or CSV, its files of national series, or answers of its API as JSON, "
        "plain or as .gz, .bz2, .xz.",
    )
