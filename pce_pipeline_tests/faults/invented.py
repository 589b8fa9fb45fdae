"""10,000 documents that nobody wrote: answers, files, catalogues and events, each made of its number and so made again.

Each is a good document to which a few things were done. Whoever reads it raises a typed error, or reads exactly what a
plain reading of the same bytes finds: `json`, `csv` and `tomllib` know nothing of what our readers do.
"""

import asyncio
import csv
import gzip
import io
import json
import random
import tomllib
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.protocol import decode_data
from pce_pipeline.catalog.decoding import read_part
from pce_pipeline.errors import PceError
from pce_pipeline.hooks.endpoint import PATH, create_app
from pce_pipeline.hooks.events import EventStore, WebhookEvent
from pce_pipeline.hooks.signatures import Verifier
from pce_pipeline.lake.records import decode_record
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline_tests.faults.scorecard import Part, Trial, part_of
from pce_pipeline_tests.hooks.conftest import BODY, LAYOUT, NOON, SECRET, signed
from pce_pipeline_tests.tables.a_dataset import CATEGORIES, DATASET, LINES

SHARES = {"answer": 4_000, "file": 3_000, "catalogue": 1_500, "event": 1_500}
"""How many of each kind there are."""

_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e308, "", " ", "(NA)", "(D)", "1,234", "12.5.6", "--", "\x00", "é", "\ud7ff", "9" * 400,
    "0x10", "1e3", "NaN", "SAPCE1-1", "2021", [], {}, [[]], {"a": None}, ["1", "2"], {"Error": {}},
)  # fmt: skip
_DEEP = "very deep"
_TEXTS = ("1", "100.5", "(NA)", "(D)", "1,234", "0", "-5", "", " 7 ", "(L)", "abc", "1.5e3", '"', "9" * 30)
_AREAS = ("00000", "01000", "06000", "98000", "99999", " 01000", "1000", "")
_YEARS = ("2019", "2020", "2021", "1997", "3000", "20x1", "2021Q1")
Cell = tuple[int, str, int, str]
"""Line, area, year and text."""


def answers(number: int) -> Trial:
    """A regional answer of BEA's API."""
    chance = random.Random(f"answer {number}")
    code = chance.choice(["SAPCE1-1", "SAPCE2-7"])
    rows = [
        {
            "Code": code,
            "GeoFips": chance.choice(_AREAS[:4]),
            "GeoName": "Somewhere",
            "TimePeriod": chance.choice(_YEARS[:3]),
            "CL_UNIT": "Dollars",
            "UNIT_MULT": "0",
            "DataValue": chance.choice(_TEXTS),
        }
        for _ in range(chance.randrange(6))
    ]
    table, line = code.split("-")
    results = {
        "Statistic": "Spending",
        "UnitOfMeasure": "Dollars",
        "PublicTable": f"{table} Spending",
        "UTCProductionTime": "2026-09-28T21:36:52.013",
        "NoteRef": " ",
        "Dimensions": [],
        "Data": rows,
        "Notes": [{"NoteRef": " ", "NoteText": "Last updated: October 6, 2022."}],
    }
    echo = [
        {"ParameterName": "TABLENAME", "ParameterValue": table},
        {"ParameterName": "LINECODE", "ParameterValue": line},
    ]
    document: Any = {"BEAAPI": {"Request": {"RequestParam": echo}, "Results": results}}
    for _ in range(chance.choice([0, 0, 1, 1, 2, 4])):
        document = _done_to(document, chance)
    body = _bytes_done_to(_written(document), chance, 0.2)
    try:
        frame = decode_data(body, tolerate_unknown=True).observations.frame
    except PceError as refused:
        return Trial("answers of the API", said=type(refused).__name__)
    found = Counter((line, area.strip(), year, text.strip()) for line, area, year, text in _cells(frame))
    plain = _plain_answer(body)
    wrong = None if found == plain else f"answer {number} was read as {found}, and says {plain}"
    return Trial("answers of the API", wrong, "read right")


def _cells(frame: pl.DataFrame) -> Iterator[Cell]:
    yield from frame.select("line_code", "geo_fips", "year", "value_text").iter_rows()


