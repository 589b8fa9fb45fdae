"""A live run says of each assumption what BEA's answers make of it, and keeps them without the key."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pce_pipeline.bea.errors import (
    BeaContentError,
    BeaKeyRejected,
    BeaRateLimited,
    BeaRequestRejected,
    BeaTransportError,
)
from pce_pipeline_tests.live.assumptions import (
    Answers,
    asked_of,
    document,
    is_silence,
    is_unusable,
    table,
    verdict,
)


@dataclass
class Said:
    body: bytes


@pytest.mark.parametrize(
    ("outcome", "phase", "wanted"),
    [
        ("passed", "call", "confirmed"),
        ("failed", "call", "refuted"),
        ("failed", "setup", "unanswered"),
        ("skipped", "setup", "unanswered"),
        ("skipped", "call", "unanswered"),
    ],
)
def test_only_a_test_that_was_answered_refutes(outcome: str, phase: str, wanted: str) -> None:
    found = verdict("test_the_calendar_knows_the_release", outcome, phase, "")
    assert (found.sentence, found.verdict) == ("the calendar knows the release", wanted)


@pytest.mark.parametrize(
    ("problem", "silence", "unusable"),
    [
        (BeaTransportError("no connection", remedy="Try again."), True, False),
        (BeaRateLimited(datetime(2026, 1, 1, tzinfo=UTC)), True, False),
        (BeaKeyRejected("1", "unknown"), True, False),
        (BeaContentError("a page without links"), False, True),
        (BeaRequestRejected("404", "no page"), False, True),
        (AssertionError("4 is not 5"), False, False),
        (None, False, False),
    ],
    ids=lambda each: type(each).__name__ if not isinstance(each, bool) else "",
)
def test_no_answer_is_told_from_an_answer_that_is_not_as_assumed(
    problem: BaseException | None, silence: bool, unusable: bool
) -> None:
    assert (is_silence(problem), is_unusable(problem)) == (silence, unusable)


def test_the_case_of_an_assumption_is_named_as_it_is() -> None:
    found = verdict("test_the_calendar_names_the_releases_of_a_dataset[pce_state]", "passed", "call", "")
    assert found.sentence == "the calendar names the releases of a dataset[pce_state]"


def test_what_is_refuted_stands_first_and_breaks_no_table() -> None:
    said = table([verdict("test_b", "passed", "call", ""), verdict("test_a", "failed", "call", "1 | 2\n3")], "BEA")
    assert said.splitlines()[4:] == ["| a | refuted | 1 \\| 2 3 |", "| b | confirmed |  |"]


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8765", "https://apps.bea.gov.example.org", "https://apps.bea.gov@example.org"],
)
def test_answers_of_a_look_alike_are_never_taken_for_those_of_bea(url: str) -> None:
    asked = asked_of(url)
    assert "look-alike" in asked
    assert "look-alike" in table([], asked)
    assert json.loads(document([], asked))["asked"] == asked


def test_bea_is_known_by_its_address() -> None:
    assert asked_of("https://apps.bea.gov") == "BEA"


def test_a_word_before_an_address_which_may_be_secret_reaches_no_report() -> None:
    assert "hush" not in asked_of("https://me:hush@example.org/?key=hush")


def test_answers_are_kept_as_they_came_and_never_with_the_key(tmp_path: Path) -> None:
    key = "0a1b2c3d-0000-4000-8000-00000000ABCD"
    answers = Answers(tmp_path / "answers", key)
    assert answers.keep("a.json", Said(b"{}")).body == b"{}"
    assert (tmp_path / "answers" / "a.json").read_bytes() == b"{}"
    with pytest.raises(AssertionError, match="repeats the key") as refused:
        answers.keep("b.json", Said(key.lower().encode()))
    assert key.lower() not in str(refused.value).lower()
    assert not (tmp_path / "answers" / "b.json").exists()
    assert Answers(None).keep("c.json", Said(b"")).body == b""
