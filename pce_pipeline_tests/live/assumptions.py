"""What BEA itself says of each assumption about it: confirmed, refuted or unanswered; and the answers it was judged by.

Each live test is one assumption, and its name the sentence. Answers are kept as the client hands them out, which is
without the key.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from pce_pipeline.bea.errors import (
    BeaContentError,
    BeaKeyRejected,
    BeaQuotaExceeded,
    BeaRateLimited,
    BeaRequestRejected,
    BeaTransportError,
    BeaUnavailable,
)
from pce_pipeline.redaction import is_recognisable

_BEA = "apps.bea.gov"


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
    name, bracket, case = test.removeprefix("test_").partition("[")
    said = name.replace("_", " ") + bracket + case
    if outcome == "passed":
        return Assumption(said, "confirmed")
    return Assumption(said, "refuted" if outcome == "failed" and phase == "call" else "unanswered", text)


def is_silence(problem: BaseException | None) -> bool:
    """Whether what a test met says nothing about its question: no answer, a lock, a refused key."""
    return isinstance(problem, (BeaTransportError, BeaRateLimited, BeaKeyRejected, BeaQuotaExceeded, BeaUnavailable))


def is_unusable(problem: BaseException | None) -> bool:
    """Whether BEA answered, but not as is assumed."""
    return isinstance(problem, (BeaContentError, BeaRequestRejected))


def unreadable(why: str) -> Assumption:
    """For an answer that came and could not be used: what rests on it is unanswered, but this much is refuted."""
    return Assumption("all answers have the form that is assumed", "refuted", why)


def asked_of(url: str) -> str:
    """Who was asked, so that nobody takes the answers of a look-alike for BEA's."""
    return "BEA" if is_bea(url) else f"a look-alike of BEA at {_place(url)}, which confirms nothing about BEA"


def is_bea(url: str) -> bool:
    """Whether BEA itself is asked, not its look-alike."""
    return urlsplit(url).hostname == _BEA


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def table(found: Iterable[Assumption], asked: str) -> str:
    """As Markdown, under who was asked; what is refuted stands first."""
    order = ("refuted", "unanswered", "confirmed")
    lines = [f"Asked: {asked}.", "", "| assumption about BEA | | why |", "|---|---|---|"]
    for each in sorted(found, key=lambda one: (order.index(one.verdict), one.sentence)):
        why = each.why.replace("|", "\\|").replace("\n", " ").strip()[:300]
        lines.append(f"| {each.sentence} | {each.verdict} | {why} |")
    return "\n".join(lines) + "\n"


def document(found: Iterable[Assumption], asked: str) -> str:
    """As JSON, for machines: {"asked": who, "assumptions": [{"sentence", "verdict", "why"}]}."""
    return json.dumps({"asked": asked, "assumptions": [vars(each) for each in found]}, indent=2) + "\n"
