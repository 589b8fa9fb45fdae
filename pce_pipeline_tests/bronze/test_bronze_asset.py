"""Bronze as an asset: taking, verifying and refusing extracts in Dagster, in process; and where the key never is."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import structlog
from pydantic import SecretStr

from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.logs import configure_logs
from pce_pipeline.observability.records import RunJournal, RunRecord, StepRecord
from pce_pipeline.settings import Settings
from pce_pipeline.shell.bronze import bronze_asset
from pce_pipeline.shell.keys import bronze_key
from pce_pipeline_tests.bronze.look_alike import KEY, LookAlike, today
from pce_pipeline_tests.datasets import pce_state

pytestmark = [pytest.mark.usefixtures("one_day")]

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Gateway(BeaGateway):
    """The way to a look-alike that tests can spoil, asked as if it were BEA's API."""

    def __init__(self, settings: Settings, bea: LookAlike) -> None:
        super().__init__(settings)
        self._bea = bea

    def client(self, *, patient: bool = True) -> BeaClient:
        return self._bea.client(patient=patient)


class Bronze:
    """The asset on a lake of its own."""

    def __init__(self, home: Path, bea: LookAlike, source: str) -> None:
        self.settings = Settings(home=home, profile="smoke", chosen_source=source, bea_api_key=SecretStr(KEY))
        self.dataset = pce_state("smoke")
        self.lake = Lake.of(self.settings)
        self.store = bronze_of(self.lake, self.dataset)
        self.journal = RunJournal(self.lake)
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(home / "dagster"))
        self.resources = {
            "lake": self.lake,
            "bea": Gateway(self.settings, bea),
            "settings": self.settings,
            "journal": self.journal,
        }

    def run(self, extract: str | None = None, *, fails: bool = False, **config: list[str]) -> dg.ExecuteInProcessResult:
        key = extract or str(today())
        self.instance.add_dynamic_partitions("pce_state_extracts", [key])
        result = dg.materialize(
            [bronze_asset(self.dataset)],
            instance=self.instance,
            partition_key=key,
            resources=self.resources,
            run_config={"ops": {"bronze__pce_state": {"config": config}}, **QUIET},
            raise_on_error=False,
        )
        assert result.success is not fails
        return result

    def record(self, result: dg.ExecuteInProcessResult) -> RunRecord:
        record = self.journal.read(result.run_id)
        assert record is not None
        return record

    def step(self, result: dg.ExecuteInProcessResult) -> StepRecord:
        (step,) = self.record(result).steps
        return step

    def object(self, name: str) -> Path:
        return Path(self.lake.uri) / self.lake.layout.extract("pce_state", ExtractId(today())) / name


def failed_checks(result: dg.ExecuteInProcessResult) -> list[str]:
    return [each.check_name for each in result.get_asset_check_evaluations() if not each.passed]


@pytest.fixture
def bronze(tmp_path: Path, bea: LookAlike) -> Bronze:
    return Bronze(tmp_path, bea, "api")


@pytest.fixture
def _logs() -> Iterator[None]:
    configure_logs("debug", terminal_level="error")
    yield
    structlog.reset_defaults()


def test_an_extract_is_reported_with_its_tables_checks_and_data_version(bronze):
    result = bronze.run()
    (reported,) = result.asset_materializations_for_node("bronze__pce_state")
    manifest = bronze.store.manifest(ExtractId(today()))
    assert reported.asset_key == bronze_key("pce_state")
    assert reported.partition == str(today())
    assert reported.metadata["dagster/partition_row_count"].value == 3 * 60 * 28
    assert reported.metadata["outcome"].value == "new"
    assert reported.tags["dagster/data_version"] == manifest.content_sha256
    assert [(each.check_name, each.passed) for each in result.get_asset_check_evaluations()] == [
        ("manifest_is_complete", True),
        ("cells_have_the_documented_columns", True),
        ("hashes_are_right", True),
        ("what_counted_is_covered", True),
    ]
    step = bronze.step(result)
    assert (step.status, step.outputs["outcome"], step.outputs["changed"]) == ("succeeded", "new", ["SAPCE1"])
    record = bronze.record(result)
    assert record.extracts == [str(today())]
    assert record.requested["origin"] == "api"
    assert record.requested["tables"] == []


