"""The page as a person has it, in a real browser: what it says is what Gold holds, and it is usable by everybody."""

import csv
import os
import re

import polars as pl
import pytest
from playwright.sync_api import Browser

from pce_pipeline_tests.look.conftest import Shown, visiting

VIEWS = ("map", "line", "ranking", "table", "revisions", "missing", "quality", "bulletin", "operations")
OF_FIGURES = VIEWS[:6]
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PCE = {"dataset": "pce_state", "category": "product.pce", "measure": "pce_millions_usd"}
MINUS = "\u2212"
SHOTS = os.environ.get("PCE_TESTS_SCREENSHOTS")
"""A folder for pictures of every view; nothing is pictured without it."""


def number(text: str) -> float | None:
    """A number as the page writes it."""
    plain = re.sub(r"[^\d.\-]", "", text.replace(MINUS, "-"))
    return float(plain) if re.search(r"\d", plain) and "missing" not in text else None


@pytest.fixture(scope="module")
def annual(shown: Shown) -> pl.DataFrame:
    return shown.gold["gold/pce_state_annual"].filter(category_id="product.pce")


def test_the_table_holds_every_cell_of_gold(visit, annual):
    visit.show("table", **PCE)
    years = [int(text) for text in visit.page.locator("table.wide thead th.number").all_inner_texts()]
    rows = visit.evaluate(
        "() => [...document.querySelectorAll('tr[data-area]')].map("
        "e => [e.dataset.area, [...e.querySelectorAll('td')].map(td => td.innerText)])"
    )
    on_page = {(area, year): number(text) for area, texts in rows for year, text in zip(years, texts, strict=True)}
    held = {(fips, year): value for fips, year, value in annual.select("geo_fips", "year", "pce_millions_usd").rows()}
    assert len(on_page) == len(held) > 1000
    assert on_page == {key: None if value is None else pytest.approx(float(value)) for key, value in held.items()}


def test_the_ranking_has_the_places_of_gold_and_no_total(visit, shown):
    visit.show("ranking", **PCE, period="2024")
    held = shown.gold["gold/pce_state_metrics"].filter(category_id="product.pce", year=2024)
    ranks = visit.evaluate(
        "() => [...document.querySelectorAll('.ranking tr[data-area]')].map("
        "e => [e.dataset.area, Number(e.querySelector('.rank').innerText)])"
    )
    expected = {
        fips: rank for fips, rank in held.select("geo_fips", "pce_rank_among_states").rows() if rank is not None
    }
    assert dict(ranks) == expected
    assert len(expected) == 51
    totals = set(
        visit.evaluate("() => [...document.querySelectorAll('.totals tr[data-area]')].map(e => e.dataset.area)")
    )
    assert len(totals) == 9
    assert totals.isdisjoint(expected)


def test_the_map_says_the_number_of_every_state(visit, annual):
    visit.show("map", **PCE, period="2023")
    said = dict(
        visit.evaluate(
            "() => [...document.querySelectorAll('.state')].map(e => [e.dataset.area, e.getAttribute('aria-label')])"
        )
    )
    held = annual.filter(year=2023, geo_level="state")
    assert len(said) == held.height == 51
    for fips, value in held.select("geo_fips", "pce_millions_usd").rows():
        assert f": {value:,.1f} millions of current dollars, " in said[fips]


def test_a_missing_figure_is_hatched_and_has_its_reason_and_no_colour_of_the_scale(visit, shown):
    lacking = shown.gold["gold/pce_state_annual"].filter(
        (pl.col("geo_level") == "state") & pl.col("pce_millions_usd").is_null()
    )
    category, year, fips = lacking.select("category_id", "year", "geo_fips").row(0)
    visit.show("map", dataset="pce_state", category=category, measure="pce_millions_usd", period=str(year))
    state = visit.page.locator(f".state[data-area='{fips}']")
    classes, label = state.get_attribute("class") or "", state.get_attribute("aria-label") or ""
    assert "missing" in classes
    assert "sequential" not in classes
    assert ": missing: " in label
    assert "Missing, and why" in visit.page.inner_text(".view")
    visit.show("missing", dataset="pce_state", category=category, measure="pce_millions_usd")
    assert str(year) in visit.page.inner_text(".why")


def test_the_slider_moves_to_what_was_known_at_the_release_before(visit, shown):
    visit.show("table", **PCE)
    slider = visit.page.locator("input[type=range]")
    slider.focus()
    visit.page.keyboard.press("ArrowLeft")
    visit.settled()
    visit.page.wait_for_function(
        "() => /current figures are of/.test(document.querySelector('[role=status]').innerText)"
    )
    vintages = shown.gold["gold/pce_state_vintages"].filter(
        category_id="product.pce", geo_fips="48000", year=2024, measure="pce"
    )
    first = vintages.sort("valid_from")["value"].drop_nulls().to_list()[0]
    year = visit.page.locator("table.wide thead th.number").all_inner_texts().index("2024")
    cell = visit.page.locator("tr[data-area='48000'] td").nth(year).inner_text()
    assert number(cell) == pytest.approx(float(first))


def test_price_levels_are_not_drawn_as_a_line_and_the_page_says_why(visit):
    visit.show("line", dataset="prices_state", measure="rpp_all_items")
    text = visit.page.inner_text(".refusal")
    assert "is not drawn over the years" in text
    assert visit.page.locator(".chart").count() == 0
    visit.page.locator(".refusal a", has_text="ranking").click()
    visit.settled()
    assert visit.page.locator(".ranking tbody tr").count() == 51


