"""The plainest way to compute each stage: the standard library, dicts and loops, one row at a time.

Written as one would without knowing better, and not slower than that: indexes where a loop in a loop would be
quadratic, every row touched once or twice. `reference` is what `Scratch.reference` gives.
"""

import gzip
import hashlib
import json
import re
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from pce_pipeline_tests.bench.scratch import Row

Rows = list[Row]
Reference = dict[str, Any]

_DECIMALS = 6
_PREFIX = re.compile(r"^\[\w+\]\s*")


def decode(reference: Reference) -> tuple[Rows, dict[tuple[str, int], str]]:
    """The cells of all answers of the extract, and the text of every line BEA lists."""
    folder = Path(reference["bronze"])
    statuses: dict[str, str] = reference["statuses"]
    cells: Rows = []
    lines: dict[tuple[str, int], str] = {}
    for entry in json.loads((folder / "manifest.json").read_bytes())["objects"]:
        packed = (folder / entry["key"]).read_bytes()
        if hashlib.sha256(packed).hexdigest() != entry["sha256"]:
            raise ValueError(entry["key"])
        results = json.loads(gzip.decompress(packed))["BEAAPI"]["Results"]
        for value in results.get("ParamValue", ()):
            lines[entry["tables"][0], int(value["Key"])] = _PREFIX.sub("", value["Desc"])
        for row in results.get("Data", ()):
            table, _, line = row["Code"].partition("-")
            text = row.get("NoteRef", "").strip() or row["DataValue"].strip()
            status = statuses.get(text, "reported")
            cells.append(
                {
                    "bea_table": table,
                    "line_code": int(line),
                    "geo_fips": row["GeoFips"].strip(),
                    "year": int(row["TimePeriod"]),
                    "value_text": text,
                    "unit": row["CL_UNIT"].strip(),
                    "unit_multiplier": int(row["UNIT_MULT"]),
                    "value": Decimal(text.replace(",", "")) if status == "reported" else None,
                    "status": status,
                }
            )
    return cells, lines


def normalise(cells: Rows, lines: dict[tuple[str, int], str], reference: Reference) -> tuple[Rows, Counter[Any]]:
    """Silver, and how many cells each line had that the catalogue does not hold."""
    pinned = {(line["bea_table"], line["line_code"]): line for line in reference["lines"]}
    areas = {area["geo_fips"]: area for area in reference["areas"]}
    for key, line in pinned.items():
        if not lines[key].endswith(line["description"]):
            raise ValueError(key)
    silver: Rows = []
    left_out: Counter[Any] = Counter()
    for cell in cells:
        key = (cell["bea_table"], cell["line_code"])
        if key not in pinned:
            left_out[key] += 1
            continue
        line, area = pinned[key], areas[cell["geo_fips"]]
        if (cell["unit"], cell["unit_multiplier"]) != (line["unit"], line["unit_multiplier"]):
            raise ValueError(key)
        silver.append(
            {
                "bea_table": cell["bea_table"],
                "line_code": cell["line_code"],
                "category_id": line["category_id"],
                "geo_fips": cell["geo_fips"],
                "geo_level": area["geo_level"],
                "state": area["state"],
                "year": cell["year"],
                "value": cell["value"],
                "value_text": cell["value_text"],
                "status": cell["status"],
                "unit": cell["unit"],
                "unit_multiplier": cell["unit_multiplier"],
            }
        )
    silver.sort(key=lambda row: (row["bea_table"], row["line_code"], row["geo_fips"], row["year"]))
    return silver, left_out


def conform_facts(silver: Rows, reference: Reference) -> Rows:
    """One fact per measure, category, area and year: of the first table that publishes it."""
    order_of = {table: order for order, table in enumerate(reference["tables"])}
    measure_of = {(line["bea_table"], line["line_code"]): line["measure"] for line in reference["lines"]}
    first: dict[tuple[str, str, str, int], tuple[int, Row]] = {}
    for row in silver:
        order = order_of[row["bea_table"]]
        measure = measure_of[row["bea_table"], row["line_code"]]
        key = (measure, row["category_id"], row["geo_fips"], row["year"])
        if key in first and first[key][0] <= order:
            continue
        first[key] = (
            order,
            {
                "dataset": reference["dataset"],
                "measure": measure,
                "category_id": row["category_id"],
                "geo_fips": row["geo_fips"],
                "geo_level": row["geo_level"],
                "state": row["state"],
                "year": row["year"],
                "value": row["value"],
                "status": row["status"],
                "unit": reference["measures"][measure]["unit"],
            },
        )
    return [first[key][1] for key in sorted(first)]


