"""Which commit an environment may run: staging the one that was asked for, prod what staging has proven or a release.

Proof is a green job of ingest.yml whose last step says that the whole pipeline ran; the job's name says where and at
which commit. Read from GitHub's API with the standard library alone, because nothing is installed before it is known
what to install.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from infra.provisioning.errors import ProvisioningError, UsageRefused

WORKFLOW = "ingest.yml"
WHOLE = "Say that the whole pipeline ran"
"""The step of ingest.yml that runs where all of it ran, on everything, and nothing went wrong."""

RELEASE_TAG = re.compile(r"v\d+\.\d+\.\d+")

_JOB = re.compile(r"ingest (\w+) at ([0-9a-f]{40})")
_LOOK_BACK = 50
_TIMEOUT_SECONDS = 30.0


class Unproven(ProvisioningError):
    """Prod may not run `commit`: staging has not run it to a good end, and nobody has released it."""

    def __init__(self, commit: str) -> None:
        super().__init__(
            f"prod does not run {commit}: no green run of staging at this commit, and no release of it.",
            remedy="Run staging first: gh workflow run ingest.yml -f environment=staging. Or run a release: "
            "gh workflow run ingest.yml --ref v1.2.3 -f environment=prod.",
        )
        self.commit = commit


class GitHubUnanswered(ProvisioningError):
    """GitHub's API did not say what was asked; `path` is what, `reason` why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"GitHub did not answer {path}: {reason}.",
            remedy="Run the workflow again; the job needs the permissions actions: read and contents: read.",
        )
        self.path = path
        self.reason = reason


@dataclass(frozen=True)
class Proof:
    """A commit that prod may run."""

    commit: str
    """Forty hexadecimal digits."""
    because: str
    """Why, as a sentence for people."""
    since: str
    """Since when it is so, as GitHub writes moments (2026-11-28T08:00:00Z)."""


@dataclass(frozen=True)
class Ran:
    """A job of ingest.yml that ran the whole pipeline to a good end."""

    environment: str
    """staging or prod."""
    commit: str
    """What it ran; not always what the run was started from."""
    link: str
    """Where to look at it."""
    ended: str
    """When, as GitHub writes moments."""


