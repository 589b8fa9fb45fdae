"""ingest.yml, its steps run as they are written, in order: S3, Postgres and BEA's look-alike on loopback."""

import hashlib
import json
import os
import shutil
import sysconfig
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.serve import running
from pce_pipeline.lake.store import open_store
from pce_pipeline_tests.workflows.conftest import ADDRESS, Place
from pce_pipeline_tests.workflows.job import Ran
from pce_pipeline_tests.workflows.loopback_ecs import LoopbackEcs

pytestmark = [
    pytest.mark.system,
    pytest.mark.postgres,
    pytest.mark.s3,
    pytest.mark.skipif(not all(map(shutil.which, ("jq", "make", "bash"))), reason="needs jq, make and bash"),
]

_LOOKS = ["late", "quarantined", "pinned", "doctor", "heartbeat"]
_QUIET = ["ready", "checkout", "python", "install", "credentials", "door", "migrated", "check", *_LOOKS]
_AFTER = ["close", "report", "keep"]


@pytest.fixture(scope="module")
def first(place: Place) -> Ran:
    """The first run of an empty environment, whose database the job before has migrated."""
    migrated = place.migrate()
    assert migrated.done == [*_QUIET[: _QUIET.index("migrated")], "migrate", "close"], str(migrated)
    assert place.let_in() == set()
    ran = place.run()
    assert not ran.failed, str(ran)
    return ran


def test_the_first_run_brings_everything_to_postgres(first: Ran, place: Place) -> None:
    assert first.done == [
        *(step for step in _QUIET if step not in _LOOKS),
        *("extract", "years", "silver", "gold", "certificates", "attest", "prune"),
        *(step for step in _LOOKS if step not in {"doctor", "heartbeat"}),
        *("sources", "doctor", "heartbeat"),
        *_AFTER,
    ]
    assert place.query("SELECT min(year), max(year) FROM gold.pce_state_metrics") == [(1997, 2024)]
    assert place.query("SELECT world, env FROM meta.world") == [("bea-smoke", "staging")]
    assert place.query("SELECT DISTINCT status FROM meta.ingest_runs") == [("succeeded",)]


def test_the_certificates_are_attested_by_the_hash_of_their_files(first: Ran, place: Place) -> None:
    (document,) = json.loads((first.kept / "certificates.json").read_text())["certificates"]
    assert place.attested == {document["name"]: document["sha256"]}
    lake = open_store(place.variables["PCE_LAKE_URI"], endpoint_url=place.s3.endpoint_url, session=place.s3.session())
    assert hashlib.sha256(lake.get(document["key"])).hexdigest() == document["sha256"]


def test_the_summary_says_what_changed_the_rows_of_each_layer_and_every_check(first: Ran) -> None:
    summary = first.summary
    assert "| SAPCE1 | nothing |" in summary
    for layer in ("bronze/pce_state | 5,040", "silver/pce_state | 5,040", "gold/pce_state_metrics | 5,040"):
        assert f"| {layer} |" in summary
    assert "inserted" in summary
    assert "| 1997...2024 | silver/pce_state is not materialised |" in summary
    records = [json.loads(file.read_text()) for file in first.kept.glob("runs/*/record.json")]
    checks = [(check["asset"], check["name"]) for each in records for step in each["steps"] for check in step["checks"]]
    assert len(records) == 3
    assert len(checks) > 20
    assert not [check for check in checks if f"| {check[0]} | {check[1]} |" not in summary]


def test_a_new_extract_is_compared_with_what_bea_says_by_its_other_way(first: Ran) -> None:
    said = json.loads((first.kept / "sources.json").read_text())
    assert (said["compared"], said["different"], said["alerts"]) == (5040, 0, [])
    assert "**Do the sources say the same?** 5,040 cells compared, 0 different." in first.summary


