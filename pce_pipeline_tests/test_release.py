"""A release raises the version, dates the changelog, and is refused while a change does not name its effect."""

from datetime import date

import pytest

from pce_pipeline import __version__
from pce_pipeline_tests.release import CHANGELOG, ROOT, VERSION_FILE, NotReleasable, entries, notes, raised, section

CODE = '"""Doc."""\n\n__version__ = "0.9.1"\n'
TOLD = """# Changelog

## [Unreleased]

### Fixed
- Growth of 1997 was zero.
  Data: `pce_yoy_pct` of 1997 is NULL now.

### Added
- A verb. No effect on the data.

## [0.9.1] - 2026-01-01

- Old, and silent.
"""
TODAY = date(2026, 11, 28)


def test_a_release_raises_the_version_and_dates_what_was_unreleased() -> None:
    code, changelog = raised(CODE, TOLD, "0.10.0", TODAY)
    assert '__version__ = "0.10.0"' in code
    assert section(changelog, "Unreleased") == ""
    assert section(changelog, "0.10.0") == section(TOLD, "Unreleased")
    assert "## [0.10.0] - 2026-11-28\n" in changelog
    assert section(changelog, "0.9.1") == "- Old, and silent."


def test_notes_say_first_what_changes_in_the_data() -> None:
    said = notes(*raised(CODE, TOLD, "0.10.0", TODAY), "v0.10.0")
    assert said.startswith("## What changes in the data\n\n- `pce_yoy_pct` of 1997 is NULL now.\n\n### Fixed")
    quiet = TOLD.replace("Data: `pce_yoy_pct` of 1997 is NULL now.", "No effect on the data.")
    assert "None: all figures stay" in notes(*raised(CODE, quiet, "1.0.0", TODAY), "v1.0.0")


@pytest.mark.parametrize("version", ["0.9.1", "0.9.0", "0.8.9", "1.0", "v1.0.0", "1.0.0-rc1", ""])
def test_a_version_that_does_not_come_after_the_last_is_refused(version: str) -> None:
    with pytest.raises(NotReleasable):
        raised(CODE, TOLD, version, TODAY)


def test_a_change_that_does_not_name_its_effect_stops_the_release_and_is_named() -> None:
    with pytest.raises(NotReleasable, match=r"1 changes do not name .*\n  - A verb"):
        raised(CODE, TOLD.replace("No effect on the data.", ""), "1.0.0", TODAY)
    with pytest.raises(NotReleasable, match="Nothing has changed"):
        raised(CODE, "## [Unreleased]\n\n## [0.9.1] - 2026-01-01\n", "1.0.0", TODAY)


@pytest.mark.parametrize("tag", ["v0.9.2", "0.9.1", "main", ""])
def test_a_tag_that_is_not_the_version_publishes_nothing(tag: str) -> None:
    with pytest.raises(NotReleasable):
        notes(CODE, TOLD, tag)


def test_the_files_here_can_be_released_from_or_are_those_of_a_release() -> None:
    code, changelog = ((ROOT / each).read_text("utf-8") for each in (VERSION_FILE, CHANGELOG))
    version = __version__
    if entries(section(changelog, "Unreleased")):
        version = f"{int(version.partition('.')[0]) + 1}.0.0"
        code, changelog = raised(code, changelog, version, TODAY)
    assert "### " in notes(code, changelog, f"v{version}")
