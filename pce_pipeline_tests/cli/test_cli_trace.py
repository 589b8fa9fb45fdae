"""`pce trace`: a number followed to the byte it was read from, each kind of damage refuted, wrong calls answered."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pce_pipeline.bronze.store import pack, unpack
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.parquet import from_parquet, to_parquet
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline_tests.cli.conftest import Called, Pce

pytestmark = [pytest.mark.postgres]

GROWTH = ("trace", "--state", "CA", "--category", "services", "--measure", "pce_yoy_pct", "--years", "2018")
ROW = "WHERE state = 'CA' AND category_id = 'product.services' AND year = 2018"
MONTHS = {"PCE_PROFILE": "full"}


@pytest.fixture
def lake(own: Pce, tmp_path: Path) -> Path:
    """The lake of the test's own copy of the world."""
    return tmp_path / "sample-smoke" / "lake" / "local"


def test_a_growth_rate_is_told_from_postgres_to_the_bytes_of_both_years(pce: Pce, home: Path) -> None:
    told = pce(*GROWTH, "--json")
    assert told.code == 0, told.err
    (trace,) = told.document["traces"]
    assert (trace["verdict"], trace["formula"]) == ("confirmed", "100 x (pce / pce_before - 1)")
    assert [figure["year"] for figure in trace["figures"]] == [2018, 2017]
    for figure in trace["figures"]:
        raw, place = figure["raw"], figure["raw"]["place"]
        stored = Path(raw["uri"]).read_bytes()
        assert sha256_of(stored) == raw["sha256"]
        assert raw["parameters"]["TableName"] == "SAPCE1"
        at = slice(place["offset"], place["offset"] + place["length"])
        assert float(unpack(stored)[at]) == float(figure["value"])
    assert any(check["what"].startswith("Postgres, gold.pce_state_metrics") for check in trace["checks"])
    with _postgres(home).connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT pce_yoy_pct FROM gold.pce_state_metrics {ROW}")
        assert cursor.fetchall() == [(trace["value"],)]


def _postgres(home: Path) -> PostgresResource:
    return PostgresResource(directory=home / "sample-smoke" / "postgres")


def test_people_read_where_it_stands_and_how_to_cite_it(pce: Pce) -> None:
    shown = pce(*GROWTH)
    assert "SAMPLE" in shown.out
    for word in ("confirmed", "SAPCE1 line 13", "byte", '"DataValue"', "LineCode=13", "sha256", "extract"):
        assert word in shown.out, word
    cited = pce(*GROWTH, "--cite").out
    assert "SAMPLE: invented numbers" in cited
    assert "Bureau of Economic Analysis" not in cited


def change(path: Path, how: Callable[[bytes], bytes]) -> None:
    path.chmod(0o644)
    path.write_bytes(how(path.read_bytes()))


def refuted(told: Called) -> list[dict[str, Any]]:
    assert told.code == 1
    (trace,) = told.document["traces"]
    assert trace["verdict"] == "refuted"
    return [check for check in trace["checks"] if check["holds"] is False]


