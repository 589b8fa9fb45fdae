"""The locks: each says every file by hash, follows from pyproject.toml, and is all that an installation needs."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pce_pipeline_tests import locks
from pce_pipeline_tests.installed import closure
from pce_pipeline_tests.locks import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NAMES = ["requirements.txt", "requirements-dev.txt", "requirements-uv.txt"]


def locked(name: str) -> dict[tuple[str, str], set[str]]:
    """What a lock says: the hashes of each requirement, by its name and whole line."""
    text = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if re.match(r"\w", line)]
    found: dict[tuple[str, str], set[str]] = {}
    for words in lines:
        hashes = {word for word in words if word.startswith("--hash=sha256:")}
        line = " ".join(word for word in words if word not in hashes)
        found[canonicalize_name(Requirement(line).name), line] = hashes
    return found


@pytest.mark.parametrize(("name", "text"), locks.inputs(PYPROJECT).items())
def test_what_a_lock_is_made_from_is_what_pyproject_names(name: str, text: str) -> None:
    assert (ROOT / name).read_text("utf-8") == text, "run `make lock`"


@pytest.mark.parametrize("name", NAMES)
def test_every_pin_is_exact_and_has_hashes(name: str) -> None:
    found = locked(name)
    assert found
    assert [line for _, line in found if not re.fullmatch(r"==[\w.+!]+", str(Requirement(line).specifier))] == []
    assert [line for (_, line), hashes in found.items() if not hashes] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_names_no_registry(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert not re.search(r"//|index-url|find-links|trusted-host|file:", text)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_lines_say_the_command_that_the_updater_repeats(name: str) -> None:
    said = (ROOT / name).read_text("utf-8").splitlines()[1]
    options = "uv pip compile --universal --python-version 3.11 --no-strip-extras --generate-hashes"
    assert said == f"#    {options} --output-file {name} {name.removesuffix('.txt')}.in"
    assert PYPROJECT["project"]["requires-python"] == ">=3.11"


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_has_everything_that_it_is_made_from(name: str) -> None:
    lines = (ROOT / f"{name.removesuffix('.txt')}.in").read_text("utf-8").splitlines()
    asked = [Requirement(line) for line in lines if not line.startswith(("#", "-"))]
    pins = {key: {Requirement(line).specifier for one, line in locked(name) if one == key} for key, _ in locked(name)}
    lacking = [each for each in asked if canonicalize_name(each.name) not in pins]
    assert lacking == [], "run `make lock`"
    for each in asked:
        for pin in pins[canonicalize_name(each.name)]:
            assert each.specifier.contains(str(pin).removeprefix("==")), "run `make lock`"


def test_the_tools_change_no_version_and_no_hash_of_what_runs() -> None:
    run, dev = locked("requirements.txt"), locked("requirements-dev.txt")
    assert {key: hashes for key, hashes in run.items() if dev.get(key) != hashes} == {}


def test_an_installation_without_dependencies_lacks_nothing() -> None:
    """What is installed here says what it needs; no dependency of the package is fetched, so all is in the lock."""
    here = {each for each, line in locked("requirements.txt") if _applies(line)}
    needed = {canonicalize_name(each.name) for each in closure("pce_pipeline[ask]")} - {"pce-pipeline"}
    assert needed - here == set()
    assert "setuptools" in here, "which builds the package where nothing else is fetched"


def _applies(line: str) -> bool:
    marker = Requirement(line).marker
    return marker is None or marker.evaluate()
