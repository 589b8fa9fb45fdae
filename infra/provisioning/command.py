"""The program: read what was asked, plan, ask, apply, say what came out. Exit codes: 0 done, 1 failed, 2 refused."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.provisioning import copy_stack, heartbeat, next_steps, outputs, preflight, task_secrets
from infra.provisioning.cloud import REFUSALS, Cloud, error_code, error_message, refusal, session
from infra.provisioning.console import Console
from infra.provisioning.destroy import destroy
from infra.provisioning.drift import drift
from infra.provisioning.errors import NoEnvironment, ProvisioningError, UsageRefused
from infra.provisioning.options import Options, read_options
from infra.provisioning.plan import Plan, read_plan
from infra.provisioning.stack import Stack
from infra.provisioning.template import template_body

TEMPLATE = Path(__file__).resolve().parents[1] / "templates" / "environment.yaml"

_DRIFTED = 1


def main() -> int:
    """Run with the command line and environment of this process."""
    try:
        options = read_options(sys.argv[1:], os.environ, Path(".env"))
        return run(options, Cloud(session(options.session)), Console())
    except ProvisioningError as error:
        return _failed(error)
    except REFUSALS as error:
        what = f"AWS cannot be asked: {refusal(error)}"
        return _failed(ProvisioningError(what, remedy="Check region, credentials and network, and run again."))


def run(options: Options, cloud: Cloud, console: Console, template: Path = TEMPLATE) -> int:
    """One call of the program; 0 where all is as asked, `--drift` gives 1 where something drifted.

    Raises `ProvisioningError` and botocore's own errors.
    """
    try:
        return _run(options, cloud, console, template)
    except ClientError as error:
        raise ProvisioningError(
            f"AWS refused {error.operation_name}: {error_code(error)}, {error_message(error)}",
            remedy="Nothing is lost: correct it and run the same command again.",
        ) from None
    except KeyboardInterrupt:
        raise ProvisioningError(
            "Stopped. What CloudFormation has begun goes on by itself.",
            remedy="Run the same command again: it follows what runs and finishes the rest.",
        ) from None


def stack_tags(environment: str) -> dict[str, str]:
    """The tags of a stack, which CloudFormation hands on to everything in it."""
    return {"pce:environment": environment, "pce:managed-by": "infra/provision_aws.py"}


def _run(options: Options, cloud: Cloud, console: Console, template: Path) -> int:
    console.say(f"Environment {options.environment}: stack {options.stack}, {cloud.region}, account {cloud.account()}.")
    match options.action:
        case "destroy":
            destroy(cloud, options, console)
        case "drift":
            return _drift(options, cloud, console)
        case "outputs":
            _show(options, cloud, console, _existing(options, cloud, console))
        case _:
            _apply(options, cloud, console, template_body(template))
    return 0


def _apply(options: Options, cloud: Cloud, console: Console, template: str) -> None:
    began = console.clock()
    stack = Stack(cloud, options.stack, console)
    only_plan = options.action == "plan"
    existing = stack.settle(may_change=not only_plan)
    parameters, notes = _parameters(options, cloud, existing)
    if options.copy_region is not None:
        parameters["CopyBucketName"] = copy_stack.bucket_there(
            options.copy_region,
            options,
            cloud,
            console,
            template_body(copy_stack.TEMPLATE),
            lambda plan: _agree(options, plan, console),
            stack_tags(options.environment),
        )
    is_private = _effective("DatabaseReach", parameters, existing, default="runner") == "private"
    parameters |= _known(options, cloud, existing, is_private=is_private)
    proposal = stack.propose(template, parameters, stack_tags(options.environment), existing)
    plan = read_plan(proposal.changes, public_database=not is_private, notes=notes)
    for line in plan.lines():
        console.say(line)
    if only_plan:
        if plan.changes:
            stack.drop(proposal)
        return
    if plan.changes:
        try:
            _agree(options, plan, console)
        except UsageRefused:
            stack.drop(proposal)
            raise
    if is_private:  # before the stack, which names them to tasks
        for name in task_secrets.put_channels(cloud, options.environment, options.alert_channels):
            console.say(f"{name} was put where tasks find it.")
    if plan.changes:
        stack.execute(proposal)
    described = _completed(options, cloud, console, stack, template)
    stack.protect(protected=options.environment == "prod")
    _show(options, cloud, console, described)
    _say_what_is_next(options, cloud, console, described)
    console.say(next_steps.took(console.clock() - began))


def _known(options: Options, cloud: Cloud, existing: Mapping[str, Any] | None, *, is_private: bool) -> dict[str, str]:
    """The parameters that the program itself knows: what is protected, was heard, and which secrets are there."""
    protected = {"DatabaseProtected": "yes" if options.environment == "prod" and existing is not None else "no"}
    protected |= heartbeat.known(cloud, options.environment, _parameters_of(existing))
    if not is_private:
        return protected | task_secrets.none_known()
    found = outputs.outputs_of(existing or {})
    return protected | task_secrets.known(options.environment, found, cloud, options.alert_channels)


def _completed(options: Options, cloud: Cloud, console: Console, stack: Stack, template: str) -> Mapping[str, Any]:
    """The stack, with what can only follow its creation: the key in its secret, then what depends on that.

    In prod also the protection of the database: with it a failed creation could not have been taken back.
    """
    described = _existing(options, cloud, console)
    found = outputs.outputs_of(described)
    is_private = found.get("DatabaseReach") == "private"
    if is_private and options.bea_api_key and task_secrets.put_key(cloud, found, options.bea_api_key):
        console.say("BEA's key was put into its secret.")
    before = _parameters_of(described)
    known = _known(options, cloud, described, is_private=is_private)
    if all(before.get(name) == value for name, value in known.items()):
        return described
    proposal = stack.propose(template, known, stack_tags(options.environment), described)
    if not proposal.changes:
        return described
    console.say("What can only follow, as a second step:")
    for line in read_plan(proposal.changes, public_database=not is_private).lines():
        console.say(line)
    stack.execute(proposal)
    return _existing(options, cloud, console)


def _parameters_of(described: Mapping[str, Any] | None) -> dict[str, str]:
    return {each["ParameterKey"]: each["ParameterValue"] for each in (described or {}).get("Parameters", ())}


def _say_what_is_next(options: Options, cloud: Cloud, console: Console, described: Mapping[str, Any]) -> None:
    parameters = _parameters_of(described)
    at = next_steps.look(cloud, options.environment, outputs.outputs_of(described), parameters)
    left = next_steps.steps(at, outputs.plain(parameters["GitHubRepository"]))
    console.say("\nWhat comes next\n" if left else "\nNothing is left to do by hand.")
    for line in left:
        console.say(line)


def _parameters(options: Options, cloud: Cloud, existing: Mapping[str, Any] | None) -> tuple[dict[str, str], list[str]]:
    """The parameters to set, and what is to be said about what is reused."""
    parameters: dict[str, str] = {**options.parameters, "Environment": options.environment}
    notes: list[str] = []
    together = {**_parameters_of(existing), **parameters}
    preflight.check_parameters(together, creating=existing is None)
    if existing is None and not parameters.get("OidcProviderArn"):
        provider = preflight.existing_oidc_provider(cloud)
        if provider is not None:
            parameters["OidcProviderArn"] = provider
            notes.append(f"The account's OIDC provider of GitHub is used: {provider}")
    bucket = parameters.get("BucketName")
    if bucket:
        notes.append(f"The existing bucket {bucket} is used; its settings are not touched.")
        lacking = preflight.shortcomings_of_bucket(cloud, bucket, options.environment)
        notes += [f"NOTE: of {bucket}, {text}." for text in lacking]
        notes.append(f"NOTE: nothing replicates {bucket}: each ingest copies its Bronze to the second bucket.")
    copy_bucket = parameters.get("CopyBucketName")
    if copy_bucket:
        lacking = preflight.check_copy(cloud, copy_bucket, replicated=not together.get("BucketName"))
        notes += [f"NOTE: of {copy_bucket}, {text}." for text in lacking]
    if together.get("VpcId") and together.get("RouteTableIds") and together.get("DatabaseReach") == "private":
        tables = together["RouteTableIds"]
        if "S3GatewayEndpoint" not in (Stack(cloud, options.stack, Console()).resources() if existing else {}):
            preflight.check_route_tables(cloud, tables.split(","))
        notes.append(
            f"NOTE: what uses {tables} reaches S3 through a gateway endpoint then; it lets everything through, because "
            "these route tables are not of this environment's making."
        )
    if administrators := parameters.get("RestoreAdministrators"):
        lacking = preflight.shortcomings_of_administrators(cloud, administrators.split(","))
        notes += [f"NOTE: {text}." for text in lacking]
    if existing is None and options.environment == "prod":
        notes.append("Once all stands, a second step of the same run protects the database against deletion.")
    return parameters, notes


def _effective(name: str, parameters: Mapping[str, str], existing: Mapping[str, Any] | None, *, default: str) -> str:
    return parameters.get(name) or _parameters_of(existing).get(name) or default


def _agree(options: Options, plan: Plan, console: Console) -> None:
    """Raises `UsageRefused` where nobody agrees."""
    if plan.dangers and not options.allow_replacement:
        names = ", ".join(change.name for change in plan.dangers)
        typed = options.confirm
        if typed is None and options.yes:
            raise UsageRefused(
                f"The plan endangers data ({names}), which --yes alone does not cover.",
                remedy="Read the plan, then add --allow-replacement, or undo what causes it.",
            )
        if typed is None:
            typed = console.ask(f"This endangers data ({names}). Type the environment's name to go on: ").strip()
        if typed != options.environment:
            raise UsageRefused("The name that was typed is not that of the environment.", remedy="Nothing was changed.")
    elif not options.yes and console.ask("Apply this? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageRefused("Not agreed.", remedy="Nothing was changed.")


def _existing(options: Options, cloud: Cloud, console: Console) -> Mapping[str, Any]:
    found = Stack(cloud, options.stack, console).existing()
    if found is None:
        raise NoEnvironment(options.stack)
    return found


def _show(options: Options, cloud: Cloud, console: Console, described: Mapping[str, Any]) -> None:
    found = outputs.outputs_of(described)
    if not found:
        raise ProvisioningError(
            f"{options.stack} stands at {described['StackStatus']} and has no outputs.",
            remedy="Run without --outputs: it finishes what was begun.",
        )
    repository = _parameters_of(described)["GitHubRepository"]
    for line in outputs.shown(options.environment, cloud.region, repository, found, channels=[*options.alert_channels]):
        console.say(line)


def _drift(options: Options, cloud: Cloud, console: Console) -> int:
    _existing(options, cloud, console)
    said = drift(cloud, options.stack, console)
    if not said:
        console.say("Nothing has drifted: everything is as it was applied.")
        return 0
    console.say(f"{len(said)} differ from what was applied (applied -> now):")
    for line in said:
        console.say(f"  {line}")
    console.say("An apply puts back only what it changes anyway: undo these by hand, or put them into the template.")
    return _DRIFTED


def _failed(error: ProvisioningError) -> int:
    sys.stderr.write(f"{error}\n{error.remedy}\n")
    return error.exit_code
