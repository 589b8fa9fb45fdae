"""Secrets that somebody committed: in the files as they are, and in whatever any commit ever added.

`make secrets` runs it. The shapes of services' tokens are detect-secrets'; two are our own: BEA's key, which is a plain
UUID, and private keys with their body. What looks like one and is none is listed below with its reason.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector

ROOT = Path(__file__).parents[1]

_UUID = re.compile(r"(?<![0-9A-Za-z-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9A-Za-z-])", re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+(?:[\w-]+: [^\n]*\n)*([A-Za-z0-9+/=]{40,})")

_NOT_USED = {
    "KeywordDetector",  # takes every variable called password for one, of which tests have dozens
    "IPPublicDetector",  # an address is no secret
    "PrivateKeyDetector",  # finds a header without a body; ours asks for both
    "BasicAuthDetector",  # takes a password that is a placeholder for one; ours passes over those
}
_PASSWORD_IN_URL = re.compile(r"://[^\s:/@'\"{}]+:([^\s:/@'\"{}$<>]{8,})@")

KNOWN = {
    "0a1b2c3d-0000-4000-8000-00000000abcd": "a key of the look-alike",
    "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f": "a key of the look-alike",
    "0a1b2c3d-4e5f-6789-abcd-ef0123456789": "a key of the look-alike",
    "12345678-aaaa-bbbb-cccc-1234567890ab": "a key of the look-alike",
    "5ec2e7a0-1b2c-4d3e-8f90-a1b2c3d4e5f6": "a key of the look-alike",
    "e0d1c2b3-0000-4000-8000-00000000abcd": "a key of the look-alike",
    "3e22ddbf-4024-5c24-a7d3-823401cdebbd": "the id of a page in a feed",
    "4940d45d-e9db-566d-95a9-b8c797dc1f2f": "the id of a page in a feed",
    "5f0c9d5e-0000-4000-8000-000000000001": "the id of a run",
    "3f2b7a52-0d30-4f0e-8c1e-0f5f3f0f2a11": "the id of a run",
    "6e8bc430-9c3a-11d9-9669-0800200c9a66": "the example of RFC 4122",
    "MC4CAQAwBQYDK2VuBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f": "a key of tests, of the bytes 0 to 31",
    "ghs": "the first letters of a token that data resembles",
    "0f3a-very-secret": "a password of tests",
    "a-long-password": "a password of tests",
    "a%2Flong-password": "a password of tests",
    "hush-hush": "a password of tests",
    "p%40ssword-of-14": "a password of tests",
    "password": "a placeholder",
    "password-of-the-url": "a password of tests",
    "pce_loader-password": "a password of tests",
    "s3cr3t-value": "a password of tests",
}
"""What is no secret although it has the shape of one, and what it is."""


class Found(NamedTuple):
    """Something that looks like a secret."""

    place: str
    """The file, or the commit."""
    kind: str
    """What it looks like, in words."""
    line: int
    """Where in the text it begins, counted from 1; in a commit, among the lines that it added."""


def secrets_in(text: str, place: str) -> list[Found]:
    """What in a text looks like a secret and is not known to be none. The secret itself is never said."""
    return [
        Found(place, kind, text.count("\n", 0, max(0, text.find(value))) + 1)
        for kind, value in dict.fromkeys(_candidates(text))
        if value.lower() not in _KNOWN
    ]


def _candidates(text: str) -> Iterator[tuple[str, str]]:
    yield from (("a key of BEA's API", found) for found in _UUID.findall(text))
    yield from (("private key", found) for found in _PRIVATE_KEY.findall(text))
    yield from (("password in an address", found) for found in _PASSWORD_IN_URL.findall(text))
    for detector in _DETECTORS:
        yield from ((str(detector.secret_type), str(found)) for found in detector.analyze_string(text))


def _detectors() -> list[RegexBasedDetector]:
    classes: Iterable[type] = get_mapping_from_secret_type_to_class().values()
    return [each() for each in classes if issubclass(each, RegexBasedDetector) and each.__name__ not in _NOT_USED]


_DETECTORS = _detectors()
_KNOWN = {value.lower() for value in KNOWN}


def in_files(root: Path) -> list[Found]:
    """What the files that git knows, or would take, hold."""
    names = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    there = [root / name for name in names if name and (root / name).is_file()]
    return [each for path in there for each in secrets_in(_text(path), str(path.relative_to(root)))]


def in_commits(root: Path) -> list[Found]:
    """What commits added, also where a later one took it away."""
    log = _git(root, "log", "--patch", "--no-color", "--unified=0", "--no-renames", "--no-ext-diff", "--format=%x00%h")
    return [each for entry in log.split("\0")[1:] for each in _in_commit(entry.splitlines())]


def _in_commit(lines: list[str]) -> list[Found]:
    added = "\n".join(line[1:] for line in lines[1:] if line.startswith("+") and not line.startswith("+++ "))
    return secrets_in(added, f"commit {lines[0]}")


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=True)
    return done.stdout.decode("utf-8", "replace")


def lines_of(found: Iterable[Found]) -> list[str]:
    """For people, one a line."""
    return [f"{each.place}: line {each.line}: {each.kind}" for each in found]


def main() -> int:
    """1 where something was found."""
    found = [*in_files(ROOT), *in_commits(ROOT)]
    for line in lines_of(found):
        sys.stderr.write(f"{line}\n")
    if found:
        sys.stderr.write(
            "Make the secret useless where it was issued, then take it out of the history. What is no secret is listed "
            "in pce_pipeline_tests/committed_secrets.py, with its reason.\n"
        )
    else:
        sys.stdout.write("No secret in any file or commit.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
