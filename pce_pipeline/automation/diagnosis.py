"""What is wrong with a world, and what mends it: states in, findings out.

What is there is compared with what should be there, which follows from Bronze and the catalogue, and never with itself.
Pure: who looks, and who mends, is `pce doctor`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import polars as pl

from pce_pipeline.automation.next_step import (
    LakeState,
    LoadState,
    stale_bulletins,
    stale_dimensions,
    stale_explorer,
    stale_years,
)
from pce_pipeline.bronze.current import Current
from pce_pipeline.lake.integrity import Damage
from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.lake.stacks import how_to_restore
from pce_pipeline.tables.years import years_text
from pce_pipeline.warehouse.parity import Parity

Place = Literal["lake", "postgres", "dagster"]
Mend = Literal["heal", "migrate", "refresh", "settle"]

_CELL = ["bea_table", "line_code", "geo_fips", "year"]
_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be, or is worth knowing."""

    where: Place
    """Which of the three it is about."""
    what: str
    """What was found, in one sentence without a full stop."""
    command: str | None = None
    """The verb that mends it, with its options; None where a person has to do something else."""
    advice: str = ""
    """What a person does where no verb mends it."""
    mend: Mend | None = None
    """What `--fix` does about it; None where it can do nothing."""
    years: tuple[int, ...] = ()
    """The years to refresh, where that mends it."""
    force: bool = False
    """Whether that refresh has to make again what stands: nothing else shows that it is wrong."""
    is_wrong: bool = True
    """Whether something is wrong; else it is only worth knowing."""
    is_run_under_way: bool = False
    """Whether it is a run, which may be about to make what others miss."""


@dataclass(frozen=True)
class LakeSeen:
    """What was found in the lake."""

    state: LakeState | None
    """What it holds; None where that cannot be told because something is damaged."""
    damages: Mapping[str, Sequence[Damage]] = field(default_factory=dict)
    """Damaged objects, by table."""
    lost: Sequence[Damage] = ()
    """Damaged objects of Bronze."""
    lacks: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """For tables of Silver, the years that lack cells which the current extracts speak of, and which cells."""
    address: str = ""
    """Where it is."""


@dataclass(frozen=True)
class PostgresSeen:
    """What was found in Postgres."""

    revision: tuple[str | None, str]
    """The step that the database has taken, and the one it should have."""
    world: tuple[str, str] | None
    """The world and environment that it belongs to; None where nothing says so."""
    missing: Sequence[str] = ()
    """Tables and views that are not there."""
    parities: Sequence[Parity] = ()
    """How each table compares with Gold."""
    loaded: LoadState = field(default_factory=LoadState)
    """What was loaded, as the decision about the next step sees it."""
    outdated: Sequence[str] = ()
    """Views that are there, and not as their files say."""
    without_manifest: Sequence[str] = ()
    """The loaded partitions of which nothing says what they were made of."""


@dataclass(frozen=True)
class HistorySeen:
    """What Dagster's history says, beside the lake."""

    dead: tuple[str, ...] = ()
    """The runs that are under way there, and whose process or machine is gone."""
    under_way: tuple[str, ...] = ()
    """The runs that are under way."""
    unknown: tuple[str, ...] = ()
    """The extracts of the lake that the history does not know."""
    strange: tuple[str, ...] = ()
    """The extracts that the history knows and the lake does not hold."""


def not_there(lake: LakeState, years: Collection[int] | None = None) -> dict[str, list[int]]:
    """The tables that lack covered years (of those given), and which; a dimension that is not there lacks no year."""
    lacking: dict[str, list[int]] = {}
    for derivation in lake.registry.derivations:
        held = lake.partitions.get(derivation.table.name, {})
        covered = [year for year in lake.covered(derivation) if years is None or year in years]
        lacking[derivation.table.name] = [year for year in covered if str(year) not in held]
    whole: dict[str, list[int]] = {
        table.name: []
        for table in lake.registry.in_one_piece
        if lake.covered_years and WHOLE not in lake.partitions.get(table.name, {})
    }
    return {table: absent for table, absent in lacking.items() if absent} | whole


def cells_not_there(now: Current, silver: pl.DataFrame, years: Collection[int]) -> dict[int, str]:
    """The years of Silver that lack cells which the current extracts speak of, and which cells these are.

    `silver` has the key of each cell that is there.
    """
    absent = now.spoken_of(years).join(silver, on=_CELL, how="anti")
    return {
        int(year): _cells_in_words(cells)
        for (year,), cells in sorted(absent.partition_by("year", as_dict=True).items(), key=lambda each: str(each[0]))
    }


