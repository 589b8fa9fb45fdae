"""An alert: what happened, what to do, and the facts to find it by. No channel and no I/O here.

Its `key` names the event, not the message: whoever notices the same event, the sensor or a workflow, makes the same
key, and it goes out once.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, Self

from pce_pipeline.observability.logs import without_secrets

Kind = Literal["run_failed", "release_late", "cells_quarantined", "pin_old", "sources_differ", "test"]
Severity = Literal["error", "warning", "info"]

_UNSAFE = re.compile(r"[^A-Za-z0-9_=-]+")
_LONGEST_KEY = 80
_LONGEST_TEXT = 2000


def key_of(*parts: str) -> str:
    """A key made of these parts; parts that no key can hold are told apart by a hash of theirs."""
    whole = "-".join(parts)
    safe = _UNSAFE.sub("-", whole).strip("-=")[:_LONGEST_KEY]
    return safe if safe and safe == whole else f"{safe}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}".lstrip("-")


@dataclass(frozen=True)
class Alert:
    """One event in one environment and world, worth an alert."""

    kind: Kind
    """What kind of event it is."""
    key: str
    """What tells it from others of its kind: it is told once."""
    severity: Severity
    """How bad it is."""
    env: str
    """The environment."""
    world: str
    """The world."""
    title: str
    """What happened, in a few words."""
    happened: str
    """What happened, in sentences."""
    remedy: str
    """What to do, in sentences."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What is shown as it is, in this order."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When it happened (UTC)."""

    @property
    def idempotency_key(self) -> str:
        """The same for the same event, and unique over environments and worlds: they may share a channel."""
        return f"{self.env}-{self.world}-{self.kind}-{self.key}"

    @property
    def subject(self) -> str:
        return f"[{self.env}] {self.title}"

    @property
    def all_facts(self) -> dict[str, str]:
        """The facts, led by environment and world."""
        return {"environment": self.env, "world": self.world, **self.facts}

    @property
    def text(self) -> str:
        """All of it as plain text."""
        facts = "\n".join(f"{name}: {fact}" for name, fact in self.all_facts.items())
        return f"{self.happened}\n\nWhat to do: {self.remedy}\n\n{facts}\nat: {self.at:%Y-%m-%d %H:%M} UTC\n"

    def fit_to_send(self) -> Self:
        """Without secrets, and no text so long that a channel refuses it."""

        def fit(text: str) -> str:
            blanked = without_secrets(text).strip()
            return blanked if len(blanked) <= _LONGEST_TEXT else f"{blanked[:_LONGEST_TEXT]}..."

        return replace(
            self,
            title=" ".join(fit(self.title).split()),
            happened=fit(self.happened),
            remedy=fit(self.remedy),
            facts={name: fit(fact) for name, fact in self.facts.items()},
        )