def test_states_and_totals_never_share_a_scale(visit):
    visit.show("line", **PCE, areas="CA,US,TX")
    labels = visit.page.locator(".chart").evaluate_all("all => all.map(e => e.getAttribute('aria-label'))")
    assert len(labels) == 2
    assert "California, Texas" in labels[0]
    assert "United States" not in labels[0]


def test_what_a_link_names_and_is_not_there_is_said_and_the_page_is_never_blank(visit):
    visit.show("line", dataset="nothing", category="product.gold", measure="weight", known="1900-01-01", areas="ZZ")
    told = visit.page.locator(".fallback").all_inner_texts()
    assert len(told) == 5
    assert visit.page.locator(".chart").count() > 0


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_accessible_in_light_and_dark_wide_and_narrow(
    browser: Browser, shown: Shown, axe: str, view: str
):
    for scheme, width in (("light", 1280), ("dark", 360)):
        how = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}, "bypass_csp": True}
        with visiting(browser, shown.address, **how) as visit:
            assert visit.show(view, **(PCE if view in OF_FIGURES else {}), areas="CA,TX,US")
            visit.evaluate(axe)
            found = visit.evaluate("only => axe.run(document, { runOnly: only })", WCAG)
            assert [(each["id"], each["nodes"][0]["target"]) for each in found["violations"]] == []
            assert visit.evaluate("() => document.documentElement.scrollWidth") <= width
            assert "SAMPLE" in visit.page.inner_text(".banner")
            if SHOTS:
                visit.page.screenshot(path=f"{SHOTS}/{view}-{width}-{scheme}.png", full_page=True)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_reached_and_read_by_keyboard_alone(visit, view):
    visit.show("map", **PCE)
    names = visit.page.locator("nav a").all_inner_texts()
    steps = 1 + names.index(view.capitalize())  # after the link that skips to the figures
    visit.page.evaluate("document.activeElement.blur()")
    for _ in range(1 + steps):
        visit.page.keyboard.press("Tab")
    focused = "() => [document.activeElement.innerText, getComputedStyle(document.activeElement).outlineWidth]"
    assert visit.evaluate(focused) == [view.capitalize(), "3px"]
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_function("view => location.hash.startsWith('#/' + view)", arg=view)
    visit.settled()
    assert visit.page.locator("nav a[aria-current=page]").inner_text() == view.capitalize()


def test_the_map_moves_by_arrow_keys_and_enter_takes_a_state(visit):
    visit.show("map", **PCE)
    visit.page.locator(".state[tabindex='0']").focus()
    before = visit.evaluate("() => document.activeElement.dataset.area")
    visit.page.keyboard.press("ArrowRight")
    after = visit.evaluate("() => document.activeElement.dataset.area")
    assert after != before
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector(".chips li")
    visit.settled()
    assert visit.evaluate("() => document.activeElement.dataset.area") == after


def test_a_chart_is_read_period_by_period_with_arrow_keys(visit):
    visit.show("line", **PCE, areas="CA")
    chart = visit.page.locator(".chart").first
    chart.focus()
    newest = chart.get_attribute("aria-valuetext") or ""
    visit.page.keyboard.press("ArrowLeft")
    assert re.match(r"\d{4}: California: [\d,.]+", newest)
    assert (chart.get_attribute("aria-valuetext") or "")[:4] == str(int(newest[:4]) - 1)


def test_a_category_is_found_by_its_words_and_taken_by_enter(visit):
    visit.show("ranking", **PCE)
    box = visit.page.get_by_label("Category").first
    box.focus()
    box.fill("goo")
    assert visit.page.locator("[role=option]").count() >= 1
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_function("() => /category=product.goods/.test(location.hash)")
    assert visit.settled().endswith(": Goods")


def test_a_download_says_what_it_is_and_holds_what_is_seen(visit, annual, tmp_path):
    visit.show("ranking", **PCE, period="2024")
    with visit.page.expect_download() as coming:
        visit.page.get_by_text("Download what is seen").click()
    file = tmp_path / "seen.csv"
    coming.value.save_as(file)
    assert "SAMPLE" in coming.value.suggested_filename
    lines = file.read_text("utf-8").splitlines()
    about = {line[2:].partition(": ")[0] for line in lines if line.startswith("#")}
    assert about >= {"SAMPLE", "title", "unit", "known", "status", "source", "citation", "link"}
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    held = annual.filter(year=2024).select("geo_fips", "pce_millions_usd").rows()
    assert {row["fips"]: float(row["value"]) for row in rows} == {fips: float(value) for fips, value in held}


def test_the_page_opened_as_a_file_says_in_a_sentence_what_to_do(browser: Browser, shown: Shown):
    context = browser.new_context()
    page = context.new_page()
    page.goto((shown.site / "index.html").as_uri())
    assert "run pce look and open the address that it prints" in page.inner_text("main")
    context.close()


def test_a_link_shows_the_same_a_vintage_later(browser: Browser, shown: Shown):
    """Last, because it lets the page show one release more from here on."""
    views = {view: {**PCE, "areas": "TX,US"} for view in ("map", "line", "ranking", "table")}
    with visiting(browser, shown.address) as visit:
        before = {}
        for view, asked in views.items():
            visit.show(view, **asked)
            before[visit.page.url] = (visit.page.inner_text(".view"), visit.page.inner_text(".under"))
    shown.shows = 1
    with visiting(browser, shown.address) as visit:
        for url, seen in before.items():
            visit.page.goto("about:blank")
            visit.page.goto(url)
            visit.settled()
            assert (visit.page.inner_text(".view"), visit.page.inner_text(".under")) == seen
            assert "The current figures are of" in visit.page.inner_text("[role=status]")
