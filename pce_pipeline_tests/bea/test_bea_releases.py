"""Release notes in every wording seen, and a calendar that is never guessed at."""

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.bea.errors import BeaContentError
from pce_pipeline.bea.releases import newest_note, parse_calendar, parse_last_updated

MONTHS = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)

DAYS = st.dates(min_value=date(1997, 1, 1), max_value=date(2099, 12, 31))
SPANS = st.tuples(st.integers(1997, 2050), st.integers(0, 30)).map(lambda span: (span[0], span[0] + span[1]))


@settings(deadline=None)
@given(
    DAYS,
    st.none() | st.integers(1998, 2050),
    st.none() | SPANS,
    st.sampled_from(["--", "-- ", " -- ", " \u2013 "]),
    st.sampled_from(["; ", ", ", ";"]),
    st.booleans(),
)
def test_every_wording_of_a_release_note_is_read(day, new, revised, dash, comma, ends):
    clauses = []
    if new is not None:
        clauses.append(f"new statistics for {new}")
    if revised is not None:
        first, last = revised
        clauses.append(f"revised statistics for {first}" + (f"-{last}" if last > first else ""))
    text = f"Last updated: {MONTHS[day.month - 1]} {day.day}, {day.year}"
    text += (dash if clauses else "") + comma.join(clauses) + ("." if ends else "")
    note = parse_last_updated(f' "{text}" ')
    assert note is not None
    assert note.last_updated == day
    assert note.text == text
    assert note.new_years == (() if new is None else (new,))
    assert note.revised_years == (() if revised is None else tuple(range(revised[0], revised[1] + 1)))


@pytest.mark.parametrize(
    ("text", "new", "revised"),
    [
        ("Last updated: Sept. 26, 2025-- new and revised statistics for 2024.", (2024,), (2024,)),
        ("Last Updated: October 3, 2024 -- revised statistics for 2019, 2021 and 2022.", (), (2019, 2021, 2022)),
        (
            "Last updated: October 3, 2019-- new PCE by state statistics for 2018; revised data for 2017.",
            (2018,),
            (2017,),
        ),
        ("Last updated: October 3, 2019-- new methods and revised statistics for 2017.", (), (2017,)),
        ("Last updated: March 31, 2023.", (), ()),
        ("LastRevised: May 28, 2026", (), ()),
    ],
)
def test_rarer_wordings_are_read_too(text, new, revised):
    note = parse_last_updated(text)
    assert note is not None
    assert (note.new_years, note.revised_years) == (new, revised)


@pytest.mark.parametrize(
    "text",
    ["", "Last updated: soon", "Last updated: February 30, 2024.", "Last updated: Octember 6, 2022", "October 6, 2022"],
)
def test_a_text_without_a_day_is_no_note(text):
    assert parse_last_updated(text) is None


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_the_reading_of_notes(text):
    parse_last_updated(f"Last updated: {text}")


def test_the_newest_of_several_notes_counts():
    note = newest_note(["Dollars.", "Last updated: May 1, 2025.", "Last updated: September 26, 2025."])
    assert note is not None
    assert note.last_updated == date(2025, 9, 26)
    assert newest_note([]) is None


PCE = "Personal Consumption Expenditures by State"
REAL = "Real Personal Consumption Expenditures by State and Real Personal Income by State"
JOINT = "Gross Domestic Product by State and Personal Income by State"


def calendar(**more):
    content = {
        "file_last_updated": "2026-07-13T08:00:00.123456",
        REAL: {"release_dates": ["2026-02-19T13:30:00+00:00"]},
        JOINT: {
            "release_dates": [
                "2026-09-30T12:30:00+00:00",
                "2026-06-26T12:30:00+00:00",
                "2026-06-26T12:30:00+00:00",
                "2026-03-27T08:30:00-04:00",
                "2026-12-18T13:30:00+00:00",
            ],
            "url": "https://www.bea.gov",
            "to_be_rescheduled": ["2026-12-18T13:30:00+00:00"],
        },
        "Empty": {},
    }
    return parse_calendar(b"\xef\xbb\xbf" + json.dumps(content | more).encode())


def test_dates_are_sorted_single_and_in_utc():
    assert calendar().releases([PCE, JOINT]) == (
        datetime(2026, 3, 27, 12, 30, tzinfo=UTC),
        datetime(2026, 6, 26, 12, 30, tzinfo=UTC),
        datetime(2026, 9, 30, 12, 30, tzinfo=UTC),
    )
    assert calendar().rescheduled[JOINT] == (datetime(2026, 12, 18, 13, 30, tzinfo=UTC),)
    assert calendar().updated == datetime(2026, 7, 13, 8, 0, 0, 123456, tzinfo=UTC)


def test_a_name_inside_another_name_does_not_match():
    assert calendar().name_found([PCE]) is None
    assert calendar().releases([PCE]) == ()
    assert calendar().next_after([PCE], datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_exact_names_come_first_in_the_order_asked():
    assert calendar().name_found([PCE, JOINT, REAL]) == JOINT
    assert calendar().name_found([JOINT.upper(), REAL]) == REAL
    assert calendar().name_found(["  gross domestic  product BY state and personal income by state"]) == JOINT


def test_the_next_and_the_latest_release_around_a_moment():
    now = datetime(2026, 6, 26, 12, 30, tzinfo=UTC)
    assert calendar().latest_before([JOINT], now) == now
    assert calendar().next_after([JOINT], now) == datetime(2026, 9, 30, 12, 30, tzinfo=UTC)
    assert calendar().latest_before([JOINT], datetime(2020, 1, 1, tzinfo=UTC)) is None
    assert calendar().next_after([JOINT], datetime(2030, 1, 1, tzinfo=UTC)) is None


def test_a_date_nobody_can_read_is_named_and_the_others_stay():
    odd = calendar(Odd={"release_dates": ["TBD", "2026-05-01"]}, Number={"release_dates": 5}, Text="x")
    assert odd.releases(["Odd"]) == (datetime(2026, 5, 1, tzinfo=UTC),)
    assert odd.unreadable == ("Odd", "Number")
    assert odd.name_found(["Text"]) is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"a":', b'{"a": "\xff"}'])
def test_what_is_no_calendar_is_refused(body):
    with pytest.raises(BeaContentError):
        parse_calendar(body)