def diagnose(
    lake: LakeSeen, postgres: PostgresSeen | None, history: HistorySeen | None, *, world: tuple[str, str]
) -> list[Finding]:
    """Everything that is not as it should be; None for a place that is not there, or does not answer."""
    found = [*_of_lake(lake, env=world[1])]
    if postgres is not None:
        found += _of_postgres(postgres, lake, world)
    if history is not None:
        found += _of_history(history)
    return found


def _of_lake(seen: LakeSeen, *, env: str) -> Iterator[Finding]:
    for damage in seen.lost:
        restore = how_to_restore(env, seen.address, [damage.key])
        advice = f"Bronze is kept once. {restore} Or ignore its extract by `pce pin`."
        yield Finding("lake", f"{damage.key} is {_problem(damage)}", advice=advice)
    for table, damages in seen.damages.items():
        yield Finding("lake", f"{_objects(damages)} of {table} damaged: {_named(damages)}", "heal", mend="heal")
    state = seen.state
    if state is None:
        return
    if not state.has_extracts:
        yield _without_extracts(state)
        return
    absent = not_there(state)
    for table, years in absent.items():
        yield _refresh("lake", f"{table} {years_text(years)}".strip() + " is not there", years)
    told = {year for years in absent.values() for year in years}
    stale = {year: reason for year, reason in stale_years(state, None).items() if year not in told}
    for reason, years in _by_reason(stale).items():
        yield _refresh("lake", f"{years_text(years)}: {reason}", years)
    for table, reason in stale_dimensions(state, None).items():
        if table not in absent:
            yield _refresh("lake", f"{table}: {reason}", ())
    beside = {
        **stale_bulletins(state, state.registry.datasets),
        **stale_explorer(state, state.registry.datasets),
    }
    for what, reason in beside.items():
        yield _refresh("lake", f"{what}: {reason}", ())
    yield from _of_lacks(seen.lacks, stale)


def _of_lacks(lacks: Mapping[str, Mapping[int, str]], stale: Collection[int]) -> Iterator[Finding]:
    for table, by_year in lacks.items():
        for words, years in _by_reason({year: words for year, words in by_year.items() if year not in stale}).items():
            found = _refresh("lake", f"{table} {years_text(years)} lacks {words}", years, chosen=True)
            yield replace(found, command=f"{found.command} --force", force=True)


def _without_extracts(state: LakeState) -> Finding:
    published = [table for table, held in state.partitions.items() if held]
    if not published:
        return Finding("lake", "nothing is held yet: no extract was taken", "run")
    return Finding(
        "lake",
        f"no extract is held, and {', '.join(published)} are published",
        advice="Is PCE_LAKE_URI the right place? Then Bronze is lost: restore it from the bucket's earlier versions.",
    )


def _of_postgres(seen: PostgresSeen, lake: LakeSeen, world: tuple[str, str]) -> Iterator[Finding]:
    found, expected = seen.revision
    if seen.world is not None and seen.world != world:
        yield Finding(
            "postgres",
            f"the database holds world {seen.world[0]!r} of {seen.world[1]}, and this is {world[0]!r} of {world[1]}",
            advice="Use a database of its own for each world: PCE_DATABASE_URL.",
        )
        return
    if found != expected:
        yield Finding(
            "postgres",
            f"the database is at migration {found or 'none'}, and this code needs {expected}",
            "db migrate",
            mend="migrate",
        )
    else:
        for names, what in ((seen.missing, "gone"), (seen.outdated, "not as this version makes views")):
            if names:
                yield Finding("postgres", f"{', '.join(names)} {_are(names)} {what}", "db migrate", mend="migrate")
    covered = lake.state.covered_years if lake.state is not None else []
    if not covered:
        return
    yield from _of_records(seen, covered[-1:])
    for parity in seen.parities:
        # what Gold lacks of covered years, the lake's findings say
        surplus = tuple(key for key in parity.surplus if key.isdecimal() and int(key) not in covered)
        each = replace(parity, surplus=surplus)
        for problem in each.problems:
            years = [int(key) for key in problem.partitions if key.isdecimal()]
            if problem.kind == "strange":
                table = each.table.replace("/", ".")
                advice = f"Nobody but a person takes them out: delete the rows of {years_text(years)} from {table}."
                yield Finding("postgres", str(problem), advice=advice)
            else:
                # rows that are as many as they should be are no reason for a refresh of what is stale
                yield _refresh("postgres", str(problem), years or covered[-1:], chosen=problem.kind == "changed")
    yield from _unknown(seen.parities, covered[-1:])


