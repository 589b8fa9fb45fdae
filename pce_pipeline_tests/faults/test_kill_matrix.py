"""A sample of the kill matrix, and all of it where there is time (`make test-all`)."""

from pathlib import Path

import pytest

from pce_pipeline_tests.faults.gates import named, statement
from pce_pipeline_tests.faults.killing import all_tried, chosen, tried, uninterrupted
from pce_pipeline_tests.faults.stage import staged
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.servers import S3

pytestmark = [pytest.mark.system, pytest.mark.postgres, pytest.mark.s3]


SAMPLE = ("before GET BEA GetData ", "amid PUT local/bronze/", "amid PUT copy/local/bronze/")
"""Where `pce extract` and `pce bronze copy` are killed, one after the other."""

STAGES = (
    "GET BEA", "/bronze/", "/silver/", "/gold/", "_vintages/", "_revisions/", "/bulletins/", "/certificates/",
    "/explorer/", "/iceberg/", "/reports/", "COPY incoming", "COMMIT", "copy/local/bronze/",
)  # fmt: skip
"""What the points of `pce run` and `pce bronze copy` are spread over."""


def test_what_is_killed_again_and_again_is_made_good_in_the_end(tmp_path: Path, s3: S3, server: PostgresServer) -> None:
    with staged(tmp_path, s3, server, verb="extract") as stage:
        matrix = uninterrupted(stage)
        assert matrix.end.received != stage.first.received
        points = [next(each for each in matrix.points if each.startswith(where)) for where in SAMPLE]
        outcome = tried(stage, matrix, *points)
        assert outcome.wrong == []
        assert outcome.points == points
        assert outcome.seen > 0
        assert stage.leaks() == []


@pytest.mark.long
def test_at_every_chosen_point_of_a_whole_run(tmp_path: Path, s3: S3, server: PostgresServer) -> None:
    with staged(tmp_path, s3, server) as stage:
        matrix = uninterrupted(stage)
        points = chosen(matrix.points)
        assert matrix.end.rows != stage.first.rows
        assert len(points) == len(set(points)) > 100
        assert {point.partition(" ")[0] for point in points} == {"before", "amid", "after"}
        assert [part for part in STAGES if not any(part in point for point in points)] == []
        outcomes = list(all_tried(stage, matrix, points, alone=8, chain=16))
        assert {" -> ".join(each.points): each.wrong for each in outcomes if each.wrong} == {}


def test_names_leave_out_what_differs_between_runs() -> None:
    assert named("PUT gold/t/year=2021/state=CA/part-000.parquet") == "PUT gold/t/year=*/state=*/part-*.parquet"
    assert named("PUT runs/3f2b7a52-0d30-4f0e-8c1e-0f5f3f0f2a11/run.json") == "PUT runs/<run>/run.json"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('MERGE INTO "gold"."pce_state_annual" AS t', "MERGE INTO gold.pce_state_annual"),
        ("WITH done AS (\nMERGE INTO gold.facts AS t USING s ON ...", "MERGE INTO gold.facts"),
        ("COPY incoming FROM STDIN", "COPY incoming"),
        ("COMMIT", "COMMIT"),
        ("SELECT 1", None),
    ],
)
def test_a_statement_is_named_by_what_it_changes(text: str, name: str | None) -> None:
    assert statement(text) == name