def test_materialising_an_extract_that_exists_verifies_it_and_asks_bea_nothing(bronze, bea):
    bronze.run()
    bea.log.clear()
    result = bronze.run()
    (reported,) = result.asset_materializations_for_node("bronze__pce_state")
    assert reported.metadata["outcome"].value == "verified"
    assert bea.log == []
    assert failed_checks(result) == []


def test_a_run_that_finds_nothing_new_reports_no_materialisation_and_says_so(bronze):
    bronze.run()
    result = bronze.run(f"{today()}.2")
    assert result.asset_materializations_for_node("bronze__pce_state") == []
    step = bronze.step(result)
    assert step.outputs["outcome"] == "unchanged"
    assert (step.outputs["compared"], step.outputs["equals"]) == (["SAPCE1"], {"SAPCE1": str(today())})
    assert bronze.store.extracts() == [ExtractId(today())]


def test_a_further_vintage_is_reported_with_its_release_and_with_what_it_changed(bronze, bea):
    bronze.run()
    bea.emulator.set_release(3)
    (reported,) = bronze.run(f"{today()}.2").asset_materializations_for_node("bronze__pce_state")
    said = {name: value.value for name, value in reported.metadata.items()}
    assert said["released"] == "2026-09-30"
    assert (said["cells_new"], said["cells_gone"]) == (3 * 60, 0), "a year was added"
    assert 0 < said["cells_changed"] < 3 * 60 * 28


def test_another_than_the_next_extract_date_is_refused(bronze, bea):
    result = bronze.run(f"{today()}.3", fails=True)
    assert f"Use {today()}." in (bronze.step(result).error or "")
    assert bea.log == []


@pytest.mark.parametrize("partition", ["latest", "2026-13-01", "2026-02-23.1"])
def test_a_partition_that_somebody_added_by_hand_and_is_no_date_is_refused(bronze, bea, partition):
    error = bronze.step(bronze.run(partition, fails=True)).error or ""
    assert f"'{partition}' is not the date of an extract. Delete that partition and add today's date" in error
    assert bea.log == []


def test_tables_that_the_catalogue_does_not_hold_are_refused(bronze):
    assert "It holds SAPCE1." in (bronze.step(bronze.run(fails=True, tables=["SAPCE9"])).error or "")


def test_a_missing_object_turns_the_check_of_hashes_red_and_no_other(bronze):
    bronze.run()
    bronze.object("SAPCE1/13.json.gz").unlink()
    result = bronze.run(fails=True)
    assert failed_checks(result) == ["hashes_are_right"]
    (check,) = [check for check in bronze.step(result).checks if not check.passed]
    assert check.summary == "1 objects are not as written"
    assert result.asset_materializations_for_node("bronze__pce_state") == []


