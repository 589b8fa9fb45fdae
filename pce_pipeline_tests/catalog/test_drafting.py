"""A draft has everything that BEA says of a table, and a mark for everything that it does not."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

import pce_pipeline
from pce_pipeline.bea.describing import describe_file
from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.catalog.dataset import Dataset, Probe
from pce_pipeline.catalog.drafting import Draft, Metadata, draft_of, slug
from pce_pipeline.catalog.errors import CatalogMistake, DraftRefused
from pce_pipeline.catalog.reading import load_datasets, read_catalogue
from pce_pipeline.emulator.archive import archive
from pce_pipeline_tests.catalog.drafts import changed_texts, decide, decided, foreign, metadata_in

KNOWN = read_catalogue()


def look_alike(name: str) -> bytes:
    content = archive(name, 2)
    assert content is not None
    return content


def written(draft: Draft, folder: Path) -> Path:
    for path, text in draft.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    return folder


def loaded(draft: Draft, folder: Path) -> Dataset:
    """The dataset, once a person has decided."""
    decide(written(draft, folder))
    return load_datasets("full", folder)[draft.name]


def rows_of(draft: Draft, file: str) -> list[str]:
    return draft.files[f"{draft.name}/{file}"].splitlines()[1:]


def made(*lines: tuple[str, str], values: Sequence[str] = ("1.0", "2.5"), **changes: object) -> Metadata:
    """A table of these lines (text with its indentation, unit) for the US and Alabama."""
    cells = pl.DataFrame(
        [
            (code, area, 2000 + nth, value, unit, 6 if unit.startswith("Millions") else 0)
            for code, (_, unit) in enumerate(lines, start=1)
            for area in ("00000", "01000")
            for nth, value in enumerate(values)
        ],
        schema={
            "line_code": pl.Int32,
            "geo_fips": pl.String,
            "year": pl.Int32,
            "value_text": pl.String,
            "unit": pl.String,
            "unit_multiplier": pl.Int32,
        },
        orient="row",
    )
    whole = Metadata(
        "SATRIAL",
        "Trial by state",
        cells,
        {code: text.strip() for code, (text, _) in enumerate(lines, start=1)},
        {code: len(text) - len(text.lstrip()) for code, (text, _) in enumerate(lines, start=1)},
        date(2025, 3, 28),
        None,
        "SATRIAL.zip",
    )
    return replace(whole, **changes)  # type: ignore[arg-type]  # whatever a test wants to be otherwise


DOLLARS = "Millions of current dollars"


@pytest.mark.parametrize(
    ("file", "table", "name"),
    [("SAINC.zip", "SAINC1", "income_state"), ("SASUMMARY.zip", "SASUMMARY", "summary_state")],
)
def test_a_draft_of_unknown_lines_loads_once_decided_and_is_as_a_person_would_have_declared_it(
    tmp_path: Path, file: str, table: str, name: str
) -> None:
    packaged = load_datasets("full")[name]
    draft = draft_of(metadata_in(foreign(look_alike(file), table, "SATRIAL"), "SATRIAL"), KNOWN, "trial_state")
    dataset = loaded(draft, tmp_path)
    lines = ["line_code", "unit", "unit_multiplier"]
    assert dataset.lines.select(lines).equals(packaged.lines.select(lines))
    assert dataset.lines["description"].to_list() == [f"Trial {text}" for text in packaged.lines["description"]]
    for ours, theirs in zip(dataset.lines["measure"], packaged.lines["measure"], strict=True):
        drafted, declared = dataset.measures[ours], packaged.measures[theirs]
        assert (drafted.unit, drafted.decimals) == (declared.unit, declared.decimals), ours
        assert bool(drafted.per_capita_of) == bool(declared.per_capita_of), ours
    assert dataset.categories.height == 1
    assert dataset.first_year == packaged.first_year
    assert dataset.tables["SATRIAL"].levels == packaged.tables[table].levels
    assert dataset.tables["SATRIAL"].probe == Probe(1, packaged.tables[table].probe.area)
    assert dataset.tables["SATRIAL"].title == packaged.tables[table].title


@pytest.mark.parametrize(
    ("file", "table", "name"),
    [
        ("SAINC.zip", "SAINC1", "income_state"),
        ("SASUMMARY.zip", "SASUMMARY", "summary_state"),
        ("SAPCE.zip", "SAPCE1", "pce_state"),
    ],
)
def test_lines_that_the_catalogue_knows_get_its_measures_and_categories(file: str, table: str, name: str) -> None:
    draft = draft_of(metadata_in(look_alike(file), table), KNOWN, "trial_state")
    declared = Path(pce_pipeline.__file__).parent / "catalog" / name / "lines.csv"
    of_table = [row for row in declared.read_text("utf-8").splitlines() if row.startswith(f"{table},")]
    without_layout = [row.split(",", 2)[::2] for row in of_table]
    assert [row.split(",", 2)[::2] for row in rows_of(draft, "lines.csv")] == without_layout
    assert (draft.measures, rows_of(draft, "categories.csv")) == ((), [])
    assert draft.remarks == (f"{name} declares {table} already: a catalogue has a table once.",)


def test_every_mark_is_refused_with_its_file_and_line_until_it_is_answered(tmp_path: Path) -> None:
    flat = made(("All items", "Index"), ("Goods", "Index"), ("Services", "Index"), last_updated=None)
    one_category = made(("Outlays", DOLLARS), ("Outlays per capita", "Dollars"))
    for metadata, count in ((flat, 10), (one_category, 9)):
        folder = tmp_path / str(count)
        draft = draft_of(metadata, KNOWN, "trial_state")
        assert len(draft.decisions) == count
        written(draft, folder)
        for decision in draft.decisions:
            file = folder / decision.file
            with pytest.raises(CatalogMistake, match="is not decided yet") as refused:
                read_catalogue(folder)
            assert (refused.value.file, refused.value.line) == (str(file), decision.line)
            lines = file.read_text("utf-8").splitlines()
            lines[decision.line - 1] = decided(lines[decision.line - 1])
            file.write_text("\n".join(lines) + "\n", "utf-8")
        assert read_catalogue(folder).parts["trial_state"][0].lines.height == len(metadata.descriptions)


def test_each_mark_in_the_declaration_says_why_it_is_open() -> None:
    draft = draft_of(made(("Outlays", DOLLARS)), KNOWN, "trial_state")
    told = {each.what.partition(":")[0]: each.what for each in draft.decisions if each.file.endswith(".toml")}
    assert list(told) == ["archive", "release_names", "adds_up_over", "comparable_over", "growth_is_meaningful"]
    assert told["archive"].endswith("perhaps SATRIAL.zip")
    assert all(len(why) > len(key) + 2 for key, why in told.items())


def test_an_archive_that_is_known_is_not_marked() -> None:
    draft = draft_of(made(("Outlays", DOLLARS), archive="SATRIAL.zip"), KNOWN, "trial_state")
    assert 'archive = "SATRIAL.zip"\n' in draft.files["trial_state/dataset.toml"]


def test_indented_lines_become_categories_below_one_another(tmp_path: Path) -> None:
    metadata = made(
        (" Outlays", DOLLARS),
        ("  Goods (for use)", DOLLARS),
        ("   Women's and girls' clothing", DOLLARS),
        ("   Other", DOLLARS),
        ("  Services", DOLLARS),
        ("   Other", DOLLARS),
        ("  Less: Receipts from sales", DOLLARS),
    )
    draft = draft_of(metadata, KNOWN, "trial_state")
    assert rows_of(draft, "categories.csv") == [
        "satrial.outlays,satrial,Outlays,,0,total,1,false",
        "satrial.goods,satrial,Goods (for use),satrial.outlays,1,subtotal,1,false",
        "satrial.womens_and_girls_clothing,satrial,Women's and girls' clothing,satrial.goods,2,part,1,false",
        "satrial.other,satrial,Other,satrial.goods,2,part,1,false",
        "satrial.services,satrial,Services,satrial.outlays,1,subtotal,1,false",
        "satrial.services_other,satrial,Other,satrial.services,2,part,1,false",
        "satrial.receipts_from_sales,satrial,Receipts from sales,satrial.outlays,1,part,-1,false",
    ]
    assert draft.measures == ("outlays",)
    assert loaded(draft, tmp_path).measures["outlays"].decimals == 1


def test_a_table_whose_title_says_per_capita_has_per_capita_measures() -> None:
    metadata = made(("Outlays", "Dollars"), (" Goods", "Dollars"), title="Per capita outlays by type")
    draft = draft_of(metadata, KNOWN, "trial_state")
    assert draft.measures == ("outlays_per_capita",)
    assert 'per_capita_of = "?"' in draft.files["trial_state/dataset.toml"]


def test_lines_of_one_unit_without_indentation_wait_for_their_parents() -> None:
    draft = draft_of(made(("All items", "Index"), ("Goods", "Index")), KNOWN, "trial_state")
    assert rows_of(draft, "categories.csv") == [
        "satrial.all_items,satrial,All items,,0,total,1,false",
        "satrial.goods,satrial,Goods,?,1,part,1,false",
    ]


def test_a_line_for_the_nation_alone_is_marked_as_one() -> None:
    metadata = made(("Outlays", DOLLARS), (" Abroad", DOLLARS))
    of_nation = metadata.cells.filter((pl.col("line_code") == 1) | (pl.col("geo_fips") == "00000"))
    draft = draft_of(replace(metadata, cells=of_nation), KNOWN, "trial_state")
    assert [row.rpartition(",")[2] for row in rows_of(draft, "categories.csv")] == ["false", "true"]


def test_a_unit_that_the_catalogue_lacks_gets_a_name_of_its_own(tmp_path: Path) -> None:
    draft = draft_of(made(("Outlays", "Widgets per hour"), ("Costs", "widgets per hour")), KNOWN, "trial_state")
    assert draft.files["units.csv"].splitlines()[1:] == ["widgets_per_hour,widgets per hour,Widgets per hour,0"]
    assert {measure.unit for measure in loaded(draft, tmp_path).measures.values()} == {"widgets_per_hour"}


def test_a_unit_that_may_be_two_is_left_to_a_person() -> None:
    index, *_ = KNOWN.units.filter(pl.col("unit") == "index").to_dicts()
    other = pl.DataFrame([{**index, "unit": "quantity_index"}], schema=KNOWN.units.schema)
    known = replace(KNOWN, units=pl.concat([KNOWN.units, other]))
    text = draft_of(made(("Volume", "Index")), known, "trial_state").files["trial_state/dataset.toml"]
    assert 'unit = "?"  # which of index, quantity_index\n' in text


def test_the_base_year_of_constant_dollars_is_left_open() -> None:
    unit = "Millions of chained 2017 dollars"
    draft = draft_of(made(("Output (millions of chained 2017 dollars)", unit)), KNOWN, "trial_state")
    (row,) = rows_of(draft, "lines.csv")
    assert row.endswith(",Output (millions of chained {base_year} dollars),Millions of chained {base_year} dollars,6")


@pytest.mark.parametrize(
    ("values", "decimals"),
    [(("1", "1,234.50"), "2"), (("12", "(NA)"), "0"), (("-0.125", "(D)"), "3"), (("(NA)", ""), '"?"')],
)
def test_decimals_are_those_of_the_published_numbers(values: Sequence[str], decimals: str) -> None:
    text = draft_of(made(("Outlays", DOLLARS), values=values), KNOWN, "trial_state").files["trial_state/dataset.toml"]
    assert f"\ndecimals = {decimals}" in text


def test_a_measure_whose_name_is_taken_gets_another() -> None:
    assert "population" in KNOWN.measures
    draft = draft_of(made(("Population", "Index")), KNOWN, "trial_state")
    assert draft.measures == ("satrial_population",)


def test_the_first_area_of_a_table_without_the_nation_is_asked_for_its_release() -> None:
    metadata = made(("Outlays", DOLLARS))
    of_states = metadata.cells.filter(pl.col("geo_fips") != "00000")
    draft = draft_of(replace(metadata, cells=of_states), KNOWN, "trial_state")
    text = draft.files["trial_state/dataset.toml"]
    assert 'levels = ["state"]\nprobe = { line = 1, area = "01000" }' in text
    assert draft.remarks[0].startswith("The table lacks areas of the level state: 02000, ")


def with_areas(metadata: Metadata, areas: Iterable[str]) -> Metadata:
    old = metadata.cells["geo_fips"].unique().sort().to_list()
    return replace(
        metadata, cells=metadata.cells.with_columns(pl.col("geo_fips").replace(dict(zip(old, areas, strict=True))))
    )


def test_a_table_without_states_is_refused_and_unknown_areas_are_told() -> None:
    counties = with_areas(made(("Outlays", DOLLARS)), ["01001", "01003"])
    with pytest.raises(DraftRefused, match="no nation, region or state"):
        draft_of(counties, KNOWN, "trial_state")
    mixed = draft_of(with_areas(made(("Outlays", DOLLARS)), ["00000", "01003"]), KNOWN, "trial_state")
    assert mixed.remarks == ("areas.csv lacks areas of the table: 01003.",)


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("Trial", {}, "cannot be the name of a dataset"),
        ("income_state", {}, "There is a dataset income_state already"),
        ("trial_state", {"table": "trial"}, "cannot be a table of BEA's"),
        ("trial_state", {"descriptions": {}}, "no lines with a text"),
    ],
)
def test_what_cannot_be_drafted_is_refused(name: str, changes: dict[str, object], problem: str) -> None:
    with pytest.raises(DraftRefused, match=problem):
        draft_of(made(("Outlays", DOLLARS), **changes), KNOWN, name)  # type: ignore[arg-type]  # fields of Metadata


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Women's and girls' clothing", "womens_and_girls_clothing"),
        ("Net expenditures abroad by U.S. residents", "net_expenditures_abroad_by_us_residents"),
        ("Real PCE (millions of constant (2017) dollars)", "real_pce"),
        ("Research & development", "research_and_development"),
        ("401 plans", "line_401_plans"),
    ],
)
def test_names_are_made_of_a_text_s_words(text: str, name: str) -> None:
    assert slug(text) == name


def test_a_zip_without_the_table_is_refused_with_what_it_holds() -> None:
    with pytest.raises(BeaFileRefused, match="holds no table SAXYZ; it holds SAINC1"):
        describe_file(look_alike("SAINC.zip"), "SAXYZ")
    with pytest.raises(BeaFileRefused, match="do not tell the lines"):
        describe_file(b'{"BEAAPI": {}}', "SAINC1")


def test_the_definition_stands_in_for_a_title_and_tells_lines_that_are_not_there() -> None:
    content = foreign(look_alike("SAINC.zip"), "SAINC1", "SATRIAL")
    title = describe_file(content, "SATRIAL").title
    changed = changed_texts(content, {"SATRIAL: State": "Something: State", "<Code>3</Code>": "<Code>4</Code>"})
    described = describe_file(changed, "SATRIAL")
    assert (described.title, described.undefined) == (title, (4,))


@pytest.mark.real
def test_the_real_table_of_disposable_income_is_drafted(real_data: Path, tmp_path: Path) -> None:
    content = (real_data / "SAINC51_2025-03-28_excel-resaved.zip").read_bytes()
    draft = draft_of(metadata_in(content, "SAINC51"), KNOWN, "trial_state")
    assert draft.measures_of_others == (
        "disposable_personal_income",
        "population",
        "disposable_personal_income_per_capita",
    )
    assert [each.what.partition(":")[0] for each in draft.decisions] == ["archive", "release_names"]
    dataset = loaded(draft, tmp_path)
    assert dataset.first_year == 1948
    assert dataset.tables["SAINC51"].levels == {"nation", "region", "state"}
    assert dataset.line_codes("SAINC51") == (51, 52, 53)


@pytest.mark.real
def test_the_real_tables_of_prices_are_drafted(real_data: Path) -> None:
    content = (real_data / "SARPP_2022-12-15.zip").read_bytes()
    # as if nobody had declared them yet
    known = replace(KNOWN, parts={name: KNOWN.parts[name] for name in ("pce_state", "income_state")})
    prices = draft_of(metadata_in(content, "SARPP"), known, "prices_state")
    said = prices.files["prices_state/dataset.toml"]
    assert 'unit = "index"\ndecimals = 3' in said
    assert "first_year = 2008" in said
    assert 'levels = ["nation", "state"]' in said
    assert [row.split(",")[4] for row in rows_of(prices, "categories.csv")] == ["0", "1", "1", "1", "1"]
    deflators = draft_of(metadata_in(content, "SAIRPD"), known, "deflators_state")
    assert 'levels = ["state"]\nprobe = { line = 1, area = "01000" }' in deflators.files["deflators_state/dataset.toml"]
