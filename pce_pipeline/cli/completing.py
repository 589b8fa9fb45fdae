"""What the shell completes: verbs, options and names of the catalogue, from files and the standard library alone.

A shell asks at each press of a key, so nothing heavy is imported here: neither the verbs (`verbs.json` has them) nor
the registry (names are read from the files of the packaged catalogue; a folder of the user's own is not asked).
"""

import csv
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from pce_pipeline.errors import UsageError

COMPLETE: Final = "--complete"
INSTALL: Final = "--install-completion"
SHOW: Final = "--show-completion"
CALLS: Final = frozenset({COMPLETE, INSTALL, SHOW})
"""First arguments by which `pce` is called for completion."""

SHELLS: Final = ("bash", "zsh", "fish")
_WRONG_USAGE = 2
_LISTS: Final = frozenset({"--state", "--area", "--category", "--measure"})
_HERE = files("pce_pipeline.cli")
_CATALOG = files("pce_pipeline.catalog")
_OF_TOP = {"--version": "Print the version.", "--help": "Show all verbs.", INSTALL: "Complete names in this shell."}


@dataclass(frozen=True)
class Candidate:
    """A word that may stand where somebody is typing."""

    word: str
    """The word."""
    help: str = ""
    """What it means, in a line."""


def main(arguments: Sequence[str]) -> int:
    """Answer a call for completion; the exit code.

    `--complete SHELL WORDS...` writes what the last word may become, `--show-completion [SHELL]` the script of a shell,
    `--install-completion [SHELL]` puts it where the shell reads it.
    """
    call, *given = arguments
    if call == COMPLETE:
        shell, *words = given or ("bash",)
        sys.stdout.write("".join(_line(each, shell) for each in candidates(words)))
        return 0
    try:
        shell = _shell(given)
        if call == SHOW:
            sys.stdout.write(script(shell))
        else:
            sys.stdout.write("".join(f"{path}\n" for path in install(shell, Path.home())))
            sys.stdout.write(f"Written. Open a new {shell}, and press Tab after: pce que\n")
    except UsageError as wrong:
        sys.stderr.write(f"Error  {wrong.message}\n{wrong.remedy}\n")
        return _WRONG_USAGE
    return 0


def candidates(words: Sequence[str]) -> list[Candidate]:
    """What the last of the words after `pce` may become; nothing where the shell should offer files."""
    *before, typed = [word for word in words if word != "="] or [""]
    known = json.loads((_HERE / "verbs.json").read_text("utf-8"))
    verb, others = _verb_in(before, known)
    own = [*(verb or {}).get("options", ()), *known["common_options"]]
    options = {name: each for each in own for name in (each["name"], *each["also"])}
    name, equals, value = typed.partition("=")
    if equals and name in options:
        return [Candidate(f"{name}={each.word}", each.help) for each in _values(options[name], value, known)]
    if before and options.get(before[-1], {}).get("takes"):
        return _values(options[before[-1]], typed, known)
    if typed.startswith("-"):
        offered = {name: each["help"] for name, each in options.items()} if verb else _OF_TOP
        return [Candidate(name, text) for name, text in offered.items() if name.startswith(typed)]
    if verb is None:
        return _next_words(others, typed, known)
    if verb["name"] == "help" and not others:
        return _explained(typed, known)
    if verb["name"] == "export":
        return [Candidate(name) for name in known["tables"] if name.startswith(typed)]
    return []


def script(shell: str) -> str:
    """What a shell reads to ask `pce` for candidates."""
    return (_HERE / "completion" / f"pce.{shell}").read_text("utf-8")


def install(shell: str, home: Path) -> list[Path]:
    """Put the script where the shell reads it, and name it in its rc file; the files. Calling it twice is harmless.

    Raises `UsageError` where a file cannot be written.
    """
    own = home / ".config" / ("fish/completions" if shell == "fish" else "pce") / f"pce.{shell}"
    try:
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(script(shell), "utf-8")
        if shell == "fish":
            return [own]
        rc = home / f".{shell}rc"
        line = f"source ~/{own.relative_to(home)}\n"
        there = rc.read_text("utf-8") if rc.exists() else ""
        if line not in there:
            rc.write_text(f"{there}{'' if not there or there.endswith(chr(10)) else chr(10)}{line}", "utf-8")
    except OSError as problem:
        raise UsageError(
            f"{problem.filename} cannot be written: {problem.strerror}.", remedy=f"Read: pce {SHOW} {shell}"
        ) from None
    return [own, rc]


