"""The plainest way to check BEA's accounting identities: sums over dicts, compared with what is published for them.

Each function gives a verdict: whether the identity holds, how many sums were checked and not checked, how many are
off, and how many of those BEA itself is known not to keep.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from math import sqrt
from typing import Any

from pce_pipeline_tests.bench.plain import Reference, Rows
from pce_pipeline_tests.bench.scratch import Row

TOO_SMALL_TO_SHOW = {"below_50k", "near_zero"}


def sum_key(fact: Row) -> tuple[str, str, str, int]:
    """What a figure is of: measure, category, area and year."""
    return fact["measure"], fact["category_id"], fact["geo_fips"], fact["year"]


Amounts = dict[tuple[str, str, str, int], tuple[float | None, float]]
"""Per measure, category, area and year the amount, None if unknown, and half the unit it is published in."""


def amounts_of(facts: Rows, reference: Reference) -> Amounts:
    """The amounts of facts; those too small to show count as zero."""
    unit = {name: 10.0 ** -measure["decimals"] for name, measure in reference["measures"].items()}
    amounts = []
    is_whole: dict[tuple[str, str], bool] = {}
    for fact in facts:
        amount = float(fact["value"]) if fact["value"] is not None else None
        if amount is None and fact["status"] in TOO_SMALL_TO_SHOW:
            amount = 0.0
        amounts.append(amount)
        level = (fact["measure"], fact["geo_level"])
        is_whole[level] = is_whole.get(level, True) and (amount is None or amount.is_integer())
    return {
        sum_key(fact): (
            amount,
            (1.0 if is_whole[fact["measure"], fact["geo_level"]] else unit[fact["measure"]]) / 2,
        )
        for fact, amount in zip(facts, amounts, strict=True)
    }


class _Sum:
    """One sum: its terms so far."""

    __slots__ = ("added_up", "terms", "unknown")

    def __init__(self) -> None:
        self.added_up, self.terms, self.unknown = 0.0, 0, 0

    def add(self, amount: float | None, sign: int = 1) -> None:
        self.terms += 1
        if amount is None:
            self.unknown += 1
        else:
            self.added_up += amount * sign


def _compare(
    sums: Iterable[tuple[Any, _Sum, bool]], amounts: Amounts, reference: Reference, identity: str
) -> dict[str, Any]:
    """The verdict on sums (key, sum, whether it is complete) against what is published for them."""
    kept_until = _kept_until(reference, identity)
    checked = not_checked = violations = known = 0
    for key, total, complete in sums:
        if key not in amounts:
            continue
        published, half_unit = amounts[key]
        if not complete or published is None:
            not_checked += 1
            continue
        checked += 1
        tolerance = half_unit * min(total.terms + 1, 4 * sqrt(total.terms + 1))
        if abs(round(round(total.added_up, 3) - published, 3)) > tolerance + 1e-6:
            if key[3] >= kept_until.get(key[:3], key[3] + 1):
                known += 1
            else:
                violations += 1
    return {
        "passed": not violations,
        "checked": checked,
        "not_checked": not_checked,
        "violations": violations,
        "known_exceptions": known,
    }


def _kept_until(reference: Reference, identity: str) -> dict[tuple[str, str, str], int]:
    """By measure, category and area the first year of which BEA itself does not keep the sum."""
    meaning = {
        (line["bea_table"], line["line_code"]): (line["measure"], line["category_id"]) for line in reference["lines"]
    }
    return {
        (*meaning[known["bea_table"], line], known["geo_fips"]): known["first_year"]
        for known in reference["known_exceptions"]
        if known["identity"] == identity and known["bea_table"] in reference["tables"]
        for line in known["line_codes"]
    }


def children_add_up(facts: Rows, amounts: Amounts, reference: Reference) -> dict[str, Any]:
    """Parts of a category add up to it."""
    categories = {category["category_id"]: category for category in reference["categories"]}
    everywhere: Counter[str] = Counter()
    in_the_nation: Counter[str] = Counter()
    for category in categories.values():
        in_the_nation[category["parent_id"]] += 1
        everywhere[category["parent_id"]] += not category["nation_only"]
    sums: defaultdict[Any, _Sum] = defaultdict(_Sum)
    nation = {area["geo_fips"] for area in reference["areas"] if area["geo_level"] == "nation"}
    for fact in facts:
        category = categories[fact["category_id"]]
        if category["parent_id"] is not None:
            key = (fact["measure"], category["parent_id"], fact["geo_fips"], fact["year"])
            sums[key].add(amounts[sum_key(fact)][0], category["sign"])
    return _compare(
        (
            (
                key,
                total,
                not total.unknown and total.terms == (in_the_nation if key[2] in nation else everywhere)[key[1]],
            )
            for key, total in sums.items()
        ),
        amounts,
        reference,
        "children",
    )


def states_add_up_to_regions(facts: Rows, amounts: Amounts, reference: Reference) -> dict[str, Any]:
    """States add up to their region."""
    region_of = {area["geo_fips"]: area["region_fips"] for area in reference["areas"] if area["region_fips"]}
    states = Counter(region_of.values())
    sums: defaultdict[Any, _Sum] = defaultdict(_Sum)
    for fact in facts:
        if fact["measure"] == "pce" and fact["geo_fips"] in region_of:
            key = ("pce", fact["category_id"], region_of[fact["geo_fips"]], fact["year"])
            sums[key].add(amounts[sum_key(fact)][0])
    return _compare(
        ((key, total, not total.unknown and total.terms == states[key[2]]) for key, total in sums.items()),
        amounts,
        reference,
        "regions",
    )


def states_add_up_to_the_nation(facts: Rows, amounts: Amounts, reference: Reference) -> dict[str, Any]:
    """States, and what is published for the nation only, add up to the US."""
    categories = {category["category_id"]: category for category in reference["categories"]}
    levels = Counter(area["geo_level"] for area in reference["areas"])
    nation = next(area["geo_fips"] for area in reference["areas"] if area["geo_level"] == "nation")
    beside: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for category in categories.values():
        step, sign = category, 1
        while category["nation_only"] and step["parent_id"] is not None:
            sign *= step["sign"]
            step = categories[step["parent_id"]]
            beside[step["category_id"]].append((category["category_id"], sign))
    sums: defaultdict[Any, _Sum] = defaultdict(_Sum)
    for fact in facts:
        if fact["measure"] == "pce" and fact["geo_level"] == "state":
            sums["pce", fact["category_id"], nation, fact["year"]].add(amounts[sum_key(fact)][0])
    complete = {}
    for key, total in sums.items():
        complete[key] = not total.unknown and total.terms == levels["state"]
        for category_id, sign in beside[key[1]]:
            amount, _ = amounts.get(("pce", category_id, nation, key[3]), (None, 0.0))
            complete[key] = complete[key] and amount is not None
            total.added_up += (amount or 0.0) * sign
    return _compare(((key, total, complete[key]) for key, total in sums.items()), amounts, reference, "nation")


def per_capita_gives_the_total(amounts: Amounts, reference: Reference) -> dict[str, Any]:
    """Per capita, times the population that total PCE implies, gives the total."""
    categories = {category["category_id"]: category for category in reference["categories"]}
    both: dict[Any, tuple[float, float, float | None, float]] = {}
    totals: dict[Any, tuple[float, float]] = {}
    for (measure, category_id, area, year), (amount, half_unit) in amounts.items():
        per_capita = amounts.get(("pce_per_capita", category_id, area, year))
        if measure != "pce" or per_capita is None or amount is None:
            continue
        both[category_id, area, year] = amount, half_unit, *per_capita
        if categories[category_id]["role"] == "total" and per_capita[0] is not None and per_capita[0] > 0:
            people = amount * 1e6 / per_capita[0]
            totals[categories[category_id]["scheme"], area, year] = amount, people
    checked = not_checked = violations = 0
    for (category_id, area, year), (amount, half_unit, published, half_dollar) in both.items():
        of_scheme = (categories[category_id]["scheme"], area, year)
        if categories[category_id]["role"] == "total" or of_scheme not in totals:
            continue
        if published is None:
            not_checked += 1
            continue
        checked += 1
        all_pce, people = totals[of_scheme]
        tolerance = (half_dollar + half_unit * 1e6 / people) * (1 + abs(amount / all_pce))
        violations += abs(round(amount * 1e6 / people - published, 3)) > tolerance + 1e-6
    return {"passed": not violations, "checked": checked, "not_checked": not_checked, "violations": violations}
