"""Each kind of loss is found by `pce doctor`, and mended by what it says."""

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psycopg2
import pytest
from dagster._core.test_utils import create_run_for_test

from pce_pipeline_tests.cli.conftest import Called, Pce, call, database_of

pytestmark = [pytest.mark.postgres]


@dataclass(frozen=True)
class Patient:
    """A world that tests spoil and mend again."""

    home: Path
    """Its PCE_HOME."""
    url: str
    """Its database."""

    def pce(self, *arguments: str, **environment: str) -> Called:
        return call(
            *arguments,
            **{"PCE_HOME": str(self.home), "PCE_PROFILE": "smoke", "PCE_DATABASE_URL": self.url, **environment},
        )

    @property
    def lake(self) -> Path:
        return self.home / "sample-smoke" / "lake" / "local"

    def table(self, name: str) -> Path:
        layer, _, rest = name.partition("/")
        return self.lake / layer / "sample-smoke" / rest

    def execute(self, statement: str) -> None:
        with psycopg2.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    def findings(self, *options: str) -> list[str]:
        """What is wrong, as `where: what -> what to do`; the exit code must say the same."""
        said = self.pce("doctor", "--json", *options)
        found = [
            f"{each['where']}: {each['what']} -> {each['command'] or each['advice']}"
            for each in said.document["findings"]
            if each["is_wrong"]
        ]
        assert (said.code, said.document["healthy"]) == ((1, False) if found else (0, True)), said.err
        return found


