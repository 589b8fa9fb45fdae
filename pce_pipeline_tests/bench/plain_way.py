"""The plain way through each stage, on the rows that the stage before has left.

Nothing but the standard library and psycopg2 takes part in the work. What compares results with ours is imported
after the measurement, so that the memory of Polars is not counted against the plain way.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg2

from pce_pipeline_tests.bench import plain, plain_rules
from pce_pipeline_tests.bench.measure import Facts
from pce_pipeline_tests.bench.plain_storage import make_plain_tables, upsert, write_csv
from pce_pipeline_tests.bench.scratch import Row, Scratch
from pce_pipeline_tests.bench.task import Task, years_upserted
from pce_pipeline_tests.postgres_server import PostgresServer

_SILVER, _FACTS, _ANNUAL, _METRICS = "silver/pce_state", "gold", "gold/pce_state_annual", "gold/pce_state_metrics"
_KEY = ("geo_fips", "category_id", "year")


class Plain:
    """One bench as the plain way sees it; `server` is the URL of the Postgres that hands out databases."""

    def __init__(self, scratch: Scratch, server: str) -> None:
        self.scratch = scratch
        self.server = PostgresServer(server)
        self.reference = scratch.reference()

    def rows(self, name: str) -> list[Row]:
        """What an earlier stage made."""
        rows: list[Row] = self.scratch.rows(name)
        return rows

    def look_at(self, name: str) -> Callable[[object, list[Row]], Facts]:
        """A look that keeps rows for later stages."""

        def look(place: object, rows: list[Row]) -> Facts:
            del place
            self.scratch.leave_rows(name, rows)
            facts: Facts = _agreement().facts_of_rows(rows, name)
            return facts

        return look


def _agreement() -> Any:
    return import_module("pce_pipeline_tests.bench.agreement")


def _decode(way: Plain) -> Task:
    def look(place: object, result: tuple[list[Row], Mapping[tuple[str, int], str]]) -> Facts:
        del place
        way.scratch.leave_rows("cells", result)
        facts: Facts = _agreement().facts_of_cells(result[0])
        return facts

    return Task(work=lambda _: plain.decode(way.reference), look=look)


def _normalise(way: Plain) -> Task:
    cells, lines = way.scratch.rows("cells")
    keep = way.look_at(_SILVER)

    def look(place: object, result: tuple[list[Row], Counter[tuple[str, int]]]) -> Facts:
        silver, left_out = result
        way.scratch.leave_rows("left_out", left_out)
        return keep(place, silver)

    return Task(work=lambda _: plain.normalise(cells, lines, way.reference), look=look)


def _silver_rules(way: Plain) -> Task:
    silver, left_out = way.rows(_SILVER), way.scratch.rows("left_out")
    return Task(
        work=lambda _: plain_rules.silver_rules(silver, left_out, way.reference),
        look=lambda _, verdicts: {"rows": len(silver), **verdicts},
    )


def _facts(way: Plain) -> Task:
    silver = way.rows(_SILVER)
    return Task(work=lambda _: plain.conform_facts(silver, way.reference), look=way.look_at(_FACTS))


def _facts_rules(way: Plain) -> Task:
    facts = way.rows(_FACTS)
    return Task(
        work=lambda _: plain_rules.facts_rules(facts, way.reference),
        look=lambda _, verdicts: {"rows": len(facts), **verdicts},
    )


def _annual(way: Plain) -> Task:
    facts = way.rows(_FACTS)
    return Task(work=lambda _: plain.annual(facts), look=way.look_at(_ANNUAL))


def _metrics(way: Plain) -> Task:
    levels = way.rows(_ANNUAL)
    return Task(work=lambda _: plain.metrics(levels, way.reference), look=way.look_at(_METRICS))


def _gold_rules(way: Plain) -> Task:
    facts, levels, rows = (way.rows(name) for name in (_FACTS, _ANNUAL, _METRICS))

    def work(place: object) -> plain_rules.Verdicts:
        del place
        return plain_rules.annual_rules(levels, facts) | plain_rules.metrics_rules(rows, levels, way.reference)

    return Task(work=work, look=lambda _, verdicts: {"rows": len(levels) + len(rows), **verdicts})


def _publication(way: Plain, partitions: Mapping[str, Sequence[str]]) -> Task:
    tables = {name: way.rows(name) for name in partitions}

    def work(folder: Path) -> dict[str, list[Path]]:
        return {name: write_csv(rows, folder / name, partitions[name]) for name, rows in tables.items()}

    def look(place: object, written: Mapping[str, Sequence[Path]]) -> Facts:
        del place
        read = {name: _agreement().facts_of_csv(paths, name) for name, paths in written.items()}
        return {"rows": sum(map(len, tables.values())), **read}

    return Task(work=work, look=look, place=way.scratch.place)


def _load(way: Plain, *, again: bool) -> Task:
    tables = {name: way.rows(name) for name in (_ANNUAL, _METRICS)}
    rows = sum(map(len, tables.values()))
    years = years_upserted(way.reference["years"], rows)
    sample = {name: [row for row in held if row["year"] in years] for name, held in tables.items()}
    tables.clear()

    def work(url: str) -> None:
        with closing(psycopg2.connect(url)) as connection:
            upsert(connection, sample, _KEY)

    @contextmanager
    def place() -> Iterator[str]:
        with way.server.database() as url:
            with closing(psycopg2.connect(url)) as connection:
                make_plain_tables(connection, (_ANNUAL, _METRICS), _KEY)
            if again:
                work(url)
            yield url

    def look(url: str, result: object) -> Facts:
        del result
        held: Facts = _agreement().facts_of_database(url, years)
        return {"years_compared": years, **held}

    return Task(work=work, look=look, place=place, share=sum(map(len, sample.values())) / rows)


TASKS: Mapping[str, Callable[[Plain], Task]] = {
    "decode": _decode,
    "normalise": _normalise,
    "silver_rules": _silver_rules,
    "publish_silver": lambda way: _publication(way, {_SILVER: ("year", "geo_fips")}),
    "facts": _facts,
    "facts_rules": _facts_rules,
    "annual": _annual,
    "metrics": _metrics,
    "gold_rules": _gold_rules,
    "publish_gold": lambda way: _publication(way, dict.fromkeys((_FACTS, _ANNUAL, _METRICS), ("year",))),
    "load": lambda way: _load(way, again=False),
    "load_again": lambda way: _load(way, again=True),
}
