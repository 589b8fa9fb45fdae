"""Names and archives that somebody made to do harm: refused with a typed error, or kept without leaving the lake.

Each comes as a file that a person gives, into a lake that stands in a folder of its own; what lies outside of it
afterwards is what lay there before.
"""

import bz2
import gzip
import io
import lzma
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from secrets import token_hex

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.errors import PceError
from pce_pipeline_tests.bronze.look_alike import archive_of, member_of
from pce_pipeline_tests.faults.scorecard import Part, Trial, part_of
from pce_pipeline_tests.faults.truncation import Received, few_rows, zipped

_CENTRAL, _LOCAL = b"PK\x01\x02", b"PK\x03\x04"
_MEGABYTE = 1024 * 1024

UNSAFE = (
    "/etc/passwd", "../x.csv", "a/../../x.csv", "C:/x.csv", "C:x.csv", "a\\x.csv", "..\\x.csv", "a/..", "..",
    "x\x00.csv", "//host/x.csv", "./../x.csv", "a/b/../../../x.csv", "\\\\host\\x.csv",
)  # fmt: skip
"""Names of members that lead elsewhere."""

ODD = (
    "n" * 300 + ".csv", "d/" * 150 + "x.csv", "é" * 120 + ".csv", " .csv", "-rf.csv", "$(touch x).csv", "a;b.csv",
    "a\nb.csv", "CON.csv", "%2e%2e%2fx.csv", "x.csv.", "\u202ex.csv", "`id`.csv", "'; DROP TABLE x; --.csv",
)  # fmt: skip
"""Names of members that are odd and lead nowhere else."""

GIVEN = (
    "n" * 250, "$(touch x)", "a;b", "a\nb", "..csv", " ", "-rf", "é" * 100, "%2e%2e%2fx", "\u202ex", "manifest.json",
    "_latest.json", "scope.json", "'; DROP TABLE x; --", "year=2021", "a\tb", "x" * 200 + ".json.gz",
)  # fmt: skip
"""Names of files that a person gives."""


def named_in_place(content: bytes, name: str) -> bytes:
    """A zip with one CSV under a name that `zipfile` would not write."""
    placeholder = "~" * len(name.encode())
    return zipped({placeholder: content}).replace(placeholder.encode(), name.encode())


def _flagged(content: bytes, flag: int) -> bytes:
    packed = bytearray(zipped({"a.csv": content}))
    for at in (6, packed.index(_CENTRAL) + 8):
        packed[at] |= flag
    return bytes(packed)


def _claiming(content: bytes, packed_bytes: int, size: int) -> bytes:
    packed = bytearray(zipped({"a.csv": content}))
    at = packed.index(_CENTRAL)
    packed[at + 20 : at + 28] = struct.pack("<II", packed_bytes, size)
    return bytes(packed)


def _method(content: bytes, method: int) -> bytes:
    packed = bytearray(zipped({"a.csv": content}))
    for at in (8, packed.index(_CENTRAL) + 10):
        packed[at : at + 2] = struct.pack("<H", method)
    return bytes(packed)


def _offset(content: bytes, offset: int) -> bytes:
    packed = bytearray(zipped({"a.csv": content}))
    at = packed.index(_CENTRAL)
    packed[at + 42 : at + 46] = struct.pack("<I", offset)
    return bytes(packed)


