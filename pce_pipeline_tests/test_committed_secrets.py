"""Secrets in files and commits are found and never repeated; nothing here is one."""

import subprocess
from pathlib import Path

import pytest

from pce_pipeline_tests.committed_secrets import ROOT, in_commits, in_files, lines_of, secrets_in

# put together here, or this file would hold what it looks for
PLANTED = {
    "a key of BEA's API": "BEA_API_KEY=" + "7C31E6A2-94BD" + "-4F0E-8D15-6B2F9A40C7E3",
    "private key": "-----BEGIN EC PRIVATE " + "KEY----- " + "MHcCAQEEIBb7" * 5,
    "password in an address": "postgresql://pce:" + "gT7-kk2_Zq@db.example/pce",
    "AWS Access Key": "AKIA" + "Q3EGRT7ZK2WXNB4M",
    "GitHub Token": "ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8",
    "Slack Token": "https://hooks.slack.com/services/" + "T0AB1CD2E/B0FG3HI4J/" + "kL5mN6oP7qR8sT9uV0wX1yZ2",
    "JSON Web Token": ".".join(["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "c2lnbmF0dXJlLW9mLWl0"]),
}


@pytest.mark.parametrize(("kind", "text"), PLANTED.items(), ids=PLANTED)
def test_each_kind_of_secret_is_found_with_its_line(kind: str, text: str) -> None:
    (found,) = secrets_in(f"# one\n\nvalue: {text}\n", "a/file")
    assert (found.place, found.kind, found.line) == ("a/file", kind, 3)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://pce_loader@db.example/pce?sslmode=verify-full",
        "postgresql://user:{password}@host/db",
        "postgresql://user:${PASSWORD}@host/db",
        "-----BEGIN PRIVATE KEY-----",
        "sha256:" + "ab" * 32,
    ],
)
def test_what_only_names_a_secret_is_none(text: str) -> None:
    assert secrets_in(text, "a/file") == []


def test_a_secret_that_a_later_commit_took_away_is_found_and_not_repeated(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--quiet")
    secret = PLANTED["a key of BEA's API"]
    for text in (secret, "nothing"):
        (tmp_path / "notes.txt").write_text(text)
        git("add", "notes.txt")
        git("commit", "--quiet", "--message", "note")
    assert in_files(tmp_path) == []
    (found,) = in_commits(tmp_path)
    assert found.kind == "a key of BEA's API"
    assert secret.partition("=")[2] not in "".join(lines_of([found]))
    (tmp_path / "new.txt").write_text(secret)
    assert [each.place for each in in_files(tmp_path)] == ["new.txt"], "also what is not committed yet"


def test_no_file_here_holds_a_secret() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    assert lines_of(in_files(ROOT)) == []
