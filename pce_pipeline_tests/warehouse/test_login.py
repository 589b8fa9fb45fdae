"""Signing in: which password, over what connection, and never where people read."""

import json
import os
import re
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import psycopg2
import pytest
from moto.server import ThreadedMotoServer

from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.settings import Settings
from pce_pipeline.warehouse.errors import (
    ConnectionTooWeak,
    DatabaseNotNamed,
    SignInRefused,
    SignInUnavailable,
)
from pce_pipeline.warehouse.login import DatabaseLogin
from pce_pipeline.warehouse.postgres import PostgresResource

RDS = "pce-staging.c0ffee.eu-central-1.rds.amazonaws.com"
URL = f"postgresql://pce_loader@{RDS}:5433/pce?sslmode=verify-full"
ACCESS_KEY, SECRET_KEY = "AKIA-not-a-real-one", "not-a-real-secret-key"


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[None]:
    """AWS credentials without a region, and nothing of the person who tests."""
    given = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    os.environ.update(given)
    yield
    for name in (*given, "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        os.environ.pop(name, None)


@pytest.fixture(scope="module")
def secrets_manager() -> Iterator[str]:
    """AWS' API on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Secret:
    """A secret as RDS makes it for a master user, and rotates it."""

    def __init__(self, name: str, document: str) -> None:
        self._client = boto3.client("secretsmanager", region_name="eu-central-1")
        self.arn: str = self._client.create_secret(Name=name, SecretString=document)["ARN"]

    def rotate(self, document: str) -> None:
        self._client.put_secret_value(SecretId=self.arn, SecretString=document)


def _settings(**given: Any) -> Settings:
    return Settings(chosen_source="sample", **{"chosen_database_url": URL, **given})


def _shown(error: BaseException) -> str:
    return f"{error!r} {error} {vars(error)} {''.join(traceback.format_exception(error))}"


def test_a_token_is_for_this_user_at_this_server_and_new_for_each_connection(aws):
    login = DatabaseLogin.of(_settings(database_login="iam"))
    first = login.parameters()
    time.sleep(1.1)
    second = login.parameters()
    assert {**first, "password": ""} == {
        "user": "pce_loader",
        "host": RDS,
        "port": "5433",
        "dbname": "pce",
        "sslmode": "verify-full",
        "password": "",
    }
    signed = [urlsplit(f"https://{each['password']}") for each in (first, second)]
    queries = [parse_qs(each.query) for each in signed]
    assert {each.netloc for each in signed} == {f"{RDS}:5433"}
    assert all(each["Action"] == ["connect"] and each["DBUser"] == ["pce_loader"] for each in queries)
    assert all(each["X-Amz-Expires"] == ["900"] for each in queries)
    assert all(each["X-Amz-Credential"][0].split("/")[2] == "eu-central-1" for each in queries)
    assert queries[0]["X-Amz-Date"] < queries[1]["X-Amz-Date"]
    assert queries[0]["X-Amz-Signature"] != queries[1]["X-Amz-Signature"]


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("pce.c0ffee.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("pce.c0ffee.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("pce.example.org", "ca-central-1"),
    ],
)
def test_the_region_is_that_of_the_host_name_or_of_the_machine(aws, host: str, region: str):
    os.environ["AWS_DEFAULT_REGION"] = "ca-central-1"
    token = DatabaseLogin(f"postgresql://me@{host}/pce?sslmode=verify-full", way="iam").parameters()["password"]
    assert f"%2F{region}%2Frds-db%2F" in token


def test_no_region_no_credentials_and_no_user_are_said_and_what_to_do(aws):
    with pytest.raises(SignInUnavailable, match=r"in which region it is\. Set AWS_REGION"):
        DatabaseLogin("postgresql://me@pce.example.org/pce?sslmode=verify-full", way="iam").parameters()
    with pytest.raises(SignInUnavailable, match="one user at one server"):
        DatabaseLogin(f"postgresql://{RDS}/pce?sslmode=verify-full", way="iam").parameters()
    del os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    with pytest.raises(SignInUnavailable, match=r"Unable to locate credentials.*aws sts get-caller-identity"):
        DatabaseLogin(URL, way="iam").parameters()
    with pytest.raises(SignInUnavailable, match="PCE_DATABASE_SECRET_ARN"):
        DatabaseLogin(URL, way="secret").parameters()
    with pytest.raises(DatabaseNotNamed, match="PCE_DATABASE_URL"):
        DatabaseLogin.of(_settings(chosen_database_url=None))


@pytest.mark.parametrize("env", ["local", "staging", "prod"])
@pytest.mark.parametrize(
    "sslmode", ["", "?sslmode=disable", "?sslmode=prefer", "?sslmode=require", "?sslmode=verify-ca"]
)
@pytest.mark.parametrize("host", [RDS, "127.0.0.1"])
def test_a_token_never_goes_to_a_server_that_need_not_prove_itself(aws, env: str, sslmode: str, host: str):
    login = DatabaseLogin(f"postgresql://pce_loader@{host}:5432/pce{sslmode}", way="iam", env=env)
    with pytest.raises(ConnectionTooWeak, match=r"sslmode=verify-full.*PGSSLROOTCERT.*global-bundle"):
        login.parameters()


@pytest.mark.parametrize(
    ("where", "is_taken"),
    [
        (f"{RDS}:5432/pce?sslmode=verify-full", True),
        (f"{RDS}:5432/pce?sslmode=require", False),
        (f"{RDS}:5432/pce", False),
        ("127.0.0.1:5432/pce", True),
        ("[::1]:5432/pce", True),
        ("localhost/pce", True),
        ("/pce?host=/var/run/postgresql", True),
        ("/pce", False),
        (f"localhost/pce?hostaddr=192.0.2.1&application_name={RDS}", False),
        (f"localhost,{RDS}/pce", False),
        ("localhost/pce?service=elsewhere", False),
    ],
)
def test_in_staging_and_prod_only_what_stays_on_the_machine_may_be_unverified(where: str, *, is_taken: bool):
    url = f"postgresql://pce_loader:password-of-the-url@{where}"
    for env in ("staging", "prod"):
        login = DatabaseLogin(url, env=env)
        if is_taken:
            assert login.parameters()["password"] == "password-of-the-url"
        else:
            with pytest.raises(ConnectionTooWeak) as refused:
                login.parameters()
            assert "password-of-the-url" not in _shown(refused.value)
    assert DatabaseLogin(url).parameters()["user"] == "pce_loader"


def test_no_password_reaches_a_log_line(aws):
    token = DatabaseLogin(URL, way="iam").parameters()["password"]
    signature = re.findall("X-Amz-Signature=([0-9a-f]{64})", token)[0]
    assert signature not in without_secrets(f"PGPASSWORD={token}")
    DatabaseLogin("postgresql://pce:a%2Flong-password@127.0.0.1/pce").parameters()
    assert "long-password" not in without_secrets("it is a/long-password, or a%2Flong-password")
    DatabaseLogin("postgresql://pce:pce@127.0.0.1/pce").parameters()
    assert without_secrets("pce_state") == "pce_state"


def test_the_url_for_other_programs_carries_the_password_of_the_moment(aws):
    login = DatabaseLogin(URL, way="iam")
    again = DatabaseLogin(login.url()).parameters()
    assert again.pop("password").startswith(f"{RDS}:5433/?Action=connect&DBUser=pce_loader&")
    assert again == {key: value for key, value in login.parameters().items() if key != "password"}
    command, password = PostgresResource(login).psql()
    assert password is not None
    assert password not in " ".join(command)
    assert "X-Amz" not in " ".join(command)
    assert "sslmode=verify-full" in command[1]


@pytest.mark.postgres
def test_a_rotated_secret_is_fetched_again_and_not_before(aws, secrets_manager, server):
    os.environ["AWS_ENDPOINT_URL"] = secrets_manager
    with server.database(migrated=False) as url:
        admin = psycopg2.connect(url)
        admin.autocommit = True
        try:
            admin.cursor().execute("CREATE ROLE rotated LOGIN PASSWORD 'first-password'")
            secret = Secret("rotated", json.dumps({"username": "rotated", "password": "first-password"}))
            login = DatabaseLogin(url, way="secret", secret_arn=secret.arn)
            with PostgresResource(login).connect() as connection:
                assert connection.info.user == "rotated"
            admin.cursor().execute("ALTER ROLE rotated PASSWORD 'second-password'")
            with pytest.raises(SignInRefused, match="PCE_DATABASE_SECRET_ARN") as refused:
                login.connect()
            assert "first-password" not in _shown(refused.value)
            secret.rotate(json.dumps({"username": "rotated", "password": "second-password"}))
            assert login.parameters()["password"] == "first-password"
            login.connect().close()
            assert DatabaseLogin(url, way="secret", secret_arn=secret.arn).parameters()["password"] == "second-password"
            assert "second-password" not in without_secrets("it is second-password")
        finally:
            admin.cursor().execute("DROP ROLE IF EXISTS rotated")
            admin.close()


def test_a_secret_that_is_none_of_rds_is_named_and_not_shown(aws, secrets_manager):
    os.environ["AWS_ENDPOINT_URL"] = secrets_manager
    for name, document in (("half", '{"username": "me", "passwort": "s3cr3t"}'), ("text", "s3cr3t")):
        secret = Secret(name, document)
        with pytest.raises(SignInUnavailable, match="does not hold username and password") as refused:
            DatabaseLogin(URL, way="secret", secret_arn=secret.arn).parameters()
        assert "s3cr3t" not in _shown(refused.value)
    missing = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:missing-abcdef"
    with pytest.raises(SignInUnavailable, match=rf"{missing} cannot be read.*ResourceNotFoundException"):
        DatabaseLogin(URL, way="secret", secret_arn=missing).parameters()
