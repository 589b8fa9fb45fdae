"""What all verbs share: the options that each has, the world they work on, and how they answer.

A verb returns an `Answer` and prints nothing. Here it is printed, for people or as one JSON document; errors become
one message with a remedy and an exit code (1 failed, 2 wrong usage, 130 interrupted).
"""

import difflib
import inspect
import json
import shutil
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console, RenderableType
from rich.text import Text

from pce_pipeline.automation.next_step import LakeState, LoadState
from pce_pipeline.automation.state import Situation, ask, lake_state
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.current import Current, current_of
from pce_pipeline.bronze.store import BronzeStore, bronze_of
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.cli.output import FAILED, INTERRUPTED, WRONG_USAGE, writing_to_stdout
from pce_pipeline.cli.progress import Bars, Lines
from pce_pipeline.errors import PceError, SystemRefused, UsageError
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.cloudwatch import send_to_cloudwatch
from pce_pipeline.observability.logs import configure_logs, hide, without_secrets
from pce_pipeline.observability.progress import watched_by
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.refusals import refusal_of
from pce_pipeline.reports.publishing import Publisher
from pce_pipeline.settings import Settings, Source, load_settings
from pce_pipeline.tables.registry import Registry, load_registry
from pce_pipeline.warehouse.postgres import PostgresResource

if TYPE_CHECKING:
    import dagster as dg

    from pce_pipeline.automation.runs import Jobs

_WORLD = "Which world"
_OUTPUT = "Output"
_COMMON: Mapping[str, Any] = {
    "source": Annotated[
        Source | None,
        typer.Option(help="Where data comes from; default: what PCE_SOURCE says.", rich_help_panel=_WORLD),
    ],
    "profile": Annotated[
        str | None, typer.Option(help="full or smoke (one table, three lines).", rich_help_panel=_WORLD)
    ],
    "as_json": Annotated[
        bool, typer.Option("--json", help="One JSON document instead of a summary.", rich_help_panel=_OUTPUT)
    ],
    "verbose": Annotated[bool, typer.Option("--verbose", help="Show log lines as well.", rich_help_panel=_OUTPUT)],
    "debug": Annotated[bool, typer.Option("--debug", help="Show where an error came from.", rich_help_panel=_OUTPUT)],
}
_OF_DATASETS: Mapping[str, Any] = {
    "dataset": Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Only this dataset; repeatable. Default: all of them.", rich_help_panel=_WORLD
        ),
    ],
}
_DEFAULTS: Mapping[str, Any] = {"source": None, "profile": None, "dataset": None}


@dataclass(frozen=True)
class Answer:
    """What a verb found or did: as one JSON document and, the same, as what people see."""

    document: Mapping[str, Any]
    """The JSON document."""
    shown: Sequence[RenderableType] = ()
    """What people see."""
    as_is: str | None = None
    """What is printed to the byte, for other programs to read."""
    exit_code: int = 0
    """The exit code."""
    of_world: bool = True
    """Whether it speaks of a world's data, whose label is then shown."""
    is_secret: bool = False
    """Whether a secret is what was asked for."""


