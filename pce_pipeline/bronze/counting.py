"""Which extracts count, and what the current figures of each table are made of.

Pure functions over manifests and decisions. A verdict was given when an extract arrived and stays; here the verdicts
and what people decided since become the vintages of each table, in order of date. Nothing is read or judged here.

    >>> from pce_pipeline.bronze.counting import sources
    >>> sources({}, [])
    {}
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pce_pipeline.bronze.decisions import Decision, Verdict
from pce_pipeline.bronze.manifest import Manifest, TableEntry
from pce_pipeline.lake.layout import ExtractId

Manifests = Mapping[ExtractId, Manifest]

_BEFORE_VERDICTS = Verdict(counts=True, why="nothing is recorded about it")


@dataclass(frozen=True)
class Layer:
    """What one extract gives to a vintage."""

    extract: ExtractId
    """The extract."""
    entry: TableEntry
    """What it holds of the table."""
    is_live: bool
    """Whether BEA itself gave it."""

    @property
    def release(self) -> date | None:
        """The day of the release it is of, as far as it says one: of a file without a date inside, its own day."""
        return self.entry.last_updated or (None if self.is_live else self.extract.day)


@dataclass(frozen=True)
class Vintage:
    """One state of a table: what BEA published, or a mixture that somebody decided on."""

    table: str
    """BEA's table."""
    at: ExtractId
    """Its place among the table's vintages."""
    layers: tuple[Layer, ...]
    """The extracts it is made of: later ones lie over earlier ones."""
    decided: Decision | None = None
    """The decision that made it, if a person did."""

    @property
    def extracts(self) -> tuple[ExtractId, ...]:
        """The extracts it is made of, in the order of its layers."""
        return tuple(layer.extract for layer in self.layers)

    @property
    def content(self) -> tuple[str, ...]:
        """Equal for vintages that are made of equal figures."""
        return tuple(layer.entry.content_sha256 for layer in self.layers)

    @property
    def base(self) -> Layer:
        """The layer that it counts as: BEA's own last answer, else the lowest; parts over it do not make it newer."""
        live = [layer for layer in self.layers if layer.is_live]
        return live[-1] if live else self.layers[0]

    @property
    def release(self) -> date | None:
        """The release it counts as."""
        return self.base.release

    @property
    def is_mixed(self) -> bool:
        """Whether its layers are of different releases."""
        return len({layer.release for layer in self.layers}) > 1

    @property
    def years(self) -> list[int]:
        """The years it has any cell of, ascending."""
        return sorted({year for layer in self.layers for year in layer.entry.years})

    @property
    def rows(self) -> int:
        """The cells of its layers, those that lie under others included."""
        return sum(layer.entry.rows for layer in self.layers)

    def inputs(self, year: int) -> dict[str, str]:
        """What a year of it is made of, as Silver records it: content hashes by table, or by table and layer."""
        held = [(layer.extract, layer.entry.years[year]) for layer in self.layers if year in layer.entry.years]
        return {
            f"{self.table} {number} of {len(held)}, {extract}" if len(held) > 1 else self.table: digest
            for number, (extract, digest) in enumerate(held, start=1)
        }

    def __str__(self) -> str:
        return " with ".join(str(layer.extract) for layer in self.layers)


@dataclass(frozen=True)
class Source:
    """Where the current figures of a table come from."""

    vintage: Vintage
    """The earliest of the newest vintages with equal figures: publishing the same again makes no new vintage."""
    newest: Vintage
    """The newest of them: what was seen last."""


def verdict_of(manifests: Manifests, decisions: Sequence[Decision], extract: ExtractId, table: str) -> Verdict:
    """Whether a table of an extract counts by itself: as judged on arrival, or anew because of a decision."""
    judged = [each.verdicts[str(extract)] for each in decisions if str(extract) in each.verdicts]
    anew = [verdicts[table] for verdicts in judged if table in verdicts]
    return anew[-1] if anew else (manifests[extract].verdicts or {}).get(table, _BEFORE_VERDICTS)


def dropped(decisions: Sequence[Decision]) -> set[ExtractId]:
    """The extracts that count no more because somebody said so."""
    return {ExtractId.parse(each.extract) for each in decisions if each.kind == "drop"}


def in_use(decisions: Sequence[Decision]) -> dict[ExtractId, Decision]:
    """The decisions to use an extract that were not taken back, in the order in which they were made."""
    chosen: dict[ExtractId, Decision] = {}
    for each in decisions:
        extract = ExtractId.parse(each.extract)
        if each.kind in {"over", "instead", "undo", "drop"}:
            chosen.pop(extract, None)
        if each.kind in {"over", "instead"}:
            chosen[extract] = each
    return chosen


def vintages(
    manifests: Manifests, decisions: Sequence[Decision], table: str, *, pin: ExtractId | None = None
) -> list[Vintage]:
    """The vintages of a table that count, in order; the last one is current. Those later than `pin` are left out."""
    gone = dropped(decisions)

    def layers(extracts: Sequence[ExtractId]) -> tuple[Layer, ...]:
        return tuple(
            Layer(each, manifests[each].tables[table], manifests[each].is_live)
            for each in extracts
            if each not in gone and each in manifests and table in manifests[each].tables
        )

    def found() -> Iterator[Vintage]:
        for extract in sorted(manifests):
            if table not in manifests[extract].tables or extract in gone:
                continue
            verdict = verdict_of(manifests, decisions, extract, table)
            if verdict.counts:
                others = [ExtractId.parse(each) for each in verdict.completes]
                yield Vintage(table, max([extract, *others]), layers([*others, extract]))
        for decision in in_use(decisions).values():
            if table in decision.layers:
                made_of = [ExtractId.parse(each) for each in decision.layers[table]]
                yield Vintage(table, ExtractId.parse(decision.at[table]), layers(made_of), decision)

    # sorting is stable: of two at the same place the decision, which comes later, is the newer one
    return sorted(
        (each for each in found() if each.layers and (pin is None or each.at <= pin)), key=lambda each: each.at
    )


def sources(manifests: Manifests, decisions: Sequence[Decision], *, pin: ExtractId | None = None) -> dict[str, Source]:
    """For each table that counts at all, where its current figures come from."""
    found: dict[str, Source] = {}
    for table in sorted({table for manifest in manifests.values() for table in manifest.tables}):
        counting = vintages(manifests, decisions, table, pin=pin)
        if counting:
            first = newest = counting[-1]
            for earlier in reversed(counting[:-1]):
                if earlier.content != newest.content:
                    break
                first = earlier
            found[table] = Source(first, newest)
    return found
