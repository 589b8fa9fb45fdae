"""The accounting identities of the conformed facts: what BEA's figures must add up to, within their rounding.

Every sum is compared with the figure BEA publishes for it. Figures BEA codes as too small to show count as zero,
which is within their rounding; a sum with any other figure missing, or one that could not be read, is not checked, and
counted as such. Sums that BEA itself does not keep are declared in the catalogue: they are counted and shown, and fail
nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from pce_pipeline.catalog.dataset import Dataset, Over
from pce_pipeline.quality.findings import EXAMPLES, Example, Finding
from pce_pipeline.quality.rules import rule
from pce_pipeline.tables.table import QUARANTINED

_TOO_SMALL_TO_SHOW = ["below_50k", "near_zero"]
_SUM = ["measure", "category_id", "geo_fips", "year"]


@dataclass(frozen=True)
class FactYears:
    """What the rules of the facts look at."""

    frame: pl.DataFrame
    """The facts of some years."""
    dataset: Dataset
    """What is expected of BEA's tables."""
    held: Mapping[str, Sequence[int]]
    """The years that each BEA table gave the facts for."""
    spoken_of: pl.DataFrame | None = None
    """The cells they were made from (bea_table, category_id, geo_fips, year); all that is expected if None."""
    releases: Mapping[str, str] = field(default_factory=dict)
    """The release that each BEA table is of, where that is known."""
    whole_units: pl.DataFrame | None = None
    """The measures and levels (measure, geo_level) whose figures are all whole units, where other years say so, too;
    None if these years are all that is known."""

    @cached_property
    def cells(self) -> pl.DataFrame:
        """The facts with `amount` (float; NULL only if unknown) and `half_unit`, the rounding of a published figure.

        `unread` says whether BEA's text could not be read. Older extracts publish whole millions for some areas: the
        rounding is what the figures of one level show.
        """
        unit = pl.col("measure").replace_strict(
            {measure.name: 10.0**-measure.decimals for measure in self.dataset.measures.values()},
            return_dtype=pl.Float64,
        )
        value = pl.col("value").cast(pl.Float64)
        too_small = pl.col("status").is_in(_TOO_SMALL_TO_SHOW)
        return (
            self.frame.lazy()
            .select(
                *_SUM,
                "geo_level",
                amount=value.fill_null(pl.when(too_small).then(0.0)),
                unread=pl.col("status") == QUARANTINED,
                unit=unit,
            )
            .with_columns(self._are_whole)
            .with_columns(half_unit=pl.when("whole").then(1.0).otherwise("unit") / 2)
            .drop("unit", "whole")
            .collect()
        )

    @property
    def _are_whole(self) -> pl.Expr:
        """Whether the figures of a row's measure and level are published in whole units."""
        if self.whole_units is None:
            return (pl.col("amount") == pl.col("amount").floor()).all().over("measure", "geo_level").alias("whole")
        known = [f"{measure} {level}" for measure, level in self.whole_units.iter_rows()]
        return pl.format("{} {}", "measure", "geo_level").is_in(known).alias("whole")


def whole_units(parts: Iterable[pl.DataFrame], dataset: Dataset) -> pl.DataFrame:
    """The measures and levels whose figures are whole units in all parts, as `FactYears.whole_units` takes them.

    Parts are rows of Silver: bea_table, line_code, geo_level and value.
    """
    lines = dataset.lines.lazy().select("bea_table", "line_code", "measure")
    found = [pl.DataFrame(schema={"measure": pl.String, "geo_level": pl.String, "whole": pl.Boolean})]
    found += [
        part.lazy()
        .select("bea_table", "line_code", "geo_level", "value")
        .join(lines, on=["bea_table", "line_code"])
        .group_by("measure", "geo_level")
        .agg(whole=(pl.col("value") == pl.col("value").floor()).all())
        .collect()
        for part in parts
    ]
    together = pl.concat(found).group_by("measure", "geo_level").agg(pl.col("whole").all())
    return together.filter("whole").drop("whole")


