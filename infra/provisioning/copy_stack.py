"""The second copy of Bronze in another region: a small stack there, made first, as the environment names its bucket.

It holds nothing but the bucket and its policy, and no removal of an environment touches it.
"""

from collections.abc import Callable
from pathlib import Path

from infra.provisioning.cloud import Cloud
from infra.provisioning.console import Console
from infra.provisioning.errors import UsageRefused
from infra.provisioning.options import Options
from infra.provisioning.outputs import outputs_of
from infra.provisioning.plan import Plan, read_plan
from infra.provisioning.stack import Stack

TEMPLATE = Path(__file__).resolve().parents[1] / "templates" / "copy.yaml"

NOT_YET = "pce-copy-that-the-plan-would-make"
"""Stands for the bucket in a plan that makes nothing."""


def bucket_there(
    region: str,
    options: Options,
    cloud: Cloud,
    console: Console,
    template: str,
    agree: Callable[[Plan], None],
    tags: dict[str, str],
) -> str:
    """The bucket of the copy in `region`, made if need be and agreed; in a plan maybe `NOT_YET`.

    Raises `UsageRefused` where nobody agrees, `StackFailed`.
    """
    stack = Stack(cloud.in_region(region), f"{options.stack}-copy", console)
    only_plan = options.action == "plan"
    existing = stack.settle(may_change=not only_plan)
    proposal = stack.propose(template, {"Environment": options.environment}, tags, existing)
    if proposal.changes:
        console.say(f"First, in {region}, {stack.name} for the second copy of Bronze:")
        plan = read_plan(proposal.changes, public_database=False)
        for line in plan.lines():
            console.say(line)
        if only_plan:
            stack.drop(proposal)
            return outputs_of(existing or {}).get("CopyBucketName", NOT_YET)
        try:
            agree(plan)
        except UsageRefused:
            stack.drop(proposal)
            raise
        stack.execute(proposal)
        console.say(f"Then, in {cloud.region}, {options.stack}:")
    if not only_plan:
        stack.protect(protected=options.environment == "prod")
    return outputs_of(stack.existing() or {})["CopyBucketName"]