def test_a_damaged_raw_byte_is_refuted_by_its_hash_and_by_what_it_says(own: Pce) -> None:
    (trace,) = own(*GROWTH, "--json").document["traces"]
    raw = trace["figures"][0]["raw"]

    def other_digit(stored: bytes) -> bytes:
        plain, at = bytearray(unpack(stored)), raw["place"]["offset"]
        plain[at] = ord("1") if plain[at] != ord("1") else ord("2")
        return pack(bytes(plain))

    change(Path(raw["uri"]), other_digit)
    found = refuted(own(*GROWTH, "--json"))
    assert {check["what"].split(" of ")[0] for check in found} == {"bytes", "raw cell"}
    assert raw["sha256"] in found[0]["said"]
    change(Path(raw["uri"]), lambda stored: stored[: len(stored) // 2])
    assert {check["what"].split(" of ")[0] for check in refuted(own(*GROWTH, "--json"))} == {"bytes", "raw cell"}
    Path(raw["uri"]).unlink()
    assert "nothing" in refuted(own(*GROWTH, "--json"))[0]["said"]
    assert "refuted" in own(*GROWTH).out


@pytest.mark.parametrize("which", ["_versions/year=2018", "year=2018"])
def test_a_changed_value_of_gold_is_refuted_in_either_copy(own: Pce, lake: Path, which: str) -> None:
    (path,) = (lake / "gold" / "sample-smoke" / "pce_state_metrics" / which).glob("*.parquet")
    change(path, lambda stored: to_parquet(from_parquet([stored]).with_columns(pce_yoy_pct=1.5)))
    found = refuted(own(*GROWTH, "--json"))
    assert {check["what"].split(" ")[0] for check in found} == {"bytes", "pce_yoy_pct"}
    assert any(check["said"].startswith("1.5;") for check in found)


@pytest.mark.parametrize(
    "table", ["silver/sample-smoke/pce_state/year=2017/state=CA", "gold/sample-smoke/facts/year=2017"]
)
def test_a_changed_value_in_between_is_refuted(own: Pce, lake: Path, table: str) -> None:
    change(
        lake / table / "part-000.parquet",
        lambda stored: to_parquet(from_parquet([stored]).with_columns(pl.col("value") + 1)),
    )
    found = refuted(own(*GROWTH, "--json"))
    assert {check["what"].split(" ")[0] for check in found} == {"bytes", "Silver" if "silver" in table else "fact"}


def test_a_changed_value_of_postgres_is_refuted(pce: Pce, home: Path) -> None:
    def add(number: int) -> None:
        with _postgres(home).connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE gold.pce_state_metrics SET pce_rank_among_states = pce_rank_among_states + {number} {ROW}"
            )
            connection.commit()

    rank = tuple("pce_rank_among_states" if each == "pce_yoy_pct" else each for each in GROWTH)
    add(1)
    try:
        (check,) = refuted(pce(*rank, "--json"))
        assert check["what"] == "Postgres, gold.pce_state_metrics.pce_rank_among_states"
    finally:
        add(-1)
    assert pce(*rank).code == 0


def test_a_postgres_that_holds_nothing_of_the_world_is_told(own: Pce) -> None:
    (trace,) = own(*GROWTH, "--json").document["traces"]
    assert trace["verdict"] == "confirmed_in_lake"


def test_a_table_that_is_gone_from_postgres_is_refuted(pce: Pce, home: Path) -> None:
    def rename(before: str, after: str) -> None:
        with _postgres(home).connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE gold.{before} RENAME TO {after}")
            connection.commit()

    assert [each["verdict"] for each in pce(*GROWTH, "--json").document["traces"]] == ["confirmed"]
    rename("pce_state_metrics", "hidden")
    try:
        (check,) = refuted(pce(*GROWTH, "--json"))
        assert "pce db migrate" in check["said"]
    finally:
        rename("hidden", "pce_state_metrics")


def test_what_is_refuted_or_has_no_number_is_not_to_be_cited(own: Pce, lake: Path) -> None:
    first = tuple("1997" if each == "2018" else each for each in GROWTH)
    assert "NO NUMBER, not to be cited" in own(*first, "--cite").out
    (path,) = (lake / "gold" / "sample-smoke" / "pce_state_metrics" / "year=2018").glob("*.parquet")
    change(path, lambda stored: stored + b" ")
    assert "REFUTED, not to be cited" in own(*GROWTH, "--cite").out


def test_as_of_a_day_the_log_is_looked_at_in_both_copies(own: Pce, lake: Path) -> None:
    then = (*GROWTH, "--as-of", f"{datetime.now(UTC).date()}")
    assert own(*then).code == 0
    (path,) = (lake / "silver" / "sample-smoke" / "pce_state_vintages" / "year=2017").glob("*.parquet")
    change(path, lambda stored: stored + b" ")
    assert [check["what"].split(" ")[0] for check in refuted(own(*then, "--json"))] == ["bytes"]
    before = own(*(*GROWTH, "--as-of", "2001-01-01"))
    assert before.code == 2
    assert "pce_state of" in before.err


def test_each_figure_is_proven_by_the_certificate_of_its_vintage(pce: Pce, tmp_path: Path) -> None:
    told = pce(*GROWTH, "--prove", "--to", str(tmp_path / "proofs"), "--json")
    assert told.code == 0, told.err
    (trace,) = told.document["traces"]
    assert trace["verdict"] == "confirmed"
    assert [proof["root"] for proof in trace["proofs"]] == [trace["certificate"]["root"]] * 2
    certificate, *proofs = told.document["written"]
    for proof in proofs:
        verified = pce("certificate", "verify", certificate, "--proof", proof, PCE_HOME=str(tmp_path / "elsewhere"))
        assert verified.code == 0
    shown = pce(*GROWTH, "--prove").out
    assert trace["certificate"]["root"] in shown
    assert "unsigned" in shown
    assert pce(*GROWTH, "--to", str(tmp_path)).code == 2


def test_a_changed_certificate_is_refuted(own: Pce, lake: Path) -> None:
    assert own(*GROWTH, "--prove").code == 0
    (path,) = (lake / "gold" / "sample-smoke" / "certificates" / "pce_state").glob("*/*.json")
    change(path, lambda stored: stored.replace(b'"leaves":', b'"leaves": '))
    (check,) = refuted(own(*GROWTH, "--prove", "--json"))
    assert check["what"] == "certificate"
    assert own(*GROWTH).code == 0


def test_where_no_certificate_was_made_a_trace_says_how_to_make_one(empty: Pce) -> None:
    assert empty("extract").code == 0
    told = empty(*GROWTH, "--as-of", f"{datetime.now(UTC).date()}", "--prove")
    assert told.code == 1
    assert "pce refresh" in told.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--state", "CA", "--measure", "pce_yoy_pct", "--years", "2018"), "Name one with --category: product.pce"),
        (("--measure", "pce_yoy_pct", "--category", "services", "--years", "2018"), "--state CA"),
        (("--state", "CA", "--measure", "pce_yoy", "--years", "2018"), "Did you mean pce_yoy_pct"),
        (
            ("--state", "CA", "--measure", "pce", "--years", "2018", "--category", "goods", "--months", "1"),
            "Leave --months",
        ),
        (("--state", "CA", "--measure", "pce", "--years", "2018", "--category", "goods", "--months", "13"), "1 to 12"),
        (
            ("--state", "CA", "--measure", "pce", "--years", "2018", "--category", "function.health"),
            "It has product.pce",
        ),
        (("--state", "CA", "--measure", "pce", "--years", "2026", "--category", "goods"), "what is held"),
        (("--state", "states", "--measure", "pce", "--years", "2017...2019", "--category", "goods"), "up to 60"),
        (("--state", "CA", "--measure", "pce", "--years", "2018", "--as-of", "2999-01-01"), "The latest day"),
    ],
)
def test_what_cannot_be_traced_is_told_with_what_to_write_instead(
    pce: Pce, options: tuple[str, ...], words: str
) -> None:
    told = pce("trace", *options)
    assert told.code == 2
    assert words in " ".join(told.err.split())
    assert json.loads(pce("trace", *options, "--json").out)["error"]["type"] == "UsageError"


def test_months_are_asked_for_by_month_and_as_they_are_now(empty: Pce) -> None:
    growth = ("trace", "--measure", "pce_mom_pct", "--category", "goods", "--years", "2018")
    assert "--months 7" in empty(*growth, **MONTHS).err
    assert "as they are now" in empty(*growth, "--months", "7", "--as-of", "2024-01-01", **MONTHS).err


def test_what_was_extracted_and_not_refreshed_is_not_called_refuted(empty: Pce) -> None:
    assert empty("extract").code == 0
    told = empty(*GROWTH)
    assert told.code == 1
    assert "pce refresh" in told.err
    day = f"{datetime.now(UTC).date()}"
    assert empty(*GROWTH, "--as-of", day).code == 0
