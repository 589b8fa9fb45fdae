"""`pce look` as people call it: it copies the page of what is held, and says what is wrong in a sentence."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from pce_pipeline_tests.cli.conftest import Pce


def test_the_page_of_what_is_held_is_built_into_a_folder(pce: Pce, tmp_path: Path) -> None:
    built = pce("look", "build", "--to", str(tmp_path / "site"), "--json")
    assert built.code == 0, built.err
    index = json.loads((tmp_path / "site" / "data" / built.document["version"] / "index.json").read_text("utf-8"))
    assert (index["is_sample"], index["version"]) == (True, built.document["version"])
    assert (tmp_path / "site" / "index.html").exists()


def test_without_a_place_it_is_wrong_usage_with_an_example(pce: Pce) -> None:
    for verb in ("build", "publish"):
        called = pce("look", verb)
        assert called.code == 2
        assert f"pce look {verb} --to" in called.err


def test_a_place_that_cannot_be_is_wrong_usage(pce: Pce) -> None:
    assert pce("look", "publish", "--to", "ftp://example.org/page").code == 2
    assert pce("look", "build", "--to", "s3://bucket/page").code == 2


def test_where_nothing_is_held_it_says_what_makes_it(empty: Pce) -> None:
    for call in (("look", "--no-open"), ("look", "build", "--to", "site")):
        called = empty(*call)
        assert called.code == 1
        assert "nothing to show yet" in called.err
        assert "pce run" in called.err


def test_the_served_page_ends_clean_at_ctrl_c(home: Path) -> None:
    # a test runner in the background ignores SIGINT, and so would the programs it starts
    program = "import signal; signal.signal(2, signal.default_int_handler); from pce_pipeline.cli import main; main()"
    command = [sys.executable, "-c", program, "look", "--no-open", "--port", "0", "--json"]
    environment = {"PCE_HOME": str(home), "PCE_PROFILE": "smoke", "PATH": "/usr/bin:/bin", "HOME": str(home)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            said += running.stdout.readline()
        url = json.loads(said)["url"]
        assert url.startswith("http://127.0.0.1:")
        # the socket listens already, so the answer comes when the server is up
        assert httpx.get(url, trust_env=False, timeout=20).status_code == 200
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=20)
    assert (running.returncode, err) == (0, "")
