"""What rules see of ranges of years, taken together, is what they see of all years at once."""

from collections.abc import Mapping, Sequence

import polars as pl
import pytest

from pce_pipeline.quality.findings import EXAMPLES, Figure, Finding, Least, finding, together
from pce_pipeline.quality.rules import Rule, Seen, rule

NUMBERS = pl.DataFrame(
    {
        "year": [2019, 2020, 2021, 2022, 2022, 2023, 2024, 2024],
        "place": ["a", "b", "a", "c", "b", "b", "d", "a"],
        "number": [1, 12, 3, 14, 15, 16, 17, 18],
    }
)


@rule("key")
def numbers_are_small(rows: pl.DataFrame) -> Finding:
    """No number is above ten."""
    return finding(
        rows.filter(pl.col("number") > 10).sort("place", "year"),
        holds="{rows} small numbers",
        fails="of {rows} numbers are large",
        example="{place}, {year}: {number}",
        figures={
            "rows": rows.height,
            "places": frozenset(rows["place"].to_list()),
            "largest": float(max(rows["number"].to_list())),
        },
    )


@rule("key")
def places_are_known(rows: pl.DataFrame) -> Finding:
    """Every place is a or c."""
    return finding(
        rows.select("place").unique().filter(~pl.col("place").is_in(["a", "c"])),
        holds="every place is known",
        fails="places are unknown",
        example="{place}",
        are_distinct=True,
    )


@rule("threshold", tolerance="None.")
def lowest_is_told(rows: pl.DataFrame) -> Finding:
    """The lowest share is told."""
    return Finding(
        passed=True,
        summary=lambda found: f"{found.counted['lowest']} of {', '.join(found.named['places'])}",
        figures={"lowest": Least(min(rows["number"].to_list()))},
        named={"places": tuple(rows["place"].unique(maintain_order=True))},
    )


@pytest.mark.parametrize("ends", [[2022], [2020, 2021], [2019, 2020, 2021, 2022, 2023]])
@pytest.mark.parametrize("each", [numbers_are_small, places_are_known, lowest_is_told], ids=lambda each: each.name)
def test_parts_say_what_the_whole_says(each: Rule[pl.DataFrame], ends: Sequence[int]):
    seen = Seen()
    for first, last in zip([0, *ends], [*ends, 9999], strict=True):
        seen.look([each], NUMBERS.filter(pl.col("year") > first, pl.col("year") <= last))

    assert seen.results("gold/numbers") == [each.check("gold/numbers", NUMBERS)]


def test_a_part_that_cannot_be_looked_at_fails_the_whole():
    seen = Seen()
    seen.look([numbers_are_small], NUMBERS)
    seen.look([numbers_are_small], NUMBERS.drop("place"))

    (result,) = seen.results("gold/numbers")

    assert not result.passed


def test_the_largest_deviations_of_all_parts_are_told_of_each_kind():
    def part(first: int) -> Finding:
        rows: list[Mapping[str, Figure]] = [
            {"year": year, "deviation": float(-year), "explained_by": "rounding"} for year in range(first, first + 4)
        ]
        rows.append({"year": 1, "deviation": 1.0, "explained_by": "nothing"})
        return Finding(passed=True, summary="", largest=tuple(rows))

    largest = together([part(2000), part(2010)]).largest

    assert [row["year"] for row in largest] == [1, 1, 2013, 2012, 2011, 2010, 2003]
    assert len(largest) == EXAMPLES + 2