@dataclass(frozen=True)
class GitHub:
    """One repository at GitHub's API."""

    url: str
    """The API's address, GITHUB_API_URL."""
    repository: str
    """owner/name."""
    token: str
    """The job's own token."""

    def ask(self, path: str) -> dict[str, Any] | None:
        """The answer to GET below the repository, None where there is none (404). Raises `GitHubUnanswered`."""
        asked = Request(  # noqa: S310 (the runner's own address of the API)
            f"{self.url}/repos/{self.repository}/{path}".removesuffix("/"),
            headers={"Authorization": f"Bearer {self.token}", "Accept": "application/vnd.github+json"},
        )
        try:
            with urlopen(asked, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 (as above)
                said: dict[str, Any] = json.load(answer)
                return said
        except HTTPError as refused:
            if refused.code == 404:  # noqa: PLR2004 (not found)
                return None
            raise GitHubUnanswered(path, f"status {refused.code}") from None
        except (URLError, OSError, ValueError) as failed:
            raise GitHubUnanswered(path, str(getattr(failed, "reason", failed))) from None

    def default_branch(self) -> str:
        """The branch whose commits prod may run without being a release."""
        return str((self.ask("") or {}).get("default_branch", "main"))

    def ran(self, environment: str, *, branch: str | None = None) -> Iterator[Ran]:
        """The good ends of an environment, newest first, as far back as a few dozen runs of the workflow."""
        narrowed = f"&branch={quote(branch)}" if branch else ""
        runs = self.ask(f"actions/workflows/{WORKFLOW}/runs?status=success&per_page={_LOOK_BACK}{narrowed}") or {}
        for run in runs.get("workflow_runs", ()):
            jobs = self.ask(f"actions/runs/{run['id']}/jobs?per_page=100") or {}
            for job in jobs.get("jobs", ()):
                found = _JOB.fullmatch(str(job["name"]))
                if found is not None and found[1] == environment and _is_whole(job):
                    yield Ran(environment, found[2], str(run["html_url"]), str(job["completed_at"]))

    def newest_release(self) -> Proof | None:
        """The newest release, if there is any."""
        return self._release(self.ask("releases/latest"))

    def release(self, tag: str) -> Proof | None:
        """The published release of a tag; None for a tag that nobody made a release of."""
        return self._release(self.ask(f"releases/tags/{quote(tag)}")) if RELEASE_TAG.fullmatch(tag) else None

    def _release(self, said: Mapping[str, Any] | None) -> Proof | None:
        if said is None or said["draft"] or said["prerelease"] or not RELEASE_TAG.fullmatch(said["tag_name"]):
            return None
        commit = self.ask(f"commits/{quote(said['tag_name'])}")
        return (
            None if commit is None else Proof(commit["sha"], f"it is release {said['tag_name']}", said["published_at"])
        )


def _is_whole(job: Mapping[str, Any]) -> bool:
    steps = {step["name"]: step["conclusion"] for step in job.get("steps", ())}
    return job["conclusion"] == "success" and steps.get(WHOLE) == "success"


def for_prod(github: GitHub, commit: str, tag: str | None, *, is_scheduled: bool) -> Proof:
    """What prod may run, where `commit` was asked for, at `tag` if it was a tag.

    On schedule nobody waits for an answer: where the newest commit is unproven, prod goes on with what is proven last,
    so that data comes although staging is red. Raises `Unproven` where there is nothing to run.
    """
    if tag is not None and (release := github.release(tag)) is not None and release.commit == commit:
        return release
    proven = [_proof(each) for each in github.ran("staging", branch=github.default_branch())]
    if found := next((each for each in proven if each.commit == commit), None):
        return found
    released = github.newest_release()
    if released is not None and released.commit == commit:
        return released
    earlier = [each for each in (*proven, released) if each is not None]
    if not is_scheduled or not earlier:
        raise Unproven(commit)
    newest = max(earlier, key=lambda each: each.since)
    return Proof(
        newest.commit, f"{commit} is unproven, and this is what is proven last: {newest.because}", newest.since
    )


def _proof(ran: Ran) -> Proof:
    return Proof(ran.commit, f"staging ran it to a good end ({ran.link})", ran.ended)


def chosen(environment: str, variables: Mapping[str, str]) -> dict[str, str]:
    """What the next jobs are told: the commit, why, and whether the environment has never run it to its end."""
    github = GitHub(variables["GITHUB_API_URL"], variables["GITHUB_REPOSITORY"], variables["GITHUB_TOKEN"])
    commit, because = variables["GITHUB_SHA"], "it is what was asked for"
    if environment == "prod":
        tag = variables["GITHUB_REF_NAME"] if variables["GITHUB_REF_TYPE"] == "tag" else None
        proof = for_prod(github, commit, tag, is_scheduled=variables["GITHUB_EVENT_NAME"] == "schedule")
        commit, because = proof.commit, proof.because
    is_new = all(each.commit != commit for each in github.ran(environment))
    return {"commit": commit, "because": because, "is_new": str(is_new).lower()}


def main(arguments: Sequence[str] | None = None, variables: Mapping[str, str] | None = None) -> int:
    """Print what is chosen as NAME=value lines; 1 where prod has nothing to run, 2 for wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given not in (["staging"], ["prod"]):
            raise UsageRefused("Name the environment.", remedy="python3 infra/which_commit.py staging, or prod")
        said = chosen(given[0], os.environ if variables is None else variables)
    except ProvisioningError as error:
        sys.stderr.write(f"::error::{error} {error.remedy}\n")
        return error.exit_code
    sys.stdout.writelines(f"{name}={value}\n" for name, value in said.items())
    return 0
