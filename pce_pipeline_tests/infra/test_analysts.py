"""Analysts read the tables with Athena, within a limit, and nothing else of an environment."""

import pytest

from infra.provisioning.costs import cost_of
from pce_pipeline_tests.infra.policies import Call, allowed
from pce_pipeline_tests.infra.rendered import ACCOUNT, REGION, Rendered
from pce_pipeline_tests.infra.test_least_privilege import EXTRACT, cells, decision, of_resource, quarantined, report

HERE = f"{REGION}:{ACCOUNT}"
BOTH_ENVIRONMENTS = pytest.mark.parametrize("environment", ["staging", "prod"])
BUCKETS = pytest.mark.parametrize("bucket", ["", "my-lake"])


def may(rendered: Rendered, call: Call) -> bool:
    statements = rendered.properties("AnalystPolicy")["PolicyDocument"]["Statement"]
    has_policy = "DataBucket" in rendered.resources
    return allowed(call, statements, of_resource(rendered, call) if has_policy else ())


def of_a_question(rendered: Rendered) -> dict[str, list[Call]]:
    """What Athena does with an analyst's rights, by the statement that it needs."""
    env, bucket = rendered.environment, f"arn:aws:s3:::{rendered.outputs['BucketName']}"
    workgroup = f"arn:aws:athena:{HERE}:workgroup/{rendered.outputs['AthenaWorkgroup']}"
    catalogue = f"pce_{env}"
    things = [
        f"arn:aws:glue:{HERE}:{each}" for each in ("catalog", f"database/{catalogue}", f"table/{catalogue}/facts")
    ]
    answer = f"{bucket}/{env}/athena/1b2c.csv"
    tables = (
        "iceberg/bea/gold/facts/metadata/v1.metadata.json",
        "gold/bea/facts/_versions/x",
        "silver/bea/a/_versions/x",
    )
    return {
        "Ask": [
            Call(f"athena:{action}", workgroup)
            for action in ("StartQueryExecution", "GetQueryExecution", "GetQueryResults", "StopQueryExecution",
                           "GetWorkGroup", "ListQueryExecutions", "BatchGetQueryExecution", "GetQueryResultsStream")
        ],
        "SeeTables": [
            Call(f"glue:{action}", each) for action in ("GetDatabase", "GetTable", "GetTables") for each in things
        ],
        "FindBucket": [Call("s3:GetBucketLocation", bucket)],
        "ListTables": [
            Call("s3:ListBucket", bucket, {"s3:prefix": f"{env}/{each}/"})
            for each in ("silver", "gold", "iceberg", "athena")
        ],
        "ReadTables": [Call("s3:GetObject", f"{bucket}/{env}/{each}") for each in tables],
        "KeepAnswers": [
            Call(f"s3:{action}", answer)
            for action in ("PutObject", "GetObject", "AbortMultipartUpload", "ListMultipartUploadParts")
        ],
    }  # fmt: skip


@BOTH_ENVIRONMENTS
@BUCKETS
def test_analysts_may_ask_and_every_statement_is_needed_for_it(environment, bucket):
    rendered = Rendered(environment, BucketName=bucket)
    statements = rendered.properties("AnalystPolicy")["PolicyDocument"]["Statement"]
    asked = of_a_question(rendered)
    assert [each["Sid"] for each in statements] == list(asked)
    for sid, calls in asked.items():
        assert all(may(rendered, call) for call in calls), sid
        others = [each for each in statements if each["Sid"] != sid]
        assert not all(allowed(call, others) for call in calls), sid
    for statement in statements:
        assert "*" not in str(statement["Action"])
        assert statement["Resource"] != "*"


