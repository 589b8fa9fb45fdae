"""A lake that is open in Python and in the shell: now, as of a day, and between an extract and its refresh."""

import io
import os
import re
import shlex
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pce_pipeline.bronze.errors import NotKnownYet
from pce_pipeline.emulator.vintages import VINTAGES
from pce_pipeline.errors import UsageError
from pce_pipeline.opened_lake import OpenLake
from pce_pipeline_tests.cli.conftest import Called
from pce_pipeline_tests.worlds import Prepared, World, command_line_of

pytestmark = [pytest.mark.postgres]

ROOT = Path(__file__).parents[2]
OF_OCTOBER_2024 = "2025-03-31"
"""A day on which the sample's first release was the newest one."""


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory, prepared: Prepared) -> Iterator[World]:
    """All datasets with few lines, as of all releases that the sample's archive has, brought to Postgres."""
    with prepared.copied(tmp_path_factory.mktemp("lean")) as world:
        yield world


@pytest.fixture(scope="module")
def lake(lean: World) -> OpenLake:
    return OpenLake(lean.settings)


@pytest.fixture
def pce(lean: World) -> Callable[..., Called]:
    return command_line_of(lean)


def test_every_block_of_the_document_runs(lean: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HOME", lean.settings.home), ("PROFILE", "lean"), ("CATALOG", lean.settings.catalog)):
        monkeypatch.setitem(os.environ, f"PCE_{name}", str(value))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text("utf-8"), flags=re.DOTALL)
    known: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), known)
    assert len(blocks) == 10
    assert known["then"].about.vintages == ["pce_state 2024-10-03"]
    assert {file.name for file in tmp_path.iterdir()} == {"real.xlsx", "real.png", "fastest.xlsx"}


def test_the_readme_has_a_day_of_the_past_in_a_spreadsheet_by_shell_and_by_python(
    lean: World, pce: Callable[..., Called], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("HOME", lean.settings.home), ("PROFILE", "lean"), ("CATALOG", lean.settings.catalog)):
        monkeypatch.setitem(os.environ, f"PCE_{name}", str(value))
    monkeypatch.chdir(tmp_path)
    readme = (ROOT / "README.md").read_text("utf-8")
    (line,) = re.findall(r"^\$ \.venv/bin/pce (query .*--as-of .*)", readme, re.MULTILINE)
    (block,) = [each for each in re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL) if "as_of=" in each]
    assert pce(*shlex.split(line)).code == 0
    exec(compile(block, "README.md", "exec"), {})
    for name in ("real.xlsx", "health.xlsx"):
        sheets = zipfile.ZipFile(name)
        told = "".join(sheets.read(each).decode() for each in sheets.namelist() if "sheets/" in each)
        assert [
            text for text in ("California", "Texas", "SAMPLE", "2025-03-31", "2024-10-03") if text not in told
        ] == []


def questions() -> list[tuple[str, str, str, str]]:
    """Title, SQL, arguments of the shell and Python of each question of the document."""
    text = (ROOT / "docs" / "queries.md").read_text("utf-8")
    asked = re.compile(r"## (\d+\. .*?)\n.*?```sql\n(.*?)```.*?\n\$ pce (.*?)\n.*?```python\n(.*?)```", re.DOTALL)
    return [(each[1], each[2], each[3], each[4]) for each in asked.finditer(text)]


@pytest.mark.parametrize(("title", "sql", "shell", "python"), questions(), ids=lambda text: text[:12])
def test_a_question_has_one_answer_in_sql_shell_and_python(
    lean: World, lake: OpenLake, pce: Callable[..., Called], title: str, sql: str, shell: str, python: str
) -> None:
    assert len(questions()) == 10
    of_sql = sorted(round(float(row[-1]), 6) for row in lean.query(sql))
    told = pce(*shlex.split(shell), "--format", "csv")
    assert told.code == 0, told.err
    of_shell = sorted(pl.read_csv(io.StringIO(told.out))["value"].cast(pl.Float64).round(6))
    known: dict[str, Any] = {"lake": lake}
    exec(compile(python, "docs/queries.md", "exec"), known)
    of_python = sorted(known["answer"].frame["value"].cast(pl.Float64).round(6))
    assert of_sql, title
    assert of_sql == of_shell == of_python