@dataclass
class Session:
    """One call of `pce`: everything of the chosen world, opened when first used."""

    source: Source | None = None
    """The source that was asked for."""
    profile: str | None = None
    """The profile that was asked for."""
    dataset: list[str] | None = None
    """The datasets that were asked for."""
    as_json: bool = False
    """Whether machines read the answer."""
    verbose: bool = False
    """Whether logs are shown."""
    debug: bool = False
    """Whether tracebacks are shown."""
    out: Console = field(default_factory=lambda: Console(highlight=False))
    """Where answers go."""
    err: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    """Where progress and errors go."""

    @cached_property
    def settings(self) -> Settings:
        return self._load(self.source)

    @cached_property
    def registry(self) -> Registry:
        """All datasets, and the tables that derive from them."""
        return load_registry(self.settings.profile, self.settings.catalog)

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """The datasets that the call is about: those named, else all. Raises `UsageError` for a name that is none."""
        known = self.registry.datasets
        for name in self.dataset or ():
            if name not in known:
                close = difflib.get_close_matches(name, known, n=2)
                meant = f"Did you mean {', '.join(close)}? " if close else ""
                raise UsageError(f"There is no dataset {name!r}.", remedy=f"{meant}There are {', '.join(known)}.")
        return {name: each for name, each in known.items() if not self.dataset or name in self.dataset}

    @property
    def chosen(self) -> list[str] | None:
        """The names of the datasets that the call is restricted to; None where it is about all."""
        return list(self.datasets) if self.dataset else None

    @cached_property
    def lake(self) -> Lake:
        return Lake.of(self.settings)

    @cached_property
    def journal(self) -> RunJournal:
        return RunJournal(self.lake)

    @cached_property
    def reports(self) -> Publisher:
        """What writes the reports of this world's runs, and makes them to be shown."""
        held = self.registry.datasets
        return Publisher(self.lake, self.registry, self.journal, lambda _run: current_of(self.lake, held))

    def bronze(self, dataset: str) -> BronzeStore:
        """The extracts of a dataset."""
        return bronze_of(self.lake, self.registry.datasets[dataset])

    def held(self) -> dict[str, Current]:
        """What counts now of the datasets that the call is about, read anew."""
        return current_of(self.lake, self.datasets)

    @cached_property
    def postgres(self) -> PostgresResource:
        """The world's database. Raises `UsageError` where the lake stands alone."""
        if not self.settings.load_postgres:
            raise UsageError(
                "PCE_LOAD_POSTGRES is false: this lake stands alone, and no database belongs to it.",
                remedy="Unset it to load Postgres with the next `pce run`; `pce query` and `pce export` need none.",
            )
        return PostgresResource.of(self.settings)

    @cached_property
    def bea(self) -> BeaGateway:
        return BeaGateway(self.settings)

    @property
    def has_database(self) -> bool:
        """Whether there is a database to ask; an embedded one that was never started is not made for asking."""
        return self.settings.load_postgres and self._is_made

    @property
    def _is_made(self) -> bool:
        return self.postgres.embedded is None or self.postgres.embedded.is_made()

    def move_to(self, source: Source) -> None:
        """Work on the world of that source; call it before anything of another world is used."""
        self.source = source
        self.settings = self._load(source)

    def state(self) -> LakeState:
        """What the lake holds, of all datasets."""
        return lake_state(self.lake, self.registry, current_of(self.lake, self.registry.datasets))

    def situation(
        self,
        *,
        ask_bea: bool = True,
        ask_postgres: bool = True,
        leave_out: Collection[str] = (),
        may_be_silent: bool = False,
    ) -> Situation:
        """What lake, BEA and Postgres say, of the datasets that the call is about.

        A database that was never started holds nothing, and is not started for asking.
        """
        found = ask(
            self.lake,
            self.registry,
            self.bea if ask_bea else None,
            self.postgres if ask_postgres and self.has_database else None,
            self.settings,
            datasets=self.chosen,
            leave_out=leave_out,
            may_be_silent=may_be_silent,
        )
        holds_nothing = ask_postgres and self.settings.load_postgres and not self.has_database
        return replace(found, loaded=LoadState()) if holds_nothing else found

    def world_command(self, verb: str) -> str:
        """How to call a verb that is of no dataset on the same world."""
        chosen = [f"--source {self.source}"] if self.source else []
        chosen += [f"--profile {self.profile}"] if self.profile else []
        return " ".join([called_as(), verb, *chosen])

    def command(self, verb: str) -> str:
        """How to call another verb on the same world: as this one was called, with the options that chose the world."""
        return " ".join([self.world_command(verb), *(f"--dataset {name}" for name in self.dataset or ())])

    @contextmanager
    def jobs(self) -> Iterator["Jobs"]:
        """The two jobs of the world, their progress shown."""
        with self.watched():
            from pce_pipeline.automation.runs import open_jobs  # noqa: PLC0415 (Dagster costs a second to import)

            with open_jobs(self.settings, _code_location) as jobs:
                yield jobs

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Show how far the work inside is: bars on a terminal, else a line now and then; logs say it themselves."""
        if self.verbose:
            yield
            return
        with Bars(self.err) if self.err.is_terminal else Lines(self.err) as watcher, watched_by(watcher):
            yield

    def answer(self, verb: Callable[[], Answer | None]) -> int:
        """Let the verb answer and print it, unless it has said all itself; the exit code."""
        configure_logs("info", terminal_level="warning")
        try:
            answer = verb()
            if answer is not None:
                self.print(answer)
        except (KeyboardInterrupt, typer.Abort):
            return self._interrupted()
        except PceError as error:
            return self.report(error)
        except Exception as error:  # noqa: BLE001 (the last resort: no person should need to read a traceback)
            return self.report(refusal_of(error, sqlite=self._history) or error)
        return answer.exit_code if answer is not None else 0

    def print(self, answer: Answer) -> None:
        """Print an answer; verbs that stay (a server) print theirs themselves.

        Raises `SystemRefused` where nothing more can be written to stdout.
        """
        try:
            with writing_to_stdout():
                self._print(answer)
        except SystemRefused:
            self.as_json = False  # a document would be lost, too
            raise

    def _print(self, answer: Answer) -> None:
        if self.as_json:
            whose = {"world": self.settings.world, "sample": self.settings.is_sample} if answer.of_world else {}
            self._print_json({**whose, **answer.document}, is_secret=answer.is_secret)
            return
        if answer.as_is is not None:
            sys.stdout.write(answer.as_is)
            sys.stdout.flush()
            return
        if answer.of_world and self.settings.is_sample:
            self.out.print("[black on yellow] SAMPLE [/] invented numbers, not statistics of BEA", soft_wrap=True)
        for part in answer.shown:
            self.out.print(part, soft_wrap=isinstance(part, Text) and bool(part.no_wrap))

    def report(self, error: Exception) -> int:
        """Print an error as a message with its remedy, or as a document; the exit code."""
        if self.debug:
            self.err.print(without_secrets("".join(traceback.format_exception(error))), markup=False, soft_wrap=True)
        said = (error.message, error.remedy) if isinstance(error, PceError) else (_words_of(error), _UNEXPECTED)
        message, remedy = map(without_secrets, said)
        if self.as_json:
            facts = {
                name: fact
                for name, fact in vars(error).items()
                if not name.startswith("_") and name not in {"message", "remedy"}
            }
            try:
                with writing_to_stdout():
                    self._print_json(
                        {"error": {"type": type(error).__name__, "message": message, "remedy": remedy, **facts}}
                    )
            except SystemRefused as unprintable:
                self._tell(message, remedy)
                if unprintable.message != message:
                    self._tell(unprintable.message, unprintable.remedy)
        else:
            self._tell(message, remedy)
        return WRONG_USAGE if isinstance(error, UsageError) else FAILED

    @property
    def _history(self) -> str:
        """Where Dagster's history lies, for errors of SQLite, which do not say it."""
        with suppress(PceError):
            return str(self.settings.dagster_home)
        return "Dagster's history"

    def _tell(self, message: str, remedy: str) -> None:
        """Say an error on stderr; where that cannot be written either, the exit code says it alone."""
        with suppress(OSError):
            self.err.print(Text.assemble(("Error  ", "bold red"), message), soft_wrap=True)
            if remedy:
                self.err.print(Text(remedy, "dim"), soft_wrap=True)

    def _interrupted(self) -> int:
        message = "Interrupted. What is done is kept; the same command goes on from there."
        if self.as_json:
            self._print_json({"error": {"type": "Interrupted", "message": message, "remedy": ""}})
        else:
            self.err.print(message, soft_wrap=True)
        return INTERRUPTED

    def _print_json(self, document: Mapping[str, Any], *, is_secret: bool = False) -> None:
        text = json.dumps(document, indent=2, default=_plain, ensure_ascii=False)
        sys.stdout.write(f"{text if is_secret else without_secrets(text)}\n")
        sys.stdout.flush()

    def _load(self, source: Source | None) -> Settings:
        chosen = {"chosen_source": source, "profile": self.profile}
        settings = load_settings(**{name: value for name, value in chosen.items() if value is not None})
        for secret in settings.secrets:
            hide(secret)
        shown_from = settings.log_level if self.verbose else "warning"
        configure_logs(settings.log_level, terminal_level=shown_from, tells_raised_errors=self.verbose)
        send_to_cloudwatch(settings)
        return settings


