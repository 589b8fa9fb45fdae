"""Each symptom of the runbook leads by its own words to a row, and what that row says brings everything back."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pce_pipeline_tests.alerts.receiver import receiver
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.runbook.document import Row, filled, rows_seen, runbook
from pce_pipeline_tests.runbook.following import follow
from pce_pipeline_tests.runbook.losses import SYMPTOMS, Victim, has_disks_to_fill

ROWS = runbook()


@dataclass(frozen=True)
class Begun:
    """A world that began with a release that nobody had taken."""

    victim: Victim
    """The world, in order."""
    alert: str
    """All that the alert of the late release said."""
    rows: list[Row]
    """The rows that its words led to."""
    answers: list[int]
    """How each command of them ended."""
    contents: dict[str, str]
    """What the world held afterwards."""


@pytest.fixture(scope="module")
def begun(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    """The sample, a release behind, brought to Postgres by what the runbook says of a late release."""
    with server.database(migrated=False) as url, receiver() as heard:
        victim = Victim(tmp_path_factory.mktemp("runbook"), url)
        told = victim.pce(
            "alert",
            "late",
            PCE_ALERT_WEBHOOK_URL=heard.url,
            PCE_ALERT_WEBHOOK_SECRET="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        )
        assert told.code == 0
        (alert,) = (" ".join(map(str, each.document["data"].values())) for each in heard.received)
        rows = rows_seen(alert, ROWS)
        answers = [victim.pce(*command.split()).code for row in rows for command in row.commands]
        yield Begun(victim, alert, rows, answers, victim.contents())


@pytest.mark.postgres
def test_a_late_release_is_taken_by_what_its_alert_leads_to(begun: Begun) -> None:
    assert [row.section for row in begun.rows] == ["BEA"]
    assert begun.answers == [0, 0]
    assert begun.victim.pce("alert", "late", "--json").document["late"] is None
    layers = {name.partition("/")[0] for name in begun.contents}
    assert layers == {"bronze", "silver", "gold", "postgres"}


@pytest.mark.postgres
@pytest.mark.parametrize(
    "name",
    # a process with a disk of its own takes long, and mends as a stale partition does
    [pytest.param(name, marks=pytest.mark.long if name == "disk full" else ()) for name in SYMPTOMS],
)
def test_a_symptom_leads_to_what_brings_everything_back(begun: Begun, name: str) -> None:
    if name == "disk full" and not has_disks_to_fill():
        pytest.skip("no process may have a file system of its own here (unshare --user --mount)")
    followed = follow(begun.victim, SYMPTOMS[name], ROWS)
    assert followed.is_gone, followed
    assert followed.called
    assert begun.victim.contents() == begun.contents


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.sees[:40])
def test_words_are_quoted_such_that_they_are_not_found_everywhere(row: Row) -> None:
    ordinary = "Healthy: lake, Postgres and Dagster hold what they should (every stored byte, every row)."
    assert not row.is_seen_in(ordinary)
    assert all(len(words.strip("… ")) >= 5 for words in row.quotations)


EXAMPLE = r"""
## Runbook

### Lake

| you see | it means | do |
|---|---|---|
| `doctor`: "N of M rows \| of …", "gone for ever" | it was | `pce refresh --years …`, then `make x` and `pce heal` |
| a person's own words | nothing | nothing |

## Another

| "gone for ever" | b | `pce reset` |
"""


def test_rows_are_read_with_their_quotations_and_commands() -> None:
    first, second = runbook(EXAMPLE)
    assert (first.section, first.means) == ("Lake", "it was")
    assert first.commands == ["refresh --years …", "heal"]
    assert (second.quotations, second.commands) == ([], [])


def test_words_are_found_across_lines_and_with_anything_in_the_place_of_what_varies() -> None:
    rows = runbook(EXAMPLE)
    assert rows_seen("it is gone\n  for ever", rows) == rows[:1]
    assert rows_seen("gone, but not for ever", rows) == []


def test_a_placeholder_is_filled_by_what_is_seen_and_by_nothing_else() -> None:
    assert (
        filled("refresh --years …", "wrong -> pce refresh --years 2003...2005 and more")
        == "refresh --years 2003...2005"
    )
    assert filled("heal", "whatever") == "heal"
    assert filled("bronze restore URI", "", {"URI": "s3://copy\\1"}) == "bronze restore s3://copy\\1"
    with pytest.raises(LookupError, match="how to fill"):
        filled("bronze restore URI", "nothing that says so")
