"""What BEA itself says of each assumption about it: confirmed, refuted or unanswered; and the answers it was judged by.

Each live test is one assumption, and its name the sentence. Answers are kept as the client hands them out, which is
without the key.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from pce_pipeline.redaction import is_recognisable


class Answer(Protocol):
    """What the client of BEA gives for a question."""

    @property
    def body(self) -> bytes:
        """The bytes, but for the key."""


T = TypeVar("T", bound=Answer)


@dataclass
class Answers:
    """Keeps answers below a folder; without one it keeps nothing."""

    folder: Path | None
    key: str = ""
    """What must be in no answer."""
    names: list[str] = field(default_factory=list)
    """What was kept, in order."""

    def keep(self, name: str, answer: T) -> T:
        """Keep one answer under a name, and hand it on."""
        if self.folder is not None:
            if is_recognisable(self.key) and self.key.lower().encode() in answer.body.lower():
                raise AssertionError(f"{name} repeats the key")
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(answer.body)
            self.names.append(name)
        return answer


@dataclass(frozen=True)
class Assumption:
    """One sentence about BEA, and what became of it."""

    sentence: str
    """The name of its test, as words."""
    verdict: str
    """confirmed, refuted, or unanswered where BEA could not be asked."""
    why: str = ""
    """What was found instead, or why nothing was."""


UNASKED = tuple(
    Assumption(sentence, "unanswered", why)
    for sentence, why in (
        ("a lock that does not say how long it lasts lasts an hour", "asking would lock the key"),
        ("a lock comes as HTTP 429 with Retry-After or as error 7", "asking would lock the key"),
        ("100 requests and 100 MB and 30 errors a minute are what a key may send", "asking would lock the key"),
        ("a key that is not active yet is answered with error 4", "it takes such a key"),
        ("errors with codes that are not documented may pass with time", "they cannot be provoked"),
        ("the calendar writes its own date in UTC", "it writes no zone, and nothing to compare it with"),
    )
)
"""What is assumed of BEA and cannot be asked: it stands in each report, so that nobody takes it for confirmed."""


def verdict(test: str, outcome: str, phase: str, text: str) -> Assumption:
    """From what pytest reports of a test: a failure of its own refutes, one before it (`phase` is setup) does not."""
    said = " ".join(re.sub(r"^test_", "", test).replace("_", " ").split())
    if outcome == "passed":
        return Assumption(said, "confirmed")
    return Assumption(said, "refuted" if outcome == "failed" and phase == "call" else "unanswered", text)


def table(found: Iterable[Assumption]) -> str:
    """As Markdown, what is refuted first."""
    order = ("refuted", "unanswered", "confirmed")
    lines = ["| assumption about BEA | | why |", "|---|---|---|"]
    for each in sorted(found, key=lambda one: (order.index(one.verdict), one.sentence)):
        why = each.why.replace("|", "\\|").replace("\n", " ").strip()[:300]
        lines.append(f"| {each.sentence} | {each.verdict} | {why} |")
    return "\n".join(lines) + "\n"


def document(found: Iterable[Assumption]) -> str:
    """As JSON, for machines."""
    said: list[Mapping[str, str]] = [vars(each) for each in found]
    return json.dumps(said, indent=2) + "\n"
