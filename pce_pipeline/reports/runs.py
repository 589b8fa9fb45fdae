"""The newest runs in one compact file, for a page that draws them: `<env>/reports/<world>/runs.json`.

Its shape is `Runs`, newest run first. A line of each run says enough for curves over time (seconds and rows by layer,
cells in quarantine by rule, checks, the largest residual of each identity); the newest ones carry their details as
well, as many as fit. `runs_of(lake)` gives it. For example, shortened:

    {"format": 2, "world": "sample", "is_sample": true, "runs": [
      {"run_id": "5f0c…", "job": "refresh", "status": "succeeded", "outcome": "1997...2024 to Postgres",
       "started_at": "2026-02-23T14:17:03Z", "seconds": 11.9, "extracts": ["2026-02-23"],
       "layers": {"silver": {"seconds": 3.1, "rows": 509878}, "gold": {"seconds": 4.0, "rows": 1320834}},
       "checks": {"passed": 212, "warned": 1, "failed": 0},
       "quarantine": {"text_is_unknown": 3},
       "residuals": {"children_add_up_to_parents": {"deviation": 0.4, "tolerance": 1.5}},
       "drift": 2, "missing": {"suppressed": 1204}, "report": "prod/reports/bea/5f0c…/report.html",
       "details": {"steps": […], "balances": […], "problems": […], "compared": […], "quarantine": […],
                   "identities": […], "missing": […], "failures": […]}}]}
"""

from datetime import datetime

import msgspec

from pce_pipeline.lake.records import Record
from pce_pipeline.reports.report import (
    Balance,
    CheckOf,
    Compared,
    Failure,
    IdentityOf,
    MissingOf,
    QuarantineOf,
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
    """The deviation of an identity that comes nearest to its tolerance, or is furthest beyond it."""

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
    compared: tuple[Compared, ...] = ()
    """Drift, and against what."""
    quarantine: tuple[QuarantineOf, ...] = ()
    """Cells that could not be read."""
    identities: tuple[IdentityOf, ...] = ()
    """Accounting identities with their largest residuals."""
    missing: tuple[MissingOf, ...] = ()
    """Figures without a value, by reason, area and year."""
    failures: tuple[Failure, ...] = ()
    """What went wrong, and what to do."""


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
    layers: dict[str, LayerOf] = {}
    """Its layers, in their order: bronze, silver, gold, postgres; only those that it touched."""
    checks: ChecksOf | None = None
    """Its checks; None where it had none."""
    quarantine: dict[str, int] = {}
    """Cells that could not be read, by rule."""
    residuals: dict[str, LargestOf] = {}
    """The largest residual of each identity, beside its tolerance."""
    drift: int = 0
    """How many things are shaped otherwise than before."""
    missing: dict[str, int] = {}
    """Figures without a value, by status; only of runs that made Gold."""
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
