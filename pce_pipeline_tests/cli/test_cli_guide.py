"""A newcomer is led: searching, words explained, calls that are wrong or lack a verb, all in forty columns."""

import re

import pytest

import pce_pipeline
from pce_pipeline.cli.commands import verbs
from pce_pipeline.cli.explaining import terms
from pce_pipeline_tests.cli.conftest import Pce


def test_what_is_found_is_shown_with_the_line_that_asks(empty: Pce) -> None:
    said = empty("find", "health", "care", "Texas", PCE_PROFILE="full")
    assert said.code == 0
    assert "product.health_care  Health care" in said.out
    assert "SAPCE1 line 16" in " ".join(said.out.split())
    assert "query --measure pce --category product.health_care --state TX" in said.out
    document = empty("find", "health", "care", "--limit", "1", "--json", PCE_PROFILE="full").document
    (found,) = document["found"]
    assert found["id"] == "product.health_care"


def test_a_dataset_restricts_what_is_found(empty: Pce) -> None:
    said = empty("find", "pce", "--dataset", "summary_state", "--json", PCE_PROFILE="full").document
    assert said["found"]
    assert all("summary_state" in each["datasets"] for each in said["found"])


def test_nothing_found_exits_with_one_and_names_the_nearest_words(empty: Pce) -> None:
    said = empty("find", "health", "spaceships", "--json", PCE_PROFILE="full")
    assert said.code == 1
    assert said.document["error"]["type"] == "NothingFound"
    assert "health" in said.document["error"]["near"]


def test_the_line_that_find_shows_answers(pce: Pce) -> None:
    (found,) = pce("find", "goods", "--limit", "1", "--json").document["found"]
    asked = pce(*found["query"].split()[1:], "--json")
    assert asked.code == 0
    assert {row["category_id"] for row in asked.document["figures"]} == {found["id"]}


@pytest.mark.parametrize(
    ("called", "hint"),
    [
        (("health", "care"), "pce find health care"),
        (("quer",), "pce query"),
        (("vintage",), "pce help vintage"),
        (("bulletin",), "pce show bulletin"),
        (("db", "strat"), "pce db start"),
        (("check", "--dataset", "pce_stat"), "Did you mean pce_state"),
        (("query", "--stat", "CA"), "--state"),
    ],
    ids=" ".join,
)
def test_a_wrong_word_is_answered_with_what_was_probably_meant(empty: Pce, called: tuple[str, ...], hint: str) -> None:
    said = empty(*called)
    assert (said.code, said.out) == (2, "")
    assert hint in said.err


def test_the_version_is_told(empty: Pce) -> None:
    said = empty("--version")
    assert (said.code, said.out) == (0, f"pce {pce_pipeline.__version__}\n")
    assert empty("--version", "--json").document == {"version": pce_pipeline.__version__}


def test_verbs_of_people_come_first(empty: Pce) -> None:
    said = empty("--help").out
    names = re.findall(r"^│ ([a-z-]+) ", said, re.MULTILINE)
    people = names[names.index("find") :]
    assert people[:9] == ["find", "query", "sql", "export", "show", "look", "diff", "trace", "help"]


def test_help_leads_through_the_first_steps_and_lists_the_words(empty: Pce) -> None:
    said = empty("help")
    assert said.code == 0
    assert "pce find health care" in said.out
    assert all(term.name in " ".join(said.out.split()) for term in terms())


@pytest.mark.parametrize(
    "word",
    [
        *("world", "extract", "vintage", "stale", "partial", "pin", "constant dollars", "regional price parity"),
        *("line code", "FIPS", "quarantine", "lake", "Bronze", "Silver", "Gold", "RPP", "line-codes"),
    ],
)
def test_a_word_is_explained_with_a_command_that_shows_it(empty: Pce, word: str) -> None:
    said = empty("help", *word.split())
    assert said.code == 0
    assert "  pce " in said.out


def test_an_explanation_has_two_to_five_sentences_and_commands_that_exist() -> None:
    for term in terms():
        assert 2 <= len(re.findall(r"[.:](?: |$)", term.means)) + term.means.count(";") <= 7, term.name
        for line in term.see:
            assert is_called(line), line


def is_called(line: str) -> bool:
    called = line.split()[1:]
    return any(called[: len(verb.name.split())] == verb.name.split() for verb in verbs())


def test_the_first_steps_call_verbs_that_exist(empty: Pce) -> None:
    steps = empty("help", "--json").document["first_steps"]
    assert [line for step in steps for line, _ in step["lines"] if not is_called(line)] == []


def test_help_on_a_verb_is_its_own_help(empty: Pce) -> None:
    assert "--as-of" in empty("help", "query").out
    assert "bulletin" in empty("help", "show").out
    (verb,) = empty("help", "show", "bulletin", "--json").document["verbs"]
    assert verb["name"] == "show bulletin"


def test_help_on_an_unknown_word_suggests_the_nearest(empty: Pce) -> None:
    said = empty("help", "vintge")
    assert said.code == 2
    assert "Did you mean vintage" in said.err


@pytest.mark.parametrize(
    "called", [("--help",), ("help",), ("help", "vintage"), ("find", "goods"), ("find", "rpp")], ids=" ".join
)
def test_forty_columns_are_enough(empty: Pce, called: tuple[str, ...]) -> None:
    said = empty(*called, COLUMNS="40", PCE_PROFILE="full")
    commands = re.compile(r"^ *(?:\S*/)?pce ")
    assert [line for line in said.out.splitlines() if len(line.rstrip()) > 40 and not commands.match(line)] == []


@pytest.mark.parametrize(
    "called",
    [
        *("check", "status", "show bulletin", "check --sources", "quarantine", "query --state AL --years 2020"),
        *("alert late", "alert quarantined", "doctor --quick", "certificate show", "archive list"),
        "trace --state AL --category product.pce --measure pce --years 2020",
        "trace --state AL --category product.pce --measure pce --years 2020 --cite",
    ],
)
def test_the_sample_never_says_that_bea_says_it(pce: Pce, called: str) -> None:
    said = pce(*called.split())
    words = (
        " ".join((said.out + said.err).split()).replace("not a statistic of BEA", "").replace("BEA's statistics", "")
    )
    claims = r"BEA (?:says|updat|announc|publish|revis|has|chang|answer)|by BEA\b|BEA's (?:figures|cal|note|answ|rel)"
    assert re.findall(rf".{{30}}(?:{claims}).{{20}}", words) == []


def test_a_check_of_the_sample_says_whose_release_it_is(pce: Pce) -> None:
    assert "The sample says" in " ".join(pce("check").out.split())
