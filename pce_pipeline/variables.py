"""Variables by name: the grammar of `.env`, which names exist, and what somebody meant who wrote another one.

The package and the programs in `infra/` read `.env` by `read_dotenv` alone, so that one file means the same to all.
Nothing here reads the environment: callers hand it in.
"""

import difflib
import io
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

DOTENV = Path(".env")

OF_OTHERS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "PCE_INFRA_ALERT_EMAIL",
            "PCE_INFRA_BUCKET",
            "PCE_INFRA_BUDGET_USD",
            "PCE_INFRA_COPY_BUCKET",
            "PCE_INFRA_COPY_REGION",
            "PCE_INFRA_DAGSTER_SERVICE",
            "PCE_INFRA_DAILY_TASK",
            "PCE_INFRA_DATABASE_CLASS",
            "PCE_INFRA_DATABASE_SUBNETS",
            "PCE_INFRA_MASTER_SECRET_READABLE",
            "PCE_INFRA_OIDC_PROVIDER",
            "PCE_INFRA_POSTGRES",
            "PCE_INFRA_REACH",
            "PCE_INFRA_REPOSITORY",
            "PCE_INFRA_RESTORE_ADMINISTRATORS",
            "PCE_INFRA_ROUTE_TABLES",
            "PCE_INFRA_TASK_SUBNETS",
            "PCE_INFRA_VPC",
        ),
        "provisions an environment: infra/provision_aws.py",
    ),
    **dict.fromkeys(
        (
            "PCE_ECS_CLUSTER",
            "PCE_ECS_LOG_GROUP",
            "PCE_ECS_SECURITY_GROUP",
            "PCE_ECS_SUBNETS",
            "PCE_ECS_TASK_DEFINITION",
            "PCE_IMAGE_DIGEST",
        ),
        "where commands run as tasks: infra/run_task.py",
    ),
    **dict.fromkeys(
        ("PCE_DATABASE_SECURITY_GROUP", "PCE_OWN_ADDRESS_URL", "PCE_SCHEDULE_ROLE_ARN"),
        "opens the database for a run: infra/database_door.py",
    ),
    **dict.fromkeys(
        (
            "PCE_COPIED_BY",
            "PCE_COPY_URI",
            "PCE_DATABASE_REACH",
            "PCE_IMAGE_REPOSITORY",
            "PCE_SCHEDULED_ENVIRONMENTS",
            "PCE_SMOKE_DATABASE_URL",
        ),
        "variables of a GitHub environment, for the workflows",
    ),
    "PCE_GOLD": "where Gold lies, in the programs of docs/connect.md",
    **dict.fromkeys(
        ("PCE_REAL_DATA", "PCE_TEST_THOROUGH", "PCE_TESTS_MUST_BROWSE", "PCE_TESTS_SCREENSHOTS"), "for the tests"
    ),
}
"""Names that begin as the settings' do and are read by others: who reads each. No setting of a run is among them."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ANOTHER_SETTING = re.compile(r"^\s*(?:export\s+)?([A-Z][A-Z0-9]*_[A-Z0-9_]*)=", re.MULTILINE)
_OURS = re.compile(r"pce", re.IGNORECASE)
_OURS_IN_AN_ENVIRONMENT = re.compile(r"pce_", re.IGNORECASE)
_BEAS = re.compile(r"bea_", re.IGNORECASE)
_SPEAKS_OF_US = re.compile(r"(?:PCE|BEA|AWS|DAGSTER)_", re.IGNORECASE)
_SO_CLOSE = 0.8
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Dotenv:
    """What a `.env` file says."""

    values: Mapping[str, str] = field(default_factory=dict)
    """The values that are not empty, by name; `${NAME}` in them is resolved."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """The line (from 1) on which each name stands, also of names without a value."""
    problems: tuple[str, ...] = ()
    """What cannot be read, each with its line; no value is repeated."""


def read_dotenv(path: Path, environment: Mapping[str, str]) -> Dotenv:
    """Read a `.env` file; no file says nothing. `environment` is what `${NAME}` may refer to beside the file itself.

    Raises nothing for what the file holds or for a file that cannot be opened: `problems` has it.
    """
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        return Dotenv(problems=(f"{path} is a link that leads nowhere",) if path.is_symlink() else ())
    except OSError as refused:
        return Dotenv(problems=(f"{path} cannot be read ({refused.strerror})",))
    return parse_dotenv(body, str(path), environment)


def parse_dotenv(body: bytes, name: str, environment: Mapping[str, str]) -> Dotenv:
    """What the bytes of a `.env` file say; `name` is what problems call the file.

    >>> parse_dotenv(b"export PCE_ENV='staging'  # ours", ".env", {}).values
    {'PCE_ENV': 'staging'}
    >>> parse_dotenv(b"PCE_ENV", ".env", {}).problems
    ('line 1 of .env (PCE_ENV) has no "="',)
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as wrong:
        line = 1 + body.count(b"\n", 0, wrong.start)
        form = "UTF-16" if body.startswith(_UTF_16) else "not UTF-8"
        return Dotenv(problems=(f"line {line} of {name} is {form}; save the file as UTF-8",))
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems: list[str] = []
    for binding in parse_stream(io.StringIO(text, newline="")):
        line = _first_line_of(binding)
        where = f"line {line} of {name}"
        mistake = _mistake_in(binding)
        if mistake is not None:
            problems.append(f"{where}{mistake}")
        elif binding.key is None:
            continue
        elif binding.key in lines:
            problems.append(f"{where} sets {binding.key} again, after line {lines[binding.key]}")
        else:
            lines[binding.key] = line
            resolved, unset = _resolved(binding.value or "", {**values, **environment})
            problems += [f"{where} ({binding.key}) refers to {each}, which is not set" for each in unset]
            if resolved:
                values[binding.key] = resolved
    return Dotenv(values, lines, tuple(problems))


