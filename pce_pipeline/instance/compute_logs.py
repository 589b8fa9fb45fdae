"""What steps print, in the lake's bucket below `<env>/dagster/`.

The log manager is dagster-aws's own; it is told the bucket that the settings name, and brings what a run has printed so
far there twice a minute, so that a page on another machine shows it.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from dagster._config import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_aws.s3 import S3ComputeLogManager

from pce_pipeline.errors import SettingsError
from pce_pipeline.instance.own_logs import OwnLogs
from pce_pipeline.settings import load_settings

_UPLOAD_SECONDS = 30


class LakeComputeLogs(S3ComputeLogManager):
    """Compute logs beside the lake that PCE_LAKE_URI names; it takes no configuration.

    Raises `SettingsError` where the lake is no bucket.
    """

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> "LakeComputeLogs":
        del config_value
        settings = load_settings()
        scheme, _, place = settings.lake_uri.partition("://")
        bucket, _, prefix = place.partition("/")
        if scheme != "s3" or not bucket:
            raise SettingsError(
                f"Dagster's logs lie beside a lake in S3, and this one is at {settings.lake_uri}.",
                remedy="Set PCE_LAKE_URI to s3://bucket, or DAGSTER_HOME to a folder of your own.",
            )
        return cls(
            bucket,
            inst_data=inst_data,
            prefix=f"{prefix}/{settings.env}/dagster",
            upload_interval=_UPLOAD_SECONDS,
        )


class OwnLogsInLake(LakeComputeLogs):
    """The same of runs that `pce` executes: the lines of a run's own log, without two more processes that capture."""

    @cached_property
    def local_manager(self) -> OwnLogs:
        return OwnLogs(super().local_manager._base_dir)  # noqa: SLF001 (it says the folder nowhere else)