@pytest.mark.parametrize(
    "name",
    ["pce_state_annual", "pce_state_metrics", "prices_state_annual", "state_price_metrics", "summary_state_annual"],
)
def test_a_table_as_of_today_is_the_published_one(lake: OpenLake, name: str) -> None:
    today = datetime.now(UTC).date()
    assert lake.table(name, as_of=today).pl().equals(lake.table(name).pl())
    of_a_year = lake.table(name, as_of=today, years=2020).pl()
    assert of_a_year.equals(lake.table(name, years="2020").pl())


def test_a_rate_as_of_a_day_is_that_of_the_figures_known_then(lake: OpenLake) -> None:
    asked: dict[str, Any] = {
        "states": "states,US",
        "categories": "product.goods",
        "years": "2010...2023",
        "as_of": OF_OCTOBER_2024,
    }
    rates = lake.query(measures="pce_yoy_pct", **asked).frame
    levels = lake.query(measures="pce", growth=True, datasets="pce_state", **asked).frame
    both = rates.join(levels, on=["geo_fips", "year"], suffix="_of_level")
    assert both.height == 52 * 14
    assert both.filter((pl.col("value") - pl.col("yoy_pct")).abs() > 1e-6).is_empty()
    assert rates["vintage"].cast(pl.String).unique().to_list() == ["2024-10-03"]
    now = lake.query(**{**asked, "measures": "pce_yoy_pct", "as_of": None}).frame
    assert now.join(rates, on=["geo_fips", "year"]).filter(pl.col("value") != pl.col("value_right")).height > 0


def test_inflation_as_of_a_day_knows_base_years_and_what_was_not_published(lake: OpenLake) -> None:
    asked: dict[str, Any] = {"states": "CA,US", "years": "2021...2023", "as_of": OF_OCTOBER_2024}
    found = lake.query(measures="inflation_pct", **asked).frame
    of_state = found.filter(state="CA").sort("year")
    assert of_state["status"].to_list() == ["reported", "reported"]
    assert found.filter(geo_level="nation")["status"].unique().to_list() == ["not_published"]
    irpd = lake.query(measures="irpd", **{**asked, "years": "2020...2022"}).frame.filter(state="CA").sort("year")
    again = [
        100 * (float(after) / float(before) - 1)
        for before, after in zip(irpd["value"], irpd["value"][1:], strict=False)
    ]
    assert of_state["value"].to_list() == pytest.approx(again, abs=1e-6)
    assert irpd["base_year"].unique().to_list() == [2017]
    assert irpd["real_figures"].null_count() == 0


def test_a_number_that_is_missing_says_why(lake: OpenLake) -> None:
    first = lake.query(states="CA", categories="product.goods", measures="pce_yoy_pct", years=1997).frame
    assert first.select("value", "status").rows() == [(None, "not_published")]
    rank = lake.query(states="US", categories="product.goods", measures="pce_rank_among_states", years=2020).frame
    assert rank.select("value", "status", "unit").rows() == [(None, "no_number", "number")]


def test_months_are_answered_by_column_or_measure_and_have_no_as_of(lake: OpenLake) -> None:
    asked: dict[str, Any] = {"categories": "product.goods", "years": 2024, "months": "6...7"}
    found = lake.query(measures="pce_annual_rate,pce_mom_pct", **asked).frame
    months = {row["month"]: row["value"] for row in found.filter(measure="pce_millions_usd_saar").to_dicts()}
    (july,) = found.filter(measure="pce_mom_pct", month=7)["value"]
    assert july == pytest.approx(100 * (months[7] / months[6] - 1), abs=1e-6)
    assert found["vintage"].null_count() == found["released_on"].null_count() == 0
    with pytest.raises(UsageError, match="Of months no log is kept"):
        lake.query(measures="pce_mom_pct", as_of=OF_OCTOBER_2024, **asked)
    with pytest.raises(UsageError, match="published by month"):
        lake.query(measures="pce", months=7)