def unknown_names(
    settings: Collection[str], environment: Collection[str], dotenv: Dotenv, *, name: str = str(DOTENV)
) -> Iterator[str]:
    """A sentence for each name that nothing reads and that looks like a setting's, with the names it is close to.

    `settings` are the names that settings have. In the environment those beginning with PCE_ are ours, and those
    beginning with BEA_ that are close to one; in `.env` also what is only nearly a name of ours.
    """
    known = {*settings, *OF_OTHERS}
    told = {each: f"line {line} of {name}" for each, line in dotenv.lines.items() if _is_meant(each, known)}
    told |= {
        each: told.get(each, "the environment")
        for each in environment
        if _OURS_IN_AN_ENVIRONMENT.match(each) or (_BEAS.match(each) and _closest(each, known, _SO_CLOSE))
    }
    for each, where in sorted(told.items()):
        if each not in known:
            close = _closest(each, known)
            yield f"{each} (in {where}) is not a setting" + (f"; did you mean {' or '.join(close)}?" if close else "")


def _is_meant(name: str, known: Collection[str]) -> bool:
    is_somebodys = name.upper().startswith(("AWS_", "DAGSTER_"))
    return bool(_OURS.match(name)) or (not is_somebodys and bool(_closest(name, known, _SO_CLOSE)))


def _closest(name: str, known: Collection[str], cutoff: float = 0.6) -> list[str]:
    """The known names that this one is close to, the closest first; one alone where it differs in case only."""
    upper = name.upper()
    return [upper] if upper in known else difflib.get_close_matches(upper, sorted(known), n=2, cutoff=cutoff)


def _first_line_of(binding: Binding) -> int:
    """The line on which the assignment itself begins: what was read may begin with empty lines."""
    said = binding.original.string
    blank = said[: len(said) - len(said.lstrip())]
    return binding.original.line + len(re.findall(r"\r\n|\n|\r", blank))


def _mistake_in(binding: Binding) -> str | None:
    """What is wrong with a statement, to be read behind its line; None where nothing is."""
    said = binding.original.string.strip()
    name = binding.key if binding.key is not None else re.split(r"[\s=:]", said, maxsplit=1)[0]
    # a key without its name, or a line of a PEM without quotes, is repeated by no error
    called = f" ({name})" if _NAME.fullmatch(name) and (binding.value is not None or _SPEAKS_OF_US.match(name)) else ""
    value = binding.value or ""
    if "\0" in said:
        return f"{called} holds a NUL character"
    swallowed = _ANOTHER_SETTING.search(value, value.find("\n") + 1) if "\n" in value else None
    if swallowed is not None:
        return f"{called} opens a quote that does not end before {swallowed[1]}"
    if binding.error:
        assigned = said.partition("=")[2].lstrip()
        if assigned[:1] in {"'", '"'}:
            return f"{called} has a quote that is not closed, or something behind it"
        return f"{called} is not NAME=value"
    if binding.key is None:
        return None
    if not _NAME.fullmatch(name):
        return " has a name that is not letters, digits and _" if binding.value is not None else " is not NAME=value"
    return f'{called} has no "="' if binding.value is None else None


def _resolved(value: str, known: Mapping[str, str]) -> tuple[str, list[str]]:
    """The value with each `${NAME}` and `${NAME:-default}` resolved, and the names that are set nowhere."""
    atoms = list(parse_variables(value))
    unset = [each.name for each in atoms if isinstance(each, Variable) and each.default is None]
    return "".join(each.resolve(known) for each in atoms), [name for name in unset if name not in known]
