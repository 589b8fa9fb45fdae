"""What the moving verbs ask before they move: the lake, BEA and Postgres, and what comes next."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from pce_pipeline.automation.next_step import LakeState, LoadState, Step
from pce_pipeline.automation.pinning import Pinned, pinned
from pce_pipeline.automation.state import Situation
from pce_pipeline.bea.gateway import Release
from pce_pipeline.cli.session import Session
from pce_pipeline.observability import progress
from pce_pipeline.tables.years import years_text


@dataclass(frozen=True)
class Decision:
    """What comes next, and the situation that says so."""

    step: Step
    """What comes next."""
    situation: Situation
    """What lake, BEA and Postgres say."""
    pins: tuple[Pinned, ...] = ()
    """The pins of the datasets."""

    @property
    def state(self) -> LakeState:
        """What the lake holds."""
        return self.situation.lake

    @property
    def releases(self) -> Mapping[str, Release]:
        """What BEA says, by dataset; nothing where nobody asked."""
        return self.situation.releases

    @property
    def loaded(self) -> LoadState | None:
        """What Postgres holds; None where nobody asked."""
        return self.situation.loaded

    @property
    def covered(self) -> list[int]:
        """The years that the current extracts of the datasets cover."""
        return self.state.covered_by(self.situation.datasets or self.state.registry.datasets)

    @property
    def stale(self) -> dict[int, str]:
        return self.situation.stale

    @property
    def why_nothing(self) -> str:
        """Why nothing is to be done, in one sentence."""
        known = self.state.tables.values()
        of_pins = [release for pin in self.pins for release in pin.releases.values()]
        held = sorted({*(of_pins or [str(each.last_updated) for each in known if each.last_updated])})
        compared = min((each.compared_at for each in known), default=None)
        what = f"the figures of {' and '.join(held)}" if held else "the published figures"
        since = f", compared with their source on {compared:%Y-%m-%d}" if compared else ""
        names = self.situation.datasets or self.state.registry.datasets
        in_lake_alone = [name for name in names if not self.state.registry.has_table_in_postgres(name)]
        if in_lake_alone and len(in_lake_alone) == len(names):
            return f"{years_text(self.covered)} are in the lake as {what} say{since}."
        return f"{years_text(self.covered)} are in Postgres as {what} say{since}."


def decide(
    session: Session, *, ask_bea: bool = True, ask_postgres: bool = True, leave_out: Collection[str] = ()
) -> Decision:
    """Ask all three, or those that are to be asked, and decide; the tables to leave out are not asked for again.

    Raises why Postgres does not answer, unless an extract is due, which needs none.
    """
    if ask_bea:
        progress.stage("asking for releases")
    found = session.situation(ask_bea=ask_bea, ask_postgres=ask_postgres, leave_out=leave_out, may_be_silent=True)
    pins = (pinned(now, found.lake, found.loaded) for name, now in found.held.items() if name in session.datasets)
    return Decision(found.step(leave_out=leave_out), found, tuple(pin for pin in pins if pin is not None))


def document_of_pin(pin: Pinned | None) -> dict[str, Any] | None:
    """The pin as a document, with the words for it."""
    return {**vars(pin), "said": str(pin)} if pin is not None else None


def pins_shown(pins: Collection[Pinned]) -> list[Text]:
    """A line for each pin."""
    return [Text.assemble(("Pinned  ", "bold yellow"), str(pin)) for pin in pins]


def documents_of_pins(pins: Collection[Pinned]) -> dict[str, Any]:
    """The pins as documents: the first under `pin`, as it was when there was one dataset, and all by dataset."""
    all_of_them = {pin.dataset: document_of_pin(pin) for pin in pins}
    return {"pin": next(iter(all_of_them.values()), None), "pins": all_of_them}
