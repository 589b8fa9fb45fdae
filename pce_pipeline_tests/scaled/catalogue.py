"""A catalogue with every line of spending several times: the same tables and trees of categories under other names."""

from pathlib import Path

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets

_DATASET = "pce_state"
_TABLE = """
[[tables]]
name = "{name}"
title = "{title}, again ({copy})"
levels = ["nation", "region", "state"]
probe = {{ line = 1, area = "00000" }}
"""
_CATEGORIES = ["category_id", "scheme", "name", "parent_id", "depth", "role", "sign", "nation_only"]
_LINES = ["bea_table", "layout", "line_code", "category_id", "measure", "description", "unit", "unit_multiplier"]


def write_catalogue(folder: Path, times: int) -> Path:
    """Write a folder for PCE_CATALOG in which the dataset of spending has `times` as many lines; returns it."""
    dataset = load_datasets("full")[_DATASET]
    copies = range(2, times + 1)
    own = folder / _DATASET
    own.mkdir(parents=True)
    names = [(name, table.title) for name, table in dataset.tables.items()]
    tables = "".join(
        _TABLE.format(name=f"{name}X{copy}", title=title, copy=copy) for copy in copies for name, title in names
    )
    scope = "".join(f"{name}X{copy} = []\n" for copy in copies for name, _ in names)
    (own / "dataset.toml").write_text(f'name = "{_DATASET}"\n{tables}\n[profiles.full]\n{scope}', "utf-8")
    pl.concat([_categories(dataset, copy) for copy in copies]).write_csv(own / "categories.csv")
    pl.concat([_lines(dataset, copy) for copy in copies]).write_csv(own / "lines.csv")
    return folder


def _categories(dataset: Dataset, copy: int) -> pl.DataFrame:
    return dataset.categories.select(_CATEGORIES).with_columns(
        _again("category_id", copy),
        _again("parent_id", copy),
        scheme=pl.format("{}_x{}", "scheme", pl.lit(copy)),
        name=pl.format("{} ({})", "name", pl.lit(copy)),
    )


def _lines(dataset: Dataset, copy: int) -> pl.DataFrame:
    lines = dataset.lines if "layout" in dataset.lines.columns else dataset.lines.with_columns(layout=pl.lit("2022"))
    return lines.select(_LINES).with_columns(
        _again("category_id", copy), bea_table=pl.format("{}X{}", "bea_table", pl.lit(copy))
    )


def _again(column: str, copy: int) -> pl.Expr:
    """The same category in the tree of a copy: `product.pce` is `product_x2.pce`."""
    return pl.col(column).str.replace(".", f"_x{copy}.", literal=True)
