"""Invented numbers with the shape of an economy: what residents of the states spend, and how many they are.

Everything adds up as BEA's own tables do: parts to totals, "Less:" lines deducted, states to regions and to the US,
except for what US residents spend abroad. Values are integers (tenths of millions of dollars), so sums are exact and
equal on every machine; random draws depend on year and release alone, so a release changes only the years it says.
"""

import random
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import polars as pl

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.vintages import Clock, Vintage, edition

SPENDING = "pce"
"""The measure that the catalogue has of spending, by product and by function."""

TOTAL_SPENDING = "product.pce"
"""Its category that holds all of it."""

FIRST_YEAR = 1997
"""The first year of spending by state."""

_TENTHS_OF_MILLIONS_IN_1997 = 55_000_000
_GROWTH_PCT = {2001: 3.1, 2002: 3.6, 2008: 2.4, 2009: -2.3, 2010: 3.4, 2020: -2.7, 2021: 12.1, 2022: 8.3}
_USUAL_GROWTH_PCT = 5.1
_GROWTH_BEFORE_PCT = 6.2
_SHRINKS_BACKWARDS = 0.988
_SHARE_OF_COMMON_PARTS = 0.755
_ABROAD_PER_MILLION = 690
_SILENT_YEARS = 2

# What nonprofits sell moves with what they produce, else their own consumption would turn negative.
_MOVES_WITH = {"npish_receipts_from_sales": "npish_gross_output"}

_LANDLOCKED = {"20000": 0, "38000": 1, "46000": 2}
_WATER = "water_transportation"
_WATER_VANISHES = 2014
_NO_VOYAGES = 2020

_CODED = (
    ("food_produced_and_consumed_on_farms", "11000", 1997, 2004, "(D)"),
    ("food_furnished_to_employees", "10000", 2019, 2021, "(D)"),
    ("internet_access", "56000", 1997, 1998, "(NA)"),
)
_LATE = ("labor_organization_dues", "56000", "(NA)")


@cache
def _weights() -> tuple[dict[str, int], dict[str, tuple[int, int, int]]]:
    """Each concept's share; each state's residents (thousands, 1997 and 2021) and spending habit (US 100)."""
    here = files(__package__)
    shares = pl.read_csv(here.joinpath("shares.csv").read_bytes())
    people = pl.read_csv(here.joinpath("people.csv").read_bytes(), schema_overrides={"geo_fips": pl.String})
    return dict(shares.iter_rows()), {row[0]: (row[1], row[2], row[3]) for row in people.iter_rows()}


@cache
def _tree() -> pl.DataFrame:
    """The packaged categories of spending, of all schemes: what a user's own catalogue adds is not in the sheets."""
    found = [
        dataset.categories.join(spending, on="category_id", how="semi")
        for dataset in load_datasets("full").values()
        if not (spending := dataset.lines.filter(measure=SPENDING)).is_empty()
    ]
    return pl.concat(found).unique("category_id", maintain_order=True)


@cache
def _concepts() -> dict[str, dict[str, int]]:
    """Concepts and their signs by group: parts that both schemes have, and those only one has."""
    parts = _tree().filter((pl.col("role") == "part") & ~pl.col("nation_only"))
    by_scheme: dict[str, dict[str, int]] = {"product": {}, "function": {}}
    for category_id, scheme, sign in parts.select("category_id", "scheme", "sign").iter_rows():
        by_scheme[scheme][category_id.partition(".")[2]] = sign
    product, function = by_scheme["product"], by_scheme["function"]
    return {
        "common": {concept: sign for concept, sign in product.items() if concept in function},
        "product": {concept: sign for concept, sign in product.items() if concept not in function},
        "function": {concept: sign for concept, sign in function.items() if concept not in product},
    }


@cache
def _tastes() -> dict[tuple[str, str], float]:
    """How far each state's share of each concept is from the nation's, for all years alike."""
    draw = random.Random("tastes")  # noqa: S311 (numbers of a sample, no secrets)
    shares, people = _weights()
    drawn = {(geo, concept): 0.85 + 0.3 * draw.random() for geo in people for concept in shares}
    return {(geo, concept): drawn[geo, _MOVES_WITH.get(concept, concept)] for geo, concept in drawn}


@cache
def _drifts() -> dict[str, float]:
    draw = random.Random("drifts")  # noqa: S311 (numbers of a sample, no secrets)
    drawn = {concept: 0.012 * (draw.random() - 0.5) for concept in _weights()[0]}
    return {concept: drawn[_MOVES_WITH.get(concept, concept)] for concept in drawn}


