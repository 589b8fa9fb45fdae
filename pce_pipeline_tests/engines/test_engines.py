"""Engines of others: what they answer is compared to the digit, and whoever is installed agrees with ours."""

import json
import re
import struct
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pce_pipeline_tests import servers
from pce_pipeline_tests.engines import report
from pce_pipeline_tests.engines.readers import renamed_jackson
from pce_pipeline_tests.engines.readers.question import Figures, OpenTable, Question, sign_in
from pce_pipeline_tests.engines.running import (
    DIRECTORY,
    ENGINES,
    PLACES,
    S3,
    Engine,
    Outcome,
    Place,
    ask,
    differences,
    run,
)
from pce_pipeline_tests.engines.world import Asked

ENVIRONMENTS = sorted((Path(__file__).parent / "environments").glob("*.in"))
LEVELS = OpenTable(
    name="gold/levels",
    location="file:///lake/gold/levels",
    metadata="file:///lake/gold/levels/metadata/v2.metadata.json",
    tag="release-2025-09-26",
    snapshot_id=7,
    columns=("year", "value"),
    decimals=("value",),
)
S3_SERVER = servers.S3("http://127.0.0.1:1", "bucket", "an id", "not to be seen", "http://127.0.0.1:2")
QUESTION = Question("file:///lake", (LEVELS,), Figures("gold/levels", "value", "06000", "product.pce"))


def counted(rows: int) -> dict[str, Any]:
    return {"rows": rows, "values": {"year": rows, "value": 2}, "sums": {"value": "4.500"}}


OURS: dict[str, Any] = {
    "version": "",
    "tables": {"gold/levels": {"now": counted(3), "then": counted(2)}},
    "figures": {"now": {"2024": "2.500"}, "then": {"2024": "2.000"}},
}
ASKED = Asked(QUESTION, OURS, date(2025, 9, 26))


def test_a_question_comes_back_from_json_as_it_was() -> None:
    assert Question.from_json(QUESTION.to_json()) == QUESTION
    assert LEVELS.counted() == "count(*), count(year), count(value), sum(value)"
    with_s3 = Question("s3://lake", (LEVELS,), QUESTION.figures, "http://127.0.0.1:1")
    assert Question.from_json(with_s3.to_json()).endpoint == "http://127.0.0.1:1"


def test_zeros_behind_the_point_make_no_difference() -> None:
    theirs = deepcopy(OURS)
    theirs["tables"]["gold/levels"]["now"]["sums"]["value"] = "4.5"
    theirs["figures"]["then"]["2024"] = "2"
    assert list(differences(OURS, theirs)) == []


def of_levels(theirs: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = theirs["tables"]["gold/levels"]
    return found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda theirs: of_levels(theirs)["now"].update(rows=4), "gold/levels now: rows 3 here and 4 there"),
        (lambda theirs: of_levels(theirs)["then"]["values"].update(value=3), "value 2 here and 3 there"),
        (lambda theirs: of_levels(theirs)["now"]["sums"].update(value="4.501"), "value 4.500 here and 4.501 there"),
        (lambda theirs: of_levels(theirs)["now"]["sums"].update(value=None), "value 4.500 here and None there"),
        (lambda theirs: of_levels(theirs)["now"]["sums"].clear(), "value 4.500 here and None there"),
        (lambda theirs: of_levels(theirs).pop("then"), "gold/levels then: no answer"),
        (lambda theirs: theirs["figures"]["then"].update({"2024": "2.500"}), "figures then: 2024 2.000 here and 2.500"),
        (lambda theirs: theirs["figures"]["now"].update({"2025": "1"}), "figures now: 2025 None here and 1 there"),
    ],
)
def test_any_other_number_is_told_with_its_place(change: Callable[[dict[str, Any]], object], told: str) -> None:
    theirs = deepcopy(OURS)
    change(theirs)
    (difference,) = differences(OURS, theirs)
    assert told in difference


def test_an_engine_that_fails_or_is_not_there_does_not_agree_and_says_why() -> None:
    absent = ask(Engine("Absent", "with_pyiceberg", "no-such-environment"), DIRECTORY, ASKED, {})
    assert (absent.agrees, absent.reason) == (False, "not installed: `make engines` does it")
    failing = ask(Engine("Failing", "no_such_reader"), DIRECTORY, ASKED, {})
    assert not failing.agrees
    assert "no_such_reader" in failing.reason
    known = ask(Engine("Known", "with_pyiceberg", None, {S3: "not run: no client"}), S3, ASKED, {})
    assert (known.agrees, known.reason) == (True, "not run: no client")


