"""When a release is late: after the grace, without note, change or comparison of it; never for want of a calendar."""

from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.automation.alerts.lateness import LateRelease, alert_of_late, late_release, unknowable
from pce_pipeline.automation.next_step import KnownTable, LakeState
from pce_pipeline.bea.gateway import Release
from pce_pipeline.bea.releases import Calendar
from pce_pipeline.bronze.counting import Layer, Vintage
from pce_pipeline.bronze.manifest import TableEntry
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline_tests.datasets import REGISTRY

NAME = "Personal Consumption Expenditures by State"
BEFORE = datetime(2025, 10, 2, 12, 30, tzinfo=UTC)
OUT = datetime(2026, 10, 1, 12, 30, tzinfo=UTC)
NEXT = datetime(2027, 10, 1, 12, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def release(now: datetime, *dates: datetime) -> Release:
    calendar = Calendar(MappingProxyType({NAME: dates or (BEFORE, OUT, NEXT)}), MappingProxyType({}), (), None)
    return Release(now, {}, calendar, (NAME,))


def known(compared: datetime, *, noted: date | None = None, changed: datetime = BEFORE + HOUR) -> KnownTable:
    noted = noted or BEFORE.date()
    entry = TableEntry(last_updated=noted, note="", rows=1, lines=(1,), years={2024: "x"}, content_sha256="x")
    extract = ExtractId(changed.date())
    vintage = Vintage("SAPCE1", extract, (Layer(extract, entry, is_live=True),))
    return KnownTable(vintage, noted, compared, changed)


def late(now: datetime, **tables: KnownTable) -> LateRelease | None:
    return late_release(LakeState(REGISTRY, tables, {}), release(now), tables=list(tables), grace=DAY)


def test_a_release_that_nobody_has_looked_for_is_late_once_the_grace_is_over():
    stale = known(OUT - HOUR)
    assert late(OUT + DAY - HOUR, SAPCE1=stale) is None
    found = late(OUT + DAY + HOUR, SAPCE1=stale)
    assert found is not None
    assert (found.name, found.announced) == (NAME, OUT)
    assert found.tables == {"SAPCE1": "last compared 2026-10-01 11:30 UTC"}


def test_a_release_that_was_taken_is_not_late():
    assert late(OUT + 40 * DAY, SAPCE1=known(OUT + HOUR, noted=OUT.date(), changed=OUT + HOUR)) is None


def test_figures_that_changed_without_a_note_are_the_release_too():
    assert late(OUT + 40 * DAY, SAPCE1=known(OUT + HOUR, changed=OUT + HOUR)) is None


def test_a_note_without_changed_figures_is_the_release_too():
    assert late(OUT + 40 * DAY, SAPCE1=known(OUT + HOUR, noted=OUT.date())) is None


def test_a_table_that_the_release_did_not_change_was_compared_after_it_and_is_not_late():
    assert late(OUT + 3 * DAY, SAPCE1=known(OUT + 2 * DAY)) is None
    assert late(OUT + 300 * DAY, SAPCE1=known(OUT + 10 * DAY)) is None


def test_one_comparison_minutes_after_the_release_does_not_settle_it_when_nobody_looks_again():
    early = known(OUT + timedelta(minutes=5))
    assert late(OUT + DAY, SAPCE1=early) is None
    assert late(OUT + DAY + 2 * HOUR, SAPCE1=early) is not None


def test_only_the_tables_without_it_are_named_and_absent_ones_are_without_it():
    found = late_release(
        LakeState(
            REGISTRY, {"SAPCE1": known(OUT + HOUR, noted=OUT.date())}, {}, beyond_pin={"SAPCE2": known(BEFORE + HOUR)}
        ),
        release(OUT + 2 * DAY),
        tables=["SAPCE1", "SAPCE2", "SAPCE3"],
        grace=DAY,
    )
    assert found is not None
    assert list(found.tables) == ["SAPCE2", "SAPCE3"]
    assert found.tables["SAPCE3"] == "not in any extract"


def test_an_extract_beyond_a_pin_is_in_the_lake_all_the_same():
    beyond = LakeState(REGISTRY, {}, {}, beyond_pin={"SAPCE1": known(OUT + HOUR, noted=OUT.date())})
    assert late_release(beyond, release(OUT + 2 * DAY), tables=["SAPCE1"], grace=DAY) is None


def test_the_release_before_is_late_as_long_as_the_newest_still_has_its_grace():
    found = late(OUT + HOUR, SAPCE1=known(BEFORE - DAY))
    assert found is not None
    assert found.announced == BEFORE


def test_nothing_is_late_where_the_calendar_cannot_be_read_or_names_nothing_of_ours():
    lost = LakeState(REGISTRY, {}, {})
    unread = Release(OUT + 2 * DAY, {}, None, (NAME,))
    foreign = Release(OUT + 2 * DAY, {}, release(OUT).calendar, ("Something else",))
    for calendar, why in ((unread, "could not be read"), (foreign, "names none")):
        assert late_release(lost, calendar, tables=["SAPCE1"], grace=DAY) is None
        assert why in str(unknowable({"pce_state": calendar}))
    assert unknowable({"pce_state": release(OUT)}) is None
    assert late_release(lost, release(OUT, NEXT), tables=["SAPCE1"], grace=DAY) is None


def test_the_alert_is_the_same_whenever_it_is_noticed_and_says_what_to_do():
    first, second = (
        alert_of_late(found, env="prod", world="bea", dataset="pce_state", lake="s3://lake")
        for after in (2 * DAY, 9 * DAY)
        if (found := late(OUT + after, SAPCE1=known(BEFORE + HOUR)))
    )
    assert first.idempotency_key == second.idempotency_key == "prod-bea-release_late-pce_state-2026-10-01"
    assert "48 hours ago" in first.happened
    assert "pce run" in first.remedy
    assert first.facts["tables"] == "SAPCE1"


@given(
    st.timedeltas(timedelta(0), 60 * DAY),
    st.floats(0, 1),
    st.floats(1, 96).map(lambda hours: timedelta(hours=hours)),
)
def test_who_compares_as_often_as_the_pipeline_does_is_never_told_of_lateness(compared, waited, grace):
    """The next comparison is due when the time since the release has doubled, an hour apart at least."""
    now = OUT + compared + waited * max(HOUR, compared)
    lake = LakeState(REGISTRY, {"SAPCE1": known(OUT + compared)}, {})
    assert late_release(lake, release(now), tables=["SAPCE1"], grace=grace) is None


@pytest.mark.parametrize("hours", [25, 26, 24 * 14, 24 * 300])
def test_once_late_it_stays_late_until_somebody_looks(hours):
    assert late(OUT + timedelta(hours=hours), SAPCE1=known(OUT - DAY)) is not None
