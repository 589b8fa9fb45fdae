"""The newest runs in one compact file, for a page that draws them: `<env>/reports/<world>/runs.json`.

Its shape is `Runs`, newest run first. A line of each run says enough for curves over time (seconds and rows by layer,
cells in quarantine by rule, checks, the largest residual of each identity); the newest ones carry their details as
well, as many as fit. `reports.store.runs_of(lake)` gives it. For example, shortened:

    {"format": 2, "world": "sample", "is_sample": true, "runs": [
      {"run_id": "5f0c…", "job": "refresh", "status": "succeeded", "outcome": "1997...2024 to Postgres",
       "started_at": "2026-02-23T14:17:03Z", "seconds": 11.9, "extracts": ["2026-02-23"],
       "layers": {"silver": {"seconds": 3.1, "rows": 509878}, "gold": {"seconds": 4.0, "rows": 1320834}},
       "checks": {"passed": 212, "warned": 1, "failed": 0},
       "quarantine": {"text_is_unknown": 3},
       "residuals": {"children_add_up_to_parents": {"deviation": 0.4, "tolerance": 1.5}},
       "drift": 2, "missing": {"suppressed": 1204}, "report": "prod/reports/bea/5f0c…/report.html",
       "failures": […], "details": {"steps": […], "balances": […], "problems": […], "extracts": […],
                   "compared": […], "quarantine": […], "identities": […], "missing": […]}}]}
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import msgspec

from pce_pipeline.lake.records import Record
from pce_pipeline.reports.report import (
    Balance,
    CheckOf,
    Compared,
    ExtractOf,
    Failure,
    IdentityOf,
    MissingOf,
    QuarantineOf,
    Report,
    Residual,
    StepOf,
)

MOST_RUNS = 100
"""How many runs the file has at most."""

MOST_BYTES = 150_000
"""How large it is at most: details of older runs make way."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what the file is made of."""


class LayerOf(_Part, frozen=True, kw_only=True):
    """One layer of a run."""

    seconds: float
    """How long its steps took."""
    rows: int
    """The rows that its steps made, loaded or found unchanged."""


class ChecksOf(_Part, frozen=True, kw_only=True):
    """How many checks of a run said what."""

    passed: int
    """Those that passed."""
    warned: int
    """Those that did not and only warn."""
    failed: int
    """Those that did not and blocked."""


class LargestOf(_Part, frozen=True, kw_only=True):
    """The largest deviation of an identity, against its tolerance: one that nothing explains, else one by rounding."""

    deviation: float
    """The sum less the published figure, in the unit of its measure."""
    tolerance: float
    """How far rounding alone may put them apart, in the same unit."""


class Details(_Part, frozen=True, kw_only=True):
    """What a report says in full, but for the checks that passed."""

    steps: tuple[StepOf, ...] = ()
    """The steps, in their order."""
    balances: tuple[Balance, ...] = ()
    """Reconciliation of the layers."""
    problems: tuple[CheckOf, ...] = ()
    """The checks that did not pass."""
    extracts: tuple[ExtractOf, ...] = ()
    """The extracts that the run took or worked from."""
    compared: tuple[Compared, ...] = ()
    """Drift, and against what."""
    quarantine: tuple[QuarantineOf, ...] = ()
    """Cells that could not be read."""
    identities: tuple[IdentityOf, ...] = ()
    """Accounting identities with their largest residuals."""
    missing: tuple[MissingOf, ...] = ()
    """Figures without a value, by reason, area and year."""


class RunOf(_Part, frozen=True, kw_only=True):
    """One run."""

    run_id: str
    """Dagster's id of the run, or that of a look that found nothing new."""
    job: str
    """Dagster's job, or the command."""
    status: str
    """`succeeded`, `failed` or `unfinished`."""
    outcome: str
    """What came of it, in a few words."""
    started_at: datetime
    """When (UTC) it began."""
    seconds: float
    """The time of its steps."""
    report: str
    """The key of its report in the lake."""
    extracts: tuple[str, ...] = ()
    """The extracts that it used or took."""
    layers: dict[str, LayerOf] = msgspec.field(default_factory=dict)
    """Its layers, in their order: bronze, silver, gold, postgres; only those that it touched."""
    checks: ChecksOf | None = None
    """Its checks; None where it had none."""
    quarantine: dict[str, int] = msgspec.field(default_factory=dict)
    """Cells that could not be read, by rule."""
    residuals: dict[str, LargestOf] = msgspec.field(default_factory=dict)
    """The largest residual of each identity, beside its tolerance."""
    drift: int = 0
    """How many things are shaped otherwise than before."""
    missing: dict[str, int] = msgspec.field(default_factory=dict)
    """Figures without a value, by status; only of runs that made Gold."""
    failures: tuple[Failure, ...] = ()
    """What went wrong, and what to do."""
    details: Details | None = None
    """All of it; None for older runs, where the file has no more room: the report itself has it."""


