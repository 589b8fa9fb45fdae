"""Which commit prod runs, as GitHub's API says what staging ran: on a loopback server that answers as it does."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from infra.provisioning import proof
from infra.provisioning.proof import GitHub, GitHubUnanswered, Unproven, chosen, for_prod, main

HEAD, EARLIER, OLDEST = ("a" * 40, "b" * 40, "c" * 40)


@dataclass
class Repository:
    """What GitHub knows: runs, newest first, as (job, commit, conclusion, whole, branch, moment), and releases."""

    runs: list[tuple[str, str, str, str, str, str]] = field(default_factory=list)
    releases: dict[str, tuple[str, str]] = field(default_factory=dict)
    status: int = 200

    def answer(self, path: str, asked: dict[str, list[str]]) -> Any:
        match path.strip("/").split("/")[3:]:
            case []:
                return {"default_branch": "main"}
            case ["actions", "workflows", "ingest.yml", "runs"]:
                branch = asked.get("branch", [None])[0]
                return {
                    "workflow_runs": [
                        {"id": number, "html_url": f"https://github.example/runs/{number}"}
                        for number, run in enumerate(self.runs)
                        if branch in (None, run[4])
                    ]
                }
            case ["actions", "runs", number, "jobs"]:
                job, commit, conclusion, whole, _, moment = self.runs[int(number)]
                steps = [{"name": proof.WHOLE, "conclusion": whole}]
                name = f"ingest {job} at {commit}"
                return {
                    "jobs": [{"name": name, "conclusion": conclusion, "completed_at": moment, "steps": steps}],
                }
            case ["releases", "latest"]:
                return self._release(next(iter(self.releases), ""))
            case ["releases", "tags", tag]:
                return self._release(tag)
            case ["commits", tag]:
                return {"sha": self.releases[tag][0]} if tag in self.releases else None
        raise NotImplementedError(path)

    def _release(self, tag: str) -> Any:
        if tag not in self.releases:
            return None
        return {"tag_name": tag, "draft": False, "prerelease": False, "published_at": self.releases[tag][1]}


@pytest.fixture
def repository() -> Repository:
    return Repository()


@pytest.fixture
def github(repository: Repository) -> Iterator[GitHub]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers["Authorization"] == "Bearer t"
            parts = urlsplit(self.path)
            said = repository.answer(parts.path, parse_qs(parts.query))
            self.send_response(repository.status if said is not None else 404)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield GitHub(f"http://127.0.0.1:{server.server_port}", "octo/pce", "t")
    finally:
        server.shutdown()
        server.server_close()


def staged(commit: str, **but: str) -> tuple[str, str, str, str, str, str]:
    """A run of staging that proves a commit, except for what differs."""
    run = {
        "job": "staging",
        "conclusion": "success",
        "whole": "success",
        "branch": "main",
        "at": "2026-11-27T14:40:00Z",
    }
    job, conclusion, whole, branch, at = (run | but).values()
    return (job, commit, conclusion, whole, branch, at)


def test_prod_runs_what_staging_ran_to_a_good_end(github: GitHub, repository: Repository) -> None:
    repository.runs = [staged(HEAD)]
    found = for_prod(github, HEAD, None, is_scheduled=False)
    assert found.commit == HEAD
    assert "https://github.example/runs/0" in found.because


@pytest.mark.parametrize(
    "but",
    [
        {"conclusion": "failure"},
        {"whole": "skipped"},
        {"whole": "failure"},
        {"job": "prod"},
        {"branch": "somebodys"},
    ],
    ids=["red", "dry or of the smoke profile", "not told", "of prod itself", "of a branch"],
)
def test_what_is_no_proof_lets_prod_run_nothing(but: dict[str, str], github: GitHub, repository: Repository) -> None:
    repository.runs = [staged(HEAD, **but)]
    for is_scheduled in (False, True):
        with pytest.raises(Unproven) as refused:
            for_prod(github, HEAD, None, is_scheduled=is_scheduled)
        assert refused.value.commit == HEAD


def test_on_schedule_prod_goes_on_with_what_is_proven_last(github: GitHub, repository: Repository) -> None:
    repository.runs = [staged(HEAD, conclusion="failure"), staged(EARLIER), staged(OLDEST, at="2026-11-20T14:40:00Z")]
    found = for_prod(github, HEAD, None, is_scheduled=True)
    assert found.commit == EARLIER
    assert HEAD in found.because
    with pytest.raises(Unproven):
        for_prod(github, HEAD, None, is_scheduled=False)
    repository.releases = {"v1.2.0": (OLDEST, "2026-11-28T00:00:00Z")}
    assert for_prod(github, HEAD, None, is_scheduled=True).commit == OLDEST, "a release that is newer than the proof"


def test_a_published_release_needs_no_other_proof_and_a_mere_tag_is_none(
    github: GitHub, repository: Repository
) -> None:
    repository.releases = {"v1.2.0": (HEAD, "2026-11-28T00:00:00Z")}
    assert "release v1.2.0" in for_prod(github, HEAD, "v1.2.0", is_scheduled=False).because
    assert for_prod(github, HEAD, None, is_scheduled=False).commit == HEAD
    with pytest.raises(Unproven):
        for_prod(github, EARLIER, "v1.2.0", is_scheduled=False)
    for tag in ("v1.3.0", "nightly", "v1.2.0-rc1"):
        with pytest.raises(Unproven):
            for_prod(github, EARLIER, tag, is_scheduled=False)


def variables(github: GitHub, **but: str) -> dict[str, str]:
    return {
        "GITHUB_API_URL": github.url,
        "GITHUB_REPOSITORY": github.repository,
        "GITHUB_TOKEN": github.token,
        "GITHUB_SHA": HEAD,
        "GITHUB_REF_TYPE": "branch",
        "GITHUB_REF_NAME": "main",
        "GITHUB_EVENT_NAME": "schedule",
        **but,
    }


def test_staging_runs_what_was_asked_for_and_migrates_at_a_new_commit(github: GitHub, repository: Repository) -> None:
    assert chosen("staging", variables(github))["is_new"] == "true"
    repository.runs = [staged(HEAD, branch="somebodys")]
    said = chosen("staging", variables(github))
    assert (said["commit"], said["is_new"]) == (HEAD, "false")


def test_what_is_printed_are_lines_for_the_next_jobs(
    github: GitHub, repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.runs = [staged(HEAD), staged(HEAD, job="prod")]
    assert main(["prod"], variables(github)) == 0
    lines = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert (lines["commit"], lines["is_new"]) == (HEAD, "false")
    repository.runs = []
    assert main(["prod"], variables(github)) == 1
    assert "::error::prod does not run" in capsys.readouterr().err
    assert main(["qa"], variables(github)) == 2


def test_an_answer_that_is_none_is_never_taken_for_no_proof(github: GitHub, repository: Repository) -> None:
    repository.status = 503
    with pytest.raises(GitHubUnanswered, match="status 503"):
        for_prod(github, HEAD, None, is_scheduled=True)
    with pytest.raises(GitHubUnanswered):
        GitHub("http://127.0.0.1:9", "octo/pce", "t").default_branch()
