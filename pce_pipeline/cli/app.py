"""The map of the verbs: what `pce --help` shows, and how a wrong call is answered.

Only the verb that is called is imported. What the help says of all others is in `verbs.json`, which `make docs` writes.
"""

import itertools
import json
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pce_pipeline import __version__
from pce_pipeline.cli.output import FAILED, TERMINAL, WRONG_USAGE, writing_to_stdout
from pce_pipeline.errors import SystemRefused, UsageError

if TYPE_CHECKING:
    from pce_pipeline.cli.session import Session


class _Verbs(TyperGroup):
    """Verbs of which a wrong name is answered with what was probably meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 (types that typer keeps to itself)
        """The verb that is called; raises `UsageError` for a name that is none."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from pce_pipeline.cli.guessing import no_such_verb  # noqa: PLC0415 (a call that is right needs no guess)

            raise no_such_verb(ctx.command_path, args, self.commands)
        return super().resolve_command(ctx, args)


class _Verb(TyperCommand):
    """A verb that takes no blank for a value: `--years "$YEARS"` with an unset variable means none of the years."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (a type that typer keeps to itself)
        """The arguments; raises `UsageError` for an option or an argument without anything in it."""
        given, _, _ = self.make_parser(ctx).parse_args(args=[*args])
        for parameter in self.get_params(ctx):
            name = parameter.name or ""
            if parameter.param_type_name == "option":
                written = {each.partition("=")[0] for each in args}
                name = next((each for each in parameter.opts if each in written), max(parameter.opts, key=len))
            values = _flat(given.get(parameter.name or ""))
            if any(isinstance(value, str) and not value.strip(_BLANK) for value in values):
                raise UsageError(
                    f"{name} is given without a value.",
                    remedy=f"Say one, or leave it out where it may be: {ctx.command_path} --help",
                )
        return super().parse_args(ctx, args)


_BLANK = f"{string.whitespace},"  # commas stand between values


def _flat(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else [value]


class _WithDefault(_Verbs):
    """Verbs of a noun that means its first verb where none is named: `pce show` is `pce show data`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (a type that typer keeps to itself)
        """The arguments, with the first verb before options that stand alone."""
        asks_for_help = bool({"-h", "--help"} & set(args))
        if not asks_for_help and (not args or args[0].startswith("-")):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