def test_logs_manifests_and_records_are_kept(first: Ran) -> None:
    kept = {str(file.relative_to(first.kept)) for file in first.kept.rglob("*") if file.is_file()}
    assert {"check.json", "extract.json", "silver.log", "gold.log"} <= kept
    assert len([name for name in kept if name.startswith("manifests/")]) == 1
    assert len([name for name in kept if name.endswith("log.jsonl")]) == 3


def test_the_database_is_open_for_this_machine_while_it_runs_and_closed_after(first: Ran, place: Place) -> None:
    assert f"lets in {ADDRESS} on port 5432" in first.output["door"]
    assert "It closes itself at " in first.output["door"]
    assert f"no longer lets in {ADDRESS}/32" in first.output["close"]
    assert (place.let_in(), place.closing()) == (set(), [])


def test_the_key_is_in_nothing_that_is_shown_or_kept(first: Ran, place: Place) -> None:
    texts = [str(first), first.summary, *(file.read_text() for file in first.kept.rglob("*") if file.is_file())]
    assert not [text for text in texts if place.key in text]


def test_a_run_that_finds_nothing_new_is_quiet(first: Ran, place: Place) -> None:
    ran = place.run()
    assert ran.done == [*_QUIET, *_AFTER], str(ran)
    assert "**Nothing is new.**" in ran.summary
    assert place.alerts() == []
    after, before = (json.loads(each.output["heartbeat"])["heartbeat"] for each in (ran, first))
    assert after["at"] > before["at"], "a day with nothing new beats, too"
    assert (after["by"], json.loads(ran.output["heartbeat"])["world"]) == ("ingest", "bea-smoke")


@pytest.mark.long
def test_rows_that_somebody_changed_in_postgres_end_the_run_red_and_the_summary_says_what_mends_them(
    first: Ran, place: Place
) -> None:
    place.execute("UPDATE gold.pce_state_annual SET pce_status = 'blank' WHERE year = 2009")
    ran = place.run()
    assert ran.failed == ["doctor"], str(ran)
    assert (
        "| postgres | rows of gold/pce_state_annual in Postgres are not those that were loaded in 2009 |" in ran.summary
    )
    assert "pce refresh --years 2009" in ran.summary
    assert len(place.alerts()) == 1
    again = place.run(years="2009", examine=True)
    assert not again.failed, str(again)
    assert '"quick": false' in again.output["doctor"]


@pytest.mark.long
def test_a_pin_is_named_in_the_summary_with_its_reason_and_what_postgres_holds(first: Ran, place: Place) -> None:
    place.pce("pin", f"{datetime.now(UTC):%Y-%m-%d}", "--why", "a look | at it")
    try:
        ran = place.run()
    finally:
        place.pce("pin", "--clear")
    assert not ran.failed, str(ran)
    assert "(a look &#124; at it); Postgres holds the figures of 2025-09-26." in ran.summary


@pytest.mark.long
def test_a_failing_step_alerts_says_what_to_do_and_leaves_the_database_closed(first: Ran, place: Place) -> None:
    place.emulator.set_faults(Fault(FaultKind.API_ERROR, lines=(2,), code="40"))
    try:
        ran = place.run(force=True)
    finally:
        place.emulator.set_faults()
    assert ran.failed == ["extract"], str(ran)
    waiting = ("years", "silver", "gold", "late", "quarantined", "heartbeat")
    assert [ran.outcomes[step] for step in waiting] == ["skipped"] * len(waiting)
    assert [ran.outcomes[step] for step in ("close", "alert", "keep")] == ["success"] * 3
    assert place.let_in() == set()
    assert "Failed in step `extract`" in ran.summary
    failure = json.loads((ran.kept / "failure.json").read_text())
    assert failure["what"]
    assert failure["remedy"]
    (alert,) = place.alerts()
    assert "The ingest of staging failed" in alert
    assert failure["what"] in alert
    assert f"https://github.example/octo/pce/actions/runs/{int(ran.folder.name, 16)}" in alert