def test_the_report_has_a_line_for_each_and_says_what_differs() -> None:
    different = deepcopy(OURS)
    of_levels(different)["now"]["rows"] = 4
    place = Place(
        DIRECTORY,
        ASKED,
        [
            Outcome("Same", DIRECTORY, {**OURS, "version": "1.0"}, 2.0),
            Outcome("Other", DIRECTORY, different, 2.0, tuple(differences(OURS, different))),
            Outcome("Failing", DIRECTORY, None, reason="it broke"),
            Outcome("Known", DIRECTORY, None, reason="not run: no client", was_expected=True),
        ],
    )
    told = report.markdown([place])
    assert "| Same 1.0 | 3 | 2 | 4.500 | 4.500 | 2.500 | 2.000 | 2.0 | agrees |" in told
    assert "Other: gold/levels now: rows 3 here and 4 there" in told
    assert "Failing: it broke" in told
    assert "| not run: no client |" in told
    assert "SAMPLE" in told
    console = Console(width=report.WIDTH, record=True, quiet=True)
    console.print(report.terminal([place]))
    machines = json.loads(json.dumps(report.for_machines([place])))
    assert [each["agrees"] for each in machines[0]["engines"]] == [True, False, False, True]


def class_file(*constants: bytes) -> bytes:
    slots = 1 + sum(2 if each[0] in {5, 6} else 1 for each in constants)
    return b"\xca\xfe\xba\xbe" + struct.pack(">HHH", 0, 52, slots) + b"".join(constants) + b"the rest: com/fasterxml"


def text(value: str) -> bytes:
    return b"\x01" + struct.pack(">H", len(value)) + value.encode()


def test_jackson_is_renamed_in_every_text_of_a_class_and_nothing_else_is() -> None:
    long, reference = b"\x05" + bytes(range(8)), b"\x0a\x00\x01\x00\x02"
    before = ("(Lcom/fasterxml/jackson/core/A;Lcom/fasterxml/jackson/core/B;)V", "com.fasterxml.jackson.core", "java/C")
    shaded = "org/apache/iceberg/shaded/com/fasterxml/jackson"
    after = (f"(L{shaded}/core/A;L{shaded}/core/B;)V", f"{shaded}.core".replace("/", "."), "java/C")
    body = class_file(text(before[0]), long, text(before[1]), reference, text(before[2]))
    expected = class_file(text(after[0]), long, text(after[1]), reference, text(after[2]))
    assert renamed_jackson.renamed(body) == expected
    with pytest.raises(ValueError, match="class file"):
        renamed_jackson.renamed(b"PK")


def test_the_key_of_a_bucket_is_in_the_environment_and_in_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sign_in(QUESTION) is None
    for name, value in S3_SERVER.environment.items():
        monkeypatch.setenv(name, value)
    on_s3 = Question("s3://lake", (LEVELS,), QUESTION.figures, S3_SERVER.endpoint_url)
    signs_in = sign_in(on_s3)
    assert signs_in is not None
    assert (signs_in.key, signs_in.secret) == (S3_SERVER.access_key, S3_SERVER.secret_key)
    assert S3_SERVER.secret_key not in on_s3.to_json()


@pytest.mark.parametrize("asked_for", ENVIRONMENTS, ids=lambda path: path.stem)
def test_every_environment_is_pinned_by_hash_and_names_no_registry(asked_for: Path) -> None:
    lock = asked_for.with_suffix(".txt").read_text("utf-8")
    assert not re.search(r"//|index-url|find-links|trusted-host", lock)
    pins = [line for line in lock.splitlines() if re.match(r"\w", line)]
    assert all(re.match(r"[\w.-]+(\[\w+\])?==[\w.]+ ", line) for line in pins)
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", lock)) >= len(pins)
    names = {re.split("[=[]", line)[0] for line in pins}
    wanted = [line for line in asked_for.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert {re.split("[=[]", line)[0] for line in wanted} <= names
    assert {engine.environment for engine in ENGINES} >= {asked_for.stem}


@pytest.mark.long
@pytest.mark.s3
@pytest.mark.system
@pytest.mark.parametrize("place", PLACES)
def test_every_engine_that_is_installed_agrees_with_ours(place: str) -> None:
    installed = [engine for engine in ENGINES if engine.python.exists()]
    (found,) = run([place], installed, lambda _: None)
    assert {each.engine: each.differences or each.reason for each in found.outcomes if not each.agrees} == {}
    assert found.asked.ours["figures"]["now"] != found.asked.ours["figures"]["then"]
    assert len(found.asked.question.tables) > 10
