"""Every setting has a value that holds and one that is refused by its name; all mistakes are told at once."""

import base64
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import SecretStr

from pce_pipeline.cli.settings_list import settings_known
from pce_pipeline.errors import SettingsError
from pce_pipeline.settings import VARIABLES, Settings, load_settings, variable_of

KEY = "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f"
WEBHOOK = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
_PAIR = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PRIVATE = _PAIR.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = _PAIR.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ENVIRONMENT = {
    "PCE_ENV": "staging",
    "PCE_SOURCE": "bulk",
    "PCE_LAKE_URI": "s3://bucket",
    "PCE_DATABASE_URL": "postgresql://pce_loader@db:5432/pce",
}

EXAMPLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "env": ("local", ("Prod", "production", " ")),
    "home": ("worlds", ("s3://bucket/home", "~nobody-of-this-name/x")),
    "chosen_source": ("sample", ("apii", "BULK")),
    "profile": ("smoke", ("../full", "a b", "\t")),
    "catalog": ("a-folder", ("no-such-folder", "s3://bucket/catalog")),
    "chosen_lake_uri": ("s3://bucket/prefix", ("gs://bucket", "s3:/bucket", "s3:bucket", "s3://", "s3://a b/c")),
    "chosen_database_url": (
        "postgresql://u@h:5432/d",
        (
            *("mysql://u@h/d", "u@h/d", "postgresql:/h/d", "postgresql://u@h:port/d", "postgresql://u@h:99999/d"),
            *(
                "postgresql://u:a/b@h/d",
                "postgresql://x@@h/d",
                "postgresql://u@[::1/d",
                "postgresql://u@h1:5432,h2:x/d",
            ),
        ),
    ),
    "database_login": ("iam", ("password", "secret")),
    "database_secret_arn": ("arn:aws:secretsmanager:us-east-1:123456789012:secret:pce", (" ",)),
    "bea_api_key": (KEY, (" ", "\n")),
    "bea_url": ("http://127.0.0.1:8765", ("apps.bea.gov", "ftp://apps.bea.gov", "https://", "http://h:port")),
    "chosen_dagster_home": ("history", ("s3://bucket/dagster",)),
    "aws_endpoint_url": ("http://127.0.0.1:8333", ("127.0.0.1:8333", "http://a b")),
    "requests_per_minute": ("50", ("0", "101", "many", "1.5")),
    "megabytes_per_minute": ("50", ("0", "101", "-3")),
    "errors_per_minute": ("5", ("0", "31")),
    "full_comparison_days": ("7", ("0", "99999999999", "a week")),
    "keep_versions_days": ("0", ("-1", "99999999999")),
    "glue_database": ("pce_staging", ("With Blanks", "UPPER", "a" * 256)),
    "release_check_minutes": ("0.5", ("0", "inf", "nan", "1e300")),
    "log_level": ("debug", ("DEBUG", "verbose")),
    "log_format": ("json", ("yaml",)),
    "log_group": ("/pce/staging", ("a group", "x" * 513)),
    "alert_topic_arn": ("arn:aws:sns:us-east-1:123456789012:pce", ("pce", "arn:aws:sqs:us-east-1:123456789012:pce")),
    "alert_slack_url": ("https://hooks.slack.com/services/x", ("http://hooks.slack.com/x", "hooks.slack.com/x")),
    "alert_webhook_url": ("http://localhost:1/x", ("http://example.org/x", "https://")),
    "alert_webhook_secret": (WEBHOOK, ("whsec_short", "whsec_no*base64")),
    "late_after_hours": ("12.5", ("0", "inf", "nan")),
    "pin_alert_days": ("1", ("0", "-inf", "1e300")),
    "dagster_url": ("http://localhost:3000", ("localhost:3000",)),
    "hook_secret": (f"{WEBHOOK} {WEBHOOK}", ("whsec_", f"{WEBHOOK} whsec_x")),
    "signing_key": (PRIVATE, ("-----BEGIN PRIVATE KEY-----", PUBLIC)),
    "signing_public_key": (PUBLIC, ("ed25519", PRIVATE)),
    "tolerate_unknown_fields": ("true", ("maybe", "2")),
    "threshold_checks": ("block", ("stop", "Warn")),
    "references_resolved_pct": ("99.5", ("101", "-1", "most", "nan")),
    "retries": ("2", ("-1", "11", "1.5")),
    "retry_wait_seconds": ("7.5", ("-1", "301", "inf")),
    "years_at_once": ("3", ("0", "-1", "1.5")),
    "load_postgres": ("false", ("perhaps", "2")),
}
"""For each field a value that holds, and values that do not."""

