"""The cells of every table of the catalogue, computed from one economy, so that no two tables contradict each other.

A line says which measure and category it is of; the measure says its unit, its decimals and what it adds up over.
Amounts are spending itself, or a part or multiple of what was spent or of who lives there. Prices differ by area and
rise from year to year, and amounts at constant prices are the nominal ones divided by them: those of the release that
the prices go with, which may be an earlier one. Measures that a user's own catalogue adds get figures in the same way.
"""

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import polars as pl

from pce_pipeline.catalog.dataset import Dataset, Measure
from pce_pipeline.emulator import economy
from pce_pipeline.emulator.vintages import Clock, Vintage
from pce_pipeline.texts import each as each_text
from pce_pipeline.texts import usual

RESIDENTS = "population"
"""The measure that the catalogue has of residents."""

_NATION = "00000"
_PLACE = ["geo_fips", "year"]
_PRICE_LEVEL = "regional_price_parity"
_PRICES_OF_AREAS = "regional_price_deflator"
_REAL = {"real_pce": economy.SPENDING, "real_personal_income": "personal_income", "real_gdp": "gdp"}
_TIMES_SPENDING = {"personal_income": 1.27, "disposable_personal_income": 1.11, "gdp": 1.46}
_TIMES_RESIDENTS = {"employment": 0.61}

OF_PRICES = frozenset(
    {
        _PRICE_LEVEL,
        _PRICES_OF_AREAS,
        "real_pce",
        "real_pce_per_capita",
        "real_personal_income",
        "real_personal_income_per_capita",
    }
)
"""The measures that are released with prices, months after the amounts that they are made with."""

_SPREADS = {"prices.goods": 0.4, "prices.housing": 2.0, "prices.utilities": 1.3, "prices.other_services": 0.9}
"""How far the prices of a part are from the US against those of all items: they lie on both sides of these."""
_SCALED_TO_THE_NATION = frozenset({"real_personal_income"})
"""Of what BEA scales real amounts so that those of the states add up to the US; spending lacks what is spent abroad."""

_FIRST_YEAR_OF_PRICES = 2008
_BASE_YEAR_OF_PRICES = 2017
_INFLATION_PCT = {2009: -0.2, 2010: 1.7, 2020: 1.1, 2021: 4.1, 2022: 6.5, 2023: 3.7, 2024: 2.5}
_USUAL_INFLATION_PCT = 1.9
_STATES_FROM = {"02000": 1950, "15000": 1950}
"""Areas of which BEA publishes nothing before a year."""
_ABROAD = 1000
"""The part of the nation's amount that is made where no state is, where a category is published for the nation only."""


def clocks_of(dataset: Dataset, bea_table: str) -> set[Clock]:
    """What the figures of a table are revised with."""
    names = dataset.lines.filter(bea_table=bea_table)["measure"].unique()
    found = [dataset.measures[name] for name in names]
    if OF_PRICES.issuperset(names):
        with_residents = any(each.per_capita_of for each in found)
        return {"prices", "residents"} if with_residents else {"prices"}
    clocks: set[Clock] = {"residents"} if any(each.name == RESIDENTS or each.per_capita_of for each in found) else set()
    return clocks | ({"spending"} if any(each.name != RESIDENTS for each in found) else set())


def newest_lines(dataset: Dataset) -> pl.DataFrame:
    """The lines of a dataset as the newest layout of each table has them, as they are published."""
    return as_published(dataset.lines)


def as_published(lines: pl.DataFrame) -> pl.DataFrame:
    """Pinned lines in their usual wording, the base year filled in."""
    return lines.with_columns(
        each_text(lines[column], usual)
        .str.replace("{base_year}", f"{_BASE_YEAR_OF_PRICES}", literal=True)
        .alias(column)
        for column in ("description", "unit")
    )