def _plain_answer(body: bytes) -> Counter[Cell] | None:
    """What the JSON of an answer says; None where that is no answer."""
    try:
        results = json.loads(_text(body))["BEAAPI"]["Results"]
        results = results[0] if isinstance(results, list) else results
        data = results["Data"]
        rows = data if isinstance(data, list) else [data]
        return Counter(
            (int(row["Code"].split("-")[1]), row["GeoFips"].strip(), int(row["TimePeriod"]), row["DataValue"].strip())
            for row in rows
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None


def _done_to(value: Any, chance: random.Random) -> Any:
    """The JSON value with something done to it, here or deeper."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        changed = dict(value)
        match chance.randrange(8):
            case 0:
                del changed[key]
            case 1:
                changed[chance.choice(["Error", "Shade", "data", key.upper(), ""])] = chance.choice(_ODD)
            case 2:
                changed[key] = chance.choice(_ODD)
            case _:
                changed[key] = _done_to(value[key], chance)
        return changed
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        match chance.randrange(6):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return [*value, value[at]]
            case 2:
                return value[at]
            case _:
                return [*value[:at], _done_to(value[at], chance), *value[at + 1 :]]
    return chance.choice([*_ODD, _DEEP, [value], value])


def _written(document: Any) -> bytes:
    """The document as JSON, deeper in places than Python could write it."""
    return json.dumps(document).replace(json.dumps(_DEEP), "[" * 5_000 + "]" * 5_000).encode()


def _bytes_done_to(body: bytes, chance: random.Random, how_often: float) -> bytes:
    """The bytes, sometimes with some of them changed, doubled, dropped, or after a mark or before a page."""
    if chance.random() > how_often:
        return body
    at = chance.randrange(len(body) + 1)
    match chance.randrange(7):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
        case 2:
            return body[:at] + body[at + chance.randrange(9) :]
        case 3:
            return body[:at] + body[max(0, at - 9) :]
        case 4:
            return b"\xef\xbb\xbf" + body
        case 5:
            return body + b"<html>"
        case _:
            return body.decode("utf-8", "replace").encode("utf-16")


def files(number: int) -> Trial:
    """A CSV of BEA's, plain, packed, or in a zip with others."""
    chance = random.Random(f"file {number}")
    members = {
        chance.choice(["a.csv", "SAPCE1__ALL_AREAS_2019_2021.csv", "../a.csv", "x/y.CSV", "n" * 300 + ".csv", "a.txt"])
        + ("" if nth == 0 else f" {nth}.csv"): _bytes_done_to(_table(chance), chance, 0.3)
        for nth in range(chance.choice([1, 1, 2, 3]))
    }
    match chance.randrange(4):
        case 0:
            body = _bytes_done_to(_zip(members), chance, 0.3)
        case 1:
            body = _bytes_done_to(gzip.compress(next(iter(members.values())), mtime=0), chance, 0.2)
        case _:
            body = next(iter(members.values()))
    try:
        frame = read_document(body, tolerate_unknown=chance.random() < 0.5).frame
    except PceError as refused:
        return Trial("zips and CSVs", said=type(refused).__name__)
    plain = {cell for content in members.values() for cell in _plain_table(content)}
    found = {(line, area, year, _bare(text)) for line, area, year, text in _cells(frame)}
    wrong = f"file {number} was read as {sorted(found - plain)[:3]}, which it does not say" if found - plain else None
    return Trial("zips and CSVs", wrong, "read right")


def _table(chance: random.Random) -> bytes:
    years = chance.sample(_YEARS[:3], chance.randrange(1, 4))
    header = f"GeoFIPS,GeoName,Region,TableName,LineCode,IndustryClassification,Description,Unit,{','.join(years)}"
    rows = [header]
    for line in range(1, chance.randrange(1, 5)):
        for area in chance.sample(_AREAS[:4], chance.randrange(1, 4)):
            values = [chance.choice(_TEXTS) for _ in years]
            told = [f'"{each}"' if "," in each or chance.random() < 0.2 else each for each in values]
            rows.append(f' "{area}","Some, where", ,SAPCE1,{line},"...","Goods","Dollars",{",".join(told)}')
    rows += ['"Note: See the included footnote file."', '"Last updated: October 6, 2022."', ""]
    return chance.choice(["\r\n", "\n"]).join(rows).encode()


def _plain_table(content: bytes) -> Iterator[Cell]:
    """The cells of a CSV as the plainest reading has them."""
    text = _text(content).replace("\r\n", "\n").replace("\r", "\n")
    rows = list(csv.reader(io.StringIO(text), skipinitialspace=True))
    at = next((nth for nth, row in enumerate(rows) if any("geofips" in each.lower() for each in row)), None)
    if at is None:
        return
    header = rows[at]
    for row in rows[at + 1 :]:
        for name, text in zip(header[8:], row[8:], strict=False):
            line, area, year = _number(row[4]), _bare(row[0]), _number(name)
            if line is not None and year is not None:
                yield line, area.zfill(5), year, _bare(text)


def _text(content: bytes) -> str:
    """UTF-8, or what BEA sent before it knew of that."""
    bare = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return bare.decode("utf-8")
    except UnicodeDecodeError:
        return bare.decode("latin-1")


def _number(text: str) -> int | None:
    bare = _bare(text).removesuffix(".0")
    return int(bare) if bare.isdecimal() else None


def _bare(text: str) -> str:
    return text.strip(" \t\"'=\n\r")


def _zip(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def catalogues(folder: Path) -> Callable[[int], Trial]:
    """A dataset that a user declares, in files."""
    own = folder / "disposable_state"
    own.mkdir(parents=True)

    def trial(number: int) -> Trial:
        chance = random.Random(f"catalogue {number}")
        spoiled = chance.choice(["dataset.toml", "lines.csv", "categories.csv"])
        for name, text in {"dataset.toml": DATASET, "lines.csv": LINES, "categories.csv": CATEGORIES}.items():
            body = _lines_done_to(text, chance).encode() if name == spoiled else text.encode()
            (own / name).write_bytes(_bytes_done_to(body, chance, 0.3) if name == spoiled else body)
        try:
            part = read_part(own, "disposable_state")
        except PceError as refused:
            return Trial("catalogues", said=type(refused).__name__)
        told = tomllib.loads((own / "dataset.toml").read_bytes().decode("utf-8-sig"))
        plain = [told["name"], told.get("first_year"), [each["name"] for each in told.get("tables", [])]]
        read = [part.declared.name, part.declared.first_year, [each.name for each in part.declared.tables]]
        wrong = None if read == plain else f"catalogue {number} was read as {read}, and says {plain}"
        return Trial("catalogues", wrong, "read right")

    return trial


def _lines_done_to(text: str, chance: random.Random) -> str:
    """A text with some of its lines dropped, doubled, swapped, or with another value."""
    lines = text.splitlines()
    for _ in range(chance.choice([1, 1, 2, 3])):
        if not lines:
            break
        at = chance.randrange(len(lines))
        match chance.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[at])
            case 2:
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                key, equals, _ = lines[at].partition("=")
                value = chance.choice(['"?"', "[]", "-1", "true", "{}", "1e400", '"\\u0000"', "[" * 500, "2026-02-30"])
                lines[at] = f"{key}{equals}{value}" if equals else value
            case _:
                lines[at] = lines[at].replace(chance.choice(list(lines[at]) or [","]), chance.choice(list('",=[]x\t')))
    return "\n".join(lines)


def events(folder: Path, numbers: range) -> Iterator[Trial]:
    """Events as somebody sends them to the endpoint, signed by who may or by nobody."""
    store = open_store(folder)
    app = create_app(EventStore(store, LAYOUT), Verifier(SECRET), clock=lambda: NOON)

    async def send_all() -> list[Trial]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hooks") as client:
            return [await _sent(client, store, number) for number in numbers]

    yield from asyncio.run(send_all())


async def _sent(client: httpx.AsyncClient, store: Store, number: int) -> Trial:
    chance = random.Random(f"event {number}")
    body = _written(_done_to(json.loads(BODY), chance)) if chance.random() < 0.7 else BODY
    body = _bytes_done_to(body, chance, 0.3)
    name = chance.choice([f"evt_{number}", None, f"evt/{number}", f"../{number}", "x" * 300, f"{number}."])
    headers = signed(body, event=name)
    is_signed = chance.random() < 0.7
    if not is_signed:
        spoiled = chance.choice(list(headers))
        headers[spoiled] = chance.choice(["", "v1,", "0", "1" * 30, headers[spoiled] + "x", "v1,AAAA"])
    held = {info.key for info in store.list(LAYOUT.env)}
    answer = await client.post(PATH, content=body, headers=headers)
    new = {info.key for info in store.list(LAYOUT.env)} - held
    wrong = None
    if answer.status_code not in {200, 202, 400, 401, 413}:
        wrong = f"event {number} was answered {answer.status_code}"
    elif bool(new) != (answer.status_code == 202):
        wrong = f"event {number} was answered {answer.status_code}, and {len(new)} objects were stored"
    elif new and not is_signed:
        wrong = f"event {number} is not signed, and was stored"
    elif new:
        (key,) = new
        if decode_record(key, store.get(key), WebhookEvent).payload.encode() != body:
            wrong = f"event {number} was stored otherwise than it came"
    store.delete_many(new)
    return Trial("events", wrong, f"answered {answer.status_code}")


def trials(folder: Path, share: int = 1) -> Iterator[Trial]:
    """Every document, or every so-many-th."""
    counts = {kind: range(count // share) for kind, count in SHARES.items()}
    for kind, trial in {"answer": answers, "file": files, "catalogue": catalogues(folder / "catalogue")}.items():
        for number in counts[kind]:
            try:
                yield trial(number)
            except Exception as untyped:  # noqa: BLE001 (whatever is none of ours is what is looked for)
                yield Trial(f"{kind}s", f"{kind} {number} raised {untyped!r}")
    yield from events(folder / "events", counts["event"])


def documents(folder: Path, share: int = 1) -> Part:
    """All of them."""
    return part_of(
        "documents that nobody wrote",
        "A good document with a few things done to it is refused with a typed error, or is read as a plain reading of "
        "the same bytes has it; of events, what is not signed is never stored and what is stored is what came.",
        trials(folder, share),
    )