class _InOrder(_Verbs):
    """The verbs in the order of their panels; else nouns would stand behind all verbs of their panel."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 (a type that typer keeps to itself)
        """The verbs as they are shown."""
        return sorted(super().list_commands(ctx), key=[each.name for each in _MAP].index)


_PEOPLE = "Find, ask, read"
_OPERATION = "Bring data here"
_CARE = "Take care of it"
_AROUND = "Around it"


@dataclass(frozen=True)
class _Entry:
    """A verb, and where it is."""

    name: str
    """As it is called: `run`, `catalog check`."""
    place: str
    """The module of this room that has it, and the function: `pipeline.run`."""
    panel: str | None = None
    """Where the help shows it; None for one that follows a noun."""
    of_datasets: bool = False
    """Whether it may be restricted to some datasets."""


@dataclass(frozen=True)
class _Noun:
    """A noun that verbs follow."""

    name: str
    """As it is called."""
    help: str
    """What its verbs are about."""
    panel: str
    """Where the help shows it."""
    has_default: bool = False
    """Whether it means its first verb where none is named."""


_MAP: tuple[_Entry | _Noun, ...] = (
    _Entry("find", "finding.find", _PEOPLE, of_datasets=True),
    _Entry("query", "querying.query", _PEOPLE, of_datasets=True),
    _Entry("sql", "querying_in_sql.sql", _PEOPLE),
    _Entry("export", "exporting.export", _PEOPLE, of_datasets=True),
    _Noun("show", "What is here, and what there is to read.", _PEOPLE, has_default=True),
    _Noun("look", "The page of the data: to open, to build, to publish.", _PEOPLE, has_default=True),
    _Entry("diff", "comparing.diff", _PEOPLE, of_datasets=True),
    _Entry("trace", "tracing.trace", _PEOPLE, of_datasets=True),
    _Entry("help", "explaining.help_with", _PEOPLE),
    _Entry("run", "pipeline.run", _OPERATION, of_datasets=True),
    _Entry("check", "pipeline.check", _OPERATION, of_datasets=True),
    _Entry("extract", "pipeline.extract", _OPERATION, of_datasets=True),
    _Entry("refresh", "pipeline.refresh", _OPERATION, of_datasets=True),
    _Entry("status", "looking.status", _OPERATION, of_datasets=True),
    _Entry("quarantine", "looking.quarantine", _OPERATION, of_datasets=True),
    _Noun("archive", "BEA's own archive of earlier releases.", _OPERATION),
    _Entry("doctor", "doctor.doctor", _CARE, of_datasets=True),
    _Entry("verify", "keeping.verify", _CARE, of_datasets=True),
    _Entry("heal", "keeping.heal", _CARE, of_datasets=True),
    _Entry("prune", "keeping.prune", _CARE, of_datasets=True),
    _Entry("iceberg", "opening.iceberg", _CARE),
    _Entry("pin", "keeping.pin", _CARE, of_datasets=True),
    _Entry("use", "deciding.use", _CARE, of_datasets=True),
    _Entry("reset", "keeping.reset", _CARE),
    _Noun("bronze", "The second copy of what was received.", _CARE),
    _Noun("certificate", "Certificates of releases: what was published, provably.", _CARE),
    _Entry("dev", "services.dev", _AROUND),
    _Entry("env", "services.env", _AROUND),
    _Entry("emulate", "services.emulate", _AROUND),
    _Entry("serve-hooks", "hooks.serve_hooks", _AROUND),
    _Entry("dictionary", "looking.dictionary", _AROUND),
    _Entry("commands", "commands.commands", _AROUND),
    _Entry("years", "reporting.years", _AROUND, of_datasets=True),
    _Entry("report", "reporting.report", _AROUND),
    _Entry("heartbeat", "heartbeat.heartbeat", _AROUND),
    _Noun("alert", "Alerts to the channels that are set.", _AROUND),
    _Noun("catalog", "What is ingested, and what it means.", _AROUND),
    _Noun("db", "The world's Postgres.", _AROUND),
    _Noun("sample", "What the embedded sample publishes.", _AROUND),
    _Entry("archive list", "archive.list_releases", of_datasets=True),
    _Entry("archive pull", "archive.pull", of_datasets=True),
    _Entry("bronze copy", "copying.copy"),
    _Entry("bronze restore", "copying.restore"),
    _Entry("alert late", "alerting.late"),
    _Entry("alert quarantined", "alerting.quarantined"),
    _Entry("alert pinned", "alerting.pinned"),
    _Entry("alert sources", "alerting.sources"),
    _Entry("alert failed", "alerting.failed"),
    _Entry("alert test", "alerting.test"),
    _Entry("catalog draft", "catalog.draft"),
    _Entry("catalog check", "catalog.check"),
    _Entry("catalog contracts", "contracts.contracts"),
    _Entry("certificate show", "certifying.show", of_datasets=True),
    _Entry("certificate verify", "certifying.verify"),
    _Entry("db psql", "services.db_psql"),
    _Entry("db url", "services.db_url"),
    _Entry("db migrate", "services.db_migrate"),
    _Entry("db check", "services.db_check"),
    _Entry("db start", "services.db_start"),
    _Entry("db stop", "services.db_stop"),
    _Entry("look open", "look.look_open"),
    _Entry("look build", "look.look_build"),
    _Entry("look publish", "look.look_publish"),
    _Entry("show data", "overview.here", of_datasets=True),
    _Entry("show bulletin", "showing.bulletin", of_datasets=True),
    _Entry("show quality", "overview.quality", of_datasets=True),
    _Entry("sample release", "services.sample_release"),
)


def app(words: Sequence[str] | None = None) -> typer.Typer:
    """The verbs: those that these words call with all that they take, of all others what a list of them says.

    None gives all of them whole.
    """
    top = typer.Typer(
        cls=_InOrder,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    top.callback(invoke_without_command=True)(_without_verb)
    called = None if words is None else next((word for word in words if not word.startswith("-")), "")
    nouns: dict[str, typer.Typer] = {}
    for each in _MAP:
        if isinstance(each, _Noun):
            nouns[each.name] = typer.Typer(
                cls=_WithDefault if each.has_default else _Verbs, no_args_is_help=not each.has_default, help=each.help
            )
            top.add_typer(nouns[each.name], name=each.name, rich_help_panel=each.panel)
        else:
            first, _, own = each.name.partition(" ")
            # what is only listed says what it does where the list is what was asked for
            said = _said_of().get(each.name, "") if called == "" else ""
            _add(nouns[first] if own else top, each, said, is_whole=called in {None, first})
    return top


def _add(to: typer.Typer, entry: _Entry, said: str, *, is_whole: bool) -> None:
    name = entry.name.rpartition(" ")[2]
    if is_whole:
        from pce_pipeline.cli.session import in_session  # noqa: PLC0415 (half a second that a list does not need)

        module, _, function = entry.place.partition(".")
        verb = getattr(import_module(f"pce_pipeline.cli.{module}"), function)
        to.command(name, cls=_Verb, rich_help_panel=entry.panel)(in_session(verb, of_datasets=entry.of_datasets))
    else:
        to.command(name, cls=_Verb, rich_help_panel=entry.panel, help=said)(_not_called)


def _not_called() -> int:
    """What stands for a verb that is listed only; it is never called."""
    return FAILED


@cache
def _said_of() -> Mapping[str, str]:
    """What each verb does, as a list says it."""
    known = json.loads((files("pce_pipeline.cli") / "verbs.json").read_text("utf-8"))
    return {verb["name"]: verb["summary"] for verb in known["verbs"]}


def _session(*, as_json: bool) -> "Session":
    from pce_pipeline.cli.session import Session  # noqa: PLC0415 (half a second that a list does not need)

    return Session(as_json=as_json)


def _without_verb(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
) -> None:
    """US state-level consumption from the Bureau of Economic Analysis, from raw answers to Postgres.

    New here? `pce help` leads through the first steps. `pce --install-completion` makes your shell complete names.
    """
    if version:
        said = json.dumps({"version": __version__}, indent=2) if as_json else f"pce {__version__}"
        sys.stdout.write(f"{said}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        if as_json:
            raise UsageError("There is no verb in the call.", remedy="See: pce help")
        context.get_help()
        raise typer.Exit(WRONG_USAGE)


def _json_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with --json before every other option, so that none takes it for its value."""
    ours = list(itertools.takewhile(lambda argument: argument != "--", arguments))
    if "--json" not in ours:
        return [*arguments]
    others = [argument for argument in ours if argument != "--json"]
    at = next((place for place, argument in enumerate(others) if argument.startswith("-")), len(others))
    return [*others[:at], "--json", *others[at:], *arguments[len(ours) :]]


