"""`pce` as a program of its own: what it imports, how it is interrupted, what it serves, what it never prints."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import httpx
import pytest

from pce_pipeline.automation.runs import open_instance
from pce_pipeline.settings import Settings
from pce_pipeline_tests.cli.conftest import Called, Pce

pytestmark = [pytest.mark.system]

KEY = "0123456789abcdefSECRETSECRETSECRET01"
# a test runner in the background ignores SIGINT, and so would the programs it starts
PROGRAM = "import signal; signal.signal(2, signal.default_int_handler); from pce_pipeline.cli import main; main()"


def _environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "COLUMNS": "100", "PCE_PROFILE": "smoke", **variables}


def _start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=_environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _call(*arguments: str, **variables: str) -> Called:
    process = _start(*arguments, **variables)
    out, err = process.communicate(timeout=60)
    return Called(process.returncode, out, err)


@pytest.mark.parametrize("arguments", [["--help"], ["env"], ["check"], ["dictionary"]], ids=" ".join)
def test_what_needs_no_dagster_does_not_load_it(arguments: list[str], tmp_path: Path) -> None:
    look = (
        "import atexit, sys; atexit.register(lambda: print('dagster' in sys.modules, file=sys.stderr)); "
        f"sys.argv = ['pce', *{arguments!r}]; from pce_pipeline.cli import main; main()"
    )
    called = subprocess.run(
        [sys.executable, "-c", look],
        env=_environment(PCE_HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert called.stderr.splitlines()[-1] == "False"


def test_ctrl_c_ends_a_run_with_130_and_the_next_one_goes_on(tmp_path: Path, empty: Pce) -> None:
    process = _start("extract", PCE_HOME=str(tmp_path))
    home = tmp_path / "sample-smoke" / "dagster"
    deadline = time.monotonic() + 30
    while not any(log.read_text() for log in home.rglob("*.err")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == ""
    assert "goes on" in err
    assert "Traceback" not in err
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.CANCELED]
    assert empty("extract", "--json", PCE_HOME=str(tmp_path)).document["outcome"] == "new"


def test_a_run_that_was_killed_does_not_stay_under_way(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, chosen_source="sample", profile="smoke")
    kill = (
        "import os, dagster as dg; from pce_pipeline.automation import runs; from pce_pipeline.settings import *; "
        f"settings = Settings(home={str(tmp_path)!r}, chosen_source='sample', profile='smoke')\n"
        "with runs.open_instance(settings) as instance:\n"
        "    instance.create_run_for_job(dg.job(name='j')(lambda: None),\n"
        "        tags={'.dagster/pce_process': runs._this_process()},\n"
        "        status=dg.DagsterRunStatus.STARTED)\n"
        "    os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", kill], check=False).returncode == 9
    with open_instance(settings) as instance:
        assert [run.status.value for run in instance.get_runs()] == ["FAILURE"]


def test_the_look_alike_serves_until_ctrl_c_and_the_key_is_never_shown(tmp_path: Path, empty: Pce) -> None:
    served = _start("emulate", "--port", "0", "--release", "2", "--json")
    try:
        assert served.stdout is not None
        lines = [served.stdout.readline()]
        while lines[-1] != "}\n":
            lines.append(served.stdout.readline())
        url = json.loads("".join(lines))["url"]
        assert httpx.get(f"{url}/health").json()["release"] == 2

        taken = empty("extract", "--verbose", PCE_BEA_URL=url, BEA_API_KEY=KEY)
        assert taken.code == 0, taken.err
        assert "SAMPLE" not in taken.out
        assert "step finished" in taken.err
        wrong = _call("check", "--debug", "--json", PCE_BEA_URL=url, BEA_API_KEY=KEY[:20], PCE_HOME=str(tmp_path))
        assert (wrong.code, wrong.document["error"]["type"]) == (1, "BeaKeyRejected")
        assert "Traceback" in wrong.err
        printed = [taken.out, taken.err, wrong.out, wrong.err]
        assert not [text for text in printed if KEY[:20] in text]
        assert not [file for file in tmp_path.rglob("*") if file.is_file() and KEY[:20].encode() in file.read_bytes()]
    finally:
        served.send_signal(signal.SIGINT)
        _, err = served.communicate(timeout=30)
    assert (served.returncode, err) == (0, "")


def test_psql_takes_the_place_of_pce(home: Path) -> None:
    asked = _call("db", "psql", "--", "-tAc", "SELECT count(*) FROM gold.dim_geography", PCE_HOME=str(home))
    assert (asked.code, asked.out.strip()) == (0, "60")