def test_a_measure_is_answered_by_the_dataset_that_publishes_it_first(lake: OpenLake) -> None:
    asked: dict[str, Any] = {"states": "CA", "measures": "real_pce", "years": 2022}
    here = lake.query(**asked)
    assert here.frame["dataset"].to_list() == ["prices_state"]
    assert "summary_state has real_pce as well, of its vintage" in here.about.notes[-1]
    there = lake.query(**asked, datasets="summary_state")
    assert there.frame["dataset"].to_list() == ["summary_state"]
    assert there.frame["value"].to_list() == here.frame["value"].to_list()


def test_what_an_answer_says_of_itself_is_enough_to_cite_it(lake: OpenLake) -> None:
    said = lake.query(
        states="CA,TX", measures="real_pce_per_capita,pce_yoy_pct", categories="product.pce", years=2022,
        as_of=OF_OCTOBER_2024,
    ).about  # fmt: skip
    assert said.is_sample
    assert "BEA," not in said.citation
    assert said.citation.startswith("SAMPLE: invented numbers")
    assert f"as known on {OF_OCTOBER_2024}. pce_yoy_pct computed" in said.citation
    assert said.units == {"real_pce_per_capita": "constant dollars", "pce_yoy_pct": "percent"}
    assert said.base_years == {"real_pce_per_capita": 2017, "pce_yoy_pct": None}
    assert said.vintages == ["pce_state 2024-10-03", "prices_state 2024-10-03"]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"measures": "pce_yoy_pct", "growth": True}, "is a column of gold/pce_state_metrics"),
        ({"measures": "pce", "as_of": "2999-01-01"}, "is in the future"),
        ({"measures": "pce", "include": "guessed"}, "There are no 'guessed' values"),
        ({"measures": "pce", "datasets": "gdp"}, "There is no dataset 'gdp'"),
        ({"measures": "pce_yoy_pct", "years": 2025, "as_of": OF_OCTOBER_2024}, "Nothing was known"),
    ],
)
def test_what_cannot_be_answered_says_what_to_do(lake: OpenLake, asked: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why)) as refused:
        lake.query(**asked)
    assert refused.value.remedy


def test_a_year_that_was_named_and_is_not_known_is_told(lake: OpenLake) -> None:
    asked: dict[str, Any] = {"states": "CA", "measures": "irpd", "as_of": OF_OCTOBER_2024}
    assert "Of 2023 nothing was known." in lake.query(years="2021...2023", **asked).about.notes
    assert lake.query(years="2021...", **asked).about.notes == []


def test_before_the_first_vintage_nothing_is_known(lake: OpenLake) -> None:
    for ask in (
        lambda: lake.query(measures="pce_yoy_pct", as_of="2020-01-01"),
        lambda: lake.table("pce_state_metrics", as_of="2020-01-01").pl(),
    ):
        with pytest.raises(NotKnownYet, match="pce_state of 2024-10-03"):
            ask()


def test_what_is_found_can_be_asked_for(lake: OpenLake) -> None:
    found = lake.find("goods", limit=3)
    assert "product.goods" in found["id"].to_list()


def test_a_table_that_there_is_not_or_that_was_not_known_yet_is_refused(lake: OpenLake) -> None:
    with pytest.raises(UsageError, match="Did you mean pce_state_annual"):
        lake.table("pce_state_anual")
    assert lake.table("silver/pce_state", as_of=OF_OCTOBER_2024).pl().height > 0
    with pytest.raises(NotKnownYet):
        lake.table("pce_us_monthly", as_of=OF_OCTOBER_2024).pl()
    with pytest.raises(UsageError, match="one piece"):
        lake.table("dim_geography", years=2020)
    assert lake.table("dim_geography").arrow().num_rows == lake.table("dim_geography").pl().height


