"""What a catalogue's files say must be possible: a mistake is refused with the file and the line that says it."""

import re
from pathlib import Path

import pytest

from pce_pipeline.catalog.errors import CatalogMistake
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.errors import SettingsError
from pce_pipeline_tests.tables.a_dataset import CATEGORIES, DATASET, LINES, NAME, declare

UNITS = "unit,title,bea_unit,unit_multiplier\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return declare(tmp_path)


def line_of(text: str, words: str) -> int:
    return max(number for number, line in enumerate(text.splitlines(), start=1) if words in line)


@pytest.mark.parametrize(
    ("file", "before", "after", "problem"),
    [
        ("dataset.toml", 'unit = "persons"', 'unit = "people"', "the unit 'people' is not in units.csv"),
        ("dataset.toml", 'name = "residents"', 'name = "Residents"', "the measure 'Residents' is not small letters"),
        ("dataset.toml", 'name = "residents"', 'name = "population"', "the measure 'population' is declared twice"),
        ("dataset.toml", 'name = "SAINC51"', 'name = "SAINC1"', "the table 'SAINC1' is declared twice"),
        ("dataset.toml", "line = 51", "line = 7", "the probe of SAINC51 is not one of its lines: 7"),
        ("dataset.toml", 'area = "00000"', 'area = "1"', "the probe of SAINC51 is not one of its areas: 1"),
        ("dataset.toml", "first_year = 1948", 'first_year = "1948"', "Expected `int"),
        ("dataset.toml", "first_year = 1948", "last_year = 1948", "unknown field `last_year`"),
        ("dataset.toml", "first_year = 1948", "first_year = 2148", "BEA cannot have published 2148 yet"),
        ("dataset.toml", "first_year = 1948", "comprehensive_updates = 2018", "Expected `array`"),
        ("dataset.toml", 'source = "Regional"', 'source = "NIPA"', "national tables are ingested by month only"),
        ("dataset.toml", "decimals = 0", "decimals = 4", "Expected `int` <= 3"),
        ("dataset.toml", 'adds_up_over = ["categories", "areas"]', 'adds_up_over = ["years"]', "a sum over years"),
        ("lines.csv", "SAINC51,2025,52", "SAINC51,abcd,52", "the layout 'abcd' is not the year"),
        ("lines.csv", "SAINC51,2025,52", "SAINC51;2025;52", "it has"),
        ("dataset.toml", 'archive = "SAINC.zip"', 'archive = "?"', "archive is not decided yet"),
        ("dataset.toml", 'archive = "SAINC.zip"', 'archive = "SAINC"', "'SAINC' is not the name of a zip"),
        (
            "dataset.toml",
            "growth_is_meaningful = true",
            'growth_is_meaningful = "?"',
            "growth_is_meaningful is not",
        ),
        ("lines.csv", "Number of persons,0", "Number of persons,6", "BEA's unit 'Number of persons' (10^6) is not one"),
        ("lines.csv", "residents,Population", "disposable_income,Population", "a line above has the measure"),
        ("lines.csv", "52,disposable.all", "51,disposable.all", "line 51 of SAINC51 is declared twice"),
        ("lines.csv", "52,disposable.all", "52,disposable.some", "the category 'disposable.some' is not declared"),
        ("lines.csv", "SAINC51,2025,52", "SAINC52,2025,52", "the table 'SAINC52' is not in dataset.toml"),
        ("lines.csv", "SAINC51,2025,52", "SAINC51,2025,x", "line_code is 'x', not a whole number"),
        ("lines.csv", "residents,Population", "?,Population", "measure is not decided yet"),
        ("lines.csv", "bea_table,layout", "table,layout", "the columns are table, layout"),
        ("categories.csv", ",,0,total", ",disposable.none,0,total", "the parent 'disposable.none' is not declared"),
        ("categories.csv", ",,0,total", ",,0,whole", "the role 'whole' is not one of total, subtotal, part"),
        ("categories.csv", "total,1,false", "total,2,false", "the sign of 'disposable.all' is neither 1 nor -1"),
        ("categories.csv", "total,1,false", "total,1,no", "nation_only is 'no', not true or false"),
        ("categories.csv", ",,0,total", ",,3,total", "'disposable.all' is at depth 3"),
    ],
)
def test_a_mistake_is_refused_with_file_and_line(
    folder: Path, file: str, before: str, after: str, problem: str
) -> None:
    path = folder / NAME / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(CatalogMistake, match=re.escape(problem)) as refused:
        load_datasets("full", folder)
    assert f"{NAME}/{file}, line {line_of(path.read_text(), after)}" in str(refused.value)


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ('source = "NIPA"\ngrain = "year"', "national tables are ingested by month only"),
        ('source = "NIPA"\ngrain = "month"', "'SAINC.zip' is not the name of a file of series"),
        ('source = "Regional"\ngrain = "month"', "BEA has regional tables by year only"),
        ('source = "Regional"\ngrain = "week"', "Invalid enum value 'week'"),
    ],
)
def test_a_grain_that_its_source_does_not_have_is_refused(folder: Path, head: str, problem: str) -> None:
    toml = folder / NAME / "dataset.toml"
    toml.write_text(DATASET.replace('source = "Regional"', head))
    with pytest.raises(CatalogMistake, match=re.escape(problem)):
        load_datasets("full", folder)


