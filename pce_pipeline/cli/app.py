"""The map of the verbs: what `pce --help` shows, and how a wrong call is answered."""

import itertools
import string
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pce_pipeline import __version__
from pce_pipeline.cli import (
    alerting,
    archive,
    catalog,
    certifying,
    commands,
    comparing,
    contracts,
    deciding,
    doctor,
    explaining,
    exporting,
    finding,
    hooks,
    keeping,
    look,
    looking,
    overview,
    pipeline,
    querying,
    reporting,
    services,
    showing,
    tracing,
)
from pce_pipeline.cli.guessing import no_such_verb
from pce_pipeline.cli.session import WRONG_USAGE, Answer, Session, in_session, writing_to_stdout
from pce_pipeline.errors import SystemRefused, UsageError


class _Verbs(TyperGroup):
    """Verbs of which a wrong name is answered with what was probably meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 (types that typer keeps to itself)
        """The verb that is called; raises `UsageError` for a name that is none."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
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
        return sorted(super().list_commands(ctx), key=_ORDER.index)


app = typer.Typer(
    cls=_InOrder,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_ORDER: list[str] = []
_look = typer.Typer(cls=_WithDefault, help="The page of the data: to open, to build, to publish.")
_show = typer.Typer(cls=_WithDefault, help="What is here, and what there is to read.")
_sample = typer.Typer(cls=_Verbs, no_args_is_help=True, help="What the embedded sample publishes.")
_archive = typer.Typer(cls=_Verbs, no_args_is_help=True, help="BEA's own archive of earlier releases.")
_alert = typer.Typer(cls=_Verbs, no_args_is_help=True, help="Alerts to the channels that are set.")
_catalog = typer.Typer(cls=_Verbs, no_args_is_help=True, help="What is ingested, and what it means.")
_certificate = typer.Typer(
    cls=_Verbs, no_args_is_help=True, help="Certificates of releases: what was published, provably."
)
_db = typer.Typer(cls=_Verbs, no_args_is_help=True, help="The world's Postgres.")


def _add(
    to: typer.Typer,
    name: str,
    verb: Callable[..., Answer | None],
    panel: str | None = None,
    *,
    of_datasets: bool = False,
) -> None:
    to.command(name, cls=_Verb, rich_help_panel=panel)(in_session(verb, of_datasets=of_datasets))
    if to is app:
        _ORDER.append(name)


def _add_noun(noun: typer.Typer, name: str, panel: str) -> None:
    app.add_typer(noun, name=name, rich_help_panel=panel)
    _ORDER.append(name)


_PEOPLE = "Find, ask, read"
_OPERATION = "Bring data here"
_CARE = "Take care of it"
_AROUND = "Around it"

_add(app, "find", finding.find, _PEOPLE, of_datasets=True)
_add(app, "query", querying.query, _PEOPLE, of_datasets=True)
_add(app, "export", exporting.export, _PEOPLE, of_datasets=True)
_add_noun(_show, "show", _PEOPLE)
_add_noun(_look, "look", _PEOPLE)
_add(app, "diff", comparing.diff, _PEOPLE, of_datasets=True)
_add(app, "trace", tracing.trace, _PEOPLE, of_datasets=True)
_add(app, "help", explaining.help_with, _PEOPLE)

_add(app, "run", pipeline.run, _OPERATION, of_datasets=True)
_add(app, "check", pipeline.check, _OPERATION, of_datasets=True)
_add(app, "extract", pipeline.extract, _OPERATION, of_datasets=True)
_add(app, "refresh", pipeline.refresh, _OPERATION, of_datasets=True)
_add(app, "status", looking.status, _OPERATION, of_datasets=True)
_add(app, "quarantine", looking.quarantine, _OPERATION, of_datasets=True)
_add_noun(_archive, "archive", _OPERATION)

_add(app, "doctor", doctor.doctor, _CARE, of_datasets=True)
_add(app, "verify", keeping.verify, _CARE, of_datasets=True)
_add(app, "heal", keeping.heal, _CARE, of_datasets=True)
_add(app, "prune", keeping.prune, _CARE, of_datasets=True)
_add(app, "pin", keeping.pin, _CARE, of_datasets=True)
_add(app, "use", deciding.use, _CARE, of_datasets=True)
_add(app, "reset", keeping.reset, _CARE)
_add_noun(_certificate, "certificate", _CARE)

_add(app, "dev", services.dev, _AROUND)
_add(app, "env", services.env, _AROUND)
_add(app, "emulate", services.emulate, _AROUND)
_add(app, "serve-hooks", hooks.serve_hooks, _AROUND)
_add(app, "dictionary", looking.dictionary, _AROUND)
_add(app, "commands", commands.commands, _AROUND)
_add(app, "years", reporting.years, _AROUND, of_datasets=True)
_add(app, "report", reporting.report, _AROUND)
_add_noun(_alert, "alert", _AROUND)
_add_noun(_catalog, "catalog", _AROUND)
_add_noun(_db, "db", _AROUND)
_add_noun(_sample, "sample", _AROUND)

_add(_archive, "list", archive.list_releases, of_datasets=True)
_add(_archive, "pull", archive.pull, of_datasets=True)
_add(_alert, "late", alerting.late)
_add(_alert, "quarantined", alerting.quarantined)
_add(_alert, "pinned", alerting.pinned)
_add(_alert, "sources", alerting.sources)
_add(_alert, "failed", alerting.failed)
_add(_alert, "test", alerting.test)
_add(_catalog, "draft", catalog.draft)
_add(_catalog, "check", catalog.check)
_add(_catalog, "contracts", contracts.contracts)
_add(_certificate, "show", certifying.show, of_datasets=True)
_add(_certificate, "verify", certifying.verify)
_add(_db, "psql", services.db_psql)
_add(_db, "url", services.db_url)
_add(_db, "migrate", services.db_migrate)
_add(_db, "check", services.db_check)
_add(_db, "start", services.db_start)
_add(_db, "stop", services.db_stop)
_add(_look, "open", look.look_open)
_add(_look, "build", look.look_build)
_add(_look, "publish", look.look_publish)
_add(_show, "data", overview.here, of_datasets=True)
_add(_show, "bulletin", showing.bulletin, of_datasets=True)
_add(_show, "quality", overview.quality, of_datasets=True)
_add(_sample, "release", services.sample_release)


@app.callback(invoke_without_command=True)
def _without_verb(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
) -> None:
    """US state-level consumption from the Bureau of Economic Analysis, from raw answers to Postgres.

    New here? `pce help` leads through the first steps. `pce --install-completion` makes your shell complete names.
    """
    session = Session(as_json=as_json)
    if version:
        session.print(Answer({"version": __version__}, as_is=f"pce {__version__}\n", of_world=False))
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
        given += [argument, querying.TERMINAL] if is_bare else [argument]
    return given


def call(arguments: Sequence[str]) -> int:
    """Call a verb; the exit code. Wrong usage is answered as every other error is."""
    arguments = _json_first(_plot_with_place(arguments))
    try:
        with writing_to_stdout():  # verbs say their own errors; this is the help
            code: int = app(list(arguments), prog_name="pce", standalone_mode=False)
    except (UsageError, SystemRefused) as wrong:
        return Session(as_json="--json" in arguments).report(wrong)
    except typer.TyperException as wrong:
        if not wrong.format_message():  # no verb at all: the help is shown already
            return WRONG_USAGE
        ours = itertools.takewhile(lambda argument: argument != "--", arguments)
        context = getattr(wrong, "ctx", None)
        verb = context.command_path if context is not None else "pce"
        error = UsageError(wrong.format_message(), remedy=f"See: {verb} --help")
        return Session(as_json="--json" in ours).report(error)
    return code