def annual(facts: Rows) -> Rows:
    """Totals with the per-capita figures beside them."""
    per_capita = {
        (fact["geo_fips"], fact["category_id"], fact["year"]): fact
        for fact in facts
        if fact["measure"] == "pce_per_capita"
    }
    levels: Rows = []
    for fact in facts:
        if fact["measure"] != "pce":
            continue
        beside = per_capita.get((fact["geo_fips"], fact["category_id"], fact["year"]))
        levels.append(
            {
                "geo_fips": fact["geo_fips"],
                "geo_level": fact["geo_level"],
                "state": fact["state"],
                "category_id": fact["category_id"],
                "year": fact["year"],
                "pce_millions_usd": fact["value"],
                "pce_status": fact["status"],
                "pce_per_capita_usd": beside["value"] if beside else None,
                "pce_per_capita_status": beside["status"] if beside else "not_published",
            }
        )
    levels.sort(key=lambda row: (row["geo_fips"], row["category_id"], row["year"]))
    return levels


def metrics(levels: Rows, reference: Reference) -> Rows:
    """Growth, means, shares, contributions, ranks and indexes of the levels."""
    categories = {category["category_id"]: category for category in reference["categories"]}
    cells: dict[tuple[str, str, int], tuple[Decimal | None, Decimal | None]] = {}
    totals: dict[tuple[str, str, int], Decimal | None] = {}
    nation: dict[tuple[str, int], Decimal | None] = {}
    of_states: defaultdict[tuple[str, int], tuple[list[Decimal], list[Decimal]]] = defaultdict(lambda: ([], []))
    for row in levels:
        area, category, year = row["geo_fips"], row["category_id"], row["year"]
        pce, per_capita = cells[area, category, year] = row["pce_millions_usd"], row["pce_per_capita_usd"]
        if categories[category]["role"] == "total":
            totals[categories[category]["scheme"], area, year] = pce
        if row["geo_level"] == "nation":
            nation[category, year] = per_capita
        if row["geo_level"] == "state":
            for value, values in zip((pce, per_capita), of_states[category, year], strict=True):
                if value is not None:
                    values.append(value)
    ranks = {key: tuple(_ranks(values) for values in both) for key, both in of_states.items()}
    nothing = (None, None)
    made: Rows = []
    for row in levels:
        area, category, year = row["geo_fips"], row["category_id"], row["year"]
        scheme, sign = categories[category]["scheme"], categories[category]["sign"]
        pce, per_capita = cells[area, category, year]
        back = [cells.get((area, category, year - years), nothing) for years in range(1, 5)]
        before, per_capita_before = back[0]
        change = pce - before if pce is not None and before is not None else None
        grown = per_capita - per_capita_before if per_capita is not None and per_capita_before is not None else None
        window = [pce, *(level for level, _ in back)]
        ranked, per_capita_ranked = ranks.get((category, year), ({}, {})) if row["geo_level"] == "state" else ({}, {})
        made.append(
            {
                "geo_fips": area,
                "geo_level": row["geo_level"],
                "state": row["state"],
                "category_id": category,
                "year": year,
                "pce_yoy_pct": _percent(change, before),
                "pce_per_capita_yoy_pct": _percent(grown, per_capita_before),
                "pce_mean_3y_millions_usd": _mean(window[:3]),
                "pce_mean_5y_millions_usd": _mean(window),
                "pce_share_of_total_pct": _percent(
                    pce * sign if pce is not None else None, totals.get((scheme, area, year))
                ),
                "pce_contribution_to_growth_pp": _percent(
                    change * sign if change is not None else None, totals.get((scheme, area, year - 1))
                ),
                "pce_rank_among_states": ranked.get(pce),
                "pce_per_capita_rank_among_states": per_capita_ranked.get(per_capita),
                "pce_per_capita_index_us100": _percent(per_capita, nation.get((category, year))),
            }
        )
    return made


def _percent(numerator: Decimal | None, denominator: Decimal | None) -> float | None:
    if numerator is None or denominator is None or denominator <= 0:
        return None
    return round(float(numerator) / float(denominator) * 100, _DECIMALS) + 0.0


def _mean(window: list[Decimal | None]) -> float | None:
    values = [value for value in window if value is not None]
    return round(float(sum(values)) / len(values), _DECIMALS) if len(values) == len(window) else None


def _ranks(values: list[Decimal]) -> dict[Decimal | None, int]:
    ranks: dict[Decimal | None, int] = {}
    for rank, value in enumerate(sorted(values, reverse=True), start=1):
        ranks.setdefault(value, rank)
    return ranks
