"""A small world of months and years: three states, seven products of the real tree, figures that a test may change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.pce_us_monthly.state_months import Panel, monthly_errors, panel_of, state_months
from pce_pipeline.gold.pce_us_monthly.state_months_rules import StateMonths
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL
from pce_pipeline.tables.pce_us_monthly import GOLD_PCE_US_MONTHLY
from pce_pipeline.tables.vintages import gold_vintages

FULL = load_datasets("full")["pce_us_monthly"]
"""The whole dataset of the nation's months."""

PCE, GOODS, SERVICES = "product.pce", "product.goods", "product.services"
HOUSEHOLDS, NONPROFITS = "product.household_consumption_expenditures", "product.npish_final_consumption"
OUTPUT, RECEIPTS = "product.npish_gross_output", "product.npish_receipts_from_sales"
CORE = "addenda.pce_excluding_food_and_energy"

LINES = (GOODS, HOUSEHOLDS, OUTPUT, RECEIPTS)
"""What the others are made of."""

PARTS: Mapping[str, Mapping[str, int]] = {
    NONPROFITS: {OUTPUT: 1, RECEIPTS: -1},
    SERVICES: {HOUSEHOLDS: 1, OUTPUT: 1, RECEIPTS: -1},
    PCE: {GOODS: 1, HOUSEHOLDS: 1, OUTPUT: 1, RECEIPTS: -1},
}
"""What each sum is made of."""

US, ALABAMA, ALASKA, ARIZONA, SOUTHEAST = "00000", "01000", "02000", "04000", "95000"
STATES = {ALABAMA: "AL", ALASKA: "AK", ARIZONA: "AZ"}
AREAS = {US: "nation", **dict.fromkeys(STATES, "state"), SOUTHEAST: "region"}
SHARES = {ALABAMA: 0.011, ALASKA: 0.002, ARIZONA: 0.02, SOUTHEAST: 0.2}

LOG = gold_vintages(load_datasets("full")["pce_state"]).polars_schema
NO_LOG = pl.DataFrame(schema=LOG)


def dataset_of(*categories: str, of: Dataset = FULL, held: Sequence[str] = ()) -> Dataset:
    """A dataset whose tree has these categories alone, and whose lines are of them, or of those that are `held`."""
    return replace(
        of,
        categories=of.categories.filter(pl.col("category_id").is_in(list(categories))),
        lines=of.lines.filter(pl.col("category_id").is_in(list(held or categories))),
    )


SMALL = dataset_of(*LINES, *PARTS, CORE)

Figures = Sequence[float | None]


def nation(level: float, count: int) -> list[float | None]:
    """Whole millions that grow with small waves."""
    return [round(level * 1.003**month * (1 + 0.01 * ((month * 7) % 5 - 2))) for month in range(count)]


