"""Whether an environment has ever said that a run succeeded: from then on silence is worth an alarm.

The alarm itself is in the template, and is heard through the topic alone: it must not need a run, nor this program.
"""

from collections.abc import Mapping

from infra.provisioning.cloud import Cloud

PARAMETER = "HeartbeatHeard"
"""The template's parameter that switches the actions of its alarms on."""

METRIC = "Heartbeats"
"""What the template's metric filter counts, in the namespace `pce/<environment>`."""


def known(cloud: Cloud, environment: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameter, from those of the stack as it is: once it is yes it stays so, else CloudWatch is asked."""
    if parameters.get(PARAMETER) == "yes":
        return {PARAMETER: "yes"}
    found = cloud.client("cloudwatch").list_metrics(Namespace=f"pce/{environment}", MetricName=METRIC)
    return {PARAMETER: "yes" if found.get("Metrics") else "no"}
