"""Standalone checks that read back what lies in the lake, and say whether it is still what was published.

They load nothing through an IO manager (that would read every year whatever the run was) but ask the lake, for the
years of the run, or for all years where the page runs them alone.
"""

from collections.abc import Sequence

import dagster as dg

from pce_pipeline.lake.resource import Lake
from pce_pipeline.lineage import DERIVATIONS
from pce_pipeline.quality.rules import EXAMPLES
from pce_pipeline.schemas import Table


def _stored_bytes_are_intact(table: Table) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(table.name.split("/")),
        name="stored_bytes_are_intact",
        description="Every version and every file at a fixed key reads back with the SHA-256 of the pointer.",
    )
    def check(context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
        store = lake.table(table)
        held = store.latest()
        years = [year for year in _years(context) or held if year in held]
        damages = store.verify(years)
        return dg.AssetCheckResult(
            passed=not damages,
            severity=dg.AssetCheckSeverity.ERROR,
            description=(
                f"{len(damages)} objects are damaged; `pce heal` restores what it can."
                if damages
                else f"All objects of {len(years)} years are intact."
            ),
            metadata={
                "violations": len(damages),
                "years": len(years),
                "objects": sum(len(held[year].objects) for year in years),
                **(
                    {
                        "examples": dg.MetadataValue.md(
                            "\n".join(f"- {each.problem}: {each.key}" for each in damages[:EXAMPLES])
                        )
                    }
                    if damages
                    else {}
                ),
            },
        )

    return check


def _years(context: dg.AssetCheckExecutionContext) -> Sequence[str]:
    """The years of the run that the check belongs to; none where it runs alone."""
    run = context.op_execution_context
    return list(run.partition_keys) if run.has_partition_key or run.has_partition_key_range else []


stored_checks = [_stored_bytes_are_intact(derivation.table) for derivation in DERIVATIONS]
