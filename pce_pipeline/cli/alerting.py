"""The verbs that alert, for workflows and for trying the channels: late, quarantined, pinned, sources, failed, test.

Quiet means done: all but `test` exit with 0 also where no channel is set, and say so, because a job without alerts is
what somebody chose; with 1 where a channel did not take an alert.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.automation.alerts.alert import Alert, key_of
from pce_pipeline.automation.alerts.channels import VARIABLES
from pce_pipeline.automation.alerts.differences import alerts_of_differences
from pce_pipeline.automation.alerts.lateness import alert_of_late, late_releases, unknowable
from pce_pipeline.automation.alerts.pins import alert_of_old_pin
from pce_pipeline.automation.alerts.sending import Alerts, Delivery
from pce_pipeline.automation.alerts.unreadable import alert_of_quarantine
from pce_pipeline.automation.differences import differences_of
from pce_pipeline.bronze.quarantine import of_live_extracts
from pce_pipeline.cli.decisions import decide, document_of_pin
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.cli.sources import compared_sources, document_of, headline_of
from pce_pipeline.errors import UsageError

_NO_CHANNEL = f"No alert channel is set ({VARIABLES}): nothing is sent."


def late(session: Session) -> Answer:
    """Alert once for a release that BEA's calendar says is out and the lake does not have."""
    settings = session.settings
    releases = session.bea.releases({name: each.release_names for name, each in session.datasets.items()}, {})
    reason = unknowable(releases)
    found = late_releases(session.state(), releases, grace=timedelta(hours=settings.late_after_hours))
    if not found:
        return Answer({"late": None, "warning": reason}, [Text(reason or "No release is late.")])
    answers = [
        _answer(
            session,
            alert_of_late(each, env=settings.env, world=settings.world, dataset=name, lake=session.lake.uri),
            {"late": each, "warning": None},
        )
        for name, each in found.items()
    ]
    return _together(answers)


def quarantined(session: Session) -> Answer:
    """Alert once for each of BEA's current answers that has cells which could not be read."""
    settings = session.settings
    found = {
        (name, extract): cells
        for name, now in session.held().items()
        for extract, cells in of_live_extracts(now).items()
    }
    if not found:
        return Answer({"quarantined": {}}, [Text("Every cell of the current answers could be read.")])
    answers = [
        _answer(
            session,
            alert_of_quarantine(
                extract, cells, env=settings.env, world=settings.world, dataset=name, lake=session.lake.uri
            ),
            {},
        )
        for (name, extract), cells in found.items()
    ]
    return Answer(
        {
            "quarantined": {str(extract): cells.height for (_, extract), cells in found.items()},
            "alerts": [each.document for each in answers],
        },
        [line for each in answers for line in each.shown],
    )


def pinned(session: Session) -> Answer:
    """Alert once for a pin that is older than PCE_PIN_ALERT_DAYS."""
    settings, now = session.settings, datetime.now(UTC)
    pins = decide(session, ask_bea=False, ask_postgres=session.has_database).pins
    if not pins:
        return Answer({"pin": None}, [Text("Nothing is pinned.")])
    answers = []
    for pin in pins:
        document: dict[str, object] = {"pin": document_of_pin(pin)}
        if not pin.is_older_than(timedelta(days=settings.pin_alert_days), now):
            answers.append(Answer(document, [Text(f"Pinned, and not for long yet: {pin}.")]))
            continue
        alert = alert_of_old_pin(
            pin, env=settings.env, world=settings.world, dataset=pin.dataset, lake=session.lake.uri, now=now
        )
        answers.append(_answer(session, alert, document))
    return _together(answers)


