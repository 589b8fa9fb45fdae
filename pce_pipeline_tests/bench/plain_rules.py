"""The plainest way to check each layer: the pipeline's rules as loops over dicts, with the figures they must agree on.

A verdict says whether a rule passed and how much it looked at; it has no examples and spells nothing out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

from pce_pipeline_tests.bench.plain import Reference, Rows
from pce_pipeline_tests.bench.plain import metrics as metrics_of
from pce_pipeline_tests.bench.plain_identities import (
    TOO_SMALL_TO_SHOW,
    amounts_of,
    children_add_up,
    per_capita_gives_the_total,
    states_add_up_to_regions,
    states_add_up_to_the_nation,
    sum_key,
)
from pce_pipeline_tests.bench.scratch import Row

Verdicts = dict[str, dict[str, Any]]

_CELL = ("geo_fips", "category_id", "year")


def silver_rules(silver: Rows, left_out: Counter[Any], reference: Reference) -> Verdicts:
    """The verdicts of the rules of Silver."""
    areas = {(area["geo_fips"], area["geo_level"], area["state"]) for area in reference["areas"]}
    meanings = {
        (line["bea_table"], line["line_code"], line["category_id"], line["unit"], line["unit_multiplier"])
        for line in reference["lines"]
    }
    found_areas = {(row["geo_fips"], row["geo_level"], row["state"]) for row in silver}
    found_meanings = {
        (row["bea_table"], row["line_code"], row["category_id"], row["unit"], row["unit_multiplier"]) for row in silver
    }
    present = {(row["bea_table"], row["line_code"], row["geo_fips"], row["year"]) for row in silver}
    areas_of_years = {(table, area, year) for table, _, area, year in present}
    missing = [cell for cell in _expected(reference) if cell[:4] not in present]
    absent_areas = {(table, area, year) for table, _, area, year, _ in missing} - areas_of_years
    absent_lines = [cell for cell in missing if (cell[0], cell[2], cell[3]) in areas_of_years]
    asset = "silver/pce_state"
    return {
        f"{asset}:schema_is_as_declared": _declared(
            silver,
            required=("bea_table", "category_id", "geo_fips", "geo_level", "value_text", "status", "unit"),
            whole=("line_code", "year", "unit_multiplier"),
        ),
        f"{asset}:primary_key_is_unique": _unique(silver, ("bea_table", "line_code", "geo_fips", "year")),
        f"{asset}:geography_is_known": {"passed": found_areas <= areas, "violations": len(found_areas - areas)},
        f"{asset}:category_is_known": {
            "passed": found_meanings <= meanings,
            "violations": len(found_meanings - meanings),
        },
        f"{asset}:expected_areas_are_present": {"passed": not absent_areas, "violations": len(absent_areas)},
        f"{asset}:expected_lines_are_present": {"passed": not absent_lines, "violations": len(absent_lines)},
        f"{asset}:rows_in_equal_rows_out_plus_left_out": {
            "rows_out": len(silver),
            "rows_left_out": left_out.total(),
        },
        f"{asset}:no_unexplained_nulls": _explained(silver, {"value": "status"}),
        f"{asset}:shared_lines_agree": _shared_lines_agree(silver, reference),
    }


def facts_rules(facts: Rows, reference: Reference) -> Verdicts:
    """The verdicts of the rules of the conformed facts."""
    measures = {(line["bea_table"], line["line_code"]): line["measure"] for line in reference["lines"]}
    expected = {
        (measures[table, line], category, area, year) for table, line, area, year, category in _expected(reference)
    }
    found = {sum_key(fact) for fact in facts}
    amounts = amounts_of(facts, reference)
    return {
        "gold:schema_is_as_declared": _declared(
            facts,
            required=("dataset", "measure", "category_id", "geo_fips", "geo_level", "status", "unit"),
            whole=("year",),
        ),
        "gold:primary_key_is_unique": _unique(facts, ("dataset", "measure", *_CELL)),
        "gold:row_count_is_as_expected": {
            "passed": found == expected,
            "expected": len(expected),
            "missing": len(expected - found),
            "unexpected": len(found - expected),
        },
        "gold:no_unexplained_nulls": _explained(facts, {"value": "status"}),
        "gold:children_add_up_to_parents": children_add_up(facts, amounts, reference),
        "gold:states_add_up_to_regions": states_add_up_to_regions(facts, amounts, reference),
        "gold:states_add_up_to_the_nation": states_add_up_to_the_nation(facts, amounts, reference),
        "gold:per_capita_times_population_is_the_total": per_capita_gives_the_total(amounts, reference),
    }


def annual_rules(levels: Rows, facts: Rows) -> Verdicts:
    """The verdicts of the rules of the levels."""
    of_facts = {sum_key(fact): (fact["value"], fact["status"]) for fact in facts}
    of_levels = {}
    for row in levels:
        cell = (row["category_id"], row["geo_fips"], row["year"])
        of_levels["pce", *cell] = row["pce_millions_usd"], row["pce_status"]
        if row["pce_per_capita_status"] != "not_published":
            of_levels["pce_per_capita", *cell] = row["pce_per_capita_usd"], row["pce_per_capita_status"]
    differing = of_facts.items() ^ of_levels.items()
    asset = "gold/pce_state_annual"
    return {
        f"{asset}:schema_is_as_declared": _declared(
            levels,
            required=("geo_fips", "geo_level", "category_id", "pce_status", "pce_per_capita_status"),
            whole=("year",),
        ),
        f"{asset}:primary_key_is_unique": _unique(levels, _CELL),
        f"{asset}:no_unexplained_nulls": _explained(
            levels, {"pce_millions_usd": "pce_status", "pce_per_capita_usd": "pce_per_capita_status"}
        ),
        f"{asset}:every_fact_is_in_one_row": {"passed": not differing, "facts": len(of_facts)},
    }


def metrics_rules(rows: Rows, levels: Rows, reference: Reference) -> Verdicts:
    """The verdicts of the rules of the metrics."""
    level_of = {_cell(row): row for row in levels}
    metrics = [name for name in rows[0] if name.startswith("pce_")]
    of_per_capita = [name for name in metrics if name.startswith("pce_per_capita_")]
    of_total = [name for name in metrics if name not in of_per_capita]
    unmatched = level_of.keys() ^ {_cell(row) for row in rows}
    without_level = 0
    us_indexes = []
    for row in rows:
        level = level_of[_cell(row)]
        values = [row[name] for name in metrics if row[name] is not None]
        without_level += (
            (level["pce_millions_usd"] is None and any(row[name] is not None for name in of_total))
            or (level["pce_per_capita_usd"] is None and any(row[name] is not None for name in of_per_capita))
            or not all(map(isfinite, values))
        )
        if row["geo_level"] == "nation" and row["pce_per_capita_index_us100"] is not None:
            us_indexes.append(row["pce_per_capita_index_us100"])
    asset = "gold/pce_state_metrics"
    return {
        f"{asset}:schema_is_as_declared": _declared(
            rows, required=("geo_fips", "geo_level", "category_id"), whole=("year",)
        ),
        f"{asset}:primary_key_is_unique": _unique(rows, _CELL),
        f"{asset}:metrics_have_one_row_per_level": {"passed": not unmatched, "violations": len(unmatched)},
        f"{asset}:metrics_are_null_without_their_level": {"passed": not without_level, "violations": without_level},
        f"{asset}:ranks_count_the_states": _ranks_count_the_states(rows, level_of),
        **_parts_add_up(asset, rows, level_of, reference),
        f"{asset}:the_us_index_is_100": {
            "passed": all(index == 100 for index in us_indexes),
            "checked": len(us_indexes),
        },
        **_computed_again(asset, rows, metrics_of(levels, reference)),
    }


def _cell(row: Row) -> tuple[str, str, int]:
    return row["geo_fips"], row["category_id"], row["year"]


def _expected(reference: Reference) -> Iterable[tuple[str, int, str, int, str]]:
    categories = {category["category_id"]: category for category in reference["categories"]}
    for line in reference["lines"]:
        nation_only = categories[line["category_id"]]["nation_only"]
        for area in reference["areas"]:
            if nation_only and area["geo_level"] != "nation":
                continue
            for year in reference["held"][line["bea_table"]]:
                yield line["bea_table"], line["line_code"], area["geo_fips"], year, line["category_id"]


def _declared(rows: Rows, *, required: Sequence[str], whole: Sequence[str]) -> dict[str, Any]:
    violations = sum(
        not (all(isinstance(row[name], str) for name in required) and all(isinstance(row[name], int) for name in whole))
        for row in rows
    )
    return {"passed": not violations, "rows": len(rows), "violations": violations}


def _unique(rows: Rows, key: Sequence[str]) -> dict[str, Any]:
    counted = Counter(tuple(row[name] for name in key) for row in rows)
    violations = sum(count > 1 for count in counted.values())
    return {"passed": not violations, "rows": len(rows), "violations": violations}


def _explained(rows: Rows, statuses: dict[str, str]) -> dict[str, Any]:
    nulls = sum(row[value] is None for row in rows for value in statuses)
    violations = sum(
        any((row[value] is None) == (row[status] == "reported") for value, status in statuses.items()) for row in rows
    )
    return {"passed": not violations, "nulls": nulls, "violations": violations}


def _shared_lines_agree(silver: Rows, reference: Reference) -> dict[str, Any]:
    roles = {category["category_id"]: category["role"] for category in reference["categories"]}
    quantities = {
        (line["bea_table"], line["line_code"]): (
            line["measure"],
            "total PCE" if roles[line["category_id"]] == "total" else line["category_id"],
        )
        for line in reference["lines"]
    }
    publishers = Counter(quantities.values())
    shared: defaultdict[Any, list[Any]] = defaultdict(list)
    for row in silver:
        quantity = quantities[row["bea_table"], row["line_code"]]
        if publishers[quantity] > 1:
            shared[quantity, row["geo_fips"], row["year"]].append((row["value"], row["status"]))
    compared = [figures for figures in shared.values() if len(figures) > 1]
    violations = sum(len(set(figures)) > 1 for figures in compared)
    return {"passed": not violations, "compared": len(compared), "violations": violations}


def _ranks_count_the_states(rows: Rows, level_of: dict[Any, Row]) -> dict[str, Any]:
    counts: defaultdict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
    ranks: defaultdict[Any, list[int]] = defaultdict(list)
    for row in rows:
        level, is_state = level_of[_cell(row)], row["geo_level"] == "state"
        for rank, figure in (
            ("pce_rank_among_states", "pce_millions_usd"),
            ("pce_per_capita_rank_among_states", "pce_per_capita_usd"),
        ):
            count = counts[rank, row["category_id"], row["year"]]
            count[0] += is_state and level[figure] is not None
            if row[rank] is not None:
                count[1] += 1
                count[2] += is_state
                ranks[rank, row["category_id"], row["year"]].append(row[rank])
    violations = sum(
        not reported == ranked == of_states or (key in ranks and (min(ranks[key]) != 1 or max(ranks[key]) > reported))
        for key, (reported, ranked, of_states) in counts.items()
    )
    return {"passed": not violations, "violations": violations}


_COMPUTED_AGAIN = {
    "growth_is_over_the_year_before": ("pce_yoy_pct", "pce_per_capita_yoy_pct"),
    "means_are_of_consecutive_years": ("pce_mean_3y_millions_usd", "pce_mean_5y_millions_usd"),
    "shares_are_of_the_areas_total": ("pce_share_of_total_pct",),
    "contributions_are_of_the_total_before": ("pce_contribution_to_growth_pp",),
    "ranks_count_who_is_ahead": ("pce_rank_among_states", "pce_per_capita_rank_among_states"),
    "indexes_are_relative_to_the_nation": ("pce_per_capita_index_us100",),
}


def _computed_again(asset: str, rows: Rows, again: Rows) -> Verdicts:
    second = {_cell(row): row for row in again}
    violations: Counter[str] = Counter()
    for row in rows:
        computed = second[_cell(row)]
        for rule, names in _COMPUTED_AGAIN.items():
            violations[rule] += sum(_differ(row[name], computed[name]) for name in names)
    return {
        f"{asset}:{rule}": {"passed": not violations[rule], "rows": len(rows), "violations": violations[rule]}
        for rule in _COMPUTED_AGAIN
    }


def _differ(found: float | None, again: float | None) -> bool:
    if found is None or again is None:
        return found is not again
    return abs(found - again) > 1e-6 + 1e-9 * abs(again)


def _parts_add_up(asset: str, rows: Rows, level_of: dict[Any, Row], reference: Reference) -> Verdicts:
    categories = {category["category_id"]: category for category in reference["categories"]}
    parents = {(row["geo_fips"], row["year"], categories[row["category_id"]]["parent_id"]) for row in rows}
    growth: dict[Any, tuple[float, float | None]] = {}
    sums: defaultdict[Any, list[float]] = defaultdict(lambda: [0, 0, 0, 0.0, 0.0])
    for row in rows:
        category, level = categories[row["category_id"]], level_of[_cell(row)]
        key = (category["scheme"], row["geo_fips"], row["year"])
        if category["role"] == "total" and level["pce_millions_usd"] is not None:
            growth[key] = float(level["pce_millions_usd"]), row["pce_yoy_pct"]
        if (row["geo_fips"], row["year"], row["category_id"]) in parents:
            continue
        total = sums[key]
        status, contribution = level["pce_status"], row["pce_contribution_to_growth_pp"]
        total[0] += 1
        total[1] += status != "reported" and status not in TOO_SMALL_TO_SHOW
        total[2] += status == "reported" and contribution is None
        total[3] += row["pce_share_of_total_pct"] or 0.0
        total[4] += contribution or 0.0
    shares = shares_off = contributions = contributions_off = 0
    for key, (terms, unknown, unknown_before, share, contribution) in sums.items():
        if unknown or key not in growth or growth[key][0] <= 0:
            continue
        rounding = terms * (0.1 / growth[key][0] * 100 + 1e-6)
        shares += 1
        shares_off += abs(share - 100) > rounding
        rate = growth[key][1]
        if unknown_before or rate is None:
            continue
        contributions += 1
        contributions_off += abs(contribution - rate) > 2 * rounding * (1 + abs(rate) / 100)
    return {
        f"{asset}:shares_of_the_parts_are_100_percent": {
            "passed": not shares_off,
            "checked": shares,
            "violations": shares_off,
        },
        f"{asset}:contributions_add_up_to_growth": {
            "passed": not contributions_off,
            "checked": contributions,
            "violations": contributions_off,
        },
    }
