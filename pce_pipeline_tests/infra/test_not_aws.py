"""Something else answers in AWS's place: each program ends in words and with an exit code, whatever it is told."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = {
    "provision_aws.py": ("--env", "staging", "--plan"),
    "database_door.py": ("sweep", "--group", "sg-1"),
    "run_task.py": ("true",),
    "restore_object.py": ("--env", "staging", "staging/bronze/bea/pce_state/2026-02-23/manifest.json"),
}
ANSWERS = {
    "a web page": b"<html><body>Welcome to the hotel's network</body></html>",
    "another service's JSON": b'["ok"]',
    "noise": bytes(range(128, 192)),
    "nothing": b"",
}
TASKS = {
    "PCE_ECS_CLUSTER": "c",
    "PCE_ECS_TASK_DEFINITION": "d",
    "PCE_ECS_SUBNETS": "subnet-a",
    "PCE_ECS_SECURITY_GROUP": "sg-1",
    "PCE_ECS_LOG_GROUP": "/g",
}

pytestmark = pytest.mark.system


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 (the names of http.server)

        def log_message(self, *_):
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_program_that_meets_something_else_than_aws_says_so(program, answer, tmp_path):
    with answering(ANSWERS[answer]) as url:
        told = subprocess.run(
            [sys.executable, ROOT / "infra" / program, *PROGRAMS[program]],
            env={
                "PATH": os.environ["PATH"],
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "very-secret-key",
                "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": url,
                **TASKS,
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert told.returncode in (1, 2)
    assert len(told.stderr.strip().splitlines()) >= 2, "what happened and what to do"
    assert "Traceback" not in told.stderr
    assert "very-secret-key" not in told.stdout + told.stderr
