"""The table that says which release of nominal figures, income and residents each price and real figure belongs to."""

import polars as pl

from pce_pipeline.tables.table import Column, Table

PRICE_RELEASES_CODE_VERSION = "1"

SETTLED_BY = {
    "figures": "the figures of a release that is held agree with the prices in every year",
    "calendar": "no release that is held agrees, or nothing can be compared: the newest one known to be before them",
    "unknown": "neither figures nor calendar tell it",
}
"""What `settled_by` may say, and what each means."""

_FOUND = "gold/<dataset>_vintages: the identity that links both figures, cell by cell"

PRICE_RELEASES = Table(
    name="gold/price_releases",
    partition=None,
    in_postgres=True,
    grain="One row per dataset, vintage of its prices and measure: the release of nominal figures that it belongs to.",
    key=("dataset", "vintage_id", "measure"),
    hazard="BEA revises nominal figures in autumn and prices in the winter after: in between, the newest nominal "
    "figure is not the one that prices and real figures were made with.",
    columns=(
        Column("dataset", pl.String, "the dataset of the prices", source="the log's name"),
        Column(
            "vintage_id",
            pl.Int32,
            "the vintage that brought these prices, as yyyymmddnn (dim_vintage)",
            source="valid_from of gold/<dataset>_vintages",
        ),
        Column(
            "released_on",
            pl.Date,
            "the day on which BEA released the newest figures of the measure",
            source="released_on of gold/<dataset>_vintages",
        ),
        Column("measure", pl.String, "the measure that belongs to it: real_pce", source="the catalogue"),
        Column(
            "belongs_to",
            pl.String,
            "what is released by another clock and the measure was made with: pce, personal_income, population",
            source="BEA's definition of the measure",
        ),
        Column(
            "nominal_dataset",
            pl.String,
            "the dataset that holds it; NULL where no release that is held is the one",
            nullable=True,
            source=_FOUND,
        ),
        Column(
            "nominal_vintage_id",
            pl.Int32,
            "the vintage of that dataset, as yyyymmddnn; NULL where none that is held is the one",
            nullable=True,
            source=_FOUND,
        ),
        Column(
            "nominal_released_on",
            pl.Date,
            "the day of its release; where none that is held is the one, the newest known to be before the prices",
            nullable=True,
            source="released_on of that vintage, or known_releases of the catalogue",
        ),
        Column("settled_by", pl.String, f"how it was found: {', '.join(SETTLED_BY)}", source="both"),
        Column(
            "cells_compared",
            pl.Int32,
            "in how many cells the figures were compared with this release",
            source=_FOUND,
        ),
        Column("cells_off", pl.Int32, "in how many of them they do not agree", source=_FOUND),
    ),
)
"""What each price belongs to: a few rows for each vintage of prices."""
