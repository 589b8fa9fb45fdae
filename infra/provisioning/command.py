"""The program: read what was asked, plan, ask, apply, say what came out. Exit codes: 0 done, 1 failed, 2 refused."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.provisioning import outputs, preflight
from infra.provisioning.cloud import Cloud, error_code, error_message, session
from infra.provisioning.console import Console
from infra.provisioning.destroy import destroy
from infra.provisioning.drift import drift
from infra.provisioning.errors import NoEnvironment, ProvisioningError, UsageRefused
from infra.provisioning.options import Options, read_options
from infra.provisioning.plan import Plan, read_plan
from infra.provisioning.stack import Stack

TEMPLATE = Path(__file__).resolve().parents[1] / "templates" / "environment.yaml"

_DRIFTED = 1


def main() -> int:
    """Run with the command line and environment of this process."""
    try:
        options = read_options(sys.argv[1:], os.environ, Path(".env"))
        return run(options, Cloud(session(options.session)), Console())
    except ProvisioningError as error:
        return _failed(error)
    except BotoCoreError as error:
        return _failed(ProvisioningError(str(error), remedy="Check region, credentials and network, and run again."))


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


def template_body(path: Path) -> str:
    """The template as it is sent: without comments, because CloudFormation takes 51,200 bytes."""
    lines = path.read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not re.match(r"\s*(#|$)", line)) + "\n"


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
    stack = Stack(cloud, options.stack, console)
    only_plan = options.action == "plan"
    existing = stack.settle(may_change=not only_plan)
    parameters, notes = _parameters(options, cloud, existing)
    proposal = stack.propose(template, parameters, stack_tags(options.environment), existing)
    reach = _effective("DatabaseReach", parameters, existing, default="runner")
    plan = read_plan(proposal.changes, public_database=reach == "runner", notes=notes)
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
        stack.execute(proposal)
    stack.protect(protected=options.environment == "prod")
    described = _existing(options, cloud, console)
    _put_key(options, cloud, console, outputs.outputs_of(described))
    _show(options, cloud, console, described)


def _parameters(options: Options, cloud: Cloud, existing: Mapping[str, Any] | None) -> tuple[dict[str, str], list[str]]:
    """The parameters to set, and what is to be said about what is reused."""
    parameters: dict[str, str] = {**options.parameters, "Environment": options.environment}
    notes: list[str] = []
    before = {each["ParameterKey"]: each["ParameterValue"] for each in (existing or {}).get("Parameters", ())}
    preflight.check_parameters({**before, **parameters}, creating=existing is None)
    if existing is None and not parameters.get("OidcProviderArn"):
        provider = preflight.existing_oidc_provider(cloud)
        if provider is not None:
            parameters["OidcProviderArn"] = provider
            notes.append(f"The account's OIDC provider of GitHub is used: {provider}")
    bucket = parameters.get("BucketName")
    if bucket:
        notes.append(f"The existing bucket {bucket} is used; its settings are not touched.")
        notes += [f"NOTE: of {bucket}, {text}." for text in preflight.shortcomings_of_bucket(cloud, bucket)]
    return parameters, notes


def _effective(name: str, parameters: Mapping[str, str], existing: Mapping[str, Any] | None, *, default: str) -> str:
    before = {each["ParameterKey"]: each["ParameterValue"] for each in (existing or {}).get("Parameters", ())}
    return parameters.get(name) or before.get(name) or default


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


def _put_key(options: Options, cloud: Cloud, console: Console, found: Mapping[str, str]) -> None:
    """With private reach tasks read BEA's key from a secret: put it there where `.env` has one and it is not there."""
    secret = found.get("BeaKeySecretArn")
    if secret is None:
        return
    if options.bea_api_key is None:
        console.say("NOTE: set BEA_API_KEY in .env and run again, so that tasks get BEA's key.")
        return
    manager = cloud.client("secretsmanager")
    try:
        stored = manager.get_secret_value(SecretId=secret).get("SecretString")
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        stored = None
    if stored != options.bea_api_key:
        manager.put_secret_value(SecretId=secret, SecretString=options.bea_api_key)
        console.say("BEA's key was put into its secret.")


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
    repository = next(
        each["ParameterValue"] for each in described["Parameters"] if each["ParameterKey"] == "GitHubRepository"
    )
    for line in outputs.shown(options.environment, cloud.region, repository, found):
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
