"""Every number of Gold followed to Bronze, in whatever world a test has at hand."""

import random
from collections.abc import Iterator

from pce_pipeline.bronze.current import current_of
from pce_pipeline.gold.known import AsOf
from pce_pipeline.tracing.asking import asked, traceable
from pce_pipeline.tracing.records import Trace
from pce_pipeline.tracing.tracer import Tracer
from pce_pipeline_tests.worlds import World

LEVELS = ("nation", "state", "state")


def traces_of_everything(world: World, years: range, as_of: AsOf | None = None) -> Iterator[Trace]:
    """Each column of Gold that follows from figures, of an area of each level, in some category and year."""
    held = current_of(world.lake, world.registry.datasets)
    tracer = Tracer(world.lake, world.registry, held, as_of)
    for dataset, table, column, formula in traceable(world.registry, list(world.registry.datasets)):
        if as_of is not None and dataset.is_monthly:
            continue
        chance = random.Random(f"{table.name} {column}")
        categories = dataset.lines.filter(measure=formula.terms[0].measure)["category_id"].unique().sort().to_list()
        needs_one = formula.terms[0].category is None and len(categories) > 1
        for level in LEVELS if "geo_fips" in table.key else LEVELS[:1]:
            (number,) = asked(
                world.registry,
                [dataset.name],
                what=column,
                areas=[chance.choice(dataset.areas.filter(geo_level=level)["geo_fips"].to_list())],
                categories=[chance.choice(categories)] if needs_one else [],
                years=[chance.choice(years)],
                months=[chance.randint(1, 12)] if "month" in table.key else [],
            )
            yield tracer.trace(number)


def assert_confirmed(world: World, traces: list[Trace]) -> None:
    """No number is refuted, and of each column some number is confirmed."""
    assert [(each.asked.column, each.asked.key, each.checks) for each in traces if each.verdict == "refuted"] == []
    confirmed = [each for each in traces if each.verdict == "confirmed"]
    columns = {(table.name, column) for _, table, column, _ in traceable(world.registry, list(world.registry.datasets))}
    assert {(each.asked.table.name, each.asked.column) for each in confirmed} == columns
    assert sum(each.value is not None for each in confirmed) > 0.8 * len(confirmed)
