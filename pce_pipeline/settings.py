"""The only reader of the environment.

Defaults come from environments.toml, then `.env`, then real variables. A `Settings` value says everything a run needs
to know about where it is: environment, world, lake, database, source. Nothing here opens, creates or connects.

The docstring below a field is its meaning in docs/settings.md, which is made from it.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pce_pipeline.addresses import (
    DatabaseUrl,
    ExistingFolder,
    Folder,
    HttpsAddress,
    LakeAddress,
    LogGroup,
    Topic,
    WebAddress,
    WebhookSecrets,
    WorldName,
)
from pce_pipeline.errors import SettingsError
from pce_pipeline.redaction import SHORTEST, is_recognisable
from pce_pipeline.refusals import refusal_of
from pce_pipeline.variables import DOTENV, read_dotenv, unknown_names
from pce_pipeline.webhook_secrets import PREFIX

ENVIRONMENTS = ("local", "staging", "prod")
_LONGEST_DAYS = 36_500

Environment = Literal["local", "staging", "prod"]
Source = Literal["api", "bulk", "sample"]


@dataclass(frozen=True)
class _Contradiction:
    fields: frozenset[str]
    message: str


class _Contradictory(ValueError):
    def __init__(self, found: tuple[_Contradiction, ...]) -> None:
        self.found = found
        super().__init__("; ".join(each.message for each in found))


class _EnvironmentDefaults(PydanticBaseSettingsSource):
    """The TOML defaults of the environment that the stronger sources have chosen."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ANN401 (pydantic's signature)
        del field
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        chosen = self.current_state.get("PCE_ENV") or self.current_state.get("env") or "local"
        return {**defaults_of(str(chosen).strip())}


