"""What an environment tells its users: as a table, as lines for `.env`, as commands for GitHub.

Pure: from the outputs of the stack. Nothing here is secret; the key is asked for by `gh` itself.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from infra.provisioning.console import table

_EVERYWHERE = {
    "PCE_LOG_GROUP": "LogGroupName",
    "PCE_ALERT_TOPIC_ARN": "AlertTopicArn",
    "PCE_GLUE_DATABASE": "GlueDatabaseName",
    "PCE_DATABASE_SECRET_ARN": "DatabaseSecretArn",
}
_WORKFLOWS = {
    "AWS_ROLE_ARN": "WorkflowRoleArn",
    "PCE_COPIED_BY": "CopiedBy",
    "PCE_DATABASE_REACH": "DatabaseReach",
    "PCE_DATABASE_SECURITY_GROUP": "DatabaseSecurityGroupId",
    "PCE_SCHEDULE_ROLE_ARN": "ScheduleRoleArn",
    "PCE_ECS_CLUSTER": "ClusterName",
    "PCE_ECS_TASK_DEFINITION": "TaskDefinitionFamily",
    "PCE_ECS_SUBNETS": "TaskSubnetIds",
    "PCE_ECS_SECURITY_GROUP": "TaskSecurityGroupId",
    "PCE_ECS_LOG_GROUP": "TaskLogGroupName",
    "PCE_IMAGE_REPOSITORY": "ImageRepositoryUri",
}
_MIGRATIONS = {
    "AWS_ROLE_ARN": "MigrationRoleArn",
    "PCE_DATABASE_REACH": "DatabaseReach",
    "PCE_DATABASE_SECURITY_GROUP": "DatabaseSecurityGroupId",
    "PCE_ECS_CLUSTER": "ClusterName",
    "PCE_ECS_TASK_DEFINITION": "MigrationTaskDefinitionFamily",
    "PCE_ECS_SUBNETS": "TaskSubnetIds",
    "PCE_ECS_SECURITY_GROUP": "TaskSecurityGroupId",
    "PCE_ECS_LOG_GROUP": "TaskLogGroupName",
}


def outputs_of(described: Mapping[str, Any]) -> dict[str, str]:
    """A stack's outputs by name."""
    return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", ())}


def environment_lines(environment: str, region: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """What a process needs to work in the environment, by variable. The database's address has no password."""
    url = (
        f"postgresql://pce_loader@{outputs['DatabaseHost']}:{outputs['DatabasePort']}/{outputs['DatabaseName']}"
        "?sslmode=verify-full"
    )
    return {
        "PCE_ENV": environment,
        "PCE_LAKE_URI": f"s3://{outputs['BucketName']}",
        "PCE_DATABASE_URL": url,
        "PCE_DATABASE_LOGIN": "iam",
        "AWS_REGION": region,
        **{name: outputs[output] for name, output in _EVERYWHERE.items() if output in outputs},
    }


def workflow_variables(environment: str, region: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """What the workflows need as variables of the GitHub environment."""
    return {
        **environment_lines(environment, region, outputs),
        **({"PCE_COPY_URI": f"s3://{outputs['CopyBucketName']}"} if "CopyBucketName" in outputs else {}),
        **{name: outputs[output] for name, output in _WORKFLOWS.items() if output in outputs},
    }


def migration_variables(region: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """What the job that migrates needs, in a GitHub environment of its own: the owner's role, and the way there."""
    owner = f"pce_owner@{outputs['DatabaseHost']}:{outputs['DatabasePort']}/{outputs['DatabaseName']}"
    return {
        "AWS_REGION": region,
        "PCE_LAKE_URI": f"s3://{outputs['BucketName']}",
        "PCE_DATABASE_URL": f"postgresql://{owner}?sslmode=verify-full",
        "PCE_DATABASE_LOGIN": "iam",
        **{name: outputs[output] for name, output in _MIGRATIONS.items() if output in outputs},
    }


def plain(repository: str) -> str:
    """A repository as GitHub's own addresses spell it, without ids."""
    return re.sub(r"@[0-9]+", "", repository)


def _making(environment: str, repository: str) -> list[str]:
    """The commands that make the two GitHub environments; for prod, ones that `main` and tags of releases may use.

    What is merged into `main` and what may be called a release is then what has to be guarded: `main` gets a
    protection unless it has one, and tags of releases a ruleset: only who administers the repository makes them.
    """
    both = (environment, f"{environment}-migrate")
    make = f"gh api --silent --method PUT repos/{repository}/environments"
    if environment != "prod":
        return [f"{make}/{each}" for each in both]
    main = f"repos/{repository}/branches/main"
    protect = f"gh api --silent --method PUT {main}/protection"
    unset = "-F required_status_checks=null -F required_pull_request_reviews=null -F restrictions=null"
    tags = json.dumps(
        {
            "name": "releases",
            "target": "tag",
            "enforcement": "active",
            "conditions": {"ref_name": {"include": ["refs/tags/v*"], "exclude": []}},
            "bypass_actors": [{"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}],
            "rules": [{"type": "creation"}, {"type": "update"}, {"type": "deletion"}],
        }
    )
    rulesets = f"repos/{repository}/rulesets"
    guard = f"gh api --silent --method POST {rulesets} --input -"
    policy = "deployment_branch_policy"
    return [
        f"gh api {main} --jq .protected | grep -qx true || {protect} -F enforce_admins=true {unset}",
        f"gh api {rulesets} --jq '.[].name' | grep -qx releases || {guard} <<< {shlex.quote(tags)}",
        *(
            line
            for each in both
            for line in (
                f"{make}/{each} -F '{policy}[protected_branches]=false' -F '{policy}[custom_branch_policies]=true'",
                *(
                    f"gh api --silent --method POST repos/{repository}/environments/{each}/deployment-branch-policies "
                    f"-f name={name} -f type={kind}"
                    for name, kind in (("main", "branch"), ("'v*'", "tag"))
                ),
            )
        ),
    ]


def shown(
    environment: str, region: str, repository: str, outputs: Mapping[str, str], *, channels: Sequence[str] = ()
) -> Sequence[str]:
    """Everything a person needs after an apply, in blocks ready to paste.

    `channels` are the variables of alert channels that `.env` has: the workflow alerts with secrets of the same names.
    """
    lines = environment_lines(environment, region, outputs)
    variables = workflow_variables(environment, region, outputs)
    where = f"--repo {plain(repository)} --env {environment}"
    return [
        f"\nOutputs of pce-{environment}\n",
        table(["Output", "Value"], sorted(outputs.items())),
        "\nFor .env\n",
        *(f"{name}={value}" for name, value in lines.items()),
        "\nFor GitHub (this makes the environments, then asks for each secret)\n",
        *_making(environment, plain(repository)),
        *(f"gh secret set {name} {where}" for name in ("BEA_API_KEY", *channels)),
        *(f"gh variable set {name} {where} --body {shlex.quote(value)}" for name, value in variables.items()),
        *(
            f"gh variable set {name} {where}-migrate --body {shlex.quote(value)}"
            for name, value in migration_variables(region, outputs).items()
        ),
    ]
