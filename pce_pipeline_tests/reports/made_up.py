"""Records of runs as their steps would have written them, with small numbers."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pce_pipeline.observability.records import CheckOutcome, RunRecord, StepRecord

BEGAN = datetime(2026, 2, 23, 14, 17, tzinfo=UTC)
RUN = "5f0c9d5e-0000-4000-8000-000000000001"
RESIDUAL = {
    "dataset": "pce_state",
    "measure": "pce",
    "category_id": "product.pce",
    "geo_fips": "01000",
    "year": 2024,
    "published": 10.0,
    "added_up": 10.1,
    "deviation": 0.1,
    "tolerance": 0.2,
    "explained_by": "rounding",
}


def check(asset: str, name: str, *, passed: bool = True, severity: str = "error", **more: Any) -> CheckOutcome:
    """What a check said."""
    return CheckOutcome(asset=asset, name=name, passed=passed, severity=severity, summary=f"{name} of {asset}", **more)


def step(name: str, **more: Any) -> StepRecord:
    """A step of two years that succeeded."""
    given = {"partitions": ["2023", "2024"], "status": "succeeded", "seconds": 1.5, **more}
    return StepRecord(step=name, started_at=BEGAN, **given)


def run(*steps: StepRecord, run_id: str = RUN, job: str = "refresh", minutes: int = 0, **more: Any) -> RunRecord:
    """A run of these steps, so many minutes later."""
    given: dict[str, Any] = {"world": "bea", "requested": {"partitions": "2023...2024", "why": "a test"}, **more}
    return RunRecord(
        run_id=run_id,
        env="staging",
        dataset="pce_state",
        job=job,
        started_at=BEGAN + timedelta(minutes=minutes),
        updated_at=BEGAN + timedelta(minutes=minutes + 1),
        steps=list(steps),
        versions={"pce_pipeline": "1.0"},
        **given,
    )


def silver(**counts: int) -> StepRecord:
    """A step of Silver that read ten cells."""
    figures = {"rows_in": 10, "rows_out": 7, "rows_set_aside": 1, "rows_repeated": 0, "rows_left_out": 2, **counts}
    return step(
        "silver/pce_state",
        rows={"silver/pce_state": figures["rows_out"]},
        inputs={"extracts": {"SAPCE1": "2026-02-23"}},
        outputs={"written": ["2023", "2024"]},
        checks=[check("silver/pce_state", "rows_in_equal_rows_out_plus_left_out", figures=figures)],
    )


def gold(*checks: CheckOutcome) -> StepRecord:
    """The step of the facts, made of seven rows of Silver."""
    conformed = {"rows": 7, "made": 5, "facts": 5, "again": 2, "outside": 0}
    return step(
        "gold",
        rows={"gold": 5},
        inputs={"conformed": {"pce_state": conformed}},
        outputs={"written": ["2024"], "unchanged": ["2023"]},
        checks=list(checks),
    )


def identity(**more: Any) -> CheckOutcome:
    """What the identity of parts and totals said."""
    figures = {"checked": 9, "violations": 0, "known_exceptions": 1, "not_checked": 2, "largest_rounding": 0.1}
    return check("gold", "children_add_up_to_parents", **{"figures": figures, "largest": [RESIDUAL], **more})


def postgres(held: int = 4) -> StepRecord:
    """The step of the load, of four rows."""
    loaded = {"inserted": 1, "updated": 2, "deleted": 0, "unchanged": 1}
    return step(
        "postgres",
        rows={"postgres/pce_state_annual": 4},
        outputs={
            "gold/pce_state_annual": loaded,
            "reconciled": {"gold/pce_state_annual": {"gold": 4, "postgres": held}},
        },
    )
