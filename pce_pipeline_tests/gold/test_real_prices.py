"""BEA's own prices: every vintage belongs to its nominal release, and one broken cell is found in each."""

import io
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.errors import FileUnusable
from pce_pipeline.bronze.history import History, decoded_of, fold_year
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.price_releases import belongings, is_summary, needed, price_releases, repeated
from pce_pipeline.gold.vintages import figures
from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.store import Store
from pce_pipeline.quality.price_releases import Belonging, PriceReleases, price_releases_rules
from pce_pipeline.quality.rules import RuleResult, judge
from pce_pipeline_tests.bronze.importing import import_file
from pce_pipeline_tests.prices import ten_lines

pytestmark = pytest.mark.real

DATASETS = load_datasets("full")
HOMES = {measure.name: measure.home for each in DATASETS.values() for measure in each.measures.values()}
PRICES, SPENDING, INCOME = "SARPP_2022-12-15.zip", "SAPCE_2022-10-06.zip", "SAINC1_2025-03-28.zip"
SUMMARIES = ("SASUMMARY_2024-12-12.zip", "SASUMMARY_2025-03-28.zip", "SASUMMARY_2025-09-26.zip")
CROSSING = [each.name for each in price_releases_rules if each.blocking == "never"]


_LOGS: dict[tuple[str, ...], pl.DataFrame] = {}
"""The needed rows of logs by what they were folded from: that of all spending takes seconds."""


class Held:
    """What a lake holds of BEA's files, by dataset."""

    def __init__(self, folder: Path, spending: Path | None = None) -> None:
        if spending is not None:
            shutil.copytree(spending, folder)
        self.bronze = {
            name: BronzeStore(Store(DirectoryBackend(folder)), Layout("local", "bea"), name) for name in DATASETS
        }

    def take(self, *files: Path, only: str | None = None) -> "Held":
        for file in files:
            for name, dataset in DATASETS.items():
                if only in {None, name}:
                    import_file(self.bronze[name], dataset, file)
        return self

    @property
    def logs(self) -> Mapping[str, pl.DataFrame]:
        found = {}
        for name, dataset in DATASETS.items():
            now = current(self.bronze[name], dataset)
            key = (name, *(each.content_sha256 for each in now.manifests.values()))
            if now.manifests and key not in _LOGS:
                history, decoded = History(now), decoded_of(now)
                folded = [fold_year(history, year, decoded).log for year in sorted(history.years) if year >= 2008]
                _LOGS[key] = needed(pl.concat([figures(log, history.vintages, dataset) for log in folded]))
            if now.manifests:
                found[name] = _LOGS[key]
        return found

    def found(self) -> tuple[dict[str, tuple[Belonging, ...]], dict[str, RuleResult]]:
        logs = self.logs
        found = belongings(logs, HOMES, {name: each.known_releases for name, each in DATASETS.items()})
        summaries = [
            repeated(logs, name).with_columns(dataset=pl.lit(name)) for name, log in logs.items() if is_summary(log)
        ]
        subject = PriceReleases(
            price_releases(found), [each[-1] for each in found.values()], pl.concat(summaries) if summaries else None
        )
        return found, {each.name: each for each in judge(price_releases_rules, "gold/price_releases", subject)}


