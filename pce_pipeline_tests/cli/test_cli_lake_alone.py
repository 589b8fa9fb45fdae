"""A lake alone is a use: without Postgres nothing is started, nothing is asked of it, and nothing is called a fault."""

from pathlib import Path

import pytest

from pce_pipeline_tests.cli.conftest import Called, Pce, call


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Pce:
    """Calls on a world whose lake stands alone."""
    where = {"PCE_HOME": str(tmp_path_factory.mktemp("alone")), "PCE_PROFILE": "smoke", "PCE_LOAD_POSTGRES": "false"}
    return lambda *arguments, **environment: call(*arguments, **{**where, **environment})


@pytest.fixture(scope="module")
def ran(alone: Pce) -> Called:
    """The run that made it."""
    return alone("run", "--json")


def test_a_run_brings_everything_to_the_lake_and_skips_postgres(alone, ran):
    assert ran.code == 0, ran.err
    document = ran.document
    assert (document["outcome"], document["postgres"], document["psql"]) == ("new data", None, None)
    (refresh,) = document["refreshes"]
    last = refresh["stages"][-1]
    assert (last["name"], last["rows"], last["loaded"]) == ("postgres", 0, {})
    assert "postgres" not in document["rows"]
    assert not (Path(document["lake"]).parent / "postgres").exists()


def test_the_same_run_again_has_nothing_to_do(alone, ran):
    again = alone("run", "--json")
    assert (again.code, again.document["outcome"]) == (0, "nothing new")


def test_status_and_doctor_find_no_fault(alone, ran):
    status = alone("status", "--json")
    assert status.code == 0
    assert status.document["stale_years"] == {}
    assert status.document["postgres"]["is_loaded"] is False
    assert "not loaded: PCE_LOAD_POSTGRES is false" in alone("status").out
    doctor = alone("doctor", "--json")
    assert (doctor.code, doctor.document["findings"]) == (0, [])
    assert "lake and Dagster hold what they should" in alone("doctor", "--quick").out


@pytest.mark.parametrize("arguments", [("show",), ("show", "quality"), ("query", "--state", "CA"), ("check",)])
def test_verbs_that_look_need_no_database(alone, ran, arguments):
    assert alone(*arguments).code == 0


@pytest.mark.parametrize("arguments", [("db", "start"), ("db", "psql", "--json"), ("db", "url"), ("db", "migrate")])
def test_verbs_of_the_database_say_why_there_is_none(alone, ran, arguments):
    called = alone(*arguments)
    assert called.code == 2
    assert "PCE_LOAD_POSTGRES is false" in called.out + called.err


def test_postgres_is_loaded_as_soon_as_it_is_wanted(alone, ran):
    status = alone("status", "--json", PCE_LOAD_POSTGRES="true")
    assert status.code == 1
    assert status.document["stale_years"] != {}