def sources(session: Session) -> Answer:
    """Compare BEA's sources as `pce check --sources` does, and alert once for what differs; 1 if BEA is not there."""
    settings, comparisons = session.settings, compared_sources(session)
    differing = [each for comparison in comparisons for each in differences_of(comparison)]
    document = document_of(session, comparisons, differing)
    why_not = list(dict.fromkeys(f"{each.table}: {each.why_not}" for each in comparisons if each.failed))
    found = alerts_of_differences(comparisons, env=settings.env, world=settings.world, lake=session.lake.uri)
    if not found:
        said = headline_of(comparisons, differing)
        return Answer({**document, "alerts": []}, [said, *map(Text, why_not)], exit_code=FAILED if why_not else 0)
    answers = [_answer(session, alert, {}) for alert in found]
    return Answer(
        {**document, "alerts": [each.document for each in answers]},
        [*(line for each in answers for line in each.shown), *map(Text, why_not)],
        exit_code=FAILED if why_not else 0,
    )


def failed(
    session: Session,
    what: Annotated[str, typer.Option(help="What failed, in one sentence.")],
    step: Annotated[str | None, typer.Option(help="Which step of it.")] = None,
    run: Annotated[
        str | None, typer.Option(help="Which run; each is alerted once. Default: what and step, once a day.")
    ] = None,
    link: Annotated[str | None, typer.Option(help="Where to read more.")] = None,
    remedy: Annotated[str | None, typer.Option(help="What to do.")] = None,
) -> Answer:
    """Alert that something around the pipeline failed."""
    settings, dataset = session.settings, ", ".join(session.datasets)
    now = datetime.now(UTC)
    facts = {"dataset": dataset, "step": step, "run": run, "link": link}
    alert = Alert(
        kind="run_failed",
        key=key_of(run) if run else key_of(now.date().isoformat(), what, step or ""),
        severity="error",
        env=settings.env,
        world=settings.world,
        title=f"{dataset}: {what}",
        happened=what + (f" (step {step})" if step else ""),
        remedy=remedy or "Read what it says there, and look: `pce status`. Running again goes on where it stopped.",
        facts={name: fact for name, fact in facts.items() if fact},
        at=now,
    )
    return _answer(session, alert, {})


def test(session: Session) -> Answer:
    """Send an alert that says that alerts work."""
    settings = session.settings
    if not _alerts(session).channels:
        raise UsageError("No alert channel is set.", remedy=f"Set {VARIABLES}.")
    now = datetime.now(UTC)
    alert = Alert(
        kind="test",
        key=key_of(now.strftime("%Y-%m-%dT%H%M%S%f")),
        severity="info",
        env=settings.env,
        world=settings.world,
        title=f"{', '.join(session.datasets)}: alerts arrive here",
        happened="Somebody asked for a test by `pce alert test`.",
        remedy="Nothing.",
        facts={"dataset": ", ".join(session.datasets)},
        at=now,
    )
    return _answer(session, alert, {})


def _together(answers: Sequence[Answer]) -> Answer:
    """Several answers as one; a single one as it is."""
    first, *others = answers
    if not others:
        return first
    document = {**first.document, "all": [each.document for each in answers]}
    return Answer(document, [line for each in answers for line in each.shown])


def _alerts(session: Session) -> Alerts:
    return Alerts.of(session.settings, session.lake)


def _answer(session: Session, alert: Alert, document: dict[str, object]) -> Answer:
    alerts = _alerts(session)
    delivery = alerts.send(alert) if alerts.channels else Delivery((), ())
    note = None if alerts.channels else _NO_CHANNEL
    return Answer(
        {
            **document,
            "alert": {"kind": alert.kind, "key": alert.key, "title": alert.title},
            "sent": delivery.sent,
            "sent_earlier": delivery.earlier,
            "not_recorded": delivery.unrecorded,
            "note": note,
        },
        _shown(alert, delivery, note),
    )


def _shown(alert: Alert, delivery: Delivery, note: str | None) -> list[RenderableType]:
    said = [alert.subject]
    if note:
        said.append(note)
    if delivery.sent:
        said.append(f"Sent to {' and '.join(delivery.sent)}.")
    if delivery.earlier:
        said.append(f"{' and '.join(delivery.earlier)} had it already.")
    return [Text(line) for line in said]
