"""Rules as Dagster's asset checks: declared on the asset, reported before anything is published.

The only module of this room that knows Dagster. A failing rule stops the step unless it is a threshold in an
environment that only warns; the page shows every result either way.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import dagster as dg
import structlog

from pce_pipeline.observability.records import CheckOutcome, Step
from pce_pipeline.quality.rules import Rule, RuleResult

_log = structlog.get_logger()


def check_specs(rules: Iterable[Rule[Any]], asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """One check per rule.

    None is blocking for Dagster, which would skip everything downstream: `report` raises, and the step decides.
    """
    return [
        dg.AssetCheckSpec(
            name=rule.name,
            asset=asset,
            description=rule.description,
            metadata={"blocks": rule.blocking},
        )
        for rule in rules
    ]


def report(
    results: Sequence[RuleResult],
    asset: dg.AssetKey,
    step: Step,
    *,
    thresholds: Literal["block", "warn"],
    consequence: str = "Nothing was published",
) -> Iterator[dg.AssetCheckResult]:
    """Yield every result as an asset check, then raise `dg.Failure` with the consequence if one of them blocks.

    A rule without a subject gives no result: Dagster's page then says that it was skipped.
    """
    for result in results:
        if not result.has_subject:
            continue
        severity = "error" if _blocks(result, thresholds) else "warn"
        step.check(
            CheckOutcome(
                asset=result.asset,
                name=result.name,
                passed=result.passed,
                severity=severity,
                summary=result.summary,
                figures=dict(result.figures),
                largest=[dict(row) for row in result.largest],
            )
        )
        if not result.passed:
            _log.warning("check failed", check=result.name, summary=result.summary, examples=result.examples)
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=result.name,
            passed=result.passed,
            severity=dg.AssetCheckSeverity.ERROR if severity == "error" else dg.AssetCheckSeverity.WARN,
            description=result.summary,
            metadata={
                **{name: _metadata(value) for name, value in result.figures.items()},
                **(
                    {"examples": dg.MetadataValue.md("\n".join(f"- {text}" for text in result.examples))}
                    if result.examples
                    else {}
                ),
            },
        )
    refuse(results, thresholds=thresholds, consequence=consequence)


def refuse(
    results: Sequence[RuleResult],
    *,
    thresholds: Literal["block", "warn"],
    consequence: str = "Nothing was published",
) -> None:
    """Raise `dg.Failure` with the consequence if one of the results blocks."""
    blocking = [result for result in results if not result.passed and _blocks(result, thresholds)]
    if blocking:
        raise dg.Failure(
            description=f"{consequence}: {'; '.join(f'{each.name}: {each.summary}' for each in blocking)}.",
            metadata={
                each.name: dg.MetadataValue.md("\n".join(f"- {text}" for text in each.examples)) for each in blocking
            },
            allow_retries=False,
        )


def _blocks(result: RuleResult, thresholds: Literal["block", "warn"]) -> bool:
    return result.blocking == "always" or (result.blocking == "threshold" and thresholds == "block")


def _metadata(value: float | str) -> dg.MetadataValue[Any]:
    if isinstance(value, bool | str):
        return dg.MetadataValue.text(str(value))
    return dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.float(value)