def _link(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        link = zipfile.ZipInfo("b.csv")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.csv", content)
    return packed.getvalue()


def _twice(content: bytes, other: bytes) -> bytes:
    """Two members of one name, which differ."""
    return zipped({"a.csv": content, "b.csv": other}).replace(b"b.csv", b"a.csv")


def _within(content: bytes, depth: int) -> bytes:
    for _ in range(depth):
        content = zipped({"a.zip": content})
    return content


def archives(content: bytes) -> dict[str, Callable[[], bytes]]:
    """What is made to do harm, by name; made when it is wanted, for some are large."""
    other = content.replace(b"1", b"2")
    return {
        **{f"member {name[:30]!r}": partial(named_in_place, content, name) for name in UNSAFE},
        **{f"member {name[:30]!r}": partial(zipped, {name: content}) for name in ODD},
        "encrypted": lambda: _flagged(content, 1),
        "strongly encrypted": lambda: _flagged(content, 0x41),
        "patched data": lambda: _flagged(content, 0x20),
        "bomb of one member": lambda: zipped({"a.csv": b"0" * 50 * _MEGABYTE}),
        "bomb beside a table": lambda: zipped({"a.csv": content, "b.csv": b"0" * 50 * _MEGABYTE}),
        "20,000 members": lambda: zipped({f"{number}": b"" for number in range(20_000)}),
        "size that is not so, larger": lambda: _claiming(content, 10, 4 * _MEGABYTE),
        "size that is not so, smaller": lambda: _claiming(content, 10, 10),
        "size of 4 GB": lambda: _claiming(content, 2**32 - 2, 2**32 - 2),
        "bomb in gzip": lambda: gzip.compress(b"0" * 20 * _MEGABYTE),
        "gzip in gzip": lambda: gzip.compress(gzip.compress(content)),
        "bz2 of nothing": lambda: bz2.compress(b""),
        "xz of zeros": lambda: lzma.compress(b"\x00" * _MEGABYTE),
        "zip in a zip": lambda: _within(zipped({"a.csv": content}), 1),
        "zip in zips, 20 deep": lambda: _within(content, 20),
        "symbolic link": lambda: _link(content),
        "two members of one name": lambda: _twice(content, other),
        "unknown compression": lambda: _method(content, 99),
        "lzma that is none": lambda: _method(content, 14),
        "bz2 that is none": lambda: _method(content, 12),
        "offset beyond the end": lambda: _offset(content, 2**31),
        "offset into itself": lambda: _offset(content, 7),
        "zip after a page": lambda: b"<html>" * 9 + zipped({"a.csv": content}),
        "page after a zip": lambda: zipped({"a.csv": content}) + b"<html>" * 9,
        "directory alone": lambda: zipped({"a.csv": content})[-90:],
        "workbook": lambda: zipped({"[Content_Types].xml": b"<x/>", "xl/a.xml": b"<x/>"}),
        "NUL bytes": lambda: content.replace(b",", b"\x00"),
        "one line of 30 MB": lambda: b"GeoFIPS," * (30 * _MEGABYTE // 8),
        "formulas": lambda: content.replace(b"Dollars", b"=cmd|' /C calc'!A0"),
        "quotes without an end": lambda: b'"' + content,
        "JSON very deep": lambda: b"[" * 200_000,
        "XML with entities": lambda: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    }


def _around(folder: Path) -> Mapping[str, int]:
    """All files beside the lakes, with their sizes."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "/lake/" not in str(path))
    return {str(path): path.stat().st_size for path in paths}


def trials(folder: Path, every: int = 1) -> Iterator[Trial]:
    """Each archive, and a good table under each name."""
    years = load_datasets("full")["pce_state"]
    content = few_rows(member_of(archive_of(2), "SAPCE2__ALL_AREAS"))
    good = Received(folder / "good", years, content)
    figures = good.read(content).cells
    for name, make in list(archives(content).items())[::every]:
        yield _tried("archives", name, good, make(), figures, folder)
    for name in GIVEN[::every]:
        try:
            given = Received(folder / token_hex(4), years, content, name)
        except PceError as refused:
            yield Trial("names of files", said=type(refused).__name__)
            continue
        yield _tried("names of files", repr(name[:30]), given, content, figures, folder)


def _tried(
    sort: str, name: str, lake: Received, body: bytes, figures: Mapping[tuple[object, ...], str], folder: Path
) -> Trial:
    lake.give(body)
    before = _around(folder)
    said, wrong = "read right", None
    try:
        came = lake.read(body).cells
    except PceError as refused:
        said = type(refused).__name__
    except Exception as untyped:  # noqa: BLE001 (whatever is none of ours is what is looked for)
        wrong = f"{name} raised {untyped!r}"
    else:
        if changed := [key for key, text in came.items() if figures.get(key) != text]:
            wrong = f"{name} was read, and says {came[changed[0]]!r} of {changed[0]}"
    if _around(folder) != before:
        wrong = f"{name} left files outside of the lake"
    return Trial(sort, wrong, said)


def hostilities(folder: Path, every: int = 1) -> Part:
    """All of them."""
    return part_of(
        "names and archives made to do harm",
        "Paths that lead elsewhere, bombs, encryption, sizes and offsets that are not so, names of 300 characters: a "
        "typed error, or the very figures of the file, and nothing outside of the lake.",
        trials(folder, every),
    )
