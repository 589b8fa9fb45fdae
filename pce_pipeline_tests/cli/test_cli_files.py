"""Files at the command line: what each covers and lacks, where it was put, and what a person may decide about it."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.series import REGISTER, VALUES, series_file
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


def test_a_month_that_cannot_be_read_is_listed_with_its_month(empty: Pce, tmp_path: Path) -> None:
    for name in (REGISTER, VALUES):
        (tmp_path / name).write_bytes(series_file(name, 2) or b"")
    values = (tmp_path / VALUES).read_text().splitlines()
    at, line = next((at, line) for at, line in enumerate(values) if line.startswith("DPCERC,2024M07,"))
    values[at] = line.partition("2024M07,")[0] + '2024M07,"(T)"'
    (tmp_path / VALUES).write_text("\n".join(values) + "\n")
    files = ("--file", str(tmp_path / VALUES), "--file", str(tmp_path / REGISTER))
    refused = empty("extract", *files)
    assert refused.code == 1
    assert "none of its tables is taken here" in " ".join(refused.err.split())
    taken = empty("extract", *files, "--date", NEW, PCE_PROFILE="full")
    assert taken.code == 0, taken.err
    assert "2024-07" in words(empty("quarantine", PCE_PROFILE="full"))
    (cell,) = empty("quarantine", "--json", PCE_PROFILE="full").document["cells"]
    assert (cell["year"], cell["month"], cell["value_text"]) == (2024, 7, "(T)")


def test_a_file_without_a_date_is_wrong_usage_and_says_what_to_add(empty: Pce, tmp_path: Path) -> None:
    refused = empty("extract", "--file", part(tmp_path, 2, dated=False), "--json")
    assert refused.code == 2
    assert "does not say when BEA last updated SAPCE1" in refused.document["error"]["message"]
    assert "--date" in refused.document["error"]["remedy"]


def test_a_file_of_which_only_the_month_is_known_is_of_its_last_day(empty: Pce, tmp_path: Path) -> None:
    taken = empty("extract", "--file", part(tmp_path, 1, dated=False), "--date", "2024-10", "--json").document
    assert taken["extract"] == "2024-10-31"
    (manifest,) = (tmp_path / "home").rglob("bronze/*/pce_state/2024-10-31/manifest.json")
    assert json.loads(manifest.read_text())["date_is"] == "month"


def test_a_month_before_that_in_which_bea_updated_the_file_is_wrong_usage(empty: Pce, tmp_path: Path) -> None:
    refused = empty("extract", "--file", part(tmp_path, 1), "--date", "2024-09", "--json")
    assert refused.code == 2
    assert f"last updated by BEA on {OLD}" in refused.document["error"]["message"]
    assert f"--date {OLD}" in refused.document["error"]["remedy"]


@pytest.mark.usefixtures("one_day")
@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=40)])
def test_a_month_that_has_not_ended_is_wrong_usage(empty: Pce, tmp_path: Path, later: timedelta) -> None:
    today = datetime.now(UTC).date()
    month = f"{today + later:%Y-%m}"
    refused = empty("extract", "--file", part(tmp_path, 1, dated=False), "--date", month, "--json")
    assert refused.code == 2
    assert refused.document["error"]["message"] == f"{month} has not ended."
    assert str(today) in refused.document["error"]["remedy"]


LONG = "stabbr,line,year,value\nAL,1,2021,100.5\nUS,1,2021,20000\n"
OF_PACKAGE = ("--tables", "SAPCE1", "--area-column", "stabbr", "--why", "data set X of a package")


def derive(pce: Pce, folder: Path, *given: str, text: str = LONG, **world: str) -> Called:
    path = folder / "values.csv"
    path.write_text(text)
    return pce("extract", "--derived", "--file", str(path), *OF_PACKAGE, *given, **world)


def test_derived_values_are_kept_change_nothing_and_answer_when_asked_for(empty: Pce, tmp_path: Path) -> None:
    taken = derive(empty, tmp_path, "--date", "2018-10", text=LONG.replace("2021", "2017"))
    assert taken.code == 0
    assert "New extract 2018-10-31: 2 cells of 1 table from a file that is not BEA's" in words(taken)
    assert "SAPCE1 is kept as derived: it changes nothing, and answers only when asked for" in words(taken)
    assert "data set X of a package" in words(taken)
    assert "pce query --as-of 2018-10-31 --include derived" in words(taken)
    status = empty("status", "--json", "--source", "bulk").document
    assert [(each["origin"], each["counts"]) for each in status["extracts"]] == [("derived", "derived")]
    assert (status["releases"], status["lacks"]) == ({}, {})
    used = empty("use", "2018-10-31", "--over", "--why", "x", "--source", "bulk")
    assert (used.code, "2018-10-31 is derived" in words(Called(0, used.err, ""))) == (2, True)
    assert empty("pin", "2018-10-31", "--reason", "x", "--source", "bulk").code == 2
    assert empty("diff", "2018-10-31", "2018-12-31", "--source", "bulk").code == 2
    assert empty("query", "--as-of", "2018-12-31", "--source", "bulk").code == 2
    asked = empty("query", "--as-of", "2018-12-31", "--include", "derived", "--source", "bulk", "--json").document
    assert len(asked["figures"]) == 2


def test_derived_values_that_are_held_already_are_not_kept_and_it_is_said_who_has_them(
    empty: Pce, tmp_path: Path
) -> None:
    derive(empty, tmp_path, "--date", "2024-01")
    again = derive(empty, tmp_path, "--date", "2024-02", "--json").document
    assert (again["outcome"], again["origin"], again["equals"]) == ("unchanged", "derived", {"SAPCE1": "2024-01-31"})
    assert "2024-01-31, another derived extract, says all of it already" in words(
        derive(empty, tmp_path, "--date", "2024-02")
    )
    dropped = empty("extract", "--drop", "2024-01-31", "--why", "x", "--source", "bulk", "--json").document
    assert (dropped["becomes"], dropped["recorded"]) == ({}, True)
    assert derive(empty, tmp_path, "--date", "2024-02", "--json").document["outcome"] == "new"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--derived", "--why", "x", "--date", "2018-10"], "one file, of one table"),
        (["--derived", "--file", "FILE", "--why", "x", "--date", "2018-10"], "one file, of one table"),
        (["--derived", "--file", "FILE", "--tables", "SAPCE1", "--date", "2018-10"], "where they come from"),
        (["--derived", "--file", "FILE", "--tables", "SAPCE1", "--why", "x"], "their day"),
        (["--derived", "--file", "FILE", *OF_PACKAGE[:2], "--why", "x", "--date", "2018-10"], "has no column area"),
        (["--file", "FILE", "--area-column", "stabbr"], "names of columns are of derived values"),
        (["--drop", "2018-10-31", "--derived"], "--drop goes with"),
    ],
)
def test_what_is_missing_of_derived_values_is_wrong_usage(
    empty: Pce, tmp_path: Path, given: list[str], says: str
) -> None:
    path = tmp_path / "values.csv"
    path.write_text(LONG)
    refused = empty("extract", *(str(path) if each == "FILE" else each for each in given), "--json")
    assert refused.code == 2
    assert says in refused.document["error"]["message"]
    assert refused.document["error"]["remedy"]


def published(home: Path, url: str) -> dict[str, str]:
    """A hash of every published file in the lake, and of every table in Postgres, but for what is of vintages."""
    found = {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for stage in ("silver", "gold")
        for path in home.rglob(f"{stage}/**/*.parquet")
    }
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'gold'")
            for (name,) in cursor.fetchall():
                rows = sql.SQL("SELECT md5(string_agg(held::text, ' ' ORDER BY held::text)) FROM gold.{} AS held")
                cursor.execute(rows.format(sql.Identifier(name)))
                found[f"gold.{name}"] = str(cursor.fetchone())
    finally:
        connection.close()
    return {name: digest for name, digest in found.items() if "vintage" not in name and "revision" not in name}


@pytest.mark.postgres
def test_what_is_published_is_the_same_with_and_without_derived_values(
    empty: Pce, tmp_path: Path, server: PostgresServer
) -> None:
    with server.database() as url:
        world = {"PCE_DATABASE_URL": url, "PCE_SOURCE": "bulk"}
        assert empty("extract", "--file", part(tmp_path, 1, years=(2021, 2022)), **world).code == 0
        assert empty("refresh", **world).code == 0
        before = published(tmp_path / "home", url)
        assert derive(empty, tmp_path, "--date", "2025-01", **world).code == 0
        assert empty("refresh", **world).code == 0
        assert published(tmp_path / "home", url) == before
        assert any("/silver/" in name and "/pce_state/year=2021/" in name for name in before)
        assert "gold.pce_state_annual" in before


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
