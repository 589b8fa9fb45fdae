"""The documents say only what is true: generated ones are fresh, versions agree, named files and verbs exist."""

import json
import re
from pathlib import Path

import pytest

import pce_pipeline
from pce_pipeline.cli import commands, contracts, dictionary
from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.settings import Settings
from pce_pipeline_tests.datasets import EVERYTHING

ROOT = Path(pce_pipeline.__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_committed_data_dictionary_is_the_rendered_one() -> None:
    assert (ROOT / "docs" / "data-dictionary.md").read_text("utf-8") == dictionary.markdown(EVERYTHING.tables)


def test_the_committed_contracts_are_the_rendered_ones() -> None:
    rendered = contracts.markdown(Contracts(EVERYTHING))
    assert (ROOT / "docs" / "contracts.md").read_text("utf-8") == rendered, "run `make docs`"


def test_the_committed_list_of_commands_is_the_rendered_one() -> None:
    rendered = commands.markdown(commands.verbs(), commands.common_options())
    assert (ROOT / "docs" / "commands.md").read_text("utf-8") == rendered, "run `make docs`"


def test_the_committed_verbs_for_completion_are_those_of_the_map() -> None:
    kept = json.loads((ROOT / "pce_pipeline" / "cli" / "verbs.json").read_text("utf-8"))
    assert kept == json.loads(json.dumps(commands.document(EVERYTHING), default=vars)), "run `make docs`"


def test_the_changelog_has_an_entry_for_this_version() -> None:
    assert f"## [{pce_pipeline.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_every_step_of_a_workflow_that_the_runbook_names_is_one() -> None:
    told = set(re.findall(r'step "([^"]+)"', (ROOT / "docs" / "operability.md").read_text("utf-8")))
    workflows = [each.read_text("utf-8") for each in (ROOT / ".github" / "workflows").glob("*.yml")]
    steps = {name for text in workflows for name in re.findall(r"^ +name: (.+)$", text, flags=re.MULTILINE)}
    assert told
    assert told - steps == set()


def test_every_setting_of_the_example_file_is_one_that_is_read() -> None:
    documented = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text("utf-8"), flags=re.MULTILINE))
    fields = Settings.model_fields
    read = {str(field.validation_alias or f"PCE_{name.upper()}") for name, field in fields.items()}
    assert documented == read
