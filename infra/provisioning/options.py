"""What was asked for: the command line, then real variables, then `.env`.

An option that sets a parameter of the template has a variable of the same meaning. What is given nowhere keeps its
value of the last run, or on the first run the template's default.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.provisioning.errors import UsageRefused
from infra.provisioning.task_secrets import CHANNEL_VARIABLES
from pce_pipeline.settings import VARIABLES
from pce_pipeline.variables import DOTENV, read_dotenv, unknown_names


@dataclass(frozen=True)
class ParameterOption:
    """A parameter of the template and the two ways to set it."""

    parameter: str
    flag: str
    variable: str
    meaning: str


PARAMETERS = (
    ParameterOption(
        "GitHubRepository", "--repository", "PCE_INFRA_REPOSITORY", "owner/name, or owner@id/name@id (see README)"
    ),
    ParameterOption("AlertEmail", "--alert-email", "PCE_INFRA_ALERT_EMAIL", "who gets alerts and the budget alarm"),
    ParameterOption("MonthlyBudgetUsd", "--budget", "PCE_INFRA_BUDGET_USD", "US dollars a month for the alarm"),
    ParameterOption("DatabaseReach", "--reach", "PCE_INFRA_REACH", "runner or private"),
    ParameterOption("DagsterService", "--dagster-service", "PCE_INFRA_DAGSTER_SERVICE", "yes or no; private reach"),
    ParameterOption("DailyTask", "--daily-task", "PCE_INFRA_DAILY_TASK", "yes or no; private reach"),
    ParameterOption(
        "MasterSecretReadable", "--master-secret-readable", "PCE_INFRA_MASTER_SECRET_READABLE", "yes or no"
    ),
    ParameterOption(
        "RestoreAdministrators",
        "--restore-administrators",
        "PCE_INFRA_RESTORE_ADMINISTRATORS",
        "ARNs of IAM users who may restore Bronze, by comma",
    ),
    ParameterOption("DatabaseClass", "--database-class", "PCE_INFRA_DATABASE_CLASS", "db.t4g.micro or larger"),
    ParameterOption("PostgresMajor", "--postgres", "PCE_INFRA_POSTGRES", "17 or 18"),
    ParameterOption("BucketName", "--bucket", "PCE_INFRA_BUCKET", "an existing bucket to use"),
    ParameterOption(
        "CopyBucketName", "--copy-bucket", "PCE_INFRA_COPY_BUCKET", "an existing bucket for the copy of Bronze"
    ),
    ParameterOption("OidcProviderArn", "--oidc-provider", "PCE_INFRA_OIDC_PROVIDER", "an existing OIDC provider"),
    ParameterOption("VpcId", "--vpc", "PCE_INFRA_VPC", "an existing VPC to use"),
    ParameterOption("DatabaseSubnetIds", "--database-subnets", "PCE_INFRA_DATABASE_SUBNETS", "two or more, by comma"),
    ParameterOption("TaskSubnetIds", "--task-subnets", "PCE_INFRA_TASK_SUBNETS", "public subnets for tasks, by comma"),
    ParameterOption("RouteTableIds", "--route-tables", "PCE_INFRA_ROUTE_TABLES", "of the task subnets, by comma"),
)

_COPY_REGION = "PCE_INFRA_COPY_REGION"
_SESSION = {
    "AWS_REGION": "region_name",
    "AWS_ACCESS_KEY_ID": "aws_access_key_id",
    "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    "AWS_SESSION_TOKEN": "aws_session_token",
    "AWS_PROFILE": "profile_name",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """One call of the program. `session` are arguments for boto3.Session; `parameters` are those given, by name.

    `alert_channels` are the variables of channels that hold secrets, for tasks; `copy_region` is where the second copy
    of Bronze gets a stack of its own.
    """

    environment: str
    action: str
    parameters: Mapping[str, str]
    session: Mapping[str, str]
    bea_api_key: str | None
    alert_channels: Mapping[str, str] = field(default_factory=dict)
    yes: bool = False
    allow_replacement: bool = False
    delete_data: bool = False
    confirm: str | None = None
    copy_region: str | None = None

    def __repr__(self) -> str:
        return f"Options({self.environment}, {self.action}, {dict(self.parameters)})"

    @property
    def stack(self) -> str:
        return f"pce-{self.environment}"


def read_options(arguments: Sequence[str], variables: Mapping[str, str], dotenv: Path) -> Options:
    """Raises `UsageRefused` without a region and for settings that do not hold; exits like argparse does."""
    given = _parser().parse_args(arguments)
    known = known_variables(variables, dotenv)
    region = given.region or known.get("AWS_REGION") or known.get("AWS_DEFAULT_REGION")
    if not region:
        raise UsageRefused("No region is set.", remedy="Add --region us-east-1, or set AWS_REGION in .env.")
    copy_region = known.get(_COPY_REGION) if given.copy_region is None else given.copy_region
    if copy_region == region:
        raise UsageRefused(
            f"{region} is the environment's own region, where the copy lies anyway.", remedy="Leave --copy-region out."
        )
    if copy_region and (given.CopyBucketName or known.get("PCE_INFRA_COPY_BUCKET")):
        raise UsageRefused(
            "The second copy of Bronze gets a bucket of its own in another region, or an existing one: not both.",
            remedy="Give --copy-region or --copy-bucket.",
        )
    parameters = {}
    for option in PARAMETERS:
        value = getattr(given, option.parameter)
        value = known.get(option.variable) if value is None else value
        if value is not None:
            parameters[option.parameter] = value
    return Options(
        environment=given.env,
        action=given.action or "apply",
        parameters=parameters,
        session=session_arguments({**known, "AWS_REGION": region}),
        bea_api_key=known.get("BEA_API_KEY"),
        alert_channels={name: known[name] for name in CHANNEL_VARIABLES if known.get(name)},
        yes=given.yes,
        allow_replacement=given.allow_replacement,
        delete_data=given.delete_data,
        confirm=given.confirm,
        copy_region=copy_region or None,
    )


def known_variables(variables: Mapping[str, str], dotenv: Path = DOTENV) -> dict[str, str]:
    """The variables that are not empty, and of a `.env` file those that are not among them.

    Raises `UsageRefused` for lines of the file that cannot be read and for names that nothing reads.
    """
    said = read_dotenv(dotenv, variables)
    problems = [*said.problems, *unknown_names(VARIABLES, variables, said)]
    if problems:
        raise UsageRefused(
            "\n".join(["The settings do not hold:", *(f"  - {each}" for each in problems)]),
            remedy="Correct them; .env.example and infra/README.md name what there is.",
        )
    return {**said.values, **{name: value for name, value in variables.items() if value}}


def session_arguments(known: Mapping[str, str]) -> dict[str, str]:
    """What of these variables is for boto3.Session: region, profile, keys."""
    return {argument: known[name] for name, argument in _SESSION.items() if known.get(name)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="provision_aws.py", description="Make or change an environment on AWS: plan in words, ask, apply, outputs."
    )
    parser.add_argument("--env", required=True, choices=["staging", "prod"])
    parser.add_argument("--region", help="default: AWS_REGION")
    actions = parser.add_mutually_exclusive_group()
    for action, meaning in (
        ("plan", "only say what would change"),
        ("outputs", "only print what is needed to use the environment"),
        ("drift", "say what was changed by hand since the last apply"),
        ("destroy", "remove the environment; refuses while it holds data"),
    ):
        actions.add_argument(f"--{action}", dest="action", action="store_const", const=action, help=meaning)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--allow-replacement", action="store_true", help="with --yes, also replace or drop what holds data"
    )
    parser.add_argument("--delete-data", action="store_true", help="with --destroy, delete bucket and database")
    parser.add_argument("--confirm", metavar="ENV", help="the environment's name, typed, where nobody can be asked")
    settings = parser.add_argument_group("parameters, each kept from run to run")
    settings.add_argument("--copy-region", help=f"another region, for the second copy of Bronze [{_COPY_REGION}]")
    for option in PARAMETERS:
        settings.add_argument(option.flag, dest=option.parameter, help=f"{option.meaning} [{option.variable}]")
    return parser
