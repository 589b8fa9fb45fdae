"""A real `dagster dev` for tests, and what a person does on its page, through the page's own GraphQL."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ENDED = {"SUCCESS", "FAILURE", "CANCELED"}

_LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on InvalidSubsetError { message }
  }
}
"""
_RUN = "query Run($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
_LOGS = """
query Logs($id: ID!) {
  logsForRun(runId: $id) {
    ... on EventConnection { events { __typename
      ... on ExecutionStepFailureEvent { error { message cause { message } errorChain { error { message } } } }
      ... on MessageEvent { message } } }
  }
}
"""
_BACKFILL = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}
"""
_BACKFILL_STATUS = (
    "query B($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
)
_MATERIALISED = """
query M($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode { assetPartitionStatuses {
    ... on TimePartitionStatuses { ranges { status startKey endKey } }
    ... on DefaultPartitionStatuses { materializedPartitions } } } }
}
"""
_STALE = """
query S($key: AssetKeyInput!, $year: String!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode { staleStatus(partition: $year) } }
}
"""
_REPORTED = """
query R($key: AssetKeyInput!, $partitions: [String!]) {
  assetOrError(assetKey: $key) { ... on Asset { assetMaterializations(partitions: $partitions, limit: 1) {
    description metadataEntries { label ... on IntMetadataEntry { intValue } } } } }
}
"""
_ADD_EXTRACT = """
mutation Add($repository: RepositorySelector!, $name: String!, $key: String!) {
  addDynamicPartition(repositorySelector: $repository, partitionsDefName: $name, partitionKey: $key) { __typename }
}
"""
_SENSOR = """
mutation Start($selector: SensorSelector!) { startSensor(sensorSelector: $selector) { __typename } }
"""
_STOP_SENSOR = """
query S($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) { ... on Sensor { sensorState { id
  ticks(limit: 20) { status skipReason error { message } } } } } }
"""

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "pce_pipeline"}


class Page:
    """Dagster's page at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def materialise(
        self, assets: Sequence[str], partition: str, *, config: Mapping[str, Any] | None = None, wait: float = 120
    ) -> tuple[str, str]:
        """Run assets for one partition; the run's end status, and all its messages as one text."""
        launched = self.ask(
            _LAUNCH,
            params={
                "selector": {
                    **REPOSITORY,
                    "pipelineName": "__ASSET_JOB",
                    "assetSelection": [{"path": asset.split("/")} for asset in assets],
                },
                "runConfigData": dict(config or {}),
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": partition}]},
            },
        )["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id = launched["run"]["runId"]
        status = self._until(lambda: self.ask(_RUN, id=run_id)["runOrError"]["status"], ENDED, wait)
        return status, str(self.ask(_LOGS, id=run_id)["logsForRun"])

    def backfill(self, assets: Sequence[str], partitions: Sequence[str], *, wait: float = 180) -> str:
        """Backfill assets over partitions; the backfill's end status."""
        launched = self.ask(
            _BACKFILL,
            params={
                "assetSelection": [{"path": asset.split("/")} for asset in assets],
                "partitionNames": list(partitions),
            },
        )["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return self._end_of_backfill(launched["backfillId"], wait)

    def _end_of_backfill(self, backfill: str, wait: float) -> str:
        return self._until(
            lambda: self.ask(_BACKFILL_STATUS, id=backfill)["partitionBackfillOrError"]["status"],
            {"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"},
            wait,
        )

    def materialise_all(self, assets: Sequence[str], *, wait: float = 240) -> str:
        """What the button "Materialize all" does: a backfill of every partition there is; its end status."""
        launched = self.ask(
            _BACKFILL,
            params={"assetSelection": [{"path": asset.split("/")} for asset in assets], "allPartitions": True},
        )["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return self._end_of_backfill(launched["backfillId"], wait)

    def reported(self, asset: str, partition: str | None = None) -> dict[str, Any]:
        """The newest report of an asset's partition, or of an asset in one piece: its description and row count."""
        events = self.ask(_REPORTED, key={"path": asset.split("/")}, partitions=[partition] if partition else None)[
            "assetOrError"
        ]["assetMaterializations"]
        if not events:
            return {}
        rows = [entry.get("intValue") for entry in events[0]["metadataEntries"] if "row_count" in entry["label"]]
        return {"description": events[0]["description"], "rows": rows[0] if rows else None}

    def add_extract(self, extract: str) -> None:
        self.ask(_ADD_EXTRACT, repository=REPOSITORY, name="pce_state_extracts", key=extract)

    def start_sensor(self) -> None:
        self.ask(_SENSOR, selector={**REPOSITORY, "sensorName": "release_sensor"})

    def ticks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(_STOP_SENSOR, selector={**REPOSITORY, "sensorName": "release_sensor"})[
            "sensorOrError"
        ]["sensorState"]["ticks"]
        return found

    def materialised(self, asset: str) -> set[str]:
        """The years the page paints as materialised."""
        statuses = self.ask(_MATERIALISED, key={"path": asset.split("/")})["assetNodeOrError"]["assetPartitionStatuses"]
        return {
            str(year)
            for found in statuses["ranges"]
            if found["status"] == "MATERIALIZED"
            for year in range(int(found["startKey"]), int(found["endKey"]) + 1)
        }

    def stale_status(self, asset: str, year: str) -> str:
        """How the page marks one year: FRESH, STALE (unsynced) or MISSING."""
        node = self.ask(_STALE, key={"path": asset.split("/")}, year=year)["assetNodeOrError"]
        return str(node["staleStatus"])

    def _until(self, look: Any, ends: set[str], wait: float) -> str:
        deadline = time.monotonic() + wait
        status = look()
        while status not in ends:
            assert time.monotonic() < deadline, f"still {status} after {wait} s"
            time.sleep(0.5)
            status = look()
        return str(status)


@contextmanager
def dagster_dev(root: Path, environment: Mapping[str, str], *, log: Path) -> Iterator[Page]:
    """`pce dev` from the checkout at `root` on a free loopback port, ended as a service manager ends it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("pce")), "dev", "--port", str(port)],
            cwd=root,
            env={**os.environ, **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    page = Page(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + 90
        while True:
            assert process.poll() is None, log.read_text(errors="replace")[-4000:]
            assert time.monotonic() < deadline, log.read_text(errors="replace")[-4000:]
            try:
                if page.ask("{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }")[
                    "repositoriesOrError"
                ]["nodes"]:
                    break
            except (httpx.HTTPError, ValueError):
                pass
            time.sleep(0.5)
        yield page
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
