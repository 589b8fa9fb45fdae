"""Answers drawn: a line for each area, category and measure, gaps where figures are missing, and SAMPLE on samples."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.asking.about import About
from pce_pipeline.charts.errors import NotAChart, NothingToDraw, TooManyLines
from pce_pipeline.charts.file import plot_file
from pce_pipeline.charts.lines import panels
from pce_pipeline.charts.terminal import plot_in_terminal

ABOUT = About(
    title="Spending of two states",
    units={"spending": "constant dollars", "growth": "percent"},
    base_years={"spending": 2017, "growth": None},
    as_of=date(2025, 3, 31),
    vintages=[],
    source="U.S. Bureau of Economic Analysis",
    is_sample=False,
    citation="U.S. Bureau of Economic Analysis, Spending.",
    notes=[],
)
SAMPLE = replace(ABOUT, is_sample=True, source="SAMPLE", citation="SAMPLE: invented.")


def rows(
    *figures: tuple[int, float | None], area: str = "California", measure: str = "spending", dataset: str = "one"
) -> pl.DataFrame:
    return pl.DataFrame(
        [(dataset, measure, "all", "All of it", area, year, value) for year, value in figures],
        schema=["dataset", "measure", "category_id", "category_name", "geo_name", "year", "value"],
        orient="row",
    )


ROOT = Path(__file__).parents[2]
TWO = pl.concat(
    [rows((2020, 1.0), (2021, None), (2022, 3.0), (2023, 4.0)), rows((2020, 5.0), (2023, 2.0), area="Texas")]
)


def test_a_missing_figure_is_a_gap_and_never_a_zero() -> None:
    (panel,) = panels(TWO, ABOUT)
    california, texas = panel.lines
    assert california.segments == (((2020.0, 1.0),), ((2022.0, 3.0), (2023.0, 4.0)))
    assert (california.gaps, texas.gaps) == (1, 2)
    assert [line.label for line in panel.lines] == ["California", "Texas"]


def test_units_that_differ_have_panels_of_their_own_which_say_the_base_year() -> None:
    both = pl.concat([TWO, rows((2020, 0.5), measure="growth")])
    assert [panel.title for panel in panels(both, ABOUT)] == [
        "spending: constant dollars, prices of 2017",
        "growth: percent",
    ]


def test_months_follow_one_another_over_the_end_of_a_year() -> None:
    months = rows((2023, 1.0), (2024, 2.0), (2024, 3.0)).with_columns(month=pl.Series([12, 1, 3]))
    (panel,) = panels(months, ABOUT)
    assert [len(segment) for segment in panel.lines[0].segments] == [2, 1]
    assert panel.lines[0].points[1][0] == 2024.0


def test_lines_are_labelled_by_what_tells_them_apart_in_their_panel() -> None:
    (panel,) = panels(pl.concat([rows((2021, 2.0)), rows((2021, 2.5), dataset="two")]), ABOUT)
    assert [line.label for line in panel.lines] == ["one", "two"]
    (panel,) = panels(pl.concat([rows((2021, 2.0)), rows((2021, None), area="Texas")]), ABOUT)
    assert [line.label for line in panel.lines] == ["California"]


def test_more_lines_than_a_person_tells_apart_and_figures_without_numbers_are_refused() -> None:
    many = pl.concat([rows((2020, float(number)), area=f"Area {number}") for number in range(13)])
    with pytest.raises(TooManyLines, match="13 lines"):
        panels(many, ABOUT)
    with pytest.raises(NothingToDraw):
        panels(rows((2020, None)), ABOUT)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_the_terminal_shows_letters_names_and_ends_within_its_width(width: int) -> None:
    drawn = plot_in_terminal(TWO, SAMPLE, width=width).plain.splitlines()
    chart = [line for line in drawn if "┤" in line]
    assert max(map(len, chart)) == max(width, 10)
    assert drawn[0] == "SAMPLE Spending of two states"
    assert "A California: 4 in 2023, 1 without a figure" in drawn
    assert chart[0].lstrip().startswith("5.0 ┤")
    assert chart[-1].lstrip().startswith("1.0 ┤")
    assert {letter for line in chart for letter in "AB" if letter in line} == {"A", "B"}
    assert drawn[-1] == "SAMPLE: invented."


def test_a_rising_line_of_the_terminal_rises() -> None:
    drawn = plot_in_terminal(rows((2020, 0.0), (2021, 10.0)), ABOUT, width=30).plain.splitlines()
    filled = [[at for at, each in enumerate(line) if each not in " ⠀"][-1] for line in drawn if "┤" in line]
    assert filled == sorted(filled, reverse=True)
    assert filled[0] > filled[-1]


def test_one_figure_alone_is_drawn() -> None:
    assert "A California: 1 in 2020" in plot_in_terminal(rows((2020, 1.0)), ABOUT, width=40).plain


def test_an_svg_says_title_unit_base_source_and_sample_and_is_the_same_every_time(tmp_path: Path) -> None:
    first, again = tmp_path / "a.svg", tmp_path / "b.svg"
    for path in (first, again):
        plot_file(TWO, SAMPLE, path)
    text = first.read_text()
    for said in ("SAMPLE: Spending of two", "prices of", ">2017<", ">SAMPLE<", "invented", "California", "Gaps: no"):
        assert said in text
    assert text == again.read_text()
    plot_file(TWO, ABOUT, first)
    assert ">SAMPLE<" not in first.read_text()


def test_a_png_is_drawn_without_a_display(tmp_path: Path) -> None:
    path = tmp_path / "chart.png"
    plot_file(TWO, ABOUT, path)
    body = path.read_bytes()
    assert body.startswith(b"\x89PNG")
    assert ABOUT.citation.encode() in body
    assert [each.name for each in tmp_path.iterdir()] == ["chart.png"]


def test_a_name_of_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAChart, match=r"End it in \.png or \.svg"):
        plot_file(TWO, ABOUT, tmp_path / "chart.pdf")


def test_without_matplotlib_the_error_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from pathlib import Path\n"
        "from pce_pipeline.charts.errors import ChartsNotInstalled\n"
        "from pce_pipeline.charts.file import plot_file\n"
        "from pce_pipeline_tests.charts.test_charts import ABOUT, TWO\n"
        "try:\n    plot_file(TWO, ABOUT, Path('chart.png'))\n"
        "except ChartsNotInstalled as missing:\n    print(missing)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.stderr == ""
    assert "pip install 'pce_pipeline[ask]'" in ran.stdout
