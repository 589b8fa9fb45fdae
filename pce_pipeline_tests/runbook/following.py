"""A person who follows the runbook: looks, finds the rows by their words, does what they say, and looks again."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from pce_pipeline_tests.runbook.document import Row, filled, rows_seen
from pce_pipeline_tests.runbook.losses import Symptom, Victim

_MOST_LOOKS = 3


@dataclass(frozen=True)
class Followed:
    """What became of a symptom."""

    seen: str
    """What a person saw first."""
    rows: tuple[Row, ...]
    """The rows that its words led to, in the order of the document."""
    called: tuple[str, ...]
    """The verbs that were called, with their arguments."""
    is_gone: bool
    """Whether the same look shows none of it any more."""
    seconds: float
    """How long all of that took, from the first look on [seconds]."""


def follow(victim: Victim, symptom: Symptom, rows: Sequence[Row]) -> Followed:
    """Make the symptom happen and do what the rows say whose words are seen, until nothing of it is seen.

    Raises `LookupError` where no row has the words, or one does not say what to call.
    """
    seen = symptom.happens(victim)
    began = time.monotonic()
    if seen is None:
        looked = victim.pce(*symptom.looks, **symptom.environment(victim))
        seen = looked.out + looked.err
    first, found, called = seen, rows_seen(seen, rows), list[str]()
    if not found:
        raise LookupError(f"no row of the runbook has the words of what is seen: {seen}")
    led_to, is_gone = list(found), False
    for _ in range(_MOST_LOOKS):
        for command, _ in groupby(filled(each, seen, symptom.known(victim)) for row in found for each in row.commands):
            called.append(command)
            said = victim.pce(*command.split())
            if said.code != 0:
                break  # it says why, and so does the next look
        looked = victim.pce(*symptom.looks)
        seen = looked.out + looked.err
        found = rows_seen(seen, rows)
        led_to += [row for row in found if row not in led_to]
        if looked.code == 0 and not found:
            is_gone = True
            break
    in_order = tuple(row for row in rows if row in led_to)
    return Followed(first, in_order, tuple(called), is_gone, time.monotonic() - began)
