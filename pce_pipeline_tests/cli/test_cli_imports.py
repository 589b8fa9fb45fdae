"""What a call imports: a list of verbs next to nothing, a look at the world no Dagster."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pce_pipeline.cli.app import app
from pce_pipeline.cli.commands import verbs
from pce_pipeline_tests.cli.conftest import Called

_CALL = """
import json, sys
from pce_pipeline.cli import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    print(json.dumps([ended.code, sorted(sys.modules)]), file=sys.stderr)
"""
_HEAVY = {"alembic", "boto3", "dagster", "duckdb", "pyarrow", "sqlalchemy", "xlsxwriter"}


def imported(*arguments: str, **environment: str) -> set[str]:
    """What a process has imported that was called so, and that answered well."""
    ran = subprocess.run(
        [sys.executable, "-c", _CALL, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    code, modules = json.loads(ran.stderr.splitlines()[-1])
    assert code == 0, ran.stderr
    return set(modules)


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
def test_a_list_of_verbs_imports_no_library_of_the_data(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments).isdisjoint({*_HEAVY, "httpx", "numpy", "polars", "psycopg2", "structlog"})


def test_help_on_a_verb_imports_the_module_of_no_other() -> None:
    modules = imported("status", "--help")
    assert {name for name in ("looking", "pipeline", "exporting") if f"pce_pipeline.cli.{name}" in modules} == {
        "looking"
    }


@pytest.mark.parametrize(
    "arguments", [("status",), ("run",), ("refresh",), ("refresh", "--years", "2020...2021"), ("check",)]
)
def test_a_look_at_a_world_of_which_nothing_is_new_imports_no_dagster(
    arguments: tuple[str, ...], home: Path, first_run: Called
) -> None:
    assert first_run.code == 0
    assert imported(*arguments, PCE_HOME=str(home), PCE_PROFILE="smoke").isdisjoint(_HEAVY)


def test_status_asks_nobody_and_imports_no_client(home: Path, first_run: Called) -> None:
    assert first_run.code == 0
    assert "httpx" not in imported("status", PCE_HOME=str(home), PCE_PROFILE="smoke")


def test_what_is_only_listed_says_what_the_verb_itself_says() -> None:
    top = app([])
    listed = {str(each.name): each.help for each in top.registered_commands}
    for group in top.registered_groups:
        assert group.typer_instance is not None
        listed |= {f"{group.name} {each.name}": each.help for each in group.typer_instance.registered_commands}
    assert listed == {verb.name: verb.summary for verb in verbs()}