@rule(
    "threshold",
    tolerance="Half a unit of each published figure; of many terms, four standard deviations of their rounding. Sums "
    "that BEA itself does not keep are listed in the catalogue, counted, and fail nothing.",
)
def children_add_up_to_parents(facts: FactYears) -> Finding:
    """The parts of a category add up to it, a deducted part subtracted, in every area and year."""
    categories = facts.dataset.categories.lazy()
    parts_of = (
        categories.filter(pl.col("parent_id").is_not_null())
        .group_by("parent_id")
        .agg(everywhere=(~pl.col("nation_only")).sum(), in_the_nation=pl.len())
    )
    sums = (
        facts.cells.lazy()
        .filter(_adds_up_over("categories", facts.dataset))
        .join(categories.select("category_id", "parent_id", "sign"), on="category_id")
        .filter(pl.col("parent_id").is_not_null())
        .group_by("measure", "parent_id", "geo_fips", "year")
        .agg(
            added_up=(pl.col("amount") * pl.col("sign")).sum(),
            terms=pl.len(),
            unknown=pl.col("amount").null_count(),
            nation=(pl.col("geo_level") == "nation").first(),
        )
        .join(parts_of, on="parent_id")
        .with_columns(
            complete=(pl.col("unknown") == 0)
            & (pl.col("terms") == pl.when("nation").then("in_the_nation").otherwise("everywhere"))
        )
        .rename({"parent_id": "category_id"})
    )
    return _compare(facts, sums, "children")


@rule(
    "threshold",
    tolerance="Half a unit of each published figure; of many terms, four standard deviations of their rounding.",
)
def states_add_up_to_regions(facts: FactYears) -> Finding:
    """The states of a BEA region add up to it, in every category and year."""
    areas = facts.dataset.areas.lazy().filter(pl.col("region_fips").is_not_null()).select("geo_fips", "region_fips")
    sums = (
        facts.cells.lazy()
        .filter(_adds_up_over("areas", facts.dataset))
        .join(areas, on="geo_fips")
        .group_by("measure", "category_id", "region_fips", "year")
        .agg(added_up=pl.col("amount").sum(), terms=pl.len(), unknown=pl.col("amount").null_count())
        .join(areas.group_by("region_fips").agg(states=pl.len()), on="region_fips")
        .with_columns(complete=(pl.col("unknown") == 0) & (pl.col("terms") == pl.col("states")))
        .rename({"region_fips": "geo_fips"})
    )
    return _compare(facts, sums, "regions")


@rule(
    "threshold",
    tolerance="Half a unit of each published figure; of many terms, four standard deviations of their rounding. Sums "
    "that BEA itself does not keep are listed in the catalogue, counted, and fail nothing.",
)
def states_add_up_to_the_nation(facts: FactYears) -> Finding:
    """The states add up to the US, beside what BEA publishes for the nation only (net expenditures abroad)."""
    areas = facts.dataset.areas
    nation = areas.filter(pl.col("geo_level") == "nation")["geo_fips"][0]
    states = areas.filter(pl.col("geo_level") == "state").height
    paths = _paths_of_nation_only(facts.dataset).lazy()
    beside = (
        facts.cells.lazy()
        .filter(pl.col("geo_level") == "nation")
        .join(paths, left_on="category_id", right_on="nation_only_id")
        .group_by("measure", "total_id", "year")
        .agg(beside=(pl.col("amount") * pl.col("sign")).sum(), known=pl.col("amount").count())
    )
    on_a_path = paths.group_by("total_id").agg(nation_only=pl.len())
    sums = (
        facts.cells.lazy()
        .filter(_adds_up_over("areas", facts.dataset) & (pl.col("geo_level") == "state"))
        .group_by("measure", "category_id", "year")
        .agg(added_up=pl.col("amount").sum(), terms=pl.len(), unknown=pl.col("amount").null_count())
        .join(on_a_path, left_on="category_id", right_on="total_id", how="left")
        .join(
            beside,
            left_on=["measure", "category_id", "year"],
            right_on=["measure", "total_id", "year"],
            how="left",
        )
        .with_columns(
            pl.col("added_up") + pl.col("beside").fill_null(0),
            geo_fips=pl.lit(nation),
            complete=(pl.col("unknown") == 0)
            & (pl.col("terms") == states)
            & (pl.col("known").fill_null(0) == pl.col("nation_only").fill_null(0)),
        )
    )
    return _compare(facts, sums, "nation")


