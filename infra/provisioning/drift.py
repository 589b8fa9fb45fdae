"""What was changed by hand since the last apply, as CloudFormation detects it, in words."""

from collections.abc import Mapping
from typing import Any

from infra.provisioning.cloud import Cloud
from infra.provisioning.console import Console
from infra.provisioning.errors import ProvisioningError, TookTooLong

_PATIENCE_SECONDS = 15 * 60.0
_POLL_SECONDS = 3.0


def drift(cloud: Cloud, stack: str, console: Console) -> list[str]:
    """One line per resource that is gone and per property that differs; none where all is as applied.

    Raises `ProvisioningError` where the detection fails, `TookTooLong`.
    """
    api = cloud.client("cloudformation")
    detection = api.detect_stack_drift(StackName=stack)["StackDriftDetectionId"]
    waited = 0.0
    while (status := api.describe_stack_drift_detection_status(StackDriftDetectionId=detection))[
        "DetectionStatus"
    ] == "DETECTION_IN_PROGRESS":
        if waited > _PATIENCE_SECONDS:
            raise TookTooLong("The drift detection", _PATIENCE_SECONDS / 60)
        console.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    if status["DetectionStatus"] == "DETECTION_FAILED":
        raise ProvisioningError(
            f"The drift of {stack} could not be told: {status.get('DetectionStatusReason', 'no reason given')}",
            remedy="Check that you may read every resource of the stack, and run again.",
        )
    said: list[str] = []
    page: dict[str, str] = {}
    while True:
        found = api.describe_stack_resource_drifts(
            StackName=stack, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"], **page
        )
        for resource in found["StackResourceDrifts"]:
            said += _told(resource)
        if not found.get("NextToken"):
            return said
        page = {"NextToken": found["NextToken"]}


def _told(resource: Mapping[str, Any]) -> list[str]:
    name = f"{resource['LogicalResourceId']} ({resource['ResourceType']})"
    if resource["StackResourceDriftStatus"] == "DELETED":
        return [f"{name} is gone"]
    differences = resource.get("PropertyDifferences", ())
    return [
        f"{name} {each['PropertyPath']}: {_value(each, 'Expected')} -> {_value(each, 'Actual')}" for each in differences
    ] or [f"{name} differs"]


def _value(difference: Mapping[str, Any], which: str) -> str:
    return str(difference.get(f"{which}Value") or "nothing")
