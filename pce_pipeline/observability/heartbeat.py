"""The heartbeat: one log line that says that a world was looked after, and its opposite, that a run failed.

Nothing here watches. Whoever waits for the line waits outside of this code, such as the alarm of
infra/templates/environment.yaml, because a pipeline that does not run cannot say so. A day with nothing new beats, too.
The newest heartbeat of a world also lies in its lake, for `pce status --openmetrics`.
"""

from datetime import UTC, datetime

import structlog

from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.records import Record, decode_record, encode_record
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.logs import without_secrets

HEARTBEAT = "heartbeat"
"""The event of the line of a success."""

RUN_FAILED = "run failed"
"""The event of the line of a failure."""

_log = structlog.get_logger()
# whatever PCE_LOG_LEVEL says: a level that is chosen to keep logs small must not look like a pipeline that is dead
_heard = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger("info"))


class Heartbeat(Record, frozen=True, kw_only=True):
    """That a world was looked after."""

    at: datetime
    """When (UTC)."""
    by: str
    """What did it: a command, a workflow or a sensor."""


def beat(lake: Lake, *, by: str) -> Heartbeat:
    """Say that all of the lake's world was looked after just now, with success, by `by`.

    The record is written before the line is logged, so that a lake that takes nothing silences the heartbeat, too.
    Raises the lake's errors.
    """
    layout, found = lake.layout, Heartbeat(at=datetime.now(UTC), by=by)
    lake.store.put(layout.heartbeat, encode_record(found))
    _heard.info(HEARTBEAT, env=layout.env, world=layout.world, by=by)
    return found


def newest_beat(lake: Lake) -> Heartbeat | None:
    """The newest heartbeat of the lake's world; None before the first. Raises `DamagedObject`."""
    key = lake.layout.heartbeat
    body = lake.store.get_many([key], missing_ok=True).get(key)
    return None if body is None else decode_record(key, body, Heartbeat, remedy="Delete it: the next run writes it.")


def failed(layout: Layout, what: str, *, by: str, run_id: str | None = None) -> None:
    """Say that a run of this world failed: `what` is why, `run_id` Dagster's id of it, if it came so far."""
    _log.error(
        RUN_FAILED, env=layout.env, world=layout.world, by=by, run_id=run_id, error=without_secrets(what) or "unknown"
    )