@pytest.mark.long
def test_an_answer_that_lacks_what_counts_is_kept_lets_the_rest_go_on_and_ends_red(first: Ran, place: Place) -> None:
    before = place.query("SELECT count(*) FROM gold.pce_state_metrics")
    place.emulator.set_faults(Fault(FaultKind.CELLS_DROPPED, areas=("02000",)))
    try:
        ran = place.run(force=True)
    finally:
        place.emulator.set_faults()
    assert ran.failed == ["refused"], str(ran)
    assert ran.outcomes["heartbeat"] == "skipped"
    assert {"extract", "years", "late"} <= set(ran.done)
    assert "::error::SAPCE1 does not count: " in ran.output["refused"]
    assert "area 02000" in ran.output["refused"]
    assert "pce use DATE --instead" in ran.summary
    assert place.query("SELECT count(*) FROM gold.pce_state_metrics") == before
    (alert,) = place.alerts()
    assert "what was published before stands" in alert


def test_a_database_out_of_reach_is_reported_before_bea_is_asked(place: Place) -> None:
    ran = place.run(variables={"PCE_DATABASE_URL": "postgresql://pce_loader@127.0.0.1:9/pce"})
    assert ran.failed == ["migrated", "check"], str(ran)
    assert not {"extract", "heartbeat"} & set(ran.done)
    assert "Failed in step `check`" in ran.summary
    assert len(place.alerts()) == 1


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(first: Ran, place: Place) -> None:
    place.emulator.set_release(3)
    try:
        before = place.query("SELECT count(*) FROM meta.ingest_runs")
        ran = place.run(dry_run=True)
    finally:
        place.emulator.set_release(2)
    assert ran.done == [*(step for step in _QUIET if step not in {"migrated", *_LOOKS}), *_AFTER], str(ran)
    assert "**An extract would be taken**" in ran.summary
    assert "updated on" in ran.summary
    assert place.query("SELECT count(*) FROM meta.ingest_runs") == before


@pytest.mark.long
def test_where_nothing_can_be_attested_the_run_says_so_and_ends_well(first: Ran, place: Place) -> None:
    place.attests = False
    try:
        ran = place.run(years="2023")
    finally:
        place.attests = True
    assert ran.failed == ["attest"]
    assert "unattested" in ran.done
    assert "::notice::The certificates were not attested" in ran.output["unattested"]
    assert "were not attested" in ran.summary
    assert "Failed in step" not in ran.summary
    assert place.alerts() == []


@pytest.mark.long
def test_force_takes_an_extract_and_years_are_refreshed_although_nothing_is_new(first: Ran, place: Place) -> None:
    ran = place.run(force=True, years="2023")
    assert not ran.failed, str(ran)
    assert "the extract found nothing new" in ran.summary
    assert "2023" in ran.output["years"]
    assert "2023" in ran.summary
    assert {"extract", "years", "silver", "gold"} <= set(ran.done)


@pytest.mark.long
def test_where_s3_does_not_replicate_a_run_copies_bronze_and_the_weekly_look_compares(first: Ran, place: Place) -> None:
    copy = f"s3://{place.s3.bucket}/copies"
    variables = {"PCE_COPY_URI": copy, "PCE_COPIED_BY": "runs"}
    ran = place.run(variables=variables, examine=True)
    assert not ran.failed, str(ran)
    assert [step for step in ran.done if step in ("doctor", "copy", "compare", "close")] == [
        *("doctor", "copy", "compare", "close")
    ]
    assert json.loads((ran.kept / "copy.json").read_text())["written"] > 0
    assert json.loads((ran.kept / "compare.json").read_text())["copy"]["differences"] == []
    assert not {"copy", "compare"} & set(first.done), "without a copy there is nothing to do"


