"""What the page fetches when every dataset of the registry is published at full size."""

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec
import polars as pl
import pytest

from pce_pipeline.explorer import index as document
from pce_pipeline.explorer.cells import FIGURES
from pce_pipeline.explorer.files import by_category, footer_bytes
from pce_pipeline.explorer.histories import HISTORY, history_schema
from pce_pipeline.explorer.indexing import areas_of, described
from pce_pipeline.explorer.statuses import REASONS
from pce_pipeline.look.serving import ServedFolder
from pce_pipeline.look.site import DATA, index_html, static_files
from pce_pipeline_tests.datasets import EVERYTHING
from pce_pipeline_tests.explorer.test_explorer_budget import VINTAGES, YEARS, a_row_of_each_category, largest, numbers
from pce_pipeline_tests.look.conftest import Visit, chromium, served, visiting

FIRST_VIEW, A_QUESTION = (1_000_000, 8), (300_000, 4)
"""The most bytes, uncompressed, and the most requests."""


def full_set(folder: Path) -> None:
    """A set of every dataset with all row groups; that of the first category is full, and it is what is asked for."""
    files: dict[str, document.File] = {}

    def put(path: str, body: bytes, rows: int) -> str:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
        footer = footer_bytes(body) if path.endswith("parquet") else None
        files[path] = document.File(bytes=len(body), sha256=hashlib.sha256(body).hexdigest(), footer=footer, rows=rows)
        return path

    extracts = [
        document.Extract(extract=f"{2014 + at}-10-02", released=date(2014 + at, 10, 2), tables=["A"], origins=["api"])
        for at in range(VINTAGES)
    ]
    datasets = []
    for name, dataset in EVERYTHING.datasets.items():
        of_dataset = described(EVERYTHING, dataset)
        rows = largest(name)
        every = pl.concat([rows, a_row_of_each_category(rows, name)[1:]]).sort("category", maintain_order=True)
        figures = put(f"figures/{name}.parquet", by_category([every], FIGURES), every.height)
        measures = of_dataset.measures
        if name in EVERYTHING.logs:
            history = f"history/{name}/one.parquet"
            one = rows.filter(pl.col("measure") == rows["measure"][0]).drop("measure")
            known = pl.concat([one.with_columns(extract=pl.lit(at, dtype=pl.Int32)) for at in range(VINTAGES)])
            varied = known.with_columns(value=pl.Series(numbers(known.height, 1)))
            varied = varied.select(list(history_schema({**rows.schema}))).sort("area", "period", "extract")
            whole = pl.concat([varied, a_row_of_each_category(varied, name)[1:]]).sort("category", maintain_order=True)
            put(history, by_category([whole], HISTORY), whole.height)
            measures = [msgspec.structs.replace(each, history=history) for each in measures]
        datasets.append(
            document.Dataset(
                id=name,
                title=dataset.title,
                cadence=dataset.grain,
                first=199701 if dataset.is_monthly else YEARS[0],
                last=202512 if dataset.is_monthly else YEARS[-1],
                newest_release=extracts[-1].released,
                citation=f"{dataset.title}.",
                extracts=extracts,
                measures=measures,
                categories=of_dataset.categories,
                figures=figures,
                missing=put(f"missing/{name}.json", b"{}", 0),
            )
        )
    index = document.Index(
        format=document.FORMAT,
        version="f" * 16,
        env="local",
        world="sample",
        is_sample=True,
        source="SAMPLE",
        licence="none",
        gold={},
        statuses=REASONS,
        areas=areas_of(next(iter(EVERYTHING.datasets.values()))),
        datasets=datasets,
        quality={},
        files=files,
    )
    (folder / "index.json").write_bytes(msgspec.json.encode(index))


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    site = tmp_path_factory.mktemp("full") / "site"
    full_set(site / DATA / ("f" * 16))
    for name, body in {**static_files(), "index.html": index_html("f" * 16)}.items():
        (site / name).write_bytes(body)
    with (
        chromium() as browser,
        served(ServedFolder(site, lambda: None)) as address,
        visiting(browser, address) as opened,
    ):
        yield opened


def cost(visit: Visit) -> tuple[int, int]:
    """Bytes and requests since the last call."""
    visit.page.wait_for_load_state("networkidle")
    spent = sum(size for _, size in visit.asked), len(visit.asked)
    visit.asked.clear()
    return spent


def within(spent: tuple[int, int], limit: tuple[int, int]) -> bool:
    return all(each <= most for each, most in zip(spent, limit, strict=True))


def test_the_first_view_costs_a_megabyte_at_most(visit):
    visit.show("map", dataset="pce_state", category=largest("pce_state")["category"][0])
    assert visit.page.locator(".state:not(.missing)").count() == 51
    spent = cost(visit)
    assert within(spent, FIRST_VIEW), spent


@pytest.mark.parametrize("name", EVERYTHING.datasets)
def test_another_dataset_costs_a_third_of_that_at_most(visit, name):
    cost(visit)
    visit.page.get_by_label("Dataset").select_option(name)
    visit.settled()
    spent = cost(visit)
    assert within(spent, A_QUESTION), spent


def test_another_period_costs_nothing_and_another_vintage_little(visit):
    visit.show("map", dataset="pce_state", measure=largest("pce_state")["measure"][0])
    cost(visit)
    visit.page.get_by_label("Earlier").click()
    visit.settled()
    assert cost(visit) == (0, 0)
    visit.page.locator("input[type=range]").focus()
    visit.page.keyboard.press("ArrowLeft")
    visit.settled()
    spent = cost(visit)
    assert spent[0] > 0
    assert within(spent, A_QUESTION), spent
