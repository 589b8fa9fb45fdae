"""Reconciliation: what came into each layer and what became of all of it, from what the steps counted. Pure.

The two sides of a balance are counted by different code wherever that can be: an extract's manifest and what Silver
read, rows of Silver and facts, facts written and facts found in the tables, rows of Gold and what Postgres counts.
"""

from collections.abc import Iterator, Mapping

from pce_pipeline.observability.records import RunRecord, StepRecord
from pce_pipeline.reports.report import Balance, LayerName
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.years import FIRST_YEAR

_ROWS_ADD_UP = "rows_in_equal_rows_out_plus_left_out"
_FACTS_ARE_THERE = "every_fact_is_in_one_row"
_SILVER_BECAME = {
    "rows_out": "rows of Silver",
    "rows_set_aside": "set aside: of areas that are not known",
    "rows_repeated": "given again for the same cell",
    "rows_left_out": "of lines that the catalogue does not hold",
}


def balances_of(
    record: RunRecord, cells_held: Mapping[str, int], dataset_of: Mapping[str, str]
) -> dict[LayerName, list[Balance]]:
    """The balances of a run by layer.

    `cells_held` is, by dataset, how many cells the extracts hold that its Silver was made of, where the run made all of
    their years; `dataset_of` is the dataset of each wide table.
    """
    silver = [step for step in record.steps if step.step.startswith("silver/")]
    facts = record.step(GOLD_FACTS.name)
    loaded = record.step("postgres")
    return {
        "silver": [balance for step in silver for balance in _of_silver(step, cells_held)],
        "gold": [*_of_facts(facts), *_of_wide_tables(record, facts, dataset_of)],
        "postgres": list(_of_postgres(loaded)),
    }


def _of_silver(step: StepRecord, cells_held: Mapping[str, int]) -> Iterator[Balance]:
    figures = next((check.figures for check in step.checks if check.name == _ROWS_ADD_UP), None)
    if figures is None:
        return
    held = cells_held.get(step.step.partition("/")[2])
    if held is not None:
        before = step.inputs.get("left_out_before", {})
        became = {"read by Silver": int(figures["rows_in"])}
        if before:
            became[f"of years before {before.get('first_year', FIRST_YEAR)}, which stay in Bronze"] = before["cells"]
        yield Balance(of=step.step, given_is="cells in the manifests of the extracts", given=held, became=became)
    unread = int(figures.get("cells_quarantined", 0))
    yield Balance(
        of=step.step,
        given_is="cells read from Bronze",
        given=int(figures["rows_in"]),
        became=_told({words: int(figures.get(name, 0)) for name, words in _SILVER_BECAME.items()}),
        of_which={"could not be read: NULL and quarantined": unread} if unread else {},
    )


def _of_facts(step: StepRecord | None) -> Iterator[Balance]:
    conformed: Mapping[str, Mapping[str, int]] = {} if step is None else step.inputs.get("conformed", {})
    for dataset, counts in conformed.items():
        yield Balance(
            of=f"{GOLD_FACTS.name}: {dataset}",
            given_is="rows of Silver",
            given=counts["rows"],
            became=_told(
                {
                    "facts": counts["made"],
                    "published again by another table of BEA's": counts["again"],
                    "of lines outside the profile": counts["outside"],
                }
            ),
        )


def _of_wide_tables(record: RunRecord, facts: StepRecord | None, dataset_of: Mapping[str, str]) -> Iterator[Balance]:
    conformed: Mapping[str, Mapping[str, int]] = {} if facts is None else facts.inputs.get("conformed", {})
    for check in record.checks:
        made = conformed.get(dataset_of.get(check.asset, ""))
        if check.name == _FACTS_ARE_THERE and made is not None:
            yield Balance(
                of=check.asset,
                given_is="facts",
                given=made["made"],
                became={f"figures in {check.figures['rows']:,} rows": int(check.figures["facts"])},
            )


def _of_postgres(step: StepRecord | None) -> Iterator[Balance]:
    counted: Mapping[str, Mapping[str, int | None]] = {} if step is None else step.outputs.get("reconciled", {})
    for table, rows in counted.items():
        if rows["postgres"] is not None:
            yield Balance(
                of=f"postgres/{table.partition('/')[2]}",
                given_is=f"rows of {table}",
                given=rows["gold"] or 0,
                became={"rows that the database counts": rows["postgres"]},
            )


def _told(counts: Mapping[str, int]) -> dict[str, int]:
    """The first count, and of the others those that are not zero."""
    first = next(iter(counts))
    return {words: count for words, count in counts.items() if count or words == first}
