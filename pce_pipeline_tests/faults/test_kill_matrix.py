"""A sample of the kill matrix, and all of it where there is time (`make test-all`)."""

from collections.abc import Iterator

import pytest

from pce_pipeline_tests.faults.gates import named, statement
from pce_pipeline_tests.faults.killing import Matrix, all_tried, chosen, tried, uninterrupted
from pce_pipeline_tests.faults.stage import Stage, staged
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.servers import S3

pytestmark = [pytest.mark.system, pytest.mark.postgres, pytest.mark.s3]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, s3: S3, server: PostgresServer) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage"), s3, server) as made:
        yield made


@pytest.fixture(scope="module")
def matrix(stage: Stage) -> Matrix:
    return uninterrupted(stage)


def test_the_news_pass_more_than_a_hundred_named_points(stage: Stage, matrix: Matrix) -> None:
    assert matrix.end.rows != stage.first.rows
    points = chosen(matrix.points)
    assert len(points) == len(set(points)) > 100
    assert {point.partition(" ")[0] for point in points} == {"before", "amid", "after"}
    told = "\n".join(points)
    for stage_of_the_way in (
        "GET BEA",
        "/bronze/",
        "/silver/",
        "/gold/",
        "/explorer/",
        "/iceberg/",
        "copy/local/bronze/",
        "COPY incoming",
        "COMMIT",
    ):
        assert stage_of_the_way in told


SAMPLE = ("amid PUT local/bronze/", "after PUT local/gold/bea-lean/facts/_latest.json", "after COMMIT")


def test_what_is_killed_again_and_again_is_made_good_in_the_end(stage: Stage, matrix: Matrix) -> None:
    points = [next(each for each in matrix.points if each.startswith(where)) for where in SAMPLE]
    outcome = tried(stage, matrix, *points)
    assert outcome.wrong == []
    assert outcome.points == points
    assert outcome.seen > 0


@pytest.mark.long
def test_at_every_chosen_point(stage: Stage, matrix: Matrix) -> None:
    outcomes = list(all_tried(stage, matrix, chosen(matrix.points), alone=6, chain=12))
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