class Runs(Record, frozen=True, kw_only=True):
    """The newest runs of a world, newest first."""

    world: str
    """The world."""
    is_sample: bool
    """Whether its numbers are synthetic."""
    runs: tuple[RunOf, ...] = ()
    """The runs."""

    def has(self, run_id: str) -> bool:
        """Whether it has a run."""
        return any(run.run_id == run_id for run in self.runs)


def run_of(report: Report, key: str) -> RunOf:
    """The line of a run, with all its details; `key` is where its report lies."""
    head, parts = report.head, report.parts
    outcomes = Counter(check.outcome for part in parts for check in part.checks)
    quarantine: Counter[str] = Counter()
    for each in (each for part in parts for each in part.quarantine):
        quarantine[each.rule] += each.cells
    missing: Counter[str] = Counter()
    for gap in (gap for part in parts for gap in part.missing):
        missing[gap.status] += gap.cells
    details = Details(
        steps=tuple(step for part in parts for step in part.steps),
        balances=tuple(balance for part in parts for balance in part.balances),
        problems=tuple(check for part in parts for check in part.checks if check.outcome != "passed"),
        extracts=tuple(extract for part in parts for extract in part.extracts),
        compared=tuple(compared for part in parts for compared in part.compared),
        quarantine=tuple(cells for part in parts for cells in part.quarantine),
        identities=tuple(identity for part in parts for identity in part.identities),
        missing=tuple(gap for part in parts for gap in part.missing),
    )
    return RunOf(
        run_id=head.run_id,
        job=head.job,
        status=head.status,
        outcome=head.outcome,
        started_at=head.started_at,
        seconds=head.seconds,
        report=key,
        extracts=head.extracts,
        layers={part.layer: LayerOf(seconds=part.seconds, rows=part.rows) for part in parts if part.steps},
        checks=ChecksOf(**{name: outcomes[name] for name in ChecksOf.__struct_fields__}) if outcomes else None,
        quarantine=dict(sorted(quarantine.items())),
        residuals={
            each.identity: found
            for part in parts
            for each in part.identities
            if (found := _furthest(each.largest)) is not None
        },
        drift=sum(len(compared.differences) for part in parts for compared in part.compared),
        missing=dict(sorted(missing.items())),
        failures=head.failures,
        details=details if parts else None,
    )


def _furthest(largest: Iterable[Residual]) -> LargestOf | None:
    """The residual that is furthest out for its tolerance: one that nothing explains, else one by rounding."""
    known = {"nothing": 1, "rounding": 0}
    told = [each for each in largest if each.explained_by in known and each.tolerance > 0]
    if not told:
        return None
    found = max(told, key=lambda each: (known[each.explained_by], abs(each.deviation) / each.tolerance))
    return LargestOf(deviation=found.deviation, tolerance=found.tolerance)


def with_runs(runs: Runs, new: Iterable[RunOf], *, most_bytes: int = MOST_BYTES) -> Runs:
    """The file with other runs in it, over earlier lines of the same runs; what is too much makes way.

    Details of older runs go first, then the oldest runs.
    """
    by_id = {run.run_id: run for run in (*runs.runs, *new)}
    newest = sorted(by_id.values(), key=lambda run: (run.started_at, run.run_id), reverse=True)[:MOST_RUNS]
    lines = [msgspec.structs.replace(run, details=None) for run in newest]
    kept = msgspec.structs.replace(runs, runs=tuple(lines))
    room = most_bytes - len(encode_runs(kept))
    while room < 0 and lines:
        room += len(msgspec.json.encode(lines.pop())) + 1
    for at, run in enumerate(newest[: len(lines)]):
        cost = 0 if run.details is None else len(msgspec.json.encode(run.details)) + len(',"details":')
        if cost > room:
            break  # a run without details among those that have them would look as if it had none
        room -= cost
        lines[at] = run
    return msgspec.structs.replace(runs, runs=tuple(lines))


def encode_runs(runs: Runs) -> bytes:
    """The file, without a blank more than needed."""
    return msgspec.json.encode(runs)