def means(months: Figures) -> list[float | None]:
    """What each whole year comes to, as BEA rounds it."""
    whole = [months[first : first + 12] for first in range(0, len(months) // 12 * 12, 12)]
    return [None if None in year else round(sum(each for each in year if each is not None) / 12, 1) for year in whole]


@dataclass(frozen=True)
class World:
    """The nation's months from January of `first_month` on, and figures of areas from `first_year` on."""

    months: Mapping[str, Figures]
    annual: Mapping[tuple[str, str], Figures]
    first_month: int = 2010
    first_year: int = 2010
    dataset: Dataset = SMALL
    log: pl.DataFrame = field(default_factory=lambda: NO_LOG)

    def but(
        self,
        months: Mapping[str, Figures] | None = None,
        annual: Mapping[tuple[str, str], Figures] | None = None,
    ) -> "World":
        """The same with some series changed."""
        return replace(self, months={**self.months, **(months or {})}, annual={**self.annual, **(annual or {})})

    @property
    def us_rows(self) -> pl.DataFrame:
        rows = [
            {
                "category_id": category,
                "year": self.first_month + place // 12,
                "month": place % 12 + 1,
                "pce_millions_usd_saar": None if amount is None else Decimal(str(amount)),
                "pce_status": "reported" if amount is not None else "not_available",
                "real_pce_status": "not_published",
                "price_index_status": "not_published",
            }
            for category, amounts in self.months.items()
            for place, amount in enumerate(amounts)
        ]
        return pl.DataFrame(rows, schema=GOLD_PCE_US_MONTHLY.polars_schema)

    @property
    def annual_rows(self) -> pl.DataFrame:
        rows = [
            {
                "geo_fips": area,
                "geo_level": AREAS[area],
                "state": STATES.get(area),
                "category_id": category,
                "year": self.first_year + place,
                "pce_millions_usd": None if amount is None else Decimal(str(amount)),
                "pce_status": "reported" if amount is not None else "suppressed",
                "pce_per_capita_status": "not_published",
            }
            for (category, area), amounts in self.annual.items()
            for place, amount in enumerate(amounts)
        ]
        return pl.DataFrame(rows, schema=GOLD_PCE_STATE_ANNUAL.polars_schema)

    @property
    def panel(self) -> Panel | None:
        return panel_of(self.us_rows, self.annual_rows, self.dataset)

    @property
    def errors(self) -> pl.DataFrame:
        return monthly_errors(self.panel, self.log)

    @property
    def estimates(self) -> pl.DataFrame:
        return state_months(self.panel, self.errors)

    @property
    def subject(self) -> StateMonths:
        """What the rules look at where it was computed."""
        phis = dict(self.errors.drop_nulls("phi").select("category_id", "phi").iter_rows())
        return StateMonths(self.estimates, self.panel, phis)


def world(years: int = 4, after: int = 15) -> World:
    """A world without gaps whose years and months are of one release, and go on after the last year."""
    count = 12 * years + after
    levels = {GOODS: 40_000, HOUSEHOLDS: 80_000, OUTPUT: 20_000, RECEIPTS: 15_000}
    months: dict[str, Figures] = {line: nation(level, count) for line, level in levels.items()}
    for total, parts in PARTS.items():
        months[total] = [sum(sign * (months[part][at] or 0) for part, sign in parts.items()) for at in range(count)]
    annual: dict[tuple[str, str], Figures] = {}
    for number, (category, of_nation) in enumerate(months.items()):
        annual[category, US] = means(of_nation[: 12 * years])
        for area, share in SHARES.items():
            drift = (number - 2) * 0.004 * (1 if area != ALASKA else -1)
            annual[category, area] = [
                round((mean or 0) * share * (1 + drift * year + 0.01 * ((year + number) % 3)), 1)
                for year, mean in enumerate(annual[category, US])
            ]
    for area in SHARES:
        for total, parts in PARTS.items():
            annual[total, area] = [
                round(sum(sign * (annual[part, area][year] or 0) for part, sign in parts.items()), 1)
                for year in range(years)
            ]
    # other totals of the same spending, which are no part of any sum
    months[CORE] = [999.0] * count
    return World(months, annual)


def flat(of: Mapping[str, Mapping[str, Figures]], level: float = 10_000, after: int = 15) -> World:
    """A nation that spends the same in every month, and states with the figures that are given by line."""
    years = max(len(figures) for states in of.values() for figures in states.values())
    annual: dict[tuple[str, str], Figures] = {
        (line, area): figures for line, states in of.items() for area, figures in states.items()
    }
    for line in of:
        annual[line, US] = [level] * years
    months = {line: [level] * (12 * years + after) for line in of}
    return World(months, annual, dataset=dataset_of(*of))


def revisions(*rows: tuple[str, str, int, int, int | None, float | None, str]) -> pl.DataFrame:
    """A log of (category, area, year, valid_from, valid_to, value, status or basis)."""
    bases = ("partial", "derived")
    return pl.DataFrame(
        [
            {
                "measure": "pce",
                "category_id": category,
                "geo_fips": area,
                "geo_level": AREAS[area],
                "state": STATES.get(area),
                "year": year,
                "basis": said if said in bases else "counted",
                "valid_from": since,
                "valid_to": until,
                "value": None if value is None else Decimal(str(value)),
                "status": "reported" if said in bases else said,
            }
            for category, area, year, since, until, value, said in rows
        ],
        schema=LOG,
    )