@pytest.fixture(scope="module")
def patient(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    folder = tmp_path_factory.mktemp("patient")
    shutil.copytree(home / "sample-smoke" / "lake", folder / "sample-smoke" / "lake")
    with database_of(home) as url:
        patient = Patient(folder, url)
        assert patient.pce("refresh", "--years", "2024", "--force").code == 0, "its history now knows the extract"
        yield patient


def test_a_healthy_world_is_said_to_be_healthy(patient: Patient) -> None:
    assert patient.findings() == []
    assert patient.findings("--quick") == []
    assert "Healthy: " in patient.pce("doctor").out
    assert patient.pce("verify").code == 0


def spoil_version(patient: Patient) -> None:
    next(patient.table("gold/pce_state_annual").rglob("_versions/year=2020/*.parquet")).write_bytes(b"else")


def spoil_bytes_of_the_same_length(patient: Patient) -> None:
    file = next(patient.table("silver/pce_state").rglob("year=2020/state=CA/*.parquet"))
    file.write_bytes(bytes(file.stat().st_size))


def lose_runs_under_way(patient: Patient) -> None:
    with dg.DagsterInstance.local_temp(str(patient.home / "sample-smoke" / "dagster")) as instance:
        tags = {"pce/process": f"{socket.gethostname()} 1 1.0"}
        create_run_for_test(instance, job_name="refresh", status=dg.DagsterRunStatus.STARTED, tags=tags)


def confuse_extract_dates(patient: Patient) -> None:
    with dg.DagsterInstance.local_temp(str(patient.home / "sample-smoke" / "dagster")) as instance:
        for key in instance.get_dynamic_partitions("pce_state_extracts"):
            instance.delete_dynamic_partition("pce_state_extracts", key)
        instance.add_dynamic_partitions("pce_state_extracts", ["1999-01-01"])


def gone(*names: str) -> Callable[[Patient], None]:
    def lose(patient: Patient) -> None:
        for name in names:
            path = patient.table(name)
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return lose


def sql(statement: str) -> Callable[[Patient], None]:
    return lambda patient: patient.execute(statement)


@dataclass(frozen=True)
class Loss:
    """A kind of loss: how it comes about, and what doctor must say of it."""

    happens: Callable[[Patient], None]
    said: tuple[str, ...]
    shows: str = "--quick"
    """The option with which it shows; none where every byte must be read."""


LOSSES = {
    "Silver": Loss(gone("silver"), ("lake: silver/pce_state 1997...2024 is not there -> pce refresh",)),
    "Gold": Loss(
        gone("gold"),
        (
            "lake: gold/pce_state_annual 1997...2024 is not there -> pce refresh",
            "lake: gold/dim_geography is not there -> pce refresh",
        ),
    ),
    "a year that the pointer lacks": Loss(
        lambda patient: _without_year(patient.table("gold/pce_state_metrics") / "_latest.json", "2010"),
        ("lake: gold/pce_state_metrics 2010 is not there -> pce refresh",),
    ),
    "a pointer": Loss(gone("gold/pce_state_annual/_latest.json"), ("1 object of gold/pce_state_annual damaged",)),
    "versions": Loss(gone("gold/pce_state_annual/_versions"), ("28 objects of gold/pce_state_annual damaged",)),
    "files at fixed keys": Loss(
        gone("gold/pce_state_annual/year=2020"), ("1 object of gold/pce_state_annual damaged",)
    ),
    "both copies": Loss(
        gone("gold/pce_state_annual/year=2020", "gold/pce_state_annual/_versions/year=2020"),
        ("2 objects of gold/pce_state_annual damaged",),
    ),
    "a version of another length": Loss(spoil_version, ("1 object of gold/pce_state_annual damaged",)),
    "bytes": Loss(spoil_bytes_of_the_same_length, ("1 object of silver/pce_state damaged", "-> pce heal"), shows=""),
    "a dimension": Loss(gone("gold/dim_category"), ("lake: gold/dim_category is not there -> pce refresh",)),
    "rows in Postgres": Loss(
        sql("DELETE FROM gold.pce_state_annual WHERE geo_fips = '06000' AND year IN (2019, 2020)"),
        ("postgres: Postgres holds 354 of 360 rows of gold/pce_state_annual in 2019...2020 -> pce refresh",),
    ),
    "values in Postgres": Loss(
        sql("UPDATE gold.pce_state_metrics SET pce_yoy_pct = 1 WHERE geo_fips = '06000' AND year = 2015"),
        (
            "postgres: rows of gold/pce_state_metrics in Postgres are not those that were loaded in 2015",
            "-> pce refresh --years 2015",
        ),
    ),
    "all rows of a table": Loss(sql("TRUNCATE gold.pce_state_metrics_stored"), ("Postgres holds 0 of 5,040 rows",)),
    "rows of a dimension": Loss(sql("DELETE FROM gold.dim_geography"), ("Postgres holds 0 of 60 rows",)),
    "what loaded rows were made of": Loss(
        sql("DELETE FROM meta.manifests WHERE partition = '2021'"),
        ("postgres: meta.manifests lacks what 1 loaded partitions were made of -> pce refresh --years 2021...2021",),
    ),
    "whose rows are loaded": Loss(
        sql("DELETE FROM meta.world"),
        ("postgres: meta.world does not say whose rows are loaded -> pce refresh --years 2024",),
    ),
    "a table of Postgres": Loss(
        sql("DROP TABLE gold.pce_state_metrics_stored CASCADE"),
        (
            "postgres: gold.pce_state_metrics, gold.pce_state_metrics_stored, serving.v_pce_state_latest are gone",
            "are gone -> pce db migrate",
            "Postgres holds 0 of 5,040 rows of gold/pce_state_metrics in 1997...2024 -> pce refresh",
        ),
    ),
    "checkpoints": Loss(
        sql("DELETE FROM meta.checkpoints"), ("Postgres holds no gold/pce_state_annual in 1997...2024",)
    ),
    "the table of checkpoints": Loss(sql("DROP TABLE meta.checkpoints"), ("meta.checkpoints is gone",)),
    "the whole database": Loss(
        sql("DROP SCHEMA gold, serving, meta CASCADE"), ("the database is at migration none", "-> pce db migrate")
    ),
    "a run's process": Loss(lose_runs_under_way, ('is "started", and its process is gone -> pce doctor --fix',)),
    "Dagster's extract dates": Loss(
        confuse_extract_dates,
        ("dagster: the history does not know the extract", "dagster: the history knows, without the lake, 1999-01-01"),
    ),
}


def _without_year(pointer: Path, year: str) -> None:
    document = json.loads(pointer.read_text())
    del document["partitions"][year]
    pointer.write_text(json.dumps(document))


# one of each mend is tried daily; the others are the same mends of other places, and each takes seconds
_DAILY = {"Silver", "bytes", "rows in Postgres", "a table of Postgres", "a run's process"}


@pytest.mark.parametrize(
    "loss",
    [pytest.param(loss, id=name, marks=() if name in _DAILY else pytest.mark.long) for name, loss in LOSSES.items()],
)
def test_a_loss_is_found_and_mended(patient: Patient, loss: Loss) -> None:
    loss.happens(patient)
    options = [loss.shows] if loss.shows else []
    found = patient.findings(*options)
    for words in loss.said:
        assert any(words in each for each in found), found
    fixed = patient.pce("doctor", "--fix", "--json", *options)
    assert fixed.code == 0, fixed.out  # it has looked again
    assert fixed.document["mended"]


@pytest.mark.long
def test_what_is_said_of_a_loss_mends_it(patient: Patient) -> None:
    patient.execute("DROP TABLE gold.pce_state_metrics_stored CASCADE")
    patient.execute("UPDATE gold.pce_state_annual SET pce_status = 'blank' WHERE year = 2003")
    shutil.rmtree(patient.table("gold/pce_state_annual") / "_versions" / "year=2020")
    commands = dict.fromkeys(each.partition(" -> pce ")[2] for each in patient.findings())
    assert sorted(commands) == ["db migrate", "heal", "refresh", "refresh --years 2003"]
    for command in ("heal", "db migrate", "refresh", "refresh --years 2003"):
        assert patient.pce(*command.split()).code == 0
    assert patient.findings() == []


def test_rows_that_are_missing_in_postgres_show_in_every_way_and_are_mended_by_a_run(patient: Patient) -> None:
    patient.execute("DELETE FROM gold.pce_state_annual WHERE year = 2011")
    reason = "Postgres holds 0 of 180 rows of gold/pce_state_annual"
    status = patient.pce("status", "--json")
    assert (status.code, status.document["stale_years"]) == (1, {"2011": reason})
    assert patient.pce("check", "--json").document["stale_years"] == {"2011": reason}
    ran = patient.pce("run", "--json").document
    assert [(each["first"], each["last"]) for each in ran["refreshes"]] == [(2011, 2015)]
    assert patient.pce("status").code == 0
    assert patient.findings() == []


def test_verify_fails_where_covered_years_are_not_there(patient: Patient, tmp_path: Path) -> None:
    silver = patient.table("silver")
    shutil.move(silver, tmp_path / "silver")
    said = patient.pce("verify")
    assert said.code == 1
    assert "silver/pce_state 1997...2024" in said.out
    assert "pce refresh" in said.out
    assert patient.pce("verify", "--json", "--years", "2020").document["not_there"] == {
        "silver/pce_state": [2020],
        "silver/pce_state_vintages": [2020],
    }
    shutil.move(tmp_path / "silver", silver)
    assert patient.pce("verify").code == 0


@pytest.mark.long
def test_what_nobody_loaded_is_for_a_person_to_take_out(patient: Patient) -> None:
    patient.execute("INSERT INTO gold.pce_state_annual SELECT geo_fips, geo_level, state, category_id, 1990, "
                    "1, 'reported', 1, 'reported' FROM gold.pce_state_annual WHERE year = 2020")  # fmt: skip
    (found,) = patient.findings("--fix")
    assert "Postgres holds rows of gold/pce_state_annual that nobody loaded in 1990" in found
    patient.execute("DELETE FROM gold.pce_state_annual WHERE year = 1990")
    assert patient.findings() == []


@pytest.mark.long
def test_what_was_loaded_before_hashes_were_kept_is_no_fault_and_can_be_made_known(patient: Patient) -> None:
    patient.execute("UPDATE meta.checkpoints SET held_hash = NULL WHERE partition = '2016'")
    said = patient.pce("doctor", "--json")
    assert said.code == 0
    (note,) = said.document["findings"]
    assert note["command"] == "pce refresh --years 2016"
    assert patient.pce("status").code == 0
    assert patient.pce("doctor", "--fix", "--json").document["findings"] == []


@pytest.mark.long
def test_a_damaged_extract_is_named_and_left_to_a_person(own: Pce, tmp_path: Path) -> None:
    assert own("refresh").code == 0
    (answer,) = (tmp_path / "sample-smoke" / "lake" / "local" / "bronze").rglob("SAPCE1/2.json.gz")
    answer.write_bytes(b"something else")
    for options in ((), ("--fix",)):
        said = own("doctor", "--json", *options)
        assert said.code == 1
        (found,) = said.document["findings"]
        assert "SAPCE1/2.json.gz is changed" in found["what"]
        assert "restore the object" in found["advice"]


@pytest.mark.long
def test_an_extract_whose_manifest_is_gone_is_named_and_nothing_of_it_withdrawn(own: Pce, tmp_path: Path) -> None:
    assert own("sample", "release", "3").code == 0
    assert own("run").code == 0
    newest = max((tmp_path / "sample-smoke" / "lake" / "local" / "bronze").rglob("manifest.json"))
    body = newest.read_bytes()
    newest.unlink()
    for options in (("doctor",), ("doctor", "--fix")):
        said = own(*options, "--json")
        assert said.code == 1
        assert (
            f"of the extract {newest.parent.name} of pce_state, whose manifest is gone"
            in said.document["findings"][0]["what"]
        )
        assert not any(each["can_be_fixed"] for each in said.document["findings"])
    refused = own("refresh", "--json")
    assert refused.code == 1
    assert refused.document["error"]["type"] == "ExtractLost"
    newest.write_bytes(body)
    assert own("doctor", "--fix", "--json").code == 0
    assert own("status", "--json").document["years"]["gold/pce_state_annual"][-1] == 2025


def test_a_database_that_does_not_answer_is_a_finding_beside_the_others(patient: Patient) -> None:
    said = patient.pce("doctor", "--quick", "--json", PCE_DATABASE_URL="postgresql://someone:p@127.0.0.1:1/db")
    assert said.code == 1
    assert ["Cannot connect" in each["what"] for each in said.document["findings"]] == [True]


def test_where_nothing_was_taken_there_is_nothing_to_be_healthy(empty: Pce, tmp_path: Path) -> None:
    said = empty("doctor", "--json")
    assert said.code == 1
    assert [each["command"] for each in said.document["findings"]] == ["pce run"]
    assert not (tmp_path / "home").exists()
