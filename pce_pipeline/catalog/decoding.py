"""Reading the files of a catalogue: what cannot be read as what it is gets refused, with its line.

Wrong keys, columns, types and encodings are, and the question marks that a draft leaves for a person. Whether what the
files say can be is asked in `checking`.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import fields
from importlib.resources.abc import Traversable
from typing import Any

import msgspec
import polars as pl

from pce_pipeline.catalog.dataset import KnownException, Probe
from pce_pipeline.catalog.declared import CATEGORIES, LINES, PLACE, Declared, Part, Schema
from pce_pipeline.catalog.errors import CatalogMistake
from pce_pipeline.catalog.places import line_at, line_of_refusal
from pce_pipeline.decoding import decoded_toml

UNDECIDED = "?"
"""What a draft writes where a person must decide."""

_MAY_BE_EMPTY = {"state", "region_fips", "parent_id"}
_EXPECTED = {pl.Int32: "a whole number", pl.Boolean: "true or false"}
_WHAT_MAY_BE = {
    "levels": "Use some of nation, region and state.",
    "adds_up_over": "Use some of categories and areas, or [].",
    "comparable_over": "Use some of categories, areas and years, or [].",
    "comprehensive_updates": "Write days, as [2023-10-04], without quotation marks.",
    "known_releases": "Write days, as [2023-10-04], without quotation marks.",
    "may_have": "Use some of nation, region and state.",
    "decimals": "Write how many decimals BEA publishes, 0 to 3.",
    "first_year": "Write the first year that BEA publishes, without quotation marks.",
    "growth_is_meaningful": "Write true or false.",
    "grain": 'Write "year" or "month", or leave it out for years.',
    "source": 'Write "Regional" or "NIPA".',
}
"""What a value of dataset.toml may be, by its key."""
_WHAT_TO_DECIDE = {
    "measure": "Name the measure of the line: one that dataset.toml or another dataset declares.",
    "category_id": "Name the category of the line: one of categories.csv here or in another dataset.",
    "parent_id": "Name the category that it is a part of; leave the cell empty for a total.",
    "unit": "Write the unit as BEA writes it.",
}


def read_part(folder: Traversable, where: str) -> Part:
    """What a folder with a dataset.toml says; a CSV file that it lacks has no rows."""
    file = f"{where}/dataset.toml"
    text = _text(folder / "dataset.toml", file)
    _refuse_undecided(text, file)
    try:
        declared = decoded_toml(text, Declared)
    except msgspec.DecodeError as wrong:
        problem = str(wrong)
        key = re.search(r"(\w+)(?:\[\d+\])?`$", problem)
        remedy = _WHAT_MAY_BE.get(key[1], "") if key else ""
        raise CatalogMistake(file, line_of_refusal(text, problem), _in_words(problem), remedy=remedy) from None
    _refuse_unknown_keys(text, file)
    return Part(
        folder.name,
        where,
        text,
        declared,
        read_rows(folder / "lines.csv", f"{where}/lines.csv", LINES),
        read_rows(folder / "categories.csv", f"{where}/categories.csv", CATEGORIES),
    )


def _in_words(problem: str) -> str:
    """What the decoder of TOML found, as somebody says it who has the file open."""
    if missing := re.match(r"Object missing required field `(\w+)`", problem):
        return f"it does not say {missing[1]}"
    return re.sub(r" \(at line \d+, column (\d+)\)$", r" (column \1)", problem).replace(" - at `$.", " at `")


def read_rows(source: Traversable, file: str, schema: Schema) -> pl.DataFrame:
    """The rows of a CSV file in their types, each with its PLACE; none where there is no such file."""
    if not source.is_file():
        return pl.DataFrame(schema={**schema, **PLACE})
    reader = csv.reader(_text(source, file).splitlines(keepends=True), strict=True)
    rows: list[list[str]] = []
    numbers: list[int] = []
    try:
        for row in reader:
            rows.append(row)
            numbers.append(reader.line_num)
    except csv.Error as broken:
        raise CatalogMistake(file, reader.line_num, f"it cannot be read as CSV ({broken})") from None
    header = rows[0] if rows else []
    if header != list(schema):
        by_commas = "Save it with commas between the columns." if len(header) == 1 and header[0] else ""
        found = f"the columns are {', '.join(header)}, not" if any(header) else "it has no header; its columns are"
        raise CatalogMistake(file, 1, f"{found} {', '.join(schema)}", remedy=by_commas)
    for number, row in zip(numbers, rows, strict=True):
        if row and len(row) != len(schema):
            raise CatalogMistake(file, number, f"it has {len(row)} cells, not {len(schema)}")
    told = [(*row, file, number) for number, row in zip(numbers[1:], rows[1:], strict=True) if row]
    return _typed(pl.DataFrame(told, schema={**dict.fromkeys(schema, pl.String), **PLACE}, orient="row"), schema)


def _refuse_undecided(text: str, file: str) -> None:
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(rf"[^#]*[\"']{re.escape(UNDECIDED)}[\"']", line):
            key = line.partition("=")[0].strip() if "=" in line else "a value"
            raise CatalogMistake(
                file, number, f"{key} is not decided yet", remedy="Put the answer in the place of the question mark."
            )


def _refuse_unknown_keys(text: str, file: str) -> None:
    """Refuse keys that msgspec passes over, because a dataclass has no way to forbid them."""
    raw = decoded_toml(text, dict[str, Any])
    probes = [((("tables", nth, "probe")), table["probe"], Probe) for nth, table in enumerate(raw.get("tables", ()))]
    exceptions = [
        (("known_exceptions", nth), known, KnownException) for nth, known in enumerate(raw.get("known_exceptions", ()))
    ]
    for path, said, type_ in (*probes, *exceptions):
        for key in said.keys() - {each.name for each in fields(type_)}:
            raise CatalogMistake(
                file,
                line_at(text, (*path, key)),
                f"there is no key {key!r} in {path[-1] if isinstance(path[-1], str) else path[0]}",
            )


def _text(source: Traversable, file: str) -> str:
    try:
        return source.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = source.read_bytes().count(b"\n", 0, wrong.start) + 1
        raise CatalogMistake(file, line, "it is not text in UTF-8", remedy="Save the file as UTF-8.") from None


def _typed(texts: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Texts in their types, empty ones as NULL where a cell may be empty."""
    typed = texts.with_columns(pl.col(name).replace({"": None}) for name in schema).with_columns(
        pl.col(name).replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
        if dtype == pl.Boolean
        else pl.col(name).cast(dtype, strict=False)
        for name, dtype in schema.items()
    )
    for name, dtype in schema.items():
        fits = pl.col(name).is_not_null() | (pl.lit(name in _MAY_BE_EMPTY) & (pl.col("text") == ""))
        wrong = typed.with_columns(text=texts[name]).filter(~fits | (pl.col("text") == UNDECIDED))
        for row in wrong.head(1).iter_rows(named=True):
            raise _wrong_cell(row, name, _EXPECTED.get(type(dtype) if isinstance(dtype, pl.DataType) else dtype, ""))
    return typed


def _wrong_cell(row: Mapping[str, object], name: str, expected: str) -> CatalogMistake:
    file, line, text = str(row["file"]), int(str(row["line"])), row["text"]
    if text == UNDECIDED:
        remedy = _WHAT_TO_DECIDE.get(name, "Put the answer in the place of the question mark.")
        return CatalogMistake(file, line, f"{name} is not decided yet", remedy=remedy)
    return CatalogMistake(file, line, f"{name} is {text!r}, not {expected}" if text else f"{name} is empty")