@rule(
    "threshold",
    tolerance="What rounding to the published unit does to the two figures, and to those that give the population.",
)
def per_capita_times_population_is_the_total(facts: FactYears) -> Finding:
    """The population that a total and its per-capita value imply also links every other category's two figures."""
    figure = ["category_id", "geo_fips", "year"]
    pairs = pl.LazyFrame(
        [
            (each.name, each.per_capita_of)
            for each in facts.dataset.measures.values()
            if each.per_capita_of in facts.dataset.measures
        ],
        schema={"measure": pl.String, "per_capita_of": pl.String},
        orient="row",
    )
    cells = facts.cells.lazy().drop("geo_level")
    categories = facts.dataset.categories.lazy().select("category_id", "scheme", "role")
    both = (
        cells.rename({"measure": "per_capita_of"})
        .join(cells.join(pairs, on="measure"), on=["per_capita_of", *figure], suffix="_per_capita")
        .join(categories, on="category_id")
        .filter(pl.col("amount").is_not_null() | pl.col("unread"))
    )
    unread = pl.col("unread") | pl.col("unread_per_capita")
    population = both.filter((pl.col("role") == "total") & ((pl.col("amount_per_capita") > 0) | unread)).select(
        "measure",
        "scheme",
        "geo_fips",
        "year",
        whole="amount",
        per_head=pl.col("amount_per_capita") / pl.col("amount"),
    )
    # The published figures, and those that give the population, are each off by up to half a unit.
    share = (pl.col("amount") / pl.col("whole")).abs()
    half_dollars = pl.col("half_unit_per_capita") + pl.col("half_unit") * pl.col("per_head")
    compared = (
        both.filter(pl.col("role") != "total")
        .join(population, on=["measure", "scheme", "geo_fips", "year"])
        .select(
            *_SUM,
            published="amount_per_capita",
            added_up=pl.col("amount") * pl.col("per_head"),
            tolerance=half_dollars * (1 + share),
            complete=pl.all_horizontal(pl.col("amount", "amount_per_capita", "per_head").is_not_null()),
        )
    )
    return _finding(facts, compared, "per_capita")


def _adds_up_over(what: Over, dataset: Dataset) -> pl.Expr:
    """Whether a sum of a row's measure over these has a meaning."""
    return pl.col("measure").is_in(
        [measure.name for measure in dataset.measures.values() if what in measure.adds_up_over]
    )


def _paths_of_nation_only(dataset: Dataset) -> pl.DataFrame:
    """Which categories contain a nation-only one: total_id, nation_only_id, sign (-1 where it is deducted)."""
    parents = {row["category_id"]: row for row in dataset.categories.iter_rows(named=True)}
    paths: list[tuple[str, str, int]] = []
    for category in parents.values():
        step, sign = category, 1
        while category["nation_only"] and step["parent_id"] is not None:
            sign *= step["sign"]
            step = parents[step["parent_id"]]
            paths.append((step["category_id"], category["category_id"], sign))
    return pl.DataFrame(
        paths, schema={"total_id": pl.String, "nation_only_id": pl.String, "sign": pl.Int32}, orient="row"
    )


def _compare(facts: FactYears, sums: pl.LazyFrame, identity: str) -> Finding:
    """The finding for sums (the key of a sum, added_up, terms, complete) against the figures published for them."""
    published = facts.cells.lazy().select(*_SUM, "half_unit", published="amount")
    errors = pl.col("terms") + 1
    # Rounding errors are independent, uniform and at most half a unit each: the sum of many is never further out than
    # seven standard deviations, long before all of them point the same way.
    tolerance = pl.col("half_unit") * pl.min_horizontal(errors, 4 * errors.sqrt())
    compared = sums.join(published, on=_SUM).with_columns(
        tolerance=tolerance, complete=pl.col("complete") & pl.col("published").is_not_null()
    )
    return _finding(facts, compared, identity)


