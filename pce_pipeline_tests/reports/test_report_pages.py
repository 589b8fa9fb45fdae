"""The report as pages: it stands alone, is well formed, escapes all it is given, and can be read by anybody."""

import re
from html.parser import HTMLParser

import pytest

from pce_pipeline.reports.making import Beside, report_of
from pce_pipeline.reports.pages import html_of, markdown_of
from pce_pipeline.reports.report import Report
from pce_pipeline.reports.sections import sections_of
from pce_pipeline_tests.reports.made_up import check, gold, identity, postgres, run, silver, step
from pce_pipeline_tests.reports.test_report_runs import BESIDE

EVIL = "<script>alert(1)</script> | `x` \"'& http://example.com/?a=b"
VOID = {"meta", "br"}


def whole(*, is_sample: bool = False) -> Report:
    """A report that has every section."""
    record = run(
        step("bronze/pce_state"),
        silver(cells_quarantined=1),
        gold(identity(), check("gold", "sources_agree", passed=False, severity="warn")),
        postgres(held=3),
        step("gold/broken", status="failed", error=f"Broken: {EVIL}"),
        requested={"why": EVIL},
    )
    return report_of(record, BESIDE, is_sample=is_sample)


class Outline(HTMLParser):
    """The elements of a page with their attributes, and whether each is closed where it should be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.parents: list[tuple[str, ...]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.parents.append(tuple(self.open))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.mark.parametrize("is_sample", [True, False])
def test_the_page_asks_nothing_of_any_host(*, is_sample: bool) -> None:
    page = html_of(whole(is_sample=is_sample))
    outline = Outline(page)
    assert {name for name, _ in outline.elements} & {"script", "img", "link", "iframe", "object", "form"} == set()
    links = [
        value for _, attributes in outline.elements for name, value in attributes.items() if name in {"href", "src"}
    ]
    assert links
    assert all(str(each).startswith("#") for each in links)
    assert not re.search(r"url\(|@import", page)


def test_the_page_is_well_formed_and_its_links_lead_somewhere() -> None:
    outline = Outline(html_of(whole()))
    assert outline.open == []
    names = [attributes["id"] for attributes in outline.of("section")]
    assert len(set(names)) == len(names)
    assert [str(each["href"]).removeprefix("#") for each in outline.of("a")] == names
    assert names == [section.name for section in sections_of(whole())]


def test_the_page_is_made_for_everybody() -> None:
    outline = Outline(html_of(whole()))
    assert outline.of("html") == [{"lang": "en"}]
    assert {name for name, _ in outline.elements} >= {"title", "header", "nav", "main", "footer", "h1", "h2"}
    assert len(outline.of("h1")) == 1
    assert all("scope" in attributes for attributes in outline.of("th"))
    scrolled = [each for each in outline.of("div") if each.get("class") == "wide"]
    assert scrolled
    assert all(each["tabindex"] == "0" for each in scrolled)
    labels = [each["aria-label"] for each in scrolled]
    assert len(set(labels)) == len(labels)
    assert all(labels)


def test_what_comes_from_data_is_shown_and_not_obeyed() -> None:
    page, text = html_of(whole()), markdown_of(whole())
    assert "<script>" not in page
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    rows = [line for line in text.splitlines() if line.startswith("|") and "alert" in line]
    assert rows
    headings = {"Where": 3, "": 2}
    assert all(len(re.findall(r"(?<!\\)\|", row)) - 1 in headings.values() for row in rows)


def test_every_word_of_the_page_is_in_the_text_too() -> None:
    report = whole()
    page, text = html_of(report), markdown_of(report)
    for section in sections_of(report):
        assert f"<h2>{section.title}</h2>" in page
        assert f"\n## {section.title}\n" in text
    for said in ("children add up to parents", "SAPCE1", "line 25", "Software", "suppressed", "+1"):
        assert said in page
        assert said in text


def test_the_sample_is_called_one_wherever_it_is_read() -> None:
    page, text = html_of(whole(is_sample=True)), markdown_of(whole(is_sample=True))
    assert "<title>SAMPLE: " in page
    assert '<p class="sample">SAMPLE: synthetic numbers' in page
    assert text.startswith("# SAMPLE: ")
    assert "SAMPLE" not in html_of(whole()) + markdown_of(whole())


def test_what_went_wrong_comes_first_with_what_to_do() -> None:
    page = html_of(whole())
    failures, overview, *_ = sections_of(whole())
    assert (failures.name, overview.name) == ("failures", "overview")
    assert "`pce refresh`" in str(failures.blocks)
    assert "<code>pce refresh</code>" in page
    assert "failed in gold/broken" in page.partition("</h1>")[0]


def test_a_balance_that_is_off_is_not_folded_away() -> None:
    (off,) = [each for each in sections_of(whole()) if each.name == "balances"]
    assert "1 of 3 balances does not hold" in str(off.blocks)
    assert '<span class="bad">+1 unaccounted for</span>' in html_of(whole())
    assert not off.folded
    even = report_of(run(silver()), Beside(), is_sample=False)
    (holds,) = [each for each in sections_of(even) if each.name == "balances"]
    assert holds.folded


def test_a_run_that_had_nothing_to_do_has_a_short_page() -> None:
    nothing = report_of(run(step("check", outputs={"outcome": "nothing new"})), Beside(), is_sample=False)
    assert [section.name for section in sections_of(nothing)] == ["asked", "steps"]
    assert Outline(html_of(nothing)).open == []