def _nation(year: int) -> float:
    level = float(_TENTHS_OF_MILLIONS_IN_1997)
    for _ in range(year, FIRST_YEAR):
        level /= 1 + _GROWTH_BEFORE_PCT / 100
    for passed in range(FIRST_YEAR + 1, year + 1):
        level *= 1 + _GROWTH_PCT.get(passed, _USUAL_GROWTH_PCT) / 100
    return level


def _people(geo: str, year: int) -> float:
    first, last, _ = _weights()[1][geo]
    if year < FIRST_YEAR:
        return 1000 * first * _SHRINKS_BACKWARDS ** (FIRST_YEAR - year)
    return 1000 * (first + (last - first) * (year - FIRST_YEAR) / 24)


@cache
def _population(year: int, made_in: str) -> dict[str, int]:
    """Residents of each state in one year, in one revision."""
    draw = random.Random(f"population {year} {made_in}")  # noqa: S311 (numbers of a sample, no secrets)
    return {geo: int(_people(geo, year) * (0.996 + 0.008 * draw.random())) for geo in _weights()[1]}


@cache
def _sheet(year: int, made_in: str) -> dict[str, list[int]]:
    """One year of all states in one revision: a list in the order of `people.csv` for every part, plus `abroad`."""
    shares, people = _weights()
    tastes, drifts = _tastes(), _drifts()
    steady = random.Random(f"{year}")  # noqa: S311 (numbers of a sample, no secrets)
    revised = random.Random(f"{year} {made_in}")  # noqa: S311 (numbers of a sample, no secrets)
    # Integers, because sums of floats differ between Python versions.
    spending = {geo: int(_people(geo, year)) * index for geo, (_, _, index) in people.items()}
    scale = _nation(year) / sum(spending.values())
    columns: dict[str, list[int]] = {concept: [] for concept in shares}
    for geo in people:
        total = int(scale * spending[geo] * (0.99 + 0.02 * steady.random()) * (0.997 + 0.006 * revised.random()))
        common = int(total * _SHARE_OF_COMMON_PARTS)
        for group, parts in _concepts().items():
            to_allot = common if group == "common" else total - common
            unit = to_allot / sum(shares[concept] * sign for concept, sign in parts.items())
            balancing = max(parts, key=lambda concept: shares[concept])
            left = to_allot
            for concept, sign in parts.items():
                wobble = (0.99 + 0.02 * steady.random()) * (0.998 + 0.004 * revised.random())
                if concept == balancing:
                    continue
                taste = tastes[geo, concept] * (1 + drifts[concept] * (year - FIRST_YEAR))
                value = int(unit * shares[concept] * taste * wobble)
                if concept == _WATER and geo in _LANDLOCKED:
                    value = 0 if year >= _WATER_VANISHES else 1 + (year + _LANDLOCKED[geo]) % 3
                columns[concept].append(value)
                left -= value * sign
            columns[balancing].append(left)
    everything = {**_concepts()["common"], **_concepts()["product"]}
    nation = sum(sum(columns[concept]) * sign for concept, sign in everything.items())
    columns["abroad"] = [int(nation * _ABROAD_PER_MILLION / 1_000_000 * (0.9 + 0.2 * revised.random()))]
    return columns


def made_in(year: int, clock: Clock, release: Vintage, *, silently: bool) -> str:
    """The revision that a year's figures are of."""
    changed = " silently" if silently and year > release.last_year - _SILENT_YEARS else ""
    return f"{edition(year, clock, release.number)}{changed}"


def state_codes() -> list[str]:
    """The states' FIPS codes, in the order of all lists here."""
    return list(_weights()[1])


def spending_habits() -> list[int]:
    """What a resident of each state spends, US 100."""
    return [index for *_, index in _weights()[1].values()]


def residents(year: int, made_in: str) -> list[int]:
    """The residents of each state in one year, in one revision."""
    return list(_population(year, made_in).values())


def spending_before(year: int) -> list[int]:
    """What the residents of each state spent in a year before the first one of the sheets; no release revises it."""
    spending = [int(_people(geo, year)) * index for geo, (_, _, index) in _weights()[1].items()]
    scale = _nation(year) / sum(spending)
    return [int(scale * of_state) for of_state in spending]


def spending_by_category(release: Vintage, *, silently: bool) -> pl.DataFrame:
    """What was spent in every area, in tenths of millions of dollars: geo_fips, year and a column for each category."""
    states = _states(release, silently=silently)
    amounts = [name for name in states.columns if name not in {"geo_fips", "year", "region_fips"}]
    additive = [pl.col(name).sum() for name in amounts if name != "abroad"]
    regions = states.group_by("region_fips", "year").agg(additive).rename({"region_fips": "geo_fips"})
    nation = states.group_by("year").agg(*additive, pl.col("abroad").first()).with_columns(geo_fips=pl.lit("00000"))
    areas = pl.concat([nation, regions, states.drop("region_fips", "abroad")], how="diagonal")
    return _with_totals(areas).select("geo_fips", "year", *_tree()["category_id"])


