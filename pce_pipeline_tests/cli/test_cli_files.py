"""Files at the command line: what each covers and lacks, where it was put, and what a person may decide about it."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.serve import running
from pce_pipeline_tests.bronze.look_alike import KEY, archive_of, member_of
from pce_pipeline_tests.cli.conftest import Called, Pce
from pce_pipeline_tests.postgres_server import PostgresServer

OLD, NEW = "2024-10-03", "2025-09-26"
HEADER = 8


def part(
    folder: Path, release: int, *, areas: Iterable[str] = (), years: Iterable[int] = (), dated: bool = True
) -> str:
    """A file of some areas and years of SAPCE1 as a release published it; of all if none are named."""
    rows = list(csv.reader(io.StringIO(member_of(archive_of(release), "SAPCE1__ALL").decode()), skipinitialspace=True))
    header = rows[0]
    columns = [*range(HEADER), *(header.index(str(year)) for year in years or map(int, header[HEADER:]))]
    wanted = set(areas)
    kept = [header] + [row for row in rows[1:] if len(row) > HEADER and (not wanted or row[0] in wanted)]
    remarks = [row for row in rows[1:] if len(row) == 1 and (dated or "updated" not in row[0])]
    path = folder / f"part-{len(list(folder.iterdir()))}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([[row[column] for column in columns] for row in kept] + remarks)
    return str(path)


def words(called: Called) -> str:
    """What a person reads, without line breaks."""
    return " ".join(called.out.split())


def test_a_part_says_what_it_covers_what_it_lacks_and_how_to_use_it(empty: Pce, tmp_path: Path) -> None:
    assert empty("extract", "--file", part(tmp_path, 1)).code == 0
    taken = empty("extract", "--file", part(tmp_path, 2, areas=["02000"], years=(2023, 2024)))
    assert taken.code == 0
    assert "SAPCE1 is partial: it is kept and changes nothing" in words(taken)
    assert f"because {OLD} also holds 4,857 cells of pce" in words(taken)
    assert "area 02000, 2023...2024" in words(taken)
    assert f"pce use {NEW} --over --why" in words(taken)
    assert f"pce use {NEW} --instead --why" in words(taken)
    status = empty("status", "--json").document
    assert {each["extract"]: each["counts"] for each in status["extracts"]} == {OLD: "yes", NEW: "partial"}


def test_a_first_part_is_used_and_says_what_is_missing(empty: Pce, tmp_path: Path) -> None:
    taken = empty("extract", "--file", part(tmp_path, 2, areas=["02000"], years=(2023, 2024)), "--json").document
    assert taken["counts"] == {"SAPCE1": True}
    assert taken["missing"]["SAPCE1"].startswith("5,034 cells of pce")
    status = empty("status", "--json").document
    assert status["lacks"] == taken["missing"]


def test_an_old_file_is_put_at_its_own_day_and_the_command_says_so(empty: Pce, tmp_path: Path) -> None:
    today = datetime.now(UTC).date().isoformat()
    assert empty("extract", "--file", part(tmp_path, 2)).code == 0
    moved = empty("extract", "--file", part(tmp_path, 1), "--date", today)
    assert moved.code == 0
    assert f"New extract {OLD}" in moved.out
    assert f"Put at {OLD}, not at {today}" in words(moved)
    assert f"Kept as an earlier vintage, which changes nothing today: SAPCE1 (current is {NEW})" in words(moved)


def test_a_cell_that_cannot_be_read_is_set_aside_told_and_listed(empty: Pce, tmp_path: Path) -> None:
    assert "Nothing is in quarantine" in empty("quarantine").out
    whole = Path(part(tmp_path, 2, years=(2023, 2024)))
    lines = whole.read_text().splitlines()
    lines[1] = ",".join([*lines[1].split(",")[:-1], "(T)"])
    whole.write_text("\n".join(lines))
    taken = empty("extract", "--file", str(whole))
    assert taken.code == 0
    assert "1 cell could not be read" in words(taken)
    (cell,) = empty("quarantine", "--json").document["cells"]
    assert (cell["state"], cell["value_text"], cell["year"]) == ("current", "(T)", 2024)
    assert cell["stored"].endswith(f"{NEW}/{cell['object_key']}")
    listed = empty("quarantine", "--extract", NEW, "--current")
    assert listed.code == 0
    assert "1 current" in words(listed)
    assert empty("quarantine", "--extract", OLD).code == 2
    # a file is nobody's fault: only an answer of BEA alerts
    assert "could be read" in empty("alert", "quarantined").out


def test_a_file_without_a_date_is_wrong_usage_and_says_what_to_add(empty: Pce, tmp_path: Path) -> None:
    refused = empty("extract", "--file", part(tmp_path, 2, dated=False), "--json")
    assert refused.code == 2
    assert "does not say when BEA last updated SAPCE1" in refused.document["error"]["message"]
    assert "--date" in refused.document["error"]["remedy"]


def test_decisions_ask_before_a_loss_are_recorded_and_taken_back(empty: Pce, tmp_path: Path) -> None:
    empty("extract", "--file", part(tmp_path, 1))
    empty("extract", "--file", part(tmp_path, 2, years=(2023, 2024)))
    for given in (["--over"], ["--over", "--instead", "--why", "both"], ["--why", "neither"]):
        assert empty("use", NEW, *given).code == 2
    refused = empty("use", NEW, "--instead", "--why", "a try", "--json")
    assert refused.code == 2
    assert "1997...2022" in refused.document["error"]["message"]
    over = empty("use", NEW, "--over", "--why", "the newest years", "--json").document
    assert (over["recorded"], over["loses"], over["becomes"]) == (True, [], {"SAPCE1": f"{OLD} with {NEW}"})
    status = empty("status", "--json").document
    assert status["made_of"] == {"SAPCE1": f"{OLD} with {NEW} (pce use --over: the newest years)"}
    assert status["releases"] == {"SAPCE1": f"{OLD} with {NEW}"}
    back = empty("use", NEW, "--undo", "--yes", "--json").document
    assert back["becomes"] == {"SAPCE1": OLD}
    assert back["loses"] == [f"SAPCE1: {loss}" for loss in [back["loses"][0].removeprefix("SAPCE1: ")]]
    instead = empty("use", NEW, "--instead", "--why", "only these", "--yes", "--json").document
    assert instead["becomes"] == {"SAPCE1": NEW}


def test_an_imported_file_is_dropped_by_its_date(empty: Pce, tmp_path: Path) -> None:
    empty("extract", "--file", part(tmp_path, 1))
    empty("extract", "--file", part(tmp_path, 2))
    assert empty("extract", "--drop", NEW, "--date", NEW).code == 2
    asked = empty("extract", "--drop", NEW, "--json")
    assert (asked.code, "2024" in asked.document["error"]["message"]) == (2, True)
    dropped = empty("extract", "--drop", NEW, "--why", "edited by hand", "--yes", "--json").document
    assert dropped["becomes"] == {"SAPCE1": OLD}
    assert empty("status", "--json").document["extracts"][1]["counts"] == "dropped"
    empty("pin", OLD, "--reason", "a test")
    pinned = empty("extract", "--drop", OLD, "--yes")
    assert (pinned.code, f"{OLD} is pinned" in pinned.err) == (2, True)


@pytest.mark.postgres
def test_run_goes_on_with_the_rest_and_ends_with_1_where_an_answer_lacks_what_counts(
    tmp_path: Path, empty: Pce, server: PostgresServer
) -> None:
    app = create_app(2)
    with server.database() as url, running(app) as bea:
        world = {
            "PCE_SOURCE": "api",
            "PCE_BEA_URL": bea,
            "BEA_API_KEY": KEY,
            "PCE_DATABASE_URL": url,
        }
        assert empty("run", **world).code == 0
        app.state.emulator.set_release(3)
        app.state.emulator.set_faults(Fault(FaultKind.CELLS_DROPPED, areas=("02000",)))
        ran = empty("run", "--json", **world)
        assert ran.code == 1
        assert "area 02000, 1997...2024" in ran.document["refused"]["SAPCE1"]
        shown = empty("run", **world)
        assert shown.code == 1
        assert "SAPCE1 does not count" in words(shown)
        assert "--instead --tables SAPCE1 --why" in words(shown)
        status = empty("status", "--json", **world).document
        assert status["years"]["silver/pce_state"][-1] == 2024
        assert [each["counts"] for each in status["extracts"]] == ["yes", "partial"]
        app.state.emulator.set_faults()
        healed = empty("run", "--json", **world)
        assert healed.code == 0, healed.err
        assert healed.document["refused"] == {}
        assert empty("status", "--json", **world).document["years"]["silver/pce_state"][-1] == 2025
