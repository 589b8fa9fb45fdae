"""One file of unknown kind, as someone kept it: a zip, a CSV, API answers, each perhaps compressed.

What a file is, its content says and never its name. Everything that is not BEA's is refused with what it looks like.
"""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec
import polars as pl

from pce_pipeline.bea.answers import load_json
from pce_pipeline.bea.bulk import MOST_UNPACKED_BYTES, read_archive, read_csv
from pce_pipeline.bea.errors import BeaFileRefused, BeaTransportError
from pce_pipeline.bea.observations import Observations
from pce_pipeline.bea.protocol import decode_many, redact

Kind = Literal["zip", "csv", "json"]

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
    content: bytes, tables: Iterable[str] | None = None, *, tolerate_unknown: bool = False
) -> Observations:
    """The observations in a file, of the tables asked for or of all it holds.

    Raises `BeaFileRefused` for what is no file of BEA's, is unsafe, or lacks a table asked for; otherwise what
    `read_archive`, `read_csv` and `decode_many` raise.
    """
    wanted = frozenset(tables) if tables is not None else None
    plain = _unpacked(content)
    match kind_of(plain):
        case "zip":
            return read_archive(plain, wanted, tolerate_unknown=tolerate_unknown)
        case "csv":
            return read_csv(plain, wanted, tolerate_unknown=tolerate_unknown)
        case "json":
            return _of_tables(decode_many(_answers(plain), tolerate_unknown=tolerate_unknown), wanted)


def storable(content: bytes) -> bytes:
    """The bytes of a document to keep: as received, but for BEA's echo of the key (which ends a compression too)."""
    plain = _unpacked(content)
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
    first_line = content.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    if b"," in first_line and b"\x00" not in first_line:
        return "csv"
    raise _refused(f"neither zip, CSV nor JSON (it begins with {start[:16]!r})")


def _unpacked(content: bytes) -> bytes:
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


def _answers(content: bytes) -> list[bytes]:
    """The API answers in a JSON text: one, a list of them, or each as the `body` of what somebody recorded."""
    try:
        loaded = load_json(content)
    except BeaTransportError as broken:
        raise BeaFileRefused(f"The file begins like JSON but is none: {broken.message}") from None
    answers = []
    for item in loaded if isinstance(loaded, list) else [loaded]:
        answer = item.get("body", item) if isinstance(item, dict) else item
        if isinstance(answer, str):
            answers.append(answer.encode())
        elif isinstance(answer, dict) and "BEAAPI" in answer:
            answers.append(msgspec.json.encode(answer))
        else:
            raise _refused("JSON that is no answer of BEA's API")
    return answers


def _of_tables(observations: Observations, wanted: frozenset[str] | None) -> Observations:
    if wanted is None:
        return observations
    held = set(observations.frame["bea_table"].unique())
    if missing := sorted(wanted - held):
        raise BeaFileRefused(f"The file holds no table {', '.join(missing)}; it holds {', '.join(sorted(held))}.")
    of_wanted = pl.col("bea_table").is_in(wanted)
    return Observations(
        frame=observations.frame.filter(of_wanted),
        lines=observations.lines.filter(of_wanted),
        notes={table: note for table, note in observations.notes.items() if table in wanted},
    )


def _refused(looks_like: str) -> BeaFileRefused:
    return BeaFileRefused(
        f"This is {looks_like}.",
        remedy="Wanted: BEA's regional zip or CSV, or answers of its API as JSON, plain or as .gz, .bz2, .xz.",
    )