def _of_records(seen: PostgresSeen, newest: Sequence[int]) -> Iterator[Finding]:
    """What Postgres does not say of the rows that were loaded: whose they are, and what they were made of."""
    if seen.world is None and seen.loaded.hashes:
        # without that row any other world may load over what is there; every load of ours writes it again
        yield _refresh("postgres", "meta.world does not say whose rows are loaded", newest, chosen=True)
    if seen.without_manifest:
        lacking = tuple(int(key) for key in seen.without_manifest if key.isdecimal())
        yield Finding(
            "postgres",
            f"meta.manifests lacks what {len(seen.without_manifest)} loaded partitions were made of",
            f"refresh --years {lacking[0]}...{lacking[-1]}" if lacking else "doctor --fix",
            mend="refresh",
            years=lacking,
        )


def _unknown(parities: Sequence[Parity], newest: Sequence[int]) -> Iterator[Finding]:
    """What was loaded before hashes were kept, or by another version of Postgres: a load of it makes it known."""
    unknown = {each.table: each.unknown for each in parities if each.unknown}
    if not unknown:
        return
    years = {int(key) for keys in unknown.values() for key in keys if key.isdecimal()} or set(newest)
    what = f"whether somebody has changed rows of {', '.join(unknown)} cannot be told: no hash of them was kept"
    known = _refresh("postgres", what, years, chosen=True)
    yield replace(known, is_wrong=False)


def _of_history(seen: HistorySeen) -> Iterator[Finding]:
    for run in seen.dead:
        yield Finding("dagster", f'the run {run} is "started", and its process is gone', "doctor --fix", mend="settle")
    for run in seen.under_way:
        yield Finding(
            "dagster",
            f"the run {run} is under way: look again when it has ended",
            is_wrong=False,
            is_run_under_way=True,
        )
    for extracts, what in ((seen.unknown, "does not know the extract"), (seen.strange, "knows, without the lake,")):
        if extracts:
            named = f"{', '.join(extracts[:_NAMED])}{' and others' if len(extracts) > _NAMED else ''}"
            yield Finding("dagster", f"the history {what} {named}", "doctor --fix", mend="settle")


def _refresh(where: Place, what: str, years: Iterable[int], *, chosen: bool = False) -> Finding:
    """A refresh mends it; `chosen` where only that of these years does, because nothing shows that they are stale."""
    asked = tuple(sorted(years))
    span = f"{asked[0]}...{asked[-1]}" if len(asked) > 1 else "".join(map(str, asked))
    return Finding(
        where, what, f"refresh --years {span}" if chosen and asked else "refresh", mend="refresh", years=asked
    )


def _by_reason(reasons: Mapping[int, str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for year, reason in sorted(reasons.items()):
        found.setdefault(reason, []).append(year)
    return found


def _cells_in_words(cells: pl.DataFrame) -> str:
    """How many cells, of which areas and lines; a few are named."""
    areas, lines = sorted(cells["geo_fips"].unique()), sorted(cells.select("bea_table", "line_code").unique().rows())
    of_areas = f"area {', '.join(areas)}" if len(areas) <= _NAMED else f"{len(areas)} areas"
    named = [f"{table} line {line}" for table, line in lines]
    of_lines = ", ".join(named) if len(named) <= _NAMED else f"{len(named)} lines"
    return f"{cells.height:,} {'cell' if cells.height == 1 else 'cells'}: {of_areas}, {of_lines}"


def _objects(damages: Sequence[Damage]) -> str:
    return f"{len(damages):,} {'object' if len(damages) == 1 else 'objects'}"


def _named(damages: Sequence[Damage]) -> str:
    named = ", ".join(f"{each.key} ({_problem(each)})" for each in damages[:_NAMED])
    return f"{named} and others" if len(damages) > _NAMED else named


def _problem(damage: Damage) -> str:
    return "not declared by anyone" if damage.problem == "undeclared" else damage.problem


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
