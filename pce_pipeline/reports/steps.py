"""What a run's record says of its steps: their layer, what they did in words, what failed and what to do. Pure."""

from collections.abc import Iterator, Mapping

from pce_pipeline.observability.records import RunRecord, StepRecord
from pce_pipeline.reports.report import LAYERS, UNFINISHED, Failure, LayerName, StepOf

_PUT_OFF = "DatasetsPutOff"
_STOPPED = ("InterruptedError", "KeyboardInterrupt", "DagsterExecutionInterruptedError")
_WRITTEN = {
    "written": "written",
    "refreshed": "restamped",
    "unchanged": "unchanged",
    "standing": "left alone",
    "withdrawn": "withdrawn",
}
_LOADED = ("inserted", "updated", "deleted")

_AGAIN = "Run the same again: it goes on from there, and what is done is not done twice."
_STILL_AT_WORK = "If it is still at work elsewhere, its report is written anew when it ends."
_REFUSED = (
    "The answer is kept and does not count; what was published before stands. If the figures were withdrawn, accept "
    "that with `pce use DATE --instead --why …`; else wait: the next run asks again."
)
_PUT_OFF_REMEDY = "What was published of it stands, and all others are loaded. Once it is mended: `pce run`."
_REMEDIES: Mapping[LayerName, str] = {
    "bronze": f"Nothing of this extract counts until it is whole. {_AGAIN}",
    "silver": "The error and the checks that failed say why; what was published before stands. Once it is mended: "
    "`pce refresh{years}`.",
    "gold": "The error and the checks that failed say why; what was loaded before stands. Once it is mended: "
    "`pce refresh{years}`.",
    "postgres": "A load is one transaction: what was loaded before stands. `pce doctor` says what is wrong with the "
    "database. Once it is mended: `pce refresh{years}`.",
}


def layer_of(step: StepRecord) -> LayerName | None:
    """The layer of a step; None for one that belongs to none, such as a look at what is new."""
    first = step.step.partition("/")[0]
    return next((layer for layer in LAYERS if layer == first), None)


def status_of(record: RunRecord) -> str:
    """What a run came to; a step without an end makes it unfinished, unless another one failed."""
    return UNFINISHED if record.status == "running" else record.status


def span_of(step: StepRecord) -> str:
    """The partitions of a step in words: 1997...2024, an extract, or nothing."""
    keys = step.partitions
    return f"{keys[0]}...{keys[-1]}" if len(keys) > 1 else "".join(keys)


def described(step: StepRecord) -> StepOf:
    """A step as a report has it."""
    return StepOf(
        step=step.step,
        status=UNFINISHED if step.status == "running" else step.status,
        seconds=step.seconds,
        rows=sum(step.rows.values()),
        did=did_of(step),
        partitions=span_of(step),
    )


def did_of(step: StepRecord) -> str:
    """What a step did, in words: rows loaded, what an extract came to, or partitions written."""
    loads = [counts for counts in step.outputs.values() if isinstance(counts, dict) and "inserted" in counts]
    if loads:
        totals = {what: sum(load.get(what, 0) for load in loads) for what in _LOADED}
        return ", ".join(f"{count:,} {what}" for what, count in totals.items() if count) or "nothing to load"
    if "outcome" in step.outputs:
        outcome, why = step.outputs["outcome"], step.outputs.get("why")
        return f"{outcome}: {why}" if isinstance(why, str) else str(outcome)
    counts = {word: len(step.outputs.get(name, ())) for name, word in _WRITTEN.items()}
    return ", ".join(
        f"{count:,} {'partition' if count == 1 else 'partitions'} {word}" for word, count in counts.items() if count
    )


def outcome_of(record: RunRecord) -> str:
    """What came of a run, in a few words."""
    if record.put_off:
        return f"all but {', '.join(record.put_off)}, which failed"
    bad = next((step for step in record.steps if step.status == "failed"), None)
    if bad is not None:
        return f"{'interrupted' if _was_stopped(bad) else 'failed'} in {bad.step}"
    running = next((step for step in record.steps if step.status == "running"), None)
    if running is not None:
        return f"stopped in {running.step}"
    if not record.steps:
        return "nothing was recorded"
    of_layers = [step for step in record.steps if layer_of(step) is not None and "skipped" not in step.outputs]
    last = (of_layers or record.steps)[-1]
    if layer_of(last) == "bronze":
        taken = {"new": "new extract", "verified": "verified extract"}.get(str(last.outputs.get("outcome")))
        return f"{taken} {last.outputs.get('extract')}" if taken else "nothing new"
    if layer_of(last) is None:
        return str(last.outputs.get("outcome", last.step))
    changed = any(_changed(step) for step in record.steps)
    return f"{_years_of(record)} to {layer_of(last)}{'' if changed else ', nothing changed'}".strip()


def failures_of(record: RunRecord) -> Iterator[Failure]:
    """What went wrong in a run, and what to do next."""
    for step in record.steps:
        for dataset, why in step.put_off.items():
            yield Failure(step=step.step, what=why, what_to_do=_PUT_OFF_REMEDY, dataset=dataset)
    for step in record.steps:
        if step.status == "running":
            since = f"{step.started_at:%Y-%m-%d %H:%M:%S} UTC"
            what = f"Nothing was heard of it since it began at {since}: its process was killed, or is still at work."
            yield Failure(step=step.step, what=what, what_to_do=f"{_AGAIN} {_STILL_AT_WORK}")
        elif step.error is not None and not step.error.startswith(_PUT_OFF):
            what = "The run was interrupted." if _was_stopped(step) else step.error
            yield Failure(step=step.step, what=what, what_to_do=_remedy_of(step, record))


def _remedy_of(step: StepRecord, record: RunRecord) -> str:
    if _was_stopped(step):
        return _AGAIN
    if step.outputs.get("refused"):
        return _REFUSED
    layer, years = layer_of(step), _years_of(record)
    return _AGAIN if layer is None else _REMEDIES[layer].format(years=f" --years {years}" if years else "")


def _was_stopped(step: StepRecord) -> bool:
    """Whether somebody interrupted a step, so that nothing is wrong with it."""
    return step.error is not None and step.error.startswith(_STOPPED)


def _years_of(record: RunRecord) -> str:
    return str(record.requested.get("partitions", ""))


def did_something(record: RunRecord) -> bool:
    """Whether a run is worth reading about: it took a new extract, changed a layer, or did not succeed."""
    return status_of(record) != "succeeded" or any(
        _changed(step) or step.outputs.get("outcome") == "new" for step in record.steps
    )


def _changed(step: StepRecord) -> bool:
    loads = (counts for counts in step.outputs.values() if isinstance(counts, dict) and "inserted" in counts)
    return any(step.outputs.get(name) for name in ("written", "refreshed", "withdrawn")) or any(
        load.get(what) for load in loads for what in _LOADED
    )
