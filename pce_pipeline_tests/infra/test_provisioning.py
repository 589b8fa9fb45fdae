"""The program on an account: create, again, change, replace, fail, drift, be killed anywhere, destroy."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.provisioning.command import TEMPLATE
from infra.provisioning.errors import NoEnvironment, ProvisioningError, StackFailed, UsageRefused
from pce_pipeline_tests.infra.account import FIRST, Account, account

ROOT = Path(__file__).parents[2]


@pytest.fixture
def aws() -> Iterator[Account]:
    with account() as empty:
        yield empty


@pytest.fixture
def made(aws: Account) -> Account:
    aws.run(*FIRST, "--yes")
    return aws


def changed_template(tmp_path: Path, old: str, new: str) -> Path:
    text = TEMPLATE.read_text("utf-8")
    assert old in text
    path = tmp_path / "changed.yaml"
    path.write_text(text.replace(old, new))
    return path


def test_the_first_run_shows_the_plan_asks_applies_and_prints_what_to_do_next(aws):
    assert aws.run(*FIRST, answers=("y",)) == 0
    assert aws.asked == ["Apply this? [y/N] "]
    assert "  create        database Database; $13.98 a month" in aws.text
    assert "New costs: about $18 a month, used or not, plus use" in aws.text
    assert "to create." in aws.text
    assert "Database  create complete" in aws.text, "progress"
    stack = aws.formation.stack
    assert (stack.status, stack.protected) == ("CREATE_COMPLETE", False)
    assert stack.parameters["DatabaseReach"] == "runner"


def test_the_outputs_come_as_table_as_env_lines_and_as_commands_for_github(made):
    assert made.run("--outputs") == 0
    lines = made.said
    assert "BucketName               pce-staging-databucket-1x2y3z" in made.text
    assert "PCE_LAKE_URI=s3://pce-staging-databucket-1x2y3z" in lines
    host = "pce-staging.abc.us-east-1.rds.amazonaws.com"
    assert f"PCE_DATABASE_URL=postgresql://pce_loader@{host}:5432/pce?sslmode=verify-full" in lines
    assert "gh api --silent --method PUT repos/octo/pce/environments/staging" in lines
    assert "gh secret set BEA_API_KEY --repo octo/pce --env staging" in lines
    role = "arn:aws:iam::111122223333:role/pce-staging-workflow"
    assert f"gh variable set AWS_ROLE_ARN --repo octo/pce --env staging --body {role}" in lines
    assert "ExecuteChangeSet" not in made.calls


def test_the_second_run_says_that_nothing_changes(made):
    executed = made.formation.executed
    assert made.run("--yes") == 0
    assert "Nothing changes." in made.said
    assert made.formation.executed == executed
    assert made.formation.stack.change_sets == {}
    assert "PCE_ENV=staging" in made.said


def test_what_is_not_given_again_keeps_its_value(made):
    made.run("--yes", "--budget", "75")
    made.run("--yes", "--database-class", "db.t4g.small")
    parameters = made.formation.stack.parameters
    assert (parameters["MonthlyBudgetUsd"], parameters["DatabaseClass"]) == ("75", "db.t4g.small")
    assert parameters["GitHubRepository"] == "octo@1/pce@2"


def test_a_change_is_told_with_its_values_before_and_after(made):
    assert made.run("--plan", "--database-class", "db.t4g.small") == 0
    assert "  change        database Database" in made.said
    assert f"{'':16}DBInstanceClass: db.t4g.micro -> db.t4g.small" in made.said
    assert "In short: 1 to change." in made.said
    assert made.formation.executed == 1
    assert made.formation.stack.change_sets == {}


def test_a_plan_for_an_environment_that_is_not_there_leaves_nothing(aws):
    assert aws.run(*FIRST, "--plan") == 0
    assert "  create        bucket DataBucket; by use: 0.023 a GB, a full history is below 1 GB" in aws.said
    aws.run(*FIRST, "--plan")
    aws.formation._DescribeStacks(aws.formation.stacks[-1].id)
    assert aws.formation.executed == 0
    assert {stack.status for stack in aws.formation.stacks} <= {"DELETE_COMPLETE", "DELETE_IN_PROGRESS"}


def test_whoever_does_not_agree_changes_nothing(aws):
    with pytest.raises(UsageRefused, match="Not agreed"):
        aws.run(*FIRST, answers=("n",))
    assert aws.formation.executed == 0
    assert aws.run(*FIRST, "--yes") == 0


def test_a_replacement_of_what_holds_data_is_warned_of_and_not_covered_by_yes(made, tmp_path):
    template = changed_template(tmp_path, "DBName: pce", "DBName: other")
    with pytest.raises(UsageRefused, match=r"endangers data \(Database\)") as refused:
        made.run("--yes", template=template)
    assert "--allow-replacement" in refused.value.remedy
    assert "  replace       database Database" in made.said
    assert f"{'':16}DBName: pce -> other (makes it a new one)" in made.said
    assert any(line.startswith("WARNING: Database holds data.") for line in made.said)
    assert made.formation.executed == 1
    with pytest.raises(UsageRefused, match="name that was typed"):
        made.run(template=template, answers=("prod",))
    assert made.run(template=template, answers=("staging",)) == 0
    assert made.formation.executed == 2


def test_dropping_the_bucket_for_another_one_is_warned_of_as_well(made):
    made.client("s3").create_bucket(Bucket="other")
    with pytest.raises(UsageRefused, match="DataBucket"):
        made.run("--yes", "--bucket", "other")
    assert any(line.startswith("  leave behind  bucket DataBucket") for line in made.said)
    assert made.run("--yes", "--allow-replacement", "--bucket", "other") == 0
    assert "PCE_LAKE_URI=s3://other" in made.said


def test_a_failed_creation_is_rolled_back_said_and_cleared_up_by_the_next_run(aws):
    aws.formation.fails = {"Database": "DB instance class db.t4g.micro is not available (InvalidRequest)"}
    with pytest.raises(StackFailed) as failed:
        aws.run(*FIRST, "--yes")
    assert failed.value.status == "ROLLBACK_COMPLETE"
    assert failed.value.failures == (
        "Database (AWS::RDS::DBInstance): DB instance class db.t4g.micro is not available (InvalidRequest)",
    )
    assert "Everything created so far was removed again." in str(failed.value)
    with pytest.raises(UsageRefused, match="ROLLBACK_COMPLETE"):
        aws.run(*FIRST, "--plan")
    aws.formation.fails = {}
    assert aws.run(*FIRST, "--yes") == 0
    assert any("removing what is left of it" in line for line in aws.said)
    assert aws.formation.stack.status == "CREATE_COMPLETE"


def test_a_failed_change_leaves_everything_as_it_was(made):
    made.formation.fails = {"Database": "Cannot modify"}
    with pytest.raises(StackFailed, match="as it was before") as failed:
        made.run("--yes", "--database-class", "db.t4g.nano")
    assert failed.value.status == "UPDATE_ROLLBACK_COMPLETE"
    assert made.formation.stack.parameters["DatabaseClass"] == "db.t4g.micro"
    assert made.run("--yes") == 0
    assert "Nothing changes." in made.said
    made.formation.fails = {}
    assert made.run("--yes", "--database-class", "db.t4g.small") == 0


def test_a_rollback_that_was_blocked_is_taken_up_again(made, tmp_path):
    # two resources change; the second fails, and putting back the first fails too
    template = changed_template(tmp_path, 'log_min_duration_statement: "5000"', 'log_min_duration_statement: "1"')
    made.formation.fails = {"Database": "Cannot modify"}
    made.formation.rollback_fails = {"DatabaseParameters"}
    with pytest.raises(StackFailed, match="way back did not work") as failed:
        made.run("--yes", "--database-class", "db.t4g.nano", template=template)
    assert failed.value.status == "UPDATE_ROLLBACK_FAILED"
    made.formation.fails = {}
    assert made.run("--yes", "--database-class", "db.t4g.small") == 0
    assert any("taking it up again" in line for line in made.said)
    assert made.formation.stack.parameters["DatabaseClass"] == "db.t4g.small"


def test_a_plan_that_cannot_be_made_says_why_and_changes_nothing(aws):
    aws.formation.refuses = "Template format error: Unresolved resource dependencies [X]"
    with pytest.raises(ProvisioningError, match="refused CreateChangeSet: ValidationError, Template format error"):
        aws.run(*FIRST, "--yes")
    assert aws.formation.executed == 0


def test_drift_is_told_property_by_property_and_gives_an_exit_code(made):
    assert made.run("--drift") == 0
    assert "Nothing has drifted: everything is as it was applied." in made.said
    made.formation.drifts = [
        {
            "LogicalResourceId": "Database",
            "PhysicalResourceId": "pce-staging",
            "ResourceType": "AWS::RDS::DBInstance",
            "StackResourceDriftStatus": "MODIFIED",
            "PropertyDifferences": [
                {
                    "PropertyPath": "/BackupRetentionPeriod",
                    "ExpectedValue": "7",
                    "ActualValue": "1",
                    "DifferenceType": "NOT_EQUAL",
                }
            ],
        },
        {
            "LogicalResourceId": "AlertTopic",
            "ResourceType": "AWS::SNS::Topic",
            "StackResourceDriftStatus": "DELETED",
        },
    ]
    assert made.run("--drift") == 1
    assert "  Database (AWS::RDS::DBInstance) /BackupRetentionPeriod: 7 -> 1" in made.said
    assert "  AlertTopic (AWS::SNS::Topic) is gone" in made.said


def test_the_accounts_oidc_provider_is_found_and_used(aws):
    provider = aws.client("iam").create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]
    aws.run(*FIRST, "--yes")
    assert "GitHubOidcProvider" not in aws.formation.stack.resources
    assert aws.formation.stack.parameters["OidcProviderArn"] == provider
    aws.run("--yes")
    assert "Nothing changes." in aws.said


def test_a_provider_that_its_own_stack_made_is_not_taken_for_another_one(made):
    made.client("iam").create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]
    )
    made.run("--yes")
    assert "Nothing changes." in made.said


def test_an_oidc_provider_that_does_not_fit_is_named_with_the_command_that_mends_it(aws):
    aws.client("iam").create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com", ClientIDList=["other"], ThumbprintList=["0" * 40]
    )
    with pytest.raises(UsageRefused, match="audience") as refused:
        aws.run(*FIRST, "--yes")
    assert "add-client-id-to-open-id-connect-provider" in refused.value.remedy


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--repository and --alert-email"),
        (("--repository", "o/r"), "needs --alert-email"),
        ((*FIRST, "--vpc", "vpc-1"), "two or more subnets"),
        (
            (*FIRST, "--vpc", "vpc-1", "--database-subnets", "subnet-a,subnet-b", "--reach", "private"),
            "public subnets for the tasks",
        ),
        ((*FIRST, "--bucket", "of-nobody"), "of-nobody cannot be used"),
    ],
)
def test_what_is_missing_or_unfit_is_refused_before_anything_is_proposed(aws, arguments, said):
    with pytest.raises(UsageRefused, match=said):
        aws.run(*arguments, "--yes")
    assert aws.formation.stacks == []


def test_an_existing_network_is_reused(aws):
    aws.run(*FIRST, "--yes", "--vpc", "vpc-1", "--database-subnets", "subnet-a,subnet-b")
    assert not {"Vpc", "InternetGateway", "DatabaseSubnetA"} & aws.formation.stack.resources.keys()


def test_outputs_drift_and_removal_of_what_is_not_there(aws):
    for action in ("--outputs", "--drift"):
        with pytest.raises(NoEnvironment):
            aws.run(action)
    assert aws.run("--destroy") == 0


def test_the_two_environments_stand_beside_each_other(made):
    assert made.run(*FIRST, "--yes", env="prod") == 0
    assert {stack.name: stack.status for stack in made.formation.stacks} == {
        "pce-staging": "CREATE_COMPLETE",
        "pce-prod": "UPDATE_COMPLETE",  # what was made is protected by a second step
    }


def test_settings_come_from_the_command_line_then_variables_then_the_file(aws, tmp_path):
    dotenv = tmp_path / ".env"
    dotenv.write_text(
        "# settings\n"
        "export PCE_INFRA_REPOSITORY=octo/pce  # ours\n"
        "PCE_INFRA_ALERT_EMAIL='file@example.org'\n"
        'PCE_INFRA_BUDGET_USD="10"\n'
        "PCE_INFRA_REACH=\n"
    )
    aws.run("--yes", "--budget", "30", variables={"PCE_INFRA_ALERT_EMAIL": "v@example.org"}, dotenv=dotenv)
    parameters = aws.formation.stack.parameters
    assert parameters["GitHubRepository"] == "octo/pce"
    assert parameters["AlertEmail"] == "v@example.org"
    assert parameters["MonthlyBudgetUsd"] == "30"
    assert parameters["DatabaseReach"] == "runner"


def test_the_key_reaches_its_secret_and_no_line(aws):
    aws.run(*FIRST, "--yes", "--reach", "private")
    assert aws.formation.stack.parameters["BeaKeyStored"] == "no"
    aws.run("--yes", variables={"BEA_API_KEY": "very-secret"})
    secret = aws.formation.stack.rendered.physical("BeaKeySecret")
    assert aws.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"] == "very-secret"
    assert "BEA's key was put into its secret." in aws.said
    assert "very-secret" not in aws.text
    assert aws.formation.stack.parameters["BeaKeyStored"] == "yes", "so that tasks are given it"
    aws.run("--yes", variables={"BEA_API_KEY": "very-secret"})
    assert "PutSecretValue" not in aws.calls
    assert "gh variable set PCE_ECS_CLUSTER --repo octo/pce --env staging --body pce-staging" in aws.said


def test_the_program_imports_settings_and_nothing_of_the_pipeline_that_takes_time():
    script = (
        "import sys; sys.path.insert(0, '.'); import infra.provisioning.command, infra.provisioning.door;"
        "print(sorted({'dagster', 'polars', 'obstore', 'psycopg2', 'sqlalchemy', 'cryptography'} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += {sys.path!r}; {script}"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == "[]"


@pytest.mark.system
def test_the_script_runs_from_anywhere_and_refuses_in_words(tmp_path):
    told = subprocess.run(
        [sys.executable, str(ROOT / "infra" / "provision_aws.py"), "--env", "staging"],
        capture_output=True, text=True, cwd=tmp_path, env={"PATH": ""}, check=False,
    )  # fmt: skip
    assert told.returncode == 2
    assert told.stderr == "No region is set.\nAdd --region us-east-1, or set AWS_REGION in .env.\n"
