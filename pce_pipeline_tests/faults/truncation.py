"""Sources cut off: whatever BEA or a person gives, cut at 1,000 places, gives an error or is refused by covering.

The look-alike's own bodies are cut and read by the code that reads them when they arrive: answers of the API as the
client checks them, files as they come into Bronze beside a vintage that already counts.
"""

import asyncio
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pce_pipeline.bea.bulk import check_archive, read_archive, read_csv
from pce_pipeline.bea.national import check_months, decode_months
from pce_pipeline.bea.observations import cell_of
from pce_pipeline.bea.protocol import check_data, decode_data, decode_lines
from pce_pipeline.bronze.derived import LongColumns, in_layout_of_bea
from pce_pipeline.bronze.extract import Prepared, prepare, publish
from pce_pipeline.bronze.files import FileFeed
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.errors import PceError
from pce_pipeline.lake.layout import ExtractId, Layout
from pce_pipeline.lake.store import open_store
from pce_pipeline_tests.bronze.look_alike import LookAlike, archive_of, member_of
from pce_pipeline_tests.faults.scorecard import Part, Trial, part_of

CUTS = 1_000
_ROWS = 8
_DAY, _NEXT_DAY = "2025-10-01", "2025-10-02"

_VALUES = b"area,line,year,value\n" + b"".join(
    b"%s,%d,%d,%d\n" % (area, line, year, 1_000 * line + year)
    for area in (b"US", b"AL", b"Alaska")
    for line in (1, 2, 13)
    for year in range(1997, 2025)
)

Cells = Mapping[tuple[object, ...], str]
"""The text of each cell, by what identifies it."""


@dataclass(frozen=True)
class Came:
    """What was read of a cut body."""

    cells: Cells
    """What it says."""
    stands_alone: bool
    """Whether it would count as all that BEA published, and not as a part of what is held, or as nothing new."""


@dataclass(frozen=True)
class Source:
    """One kind of body, and how it is read when it arrives."""

    name: str
    """What it is, in words."""
    body: bytes
    """All of it."""
    read: Callable[[bytes], Came]
    """Reads a body; raises a typed error."""