_UNEXPECTED = "This is a bug, or a place the pipeline does not know. --debug shows where it happened."


def in_session(verb: Callable[..., Answer | None], *, of_datasets: bool = False) -> Callable[..., int]:
    """The verb as typer takes it: with the common options, its first parameter `session` made from them.

    A verb `of_datasets` may be restricted to some of them.
    """
    options = {**(_OF_DATASETS if of_datasets else {}), **_COMMON}
    own = [
        parameter for name, parameter in inspect.signature(verb, eval_str=True).parameters.items() if name != "session"
    ]
    common = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(name, False), annotation=annotation
        )
        for name, annotation in options.items()
    ]

    @wraps(verb)
    def called(**given: Any) -> int:  # noqa: ANN401 (whatever the verb declares)
        session = Session(**{name: given.pop(name) for name in options})
        return session.answer(lambda: verb(session, **given))

    called.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]  # functions may have one
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *common)}
    return called


def called_as() -> str:
    """How to call `pce` from here: by name if that finds this very program, else by the path it was called by."""
    program = Path(sys.argv[0])
    found = shutil.which("pce")
    if program.name != "pce" or (found is not None and Path(found).resolve() == program.resolve()):
        return "pce"
    return str(program)


def _words_of(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _plain(value: Any) -> Any:  # noqa: ANN401 (whatever a document holds)
    if isinstance(value, ExtractId):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _code_location(settings: Settings) -> "dg.Definitions":
    from pce_pipeline.definitions import build_definitions  # noqa: PLC0415 (Dagster costs a second to import)

    return build_definitions(settings)
