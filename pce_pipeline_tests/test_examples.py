"""The examples in docstrings run and say what they show, and the types that a newcomer meets first have one."""

import doctest
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from pce_pipeline.bronze.feeds import Feed
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.lake.publication import TableStore
from pce_pipeline.quality.rules import Rule
from pce_pipeline.tables.lineage import Derivation
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table

PACKAGE = Path(__file__).parents[1] / "pce_pipeline"
WITH_EXAMPLES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text("utf-8")]


def module_of(path: Path) -> ModuleType:
    return import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_examples_of_a_module_run_and_say_what_they_show(path: Path) -> None:
    tried = doctest.testmod(module_of(path), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried.attempted > 0
    assert tried.failed == 0


@pytest.mark.parametrize("met_first", [Dataset, Table, Registry, Derivation, Rule, TableStore, Feed])
def test_the_types_that_a_newcomer_meets_first_have_an_example(met_first: type) -> None:
    assert ">>> " in (met_first.__doc__ or "")
