"""What a call was given wrongly, and what the machine refuses: a sentence with the place and what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pce_pipeline.cli import commands
from pce_pipeline_tests.cli.conftest import Pce

PROGRAM = [str(Path(sys.executable).parent / "pce")]


def options_with_a_value() -> list[tuple[str, str]]:
    """Verb and option of all that take one; of the options that all verbs have, for one verb alone."""
    own = [(verb.name, option.name) for verb in commands.verbs() for option in verb.options if option.takes]
    return [*own, *(("status", option.name) for option in commands.common_options() if option.takes)]


@pytest.mark.parametrize("blank", ["", " ", ","])
def test_no_option_of_any_verb_takes_a_blank_for_a_value(empty: Pce, tmp_path: Path, blank: str) -> None:
    asked = options_with_a_value()
    assert len(asked) > 80
    for verb, option in asked:
        said = empty(*verb.split(), option, blank)
        assert (said.code, said.out) == (2, ""), (verb, option)
        assert "is given without a value" in said.err, (verb, option)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("find", ""), ("pin", " "), ("help", ""), ("diff", "", "2020-01-01")])
def test_no_argument_is_taken_for_one_where_nothing_is_in_it(empty: Pce, arguments: tuple[str, ...]) -> None:
    said = empty(*arguments)
    assert said.code == 2
    assert "is given without a value" in said.err


def test_a_mistyped_setting_is_refused_before_anything_is_made(empty: Pce, tmp_path: Path) -> None:
    said = empty("run", PCE_LAKE_UIR="s3://bucket", PCE_LOG_LEVEL="loud")
    assert (said.code, said.out) == (2, "")
    assert "did you mean PCE_LAKE_URI" in said.err
    assert "PCE_LOG_LEVEL" in said.err
    assert list(tmp_path.iterdir()) == []


def test_settings_are_listed_although_those_that_are_set_do_not_hold(empty: Pce) -> None:
    said = empty("env", "--settings", "--json", PCE_LOG_LEVEL="loud")
    assert said.code == 0
    assert {"PCE_ENV", "BEA_API_KEY"} <= {each["variable"] for each in said.document["settings"]}


def test_env_makes_every_path_absolute(empty: Pce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "catalog").mkdir()
    told = empty("env", "--json", PCE_HOME="worlds", PCE_LAKE_URI="lake", PCE_CATALOG="catalog").document
    assert {told["PCE_HOME"], told["PCE_LAKE_URI"], told["PCE_CATALOG"]} == {
        str(tmp_path / name) for name in ("worlds", "lake", "catalog")
    }
    assert told["DAGSTER_HOME"].startswith(str(tmp_path / "worlds"))


@pytest.mark.parametrize("verb", [("run",), ("env",), ("sample", "release", "3"), ("extract",)])
@pytest.mark.parametrize("kind", ["file", "dead link", "long name"])
def test_a_home_that_cannot_be_one_is_named_with_what_to_do(
    empty: Pce, tmp_path: Path, verb: tuple[str, ...], kind: str
) -> None:
    home = tmp_path / ("x" * 300 if kind == "long name" else "home")
    if kind == "file":
        home.touch()
    elif kind == "dead link":
        home.symlink_to(tmp_path / "nowhere")
    said = empty(*verb, PCE_HOME=str(home))
    assert said.code == 1
    assert str(home) in said.err
    assert "PCE_HOME" in said.err
    assert "bug" not in said.err


def test_a_lake_below_a_file_is_named_with_what_to_do(empty: Pce, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = empty("extract", "--json", PCE_LAKE_URI=str(tmp_path / "file" / "lake"))
    assert said.code == 1
    error = said.document["error"]
    assert (error["type"], str(tmp_path / "file" / "lake") in error["message"]) == ("LakeDirectoryRefused", True)


@pytest.mark.system
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("status",), ("status", "--json")])
def test_a_full_stdout_is_told_on_stderr(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*PROGRAM, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PCE_HOME": str(tmp_path)},
            check=False,
        )
    assert ended.returncode == 1
    assert "Standard output cannot be used: no space is left on its disk." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


@pytest.mark.system
def test_a_limit_on_the_size_of_files_is_told_with_the_place(tmp_path: Path) -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -f 20; exec "$@"', "sh", *PROGRAM, "run"],
        capture_output=True,
        text=True,
        env={**os.environ, "PCE_HOME": str(tmp_path), "PCE_PROFILE": "smoke"},
        check=False,
    )
    assert ended.returncode == 1
    assert str(tmp_path) in ended.stderr
    assert "bug" not in ended.stderr
