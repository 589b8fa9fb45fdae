"""The verb that explains: the verbs by what people want to do, one verb, or a word of the field.

The words are in glossary.toml; a verb is explained by its own help, so that nothing is said twice.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from pce_pipeline.cli.commands import is_verb, verbs
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import UsageError


@dataclass(frozen=True)
class Term:
    """A word of the field."""

    name: str
    """The word."""
    also: tuple[str, ...]
    """Other words for it."""
    means: str
    """What it means, in two to five sentences."""
    see: tuple[str, ...]
    """The commands that show it."""


@cache
def terms() -> tuple[Term, ...]:
    """The words that are explained, as they stand in the glossary."""
    return tuple(
        Term(each["name"], tuple(each.get("also", ())), each["means"], tuple(each["see"])) for each in _said()["terms"]
    )


@cache
def _said() -> Mapping[str, Any]:
    return tomllib.loads((files(__package__) / "glossary.toml").read_text("utf-8"))


def term_of(words: str) -> Term | None:
    """The term that the words name; None where none does."""
    return _by_name().get(_folded(words))


def help_with(
    session: Session,
    word: Annotated[list[str] | None, typer.Argument(help="A verb, or a word such as: vintage.")] = None,
) -> Answer | None:
    """Explain what to do first, a verb, or a word such as world, extract, vintage or stale."""
    words = word or []
    if not words:
        named = [each.name for each in terms()]
        return Answer({"first_steps": _said()["steps"], "words": named}, list(_overview()), of_world=False)
    found = term_of(" ".join(words))
    if is_verb(words):
        return _of_verb(session, words, found)
    if found is None:
        raise _unknown(" ".join(words))
    return Answer({"word": found}, list(_shown(found)), of_world=False)


def _of_verb(session: Session, words: list[str], found: Term | None) -> Answer:
    """What a verb's own --help shows, and below it the word where it is one, too: "certificate"."""
    document = {"verbs": [each for each in verbs() if each.name.split()[: len(words)] == words], "word": found}
    if not session.as_json:
        from pce_pipeline.cli.app import app  # noqa: PLC0415 (the map of the verbs has this verb, too)

        app(words)([*words, "--help"], prog_name="pce", standalone_mode=False)
    return Answer(document, list(_shown(found)) if found is not None else [], of_world=False)


def _unknown(words: str) -> UsageError:
    names = {_folded(each.name): each.name for each in verbs()} | {each: term.name for each, term in _by_name().items()}
    close = dict.fromkeys(names[each] for each in difflib.get_close_matches(_folded(words), names, n=3))
    meant = f"Did you mean {', '.join(close)}? " if close else ""
    return UsageError(
        f"There is no help on {words!r}.", remedy=f"{meant}pce help lists the words; pce find {words} searches figures."
    )


def _overview() -> Iterator[RenderableType]:
    for step in _said()["steps"]:
        yield Text(f"\n{step['purpose']}", "bold")
        for line, says in step["lines"]:
            yield Text(f"  {line}", "cyan", no_wrap=True, overflow="ignore")
            yield Padding(Text(says), (0, 0, 0, 4))
    yield Text("\nWords", "bold")
    yield Padding(Text(", ".join(each.name for each in terms())), (0, 0, 0, 2))
    yield Text("\npce help WORD explains one, pce --help lists all verbs, pce VERB --help its options.")


def _shown(term: Term) -> Iterator[RenderableType]:
    yield Text.assemble("\n", (term.name, "bold"))
    yield Text(term.means)
    yield Text()
    for line in term.see:
        yield Text(f"  {line}", "cyan", no_wrap=True, overflow="ignore")


@cache
def _by_name() -> Mapping[str, Term]:
    return {_folded(name): term for term in terms() for name in (*term.also, term.name)}


def _folded(words: str) -> str:
    return " ".join(words.casefold().replace("-", " ").split())