def test_the_shell_lays_years_side_by_side_and_keeps_reasons(pce: Callable[..., Called]) -> None:
    asked = ("query", "--area", "CA,US", "--measure", "inflation_pct", "--years", "2021...2022", "--wide")
    rows = pl.read_csv(io.StringIO(pce(*asked, "--format", "csv").out))
    assert rows["missing"].to_list() == ["2021: not_published; 2022: not_published", None]
    shown = pce(*asked).out
    assert "not_published" in shown
    assert "SAMPLE" in shown
    assert pce(*asked, "--growth").code == 2


def test_forty_columns_are_enough(pce: Callable[..., Called]) -> None:
    asked = ("query", "--state", "CA,TX", "--measure", "pce,pce_yoy_pct", "--category", "goods", "--years", "2023")
    found = pce(*asked, COLUMNS="40").out.splitlines()
    assert max(map(len, found[1:])) <= 40  # the label of the sample is wrapped by the terminal itself
    assert "…" not in "".join(found)
    assert "product.goods" in "".join(found)


def test_what_a_pin_holds_back_is_known_all_the_same_and_told(lake: OpenLake, pce: Callable[..., Called]) -> None:
    asked: dict[str, Any] = {"states": "CA", "categories": "product.goods", "measures": "pce_yoy_pct", "years": 2023}
    before = lake.query(**asked)
    assert pce("pin", "2024-10-03", "--why", "a test", "--dataset", "pce_state").code == 0
    pinned = lake.query(**asked)
    assert pinned.frame.equals(before.frame)
    assert pinned.about.notes[-1].startswith("pce_state is pinned to 2024-10-03")
    assert pce("pin", "--clear", "--dataset", "pce_state").code == 0


def test_an_extract_that_gold_does_not_have_yet_is_computed_and_told(lean: World, lake: OpenLake) -> None:
    """Last in this module: it moves the world to the next release, without a refresh."""
    asked: dict[str, Any] = {"states": "CA", "categories": "product.goods", "measures": "pce_yoy_pct", "years": 2023}
    before = lake.query(**asked).frame["value"].to_list()
    (lean.settings.world_home / "sample-release").write_text(f"{VINTAGES[2].number}")
    for dataset in ("pce_state", "pce_us_monthly"):
        lean.extract(dataset=dataset)
    after = lake.query(**asked).frame["value"].to_list()
    assert after != before
    assert after == lake.query(**asked, as_of=datetime.now(UTC).date()).frame["value"].to_list()
    months = lake.query(measures="pce_mom_pct", categories="product.goods", years=2025)
    assert "gold/pce_us_monthly is not made of what counts now, 2025" in months.about.notes[-1]


@pytest.mark.parametrize("width", [40, 80, 140])
def test_a_wide_answer_cuts_no_number_and_names_every_row_however_narrow(lean: World, width: int) -> None:
    told = command_line_of(lean)(
        *("query", "--state", "CA,TX", "--measure", "pce_yoy_pct", "--category", "services"),
        *("--years", "2015...2023", "--wide"),
        COLUMNS=str(width),
    )
    assert told.code == 0, told.err
    frame = (
        OpenLake(lean.settings)
        .query(states="CA,TX", measures="pce_yoy_pct", categories="product.services", years="2015...2023")
        .frame
    )
    assert {f"{value:,f}".rstrip("0") for value in frame["value"]} <= set(told.out.split())
    assert told.out.count("CA ") == told.out.count("TX ") >= 1
    assert all(len(line) <= width for line in told.out.splitlines() if "SAMPLE" not in line)
