"""What moto can do itself, done there: the template becomes real resources, and the database's door opens and closes.

Moto knows neither all attributes of a database nor its parameter group by name, and of groups of schedules nothing in a
template: those lines are left out or filled in.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread

import pytest

from infra.provisioning import door
from infra.provisioning.command import TEMPLATE
from infra.provisioning.door import Door, own_address
from infra.provisioning.errors import ProvisioningError, UsageRefused
from infra.provisioning.options import known_variables, session_arguments
from pce_pipeline_tests.infra.account import FIRST, Account, account

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
RUNNER, OTHER = IPv4Address("20.1.2.3"), IPv4Address("20.4.5.6")

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS")


@pytest.fixture
def aws() -> Iterator[Account]:
    with account() as empty:
        yield empty


@pytest.fixture
def for_moto(tmp_path: Path) -> Path:
    """The template, without what moto's databases lack."""
    text = TEMPLATE.read_text("utf-8")
    for old, new in (
        ("      DBParameterGroupName: !Ref DatabaseParameters\n", ""),
        ("${Database.DbiResourceId}", "db-MOTO"),
        ("!GetAtt Schedules.Arn", "arn:aws:scheduler:us-east-1:123456789012:schedule-group/pce-staging"),
        ("${Schedules}", "pce-staging"),
        (
            "!GetAtt Database.MasterUserSecret.SecretArn",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:x-a1b2c3",
        ),
    ):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "environment.yaml"
    path.write_text(text)
    return path


def test_the_template_becomes_resources_with_the_properties_that_matter(aws, for_moto):
    with pytest.raises(ProvisioningError, match="CREATE_COMPLETE and has no outputs"):
        aws.run(*FIRST, "--yes", template=for_moto, formation=False)  # moto forgets those of a change set
    s3, rds, iam = aws.client("s3"), aws.client("rds"), aws.client("iam")
    buckets = [each["Name"].rsplit("-", 1)[0] for each in s3.list_buckets()["Buckets"]]
    assert sorted(buckets) == ["pce-staging-copybucket", "pce-staging-databucket", "pce-staging-logbucket"]
    (database,) = rds.describe_db_instances()["DBInstances"]
    assert (database["DBInstanceIdentifier"], database["StorageEncrypted"]) == ("pce-staging", True)
    (statement,) = iam.get_role(RoleName="pce-staging-workflow")["Role"]["AssumeRolePolicyDocument"]["Statement"]
    subject = statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    assert subject == "repo:octo@1/pce@2:environment:staging"
    groups = aws.client("logs").describe_log_groups()["logGroups"]
    retained = {each["logGroupName"]: int(each["retentionInDays"]) for each in groups}
    assert retained == {"/pce/staging/pipeline": 30, "/aws/rds/instance/pce-staging/postgresql": 30}
    group = aws.client("ec2").describe_security_groups(
        Filters=[{"Name": "tag:Name", "Values": ["pce-staging-database"]}]
    )["SecurityGroups"][0]
    assert group["IpPermissions"] == []


@pytest.fixture
def closed(aws: Account) -> Door:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="db", Description="db", VpcId=vpc)["GroupId"]
    return Door(ec2, group)


def open_to(door: Door) -> set[str]:
    return {rule["CidrIpv4"] for rule in door._rules()}


def test_the_door_opens_for_one_address_and_closes_for_that_run_only(closed):
    first = closed.open(RUNNER, "run-1", NOW)
    assert closed.open(RUNNER, "run-1", NOW) == first, "again is no error"
    closed.open(OTHER, "run-2", NOW)
    (rule,) = [each for each in closed._rules() if each["CidrIpv4"] == f"{RUNNER}/32"]
    assert (rule["FromPort"], rule["ToPort"], rule["IpProtocol"]) == (5432, 5432, "tcp")
    assert closed.close("run-1") == [f"{RUNNER}/32"]
    assert closed.close("run-1") == []
    assert open_to(closed) == {f"{OTHER}/32"}


def test_the_sweep_takes_away_what_killed_runs_left_open_and_spares_running_ones(closed):
    closed.open(RUNNER, "killed", NOW - timedelta(hours=5))
    closed.open(OTHER, "running", NOW - timedelta(minutes=5))
    closed.ec2.authorize_security_group_ingress(
        GroupId=closed.group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        ],
    )
    assert set(closed.sweep(timedelta(hours=3), NOW)) == {f"{RUNNER}/32", "0.0.0.0/0"}
    assert open_to(closed) == {f"{OTHER}/32"}
    assert closed.sweep(timedelta(0), NOW) == [f"{OTHER}/32"]


def test_the_door_leaves_the_tasks_alone(closed):
    closed.ec2.authorize_security_group_ingress(
        GroupId=closed.group,
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 5432,
                "ToPort": 5432,
                "UserIdGroupPairs": [{"GroupId": closed.group}],
            }
        ],
    )
    assert closed.sweep(timedelta(0), NOW) == []


def test_the_program_says_what_it_opened_and_closed(closed, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    variables = {"PCE_DATABASE_SECURITY_GROUP": closed.group, "AWS_REGION": "us-east-1", "GITHUB_RUN_ID": "77"}
    said, _ = door.run(["open", "--address", str(RUNNER)], variables)
    assert said.startswith(f"{closed.group} lets in {RUNNER} on port 5432: sgr-")
    assert door.run(["close"], variables) == [f"{closed.group} no longer lets in {RUNNER}/32"]
    assert door.run(["close"], variables) == [f"{closed.group}: nothing was open."]
    assert door.run(["sweep", "--older-than", "0"], variables) == [f"{closed.group}: nothing was open."]


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "0.0.0.0"])
def test_the_program_opens_for_addresses_of_the_internet_only(address):
    with pytest.raises(UsageRefused, match="not an address of the internet"):
        door.run(["open", "--address", address, "--group", "sg-1"], {"AWS_REGION": "us-east-1"})
    with pytest.raises(UsageRefused, match="No security group"):
        door.run(["close"], {})


@pytest.mark.parametrize(("answer", "address"), [(b"20.1.2.3\n", RUNNER), (b"<html>", None), (b"2001:db8::1", None)])
def test_the_own_address_is_what_the_world_sees_or_an_error(answer, address):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        if address is None:
            with pytest.raises(ProvisioningError, match="could not be found out"):
                own_address(url)
        else:
            assert own_address(url) == address
        thread.join()


def test_the_door_and_tasks_know_what_env_says_and_variables_win(tmp_path):
    dotenv = tmp_path / ".env"
    dotenv.write_text("AWS_REGION=us-west-2\nAWS_PROFILE=of-env\nPCE_DATABASE_SECURITY_GROUP=sg-1\n")
    known = known_variables({"AWS_PROFILE": "of-shell", "AWS_REGION": ""}, dotenv)
    assert known["PCE_DATABASE_SECURITY_GROUP"] == "sg-1"
    assert session_arguments(known) == {"region_name": "us-west-2", "profile_name": "of-shell"}