def test_with_private_reach_the_same_commands_run_as_tasks(first: Ran, place: Place, tmp_path: Path) -> None:
    url = urlsplit(place.database_url)
    without_password = urlunsplit(url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}"))
    container = {
        "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PGPASSWORD": url.password or "",
        "BEA_API_KEY": place.key,
        "PCE_BEA_URL": place.bea_url,
        "PCE_ENV": "staging",
        "PCE_LAKE_URI": place.variables["PCE_LAKE_URI"],
        **place.s3.environment,
    }
    ecs = LoopbackEcs(container)
    with running(ecs.app) as ecs_url:
        ran = place.run(
            variables={
                "PCE_DATABASE_REACH": "private",
                "PCE_DATABASE_URL": without_password,
                "PCE_ECS_CLUSTER": "pce-staging",
                "PCE_ECS_TASK_DEFINITION": "pce-staging",
                "PCE_ECS_SUBNETS": "subnet-a",
                "PCE_ECS_SECURITY_GROUP": "sg-tasks",
                "PCE_ECS_LOG_GROUP": "/pce/staging/task",
                "PCE_IMAGE_REPOSITORY": "123456789012.dkr.ecr.us-east-1.amazonaws.com/pce-staging",
            },
            machine=dict.fromkeys(
                ("AWS_ENDPOINT_URL_ECS", "AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"), ecs_url
            ),
        )
    with_tasks = ["tasks" if step == "door" else step for step in _QUIET]
    assert ran.done == [*with_tasks, *(step for step in _AFTER if step != "close")], str(ran)
    commands = [asked["overrides"]["containerOverrides"][0]["command"][4:6] for asked in ecs.asked]
    alerts = [["pce", "alert"]] * 3
    assert commands == [["pce", "db"], ["pce", "check"], *alerts, ["pce", "doctor"], ["pce", "heartbeat"]]
    assert "PCE_IMAGE_DIGEST=sha256:0a" in ran.output["tasks"], "the one that every task is compared with"
    assert "**Nothing is new.**" in ran.summary
    assert place.let_in() == set()


@pytest.mark.parametrize(("event", "failed"), [("schedule", []), ("workflow_dispatch", ["ready"])])
def test_an_environment_that_is_not_provisioned_is_skipped_on_schedule_and_refused_by_hand(
    place: Place, event: str, failed: list[str]
) -> None:
    ran = place.run(event=event, variables={"AWS_ROLE_ARN": ""})
    assert ran.failed == failed
    assert set(ran.done) <= {"ready"}
    assert place.alerts() == []


def test_an_environment_that_may_run_no_commit_says_so_before_anything_is_done(place: Place) -> None:
    ran = place.run(commit="")
    assert (ran.failed, ran.done) == (["ready"], [])
    assert "may run no commit" in ran.output["ready"]


def test_a_job_that_migrates_without_its_role_leaves_the_database_alone(place: Place) -> None:
    ran = place.migrate(AWS_ROLE_ARN="")
    assert ran.done == ["ready"], str(ran)
    assert "staging-migrate has no AWS_ROLE_ARN" in ran.summary


@pytest.mark.long
def test_an_extract_is_taken_although_the_database_cannot_be_brought_to_this_code(first: Ran, place: Place) -> None:
    """The last one here: it leaves a release behind that the others do not know."""
    ((revision,),) = place.query("SELECT version_num FROM meta.alembic_version")
    place.execute("UPDATE meta.alembic_version SET version_num = '9999'")
    place.emulator.set_release(3)
    try:
        ran = place.run()
    finally:
        place.emulator.set_release(2)
        place.execute(f"UPDATE meta.alembic_version SET version_num = '{revision}'")
    assert ran.failed == ["migrated", "tables"], str(ran)
    assert {"check", "extract"} <= set(ran.done)
    assert json.loads((ran.kept / "extract.json").read_text())["outcome"] == "new"
    assert "Failed in step `tables`" in ran.summary
    assert "at migration 9999" in ran.summary
    assert len(place.alerts()) == 1