def forbidden(rendered: Rendered) -> dict[str, Call]:
    bucket = f"arn:aws:s3:::{rendered.outputs['BucketName']}"
    create = {"s3:if-none-match": "*"}
    return {
        "read Bronze": Call("s3:GetObject", f"{bucket}/{EXTRACT}/manifest.json"),
        "read decisions": Call("s3:GetObject", f"{bucket}/{decision('staging')}"),
        "read quarantine": Call("s3:GetObject", f"{bucket}/{quarantined('staging')}"),
        "read decoded cells": Call("s3:GetObject", f"{bucket}/{cells('staging')}"),
        "read reports": Call("s3:GetObject", f"{bucket}/{report('staging')}"),
        "read run records": Call("s3:GetObject", f"{bucket}/staging/observability/runs/bea/r/record.json"),
        "write a table": Call("s3:PutObject", f"{bucket}/staging/gold/bea/facts/_latest.json", create),
        "write a table's metadata": Call("s3:PutObject", f"{bucket}/staging/iceberg/bea/gold/facts/x", create),
        "delete a table": Call("s3:DeleteObject", f"{bucket}/staging/gold/bea/facts/_latest.json"),
        "delete an answer": Call("s3:DeleteObject", f"{bucket}/staging/athena/x.csv"),
        "list Bronze": Call("s3:ListBucket", bucket, {"s3:prefix": "staging/bronze/"}),
        "list the bucket": Call("s3:ListBucket", bucket, {"s3:prefix": ""}),
        "read the other environment": Call("s3:GetObject", f"{bucket}/prod/gold/bea/facts/x"),
        "change a table in the catalogue": Call("glue:UpdateTable", f"arn:aws:glue:{HERE}:table/pce_staging/facts"),
        "see the other catalogue": Call("glue:GetTable", f"arn:aws:glue:{HERE}:table/pce_prod/facts"),
        "ask without a limit": Call("athena:StartQueryExecution", f"arn:aws:athena:{HERE}:workgroup/primary"),
        "lift the limit": Call("athena:UpdateWorkGroup", f"arn:aws:athena:{HERE}:workgroup/pce-staging"),
        "connect to the database": Call("rds-db:connect", f"arn:aws:rds-db:{HERE}:dbuser:db-STAGING/pce_loader"),
        "read without TLS": Call(
            "s3:GetObject", f"{bucket}/staging/gold/bea/facts/x", {"aws:SecureTransport": "false"}
        ),
    }


@pytest.mark.parametrize("what", sorted(forbidden(Rendered("staging"))))
def test_an_analyst_may_not(what):
    rendered = Rendered("staging")
    assert not may(rendered, forbidden(rendered)[what])


@BOTH_ENVIRONMENTS
@BUCKETS
def test_questions_have_a_limit_that_nobody_gets_around_and_answers_a_place_that_ends(environment, bucket):
    rendered = Rendered(environment, BucketName=bucket)
    told = rendered.properties("Workgroup")["WorkGroupConfiguration"]
    assert told["EnforceWorkGroupConfiguration"] is True
    assert told["BytesScannedCutoffPerQuery"] == 10_000_000_000
    result = told["ResultConfiguration"]
    assert result["OutputLocation"] == f"s3://{rendered.outputs['BucketName']}/{environment}/athena/"
    assert (result["ExpectedBucketOwner"], result["EncryptionConfiguration"]) == (
        ACCOUNT,
        {"EncryptionOption": "SSE_S3"},
    )
    assert rendered.properties("Workgroup")["RecursiveDeleteOption"] is True


def test_the_plan_says_what_a_question_costs_and_that_nothing_stands():
    workgroup, catalogue = cost_of("AWS::Athena::WorkGroup"), cost_of("AWS::Glue::Database")
    assert workgroup is not None
    assert catalogue is not None
    assert (workgroup.monthly, catalogue.monthly) == (0, 0)
    limit = Rendered().properties("Workgroup")["WorkGroupConfiguration"]["BytesScannedCutoffPerQuery"]
    assert f"at most {limit / 1e12 * 5:.2f} a question" in workgroup.words


@pytest.mark.parametrize("name", ["Task", "DagsterTask"])
def test_tasks_are_told_where_tables_are_told_of(name):
    rendered = Rendered("prod", DatabaseReach="private", DagsterService="yes")
    (container,) = rendered.properties(name)["ContainerDefinitions"]
    assert {"Name": "PCE_GLUE_DATABASE", "Value": "pce_prod"} in container["Environment"]
