"""The runbook as a program reads it: rows that are found by the words a person sees, and the commands that they give.

What is in quotation marks in a row's first cell is what `pce` or a log says, `…`, N and M standing for what varies.
What is in backticks and begins with `pce` in its last cell is what to do, in that order.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pce_pipeline

OPERABILITY = Path(pce_pipeline.__file__).parents[1] / "docs" / "operability.md"

_VARIES = re.compile(r"…|\b[NM]\b")
_PLACEHOLDER = re.compile(r"…|\b[A-Z]{3,}\b")
_CELL_END = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Row:
    """One row of the runbook."""

    section: str
    """The heading above its table."""
    sees: str
    """What a person sees."""
    means: str
    """What it means."""
    do: str
    """What to do."""

    @property
    def quotations(self) -> list[str]:
        """The words that are seen, each as the document has them."""
        return re.findall(r'"([^"]+)"', self.sees)

    @property
    def commands(self) -> list[str]:
        """What to call, without `pce`, in this order; placeholders as they are written."""
        return re.findall(r"`pce ([^`]+)`", self.do)

    def is_seen_in(self, text: str) -> bool:
        """Whether any of its words stand in what a person sees."""
        return any(_pattern(each, _VARIES).search(_on_one_line(text)) for each in self.quotations)


def runbook(document: str | None = None) -> list[Row]:
    """Every row below the heading `Runbook`, of the document or of a text like it."""
    text = OPERABILITY.read_text("utf-8") if document is None else document
    section, rows = "", []
    for line in text.partition("\n## Runbook\n")[2].partition("\n## ")[0].splitlines():
        if line.startswith("### "):
            section = line.removeprefix("### ")
        elif line.startswith("| ") and not line.startswith("| you see"):
            sees, means, do = (cell.strip() for cell in _CELL_END.split(line)[1:-1])
            rows.append(Row(section, sees, means, do))
    return rows


def rows_seen(text: str, rows: Sequence[Row]) -> list[Row]:
    """The rows whose words stand in a text, in the order of the document."""
    return [row for row in rows if row.is_seen_in(text)]


def filled(command: str, text: str, known: Mapping[str, str] | None = None) -> str:
    """The command with its placeholders as a person knows them, else as the text has them, which names it as a whole.

    Raises `LookupError` where it does not.
    """
    for placeholder, value in (known or {}).items():
        command = value.join(re.split(rf"\b{placeholder}\b", command))
    if not _PLACEHOLDER.search(command):
        return command
    found = re.search(rf"pce ({_pattern(command, _PLACEHOLDER, one=r'[^ ]+').pattern})", _on_one_line(text))
    if found is None:
        raise LookupError(f"what is seen does not say how to fill `pce {command}`: {text}")
    return found[1]


def _pattern(words: str, varies: re.Pattern[str], *, one: str = ".+?") -> re.Pattern[str]:
    fixed = [re.escape(_on_one_line(part)) for part in varies.split(words)]
    return re.compile(one.join(fixed), re.DOTALL)


def _on_one_line(text: str) -> str:
    """A text without the line breaks of a terminal, and with the outer blanks that stand beside what varies."""
    return re.sub(r"\s+", " ", text)