def spending_of_nation(revisions: Mapping[int, str]) -> pl.DataFrame:
    """What the nation spent, in tenths of millions of dollars: a row for each year and a column for each category.

    `revisions` names the revision of each year, from `FIRST_YEAR` on; of those that a release publishes, the figures
    are those of `spending_by_category`. A year to come has figures, too. Columns: year and the categories.
    """
    rows = [
        {"year": year, **{concept: sum(values) for concept, values in _sheet(year, revision).items()}}
        for year, revision in revisions.items()
    ]
    parts = _tree().filter((pl.col("role") == "part") & ~pl.col("nation_only"))["category_id"]
    nation = pl.DataFrame(rows, schema_overrides={"year": pl.Int32}).select(
        "year", "abroad", *[pl.col(part.partition(".")[2]).alias(part) for part in parts]
    )
    return _with_totals(nation).select("year", *_tree()["category_id"])


def _states(release: Vintage, *, silently: bool) -> pl.DataFrame:
    """Columns: geo_fips, year, region_fips, abroad, one per part of either scheme."""
    geos = state_codes()
    years = range(FIRST_YEAR, release.last_year + 1)
    columns: dict[str, list[int]] = {}
    for year in years:
        sheet = _sheet(year, made_in(year, "spending", release, silently=silently))
        for concept, values in sheet.items():
            columns.setdefault(concept, []).extend(values if concept != "abroad" else values * len(geos))
    frame = pl.DataFrame(
        {
            "geo_fips": geos * len(years),
            "year": [year for year in years for _ in geos],
            "abroad": columns.pop("abroad"),
            **columns,
        }
    ).with_columns(pl.col("year").cast(pl.Int32))
    parts = _tree().filter((pl.col("role") == "part") & ~pl.col("nation_only"))["category_id"]
    return frame.join(regions_of_states(), on="geo_fips").select(
        "geo_fips", "year", "region_fips", "abroad", *[pl.col(part.partition(".")[2]).alias(part) for part in parts]
    )


@cache
def regions_of_states() -> pl.DataFrame:
    """Columns geo_fips and region_fips of the states."""
    areas = next(iter(load_datasets("full").values())).areas
    return areas.filter(pl.col("geo_level") == "state").select("geo_fips", "region_fips")


@cache
def _functions_leave_out_abroad_from() -> int:
    exceptions = [each for dataset in load_datasets("full").values() for each in dataset.known_exceptions]
    return min(each.first_year for each in exceptions if each.identity == "children")


def _with_totals(areas: pl.DataFrame) -> pl.DataFrame:
    """Every category's column, from the deepest to the totals."""
    gap = _functions_leave_out_abroad_from()
    nation_only = set(_tree().filter(pl.col("nation_only"))["category_id"])
    children: dict[str, list[tuple[str, int]]] = {}
    by_depth = _tree().sort("depth", descending=True)
    for category_id, parent_id, sign in by_depth.select("category_id", "parent_id", "sign").iter_rows():
        children.setdefault(parent_id, []).append((category_id, sign))
    frame = areas.with_columns(pl.col("abroad").alias(category_id) for category_id in nation_only)
    for parent_id in by_depth.filter(pl.col("role") != "part")["category_id"]:
        terms = []
        for child, sign in children[parent_id]:
            term = pl.col(child).fill_null(0) * sign
            if child in nation_only and parent_id.startswith("function."):
                term = pl.when(pl.col("year") < gap).then(term).otherwise(0)
            terms.append(term)
        frame = frame.with_columns(pl.sum_horizontal(terms).alias(parent_id))
    return frame.with_columns(pl.col("product.pce").alias("function.pce"))


def coded_cells(release: Vintage) -> pl.DataFrame:
    """The cells of spending that have a code for a number: category_id, geo_fips, year, code."""
    cells = [
        (concept, geo, year, code) for concept, geo, first, last, code in _CODED for year in range(first, last + 1)
    ]
    late_concept, late_geo, late_code = _LATE
    cells.append((late_concept, late_geo, release.last_year, late_code))
    cells += [
        (_WATER, geo, year, "(L)")
        for geo in _LANDLOCKED
        for year in range(_WATER_VANISHES, release.last_year + 1)
        if year != _NO_VOYAGES
    ]
    frame = pl.DataFrame(
        cells,
        schema={"concept": pl.String, "geo_fips": pl.String, "year": pl.Int32, "code": pl.String},
        orient="row",
    )
    schemes = pl.DataFrame({"scheme": ["product", "function"]})
    return schemes.join(frame, how="cross").select(
        pl.concat_str("scheme", pl.lit("."), "concept").alias("category_id"), "geo_fips", "year", "code"
    )
