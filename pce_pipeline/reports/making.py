"""A report made of a run's record and of what was gathered beside it. Pure: the same record gives the same report."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from pce_pipeline.observability.records import CheckOutcome, RunRecord
from pce_pipeline.reports.balances import balances_of
from pce_pipeline.reports.drift import Columns, differences_of_columns
from pce_pipeline.reports.report import (
    LAYERS,
    Balance,
    CheckOf,
    Compared,
    ExtractOf,
    Head,
    IdentityOf,
    LayerName,
    LayerPart,
    MissingOf,
    QuarantineOf,
    Report,
    Residual,
)
from pce_pipeline.reports.steps import described, failures_of, layer_of, outcome_of, status_of

_OURS: Mapping[LayerName, str] = {"silver": "tables of Silver", "gold": "tables of Gold"}


@dataclass(frozen=True)
class Earlier:
    """The columns of a layer in the newest report before this one that has the layer."""

    run_id: str
    """Its run."""
    columns: Columns
    """The columns of the layer's tables."""


@dataclass(frozen=True)
class Beside:
    """What lies in the lake beside a run's record."""

    extracts: tuple[ExtractOf, ...] = ()
    """The extracts that the run took or worked from."""
    compared: tuple[Compared, ...] = ()
    """What of them is shaped otherwise than before."""
    quarantine: tuple[QuarantineOf, ...] = ()
    """The cells of these extracts that could not be read."""
    missing: tuple[MissingOf, ...] = ()
    """The figures without a value, as they are published after the run."""
    counted_in: str = ""
    """A hash of what these were counted in."""
    columns: Mapping[LayerName, Columns] = field(default_factory=dict)
    """The columns of the tables of Silver and of Gold, as this version declares them."""
    earlier: Mapping[LayerName, Earlier] = field(default_factory=dict)
    """The columns that they are compared with."""
    cells_held: Mapping[str, int] = field(default_factory=dict)
    """By dataset, the cells that its extracts hold, where the run made all their years."""
    dataset_of: Mapping[str, str] = field(default_factory=dict)
    """The dataset of each wide table of Gold."""


def report_of(record: RunRecord, beside: Beside, *, is_sample: bool) -> Report:
    """The report of a run, as far as its record goes."""
    balances = balances_of(record, beside.cells_held, beside.dataset_of)
    touched = {layer_of(step) for step in record.steps}
    if beside.extracts:
        touched.add("bronze")
    return Report(
        head=_head(record, is_sample=is_sample),
        parts=tuple(_part(layer, record, beside, balances.get(layer, [])) for layer in LAYERS if layer in touched),
    )


def _head(record: RunRecord, *, is_sample: bool) -> Head:
    return Head(
        run_id=record.run_id,
        env=record.env,
        world=record.world,
        is_sample=is_sample,
        job=record.job,
        requested={name: _plain(asked) for name, asked in record.requested.items() if asked},
        started_at=record.started_at,
        ended_at=record.updated_at,
        status=status_of(record),
        outcome=outcome_of(record),
        seconds=round(sum(step.seconds for step in record.steps), 3),
        others=tuple(described(step) for step in record.steps if layer_of(step) is None),
        datasets=tuple(record.dataset.split(", ")) if record.dataset else (),
        extracts=tuple(record.extracts),
        versions=record.versions,
        failures=tuple(failures_of(record)),
    )


def _part(layer: LayerName, record: RunRecord, beside: Beside, balances: Iterable[Balance]) -> LayerPart:
    steps = [step for step in record.steps if layer_of(step) == layer]
    checks = [check for step in steps for check in step.checks]
    part = LayerPart(
        layer=layer,
        steps=tuple(map(described, steps)),
        balances=tuple(balances),
        checks=tuple(map(_check, checks)),
    )
    match layer:
        case "bronze":
            return replace(part, extracts=beside.extracts, compared=beside.compared, quarantine=beside.quarantine)
        case "silver" | "gold":
            is_gold = layer == "gold"
            return replace(
                part,
                compared=tuple(_columns_compared(layer, record, beside)),
                identities=tuple(_identities(checks)),
                columns={table: dict(columns) for table, columns in beside.columns.get(layer, {}).items()},
                missing=beside.missing if is_gold else (),
                counted_in=beside.counted_in if is_gold else "",
            )
        case _:
            return part


def _columns_compared(layer: LayerName, record: RunRecord, beside: Beside) -> Iterator[Compared]:
    columns, earlier = beside.columns.get(layer), beside.earlier.get(layer)
    if columns is not None:
        yield Compared(
            of=_OURS[layer],
            now=f"run {record.run_id}",
            before=None if earlier is None else f"run {earlier.run_id}",
            differences=() if earlier is None else tuple(differences_of_columns(columns, earlier.columns)),
        )


def _check(check: CheckOutcome) -> CheckOf:
    outcome = "passed" if check.passed else "failed" if check.severity.lower() == "error" else "warned"
    return CheckOf(asset=check.asset, name=check.name, outcome=outcome, summary=check.summary)


def _identities(checks: Iterable[CheckOutcome]) -> Iterator[IdentityOf]:
    """The checks that measure how far sums are off."""
    for check in checks:
        if "largest_rounding" in check.figures:
            yield IdentityOf(
                asset=check.asset,
                identity=check.name,
                checked=int(check.figures.get("checked", 0)),
                violations=int(check.figures.get("violations", 0)),
                known_exceptions=int(check.figures.get("known_exceptions", 0)),
                not_checked=int(check.figures.get("not_checked", 0)),
                largest=tuple(
                    Residual(**{name: row[name] for name in Residual.__struct_fields__}) for row in check.largest
                ),
            )


def _plain(asked: object) -> str:
    if isinstance(asked, list | tuple):
        return ", ".join(map(str, asked))
    if isinstance(asked, dict):
        return ", ".join(f"{name}={each}" for name, each in asked.items())
    return str(asked)
