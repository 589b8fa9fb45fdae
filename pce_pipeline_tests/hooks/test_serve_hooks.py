"""`pce serve-hooks` as a program: what it demands, that the documented example works on it, and how it stops."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

import pce_pipeline
from pce_pipeline.hooks.endpoint import PATH
from pce_pipeline.hooks.serve import HooksNotServed, listen
from pce_pipeline_tests.cli.conftest import call
from pce_pipeline_tests.hooks.conftest import SECRET

DOCUMENT = Path(pce_pipeline.__file__).parents[1] / "docs" / "push.md"


def _document_of(stream: IO[str]) -> dict[str, Any]:
    lines = [stream.readline()]
    while lines[-1] not in {"}\n", ""}:
        lines.append(stream.readline())
    found: dict[str, Any] = json.loads("".join(lines))
    return found


@pytest.mark.parametrize(
    ("secret", "said"),
    [("", "PCE_HOOK_SECRET is not set"), ("whsec_SECRET*", "secret 1"), (f"{SECRET} whsec_SECRET", "secret 2")],
)
def test_without_a_secret_it_says_how_to_make_one(tmp_path: Path, secret: str, said: str) -> None:
    called = call("serve-hooks", "--port", "0", PCE_HOME=str(tmp_path), PCE_HOOK_SECRET=secret)
    assert (called.code, called.out) == (2, "")
    assert said in called.err
    assert "SECRET*" not in called.err
    assert SECRET[6:] not in called.err
    (made,) = re.findall(r'python -c "(.*?)"\.?$', called.err, flags=re.MULTILINE)
    made_secret = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", made_secret)


def test_a_port_that_is_taken_is_told_so() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(HooksNotServed, match=r"Choose another --port"):
        listen("127.0.0.1", taken.getsockname()[1])


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="the example calls curl and openssl")
def test_the_documented_example_is_accepted_and_sigterm_ends_it_in_order(tmp_path: Path) -> None:
    (example,) = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text("utf-8"), flags=re.DOTALL)
    without_id = re.sub(r"^id=.*$", "id=", example, flags=re.MULTILINE)
    here = {"PCE_HOME": str(tmp_path), "PCE_PROFILE": "smoke"}
    program = [
        sys.executable,
        "-c",
        "from pce_pipeline.cli import main; main()",
        "serve-hooks",
        "--port",
        "0",
        "--json",
    ]
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    served = subprocess.Popen(
        program,
        env={**path, **here, "PCE_HOOK_SECRET": f"{SECRET} whsec_{'A' * 43}="},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert served.stdout is not None
        url = _document_of(served.stdout)["url"]
        answers = [
            subprocess.run(
                ["sh", "-eu", "-c", script],
                env={**path, "url": url, "PCE_HOOK_SECRET": SECRET},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for script in (example, without_id)
        ]
        assert [json.loads(answer)["status"] for answer in answers] == ["accepted"] * 2
        assert httpx.post(f"{url}{PATH}", content=b"{}").status_code == 401
    finally:
        served.send_signal(signal.SIGTERM)
        out, err = served.communicate(timeout=30)
    assert (served.returncode, out) == (0, "")
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in lines] == ["event accepted", "event accepted", "event refused"]
    names = [json.loads(answer)["event"] for answer in answers]
    assert [line.get("name") for line in lines] == [*names, None]
    assert names[1].startswith("sha256:")
    assert SECRET[6:] not in err

    events = list((tmp_path / "sample-smoke" / "lake").rglob("webhook_events/*.json"))
    assert {json.loads(event.read_bytes())["payload"][:22] for event in events} == {'{"type":"bea.release",'}
    shown = call("status", "--json", **here).document
    assert shown["unanswered_event"]["name"] in names
    assert "no comparison since" in call("status", **here).out
