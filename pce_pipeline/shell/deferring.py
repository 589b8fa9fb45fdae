"""A dataset that fails does not keep the others from Postgres: its tables are put off, and the run ends red.

Dagster would skip everything downstream of a step that fails, and the facts are downstream of every dataset. So where a
run also loads others, the step that fails ends without output, which the run's record says; what was published of the
dataset stands; and the load, which comes last, fails when it has committed.
"""

from collections.abc import Collection, Mapping, Sequence

import dagster as dg

from pce_pipeline.errors import PceError
from pce_pipeline.shell.keys import key_of, postgres_key
from pce_pipeline.tables.registry import Registry


class DatasetsPutOff(PceError):
    """Datasets that could not be refreshed, while the others of the run were loaded."""

    def __init__(self, run_id: str, why: Mapping[str, str]) -> None:
        self.run_id = run_id
        self.why = dict(why)
        reasons = "\n".join(f"{name}: {reason}" for name, reason in why.items())
        super().__init__(
            f"Not refreshed: {', '.join(why)}. What was published before stands; all other datasets are loaded.",
            remedy=f"{reasons}\nOnce that is mended, run again; `pce status` shows what is stale.",
        )


def loads_others(
    context: dg.AssetExecutionContext, registry: Registry, held: Collection[str], failing: Collection[str]
) -> bool:
    """Whether this run brings any dataset that is held to Postgres, beside those that fail."""
    selected = context.job_def.asset_layer.executable_asset_keys
    others = set(held) - set(failing)
    return any(
        postgres_key(table) in selected and not others.isdisjoint(registry.datasets_of(registry.derivation_of(table)))
        for table in registry.loaded
    )


def datasets_of_run(context: dg.AssetExecutionContext, registry: Registry, datasets: Sequence[str]) -> list[str]:
    """Those of a table's datasets that this run is about: of a run that makes Silver of some, these; else all.

    A run of chosen datasets leaves what the others have in a shared table as it is.
    """
    selected = context.job_def.asset_layer.executable_asset_keys
    made = [name for name in datasets if key_of(registry.silver[name].table) in selected]
    return made or list(datasets)
