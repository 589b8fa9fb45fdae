"""The house keeps its order: no import runs upwards, and only the rooms of a dataset know its name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import dagster
import pytest

from pce_pipeline_tests.datasets import EVERYTHING

PACKAGE = Path(__file__).parents[1] / "pce_pipeline"
MODULES = sorted(PACKAGE.rglob("*.py"))

FLOORS = (
    ("__init__", "decoding", "errors", "markup", "memory", "redaction", "signing", "texts", "webhook_secrets"),
    ("refusals", "variables"),
    ("addresses", "citation"),
    ("settings",),
    ("catalog",),
    ("tables",),
    ("emulator",),
    ("bea", "lake"),
    ("observability", "hooks"),
    ("local", "quality"),
    ("silver", "gold"),
    ("finding",),
    ("bronze",),
    ("bulletins", "certificates", "open_tables"),
    ("warehouse", "tracing", "reports"),
    ("contracts",),
    ("asking",),
    ("exports",),
    ("charts", "explorer"),
    ("opened_lake",),
    ("instance", "look", "shell"),
    ("automation",),
    ("definitions",),
    ("cli",),
)
"""The rooms from the bottom up: each may import those below it and what is within it, and none beside it."""

FRONT_DOOR = ("__init__.py", "opened_lake")
"""The package itself hands out `open_lake`, and imports the room that has it only when somebody asks for it."""

ROOMS_OF_DATASETS = (
    r"tables/(?:{names})\.py",
    r"gold/(?:{names})/.*",
    r"warehouse/migrations/versions/.*",
)
"""What may name a dataset or one of BEA's tables: table declarations, gold of its own, frozen migrations."""


def floor_of(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(module: Path) -> Iterator[str]:
    """The rooms that a module imports from, also where it does so late."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "pce_pipeline":
            yield from ("__init__" if name.name.startswith("__") else name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pce_pipeline."):
            yield str(node.module).split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (name.name.split(".")[1] for name in node.names if name.name.startswith("pce_pipeline."))


def test_every_room_has_its_floor() -> None:
    assert {room_of(module) for module in MODULES} == {room for rooms in FLOORS for room in rooms}


@pytest.mark.parametrize("room", [room for rooms in FLOORS for room in rooms])
def test_no_import_runs_upwards(room: str) -> None:
    own = [module for module in MODULES if room_of(module) == room]
    upwards = {
        (str(module.relative_to(PACKAGE)), other)
        for module in own
        for other in imported(module)
        if other != room
        and floor_of(other) >= floor_of(room)
        and (str(module.relative_to(PACKAGE)), other) != FRONT_DOOR
    }
    assert upwards == set()


def words_of(module: Path) -> Iterator[str]:
    """The names and texts of a module's code; docstrings and comments give examples, which may name what there is."""
    tree = ast.parse(module.read_text("utf-8"))
    docstrings = {
        id(node.value)
        for parent in ast.walk(tree)
        if isinstance(parent, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for node in parent.body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_only_the_rooms_of_a_dataset_know_its_name() -> None:
    names = "|".join(EVERYTHING.datasets)
    allowed = [re.compile(pattern.format(names=names)) for pattern in ROOMS_OF_DATASETS]
    tables = "|".join([*EVERYTHING.bea_tables, r"SA(?:AC|EXP|GDP|INC|IRPD|PCE|RPI|RPP)\d*"])
    known = re.compile(rf"(?:{names})|\b(?:{tables})\b")
    naming = {
        (where, word)
        for module in MODULES
        if not any(pattern.fullmatch(where := str(module.relative_to(PACKAGE))) for pattern in allowed)
        for word in words_of(module)
        if known.search(word)
    }
    assert naming == set()


@pytest.mark.parametrize("module", sorted(PACKAGE.rglob("errors.py")), ids=lambda path: str(path.parent.name))
def test_the_errors_of_a_room_are_drawn_as_a_tree(module: Path) -> None:
    tree = ast.parse(module.read_text("utf-8"))
    drawn = ast.get_docstring(tree) or ""
    errors = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.bases]
    assert [name for name in errors if not re.search(rf"^[ │├└─]*{name}\b", drawn, re.MULTILINE)] == []
    assert "└── " in drawn


def undescribed(module: Path) -> Iterator[str]:
    """The fields of public dataclasses that no docstring stands below."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        if not any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
            continue
        for field, below in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                described = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
                if not described and not field.target.id.startswith("_"):
                    yield f"{module.relative_to(PACKAGE)}: {node.name}.{field.target.id}"


def test_every_field_of_a_public_dataclass_is_described() -> None:
    assert [field for module in MODULES for field in undescribed(module)] == []


def test_the_private_parts_of_dagster_are_used_in_one_room() -> None:
    elsewhere = [module for module in MODULES if "dagster._" in module.read_text("utf-8")]
    assert {room_of(module) for module in elsewhere} == {"instance"}


def test_dagster_is_the_version_whose_private_parts_were_looked_at() -> None:
    """Who raises it looks at `instance/` first, and then here."""
    assert dagster.__version__ == "1.13.27"
