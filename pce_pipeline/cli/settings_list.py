"""Every setting with its default in each environment and its meaning: docs/settings.md, and the same for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import SecretStr

from pce_pipeline.settings import ENVIRONMENTS, Settings, defaults_of, variable_of
from pce_pipeline.variables import OF_OTHERS

_HEAD = """\
# Settings

This file is made by `make docs` from `settings.py` and `environments.toml`: change those. How to set them is in
[Setup](setup.md#settings), an example of each in [.env.example](../.env.example).

An empty variable counts as none. A name that begins with `PCE_` and is not listed here, a line of `.env` that cannot be
read, a value that does not hold and values that contradict each other are refused before anything starts, all at once.
`staging` and `prod` need `PCE_LAKE_URI`, `PCE_DATABASE_URL` and a source. No secret there may be shorter than 12
characters, or shorter than 20 where all are letters or all are digits: logs could not blank it without garbling words
and figures.

| variable | default | meaning |
|---|---|---|
"""
_OTHERS = """
## Names of others

These names begin as settings do and are read by others than `pce`:

| variable | who reads it |
|---|---|
"""


@dataclass(frozen=True)
class Setting:
    """One setting as people read of it."""

    variable: str
    """The variable that sets it."""
    defaults: Mapping[str, str | None]
    """What holds in each environment where it is not set; None where nothing does."""
    meaning: str
    """What it is."""
    is_secret: bool
    """Whether its value is shown nowhere."""

    @property
    def default(self) -> str:
        """The defaults of all environments in a few words."""
        local, *others = (self.defaults[env] for env in ENVIRONMENTS)
        if all(other == local for other in others):
            return f"`{local}`" if local is not None else "none"
        return "; ".join(f"{env}: `{value}`" for env, value in self.defaults.items())


def settings_known() -> Sequence[Setting]:
    """Every setting, in the order of their declaration."""
    by_env = {env: defaults_of(env) for env in ENVIRONMENTS}
    return [
        Setting(
            variable_of(name),
            {env: _text(by_env[env].get(name, field.get_default())) for env in ENVIRONMENTS},
            " ".join((field.description or "").split()),
            _is_secret(field.annotation),
        )
        for name, field in Settings.model_fields.items()
    ]


def settings_page() -> str:
    """docs/settings.md."""
    rows = [
        f"| `{each.variable}` | {each.default} | {each.meaning}{'; a secret' if each.is_secret else ''} |\n"
        for each in settings_known()
    ]
    others = [f"| `{name}` | {who} |\n" for name, who in OF_OTHERS.items()]
    return "".join([_HEAD, *rows, _OTHERS, *others])


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


def _text(value: Any) -> str | None:  # noqa: ANN401 (whatever a default is)
    if value is None or repr(value) == "PydanticUndefined":
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