def offsets(length: int, count: int) -> list[int]:
    """So many places to cut at, spread over the length; the whole is none of them."""
    return sorted({length * number // count for number in range(count)})


def cells_of(frame: pl.DataFrame) -> Cells:
    """The cells of a frame of observations or months."""
    key = cell_of(frame)
    return {tuple(row[:-1]): row[-1] for row in frame.select(*key, "value_text").iter_rows()}


def cut_off(source: Source, count: int = CUTS) -> Iterator[Trial]:
    """Cut a source at so many places and read what is left. The whole must be read, or the trials would say nothing."""
    whole = source.read(source.body).cells
    assert whole
    for end in offsets(len(source.body), count):
        try:
            came = source.read(source.body[:end])
        except PceError as refused:
            yield Trial(source.name, said=type(refused).__name__)
            continue
        changed = [key for key, text in came.cells.items() if whole.get(key) != text]
        if changed:
            yield Trial(source.name, f"cut at {end}, it says {came.cells[changed[0]]!r} of {changed[0]}")
        elif came.cells.keys() == whole.keys():
            yield Trial(source.name, said="all figures")
        elif came.stands_alone:
            yield Trial(source.name, f"cut at {end}, it counts without {len(whole) - len(came.cells)} cells")
        else:
            yield Trial(source.name, said="taken for a part")


def sources(folder: Path) -> Iterator[Source]:
    """All kinds of bodies; `folder` is where lakes may lie."""
    bea = LookAlike(2)
    answers = asyncio.run(_answers(bea))
    yield Source("answer of the API for a line", answers["line"], _line)
    yield Source("list of a table's lines", answers["lines"], _lines)
    yield Source("answer of the API for a national table", answers["months"], _months)
    columns = few_rows(member_of(archive_of(2), "SAPCE2__ALL_AREAS"))
    many = member_of(archive_of(2), "SAPCE2__ALL_AREAS")[:60_000].rpartition(b"\r\n")[0] + b"\r\n"
    yield Source("zip of the archive, live", zipped({"SAPCE2__ALL_AREAS_1997_2024.csv": many}), _archive)
    years = load_datasets("full")["pce_state"]
    bare = columns[: columns.index(b'"Note')]
    for name, body in {
        "CSV": columns,
        "CSV without remarks": bare,
        "CSV with semicolons": bare.replace(b",", b";").replace(b'"', b""),
        "CSV with quoted figures": quoted(bare),
        "CSV with a line for each figure": years_down(bare),
        "zip of CSVs": zipped({"a.csv": many}),
        "CSV in gzip": gzip.compress(many, mtime=0),
        "CSV in xz": lzma.compress(many),
        "answers in a JSON list": b"[" + b",".join(answers["few"]) + b"]",
        "answers one a line": b"\n".join(answers["few"]),
    }.items():
        yield Source(f"file: {name}", body, Received(folder / name, years, body).read)
    yield Source("file: derived values", _VALUES, _derived(years))
    series = load_datasets("full")["pce_us_monthly"]
    yield Source(
        "file: national series", answers["series"], Received(folder / "series", series, answers["series"]).read
    )


async def _answers(bea: LookAlike) -> dict[str, Any]:
    national = load_datasets("full")["pce_us_monthly"]
    async with bea.client() as client:
        return {
            "line": (await client.data("SAPCE1", 1)).body,
            "lines": (await client.lines("SAPCE1")).body,
            "months": few_of((await client.months("T20805")).body, lambda row: row["TimePeriod"] >= "2025M06"),
            "few": [
                few_of((await client.data("SAPCE1", line)).body, lambda row: row["GeoFips"] in {"00000", "01000"})
                for line in (1, 2, 3)
            ],
            "series": few_series((await client.series(national.archive, list(national.tables))).body),
        }


def few_of(body: bytes, keep: Callable[[dict[str, str]], bool]) -> bytes:
    """An answer with some of its rows."""
    answer = json.loads(body)
    results = answer["BEAAPI"]["Results"]
    results["Data"] = [row for row in results["Data"] if keep(row)]
    return json.dumps(answer).encode()


def few_rows(table: bytes, rows: int = _ROWS) -> bytes:
    """A CSV of the archive with its first rows, and its remarks."""
    lines = table.split(b"\r\n")
    remarks = next(number for number, line in enumerate(lines) if line.startswith(b'"Note'))
    return b"\r\n".join([lines[0], *lines[1 : rows + 1], *lines[remarks:]])


def few_series(document: bytes, months: int = 3) -> bytes:
    """The register and, of each series, its last months."""
    at = document.index(b"\r\n%SeriesCode,Period") + 2
    header, *values = document[at:].splitlines(keepends=True)
    newest = sorted({line.split(b",")[1] for line in values})[-months:]
    return document[:at] + header + b"".join(line for line in values if line.split(b",")[1] in newest)


def quoted(table: bytes) -> bytes:
    """A CSV with quotation marks around each figure."""
    header, *rows = table.splitlines()
    width = 8
    again = []
    for row in rows:
        fields = row.rsplit(b",", len(header.split(b",")) - width)
        again.append(b",".join([fields[0], *(b'"' + field + b'"' for field in fields[1:])]))
    return b"\r\n".join([header, *again, b""])


def years_down(table: bytes) -> bytes:
    """The cells of a CSV as BEA's API and its clients name them, one a line."""
    rows = read_csv(table).frame.sort(pl.all())
    lines = ["Code,GeoFips,GeoName,TimePeriod,CL_UNIT,UNIT_MULT,DataValue"]
    lines += [
        f"{row['bea_table']}-{row['line_code']},{row['geo_fips']},Somewhere,{row['year']},{row['unit']},"
        f"{row['unit_multiplier']},{row['value_text']}"
        for row in rows.iter_rows(named=True)
    ]
    return "\n".join([*lines, ""]).encode()


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip with these members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return packed.getvalue()


def _line(body: bytes) -> Came:
    check_data(body, "SAPCE1", 1)
    return Came(cells_of(decode_data(body).observations.frame), stands_alone=True)


def _lines(body: bytes) -> Came:
    lines = decode_lines(body, table="SAPCE1")
    return Came({(code,): text for _, code, text in lines.iter_rows()}, stands_alone=True)


def _months(body: bytes) -> Came:
    check_months(body, "T20805")
    return Came(cells_of(decode_months([body]).frame), stands_alone=True)


def _archive(body: bytes) -> Came:
    check_archive(body)
    return Came(cells_of(read_archive(body).frame), stands_alone=True)


def _derived(dataset: Dataset) -> Callable[[bytes], Came]:
    def read(body: bytes) -> Came:
        made = in_layout_of_bea("values.csv", body, LongColumns(), dataset, "SAPCE1")
        # a year that only other cells have is an empty field; and what is derived never counts
        return Came({key: text for key, text in cells_of(read_csv(made).frame).items() if text}, stands_alone=False)

    return read


class Received:
    """Files of one dataset as `pce extract --file` takes them, into a lake where the whole file counts already."""

    def __init__(self, folder: Path, dataset: Dataset, whole: bytes, name: str = "received") -> None:
        folder.mkdir(parents=True)
        self._file, self._dataset = folder / name, dataset
        self._bronze = BronzeStore(open_store(folder / "lake"), Layout("local", "sample"), dataset.name)
        publish(self._bronze, self._prepared(whole, _DAY))

    def read(self, body: bytes) -> Came:
        """What the lake would take of a body."""
        prepared = self._prepared(body, _NEXT_DAY)
        assert prepared.content is not None
        verdicts = prepared.manifest.verdicts or {}
        alone = [table for table in prepared.changed if verdicts[table].counts and not verdicts[table].completes]
        return Came(cells_of(prepared.content.cells), stands_alone=bool(alone))

    def give(self, body: bytes) -> None:
        """Put a body where it is read from."""
        self._file.write_bytes(body)

    def _prepared(self, body: bytes, day: str) -> Prepared:
        self.give(body)
        extract = ExtractId.parse(day)
        given, known = FileFeed([self._file], [self._dataset]), list(self._dataset.tables)
        feed, tables = given.holding(known)
        if not tables:
            given.own_days(known)  # says what it holds instead
        return prepare(self._bronze, feed, self._dataset, extract, tables, world="sample", run_id="a-run")


def truncations(folder: Path, count: int = CUTS) -> Part:
    """Every kind of source, cut at so many places."""
    return part_of(
        "cut off what BEA or a person gives",
        "A body that is cut anywhere is refused with a typed error, or says no other figure than the whole one and, "
        "where it says less, does not count beside the whole one.",
        (trial for source in sources(folder) for trial in cut_off(source, count)),
    )