def test_a_national_table_has_the_nation_alone_and_no_year_that_is_to_come(folder: Path) -> None:
    months = folder / "pce_us_monthly"
    months.mkdir()
    table = 'name = "pce_us_monthly"\n\n[[tables]]\nname = "T20807"\ntitle = "Change"\n'
    lines = "T20807,2026,1,product.pce,pce_price_index,Personal consumption expenditures (PCE),Fisher Price Index,0\n"
    (months / "lines.csv").write_text(LINES.splitlines()[0] + "\n" + lines)
    probe = 'probe = { line = 1, area = "00000" }\n\n[profiles.full]\nT20807 = []\n'
    (months / "dataset.toml").write_text(f'{table}levels = ["nation", "state"]\n{probe}')
    with pytest.raises(CatalogMistake, match="it has the nation alone"):
        load_datasets("full", folder)
    (months / "dataset.toml").write_text(f'{table}levels = ["nation"]\nfirst_year = 2150\n{probe}')
    with pytest.raises(CatalogMistake, match="BEA cannot have published 2150 yet"):
        load_datasets("full", folder)
    (months / "dataset.toml").write_text(f'{table}levels = ["nation"]\nfirst_year = 1999\n{probe}')
    assert load_datasets("full", folder)["pce_us_monthly"].first_year_of("T20807") == 1999


def test_the_files_as_they_are_make_a_dataset_beside_the_packaged_ones(folder: Path) -> None:
    datasets = load_datasets("full", folder)
    assert list(datasets)[-1] == NAME
    assert datasets[NAME].line_codes("SAINC51") == (51, 52)
    assert datasets[NAME].probes == {"SAINC51": (51, "00000")}


def test_a_unit_of_the_users_own_is_added_to_the_packaged_ones(folder: Path) -> None:
    lines = folder / NAME / "lines.csv"
    lines.write_text(LINES.replace("Number of persons,0", "Thousands of persons,3"))
    with pytest.raises(CatalogMistake, match="Thousands of persons"):
        load_datasets("full", folder)
    toml = folder / NAME / "dataset.toml"
    toml.write_text(DATASET.replace('unit = "persons"', 'unit = "thousands_of_persons"'))
    (folder / "units.csv").write_text(f"{UNITS}thousands_of_persons,thousands of persons,Thousands of persons,3\n")
    assert load_datasets("full", folder / ".." / folder.name)[NAME].measures["residents"].unit_multiplier == 3


def test_a_folder_that_is_not_one_or_holds_the_files_themselves_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match="is not a folder"):
        load_datasets("full", folder / "nothing")
    with pytest.raises(SettingsError, match="not folders of datasets"):
        load_datasets("full", folder / NAME)


def test_files_that_nothing_would_read_are_refused(folder: Path) -> None:
    (folder / "areas.csv").write_text("geo_fips\n")
    with pytest.raises(CatalogMistake, match=r"the areas are those of catalog/areas\.csv"):
        load_datasets("full", folder)
    (folder / "areas.csv").unlink()
    (folder / "other_state").mkdir()
    (folder / "other_state" / "categories.csv").write_text(CATEGORIES)
    with pytest.raises(CatalogMistake, match=r"there is no dataset\.toml beside it"):
        load_datasets("full", folder)


def test_a_folder_with_a_packaged_name_adds_and_changes_nothing(tmp_path: Path) -> None:
    own = tmp_path / "income_state"
    own.mkdir()
    (own / "dataset.toml").write_text('name = "income_state"\n\n[profiles.totals]\nSAINC1 = [1]\n')
    assert load_datasets("totals", tmp_path)["income_state"].line_codes("SAINC1") == (1,)
    assert load_datasets("full", tmp_path)["income_state"].line_codes("SAINC1") == (1, 2, 3)
    (own / "dataset.toml").write_text('name = "income_state"\ntitle = "Income"\n')
    with pytest.raises(CatalogMistake, match="title of income_state is said by catalog/income_state"):
        load_datasets("full", tmp_path / ".." / tmp_path.name)


@pytest.mark.parametrize(
    ("kinds", "problem"),
    [('["1019pce"]', "'1019pce' is not a kind of release"), ('["pce", "pce"]', "the kind 'pce' is there twice")],
)
def test_a_kind_that_no_name_of_a_folder_has_is_refused(folder: Path, kinds: str, problem: str) -> None:
    said = DATASET.replace("first_year = 1948", f"first_year = 1948\narchived_as = {kinds}")
    (folder / NAME / "dataset.toml").write_text(said)
    with pytest.raises(CatalogMistake, match=re.escape(problem)) as refused:
        load_datasets("full", folder)
    assert f"{NAME}/dataset.toml, line {line_of(said, kinds)}" in str(refused.value)


def test_kinds_of_archived_releases_are_added_and_are_regional(tmp_path: Path) -> None:
    for name in ("income_state", "pce_us_monthly"):
        (tmp_path / name).mkdir()
    (tmp_path / "income_state" / "dataset.toml").write_text('name = "income_state"\narchived_as = ["spi", "income"]\n')
    assert load_datasets("full", tmp_path)["income_state"].archived_as == ("pistate", "spi", "income")
    (tmp_path / "pce_us_monthly" / "dataset.toml").write_text('name = "pce_us_monthly"\narchived_as = ["pce"]\n')
    with pytest.raises(CatalogMistake, match="has regional tables only"):
        load_datasets("full", tmp_path / ".." / tmp_path.name)


def test_a_profile_that_nobody_has_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match="There is no profile 'tiny'") as refused:
        load_datasets("tiny")
    assert "full, smoke" in str(refused.value)
