"""What the rest of the package needs of Dagster that Dagster does not export."""

from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

AssetJob = UnresolvedAssetJobDefinition
"""What `dagster.define_asset_job` gives."""

WITHOUT_CAPTURE: dict[str, object] = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
"""Settings of an instance that captures no output: capturing forks two processes for each run."""