@pytest.fixture(scope="module")
def spending(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that holds the spending of October 2022."""
    folder = tmp_path_factory.mktemp("spending")
    Held(folder).take(real_data / SPENDING, only="pce_state")
    return folder


def settled(of: Belonging, measure: str = "real_pce") -> tuple[object, ...]:
    columns = ["nominal_dataset", "nominal_released_on", "settled_by", "cells_compared", "cells_off"]
    (row,) = of.rows.filter(measure=measure).select(columns).iter_rows()
    return tuple(str(each) if each is not None and not isinstance(each, int) else each for each in row)


def without_one(results: Mapping[str, RuleResult]) -> list[str]:
    return [name for name, each in results.items() if not each.passed]


def test_prices_of_2022_belong_to_the_spending_of_two_months_before(
    real_data: Path, tmp_path: Path, spending: Path
) -> None:
    found, results = Held(tmp_path / "lake", spending).take(real_data / PRICES).found()
    (of_prices,) = found["prices_state"]
    for measure in ("real_pce", "regional_price_deflator", "regional_price_parity"):
        assert settled(of_prices, measure) == ("pce_state", "2022-10-06", "figures", 714, 0)
    # the archive has the summary of three months later, whose income it is
    assert settled(of_prices, "real_personal_income")[:3] == ("summary_state", "2023-03-31", "figures")
    assert without_one(results) == []
    assert results["deflators_are_nominal_over_real_spending"].figures["compared"] == 2 * 714
    assert results["spending_over_real_times_level_is_one_number"].figures["compared"] == 2 * 14 * 52
    assert results["income_over_real_times_level_is_one_number"].figures["compared"] == 2 * 714


def test_where_their_release_is_not_held_nothing_stands_in_and_nothing_is_judged(
    real_data: Path, tmp_path: Path, spending: Path
) -> None:
    held = Held(tmp_path / "lake", spending).take(real_data / INCOME)
    held.take(real_data / SUMMARIES[2], only="summary_state")  # only the September: prices of before, spending of after
    found, results = held.found()
    (of_summary,) = found["summary_state"]
    assert settled(of_summary) == (None, "2024-10-03", "calendar", 0, 0)
    assert "pce" not in of_summary.nominal
    unjudged = [name for name in CROSSING if not results[name].has_subject]
    assert "deflators_are_nominal_over_real_spending" in unjudged
    assert "gaps_to_the_nation_are_the_same_share" in unjudged
    assert without_one(results) == []


def test_all_vintages_of_the_summary_are_green_when_they_come(real_data: Path, tmp_path: Path, spending: Path) -> None:
    held = Held(tmp_path / "lake", spending)
    seen, repeated_figures = [], {}
    for file in (PRICES, INCOME, *SUMMARIES):
        found, results = held.take(real_data / file).found()
        assert without_one(results) == [], file
        if "summary_state" in found:
            seen.append(settled(found["summary_state"][-1]))
            repeated_figures[file] = results["summaries_agree_with_their_sources"].figures["compared"]
    assert seen == [
        *[("pce_state", "2022-10-06", "figures", 714, 0)] * 2,
        *[("summary_state", "2024-12-12", "figures", 816, 0)] * 3,
    ]
    # real figures, prices and spending of 2022; then, of March, income in total and per resident of the same day
    assert repeated_figures[PRICES] == 14 * (51 + 4 * 52 + 52 + 2 * 52)
    assert repeated_figures[SUMMARIES[1]] == 17 * 2 * 52
    assert repeated_figures[SUMMARIES[2]] == 0  # of all that it repeats there is a newer release, which is not held


@pytest.mark.parametrize("nth", range(4))
def test_one_broken_cell_is_found_in_every_vintage_of_the_summary(
    nth: int, real_data: Path, tmp_path: Path, spending: Path
) -> None:
    vintages = [real_data / SPENDING, *(real_data / file for file in SUMMARIES)]
    broken = tmp_path / "SASUMMARY.zip"
    broken.write_bytes(_with_another_number(vintages[nth], line=14, area="01000", year=2015))
    held = Held(tmp_path / "lake", spending)
    held.take(*vintages[:nth], broken, only="summary_state")
    _, results = held.found()
    assert "deflators_are_nominal_over_real_spending" in without_one(results)
    assert results["deflators_are_nominal_over_real_spending"].figures["violations"] == 1
    (example,) = results["deflators_are_nominal_over_real_spending"].examples
    assert example.startswith("summary_state, area 01000, 2015: deflator ")


def _with_another_number(archive: Path, *, line: int, area: str, year: int) -> bytes:
    """The archive with the summary's table alone, in which one number is another."""
    with zipfile.ZipFile(archive) as packed:
        name = next(name for name in packed.namelist() if name.startswith("SASUMMARY_") and "ALL_AREAS" in name)
        lines = packed.read(name).decode("latin-1").splitlines()
    at = lines[0].split(",").index(str(year))
    (nth,) = (n for n, text in enumerate(lines) if f'"{area}"' in text and f",SASUMMARY,{line}," in text)
    head, *rest = lines[nth].rsplit(",", len(lines[0].split(",")) - at)
    rest[0] = f"{float(rest[0]) + 1:.3f}"
    lines[nth] = ",".join([head, *rest])
    packed_again = io.BytesIO()
    with zipfile.ZipFile(packed_again, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(name, "\r\n".join(lines).encode("latin-1"))
    return packed_again.getvalue()


def test_a_table_in_ten_lines_says_the_same_as_three_tables(real_data: Path, tmp_path: Path) -> None:
    archive = (real_data / PRICES).read_bytes()
    file = tmp_path / "SARPP_STATE_2008_2021.csv"
    file.write_bytes(ten_lines(archive, "February 20, 2025"))
    held = Held(tmp_path / "lake").take(real_data / PRICES, file, only="prices_state")
    now = current(held.bronze["prices_state"], DATASETS["prices_state"])
    older, newer = now.manifests.values()
    assert newer.tables.keys() == older.tables.keys() == {"SARPP", "SARPI", "SAIRPD"}
    same = {table: newer.tables[table].content_sha256 == older.tables[table].content_sha256 for table in newer.tables}
    # the deflator has a row of the US without a figure, which the table of its own has not
    assert same == {"SARPP": True, "SARPI": True, "SAIRPD": False}
    assert newer.tables["SAIRPD"].rows == older.tables["SAIRPD"].rows + 14
    assert newer.objects[0].published_as == ("SARPP",)
    assert [each.counts for each in (newer.verdicts or {}).values()] == [True] * 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"RPPs: All items ","Index"', '"RPPs: All items ","Percent"'), "line 5"),
        (lambda text: text.replace("RPPs: Goods", "RPPs: Things"), "'RPPs: Things'"),
        (lambda text: text.replace(",SARPP,10,", ",SARPP,11,").replace(",SARPP,1,", ",SARPP,10,"), "line 10"),
    ],
    ids=["unit", "text", "place"],
)
def test_a_layout_that_is_not_known_is_refused_with_what_differs(change, said, real_data: Path, tmp_path: Path) -> None:
    text = ten_lines((real_data / PRICES).read_bytes(), "February 20, 2025").decode()
    file = tmp_path / "SARPP_STATE_2008_2021.csv"
    file.write_text(change(text))
    with pytest.raises(FileUnusable, match="SARPP has a layout that is not known") as refused:
        Held(tmp_path / "lake").take(file, only="prices_state")
    assert said in str(refused.value)
    assert "that of 2025-02" in str(refused.value)
