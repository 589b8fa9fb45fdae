"""Puts the question to each engine, in the environment that it needs, and compares each answer with ours."""

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pce_pipeline_tests.bench.run import ROOT, without_settings_of_others
from pce_pipeline_tests.engines.readers.question import MOMENTS
from pce_pipeline_tests.engines.world import Answer, Asked, asked
from pce_pipeline_tests.servers import s3_server

ENVIRONMENTS = ROOT / ".engines"
"""Where `make engines` makes an environment for each engine that needs one."""

DIRECTORY, S3 = "directory", "S3"
PLACES = (DIRECTORY, S3)
"""The kinds of lakes that are asked."""

_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Engine:
    """An engine that reads our tables."""

    name: str
    """What readers call it."""
    reader: str
    """Its program among `readers`."""
    environment: str | None = None
    """Its environment below `ENVIRONMENTS`; None for ours."""
    not_on: Mapping[str, str] | None = None
    """Places where it cannot be asked here, each with the reason."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return Path(sys.executable) if self.environment is None else ENVIRONMENTS / self.environment / "bin" / "python"


ENGINES = (
    Engine("pyiceberg", "with_pyiceberg"),
    Engine("Polars", "with_polars"),
    Engine("DuckDB", "with_duckdb", "duckdb"),
    Engine("Spark", "with_spark", "spark", {S3: "not run: wants an AWS SDK for Java, which PyPI does not have"}),
    Engine("Daft", "with_daft", "daft"),
    Engine("chDB", "with_chdb", "chdb"),
)


@dataclass(frozen=True)
class Outcome:
    """What one engine said in one place."""

    engine: str
    """Its name."""
    place: str
    """The kind of lake."""
    answer: Answer | None
    """What it said; None where it could not be asked."""
    seconds: float = 0.0
    """How long its process took."""
    differences: tuple[str, ...] = ()
    """Where it says something else than ours, in words."""
    reason: str = ""
    """Why it could not be asked."""
    was_expected: bool = False
    """Whether it is known that it cannot be asked here."""

    @property
    def agrees(self) -> bool:
        """Whether it says the same as ours, or is known not to be askable here."""
        return self.was_expected or (self.answer is not None and not self.differences)


@dataclass(frozen=True)
class Place:
    """One lake that was asked, by everyone."""

    name: str
    """Its kind."""
    asked: Asked
    """The question, and our own answer."""
    outcomes: Sequence[Outcome]
    """What each engine said."""


def run(places: Sequence[str], engines: Sequence[Engine], tell: Callable[[str], None]) -> list[Place]:
    """Ask each of the `engines` in each of the `places`; `tell` hears where we are."""
    done = []
    for name in places:
        tell(f"{name}: two releases of the sample")
        with tempfile.TemporaryDirectory() as folder, _lake(name, Path(folder)) as (what, environment):
            outcomes = []
            for engine in engines:
                tell(f"{name}: {engine.name}")
                outcomes.append(ask(engine, name, what, environment))
            done.append(Place(name, what, outcomes))
    return done


def ask(engine: Engine, place: str, what: Asked, environment: Mapping[str, str]) -> Outcome:
    """One engine's answer, beside ours; `environment` has the credentials of the lake."""
    if reason := (engine.not_on or {}).get(place):
        return Outcome(engine.name, place, None, reason=reason, was_expected=True)
    if not engine.python.exists():
        return Outcome(engine.name, place, None, reason="not installed: `make engines` does it")
    began = time.monotonic()
    try:
        ended = _read(engine, what, environment)
    except subprocess.TimeoutExpired:
        return Outcome(engine.name, place, None, _PATIENCE_SECONDS, reason=f"no answer in {_PATIENCE_SECONDS:.0f} s")
    seconds = time.monotonic() - began
    if ended.returncode:
        said = ended.stderr.strip() or ended.stdout.strip()
        return Outcome(engine.name, place, None, seconds, reason=said[-2000:])
    # engines that talk on standard output do it before: the answer is the last line
    answer = json.loads(ended.stdout.splitlines()[-1])
    return Outcome(engine.name, place, answer, seconds, tuple(differences(what.ours, answer)))


def _read(engine: Engine, what: Asked, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(engine.python), "-m", f"pce_pipeline_tests.engines.readers.{engine.reader}"],
        input=what.question.to_json(),
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
        cwd=ROOT,
        env={**without_settings_of_others(), **environment, "PYTHONPATH": str(ROOT), "TZ": "UTC"},
    )


def differences(ours: Answer, theirs: Answer) -> Iterator[str]:
    """Where two answers differ, in words: numbers are compared as numbers, whatever zeros they are written with."""
    for moment in MOMENTS:
        yield from _differing(f"figures {moment}", _numbers(ours["figures"][moment]), theirs["figures"][moment])
        for name, table in ours["tables"].items():
            said = theirs["tables"].get(name, {}).get(moment)
            if said is None:
                yield f"{name} {moment}: no answer"
                continue
            own = table[moment]
            yield from _differing(f"{name} {moment}", {"rows": own["rows"], **own["values"]}, _flat(said))
            yield from _differing(f"sums of {name} {moment}", _numbers(own["sums"]), said["sums"])


def _flat(said: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"rows": said["rows"], **said["values"]}


def _differing(what: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    if ours != (found := _numbers(theirs)):
        names = sorted(name for name in ours.keys() | found.keys() if ours.get(name, "") != found.get(name, ""))
        told = ", ".join(f"{name} {ours.get(name)} here and {found.get(name)} there" for name in names)
        yield f"{what}: {told}"


def _numbers(values: Mapping[str, Any]) -> Mapping[str, Decimal | None]:
    return {name: None if value is None else Decimal(value) for name, value in values.items()}


@contextmanager
def _lake(place: str, folder: Path) -> Iterator[tuple[Asked, Mapping[str, str]]]:
    if place == DIRECTORY:
        yield _asked(folder), {}
        return
    with s3_server(folder) as server, pytest.MonkeyPatch.context() as patch:
        for variable, value in server.environment.items():
            patch.setenv(variable, value)
        yield _asked(folder, f"s3://{server.bucket}/lake", server.endpoint_url), server.environment


def _asked(folder: Path, uri: str | None = None, endpoint: str | None = None) -> Asked:
    # what a run logs is of no interest here; where it fails, the error says why
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        return asked(folder, uri, endpoint)