def _finding(facts: FactYears, compared: pl.LazyFrame, identity: str) -> Finding:
    """The finding for compared figures: the key of a sum, published, added_up, tolerance, complete."""
    deviation = (pl.col("added_up") - pl.col("published")).round(3)
    sums = compared.select(
        *_SUM, "published", "added_up", "complete", deviation=deviation, tolerance="tolerance"
    ).collect()
    checked = sums.filter("complete")
    outside = checked.filter(pl.col("deviation").abs() > pl.col("tolerance") + 1e-6).sort(_SUM)
    exceptions = _exceptions(facts.dataset, identity)
    known = outside.join(exceptions, on=["measure", "category_id", "geo_fips"]).filter(
        pl.col("year") >= pl.col("first_year")
    )
    violations = outside.join(known, on=_SUM, how="anti")
    kept = checked.join(outside, on=_SUM, how="anti")
    largest = max(kept["deviation"].abs().to_list(), default=0.0)
    return Finding(
        passed=violations.is_empty(),
        summary=_sums_kept,
        figures={
            "checked": checked.height,
            "violations": violations.height,
            "known_exceptions": known.height,
            "not_checked": sums.height - checked.height,
            "largest_rounding": largest,
        },
        examples=tuple(
            Example(_spelled_out(row), _place(row)) for row in violations.head(EXAMPLES).iter_rows(named=True)
        ),
        excused=tuple(
            Example(f"known: {_spelled_out(row)} ({row['reason']})", _place(row))
            for row in known.head(EXAMPLES).iter_rows(named=True)
        ),
        largest=tuple(
            row
            for sums_of_kind in (
                violations.with_columns(explained_by=pl.lit("nothing")),
                known.with_columns(explained_by="reason"),
                kept.with_columns(explained_by=pl.lit("rounding")),
            )
            for row in _largest(sums_of_kind).iter_rows(named=True)
        ),
    )


def _sums_kept(found: Finding) -> str:
    """How many sums are kept, in words."""
    counted = found.counted
    violations, known = counted["violations"], counted["known_exceptions"]
    return (
        (f"{violations} of" if violations else "all")
        + f" {int(counted['checked']) - int(known)} sums "
        + ("are not kept" if violations else "are kept")
        + (f"; {known} that BEA does not keep" if known else "")
    )


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where a sum stands among others."""
    return tuple(row[name] for name in _SUM)


def _largest(sums: pl.DataFrame) -> pl.DataFrame:
    """The sums that are furthest from the published figure: their key, both figures, and what explains them."""
    size = pl.col("deviation").abs()
    off = sums.filter(size > 0)
    # sorting a hundred thousand sums for five of them would take longer than the rule itself
    return (
        off.filter(size >= size.top_k(EXAMPLES).min())
        .sort(size, *_SUM, descending=[True, *([False] * len(_SUM))])
        .head(EXAMPLES)
        .select(*_SUM, "published", "added_up", "deviation", "tolerance", "explained_by")
    )


def _spelled_out(row: Mapping[str, Any]) -> str:
    return (
        "{measure} of {category_id}, area {geo_fips}, {year}: published {published:.1f}, but added up {added_up:.1f}, "
        "off by {deviation:.1f} (tolerance {tolerance:.2f})"
    ).format(**row)


def _exceptions(dataset: Dataset, identity: str) -> pl.DataFrame:
    declared = pl.DataFrame(
        [
            (
                known.bea_table,
                line,
                known.geo_fips,
                known.first_year,
                known.reason,
            )
            for known in dataset.known_exceptions
            if known.identity == identity and known.bea_table in dataset.tables
            for line in known.line_codes
        ],
        schema={
            "bea_table": pl.String,
            "line_code": pl.Int32,
            "geo_fips": pl.String,
            "first_year": pl.Int32,
            "reason": pl.String,
        },
        orient="row",
    )
    lines = dataset.lines.select("bea_table", "line_code", "measure", "category_id")
    return declared.join(lines, on=["bea_table", "line_code"])
