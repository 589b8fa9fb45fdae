"""What `dagster asset materialize` was asked for: refused in a sentence where Dagster would answer with a traceback.

Dagster loads the code location before it looks at its own options; here they are looked at first, through the public
context of the library that parses them. Everything else is left to Dagster.
"""

from collections.abc import Collection
from datetime import UTC, datetime

import click
import dagster as dg

from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.resource import Lake
from pce_pipeline.shell.keys import bronze_key
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.years import FIRST_YEAR

_BETWEEN = "..."


def refuse_what_cannot_be(definitions: dg.Definitions, registry: Registry, lake: Lake) -> None:
    """Raise `click.UsageError` for a selection or partition that there is not, with the command that helps.

    Does nothing where the code location is loaded by anything but `dagster asset materialize`.
    """
    context = click.get_current_context(silent=True)
    if context is None or "partition_range" not in context.params or not context.params.get("select"):
        return
    asked = context.params
    select, partition, span = asked["select"], asked["partition"], asked["partition_range"]
    graph = definitions.resolve_asset_graph()
    try:
        keys = dg.AssetSelection.from_coercible(select.split(",")).resolve(graph)
    except dg.DagsterError:
        names = ", ".join(sorted(key.to_user_string() for key in graph.get_all_asset_keys()))
        raise click.UsageError(f"--select {select!r} names no asset. There are: {names}.") from None
    extracts = {name for name in registry.datasets if bronze_key(name) in keys}
    others = keys - {bronze_key(name) for name in extracts}
    has_years = any(graph.get(key).partitions_def is not None for key in others)
    if extracts and (has_years or len(extracts) > 1):
        raise click.UsageError(
            f"--select {select!r} names extracts beside what has other partitions, and Dagster takes one kind a run. "
            "`pce run` does all; or take the extracts first, one dataset at a time, then --select 'gold*'."
        )
    if extracts:
        (dataset,) = extracts
        held = [str(each) for each in bronze_of(lake, registry.datasets[dataset]).extracts()]
        _demand_extract(select, partition, held)
    elif has_years:
        _demand_years(select, partition, span)


def _demand_extract(select: str, partition: str | None, held: Collection[str]) -> None:
    today = datetime.now(UTC).date()
    if partition in held:
        return
    if partition is not None:
        try:
            asked = ExtractId.parse(partition)
        except ValueError:
            raise click.UsageError(
                f"--partition {partition!r} is not the date of an extract, such as {today}."
            ) from None
        if asked.day == today:
            return  # the one that is to be taken; Dagster says if its history does not know it yet
    raise click.UsageError(
        f"--select {select!r} needs --partition with the date of an extract: {', '.join(held) or 'there is none yet'}. "
        "`pce extract` takes a new one."
    )


def _demand_years(select: str, partition: str | None, span: str | None) -> None:
    newest = datetime.now(UTC).year
    years = f"a year from {FIRST_YEAR} to {newest}"
    command = f"dagster asset materialize --select {select!r}"
    one, several = f"--partition {newest - 2}", f"--partition-range {newest - 4}{_BETWEEN}{newest - 2}"
    if partition is None and span is None:
        raise click.UsageError(f"Say which years, because these are tables by year: `{command} {one}`, or {several}.")
    if partition is not None and not _is_year(partition, newest):
        raise click.UsageError(f"--partition {partition!r} is not {years}. Write, for example: {command} {one}")
    if span is not None:
        first, between, last = span.partition(_BETWEEN)
        if not (between and _is_year(first, newest) and _is_year(last, newest) and int(first) <= int(last)):
            raise click.UsageError(
                f"--partition-range {span!r} does not go from {years} to a later one. Write, for example: "
                f"{command} {several}"
            )


def _is_year(text: str, newest: int) -> bool:
    return text.isdecimal() and FIRST_YEAR <= int(text) <= newest
