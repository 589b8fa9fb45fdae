"""What a bulletin looks like: as Markdown, as HTML in a feed, as a chart; and that no text of BEA's can break it."""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import msgspec
import pytest

from pce_pipeline.bulletins.blocks import Bar, Bars, as_markdown, bar_lines
from pce_pipeline.bulletins.bulletin import Bulletin, Outlook, StandingOf, UsualRevision
from pce_pipeline.bulletins.chart import chart
from pce_pipeline.bulletins.comparing import bulletin_of
from pce_pipeline.bulletins.feed import MOST_ENTRIES, feed_of, newest_first
from pce_pipeline.bulletins.pages import SAMPLE, chart_of, html_of, markdown_of, summary_of, title_of
from pce_pipeline.lake.records import encode_record
from pce_pipeline_tests.bulletins.releases import NOW, THEN, known, of_sample, release
from pce_pipeline_tests.bulletins.test_comparing import IS, WAS
from pce_pipeline_tests.test_markup import HOSTILE

ATOM = {"a": "http://www.w3.org/2005/Atom"}
SVG = {"s": "http://www.w3.org/2000/svg"}
FOUND = bulletin_of(release(known(WAS, THEN), known(IS, NOW)), Outlook())


def hostile() -> Bulletin:
    """A bulletin in which BEA's texts, and those of a catalogue of somebody's, are what nobody hopes for."""
    lines = {1: "Personal consumption expenditures", 2: HOSTILE, 99: HOSTILE}
    found = bulletin_of(release(known(WAS, THEN), known(IS, NOW, lines=lines, note=HOSTILE)), Outlook())

    def spoilt(value: object) -> object:
        names = {"measure_title", "category", "area", "state", "unit", "title", "bea_table"}
        if isinstance(value, dict):
            return {name: HOSTILE if name in names and each else spoilt(each) for name, each in value.items()}
        return [spoilt(each) for each in value] if isinstance(value, list) else value

    return msgspec.convert(spoilt(msgspec.to_builtins(found, str_keys=True)), Bulletin, str_keys=True, strict=False)


def sections(page: str) -> dict[str, list[str]]:
    """The lines of each section of a page, by heading."""
    found: dict[str, list[str]] = {}
    for line in page.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
            found[heading] = []
        elif line:
            found[heading].append(line)
    return found


def test_a_page_has_the_sections_that_there_is_something_to_say_in() -> None:
    page = sections(markdown_of(FOUND))
    assert list(page) == [
        "pce_state: released 2025-09-26, extract 2025-09-26",
        "Tables",
        "New",
        "What changed",
        "Largest revisions",
        "By state",
        "By category",
        "Newly suppressed: 1 cell",
        "Newly published: 1 cell",
        "Coverage",
        "What is still to come",
    ]
    assert "| revision | 3 | another number |" in page["What changed"]
    assert page["New"] == ["- Years: 2025", "- Cells: 1"]
    measure = "personal consumption expenditures, millions of current dollars"
    assert page["Newly published: 1 cell"] == [
        f"- Alabama 2024, Personal consumption expenditures: {measure}: 220.0 (was not available)"
    ]
    assert page["Newly suppressed: 1 cell"] == [f"- Alabama 2023, Goods: {measure}: suppressed (was 50.0)"]
    assert page["By state"][1:3] == [
        "AL  +5.00 %  ████████████████████████  personal consumption expenditures, 2023",
        "AK  -2.00 %  ░░░░░░░░░░                personal consumption expenditures, 2023",
    ]


def test_the_first_release_has_a_page_that_says_so() -> None:
    first = bulletin_of(release(None, known(IS, NOW)), Outlook())
    assert summary_of(first) == (
        "The first extract of this dataset that counts: it holds 6 cells from 2023 to 2025 and is compared with "
        "nothing."
    )
    assert list(sections(markdown_of(first)))[1:] == ["Tables", "Coverage", "What is still to come"]
    assert b"No figure of a total was revised." in chart_of(first)


def test_a_release_that_changed_nothing_says_so() -> None:
    same = bulletin_of(release(known(IS, THEN), known(IS, NOW)), Outlook())
    assert "no cell changed against the extract of 2025-03-28" in summary_of(same)


def test_what_is_still_to_come_is_told_with_its_reason() -> None:
    late = [
        StandingOf(
            dataset="prices_state", measure=name, belongs_to="pce", years=(2020, 2021, 2023), cells=204, of_cells=816
        )
        for name in ("real_pce", "regional_price_deflator")
    ]
    usual = [
        UsualRevision(
            measure="pce", measure_title="spending", category="All", year=2024, n_releases=each, abs_pct90=band
        )
        for each, band in ((6, 1.234), (3, None))
    ]
    found = msgspec.structs.replace(FOUND, outlook=Outlook(not_yet_revised=tuple(late), usual=tuple(usual)))
    said = sections(markdown_of(found))["What is still to come"]
    assert len(said) == 3
    assert said[0].startswith(
        "- Not yet revised: real_pce, regional_price_deflator of prices_state, 2020...2021, 2023 (of each 204 of 816"
    )
    assert said[1].startswith("- spending of 2024 (All): nine states in ten usually move by no more than 1.23 %")
    assert said[2].endswith("that needs 5 releases that each follow one of the year before (held: 3).")
    monthly = msgspec.structs.replace(found, is_monthly=True)
    (said_of_months,) = sections(markdown_of(monthly))["What is still to come"]
    assert said_of_months.startswith("Months have no log of values")


