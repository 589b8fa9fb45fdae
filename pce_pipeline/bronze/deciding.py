"""What a person may decide about an extract, and what follows: use it, let it count no more, or take that back.

Each function plans a decision and says which published cells it would take away; nothing is written here. The command
line spells the loss out, asks, and keeps the decision.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import polars as pl

from pce_pipeline.bronze.counting import Vintage, dropped, in_use, verdict_of, vintages
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.decisions import Decision, DecisionKind
from pce_pipeline.bronze.errors import DecisionRefused
from pce_pipeline.bronze.judgement import Judge, cells_of_layers, content_of, refusal, refusals
from pce_pipeline.bronze.manifest import DERIVED, Manifest
from pce_pipeline.bronze.scope import in_words, without
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.lake.layout import ExtractId


@dataclass(frozen=True)
class Planned:
    """A decision that can be taken, and what it would do."""

    decision: Decision
    """What would be recorded."""
    becomes: Mapping[str, Vintage | None]
    """For each table that changes, its vintage from then on; None where nothing counts any more."""
    loses: Mapping[str, pl.DataFrame]
    """The published cells that would be gone, by table: a frame with measure, category_id, geo_fips, year."""

    @property
    def losses(self) -> list[str]:
        """What would be lost, in words."""
        return [f"{table}: {in_words(cells)}" for table, cells in sorted(self.loses.items())]


def plan_use(
    bronze: BronzeStore,
    dataset: Dataset,
    now: Current,
    extract: ExtractId,
    kind: DecisionKind,
    *,
    tables: Sequence[str] = (),
    why: str,
    at: datetime,
) -> Planned:
    """Lay an extract that does not count `over` the current figures, or let it stand `instead` of them.

    One that is current and holds a part only, because it was the first of its table, may be laid over the fuller
    vintage that came in later and is older.

    Raises `DecisionRefused` for an extract that is not held, counts already, was dropped, or that Silver cannot read.
    """
    manifest = _held(now, extract)
    if extract in dropped(now.decisions):
        raise DecisionRefused(f"{extract} was dropped.", remedy="Take the file again with `pce extract --file`.")
    if manifest.origin == DERIVED:
        raise DecisionRefused(
            f"{extract} is derived: values that somebody took from BEA's files are never current.",
            remedy="`pce query --as-of DATE --include derived` shows them.",
        )
    unknown = sorted(set(tables) - set(manifest.tables))
    if unknown:
        raise DecisionRefused(
            f"{extract} holds no {', '.join(unknown)}.", remedy=f"It holds {', '.join(manifest.tables)}."
        )
    chosen = [
        table
        for table in (tables or manifest.tables)
        if table in dataset.tables
        and (
            not verdict_of(now.manifests, now.decisions, extract, table).counts
            or (kind == "over" and _is_part_of_current(now, extract, table))
        )
    ]
    if not chosen:
        raise DecisionRefused(
            f"{extract} counts already: {', '.join(tables or manifest.tables)}.",
            remedy="`pce status` shows what is current; `pce pin DATE` goes back to an earlier extract.",
        )
    content = content_of(bronze, manifest, chosen, dataset)
    for table in chosen:
        problem = refusal(content, table, dataset, extract.day)
        if problem is not None:
            raise DecisionRefused(
                f"{table} of {extract} cannot be used: {problem}", remedy="Name others with --tables."
            )
    before = {table: now.unpinned[table].newest for table in chosen if table in now.unpinned}
    decision = Decision(
        kind=kind,
        extract=str(extract),
        why=why,
        decided_at=at,
        layers={table: _laid(now, extract, table) if kind == "over" else (str(extract),) for table in chosen},
        at={table: str(max(extract, before[table].at) if table in before else extract) for table in chosen},
    )
    return _planned(now, decision, chosen)


def fuller_before(now: Current, table: str) -> Vintage | None:
    """The last vintage of a table before the current one that has cells which the current lacks; it came in later."""
    *earlier, latest = now.vintages(table)
    if latest.decided is not None:
        return None
    held = cells_of_layers(latest.layers)
    return next((each for each in reversed(earlier) if without(cells_of_layers(each.layers), held).height), None)


def _laid(now: Current, extract: ExtractId, table: str) -> tuple[str, ...]:
    """The layers of an extract over the current figures, or of the current figures over the fuller ones before them."""
    below: Sequence[ExtractId] = ()
    above: Sequence[ExtractId] = (extract,)
    if _is_part_of_current(now, extract, table):
        fuller = fuller_before(now, table)
        below, above = fuller.extracts if fuller else (), now.unpinned[table].newest.extracts
    elif table in now.unpinned:
        below = now.unpinned[table].newest.extracts
    return tuple(str(each) for each in (*(each for each in below if each not in above), *above))


def _is_part_of_current(now: Current, extract: ExtractId, table: str) -> bool:
    source = now.unpinned.get(table)
    return source is not None and extract in source.newest.extracts and fuller_before(now, table) is not None


def check_pin(now: Current, extract: ExtractId) -> None:
    """Raise `DecisionRefused` for a pin to an extract that was dropped, or up to which nothing counts."""
    if extract in dropped(now.decisions):
        raise DecisionRefused(
            f"{extract} was dropped, so that nothing can be made of it.", remedy="`pce status` shows which count."
        )
    if not any(vintages(now.manifests, now.decisions, table, pin=extract) for table in now.dataset.tables):
        raise DecisionRefused(
            f"No extract of {now.dataset.name} up to {extract} counts, so that a pin would take everything away.",
            remedy="`pce status` shows which count.",
        )


def plan_undo(now: Current, extract: ExtractId, *, why: str, at: datetime) -> Planned:
    """Take back the use of an extract. Raises `DecisionRefused` where it is not in use."""
    used = in_use(now.decisions)
    if extract not in used:
        raise DecisionRefused(
            f"{extract} is not in use by a decision.",
            remedy=f"In use: {', '.join(map(str, used))}." if used else "No extract is in use by a decision.",
        )
    above = [other for other, each in used.items() if other != extract and _lies_below(str(extract), each)]
    if above:
        raise DecisionRefused(
            f"{', '.join(map(str, above))} lies over {extract}.",
            remedy=f"Take that back first: pce use {above[-1]} --undo",
        )
    alone = Decision(kind="undo", extract=str(extract), why=why, decided_at=at)
    return _planned(now, _judged_anew(now.bronze, now.dataset, now, alone), used[extract].layers)


def plan_drop(
    bronze: BronzeStore, dataset: Dataset, now: Current, extract: ExtractId, *, why: str, at: datetime
) -> Planned:
    """Let an imported file's extract count no more; what was judged against it is judged anew.

    Raises `DecisionRefused` for what BEA itself answered, for a pinned extract, and for one dropped before.
    """
    manifest = _held(now, extract)
    if manifest.is_live:
        raise DecisionRefused(
            f"{extract} is what BEA itself answered, so it stays.",
            remedy="`pce pin DATE` goes back to an earlier extract.",
        )
    if now.pin is not None and now.pin.extract == str(extract):
        raise DecisionRefused(f"{extract} is pinned.", remedy="Let it go first: pce pin --clear")
    if extract in dropped(now.decisions):
        raise DecisionRefused(f"{extract} was dropped before.", remedy="Nothing is to be done.")
    alone = Decision(kind="drop", extract=str(extract), why=why, decided_at=at)
    decision = _judged_anew(bronze, dataset, now, alone)
    return _planned(now, decision, {table for each in now.manifests.values() for table in each.tables})


def _judged_anew(bronze: BronzeStore, dataset: Dataset, now: Current, drop: Decision) -> Decision:
    """The decision with new verdicts on what came after the extract that it takes away, and may have failed by it.

    They are judged against all that is held now, because what came in since may cover what they lack. What covered a
    dropped extract that counted by itself covers what was there before it, too; so only what did not count is judged
    anew, what counted together with it, and what followed it while a decision alone made it count.
    """
    gone = now.manifests[ExtractId.parse(drop.extract)]
    if gone.origin == DERIVED:  # nothing was judged against it
        return drop
    by_decision = gone.extract in in_use(now.decisions)
    arrivals = sorted(now.manifests.items(), key=lambda item: (item[1].ingested_at, item[0]))
    for later, manifest in arrivals:
        for table in manifest.tables:
            verdict = verdict_of(now.manifests, now.decisions, later, table)
            came_before = (manifest.ingested_at, later) <= (gone.ingested_at, gone.extract)
            followed = by_decision and verdict.follows == drop.extract
            stands = verdict.counts and drop.extract not in verdict.completes and not followed
            if came_before or stands or table not in gone.tables or table not in dataset.tables:
                continue
            others = {extract: each for extract, each in now.manifests.items() if extract != later}
            judge = Judge(bronze, dataset, others, [*now.decisions, drop])
            tables = [each for each in manifest.tables if each in dataset.tables]
            content = content_of(bronze, manifest, tables, dataset)
            problems = refusals(content, dataset, later.day)
            anew = judge.tables(manifest, content, problems)[table].verdict
            if anew != verdict:
                of_extract = {**drop.verdicts.get(str(later), {}), table: anew}
                drop = msgspec.structs.replace(drop, verdicts={**drop.verdicts, str(later): of_extract})
    return drop


def _lies_below(extract: str, decision: Decision) -> bool:
    return any(extract in layers for layers in decision.layers.values())


def _planned(now: Current, decision: Decision, tables: Iterable[str]) -> Planned:
    pin = ExtractId.parse(now.pin.extract) if now.pin else None
    becomes: dict[str, Vintage | None] = {}
    loses: dict[str, pl.DataFrame] = {}
    for table in sorted(tables):
        before = vintages(now.manifests, now.decisions, table, pin=pin)
        after = vintages(now.manifests, [*now.decisions, decision], table, pin=pin)
        was, will = (before[-1] if before else None), (after[-1] if after else None)
        if (was.extracts if was else ()) == (will.extracts if will else ()):
            continue
        becomes[table] = will
        gone = without(cells_of_layers(was.layers if was else ()), cells_of_layers(will.layers if will else ()))
        if gone.height:
            loses[table] = gone
    return Planned(decision, becomes, loses)


def _held(now: Current, extract: ExtractId) -> Manifest:
    if extract not in now.manifests:
        held = ", ".join(map(str, now.manifests)) or "none at all"
        raise DecisionRefused(f"There is no extract {extract}.", remedy=f"There is {held}.")
    return now.manifests[extract]