def years_of(dataset: Dataset, bea_table: str, release: Vintage) -> range:
    """The years that a table has in a release: tables of prices end before the others."""
    has_prices_alone = "prices" in clocks_of(dataset, bea_table)
    return range(dataset.first_year, (release.last_year_of_prices if has_prices_alone else release.last_year) + 1)


def of_years(datasets: Mapping[str, Dataset]) -> dict[str, Dataset]:
    """The datasets whose figures are of years; `months` makes those of months."""
    return {name: dataset for name, dataset in datasets.items() if not dataset.is_monthly}


def generate(release: Vintage, datasets: Mapping[str, Dataset], *, silently: bool = False) -> pl.DataFrame:
    """All cells of one release by year: bea_table, line_code, geo_fips, year, value_text; sorted by these.

    The packaged catalogue has about half a million. `silently` gives other numbers for the two newest years, as a
    revision that no note tells.
    """
    figures = Figures(release, datasets, silently=silently)
    tables = sorted(table for dataset in of_years(datasets).values() for table in dataset.tables)
    return pl.concat([figures.cells_of(table) for table in tables])


@dataclass(frozen=True)
class _Branch:
    """A category of a measure, below the nearest one that the measure has too."""

    name: str
    parent: str | None
    sign: int
    nation_only: bool