def test_hostile_texts_break_no_page() -> None:
    page = markdown_of(hostile())
    assert "<" not in page
    assert "`x`" not in page.replace(r"\`", "")
    fences = [line for line in page.splitlines() if line.startswith("```")]
    assert fences == ["```text", "```"]
    plain = sections(markdown_of(FOUND))
    for heading, lines in sections(page).items():
        rows = [line.count("|") for line in lines if line.startswith("|")]
        assert len(set(rows)) <= 2, heading
        if heading in plain and heading != "Tables":
            assert rows == [line.count("|") for line in plain[heading] if line.startswith("|")], heading


def test_hostile_texts_break_neither_chart_nor_feed() -> None:
    image = ET.fromstring(chart_of(hostile()))
    assert {each.tag.partition("}")[2] for each in image.iter()} == {"svg", "title", "rect", "text"}
    feed = ET.fromstring(feed_of([hostile()], env="local", world="bea"))
    content = feed.findtext("a:entry/a:content", namespaces=ATOM)
    page = ET.fromstring(f"<html>{content}</html>")
    assert {each.tag for each in page.iter()} <= {
        "html", "p", "h2", "ul", "li", "table", "tr", "th", "td", "pre",
    }  # fmt: skip


def test_a_chart_goes_up_to_the_right_and_down_to_the_left() -> None:
    image = ET.fromstring(chart_of(FOUND))
    _, up, down = image.findall("s:rect", SVG)
    assert int(down.attrib["x"]) + int(down.attrib["width"]) == int(up.attrib["x"])
    assert int(up.attrib["width"]) == round(int(down.attrib["width"]) * 5 / 2)
    assert (up.attrib["fill"], down.attrib["fill"]) == ("#3182bd", "#de2d26")
    assert image.findtext("s:title", namespaces=SVG) == title_of(FOUND)
    long = ET.fromstring(chart("t", "s", [Bar("AL", 1.0, "x" * 100)]))
    assert max(len(each.text or "") for each in long.findall("s:text", SVG)) == 56


@pytest.mark.parametrize(
    ("bars", "lines"),
    [
        ([], []),
        ([Bar("AL", 0.0, "a")], ["AL  +0.00 %  █                         a"]),
        (
            [Bar("AL", 10.5, "a"), Bar("US", -0.01, "b")],
            ["AL  +10.50 %  ████████████████████████  a", "US   -0.01 %  ░                         b"],
        ),
    ],
)
def test_bars_are_as_long_as_their_part_of_the_longest(bars: list[Bar], lines: list[str]) -> None:
    assert bar_lines(bars) == lines
    assert as_markdown("t", [Bars(bars)]).splitlines()[3:-1] == lines


def test_the_samples_bulletin_says_that_it_is_the_samples() -> None:
    found = bulletin_of(of_sample(release(known(WAS, THEN), known(IS, NOW))), Outlook())
    assert title_of(found).startswith("SAMPLE (synthetic): pce_state")
    assert "synthetic, invented by this package" in markdown_of(found)
    assert b"<title>SAMPLE (synthetic)" in chart_of(found)
    feed = ET.fromstring(feed_of([found], env="local", world="sample"))
    titles = [each.text or "" for each in feed.iterfind(".//a:title", ATOM)]
    assert len(titles) == 2
    assert all(each.startswith(SAMPLE) for each in titles)
    assert "SAMPLE" not in markdown_of(FOUND)


def test_a_feed_has_what_atom_demands_and_its_names_never_change() -> None:
    older = msgspec.structs.replace(FOUND, extract="2025-03-28", updated_at=datetime(2025, 3, 28, tzinfo=UTC))
    body = feed_of([FOUND, older], env="prod", world="bea")
    feed = ET.fromstring(body)
    assert feed.findtext("a:updated", namespaces=ATOM) == "2025-09-26T15:00:00Z"
    assert feed.findtext("a:author/a:name", namespaces=ATOM) == "pce_pipeline"
    entries = feed.findall("a:entry", ATOM)
    for each in [feed, *entries]:
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", each.findtext("a:id", namespaces=ATOM) or "")
        assert each.findtext("a:title", namespaces=ATOM)
    assert [each.findtext("a:updated", namespaces=ATOM) for each in entries] == [
        "2025-09-26T15:00:00Z",
        "2025-03-28T00:00:00Z",
    ]
    assert [each.findtext("a:id", namespaces=ATOM) for each in entries] == [
        "urn:uuid:3e22ddbf-4024-5c24-a7d3-823401cdebbd",
        "urn:uuid:4940d45d-e9db-566d-95a9-b8c797dc1f2f",
    ]
    assert all(each.findtext("a:content", namespaces=ATOM) for each in entries)
    assert body == feed_of([FOUND, older], env="prod", world="bea")
    assert feed_of([FOUND], env="prod", world="sample") != feed_of([FOUND], env="prod", world="bea")


def test_a_feed_begins_with_the_newest_extract_and_ends_somewhere() -> None:
    keys = [("b", "2025-09-26"), ("a", "2025-09-26.10"), ("a", "2025-09-26.9"), ("a", "2025-09-26")]
    assert newest_first(reversed(keys)) == [
        ("a", "2025-09-26.10"),
        ("a", "2025-09-26.9"),
        ("a", "2025-09-26"),
        ("b", "2025-09-26"),
    ]
    many = [("a", f"2025-09-26.{number}") for number in range(2, MOST_ENTRIES + 20)]
    assert len(newest_first(many)) == MOST_ENTRIES


def test_a_bulletin_made_twice_is_the_same_to_the_byte_and_read_back_as_it_was() -> None:
    again = bulletin_of(release(known(WAS, THEN), known(IS, NOW)), Outlook())
    for made in (encode_record, markdown_of, chart_of, html_of):
        assert made(again) == made(FOUND)
    assert msgspec.json.decode(encode_record(FOUND), type=Bulletin) == FOUND