def _plot_with_place(arguments: Sequence[str]) -> list[str]:
    """The arguments with `terminal` after a --plot that names no file: options with a value must have one."""
    given: list[str] = []
    for argument, after in itertools.zip_longest(arguments, arguments[1:]):
        is_bare = argument == "--plot" and (after is None or after.startswith("-"))
        given += [argument, TERMINAL] if is_bare else [argument]
    return given


def call(arguments: Sequence[str]) -> int:
    """Call a verb; the exit code. Wrong usage is answered as every other error is."""
    arguments = _json_first(_plot_with_place(arguments))
    try:
        with writing_to_stdout():  # verbs say their own errors; this is the help
            code: int = app(arguments)(list(arguments), prog_name="pce", standalone_mode=False)
    except (UsageError, SystemRefused) as wrong:
        return _session(as_json="--json" in arguments).report(wrong)
    except typer.TyperException as wrong:
        if not wrong.format_message():  # no verb at all: the help is shown already
            return WRONG_USAGE
        ours = itertools.takewhile(lambda argument: argument != "--", arguments)
        context = getattr(wrong, "ctx", None)
        verb = context.command_path if context is not None else "pce"
        error = UsageError(wrong.format_message(), remedy=f"See: {verb} --help")
        return _session(as_json="--json" in ours).report(error)
    return code
