"""Tables that BEA published in several layouts read as today's, and are refused in any other."""

from dataclasses import replace

import polars as pl
import pytest

from pce_pipeline.bea.observations import LINE_SCHEMA
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.silver.errors import LayoutUnclear, LayoutUnknown, LineMeaningChanged
from pce_pipeline.silver.layouts import as_today, check_layouts, moves
from pce_pipeline.silver.observations import check_meanings

PRICES = load_datasets("full")["prices_state"]
TEN = PRICES.layouts.filter(layout="2025-02")
FIVE = PRICES.layouts.filter(layout="2022", bea_table="SARPP")
TODAY = {
    1: ("SARPI", 1),
    2: ("SARPI", 2),
    3: ("SARPI", 3),
    4: ("SARPI", 4),
    5: ("SARPP", 1),
    6: ("SARPP", 2),
    7: ("SARPP", 3),
    8: ("SARPP", 4),
    9: ("SARPP", 5),
    10: ("SAIRPD", 1),
}


def published(layout: pl.DataFrame, **changes: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Cells and lines as BEA publishes a layout, with the columns changed as expressions say."""
    said = layout.with_columns(pl.col("description", "unit").str.replace_all("{base_year}", "2017", literal=True))
    said = said.with_columns(pl.col("description").str.split(" | ").list.first()).with_columns(**changes)
    return said.select("bea_table", "line_code", "unit", "unit_multiplier"), said.select(list(LINE_SCHEMA))


def where(*tables: tuple[pl.DataFrame, pl.DataFrame]) -> dict[int, tuple[str, int]]:
    cells, lines = (pl.concat(frames) for frames in zip(*tables, strict=True))
    found = moves(cells, lines, PRICES)
    return {line: (table, today) for line, table, today in found.drop("bea_table").iter_rows()}


def changed(line: int, column: str, to: str) -> dict[str, pl.Expr]:
    return {column: pl.when(pl.col("line_code") == line).then(pl.lit(to)).otherwise(column).alias(column)}


def test_ten_lines_are_the_lines_of_three_tables() -> None:
    assert where(published(TEN)) == TODAY


def test_five_lines_stay_where_they_are() -> None:
    assert where(published(FIVE)) == {}
    check_layouts(*published(FIVE), PRICES)


@pytest.mark.parametrize(
    "text", ["RPPs: Services: Rents", "RPPs: Services: Housing", "[SARPP] RPPs: Services: Rents 1/"]
)
def test_both_wordings_of_a_line_are_the_line(text: str) -> None:
    assert where(published(TEN, **changed(7, "description", text))) == TODAY
    check_layouts(*published(FIVE, **changed(3, "description", text)), PRICES)


@pytest.mark.parametrize("lines", [(1,), (5, 6), (10,), (3, 9)])
def test_a_part_of_the_lines_is_recognised_by_what_is_there(lines: tuple[int, ...]) -> None:
    assert where(published(TEN.filter(pl.col("line_code").is_in(lines)))) == {line: TODAY[line] for line in lines}


def test_a_line_that_no_layout_has_is_left_where_it_is() -> None:
    cells, lines = published(TEN)
    more = lines.head(1).with_columns(line_code=pl.lit(11, dtype=pl.Int32), description=pl.lit("RPPs: Something new"))
    cells = pl.concat([cells, cells.head(1).with_columns(line_code=pl.lit(11, dtype=pl.Int32))])
    found = moves(cells, pl.concat([lines, more]), PRICES)
    assert as_today(more, found).rows() == more.rows()
    assert as_today(cells, found).filter(bea_table="SARPP")["line_code"].to_list() == [1, 2, 3, 4, 5, 11]


def test_a_line_that_bea_adds_to_the_layout_of_today_is_no_other_layout() -> None:
    cells, lines = published(FIVE)
    sixth = pl.lit(6, dtype=pl.Int32)
    more = lines.head(1).with_columns(line_code=sixth, description=pl.lit("RPPs: Services: Of a new kind"))
    both = pl.concat([cells, cells.head(1).with_columns(line_code=sixth)]), pl.concat([lines, more])
    assert moves(*both, PRICES).is_empty()
    check_layouts(*both, PRICES)


def test_a_line_that_a_layout_of_before_lacked_is_not_taken_for_the_one_that_has_its_number_today() -> None:
    before = TEN.filter(pl.col("line_code").is_in([3, 5])).with_columns(
        layout=pl.lit("2010"), line_code=pl.col("line_code").replace({3: 1, 5: 2})
    )
    dataset = replace(PRICES, layouts=pl.concat([before, PRICES.layouts]))
    assert moves(*published(before), dataset).height == 2
    cells, lines = published(before)
    fifth = pl.lit(5, dtype=pl.Int32)
    more = lines.head(1).with_columns(line_code=fifth, description=pl.lit("Something else"))
    both = pl.concat([cells, cells.tail(1).with_columns(line_code=fifth)]), pl.concat([lines, more])
    assert moves(*both, dataset).is_empty()
    with pytest.raises(LayoutUnknown, match="line 5 was pinned as 'no line' and now says 'Something else'"):
        check_layouts(*both, dataset)


def test_a_statistic_before_all_texts_is_no_other_meaning_and_before_one_it_is() -> None:
    prefixed = {"description": pl.lit("Prices: ") + pl.col("description")}
    check_layouts(*published(FIVE, **prefixed), PRICES)
    assert where(published(TEN, **prefixed)) == TODAY
    but_one = pl.when(pl.col("line_code") > 1).then(prefixed["description"]).otherwise("description")
    check_layouts(*published(FIVE, description=but_one), PRICES)
    with pytest.raises(LayoutUnknown):
        check_layouts(*published(FIVE, **changed(2, "description", "Redefined: RPPs: Goods")), PRICES)
    with pytest.raises(LayoutUnknown):
        check_layouts(*published(FIVE, description=pl.lit("Other ") + pl.col("description")), PRICES)


def test_lines_that_no_layout_has_are_no_layout_that_is_known() -> None:
    cells, lines = published(FIVE)
    elsewhere = {"line_code": pl.col("line_code") + 40}
    with pytest.raises(LayoutUnknown) as unknown:
        check_layouts(cells.with_columns(**elsewhere), lines.with_columns(**elsewhere), PRICES)
    assert len(unknown.value.differences) == 5


def test_a_line_of_before_under_a_number_that_is_taken_today_is_no_layout_that_is_known() -> None:
    of_income = TEN.filter(pl.col("line_code") <= 4)
    cells, lines = published(of_income)
    fifth = pl.lit(5, dtype=pl.Int32)
    more = lines.head(1).with_columns(line_code=fifth, description=pl.lit("Real income of a new kind"))
    both = pl.concat([cells, cells.head(1).with_columns(line_code=fifth)]), pl.concat([lines, more])
    assert moves(*both, PRICES).is_empty()
    with pytest.raises(LayoutUnknown, match="'Real income of a new kind'"):
        check_layouts(*both, PRICES)


@pytest.mark.parametrize(
    ("column", "line", "to", "differs"),
    [
        ("unit", 1, "Index", "line 1 was pinned as 'Millions of constant {base_year} dollars (10^6)'"),
        ("unit", 10, "Percent", "line 10 was pinned as 'Index (10^0)' and now says 'Percent (10^0)'"),
        ("description", 10, "Price deflator", "line 10 was pinned as 'Implicit regional price deflator'"),
        ("description", 5, "RPPs: Goods", "line 5 was pinned as 'RPPs: All items' and now says 'RPPs: Goods'"),
    ],
)
def test_one_text_or_unit_that_is_another_makes_a_layout_that_is_not_known(
    column: str, line: int, to: str, differs: str
) -> None:
    said = published(TEN, **changed(line, column, to))
    assert where(said) == {}
    with pytest.raises(LayoutUnknown) as unknown:
        check_layouts(*said, PRICES)
    assert (unknown.value.nearest, len(unknown.value.differences)) == ("2025-02", 1)
    assert differs in str(unknown.value)


def test_lines_in_another_order_are_no_layout_that_is_known() -> None:
    swapped = TEN.with_columns(pl.col("line_code").replace({5: 6, 6: 5}))
    assert where(published(swapped)) == {}
    with pytest.raises(LayoutUnknown, match="from the nearest, that of 2025-02"):
        check_layouts(*published(swapped), PRICES)


def test_a_number_in_an_index_without_a_text_could_be_of_two_layouts() -> None:
    cells, lines = published(TEN.filter(line_code=5))
    assert moves(cells, lines.clear(), PRICES).is_empty()
    with pytest.raises(LayoutUnclear, match="the layout of 2026 or of 2025-02 or of 2022"):
        check_layouts(cells, lines.clear(), PRICES)


def test_the_line_of_today_is_kept_beside_those_that_move() -> None:
    of_income = PRICES.layouts.filter(layout="2022", bea_table="SARPI")
    assert where(published(TEN), published(of_income)) == TODAY


def test_tables_with_one_layout_are_not_looked_at() -> None:
    spending = load_datasets("full")["pce_state"]
    assert spending.with_several_layouts == ()
    assert moves(*published(TEN), spending).is_empty()
    check_layouts(*published(TEN), spending)


MONTHS = load_datasets("full")["pce_us_monthly"]
OF_PRODUCTS = MONTHS.lines.filter(bea_table="T20805")


def printed(lines: pl.DataFrame) -> dict[int, int]:
    """Where the lines of a national table stand, by the number at which BEA prints them."""
    found = moves(pl.DataFrame(schema={"bea_table": pl.String}), lines, MONTHS)
    return dict(found.select("line_code", "today_line").iter_rows())


def national(*more: tuple[int, str], without: int | None = None) -> pl.DataFrame:
    usual = OF_PRODUCTS.select(*LINE_SCHEMA).with_columns(pl.col("description").str.split(" | ").list.first())
    added = pl.DataFrame([("T20805", *each) for each in more], schema=usual.schema, orient="row")
    return pl.concat([usual.filter(pl.col("line_code") != (without or 0)), added])


def test_a_national_line_is_its_text_wherever_it_is_printed() -> None:
    assert printed(national()) == {}
    moved = national().with_columns(pl.col("line_code") + pl.when(pl.col("line_code") > 9).then(1).otherwise(0))
    assert printed(moved) == {line + 1: line for line in range(10, 26)}


def test_a_national_line_that_is_not_pinned_makes_way_for_one_that_is() -> None:
    shifted = national((25, "PCE of a new kind"), without=25)
    core = OF_PRODUCTS.filter(line_code=25)["description"][0].split(" | ")[0]
    assert printed(pl.concat([shifted, national((32, core)).tail(1)])) == {25: 33, 32: 25}


def test_of_two_national_lines_with_one_text_that_with_the_pinned_number_is_meant() -> None:
    food = OF_PRODUCTS.filter(line_code=9)["description"][0]
    assert printed(national((26, food))) == {}


def test_a_national_line_whose_text_changed_is_refused_and_not_moved_away() -> None:
    lines = national((19, "Restaurants and hotels"), without=19)
    assert printed(lines) == {}
    with pytest.raises(LineMeaningChanged, match="Restaurants and hotels"):
        check_meanings(lines, MONTHS)