def _line(candidate: Candidate, shell: str) -> str:
    """A candidate as the script of a shell reads it."""
    text = " ".join(candidate.help.split())
    if shell == "zsh":
        word = candidate.word.replace(":", "\\:")
        return f"{word}:{text}\n" if text else f"{word}\n"
    return f"{candidate.word}\t{text}\n" if shell == "fish" and text else f"{candidate.word}\n"


def _verb_in(words: Sequence[str], known: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, list[str]]:
    """The verb that the words call, and the words beside it that are no options or values; None before it is whole."""
    every = [*known["common_options"], *(each for verb in known["verbs"] for each in verb["options"])]
    takes = {name for each in every if each["takes"] for name in (each["name"], *each["also"])}
    plain = [
        word for at, word in enumerate(words) if not word.startswith("-") and (at == 0 or words[at - 1] not in takes)
    ]
    for verb in known["verbs"]:
        name = verb["name"].split()
        if plain[: len(name)] == name:
            return verb, plain[len(name) :]
    return None, plain


def _next_words(begun: Sequence[str], typed: str, known: Mapping[str, Any]) -> list[Candidate]:
    """The words of verbs that may follow those that are begun: `show` and then `bulletin`."""
    found: dict[str, str] = {}
    for verb in known["verbs"]:
        name = verb["name"].split()
        if name[: len(begun)] == list(begun) and len(name) > len(begun) and name[len(begun)].startswith(typed):
            found.setdefault(name[len(begun)], verb["help"] if len(name) == len(begun) + 1 else "")
    return [Candidate(word, text) for word, text in found.items()]


def _explained(typed: str, known: Mapping[str, Any]) -> list[Candidate]:
    """What `pce help` explains: verbs, and the words of the glossary."""
    glossary = tomllib.loads((_HERE / "glossary.toml").read_text("utf-8"))
    words = [
        Candidate(each["name"]) for each in glossary["terms"] if each["name"].casefold().startswith(typed.casefold())
    ]
    return [*_next_words((), typed, known), *words]


def _values(option: Mapping[str, Any], typed: str, known: Mapping[str, Any]) -> list[Candidate]:
    """What an option may take; of one that takes several with commas, the last of them."""
    name = option["name"]
    done, comma, begun = typed.rpartition(",") if name in _LISTS else ("", "", typed)
    offered = [Candidate(each) for each in option["choices"]] or list(_names(name, known))
    fitting = {each.word: each for each in offered if each.word.casefold().startswith(begun.casefold())}
    return [Candidate(f"{done}{comma}{word}", each.help) for word, each in fitting.items()]


def _names(option: str, known: Mapping[str, Any]) -> Iterator[Candidate]:
    """The names of the catalogue that an option takes."""
    if option in {"--state", "--area"}:
        for row in _rows(_CATALOG / "areas.csv"):
            yield Candidate(row["path_segment"], row["geo_name"])
        yield from (Candidate("states", "All states."), Candidate("regions", "BEA's eight regions."))
    elif option == "--category":
        for folder in _folders():
            yield from (Candidate(row["category_id"], row["name"]) for row in _rows(folder / "categories.csv"))
    elif option == "--dataset":
        yield from (Candidate(said["name"], said["title"]) for said in map(_declared, _folders()))
    elif option == "--measure":
        for said in map(_declared, _folders()):
            yield from (Candidate(each["name"], each["title"]) for each in said.get("measures", ()))
        yield from map(Candidate, known["columns"])


def _folders() -> list[Traversable]:
    """The folders of datasets in the packaged catalogue."""
    return [
        each for each in sorted(_CATALOG.iterdir(), key=lambda entry: entry.name) if (each / "dataset.toml").is_file()
    ]


def _declared(folder: Traversable) -> dict[str, Any]:
    return tomllib.loads((folder / "dataset.toml").read_text("utf-8"))


def _rows(file: Traversable) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text("utf-8").splitlines()))


def _shell(given: Sequence[str]) -> str:
    """The shell that is named, else the one that called; raises `UsageError` for one that is not known."""
    if given:
        shell = given[0]
    else:
        import psutil  # noqa: PLC0415 (only who installs needs it)

        names = [process.name().lstrip("-") for process in psutil.Process().parents()]
        shell = next((name for name in names if name in SHELLS), "")
    if shell not in SHELLS:
        what = f"{shell!r} is not a shell whose completion there is." if shell else "The calling shell is not known."
        raise UsageError(what, remedy=f"Name one: pce {INSTALL} {'|'.join(SHELLS)}")
    return shell
