"""A step is tried again for what passes by itself, as often as its environment says, and never for judged data."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pce_pipeline
from pce_pipeline.automation.runs import ChecksBlocked
from pce_pipeline.bea.errors import BeaContentError, BeaTransportError
from pce_pipeline.errors import PceError, UsageError
from pce_pipeline.lake.errors import DamagedObject, LakeUnavailable
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.quality.rules import Finding, rule
from pce_pipeline.settings import Settings
from pce_pipeline.shell.checks import check_specs, report
from pce_pipeline.shell.retries import LONGEST_WAIT, is_tried_again, passes_by_itself, seconds_before
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.silver.errors import SilverRefused
from pce_pipeline.tables.table import SchemaViolation
from pce_pipeline.warehouse.errors import LoadCollided, LoadFailed, WarehouseUnreachable
from pce_pipeline_tests.worlds import PLACES_OF_AN_ENVIRONMENT, QUIET

PASSING = {
    "BeaTransportError",
    "BeaUnavailable",
    "ChannelBusy",
    "ChannelUnreachable",
    "LakeUnavailable",
    "LoadCollided",
    "LostRace",
    "MigrationBlocked",
    "WarehouseConnectionLost",
    "WarehouseUnreachable",
}
"""Every error of the project that passes by itself; who adds one says here why: what fails is outside of us."""

JUDGED = (UsageError, BeaContentError, SilverRefused, SchemaViolation, ChecksBlocked, DamagedObject)
"""What no second try changes: a wrong call, and data that were looked at."""


def _subclasses(of: type[PceError]) -> Iterator[type[PceError]]:
    for each in of.__subclasses__():
        yield each
        yield from _subclasses(each)


def every_error() -> list[type[PceError]]:
    """Every error type of the project, from all its modules."""
    for module in pkgutil.walk_packages(pce_pipeline.__path__, "pce_pipeline."):
        if ".migrations." not in module.name:
            importlib.import_module(module.name)
    found = {each for each in _subclasses(PceError) if each.__module__.startswith("pce_pipeline.")}
    return sorted(found, key=lambda each: f"{each.__module__}.{each.__name__}")


ERRORS = every_error()


def of(kind: type[PceError]) -> PceError:
    """An error of a type, without the facts that its texts are made of."""
    error = kind.__new__(kind)
    PceError.__init__(error, "something happened")
    return error


@given(kind=st.sampled_from(ERRORS), tried=st.integers(0, 12), retries=st.integers(0, 10))
def test_an_error_is_tried_again_exactly_if_its_type_passes_and_tries_are_left(kind, tried, retries):
    settings = Settings(retries=retries, chosen_source="sample")
    passes = kind.__name__ in PASSING
    assert passes_by_itself(of(kind)) is passes
    assert is_tried_again(of(kind), settings, tried=tried) is (passes and tried < retries)


def test_the_errors_that_pass_are_those_that_are_known_to():
    assert {each.__name__ for each in ERRORS if each.retryable} == PASSING


def test_what_was_judged_never_passes():
    assert [each for each in ERRORS if issubclass(each, JUDGED) and each.retryable] == []
    assert not passes_by_itself(dg.Failure("a check blocked", allow_retries=False))


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (psycopg2.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg2.InterfaceError("connection already closed"), True),
        (psycopg2.ProgrammingError("syntax error"), False),
        (ValueError("a bug"), False),
        (PermissionError("read-only"), False),
        (LoadFailed("gold", sqlstate="23505", reason="duplicate key"), False),
        (LoadCollided("gold", sqlstate="40001", reason="could not serialize access"), True),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else str(each),
)
def test_errors_of_others_pass_where_a_connection_did_not_hold(error, passes):
    assert passes_by_itself(error) is passes


@given(number=st.integers(1, 10), first=st.floats(0, 300), chance=st.floats(0, 1))
def test_waits_double_with_half_of_chance_and_are_bounded(number, first, chance):
    wait = seconds_before(number, first, chance=lambda: chance)
    doubled = first * 2 ** (number - 1)
    assert min(doubled / 2, LONGEST_WAIT.total_seconds()) <= wait <= min(1.5 * doubled, LONGEST_WAIT.total_seconds())


@pytest.mark.parametrize(("env", "retries"), [("local", 1), ("staging", 2), ("prod", 3)])
def test_environments_try_again_once_twice_and_three_times(tmp_path, env, retries):
    settings = Settings(home=tmp_path, env=env, chosen_source="sample", **PLACES_OF_AN_ENVIRONMENT)
    assert settings.retries == retries
    longest = sum(seconds_before(number, settings.retry_wait_seconds, lambda: 1.0) for number in range(1, retries + 1))
    assert longest <= 3 * 60


@rule("threshold", tolerance="None.")
def numbers_are_even(number: int) -> Finding:
    """A number is even."""
    return Finding(passed=number % 2 == 0, summary=str(number))


def run(
    folder: Path, fails: Callable[[int], Exception | None], *, judged: int = 0, **settings: Any
) -> tuple[int, bool]:
    """Run one recorded step that fails as told, by the number of its try; how often it was tried, and if it went."""
    # an environment must be told its lake: here it is a folder, that the step can be recorded
    places = {**PLACES_OF_AN_ENVIRONMENT, "chosen_lake_uri": str(folder / "lake")}
    how = {"chosen_source": "sample", "retry_wait_seconds": 0, "threshold_checks": "block"}
    chosen = Settings(home=folder, **{**how, **places, **settings})
    journal, tries = RunJournal(Lake.of(chosen)), count(1)
    tried = 0

    @dg.asset(check_specs=check_specs([numbers_are_even], dg.AssetKey("flaky")))
    def flaky(context: dg.AssetExecutionContext) -> Iterator[object]:
        nonlocal tried
        with recorded_step(context, journal, "flaky", ["pce_state"], chosen) as step:
            tried = next(tries)
            if (error := fails(tried)) is not None:
                raise error
            yield from report([numbers_are_even.check("flaky", judged)], dg.AssetKey("flaky"), step, thresholds="block")
            yield dg.MaterializeResult()

    result = dg.materialize(
        [flaky],
        instance=dg.DagsterInstance.ephemeral(tempdir=str(folder)),
        run_config=QUIET,
        raise_on_error=False,
    )
    record = journal.read(result.run_id)
    assert record is not None
    assert record.status == ("succeeded" if result.success else "failed")
    return tried, result.success


def test_a_step_that_passes_at_the_second_try_succeeds(tmp_path):
    lost = BeaTransportError("No answer came.")
    assert run(tmp_path, lambda number: lost if number == 1 else None) == (2, True)


@pytest.mark.parametrize(("env", "tries"), [("local", 2), ("staging", 3), ("prod", 4)])
def test_a_step_that_never_passes_fails_with_its_own_error_after_all_tries(tmp_path, env, tries):
    assert run(tmp_path, lambda _: LakeUnavailable("gold", "503"), env=env) == (tries, False)


@pytest.mark.parametrize("env", ["local", "staging", "prod"])
def test_judged_data_are_never_tried_again(tmp_path, env):
    assert run(tmp_path, lambda _: None, judged=1, env=env) == (1, False)


def test_an_error_that_does_not_pass_is_not_tried_again(tmp_path):
    assert run(tmp_path, lambda _: SchemaViolation("gold", ["a column is missing"])) == (1, False)


def test_a_database_that_is_away_for_a_moment_is_asked_again(tmp_path):
    away = WarehouseUnreachable("127.0.0.1:5432", "connection refused")
    assert run(tmp_path, lambda number: away if number < 3 else None, env="staging") == (3, True)


def test_no_retries_means_one_try(tmp_path):
    assert run(tmp_path, lambda _: BeaTransportError("No answer came."), retries=0) == (1, False)