MISTYPED = ("PCE_HOEM", "pce_home", "Pce_Home", "PCE_CHOSEN_LAKE_URI", "PCE_", "BEA_APIKEY", "bea_api_key")
OF_SOMEBODY_ELSE = ("AWS_REGION", "AWS_ENDPOINT_URL_SNS", "DAGSTER_URL", "PGSSLROOTCERT", "PCE_INFRA_VPC")
BESIDES = {"alert_webhook_url": {"PCE_ALERT_WEBHOOK_SECRET": WEBHOOK}}
"""What a setting needs beside it."""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A working directory for `.env`; what it sets leaves this process again."""
    (tmp_path / "a-folder").mkdir()
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def loaded(**variables: str) -> Settings:
    os.environ.update(variables)
    try:
        return load_settings()
    finally:
        for name in variables:
            os.environ.pop(name, None)


def problems(**variables: str) -> str:
    with pytest.raises(SettingsError) as refused:
        loaded(**variables)
    assert refused.value.remedy
    return refused.value.message


def test_every_field_has_its_example() -> None:
    assert list(EXAMPLES) == list(Settings.model_fields)


@pytest.mark.parametrize("field", EXAMPLES)
def test_a_right_value_holds_in_the_environment_and_in_the_file(field: str, tmp_path: Path) -> None:
    right, _ = EXAMPLES[field]
    variables = {**BESIDES.get(field, {}), variable_of(field): right}
    by_variable = getattr(loaded(**variables), field)
    (tmp_path / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in variables.items()))
    by_file = getattr(load_settings(), field)
    assert by_variable == by_file
    told = by_variable.get_secret_value() if isinstance(by_variable, SecretStr) else str(by_variable)
    assert told.lower() in {right.strip().lower(), f"{right}.0".lower()}


@pytest.mark.parametrize(
    ("field", "wrong"), [(field, wrong) for field, (_, all_) in EXAMPLES.items() for wrong in all_]
)
def test_a_mistyped_value_is_refused_by_the_name_of_its_variable(field: str, wrong: str) -> None:
    told = problems(**{**BESIDES.get(field, {}), variable_of(field): wrong})
    assert variable_of(field) in told
    is_secret = variable_of(field) in {each.variable for each in settings_known() if each.is_secret}
    assert not (is_secret and len(wrong) > len("https://") and wrong in told)


@pytest.mark.parametrize("variable", sorted(VARIABLES))
def test_a_blank_is_refused_and_an_empty_variable_counts_as_none(variable: str) -> None:
    assert f"{variable}: it is blank" in problems(**{variable: " \t"})
    assert loaded(**{variable: ""}) == load_settings()


def test_spaces_and_line_ends_around_a_value_are_taken_off() -> None:
    settings = loaded(BEA_API_KEY=f" {KEY}\n", PCE_PROFILE="smoke ")
    assert settings.bea_api_key is not None
    assert (settings.bea_api_key.get_secret_value(), settings.profile) == (KEY, "smoke")


@pytest.mark.parametrize("name", MISTYPED)
def test_a_name_that_nothing_reads_is_refused_with_the_nearest_one(name: str, tmp_path: Path) -> None:
    nearest = "BEA_API_KEY" if name.lower().startswith("bea") else "LAKE_URI" if "LAKE" in name else "PCE_"
    assert f"{name} (in the environment) is not a setting" in problems(**{name: "x"})
    assert nearest in problems(**{name: "x"}).partition("did you mean")[2] or name == "PCE_"
    (tmp_path / ".env").write_text(f"# ours\nexport {name}=x\n")
    with pytest.raises(SettingsError, match=f"{name} \\(in line 2 of .env\\)"):
        load_settings()


@pytest.mark.parametrize("name", ["PCEHOME", "PEC_LAKE_URI", "PCE_lake_uri"])
def test_a_name_in_the_file_that_is_nearly_ours_is_refused_too(name: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{name}=x\n")
    with pytest.raises(SettingsError, match="did you mean PCE_"):
        load_settings()


@pytest.mark.parametrize("name", OF_SOMEBODY_ELSE)
def test_names_of_others_are_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{name}=x\n")
    load_settings()
    assert os.environ[name] == "x"


@pytest.mark.parametrize("env", ["staging", "prod"])
def test_an_environment_needs_lake_database_and_source_and_names_all_of_them(env: str) -> None:
    told = problems(PCE_ENV=env)
    assert f"{env} needs PCE_LAKE_URI and PCE_DATABASE_URL" in told
    assert f"{env} needs BEA_API_KEY, or PCE_SOURCE" in told
    assert loaded(**{**ENVIRONMENT, "PCE_ENV": env}).env == env


@pytest.mark.parametrize("password", ["p", "short", "elevenchars", "expenditures", "202412312359"])
@pytest.mark.parametrize(
    "form", ["postgresql://pce_loader:{}@db:5432/pce", "postgresql://pce_loader@db/pce?password={}"]
)
def test_an_environment_refuses_a_password_that_logs_could_not_blank(form: str, password: str) -> None:
    url = form.format(password)
    told = problems(**{**ENVIRONMENT, "PCE_DATABASE_URL": url})
    assert "the password in PCE_DATABASE_URL is too short or too plain for staging" in told
    assert url not in told
    assert loaded(PCE_DATABASE_URL=url).env == "local"


def test_an_environment_refuses_a_short_key_of_bea() -> None:
    assert "BEA_API_KEY is too short" in problems(**{**ENVIRONMENT, "BEA_API_KEY": "123"})


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PCE_LOG_LEVEL=loud\nnot a line\nPCE_LAKE_UIR=x\nPCE_ENV=prod\n")
    told = problems(PCE_REQUESTS_PER_MINUTE="many", PCE_HOEM="x", PCE_ALERT_WEBHOOK_URL="https://example.org/x")
    for mistake in (
        "line 2 of .env",
        "PCE_LAKE_UIR (in line 3 of .env)",
        "PCE_HOEM",
        "PCE_LOG_LEVEL",
        "PCE_REQUESTS_PER_MINUTE",
        "prod needs PCE_LAKE_URI and PCE_DATABASE_URL",
        "PCE_ALERT_WEBHOOK_URL needs PCE_ALERT_WEBHOOK_SECRET",
    ):
        assert mistake in told


def test_no_contradiction_is_told_that_only_follows_from_a_wrong_value() -> None:
    assert "needs BEA_API_KEY" not in problems(PCE_ENV="prod", PCE_SOURCE="apii")


def test_settings_that_are_refused_leave_the_environment_as_it_was(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AWS_PROFILE=mine\nPCE_HOEM=x\n")
    before = dict(os.environ)
    with pytest.raises(SettingsError):
        load_settings()
    assert dict(os.environ) == before


def test_a_home_of_a_user_is_resolved_where_no_shell_does_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PCE_HOME=~/worlds\nPCE_LAKE_URI=~/lake\n")
    os.environ["HOME"] = str(tmp_path)
    settings = load_settings()
    assert (settings.home, settings.lake_uri) == (tmp_path / "worlds", str(tmp_path / "lake"))
