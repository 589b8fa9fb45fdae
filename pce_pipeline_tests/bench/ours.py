"""Our way through each stage: the pipeline's own functions, on the frames that the stage before has left."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import polars as pl

from pce_pipeline.bronze.cells import read_extracts
from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.reading import Content
from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.pce_state.annual import annual
from pce_pipeline.gold.pce_state.annual_rules import AnnualYears, annual_rules
from pce_pipeline.gold.pce_state.metrics import metrics
from pce_pipeline.gold.pce_state.metrics_rules import MetricYears, metrics_rules
from pce_pipeline.lake.pointer import NewPartition
from pce_pipeline.lake.publication import Publication, TableStore
from pce_pipeline.lake.resource import Lake, files_of_year
from pce_pipeline.lake.store import open_store
from pce_pipeline.quality import facts as gold_facts
from pce_pipeline.quality.identities import FactYears
from pce_pipeline.quality.rules import RuleResult, judge
from pce_pipeline.quality.silver import SilverYears, silver_rules
from pce_pipeline.silver.observations import Normalised, normalise
from pce_pipeline.tables.dimensions import DIMENSIONS
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.loads import LoadResult, RunRow, TableLoad, load
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline_tests.bench.agreement import CELL, LOADED, facts_of_database, facts_of_frame
from pce_pipeline_tests.bench.measure import Facts
from pce_pipeline_tests.bench.scratch import Scratch
from pce_pipeline_tests.bench.task import Task, years_upserted
from pce_pipeline_tests.bench.world import RUN_ID, settings_of
from pce_pipeline_tests.datasets import SILVER_PCE_STATE, pce_state
from pce_pipeline_tests.postgres_server import PostgresServer

_GOLD = (GOLD_FACTS, *LOADED)


class Ours:
    """One bench as our way sees it; `server` is the URL of the Postgres that hands out databases."""

    def __init__(self, scratch: Scratch, server: str) -> None:
        self.scratch = scratch
        self.server = PostgresServer(server)
        self.settings = settings_of(scratch)
        self.dataset = pce_state(scratch.profile)
        self.lake = Lake.of(self.settings)

    @cached_property
    def held(self) -> dict[str, list[int]]:
        held: dict[str, list[int]] = self.scratch.reference()["held"]
        return held

    @cached_property
    def years(self) -> list[int]:
        return sorted({year for years in self.held.values() for year in years})

    def frame(self, name: str) -> pl.DataFrame:
        """What an earlier stage made, all of it in memory."""
        return pl.read_ipc(self.scratch.frame(name).read_bytes())

    def leave(self, name: str, frame: pl.DataFrame) -> None:
        path = self.scratch.frame(name)
        path.parent.mkdir(exist_ok=True)
        frame.write_ipc(path)

    def look_at(self, table: Table) -> Callable[[object, pl.DataFrame], Facts]:
        """A look that keeps a table for later stages."""

        def look(place: object, frame: pl.DataFrame) -> Facts:
            del place
            self.leave(table.name, frame)
            return facts_of_frame(frame, table.key)

        return look


def _decode(ours: Ours) -> Task:
    now = current(bronze_of(ours.lake, ours.dataset), ours.dataset)
    layers = {table: [each.extract for each in source.vintage.layers] for table, source in now.sources.items()}

    def look(place: object, content: Content) -> Facts:
        del place
        ours.leave("cells", content.cells)
        ours.leave("lines", content.lines)
        return facts_of_frame(content.cells, CELL)

    bronze = bronze_of(ours.lake, ours.dataset)
    return Task(work=lambda _: read_extracts(bronze, layers, bronze.manifests(), ours.dataset), look=look)


def _normalise(ours: Ours) -> Task:
    cells, lines = ours.frame("cells"), ours.frame("lines")

    def look(place: object, normal: Normalised) -> Facts:
        del place
        ours.leave("left_out", normal.left_out)
        ours.leave(SILVER_PCE_STATE.name, normal.frame)
        return facts_of_frame(normal.frame, SILVER_PCE_STATE.key)

    return Task(work=lambda _: normalise(cells, lines, ours.dataset), look=look)


def _silver_rules(ours: Ours) -> Task:
    silver = ours.frame(SILVER_PCE_STATE.name)
    left_out = ours.frame("left_out")
    rows_in = silver.height + int(left_out["rows"].sum())
    return Task(
        work=lambda _: judge(
            silver_rules, "silver/pce_state", SilverYears(silver, left_out, rows_in, ours.dataset, ours.held)
        ),
        look=lambda _, results: {"rows": silver.height, **_verdicts(results)},
    )


def _facts(ours: Ours) -> Task:
    silver = ours.frame(SILVER_PCE_STATE.name)
    return Task(work=lambda _: conform_facts(silver, ours.dataset), look=ours.look_at(GOLD_FACTS))


def _facts_rules(ours: Ours) -> Task:
    facts = ours.frame(GOLD_FACTS.name)
    of_one = FactYears(facts, ours.dataset, ours.held)
    return Task(
        work=lambda _: judge(gold_facts.facts_rules, "gold", gold_facts.Facts(facts, (of_one,))),
        look=lambda _, results: {"rows": facts.height, **_verdicts(results)},
    )


def _annual(ours: Ours) -> Task:
    facts = ours.frame(GOLD_FACTS.name)
    return Task(work=lambda _: annual(facts), look=ours.look_at(GOLD_PCE_STATE_ANNUAL))


def _metrics(ours: Ours) -> Task:
    facts = ours.frame(GOLD_FACTS.name)
    return Task(work=lambda _: metrics(facts, ours.dataset, ours.years), look=ours.look_at(GOLD_PCE_STATE_METRICS))


def _gold_rules(ours: Ours) -> Task:
    facts, levels, rows = (ours.frame(table.name) for table in _GOLD)

    def work(place: object) -> list[RuleResult]:
        del place
        return judge(annual_rules, "gold/pce_state_annual", AnnualYears(levels, facts)) + judge(
            metrics_rules, "gold/pce_state_metrics", MetricYears(rows, levels, ours.dataset, ours.years)
        )

    return Task(work=work, look=lambda _, results: {"rows": levels.height + rows.height, **_verdicts(results)})


def _verdicts(results: Sequence[RuleResult]) -> Facts:
    return {f"{result.asset}:{result.name}": {"passed": result.passed, **result.figures} for result in results}


def _publication(ours: Ours, tables: Sequence[Table]) -> Task:
    frames = [(table, ours.frame(table.name)) for table in tables]
    segments = dict(ours.dataset.areas.select("geo_fips", "path_segment").iter_rows())

    def store(folder: Path, table: Table) -> TableStore:
        return TableStore(open_store(folder), ours.lake.prefix(table), table.name)

    def work(folder: Path) -> list[Publication]:
        done = []
        for table, frame in frames:
            by_year = frame.partition_by("year", as_dict=True, maintain_order=True)
            new = [
                NewPartition(str(year), files_of_year(table, int(str(year)), rows, segments), {}, code_version="1")
                for (year,), rows in by_year.items()
            ]
            done.append(store(folder, table).publish(new, run_id=RUN_ID))
        return done

    def look(folder: Path, done: Sequence[Publication]) -> Facts:
        return {
            "rows": sum(publication.rows for publication in done),
            "objects": sum(publication.objects_written for publication in done),
            **{table.name: facts_of_frame(store(folder, table).read(), table.key) for table in tables},
        }

    return Task(work=work, look=look, place=ours.scratch.place)


def _load(ours: Ours, *, again: bool) -> Task:
    tables = [
        *(
            TableLoad(table, DIMENSION_FRAMES[table.name]({ours.dataset.name: ours.dataset}))
            for table in DIMENSIONS
            if table.name in DIMENSION_FRAMES
        ),
        *(TableLoad(table, ours.frame(table.name), ours.years) for table in LOADED),
    ]

    def work(url: str) -> list[LoadResult]:
        with PostgresResource(url).connect() as connection:
            return load(
                connection,
                tables,
                world=ours.settings.world,
                env=ours.settings.env,
                run=RunRow(str(uuid4()), ours.dataset.name, datetime.now(UTC)),
                manifests=[],
            )

    compared = years_upserted(ours.years, sum(table.frame.height for table in tables if table.table.is_yearly))

    @contextmanager
    def place() -> Iterator[str]:
        with ours.server.database() as url:
            if again:
                work(url)
            yield url

    def look(url: str, results: Sequence[LoadResult]) -> Facts:
        return {
            "rows": sum(table.frame.height for table in tables),
            "written": sum(result.written for result in results),
            "years_compared": compared,
            **facts_of_database(url, compared),
        }

    return Task(work=work, look=look, place=place)


TASKS: Mapping[str, Callable[[Ours], Task]] = {
    "decode": _decode,
    "normalise": _normalise,
    "silver_rules": _silver_rules,
    "publish_silver": lambda ours: _publication(ours, [SILVER_PCE_STATE]),
    "facts": _facts,
    "facts_rules": _facts_rules,
    "annual": _annual,
    "metrics": _metrics,
    "gold_rules": _gold_rules,
    "publish_gold": lambda ours: _publication(ours, _GOLD),
    "load": lambda ours: _load(ours, again=False),
    "load_again": lambda ours: _load(ours, again=True),
}
