"""Structured logs: JSON lines for machines, readable lines on a terminal, the run's lines kept for the lake.

Every line carries what `bound` has bound: run_id, dataset, step, partition. Secrets never get this far; as a last
line of defence the value of a registered secret is blanked wherever it stands in a line. Whoever asks by `copy_to`
gets each JSON line as well.
"""

import json
import logging
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal

import structlog

from pce_pipeline.redaction import blanked, spellings

Taker = Callable[[str, str | None], None]
"""Takes a JSON line and the id of the run it belongs to, if any; at once and without an error."""

_lines: dict[str, list[str]] = defaultdict(list)
_lines_lock = threading.Lock()
_takers: set[Taker] = set()
_secrets: set[str] = set()
_SAID_BEFORE = {"timestamp", "level", "event", "run_id", "dataset"}
_to_json = structlog.processors.JSONRenderer(sort_keys=True)


def hide(secret: str) -> None:
    """Blank this text in every log line from now on, also as Python, JSON or a URL spells it.

    One that cannot be told from ordinary text is blanked inside URLs only.
    """
    _secrets.update(spellings(secret))


def without_secrets(text: str) -> str:
    """The text with every registered secret blanked, passwords in URLs, and what signs a token or URL of AWS."""
    return blanked(text, _secrets)


def _plain(value: object) -> object:
    """The value in JSON's terms, every text in it without secrets."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {without_secrets(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return without_secrets(str(value))


def _drop_secrets(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    del logger, method
    return {without_secrets(key): _plain(value) for key, value in event.items()}


def _keep_for_the_run(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    run_id = event.get("run_id")
    if run_id or _takers:
        line = str(_to_json(logger, method, dict(event)))
        if run_id:
            with _lines_lock:
                _lines[run_id].append(line)
        for take in tuple(_takers):
            take(line, run_id)
    return event


def _to_current_stderr(*_: object) -> structlog.PrintLogger:
    """Asked for at each line, because Dagster and tests put other streams in stderr's place for a while."""
    return structlog.PrintLogger(sys.stderr)


def readable(event: Mapping[str, Any]) -> str:
    """A line as a person reads it: when, how bad, what, then the facts; of which world and run it is, is known.

    >>> readable({"timestamp": "2026-02-23T09:00:00.5Z", "level": "info", "event": "step started", "step": "gold"})
    '09:00:00 info step started step=gold'
    """
    facts = {name: fact for name, fact in event.items() if name not in _SAID_BEFORE and fact is not None}
    told = [
        f"{name}={fact if isinstance(fact, str) else json.dumps(fact, default=str)}" for name, fact in facts.items()
    ]
    when = str(event["timestamp"]).partition("T")[2][:8]
    return " ".join([when, str(event["level"]), str(event["event"]), *told])


def configure_logs(
    level: str = "info",
    *,
    terminal_level: str | None = None,
    tells_raised_errors: bool = True,
    form: Literal["auto", "text", "json"] = "auto",
) -> None:
    """Set up logging for this process: to stderr at `terminal_level`, to the run's log at `level`.

    Without `tells_raised_errors` stderr is spared the errors that are raised as well: the caller will tell them. Lines
    on stderr are of that form; by default text on a terminal, else JSON.
    """
    floor = logging.getLevelNamesMapping()[(terminal_level or level).upper()]
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())

    def _to_stderr(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
        is_told_later = bool(event.get("error")) and not tells_raised_errors
        if is_told_later or logging.getLevelNamesMapping()[str(event["level"]).upper()] < floor:
            raise structlog.DropEvent
        return readable(event) if as_text else str(_to_json(logger, method, event))

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _drop_secrets,
            _keep_for_the_run,
            _to_stderr,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_to_current_stderr,
        cache_logger_on_first_use=False,
    )


def copy_to(taker: Taker) -> None:
    """Give every line from now on to `taker` as well, as JSON and without secrets."""
    _takers.add(taker)


def copy_no_more(taker: Taker) -> None:
    """Leave `taker` alone from now on."""
    _takers.discard(taker)


@contextmanager
def bound(**facts: object) -> Iterator[None]:
    """Put facts on every line logged inside."""
    with structlog.contextvars.bound_contextvars(**{key: value for key, value in facts.items() if value is not None}):
        yield


def log_of(run_id: str) -> bytes:
    """The run's lines so far, as JSON lines."""
    with _lines_lock:
        return "".join(f"{line}\n" for line in _lines.get(run_id, ())).encode()
