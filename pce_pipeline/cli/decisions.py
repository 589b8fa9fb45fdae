"""What the moving verbs ask before they move: the lake, BEA and Postgres, and what comes next."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from pce_pipeline.automation.next_step import LakeState, LoadState, Step, next_step, stale_years
from pce_pipeline.bea.gateway import Release
from pce_pipeline.cli.session import Session
from pce_pipeline.observability import progress
from pce_pipeline.years import years_text


@dataclass(frozen=True)
class Decision:
    """What comes next, and the states that say so; `release` and `loaded` are None where nobody asked for them."""

    step: Step
    state: LakeState
    release: Release | None
    loaded: LoadState | None

    @property
    def stale(self) -> dict[int, str]:
        return stale_years(self.state, self.loaded)

    @property
    def why_nothing(self) -> str:
        """Why nothing is to be done, in one sentence."""
        known = self.state.tables.values()
        held = sorted({str(each.last_updated) for each in known if each.last_updated})
        compared = min((each.compared_at for each in known), default=None)
        what = f"BEA's figures of {' and '.join(held)}" if held else "BEA's figures"
        since = f", compared with BEA on {compared:%Y-%m-%d}" if compared else ""
        return f"{years_text(self.state.covered_years)} are in Postgres as {what} say{since}."


def decide(
    session: Session, *, ask_bea: bool = True, ask_postgres: bool = True, leave_out: Collection[str] = ()
) -> Decision:
    """Ask all three, or those that are to be asked, and decide; the tables to leave out are not asked for again."""
    catalog = session.catalog
    release = None
    if ask_bea:
        progress.stage("asking BEA")
        release = session.bea.release([each for each in catalog.tables if each not in leave_out], catalog.release_names)
    state = session.state()
    loaded = session.loaded() if ask_postgres else None
    step = next_step(
        state,
        release,
        loaded,
        tables=[table for table in catalog.tables if table not in leave_out],
        full_comparison=timedelta(days=session.settings.full_comparison_days),
    )
    return Decision(step, state, release, loaded)
