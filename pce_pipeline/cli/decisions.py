"""What the moving verbs ask before they move: the lake, BEA and Postgres, and what comes next."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rich.text import Text

from pce_pipeline.automation.next_step import LakeState, LoadState, Step, next_step, stale_years
from pce_pipeline.automation.pinning import Pinned, pinned
from pce_pipeline.bea.gateway import Release
from pce_pipeline.bronze.current import current
from pce_pipeline.cli.session import Session
from pce_pipeline.observability import progress
from pce_pipeline.tables.years import years_text


@dataclass(frozen=True)
class Decision:
    """What comes next, and the states that say so."""

    step: Step
    """What comes next."""
    state: LakeState
    """What the lake holds."""
    release: Release | None
    """What BEA says; None where nobody asked."""
    loaded: LoadState | None
    """What Postgres holds; None where nobody asked."""
    pinned: Pinned | None = None
    """The pin, if there is one."""

    @property
    def stale(self) -> dict[int, str]:
        return stale_years(self.state, self.loaded)

    @property
    def why_nothing(self) -> str:
        """Why nothing is to be done, in one sentence."""
        known = self.state.tables.values()
        of = self.pinned.releases.values() if self.pinned else (each.last_updated for each in known)
        held = sorted({str(each) for each in of if each})
        compared = min((each.compared_at for each in known), default=None)
        what = f"BEA's figures of {' and '.join(held)}" if held else "BEA's figures"
        since = f", compared with BEA on {compared:%Y-%m-%d}" if compared else ""
        return f"{years_text(self.state.covered_years)} are in Postgres as {what} say{since}."


def decide(
    session: Session, *, ask_bea: bool = True, ask_postgres: bool = True, leave_out: Collection[str] = ()
) -> Decision:
    """Ask all three, or those that are to be asked, and decide; the tables to leave out are not asked for again."""
    dataset = session.dataset
    release = None
    if ask_bea:
        progress.stage("asking BEA")
        release = session.bea.release([each for each in dataset.tables if each not in leave_out], dataset.release_names)
    state = session.state()
    loaded = session.loaded() if ask_postgres else None
    step = next_step(
        state,
        release,
        loaded,
        tables=[table for table in dataset.tables if table not in leave_out],
        full_comparison=timedelta(days=session.settings.full_comparison_days),
    )
    return Decision(step, state, release, loaded, pinned_in(session, state, loaded))


def pinned_in(session: Session, state: LakeState, loaded: LoadState | None) -> Pinned | None:
    """The pin of the session's world, if there is one; nothing is read where there is none."""
    return pinned(current(session.lake.bronze, session.dataset), state, loaded) if state.is_pinned else None


def document_of_pin(pin: Pinned | None) -> dict[str, Any] | None:
    """The pin as a document, with the words for it."""
    return {**vars(pin), "said": str(pin)} if pin is not None else None


def pin_shown(pin: Pinned | None) -> list[Text]:
    """A line for the pin, if there is one."""
    return [Text.assemble(("Pinned  ", "bold yellow"), str(pin))] if pin is not None else []
