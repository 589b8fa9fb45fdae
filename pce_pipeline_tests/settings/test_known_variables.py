"""The list of names is the one that infra/, workflows, the Makefile and tests really use."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pce_pipeline
from pce_pipeline.cli.settings_list import settings_known, settings_page
from pce_pipeline.settings import VARIABLES
from pce_pipeline.variables import OF_OTHERS

ROOT = Path(pce_pipeline.__file__).parents[1]
HERE = ROOT / "pce_pipeline_tests" / "settings"
NAME = re.compile(r"PCE_[A-Z0-9_]*[A-Z0-9]")
MISTYPED = {"PCE_LAKE_UIR"}
"""What a test outside of this folder writes wrongly on purpose, to be told what was meant."""


def texts_of_python(folder: Path) -> Iterator[str]:
    """The texts in code that are a name and nothing else: other words that begin so are names of Python."""
    for module in folder.rglob("*.py"):
        if HERE not in module.parents:
            for node in ast.walk(ast.parse(module.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
                elif isinstance(node, ast.keyword) and node.arg:
                    yield node.arg


def used() -> set[str]:
    told = {text for folder in ("infra", "pce_pipeline_tests") for text in texts_of_python(ROOT / folder)}
    names = {text for text in told if NAME.fullmatch(text)}
    folders = ("infra", ".github", ".ci")
    others = [ROOT / "Makefile", *(file for folder in folders for file in (ROOT / folder).rglob("*"))]
    for file in others:
        if file.is_file() and file.suffix not in {".py", ".pyc"}:
            names |= set(re.findall(rf"(?<![\w$/-]){NAME.pattern}(?![\w*])", file.read_text("utf-8")))
    return names - {"PCE_INFRA", "PCE_ECS"} - MISTYPED


def test_every_name_that_is_used_is_known() -> None:
    assert used() - VARIABLES - set(OF_OTHERS) == set()


def test_every_name_of_others_is_used_and_is_not_a_setting() -> None:
    assert set(OF_OTHERS) - used() == set()
    assert set(OF_OTHERS) & VARIABLES == set()


def test_what_is_mistyped_on_purpose_is_no_name_at_all() -> None:
    assert MISTYPED & (VARIABLES | set(OF_OTHERS)) == set()


def test_the_committed_list_of_settings_is_the_rendered_one() -> None:
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == settings_page(), "run `make docs`"


def test_every_setting_is_described_and_secrets_are_named_as_such() -> None:
    assert [each.variable for each in settings_known() if not each.meaning] == []
    assert {each.variable for each in settings_known() if each.is_secret} == {
        "BEA_API_KEY",
        "PCE_ALERT_SLACK_URL",
        "PCE_ALERT_WEBHOOK_SECRET",
        "PCE_ALERT_WEBHOOK_URL",
        "PCE_DATABASE_URL",
        "PCE_HOOK_SECRET",
        "PCE_SIGNING_KEY",
    }


def test_the_default_of_each_environment_is_told() -> None:
    kept = next(each for each in settings_known() if each.variable == "PCE_KEEP_VERSIONS_DAYS")
    assert kept.defaults == {"local": "30", "staging": "30", "prod": "365"}
    assert kept.default == "local: `30`; staging: `30`; prod: `365`"
