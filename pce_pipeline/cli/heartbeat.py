"""Who beats on the command line: `pce run` by itself, and workflows of bare commands with their last step.

What a heartbeat is, and the line itself, are in observability/heartbeat.py.
"""

from collections.abc import Callable
from typing import Annotated

import typer
from rich.text import Text

from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.observability.heartbeat import beat, failed

_RUN = "pce run"


def heartbeat(
    session: Session,
    by: Annotated[str, typer.Option(help="What has succeeded, in a few words.")] = "a workflow",
) -> Answer:
    """Say that all was looked after, with success: one log line, which the alarm of an environment waits for."""
    said = beat(session.lake, by=by)
    group = session.settings.log_group
    where = f"to {group}" if group else "and nobody listens, because PCE_LOG_GROUP is not set"
    return Answer(
        {"heartbeat": {"at": said.at, "by": said.by}, "log_group": group}, [Text(f"Said that {by} succeeded, {where}.")]
    )


def told(session: Session, verb: Callable[[], Answer]) -> Answer:
    """What `pce run` answers; a success of all datasets beats, a failure is logged as one.

    A run of some datasets says nothing of the others, so it does not beat. Raises what the verb raises.
    """
    layout = session.lake.layout
    try:
        answer = verb()
    except Exception as error:
        failed(layout, f"{type(error).__name__}: {error}", by=_RUN)
        raise
    if answer.exit_code:
        failed(layout, str(answer.document["outcome"]), by=_RUN)
    elif session.chosen is None:
        beat(session.lake, by=_RUN)
    return answer
