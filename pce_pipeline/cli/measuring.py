"""What `pce status --openmetrics` measures: of a world, its datasets and the newest run of each job."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time

from pce_pipeline import __version__
from pce_pipeline.automation.pinning import Pinned
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.quarantine import unread_cells
from pce_pipeline.lake.layout import Layout
from pce_pipeline.observability.heartbeat import Heartbeat
from pce_pipeline.observability.openmetrics import Labels, Metric
from pce_pipeline.observability.records import RunRecord

MOST_RUNS = 50
"""How many of the newest runs are looked at."""


def metrics_of(
    layout: Layout,
    held: Mapping[str, Current],
    *,
    beaten: Heartbeat | None,
    runs: Sequence[RunRecord],
    pins: Iterable[Pinned],
    stale_years: int,
    needed: int,
    postgres_answers: bool | None,
    now: datetime,
) -> list[Metric]:
    """The metrics at `now` (UTC); what is not known is left out, never told as 0.

    `runs` are the newest first; `needed` is how many things need a person; `postgres_answers` is None where no database
    belongs to the world.
    """
    of: dict[str, str] = {"env": layout.env, "world": layout.world}
    by_job: dict[str, RunRecord] = {}
    for run in runs:
        by_job.setdefault(run.job, run)
    ended = {job: run for job, run in by_job.items() if run.status != "running"}

    def of_each(values: Mapping[str, float], label: str) -> list[tuple[Labels, float]]:
        return [({**of, label: name}, value) for name, value in values.items()]

    def seconds(name: str, meaning: str, samples: Sequence[tuple[Labels, float]]) -> Metric:
        return Metric(f"pce_{name}_seconds", meaning, samples, unit="seconds")

    return [
        Metric("pce", "The environment, the world and the version of the code.", [({**of, "version": __version__}, 1)],
               kind="info"),
        seconds(
            "last_success_timestamp",
            "When all datasets were looked after last, with success; a day with nothing new counts.",
            [(of, beaten.at.timestamp())] if beaten is not None else [],
        ),
        seconds(
            "newest_release_age",
            "Since the day (UTC) of the newest release among the figures that count.",
            of_each({name: age for name, each in held.items() if (age := _age(each, now)) is not None}, "dataset"),
        ),
        Metric("pce_stale_years", "Years that the next refresh would make again.", [(of, stale_years)]),
        Metric(
            "pce_quarantined_cells",
            "Cells of the figures that count that could not be read.",
            of_each({name: unread_cells(each) for name, each in held.items() if each.manifests}, "dataset"),
        ),
        seconds(
            "pin_age",
            "Since when later extracts of a dataset do not count.",
            of_each({pin.dataset: (now - pin.pinned_at).total_seconds() for pin in pins}, "dataset"),
        ),
        seconds(
            "run",
            "How long the steps of the newest run of a job took together.",
            of_each({job: round(sum(step.seconds for step in run.steps), 3) for job, run in ended.items()}, "job"),
        ),
        seconds(
            "run_end_timestamp",
            "When the newest run of a job ended.",
            of_each({job: run.updated_at.timestamp() for job, run in ended.items()}, "job"),
        ),
        Metric(
            "pce_run_succeeded",
            "Whether the newest run of a job succeeded.",
            of_each({job: run.status == "succeeded" for job, run in ended.items()}, "job"),
        ),
        Metric("pce_needs_a_person", "What does not come right by itself: pce status names each.", [(of, needed)]),
        Metric(
            "pce_postgres_answers",
            "Whether the database could be asked.",
            [(of, postgres_answers)] if postgres_answers is not None else [],
        ),
    ]  # fmt: skip


def _age(now_counts: Current, now: datetime) -> float | None:
    """Seconds since the newest release of a dataset; None where none is known."""
    dates = [
        released
        for source in now_counts.sources.values()
        if (released := source.newest.base.entry.last_updated) is not None
    ]
    return (now - datetime.combine(max(dates), time(), UTC)).total_seconds() if dates else None