class Settings(BaseSettings):
    """Where a run is and what it may do; immutable."""

    model_config = SettingsConfigDict(
        env_prefix="PCE_",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    env: Environment = "local"
    """`local`, `staging` or `prod`: the first segment of lake keys, and how strict checks are"""
    home: Folder = Path(".pce")
    """where a laptop's worlds lie: one folder per source, each with lake, Postgres and Dagster's history"""
    chosen_source: Source | None = Field(default=None, validation_alias="PCE_SOURCE")
    """where data comes from: `api` (needs the key), `bulk` (BEA's keyless files) or `sample` (synthetic numbers); unset
    it is `api` with a key, else `bulk` where the home holds extracts of BEA, else `sample`"""
    profile: WorldName = "full"
    """`full`, or `smoke` for one table and three lines; each has a world of its own"""
    catalog: ExistingFolder | None = None
    """a folder that narrows the packaged datasets or adds datasets, tables, lines and categories"""
    chosen_lake_uri: LakeAddress | None = Field(default=None, validation_alias="PCE_LAKE_URI")
    """a directory or `s3://bucket[/prefix]`; unset it is the world's folder `lake`, and `staging` and `prod` need it"""
    chosen_database_url: DatabaseUrl | None = Field(default=None, validation_alias="PCE_DATABASE_URL")
    """`postgresql://user:password@host:5432/database`, PostgreSQL 17 or newer; unset it is the world's embedded
    Postgres, and `staging` and `prod` need it"""
    database_login: Literal["url", "iam", "secret"]
    """how the user of the database's URL signs in: `url` (the URL's password, or none), `iam` (a token of RDS for each
    connection) or `secret` (user and password of a secret that RDS rotates)"""
    database_secret_arn: str | None = None
    """the secret of AWS Secrets Manager that `PCE_DATABASE_LOGIN=secret` reads"""
    bea_api_key: SecretStr | None = Field(default=None, validation_alias="BEA_API_KEY")
    """BEA's key; never stored, logged or shown"""
    bea_url: WebAddress
    """another address for BEA, such as that of `pce emulate`"""
    chosen_dagster_home: Folder | None = Field(default=None, validation_alias="DAGSTER_HOME")
    """where Dagster keeps its history; unset it is the world's own folder on a laptop, a temporary one elsewhere"""
    aws_endpoint_url: WebAddress | None = Field(default=None, validation_alias="AWS_ENDPOINT_URL")
    """the address of an S3-compatible store; boto3 takes it for every service of AWS"""
    requests_per_minute: int = Field(gt=0, le=100)
    """how many requests BEA gets at most, per key and minute; BEA's limit is 100"""
    megabytes_per_minute: int = Field(gt=0, le=100)
    """how many megabytes BEA sends at most, per key and minute; BEA's limit is 100"""
    errors_per_minute: int = Field(gt=0, le=30)
    """after how many errors within a minute BEA is left alone; BEA's limit is 30"""
    full_comparison_days: int = Field(gt=0, le=_LONGEST_DAYS)
    """after how many days everything is compared with BEA although no release note changed"""
    keep_versions_days: int = Field(ge=0, le=_LONGEST_DAYS)
    """for how many days versions that are no longer current, and snapshots that no tag names, stay in the lake"""
    glue_database: str | None = Field(default=None, pattern=r"^[a-z0-9_]{1,255}$")
    """the database of AWS Glue that is told where the Iceberg tables are, for Athena and others; it must exist"""
    release_check_minutes: float = Field(gt=0, le=_LONGEST_DAYS * 24 * 60, allow_inf_nan=False)
    """how often the release sensor looks, in minutes"""
    log_level: Literal["debug", "info", "warning", "error"]
    """from which level on lines are logged: `debug`, `info`, `warning`, `error`"""
    log_format: Literal["auto", "text", "json"] = "auto"
    """lines on stderr: `text` for people, `json` for machines; `auto` is text on a terminal"""
    log_group: LogGroup | None = None
    """a CloudWatch log group that gets every log line, too"""
    alert_topic_arn: Topic | None = None
    """an SNS topic for alerts"""
    alert_slack_url: HttpsAddress | None = None
    """a Slack incoming webhook for alerts"""
    alert_webhook_url: HttpsAddress | None = None
    """an https endpoint for alerts; its requests are signed"""
    alert_webhook_secret: WebhookSecrets | None = None
    """what signs the requests to `PCE_ALERT_WEBHOOK_URL`: `whsec_` and base64 of 24 to 64 random bytes"""
    late_after_hours: float = Field(gt=0, le=_LONGEST_DAYS * 24, allow_inf_nan=False)
    """how many hours after BEA's announcement a release that is not in the lake is late"""
    pin_alert_days: float = Field(gt=0, le=_LONGEST_DAYS, allow_inf_nan=False)
    """after how many days a pin is told of, and `pce status` exits with 1"""
    dagster_url: WebAddress | None = None
    """where Dagster's page is, for links in alerts"""
    hook_secret: WebhookSecrets | None = None
    """what signs the events that `pce serve-hooks` accepts: `whsec_` and base64; new and old, separated by a space"""
    signing_key: SecretStr | None = None
    """what signs certificates: an Ed25519 private key, PEM or its line of base64"""
    signing_public_key: str | None = None
    """the public key whose signature `pce certificate` demands, PEM or its line of base64"""
    tolerate_unknown_fields: bool
    """go on when BEA's answers carry a field that this version does not know"""
    threshold_checks: Literal["block", "warn"]
    """what a rule of a threshold does where it does not hold: `block` or `warn`; keys, schemas, hashes and meanings
    block everywhere"""
    references_resolved_pct: float = Field(ge=0, le=100, allow_inf_nan=False)
    """how many percent of a table's rows must find their area, category, line and figure in the dimensions"""
    retries: int = Field(ge=0, le=10)
    """how often a step is tried again where what failed may pass by itself; never where figures were judged"""
    retry_wait_seconds: float = Field(ge=0, le=300, allow_inf_nan=False)
    """the wait before the first of these tries; each further one waits twice as long, with chance in it"""
    years_at_once: int = Field(gt=0, le=_LONGEST_DAYS)
    """how many years a refresh reads, computes and judges at a time: more take more memory, fewer more time"""
    load_postgres: bool
    """whether tables are loaded into Postgres; without it the lake stands alone: no database is started or asked"""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings  # load_settings reads .env, by the grammar that infra/ uses too
        return init_settings, env_settings, _EnvironmentDefaults(settings_cls)

    @field_validator("*", mode="before")
    @classmethod
    def _is_not_blank(cls, value: Any) -> Any:  # noqa: ANN401 (whatever a source gives)
        """Spaces and line ends around a value are nobody's intention; secrets are often pasted with them."""
        if not isinstance(value, str):
            return value
        if not value.strip():
            raise ValueError("it is blank; give it a value, or leave it out")
        return value.strip()

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> Self:
        if found := tuple(_contradictions(self)):
            raise _Contradictory(found)
        return self

    @cached_property
    def source(self) -> Source:
        """`api` with a key, else `bulk` where the laptop's BEA world holds extracts, else `sample`.

        Raises `SystemRefused` where the home cannot be looked into.
        """
        if self.chosen_source is not None:
            return self.chosen_source
        if self.bea_api_key is not None:
            return "api"
        bea = self._world_of("bea")
        try:
            has_extracts = any((self.home / bea / "lake").glob(f"*/bronze/{bea}/*/*/manifest.json"))
        except OSError as refused:
            raise refusal_of(refused) or refused from None
        return "bulk" if has_extracts else "sample"

    @property
    def is_sample(self) -> bool:
        return self.source == "sample"

    @property
    def publisher(self) -> str:
        """Whose figures they are, as a sentence begins: never BEA's where they are invented."""
        return "The sample" if self.is_sample else "BEA"

    @property
    def world(self) -> str:
        """The name of the world: its folder below `home` and its source segment in lake keys."""
        return self._world_of("sample" if self.is_sample else "bea")

    def _world_of(self, name: str) -> str:
        return name if self.profile == "full" else f"{name}-{self.profile}"

    @property
    def world_home(self) -> Path:
        """The absolute folder of this world's lake, Postgres and Dagster history."""
        return (self.home / self.world).absolute()

    @property
    def lake_uri(self) -> str:
        return self.chosen_lake_uri or str(self.world_home / "lake")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What logs must blank: each secret setting, its parts, and the password inside the database's URL."""
        found = [each.get_secret_value() for _, each in self._secret_fields()]
        if self.signing_key is not None:
            from pce_pipeline import signing  # noqa: PLC0415 (most calls sign nothing, and cryptography takes its time)

            found += signing.secret_lines(self.signing_key.get_secret_value())
        parts = [part for secret in found for part in secret.split() if part != secret]
        bare = [part.removeprefix(PREFIX) for part in (*found, *parts) if part.startswith(PREFIX)]
        password = self._database_password
        return tuple(each for each in (*found, *parts, *bare, password, unquote(password)) if each)

    def _secret_fields(self) -> Iterator[tuple[str, SecretStr]]:
        """The secret settings that are set, by field."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                yield name, value

    @property
    def _database_password(self) -> str:
        """The password inside the database's URL as it is spelled there, or nothing."""
        url = self.chosen_database_url.get_secret_value() if self.chosen_database_url is not None else ""
        before = url.rpartition("@")[0].partition("://")[2].partition(":")[2]
        return before or next(iter(parse_qs(urlsplit(url).query, keep_blank_values=False).get("password", [])), "")

    @property
    def dagster_home(self) -> Path:
        """The folder of Dagster's history: DAGSTER_HOME if somebody chose one, else the world's own.

        One that `pce env` exported for another world of `home` is nobody's choice: worlds never meet.
        """
        chosen = self.chosen_dagster_home
        if chosen is None or chosen.absolute().parent.parent == self.home.absolute():
            return self.world_home / "dagster"
        return chosen.absolute()


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 (one value per field of Settings)
    """Settings from the environment, with overrides by field name.

    What `.env` sets beside them (AWS credentials, for instance) becomes a variable of this process, unless it is one;
    an empty variable counts as none.

    Raises `SettingsError` naming every mistake at once: lines of `.env` that cannot be read, names that are not
    settings, values that do not hold, and values that contradict each other.
    """
    dotenv = read_dotenv(DOTENV, os.environ)
    problems = [*dotenv.problems, *unknown_names(VARIABLES, os.environ, dotenv)]
    with _beside_the_environment(dotenv.values):
        settings: Settings | None = None
        try:
            settings = Settings(**overrides)
        except ValidationError as invalid:
            problems += _problems_of(invalid, overrides)
        if settings is None or problems:
            listed = problems[0] if len(problems) == 1 else "".join(f"\n  - {each}" for each in problems)
            raise SettingsError(
                f"The settings do not hold: {listed}" + ("." if len(problems) == 1 and listed[-1] != "?" else ""),
                remedy="docs/settings.md lists every setting, .env.example shows each.",
            )
    if region := os.environ.get("AWS_REGION"):
        os.environ.setdefault("AWS_DEFAULT_REGION", region)  # the only name of it that boto3 reads
    return settings


def defaults_of(env: str) -> Mapping[str, Any]:
    """What environments.toml says for an environment, by field; what holds for all where it has no such."""
    declared = tomllib.loads(files("pce_pipeline").joinpath("environments.toml").read_text("utf-8"))
    return {**declared["default"], **declared.get(env, {})}


def variable_of(field: str) -> str:
    """The variable that sets a field.

    >>> variable_of("env"), variable_of("chosen_dagster_home")
    ('PCE_ENV', 'DAGSTER_HOME')
    """
    return str(Settings.model_fields[field].validation_alias or f"PCE_{field.upper()}")


VARIABLES = frozenset(map(variable_of, Settings.model_fields))
"""The variables that are settings."""


@contextmanager
def _beside_the_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Make these variables of this process where it has none; after an exception it is as it was."""
    before = {name: os.environ.get(name) for name in values if not os.environ.get(name)}
    os.environ.update({name: values[name] for name in before})
    try:
        yield
    except BaseException:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        raise


def _problems_of(invalid: ValidationError, overrides: Mapping[str, Any]) -> list[str]:
    """What is wrong with each value, and which of the others contradict each other."""
    by_variable = {variable_of(field): field for field in Settings.model_fields}
    wrong = {str(part): str(part) for problem in invalid.errors() for part in problem["loc"][:1]}
    fields = {by_variable.get(name, name) for name in wrong}
    told = [
        f"{variable_of(by_variable.get(name, name))}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in invalid.errors(include_input=False, include_url=False)
        for name in map(str, problem["loc"][:1])
    ]
    told += [each.message for each in _contradictions_in(invalid)]
    if fields:
        # Contradictions show only in settings that hold otherwise: each wrong value is taken for its default meanwhile.
        unset = {name: field.get_default() for name, field in Settings.model_fields.items() if not field.is_required()}
        stand_ins = {**unset, **defaults_of("local")}
        try:
            Settings(**{**overrides, **{name: stand_ins[name] for name in fields}})
        except ValidationError as again:
            told += [each.message for each in _contradictions_in(again) if not each.fields & fields]
    return told


def _contradictions_in(invalid: ValidationError) -> Iterator[_Contradiction]:
    for problem in invalid.errors():
        error = problem.get("ctx", {}).get("error")
        if isinstance(error, _Contradictory):
            yield from error.found


def _contradictions(settings: Settings) -> Iterator[_Contradiction]:
    """Where settings that hold each by itself do not hold together."""

    def told(message: str, *fields: str) -> _Contradiction:
        return _Contradiction(frozenset(fields), message)

    if settings.chosen_source == "api" and settings.bea_api_key is None:
        yield told(
            "PCE_SOURCE=api needs BEA_API_KEY; get one free at BEA's site, or set PCE_SOURCE=bulk",
            "chosen_source",
            "bea_api_key",
        )
    if settings.database_login == "secret" and settings.database_secret_arn is None:
        yield told("PCE_DATABASE_LOGIN=secret needs PCE_DATABASE_SECRET_ARN", "database_login", "database_secret_arn")
    if settings.alert_webhook_url is not None and settings.alert_webhook_secret is None:
        yield told(
            "PCE_ALERT_WEBHOOK_URL needs PCE_ALERT_WEBHOOK_SECRET, which signs what is sent",
            "alert_webhook_url",
            "alert_webhook_secret",
        )
    if settings.env != "local":
        yield from _missing_in_an_environment(settings)
        yield from _secrets_that_logs_cannot_blank(settings)
    yield from _wrong_with_signing(settings)


def _missing_in_an_environment(settings: Settings) -> Iterator[_Contradiction]:
    """What a laptop has by itself and an environment must be told."""
    if settings.chosen_source is None and settings.bea_api_key is None:
        yield _Contradiction(
            frozenset({"env", "chosen_source", "bea_api_key"}),
            f"{settings.env} needs BEA_API_KEY, or PCE_SOURCE set to bulk (or sample, on purpose)",
        )
    places: dict[str, object] = {"chosen_lake_uri": settings.chosen_lake_uri}
    if settings.load_postgres:
        places["chosen_database_url"] = settings.chosen_database_url
    missing = [name for name, value in places.items() if value is None]
    if missing:
        yield _Contradiction(
            frozenset({"env", *missing}), f"{settings.env} needs {' and '.join(map(variable_of, missing))}"
        )


def _secrets_that_logs_cannot_blank(settings: Settings) -> Iterator[_Contradiction]:
    """Strangers read the logs of an environment, in which a secret that is a word or a number stays readable."""
    found = {variable_of(name): value.get_secret_value() for name, value in settings._secret_fields()}  # noqa: SLF001
    found = {what: secret for what, secret in found.items() if "://" not in secret}
    if password := unquote(settings._database_password):  # noqa: SLF001 (this module's own class)
        found[f"the password in {variable_of('chosen_database_url')}"] = password
    for what, secret in found.items():
        if not is_recognisable(secret):
            yield _Contradiction(
                frozenset({"env", *(name for name in Settings.model_fields if variable_of(name) in what)}),
                f"{what} is too short or too plain for {settings.env}: logs could not blank it without garbling words "
                f"and figures; take {SHORTEST} characters or more, not all of them letters or all of them digits",
            )


def _wrong_with_signing(settings: Settings) -> Iterator[_Contradiction]:
    if settings.signing_key is None and settings.signing_public_key is None:
        return
    from pce_pipeline import signing  # noqa: PLC0415 (most calls sign nothing, and cryptography takes its time)

    trusted = own = None
    if settings.signing_public_key is not None:
        try:
            trusted = signing.public_key(settings.signing_public_key)
        except ValueError as wrong:
            yield _Contradiction(frozenset({"signing_public_key"}), f"PCE_SIGNING_PUBLIC_KEY: {wrong}")
    if settings.signing_key is not None:
        try:
            own = signing.public_key_of(signing.private_key(settings.signing_key.get_secret_value()))
        except ValueError as wrong:
            yield _Contradiction(frozenset({"signing_key"}), f"PCE_SIGNING_KEY: {wrong}")
    if trusted is not None and own is not None and trusted != own:
        yield _Contradiction(
            frozenset({"signing_key", "signing_public_key"}),
            f"PCE_SIGNING_KEY is the key {signing.key_id(own)}, and PCE_SIGNING_PUBLIC_KEY trusts "
            f"{signing.key_id(trusted)} alone: set both to one pair, or leave one out",
        )
