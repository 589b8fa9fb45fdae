"""What the tests of drafts share: tables that nobody has declared, and a person who decides."""

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from pce_pipeline.bea.describing import Described, describe_file
from pce_pipeline.catalog.drafting import Metadata

ANSWERS = {
    "archive": '"SATRIAL.zip"',
    "release_names": '["Trial by State"]',
    "title": '"Trial"',
    "unit": '"index"',
    "decimals": "1",
    "adds_up_over": "[]",
    "comparable_over": '["areas"]',
    "growth_is_meaningful": "false",
}
"""What a person may answer to each key."""


def decided(line: str) -> str:
    """A line of a draft with an answer for each of its question marks."""
    key, equals, _ = line.partition(" = ")
    if equals:
        return f"{key} = {ANSWERS[key]}" if '"?"' in line else line
    return line.replace(",?,1,part", ",,0,total").replace(",?,", ",2025,", 1) if ",?," in line else line


def decide(folder: Path, answer: Callable[[str], str] = decided) -> None:
    """Answer every question mark in the files of a folder of datasets."""
    for file in (*folder.rglob("*.toml"), *folder.rglob("*.csv")):
        file.write_text("".join(f"{answer(line)}\n" for line in file.read_text("utf-8").splitlines()), "utf-8")


def foreign(archive: bytes, table: str, name: str) -> bytes:
    """An archive whose table has another name and lines of other texts, which no dataset has."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for member in old.namelist():
            if member.startswith(f"{table}_"):
                text = old.read(member).decode().replace(table, name)
                text = re.sub(r'("\.\.\."," *|<Description>)', r"\1Trial ", text)
                new.writestr(member.replace(table, name), text)
    return made.getvalue()


def changed_texts(archive: bytes, changes: Mapping[str, str]) -> bytes:
    """An archive with other texts in its members."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for member in old.namelist():
            text = old.read(member).decode()
            for before, after in changes.items():
                text = text.replace(before, after)
            new.writestr(member, text)
    return made.getvalue()


def metadata_of(described: Described, archive: str | None = None) -> Metadata:
    """What drafting takes of a described table."""
    note = described.observations.notes.get(described.table)
    return Metadata(
        described.table,
        described.title,
        described.observations.frame,
        described.descriptions,
        described.indents,
        note.last_updated if note else None,
        archive,
        "SATRIAL.zip",
    )


def metadata_in(content: bytes, table: str) -> Metadata:
    """The same, of a table in a file."""
    return metadata_of(describe_file(content, table))
