"""A release: the version raised, the changelog dated, and the effect on the data of each change named.

`make release VERSION=1.2.3` changes two files for a commit; the tag `v1.2.3` on it, once merged, starts release.yml,
which publishes `notes` of it. Standard library only.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHANGELOG, VERSION_FILE = Path("CHANGELOG.md"), Path("pce_pipeline") / "__init__.py"

_UNRELEASED = "## [Unreleased]\n"
_VERSION = re.compile(r'^__version__ = "(\d+\.\d+\.\d+)"$', re.MULTILINE)
_EFFECT = re.compile(r"\bNo effect on the data\b|\bData: ")


class NotReleasable(Exception):
    """Why this is no release yet, for people."""


@dataclass(frozen=True)
class Entry:
    """One change, as the changelog tells it."""

    text: str
    """The whole entry on one line, without its dash."""

    @property
    def names_its_effect(self) -> bool:
        """Whether it says `No effect on the data`, or after `Data: ` what changes in it."""
        return _EFFECT.search(self.text) is not None


def section(changelog: str, title: str) -> str:
    """The text below a heading such as `Unreleased` or `1.2.3`. Raises `NotReleasable` where there is none."""
    found = re.search(rf"^## \[{re.escape(title)}\][^\n]*\n(.*?)(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise NotReleasable(f"CHANGELOG.md has no section [{title}].")
    return found[1].strip()


def entries(text: str) -> list[Entry]:
    """The changes of a section."""
    return [
        Entry(" ".join(each.split())) for each in re.findall(r"^- (.*?)(?=^- |^#|\Z)", text, re.MULTILINE | re.DOTALL)
    ]


def check(text: str) -> None:
    """Raises `NotReleasable` for a section without changes, and for changes that do not name their effect."""
    told = entries(text)
    if not told:
        raise NotReleasable("Nothing has changed since the last release.")
    silent = [each.text for each in told if not each.names_its_effect]
    if silent:
        listed = "\n".join(f"  - {each[:100]}" for each in silent)
        raise NotReleasable(
            f"{len(silent)} changes do not name their effect on the data. End each with `No effect on the data.`, or "
            f"with `Data: ` and what readers see:\n{listed}"
        )


def raised(version_file: str, changelog: str, version: str, today: date) -> tuple[str, str]:
    """Both files as the release has them. Raises `NotReleasable`."""
    found = _VERSION.search(version_file)
    if found is None or not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise NotReleasable(f"{version} is not a version such as 1.2.3.")
    if _numbers(version) <= _numbers(found[1]):
        raise NotReleasable(f"{version} does not come after {found[1]}.")
    check(section(changelog, "Unreleased"))
    dated = changelog.replace(_UNRELEASED, f"{_UNRELEASED}\n## [{version}] - {today.isoformat()}\n", 1)
    return _VERSION.sub(f'__version__ = "{version}"', version_file), dated


def notes(version_file: str, changelog: str, tag: str) -> str:
    """What is published with a tag: its section, the effects on the data first. Raises `NotReleasable`."""
    found = _VERSION.search(version_file)
    if found is None or tag != f"v{found[1]}":
        raise NotReleasable(f"{tag} is not the version of the code, {found[1] if found else 'which it does not say'}.")
    text = section(changelog, found[1])
    check(text)
    effects = [each.text for each in entries(text) if "Data: " in each.text]
    listed = "\n".join(f"- {each.partition('Data: ')[2]}" for each in effects) or "None: all figures stay as they were."
    return f"## What changes in the data\n\n{listed}\n\n{text}\n"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def main() -> int:
    """0 done, 1 where this is no release yet."""
    asked = argparse.ArgumentParser(prog="python -m pce_pipeline_tests.release", description=__doc__)
    one = asked.add_mutually_exclusive_group(required=True)
    one.add_argument("--raise-to", metavar="VERSION", help="change the files for this version")
    one.add_argument("--notes", metavar="TAG", help="print what is published with this tag")
    given = asked.parse_args()
    version_file, changelog = ((ROOT / each).read_text("utf-8") for each in (VERSION_FILE, CHANGELOG))
    try:
        if given.notes is not None:
            sys.stdout.write(notes(version_file, changelog, given.notes))
            return 0
        texts = raised(version_file, changelog, given.raise_to, datetime.now(UTC).date())
    except NotReleasable as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    for path, text in zip((VERSION_FILE, CHANGELOG), texts, strict=True):
        (ROOT / path).write_text(text, "utf-8")
    sys.stdout.write(f"Commit and merge this, then: git tag v{given.raise_to} && git push origin v{given.raise_to}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
