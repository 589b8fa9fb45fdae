"""The verbs as data, read from the map of the verbs: for docs/commands.md, for `pce help`, and for the shell.

`verbs.json` beside this module is the same as a file, because completion must answer before anything is imported
(`completing.py`). `make docs` writes both.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.finding.entries import entries
from pce_pipeline.tables.registry import Registry

_INTRODUCTION = """\
# Commands

Written by `pce commands` from the verbs themselves; do not edit it by hand. `pce help` leads through the first steps,
`pce help WORD` explains a word, `pce VERB --help` shows what stands here of a verb.

**Exit codes.** 0: done. 1: failed, or a person is needed; `pce find` exits so where nothing is found. 2: wrong usage;
nothing was done. 130: interrupted. An error is one message with what to do; with `--json` it is a document on stdout.
Progress and warnings go to stderr.

**Completion.** `pce --install-completion` makes bash, zsh or fish complete verbs, options and names: it writes a script
below `~/.config` and a line into `~/.bashrc` or `~/.zshrc`; `pce --show-completion zsh` prints the script. That of bash
is tested, those of zsh and fish were never run.
"""
_PANEL_OF_SURROUNDINGS = "Verbs"
_TAKES = {int: "NUMBER", float: "NUMBER", Path: "PATH"}


@dataclass(frozen=True)
class Option:
    """An option of a verb."""

    name: str
    """As it is written: `--state`."""
    also: tuple[str, ...]
    """Other spellings: `--area`."""
    takes: str
    """What it takes, in a word; empty for a switch."""
    choices: tuple[str, ...]
    """The words that it takes, where there are only these."""
    help: str
    """What it does."""
    default: str
    """What counts where it is left out; empty where that is nothing."""


@dataclass(frozen=True)
class Argument:
    """An argument of a verb."""

    name: str
    """What stands for it: `DATE`."""
    help: str
    """What it is."""
    is_required: bool
    """Whether it must be there."""
    is_repeatable: bool
    """Whether there may be several."""


@dataclass(frozen=True)
class Verb:
    """A verb of `pce`."""

    name: str
    """As it is called: `query`, `show bulletin`."""
    panel: str
    """The group in which `pce --help` shows it."""
    summary: str
    """What it does, as a list of verbs says it."""
    help: str
    """The same, and what else its own help says."""
    arguments: tuple[Argument, ...]
    """Its arguments, in order."""
    options: tuple[Option, ...]
    """Its own options; those that all verbs have are in `common_options`."""


def commands(session: Session) -> Answer:
    """The verbs with their arguments and options as Markdown: docs/commands.md; with --json as a document."""
    return Answer(document(session.registry), as_is=markdown(verbs(), common_options()), of_world=False)


def document(registry: Registry) -> dict[str, Any]:
    """What `verbs.json` holds: the verbs, the columns of Gold that `--measure` takes too, and the tables of Gold."""
    columns = [entry.column for entry in entries(registry) if entry.column]
    tables = [table.relation for table in registry.tables if table.layer == "gold"]
    return {"common_options": list(common_options()), "verbs": list(verbs()), "columns": columns, "tables": tables}


@cache
def verbs() -> tuple[Verb, ...]:
    """All verbs, in the order in which `pce --help` shows them."""
    shared = {option.name for option in common_options()}
    return tuple(
        Verb(
            name,
            panel,
            _plain((command.help or "").partition("\n\n")[0]),
            _plain(command.help or ""),
            tuple(_argument(each) for each in command.params if isinstance(each, TyperArgument)),
            tuple(option for each in command.params if (option := _option(each)) and option.name not in shared),
        )
        for name, panel, command in _commands()
    )


@cache
def common_options() -> tuple[Option, ...]:
    """The options that every verb has."""
    of_each = [[option for each in command.params if (option := _option(each))] for _, _, command in _commands()]
    return tuple(option for option in of_each[0] if all(option in others for others in of_each[1:]))


def is_verb(words: Sequence[str]) -> bool:
    """Whether these words call a verb, or a noun that verbs follow."""
    return bool(words) and any(each.name.split()[: len(words)] == list(words) for each in verbs())


def markdown(of: Iterable[Verb], common: Iterable[Option]) -> str:
    """The document of the verbs; the same verbs give the same bytes."""
    parts = [_INTRODUCTION, "Every verb has these options:\n", *_options(common)]
    panel = ""
    for verb in of:
        if verb.panel != panel:
            panel = verb.panel
            parts.append(f"## {panel}\n")
        parts += _verb(verb)
    return "\n".join(parts).rstrip() + "\n"


def _verb(verb: Verb) -> Iterator[str]:
    words = " ".join(map(_usage, verb.arguments))
    yield f"### `pce {verb.name}{f' {words}' if words else ''}`\n\n{verb.help}\n"
    if described := [each for each in verb.arguments if each.help]:
        yield "\n".join(f"- `{each.name}`: {each.help}" for each in described) + "\n"
    yield from _options(verb.options)


def _usage(argument: Argument) -> str:
    name = f"{argument.name}{'...' if argument.is_repeatable else ''}"
    return name if argument.is_required else f"[{name}]"


def _options(options: Iterable[Option]) -> Iterator[str]:
    rows = list(options)
    if not rows:
        return
    yield "| option | |\n|---|---|"
    for each in rows:
        takes = f" {'|'.join(each.choices) or each.takes}" if each.takes else ""
        default = f" Default: {each.default}." if each.default else ""
        names = ", ".join([each.name, *each.also])
        yield f"| `{_cell(names + takes)}` | {_cell(each.help)}{_cell(default)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _commands() -> Iterator[tuple[str, str, Any]]:
    """Every verb that is shown, with its name and panel."""
    from pce_pipeline.cli.app import app  # noqa: PLC0415 (the map of the verbs has this verb, too)

    top = typer.main.get_command(app())
    assert isinstance(top, TyperGroup)  # noqa: S101 (a map of verbs is one)
    context = typer.Context(top)
    for name in top.list_commands(context):
        command = top.commands[name]
        panel = str(getattr(command, "rich_help_panel", None) or _PANEL_OF_SURROUNDINGS)
        if isinstance(command, TyperGroup):
            yield from ((f"{name} {own}", panel, each) for own, each in command.commands.items() if not each.hidden)
        elif not command.hidden:
            yield name, panel, command


def _option(parameter: Any) -> Option | None:  # noqa: ANN401 (a parameter of any kind)
    """An option as it is shown; None for an argument, and for --help."""
    if not isinstance(parameter, TyperOption) or parameter.hidden or "--help" in parameter.opts:
        return None
    kind = _kind(parameter.type_descriptor.annotation)
    choices = tuple(str(each.value) for each in kind) if isinstance(kind, type) and issubclass(kind, Enum) else ()
    choices = get_args(kind) if get_origin(kind) is Literal else choices
    takes = "" if parameter.is_flag else parameter.metavar or _TAKES.get(kind, "TEXT")
    default = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
    is_said = default is not None and not callable(default) and not parameter.is_flag and default not in ("", [], ())
    name, *also = (each for each in parameter.opts if each.startswith("--"))
    return Option(name, tuple(also), takes, choices, _plain(parameter.help or ""), str(default) if is_said else "")


def _argument(parameter: TyperArgument) -> Argument:
    name = (parameter.metavar or parameter.name or "").strip("[]").removesuffix("...").upper()
    return Argument(name, _plain(parameter.help or ""), parameter.required, parameter.nargs != 1)


def _kind(annotation: Any) -> Any:  # noqa: ANN401 (any type that an option may have)
    """The type of one value, without `| None` and without the list around it."""
    if get_origin(annotation) in {Union, UnionType, list, tuple}:
        return next((_kind(each) for each in get_args(annotation) if each is not type(None)), str)
    return annotation


def _plain(text: str) -> str:
    """A help text in one line, as it was written."""
    return " ".join(text.split())
