"""A sample of each kind of fault, and all of each where there is time (`make test-all`)."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from pce_pipeline.emulator.faults import FaultKind
from pce_pipeline_tests.faults.flips import flips
from pce_pipeline_tests.faults.hostile import hostilities
from pce_pipeline_tests.faults.invented import SHARES, documents
from pce_pipeline_tests.faults.lost_database import dropped, losses
from pce_pipeline_tests.faults.races import races
from pce_pipeline_tests.faults.scorecard import Part, Trial, part_of
from pce_pipeline_tests.faults.sentinels import secrets_kept
from pce_pipeline_tests.faults.stage import holds_any
from pce_pipeline_tests.faults.troubled_s3 import troubles
from pce_pipeline_tests.faults.truncation import CUTS, Came, Cells, Source, cut_off, offsets, truncations
from pce_pipeline_tests.postgres_server import PostgresServer, reachable_folder
from pce_pipeline_tests.servers import S3


def test_sources_that_are_cut_anywhere_say_nothing_else(tmp_path: Path) -> None:
    part = truncations(tmp_path, 25)
    assert part.failed == []
    assert part.tried >= 15 * 20


def test_documents_that_nobody_wrote_are_refused_or_read_right(tmp_path: Path) -> None:
    part = documents(tmp_path, 25)
    assert part.failed == []
    assert part.tried == sum(count // 25 for count in SHARES.values())
    assert all("read right" in case or "202" in case for case in part.cases)


def test_many_publishers_of_one_table_lose_nothing(tmp_path: Path) -> None:
    assert races(tmp_path, 1).failed == []


def test_names_and_archives_made_to_do_harm_do_none(tmp_path: Path) -> None:
    assert hostilities(tmp_path, 4).failed == []


@pytest.mark.s3
def test_a_troubled_s3_leaves_nothing_half_done(tmp_path: Path, s3: S3) -> None:
    part = troubles(tmp_path, s3, 17)
    assert part.failed == []
    assert "ended well" in "".join(part.cases)
    assert "LakeUnavailable" in "".join(part.cases)


@pytest.mark.postgres
def test_a_database_that_goes_away_holds_one_load_whole(server: PostgresServer) -> None:
    done = list(dropped(server, 15))
    assert [each.wrong for each in done if each.wrong] == []
    assert {each.said for each in done} >= {"WarehouseConnectionLost"}


@pytest.mark.long
def test_every_cut_of_every_source(tmp_path: Path) -> None:
    part = truncations(tmp_path)
    assert part.failed == []
    assert part.tried == len(part.cases) * CUTS


@pytest.mark.long
@pytest.mark.parametrize("kind", [documents, hostilities, flips, secrets_kept])
def test_all_of_a_kind(tmp_path: Path, kind: Callable[[Path], Part]) -> None:
    assert kind(tmp_path).failed == []


@pytest.mark.long
@pytest.mark.s3
def test_twenty_rounds_of_each_race_and_trouble_at_every_request(tmp_path: Path, s3: S3) -> None:
    assert races(tmp_path / "races", 20, s3).failed == []
    assert troubles(tmp_path / "troubles", s3).failed == []


@pytest.mark.long
@pytest.mark.postgres
def test_a_database_that_goes_away_at_every_point_and_one_that_is_killed(server: PostgresServer) -> None:
    with reachable_folder() as folder:
        assert losses(folder, server).failed == []


def test_a_key_is_nowhere_after_a_fault(tmp_path: Path) -> None:
    assert secrets_kept(tmp_path, (FaultKind.UNKNOWN_FIELD,)).failed == []


def test_a_reader_that_says_another_figure_or_counts_without_some_is_seen() -> None:
    whole: Cells = {("a",): "12", ("b",): "3"}

    def read(body: bytes) -> Came:
        if len(body) < 2:
            return Came({("a",): "1"}, stands_alone=False)
        return Came(whole if len(body) == 4 else {("a",): "12"}, stands_alone=len(body) == 3)

    wrong = [each.wrong for each in cut_off(Source("a source", b"1234", read), 4)]
    assert [bool(each) for each in wrong] == [True, True, False, True]


def test_cuts_are_spread_and_never_the_whole() -> None:
    assert offsets(10, 4) == [0, 2, 5, 7]
    assert len(offsets(5_000, CUTS)) == CUTS


def test_a_secret_is_found_packed_and_plain() -> None:
    assert holds_any(b"a key: 123-456", ["123-456"])
    assert holds_any(gzip.compress(b"a key: 123-456"), ["123-456"])
    assert not holds_any(b"a key: 123", ["123-456"])


def test_a_part_counts_each_sort_with_its_ends() -> None:
    part = part_of("x", "y", [Trial("a", said="refused"), Trial("a", "it was read", "read"), Trial("b")])
    assert (part.tried, part.failed) == (3, ["a: it was read"])
    assert part.cases == ["a: 1 read, 1 refused", "b: 1 tried"]
