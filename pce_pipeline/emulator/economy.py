"""Invented numbers with the shape of an economy: what the sample publishes.

Everything adds up as BEA's own tables do: parts to totals, "Less:" lines deducted, states to regions and to the US,
except for what US residents spend abroad. Values are integers (tenths of millions of dollars), so sums are exact and
equal on every machine; random draws depend on year and release alone, so a release changes only the years it says.
"""

import random
from functools import cache
from importlib.resources import files

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.vintages import PER_CAPITA_TABLE, Vintage, edition

_TENTHS_OF_MILLIONS_IN_1997 = 55_000_000
_GROWTH_PCT = {2001: 3.1, 2002: 3.6, 2008: 2.4, 2009: -2.3, 2010: 3.4, 2020: -2.7, 2021: 12.1, 2022: 8.3}
_USUAL_GROWTH_PCT = 5.1
_BASE_YEAR = 1997
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
def _concepts() -> dict[str, dict[str, int]]:
    """Concepts and their signs by group: parts that both schemes have, and those only one has."""
    parts = load_datasets("full")["pce_state"].categories.filter((pl.col("role") == "part") & ~pl.col("nation_only"))
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
    for passed in range(_BASE_YEAR + 1, year + 1):
        level *= 1 + _GROWTH_PCT.get(passed, _USUAL_GROWTH_PCT) / 100
    return level


def _people(geo: str, year: int) -> float:
    first, last, _ = _weights()[1][geo]
    return 1000 * (first + (last - first) * (year - _BASE_YEAR) / 24)


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
                taste = tastes[geo, concept] * (1 + drifts[concept] * (year - _BASE_YEAR))
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


def _made_in(year: int, table: str, release: Vintage, *, silently: bool) -> str:
    changed = " silently" if silently and year > release.last_year - _SILENT_YEARS else ""
    return f"{edition(year, table, release.number)}{changed}"


def _states(release: Vintage, *, silently: bool) -> pl.DataFrame:
    """Columns: geo_fips, year, region_fips, people, abroad, one per part of either scheme."""
    dataset = load_datasets("full")["pce_state"]
    geos = list(_weights()[1])
    columns: dict[str, list[int]] = {}
    people: list[int] = []
    for year in release.years:
        sheet = _sheet(year, _made_in(year, "SAPCE1", release, silently=silently))
        for concept, values in sheet.items():
            columns.setdefault(concept, []).extend(values if concept != "abroad" else values * len(geos))
        people.extend(_population(year, _made_in(year, PER_CAPITA_TABLE, release, silently=silently)).values())
    frame = pl.DataFrame(
        {
            "geo_fips": geos * len(release.years),
            "year": [year for year in release.years for _ in geos],
            "people": people,
            "abroad": columns.pop("abroad"),
            **columns,
        }
    ).with_columns(pl.col("year").cast(pl.Int32))
    parts = dataset.categories.filter((pl.col("role") == "part") & ~pl.col("nation_only"))["category_id"]
    regions = dataset.areas.filter(pl.col("geo_level") == "state").select("geo_fips", "region_fips")
    return frame.join(regions, on="geo_fips").select(
        "geo_fips",
        "year",
        "region_fips",
        "people",
        "abroad",
        *[pl.col(part.partition(".")[2]).alias(part) for part in parts],
    )


def _with_totals(areas: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Every category's column, from the deepest to the totals."""
    gap = min(exception.first_year for exception in dataset.known_exceptions)
    nation_only = set(dataset.categories.filter(pl.col("nation_only"))["category_id"])
    children: dict[str, list[tuple[str, int]]] = {}
    by_depth = dataset.categories.sort("depth", descending=True)
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


def _codes(release: Vintage) -> pl.DataFrame:
    """The coded cells: category_id, geo_fips, year, code."""
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


def _text(tenths: pl.Expr) -> pl.Expr:
    sign = pl.when(tenths < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str(sign, tenths.abs() // 10, pl.lit("."), tenths.abs() % 10)


def generate(release: Vintage, *, silently: bool = False) -> pl.DataFrame:
    """All cells of one release: bea_table, line_code, geo_fips, year, value_text; sorted by these, about 500,000 rows.

    `silently` gives other numbers for the two newest years, as a revision that no note tells.
    """
    dataset = load_datasets("full")["pce_state"]
    states = _states(release, silently=silently)
    measures = [name for name in states.columns if name not in {"geo_fips", "year", "region_fips"}]
    additive = [pl.col(name).sum() for name in measures if name != "abroad"]
    regions = states.group_by("region_fips", "year").agg(additive).rename({"region_fips": "geo_fips"})
    nation = states.group_by("year").agg(*additive, pl.col("abroad").first()).with_columns(geo_fips=pl.lit("00000"))
    areas = pl.concat([nation, regions, states.drop("region_fips", "abroad")], how="diagonal")
    whole = _with_totals(areas, dataset)
    long = (
        whole.select("geo_fips", "year", "people", *dataset.categories["category_id"])
        .unpivot(index=["geo_fips", "year", "people"], variable_name="category_id", value_name="tenths")
        .drop_nulls("tenths")
        .join(_codes(release), on=["category_id", "geo_fips", "year"], how="left")
    )
    dollars = (pl.col("tenths") * 200_000 + pl.col("people")) // (2 * pl.col("people"))
    published = pl.coalesce(
        "code",
        pl.when(pl.col("bea_table") == PER_CAPITA_TABLE)
        .then(dollars.cast(pl.String))
        .otherwise(_text(pl.col("tenths"))),
    )
    return (
        dataset.lines.select("bea_table", "line_code", "category_id")
        .join(long, on="category_id")
        .select("bea_table", "line_code", "geo_fips", "year", published.alias("value_text"))
        .sort("bea_table", "line_code", "geo_fips", "year")
    )
