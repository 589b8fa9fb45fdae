"""What the shell completes, by the standard library alone: verbs, options, and names of the catalogue."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pce_pipeline.cli import completing
from pce_pipeline.cli.completing import candidates, install, script
from pce_pipeline.errors import UsageError
from pce_pipeline_tests.cli.conftest import Pce
from pce_pipeline_tests.datasets import EVERYTHING

ASKS = "import sys; from pce_pipeline.cli import main; main(sys.argv[1:])"
ASKS_AND_SAYS_WHAT_IT_LOADED = """
import sys
from pce_pipeline.cli import main
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write(" ".join(sys.modules))
"""


def words(*typed: str) -> list[str]:
    return [candidate.word for candidate in candidates(typed)]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (("qu",), ["query", "quarantine"]),
        (("show", ""), ["data", "bulletin", "quality"]),
        (("db", "st"), ["start", "stop"]),
        (("query", "--st"), ["--state"]),
        (("query", "--json", "--prof"), ["--profile"]),
        (("query", "--state", "CA"), ["CA"]),
        (("query", "--state", "CA,te"), []),
        (("query", "--state", "CA,tx"), ["CA,TX"]),
        (("query", "--state=CA,T"), ["--state=CA,TN", "--state=CA,TX"]),
        (("query", "--category", "product.health"), ["product.health_care"]),
        (("query", "--category", "product.goods,product.health"), ["product.goods,product.health_care"]),
        (("trace", "--measure", "pce_yoy"), ["pce_yoy_pct"]),
        (("query", "--measure", "regional_price_p"), ["regional_price_parity", "regional_price_parity_index"]),
        (("check", "--dataset", "pce_s"), ["pce_state"]),
        (("check", "--dataset", "pce_state", "--data"), ["--dataset"]),
        (("query", "--clock", ""), ["extract", "release", "ingest"]),
        (("query", "--source", "s"), ["sample"]),
        (("help", "vint"), ["vintage"]),
        (("help", "tra"), ["trace"]),
        (("--vers",), ["--version"]),
        (("query", "--area", "CA,tx"), ["CA,TX"]),
        (("export", "pce_state_an"), ["pce_state_annual"]),
        (("query", "--to", ""), []),
        (("no-such-verb", "x"), []),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_a_word_is_completed_by_what_may_stand_there(typed: tuple[str, ...], found: list[str]) -> None:
    assert words(*typed) == found


def test_all_names_of_the_packaged_catalogue_complete() -> None:
    datasets = EVERYTHING.datasets
    assert words("check", "--dataset", "") == list(datasets)
    categories = {category for each in datasets.values() for category in each.categories["category_id"]}
    assert set(words("query", "--category", "")) == categories
    measures = {measure for each in datasets.values() for measure in each.measures}
    assert measures <= set(words("query", "--measure", ""))
    areas = set(next(iter(datasets.values())).areas["path_segment"])
    assert set(words("query", "--state", "")) == {*areas, "states", "regions"}


def test_completion_imports_nothing_heavy() -> None:
    """Half a second of CPU is all that a press of a key may cost; what would cost it are these imports."""
    typed = ("--complete", "bash", "query", "--category", "product.health")
    done = subprocess.run(
        [sys.executable, "-c", ASKS_AND_SAYS_WHAT_IT_LOADED, *typed], check=True, capture_output=True, text=True
    )
    assert done.stdout == "product.health_care\n"
    loaded = set(done.stderr.split())
    assert loaded.isdisjoint({"polars", "dagster", "typer", "rich", "pydantic", "sqlalchemy"})


def test_completion_answers_in_half_a_second_of_cpu() -> None:
    before = os.times()
    typed = ("--complete", "bash", "query", "--category", "product.")
    subprocess.run([sys.executable, "-c", ASKS, *typed], check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used < 0.5


def test_bash_completes_what_is_typed(tmp_path: Path) -> None:
    program = tmp_path / "pce"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(ASKS)} "$@"\n')
    program.chmod(0o755)
    typed = [str(program), "query", "--state", "CA,T"]
    asks = f"{script('bash')}\nCOMP_WORDS=({shlex.join(typed)}); COMP_CWORD=3; _pce_complete\n"
    done = subprocess.run(
        ["bash", "-c", asks + 'printf "%s|" "${COMPREPLY[@]}"'], check=True, capture_output=True, text=True
    )
    assert done.stdout == "CA,TN|CA,TX|"


@pytest.mark.parametrize(("shell", "line"), [("zsh", "CA:California\n"), ("fish", "CA\tCalifornia\n")])
def test_zsh_and_fish_are_told_what_a_word_means(empty: Pce, shell: str, line: str) -> None:
    said = empty("--complete", shell, "query", "--state", "CA")
    assert (said.code, said.out) == (0, line)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_installing_twice_names_the_script_once_and_keeps_what_was_there(tmp_path: Path, shell: str) -> None:
    rc = tmp_path / f".{shell}rc"
    rc.write_text("alias ll='ls -l'")
    assert install(shell, tmp_path) == install(shell, tmp_path)
    assert rc.read_text() == f"alias ll='ls -l'\nsource ~/.config/pce/pce.{shell}\n"
    assert (tmp_path / ".config" / "pce" / f"pce.{shell}").read_text() == script(shell)


def test_fish_reads_its_script_without_being_told(tmp_path: Path) -> None:
    assert install("fish", tmp_path) == [tmp_path / ".config" / "fish" / "completions" / "pce.fish"]


def test_a_place_that_cannot_be_written_says_how_to_read_the_script(tmp_path: Path) -> None:
    (tmp_path / ".config").write_text("a file")
    with pytest.raises(UsageError) as wrong:
        install("bash", tmp_path)
    assert "--show-completion bash" in wrong.value.remedy


def test_an_unknown_shell_is_wrong_usage(empty: Pce) -> None:
    said = empty(completing.SHOW, "powershell")
    assert (said.code, said.out) == (2, "")
    assert "bash|zsh|fish" in said.err
    assert empty(completing.SHOW, "zsh").out == script("zsh")
