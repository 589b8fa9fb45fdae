"""The only reader of the environment.

Defaults come from environments.toml, then `.env`, then real variables. A `Settings` value says everything a run needs
to know about where it is: environment, world, lake, database, source. Nothing here opens, creates or connects.
"""

import os
import tomllib
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote

from dotenv import load_dotenv
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pce_pipeline.errors import SettingsError

_DOTENV = ".env"
_SHORTEST_PASSWORD = 12

Environment = Literal["local", "staging", "prod"]
Source = Literal["api", "bulk", "sample"]


def defaults_of(environment: str) -> dict[str, Any]:
    """What environments.toml says of an environment; of one that it does not know, what holds for all."""
    declared = tomllib.loads(files("pce_pipeline").joinpath("environments.toml").read_text("utf-8"))
    return {**declared["default"], **declared.get(environment, {})}


class _EnvironmentDefaults(PydanticBaseSettingsSource):
    """The TOML defaults of the environment that the stronger sources have chosen."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ANN401 (pydantic's signature)
        del field
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        chosen = self.current_state.get("PCE_ENV") or self.current_state.get("env") or "local"
        return defaults_of(str(chosen))


class Settings(BaseSettings):
    """Where a run is and what it may do; immutable."""

    model_config = SettingsConfigDict(
        env_prefix="PCE_",
        env_file=_DOTENV,
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    env: Environment = "local"
    home: Path = Path(".pce")
    chosen_source: Source | None = Field(default=None, validation_alias="PCE_SOURCE")
    profile: str = "full"
    catalog: Path | None = None
    chosen_lake_uri: str | None = Field(default=None, validation_alias="PCE_LAKE_URI")
    chosen_database_url: SecretStr | None = Field(default=None, validation_alias="PCE_DATABASE_URL")
    database_login: Literal["url", "iam", "secret"]
    database_secret_arn: str | None = None
    bea_api_key: SecretStr | None = Field(default=None, validation_alias="BEA_API_KEY")
    bea_url: str
    chosen_dagster_home: Path | None = Field(default=None, validation_alias="DAGSTER_HOME")
    aws_endpoint_url: str | None = Field(default=None, validation_alias="AWS_ENDPOINT_URL")
    requests_per_minute: int = Field(gt=0, le=100)
    megabytes_per_minute: int = Field(gt=0, le=100)
    errors_per_minute: int = Field(gt=0, le=30)
    full_comparison_days: int = Field(gt=0)
    keep_versions_days: int = Field(ge=0)
    release_check_minutes: float = Field(gt=0)
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["auto", "text", "json"] = "auto"
    log_group: str | None = None
    alert_topic_arn: str | None = None
    alert_slack_url: SecretStr | None = None
    alert_webhook_url: SecretStr | None = None
    alert_webhook_secret: SecretStr | None = None
    late_after_hours: float = Field(gt=0)
    pin_alert_days: float = Field(gt=0)
    dagster_url: str | None = None
    hook_secret: SecretStr | None = None
    signing_key: SecretStr | None = None
    signing_public_key: str | None = None
    tolerate_unknown_fields: bool
    threshold_checks: Literal["block", "warn"]
    references_resolved_pct: float = Field(ge=0, le=100)
    """How many percent of a table's rows must find their area, category, line and figure in the dimensions."""
    retries: int = Field(ge=0, le=10)
    """How often a step is tried again where what failed may pass by itself; never where figures were judged."""
    retry_wait_seconds: float = Field(ge=0, le=300)
    """The wait before the first of these tries; each further one waits twice as long, with chance in it."""
    load_postgres: bool
    """Whether tables are loaded into Postgres; without it the lake stands alone: no database is started or asked."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del file_secret_settings
        return init_settings, env_settings, dotenv_settings, _EnvironmentDefaults(settings_cls)

    @model_validator(mode="after")
    def _says_where_data_comes_from(self) -> Self:
        if self.chosen_source == "api" and self.bea_api_key is None:
            raise ValueError("PCE_SOURCE=api needs BEA_API_KEY; get one free at BEA's site, or set PCE_SOURCE=bulk")
        if self.env != "local" and self.chosen_source is None and self.bea_api_key is None:
            raise ValueError(f"{self.env} needs BEA_API_KEY, or PCE_SOURCE set to bulk (or sample, on purpose)")
        return self

    @model_validator(mode="after")
    def _signs_with_a_key_that_is_trusted(self) -> Self:
        if self.signing_key is None and self.signing_public_key is None:
            return self
        from pce_pipeline import signing  # noqa: PLC0415 (most calls sign nothing, and cryptography takes its time)

        trusted = own = None
        if self.signing_public_key is not None:
            try:
                trusted = signing.public_key(self.signing_public_key)
            except ValueError as wrong:
                raise ValueError(f"PCE_SIGNING_PUBLIC_KEY: {wrong}") from None
        if self.signing_key is not None:
            try:
                own = signing.public_key_of(signing.private_key(self.signing_key.get_secret_value()))
            except ValueError as wrong:
                raise ValueError(f"PCE_SIGNING_KEY: {wrong}") from None
        if trusted is not None and own is not None and trusted != own:
            raise ValueError(
                f"PCE_SIGNING_KEY is the key {signing.key_id(own)}, and PCE_SIGNING_PUBLIC_KEY trusts "
                f"{signing.key_id(trusted)} alone: set both to one pair, or leave one out"
            )
        return self

    @cached_property
    def source(self) -> Source:
        """`api` with a key, else `bulk` where the laptop's BEA world holds extracts, else `sample`."""
        if self.chosen_source is not None:
            return self.chosen_source
        if self.bea_api_key is not None:
            return "api"
        bea = self._world_of("bea")
        has_extracts = any((self.home / bea / "lake").glob(f"*/bronze/{bea}/*/*/manifest.json"))
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
        """Everything the logs must blank: each secret setting, and the password inside the database's URL.

        A short password is some word that also means something else, and is left alone outside of the URL.
        """
        values = [value for name in type(self).model_fields if isinstance(value := getattr(self, name), SecretStr)]
        found = [value.get_secret_value() for value in values]
        if self.signing_key is not None:
            from pce_pipeline import signing  # noqa: PLC0415 (most calls sign nothing, and cryptography takes its time)

            found += signing.secret_lines(self.signing_key.get_secret_value())
        url = self.chosen_database_url.get_secret_value() if self.chosen_database_url is not None else ""
        password = unquote(url.rpartition("@")[0].partition("://")[2].partition(":")[2])
        return (*found, password) if len(password) >= _SHORTEST_PASSWORD else (*found,)

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

    What `.env` sets beside them (AWS credentials, for instance) becomes a variable of this process, unless it is one.

    Raises `SettingsError` naming each variable that does not hold and what it should be.
    """
    load_dotenv(_DOTENV)
    if region := os.environ.get("AWS_REGION"):
        os.environ.setdefault("AWS_DEFAULT_REGION", region)  # the only name of it that boto3 reads
    try:
        return Settings(**overrides)
    except ValidationError as invalid:
        problems = "; ".join(
            f"{'.'.join(_variable(part) for part in problem['loc'])}: {problem['msg']}"
            if problem["loc"]
            else problem["msg"]
            for problem in invalid.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"The settings do not hold: {problems}.", remedy="See .env.example.") from None


def _variable(name: int | str) -> str:
    """The variable that sets a field; pydantic names the field where both are spelled alike."""
    return f"PCE_{name.upper()}" if isinstance(name, str) and name in Settings.model_fields else str(name)
