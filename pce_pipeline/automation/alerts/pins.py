"""The alert of a pin that has been left for long: somebody rolled back, and newer figures do not count since.

A pure function over the pin; whether it is old is a setting.
"""

from datetime import datetime

from pce_pipeline.automation.alerts.alert import Alert, key_of
from pce_pipeline.automation.pinning import Pinned


def alert_of_old_pin(pin: Pinned, *, env: str, world: str, dataset: str, lake: str, now: datetime) -> Alert:
    """The alert, the same one for the same pin."""
    days = (now - pin.pinned_at).days
    return Alert(
        kind="pin_old",
        key=key_of(dataset, pin.extract, f"{pin.pinned_at:%Y-%m-%dT%H%M%S}"),
        severity="warning",
        env=env,
        world=world,
        title=f"{dataset}: pinned to {pin.extract} for {days} days",
        happened=f"{str(pin)[0].upper()}{str(pin)[1:]}.",
        remedy="If the reason no longer holds: `pce pin --clear`, then `pce refresh`. If it does, pin again, with "
        "--why: the next alert comes after as many days.",
        facts={
            "dataset": dataset,
            "pinned to": pin.extract,
            "since": pin.pinned_at.isoformat(),
            "why": pin.reason,
            "ignored": ", ".join(pin.ignored) or "none yet",
            "lake": lake,
        },
        at=now,
    )