@pytest.mark.parametrize("name", ["SAPCE1/13.json.gz", "SAPCE1/lines.json.gz"])
def test_a_flipped_byte_turns_the_check_of_hashes_red_and_no_other(bronze, name):
    bronze.run()
    body = bytearray(bronze.object(name).read_bytes())
    body[len(body) // 2] ^= 1
    bronze.object(name).write_bytes(body)
    assert failed_checks(bronze.run(fails=True)) == ["hashes_are_right"]


def test_a_manifest_that_lost_an_object_turns_the_check_of_the_manifest_red_and_no_other(bronze):
    bronze.run()
    manifest = bronze.object("manifest.json")
    lost = manifest.read_text().replace('"rows": 1680', '"rows": 1679', 1)
    manifest.write_text(lost)
    assert failed_checks(bronze.run(fails=True)) == ["manifest_is_complete"]


def test_an_object_that_nobody_declared_does_not_make_the_extract_wrong(bronze):
    bronze.run()
    bronze.object("SAPCE1/note.txt").write_text("left by hand")
    assert failed_checks(bronze.run()) == []


def test_an_answer_that_lacks_what_counts_is_kept_and_fails_its_check(bronze, bea):
    bronze.run()
    bea.emulator.set_faults(Fault(FaultKind.CELLS_DROPPED, areas=("02000",)))
    result = bronze.run(f"{today()}.2", fails=True)
    assert failed_checks(result) == ["what_counted_is_covered"]
    step = bronze.step(result)
    assert step.outputs["refused"] == {
        "SAPCE1": f"{today()} also holds 84 cells of pce: "
        "3 categories (product.goods, product.pce, product.services), area 02000, 1997...2024"
    }
    assert "Failure: BEA's answer is kept and what was published before stands" in (step.error or "")
    assert [str(each) for each in bronze.store.extracts()] == [f"{today()}", f"{today()}.2"]


def test_an_answer_that_still_lacks_it_is_not_kept_twice_and_fails_again(bronze, bea):
    bronze.run()
    bea.emulator.set_faults(Fault(FaultKind.CELLS_DROPPED, areas=("02000",)))
    bronze.run(f"{today()}.2", fails=True)
    result = bronze.run(f"{today()}.3", fails=True)
    assert bronze.step(result).outputs["equals"] == {"SAPCE1": f"{today()}.2"}
    assert len(bronze.store.extracts()) == 2
    bea.emulator.set_faults()
    assert bronze.step(bronze.run(f"{today()}.3")).outputs["equals"] == {"SAPCE1": str(today())}


def _all_bytes(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            body = path.read_bytes()
            yield str(path), body
            if body[:2] == b"\x1f\x8b":
                yield f"{path} unpacked", gzip.decompress(body)
            if body[:2] == b"PK":
                with zipfile.ZipFile(io.BytesIO(body)) as archive:
                    yield from ((f"{path}!{name}", archive.read(name)) for name in archive.namelist())


@pytest.mark.usefixtures("_logs")
def test_the_key_never_reaches_the_lake_the_records_or_the_logs(bronze, bea, tmp_path, capfd):
    bronze.run()
    bea.emulator.set_faults(Fault(FaultKind.API_ERROR, code="4"))
    bronze.run(f"{today()}.2", fails=True)
    bea.emulator.set_faults(Fault(FaultKind.DROP, after=1))
    bronze.run(f"{today()}.2", fails=True)
    bea.emulator.set_faults(Fault(FaultKind.TRUNCATED, on=("calendar",)))
    bronze.resources["bea"].releases({"pce_state": ()}, {"pce_state": {"SAPCE1": (1, "00000")}})
    bea.emulator.set_faults(Fault(FaultKind.UNKNOWN_FIELD), Fault(FaultKind.SILENT_REVISION))
    bronze.run(f"{today()}.2", fails=True)
    files = dict(_all_bytes(tmp_path))
    assert any(name.endswith("log.jsonl") for name in files)
    assert any(b'"USERID","ParameterValue":"REDACTED"' in body for body in files.values())
    said = "".join(capfd.readouterr())
    assert any(b"unknown fields" in body for name, body in files.items() if name.endswith("log.jsonl"))
    for name, body in {**files, "the terminal": said.encode()}.items():
        assert KEY.lower().encode() not in body.lower(), name


def test_the_way_to_bea_in_production_takes_an_extract_of_the_sample(tmp_path):
    settings = Settings(home=tmp_path, profile="smoke", chosen_source="sample")
    bronze = Bronze(tmp_path, LookAlike(), "sample")
    bronze.resources["bea"] = BeaGateway(settings)
    before = datetime.now(UTC)
    bronze.run()
    assert bronze.store.manifest(ExtractId(today())).origin == "sample"
    assert bronze.lake.layout.world == "sample-smoke"
    assert bronze.store.manifest(ExtractId(today())).ingested_at > before