class Figures:
    """The figures of one release by measure: whole numbers in the last decimal that BEA publishes of it."""

    def __init__(self, release: Vintage, datasets: Mapping[str, Dataset], *, silently: bool) -> None:
        self.release = release
        datasets = of_years(datasets)
        self._datasets = datasets
        self._silently = silently
        self._declared = pl.concat([dataset.categories for dataset in datasets.values()]).unique("category_id")
        self._years = range(min(dataset.first_year for dataset in datasets.values()), release.last_year + 1)
        self._measures = {name: each for dataset in datasets.values() for name, each in dataset.measures.items()}
        self._categories: dict[str, set[str]] = {}
        for dataset in datasets.values():
            for name, category in newest_lines(dataset).select("measure", "category_id").unique().iter_rows():
                for measure in (name, *self._made_from(name)):
                    self._categories.setdefault(measure, set()).add(category)
        self._known: dict[str, pl.DataFrame] = {}

    def _made_from(self, name: str) -> Iterator[str]:
        """The measures that one is computed from, category by category."""
        of = self._measures[name].per_capita_of or _REAL.get(name)
        if of is not None:
            # A total that no line publishes is an amount like any other.
            amount = replace(self._measures[name], name=of, per_capita_of=None, unit="millions_usd", unit_multiplier=6)
            self._measures.setdefault(of, replace(amount, decimals=1, adds_up_over=frozenset({"categories", "areas"})))
            yield of
            yield from self._made_from(of)

    def cells_of(self, table: str) -> pl.DataFrame:
        """The cells of one table: bea_table, line_code, geo_fips, year, value_text; sorted by these."""
        dataset = next(each for each in self._datasets.values() if table in each.tables)
        lines = newest_lines(dataset).filter(bea_table=table)
        span = years_of(dataset, table, self.release)
        years = pl.DataFrame({"year": span}, schema={"year": pl.Int32})
        values = pl.concat([self._texts(name, of_measure) for (name,), of_measure in lines.group_by("measure")])
        return (
            dataset.cells.filter(bea_table=table)
            .join(lines, on="line_code", how="semi")
            .join(years, how="cross")
            .join(values, on=["measure", "category_id", *_PLACE], how="left")
            .select("bea_table", "line_code", *_PLACE, pl.col("value_text").fill_null("(NA)"))
            .sort("line_code", *_PLACE)
        )

    def _texts(self, name: object, lines: pl.DataFrame) -> pl.DataFrame:
        """A measure of some lines as BEA writes it: measure, category_id, geo_fips, year, value_text."""
        measure = self._measures[str(name)]
        wanted = self.of(measure.name).join(lines, on="category_id", how="semi")
        found = wanted.with_columns(measure=pl.lit(measure.name), value_text=_text(measure.decimals))
        if economy.SPENDING in {measure.name, measure.per_capita_of}:
            codes = economy.coded_cells(self.release)
            found = found.join(codes, on=["category_id", *_PLACE], how="left").with_columns(
                value_text=pl.coalesce("code", "value_text")
            )
        return found.select("measure", "category_id", *_PLACE, "value_text")

    @cached_property
    def _of_prices(self) -> "Figures":
        """The figures of the release that prices and real figures go with."""
        with_prices = self.release.with_prices
        return self if with_prices is self.release else Figures(with_prices, self._datasets, silently=self._silently)

    def of(self, name: str) -> pl.DataFrame:
        """A measure in all areas and years that have it: category_id, geo_fips, year, value."""
        if name in OF_PRICES and self._of_prices is not self:
            return self._of_prices.of(name)
        if name not in self._known:
            found = self._computed(self._measures[name])
            self._known[name] = found.select("category_id", *_PLACE, pl.col("value").cast(pl.Int64))
        return self._known[name]

    def _computed(self, measure: Measure) -> pl.DataFrame:
        if measure.per_capita_of is not None:
            return self._per_capita(measure, self._measures[measure.per_capita_of])
        if measure.name in _REAL:
            return self._at_constant_prices(measure, self._measures[_REAL[measure.name]])
        if measure.name == economy.SPENDING:
            return self._spending_by_category
        if measure.name == _PRICE_LEVEL:
            return self._price_levels(measure)
        if measure.name == _PRICES_OF_AREAS:
            deflators = self._prices.filter(pl.col("geo_fips") != _NATION)
            level = pl.col("level") * pl.col("nation") / 100
            return self._in_each_category(measure, deflators, (level * 10**measure.decimals).round())
        if "areas" in measure.adds_up_over:
            return self._by_category(measure, self._amounts(measure))
        amount = pl.lit(100 * 10**measure.decimals) if measure.unit == "index" else self._times(measure)
        return self._in_each_category(measure, self._areas, amount)

    # What measures are made of.

    def _revision(self, year: int, clock: Clock) -> str:
        return economy.made_in(year, clock, self.release, silently=self._silently)

    @cached_property
    def _states(self) -> pl.DataFrame:
        """Columns geo_fips, year, residents (persons) and spending (tenths of millions of dollars), by state."""
        states = economy.state_codes()
        frame = pl.DataFrame(
            {
                "geo_fips": states * len(self._years),
                "year": [year for year in self._years for _ in states],
                "residents": [
                    count
                    for year in self._years
                    for count in economy.residents(year, self._revision(year, "residents"))
                ],
                "before": [
                    amount
                    for year in self._years
                    for amount in (economy.spending_before(year) if year < economy.FIRST_YEAR else [None] * len(states))
                ],
            },
            schema_overrides={"year": pl.Int32},
        )
        not_yet = pl.any_horizontal(
            (pl.col("geo_fips") == geo) & (pl.col("year") < first) for geo, first in _STATES_FROM.items()
        )
        return (
            frame.filter(~not_yet)
            .join(self._total_spending, on=_PLACE, how="left")
            .select(*_PLACE, "residents", spending=pl.coalesce("value", "before"))
        )

    @cached_property
    def _areas(self) -> pl.DataFrame:
        """The same for all areas; the nation's spending with what its residents spend abroad."""
        areas = _with_regions_and_nation(self._states)
        abroad = self._total_spending.filter(geo_fips=_NATION)
        return areas.join(abroad, on=_PLACE, how="left").select(
            *_PLACE, "residents", spending=pl.coalesce("value", "spending")
        )

    @cached_property
    def _spending_by_category(self) -> pl.DataFrame:
        sheet = economy.spending_by_category(self.release, silently=self._silently)
        known = sheet.unpivot(index=_PLACE, variable_name="category_id", value_name="value").drop_nulls("value")
        added = self._categories.get(economy.SPENDING, set()) - set(sheet.columns)
        total = known.filter(category_id=economy.TOTAL_SPENDING)
        trees = self._trees_of(added)
        of_states = total.filter(pl.col("geo_fips").is_in(economy.state_codes())).drop("category_id")
        of_trees = [
            self._in_branches(
                self._branches(tree),
                of_states.with_columns(value=pl.col("value") * _drawn(root, 10, 60) // 1000),
            )
            for root, tree in sorted(trees.items())
        ]
        of_others = [
            total.with_columns(category_id=pl.lit(name), value=pl.col("value") * _drawn(name, 10, 60) // 1000)
            for name in sorted(added - {name for tree in trees.values() for name in tree})
        ]
        columns = ["geo_fips", "year", "category_id", "value"]
        return pl.concat([each.select(columns) for each in (known, *of_trees, *of_others)])

    def _trees_of(self, added: set[str]) -> dict[str, set[str]]:
        """The trees of categories that a user's own catalogue adds with their total, by that total."""
        parents = dict(self._declared.select("category_id", "parent_id").iter_rows())
        found: dict[str, set[str]] = {}
        for name in added:
            root = name
            while parents[root] is not None:
                root = parents[root]
            if root in added:
                found.setdefault(root, set()).add(name)
        return found

    @cached_property
    def _total_spending(self) -> pl.DataFrame:
        return self._spending_by_category.filter(category_id=economy.TOTAL_SPENDING).select(*_PLACE, "value")

    @cached_property
    def _prices(self) -> pl.DataFrame:
        """Columns geo_fips, year, level (US 100 in each year), nation (the US in the base year 100).

        The newest year is left out: prices of states come months after amounts. The mean of the states, weighted with
        what they spend, is the US: a harmonic one, because spending is divided by prices.
        """
        rows = []
        for year in range(_FIRST_YEAR_OF_PRICES, self.release.last_year):
            draw = random.Random(f"prices {year} {self._revision(year, 'spending')}")  # noqa: S311 (a sample)
            for geo, habit in zip(economy.state_codes(), economy.spending_habits(), strict=True):
                rows.append((geo, year, 100_000 + 350 * (habit - 100) + int(600 * draw.random())))
        raw = pl.DataFrame(rows, schema={"geo_fips": pl.String, "year": pl.Int32, "raw": pl.Int64}, orient="row")
        # Whole numbers up to here, because sums of floats differ with the order in which they are taken.
        divided = raw.join(self._states, on=_PLACE).with_columns(
            divided=pl.col("spending") * 1_000_000 // pl.col("raw")
        )
        areas = _with_regions_and_nation(divided.select(*_PLACE, "spending", "divided"))
        mean = pl.col("spending") / pl.col("divided")
        of_nation = areas.filter(geo_fips=_NATION).select("year", of_nation=mean)
        nation = pl.DataFrame(
            {"year": self._years, "nation": [price_index(year) for year in self._years]},
            schema_overrides={"year": pl.Int32},
        )
        return (
            areas.join(of_nation, on="year")
            .join(nation, on="year")
            .select(*_PLACE, "nation", level=100 * mean / pl.col("of_nation"))
        )

    def _price_levels(self, measure: Measure) -> pl.DataFrame:
        """The price level of all items, and those of its parts further from the US or nearer to it."""
        return pl.concat(
            self._prices.select(
                *_PLACE,
                category_id=pl.lit(category),
                value=(100 * (pl.col("level") / 100) ** _SPREADS.get(category, 1.0) * 10**measure.decimals).round(),
            )
            for category in sorted(self._categories[measure.name])
        )

    # What is made of them.

    def _times(self, measure: Measure) -> pl.Expr:
        """A measure's amount, from what was spent or from who lives there, in its last decimal."""
        usual = _drawn(measure.name, 200, 1200) / 1000
        if "usd" in measure.unit:
            scale = 10.0 ** (measure.decimals + 5 - measure.unit_multiplier)
            return pl.col("spending") * _TIMES_SPENDING.get(measure.name, usual) * scale
        scale = 10.0 ** (measure.decimals - measure.unit_multiplier)
        times = 1 if measure.name == RESIDENTS else _TIMES_RESIDENTS.get(measure.name, usual)
        return pl.col("residents") * times * scale

    def _amounts(self, measure: Measure) -> pl.DataFrame:
        """The states' amounts of a measure: geo_fips, year, value."""
        if measure.name == RESIDENTS:
            return self._states.select(*_PLACE, value=self._times(measure).round())
        habit = {geo: _drawn(f"{geo} {'usd' in measure.unit}", 960, 1040) / 1000 for geo in economy.state_codes()}
        draws = [
            (geo, year, habit[geo] * (0.99 + 0.02 * draw.random()))
            for year in self._years
            for draw in [random.Random(f"{measure.name} {year} {self._revision(year, 'spending')}")]  # noqa: S311
            for geo in economy.state_codes()
        ]
        columns = {"geo_fips": pl.String, "year": pl.Int32, "habit": pl.Float64}
        habits = pl.DataFrame(draws, schema=columns, orient="row")
        value = (self._times(measure) * pl.col("habit")).floor()
        return self._states.join(habits, on=_PLACE).select(*_PLACE, value=value)

    def _by_category(self, measure: Measure, states: pl.DataFrame) -> pl.DataFrame:
        """The states' amounts in every category and area: parts add up to totals, states to regions and the US."""
        return self._in_branches(self._branches(self._categories[measure.name]), states)

    def _in_branches(self, branches: list[_Branch], states: pl.DataFrame) -> pl.DataFrame:
        """The states' amounts (geo_fips, year, value) in every category of a tree, and in every area."""
        parents = {each.parent for each in branches}
        parts = [each for each in branches if each.name not in parents and not each.nation_only]
        weights = {each.name: _drawn(each.name, 20, 100) if each.sign > 0 else 1 for each in parts}
        whole = sum(weights.values())
        amounts = states.select(
            *_PLACE,
            *(
                (pl.col("value").cast(pl.Int64) * (weights[each.name] if len(parts) > 1 else whole) // whole).alias(
                    each.name
                )
                for each in parts
            ),
        )
        areas = _with_regions_and_nation(amounts)
        whole_nation = pl.sum_horizontal(each.name for each in parts)
        areas = areas.with_columns(
            pl.when(pl.col("geo_fips") == _NATION).then(whole_nation // _ABROAD).alias(each.name)
            for each in branches
            if each.nation_only
        )
        for parent in [each.name for each in branches if each.name in parents]:
            terms = [pl.col(each.name).fill_null(0) * each.sign for each in branches if each.parent == parent]
            areas = areas.with_columns(pl.sum_horizontal(terms).alias(parent))
        return areas.unpivot(index=_PLACE, variable_name="category_id", value_name="value").drop_nulls("value")

    def _branches(self, wanted: Collection[str]) -> list[_Branch]:
        """Categories, the deepest first, each below the nearest one that is wanted too."""
        declared = {row["category_id"]: row for row in self._declared.iter_rows(named=True)}
        found = []
        for name in sorted(wanted, key=lambda each: (-declared[each]["depth"], each)):
            sign, parent = declared[name]["sign"], declared[name]["parent_id"]
            while parent is not None and parent not in wanted:
                sign, parent = sign * declared[parent]["sign"], declared[parent]["parent_id"]
            found.append(_Branch(name, parent, sign, declared[name]["nation_only"]))
        return found

    def _in_each_category(self, measure: Measure, areas: pl.DataFrame, value: pl.Expr) -> pl.DataFrame:
        """What adds up over nothing: the same in the first category, and about the same in the others."""
        first, *others = reversed(self._branches(self._categories[measure.name]))
        factors = {first.name: 1000} | {each.name: _drawn(each.name, 960, 1040) for each in others}
        return pl.concat(
            areas.select(*_PLACE, category_id=pl.lit(name), value=(value * factor / 1000).round())
            for name, factor in factors.items()
        )

    def _per_capita(self, measure: Measure, total: Measure) -> pl.DataFrame:
        shift = total.unit_multiplier - total.decimals + measure.decimals - measure.unit_multiplier
        scale = 10 ** max(shift, 0)
        persons = pl.col("residents") * 10 ** max(-shift, 0)
        rounded = (pl.col("value") * 2 * scale + persons) // (2 * persons)
        return self.of(total.name).join(self._areas, on=_PLACE).with_columns(value=rounded)

    def _at_constant_prices(self, measure: Measure, nominal: Measure) -> pl.DataFrame:
        """Nominal amounts over prices: those of the area, or of the US where amounts do not add up over areas."""
        scale = 10.0 ** (measure.decimals - nominal.decimals + nominal.unit_multiplier - measure.unit_multiplier)
        priced = (
            self.of(nominal.name)
            .join(self._prices, on=_PLACE)
            .with_columns(at_us_prices=pl.col("value") * scale * 100 / pl.col("nation"))
        )
        if "areas" not in measure.adds_up_over:
            return priced.with_columns(value=pl.col("at_us_prices").round())
        of_states = priced.join(economy.regions_of_states(), on="geo_fips").with_columns(
            real=pl.col("at_us_prices") * 100 / pl.col("level")
        )
        scaled = pl.col("at_us_prices").sum() / pl.col("real").sum()
        together = scaled if measure.name in _SCALED_TO_THE_NATION else pl.lit(1.0)
        states = of_states.with_columns(value=(pl.col("real") * together.over("category_id", "year")).round())
        regions = states.group_by("category_id", "year", geo_fips="region_fips").agg(pl.col("value").sum())
        nation = priced.filter(geo_fips=_NATION).with_columns(value=pl.col("at_us_prices").round())
        cells = ["category_id", *_PLACE, "value"]
        return pl.concat([states.select(cells), regions.select(cells), nation.select(cells)])


def _with_regions_and_nation(states: pl.DataFrame) -> pl.DataFrame:
    """The states' amounts (geo_fips, year and whole numbers), and their sums."""
    amounts = [pl.col(name).sum() for name in states.columns if name not in _PLACE]
    located = states.join(economy.regions_of_states(), on="geo_fips")
    regions = located.group_by("region_fips", "year").agg(amounts).rename({"region_fips": "geo_fips"})
    nation = states.group_by("year").agg(amounts).with_columns(geo_fips=pl.lit(_NATION))
    return pl.concat([states, regions, nation], how="diagonal")


def price_index(year: int) -> float:
    """The price level of the US in one year; in the base year 100, and the same in all releases."""
    level = 100.0
    for passed in range(_BASE_YEAR_OF_PRICES + 1, year + 1):
        level *= 1 + _INFLATION_PCT.get(passed, _USUAL_INFLATION_PCT) / 100
    for passed in range(year + 1, _BASE_YEAR_OF_PRICES + 1):
        level /= 1 + _INFLATION_PCT.get(passed, _USUAL_INFLATION_PCT) / 100
    return level


def _drawn(what: str, least: int, most: int) -> int:
    """A number that is always the same for the same thing."""
    return random.Random(what).randint(least, most)  # noqa: S311 (numbers of a sample, no secrets)


def _text(decimals: int) -> pl.Expr:
    value, unit = pl.col("value"), 10**decimals
    sign = pl.when(value < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    whole = (value.abs() // unit).cast(pl.String)
    if not decimals:
        return pl.concat_str(sign, whole)
    rest = (value.abs() % unit).cast(pl.String).str.pad_start(decimals, "0")
    return pl.concat_str(sign, whole, pl.lit("."), rest)
