"""What AWS is told of the lake's prefixes follows from the lake's own layout: policies, roles, lifecycle, and texts."""

import inspect
import re
from collections.abc import Iterator

import pytest

from infra.provisioning.command import TEMPLATE
from pce_pipeline.lake.layout import PREFIXES, REWRITTEN_IN_BRONZE, ExtractId, Layout
from pce_pipeline_tests.datasets import EVERYTHING
from pce_pipeline_tests.infra.rendered import Rendered
from pce_pipeline_tests.infra.test_least_privilege import identity

ENVIRONMENTS = ("staging", "prod")
BOTH_ENVIRONMENTS = pytest.mark.parametrize("environment", ENVIRONMENTS)
BUCKETS = pytest.mark.parametrize("bucket", ["", "my-lake"])
CREATES_ONLY = {"Null": {"s3:if-none-match": "false"}}
OF_THE_PIPELINE = [prefix for prefix in PREFIXES if prefix.is_the_pipelines]


def below(environment: str, names: Iterator[str]) -> set[str]:
    return {f"{environment}/{name}" for name in names}


def rewritten(environment: str) -> set[str]:
    """All that may be written again, as policies spell it."""
    names = [f"{prefix.name}/*" for prefix in PREFIXES if prefix.is_rewritten]
    return below(environment, iter([*names, *(f"bronze/*/{each}" for each in REWRITTEN_IN_BRONZE)]))


def keys_of(arns: str | list[str], bucket: str) -> set[str]:
    """The keys of the lake's own bucket; another one has rules of its own."""
    several = [arns] if isinstance(arns, str) else arns
    place = f"arn:aws:s3:::{bucket}/"
    return {arn.removeprefix(place) for arn in several if arn.startswith(place)}


@BOTH_ENVIRONMENTS
@pytest.mark.parametrize("sid", ["WrittenOnce", "NeverDeleted"])
def test_the_buckets_policy_lets_be_written_again_what_the_layout_says_of_both_environments(environment, sid):
    rendered = Rendered(environment)
    (statement,) = [
        each for each in rendered.properties("DataBucketPolicy")["PolicyDocument"]["Statement"] if each["Sid"] == sid
    ]
    said = keys_of(statement["NotResource"], rendered.outputs["BucketName"])
    assert said == {key for each in ENVIRONMENTS for key in rewritten(each)}
    assert len(said) == len(statement["NotResource"])


@BOTH_ENVIRONMENTS
@BUCKETS
def test_the_pipelines_role_writes_and_deletes_what_the_layout_says_and_nothing_else(environment, bucket):
    rendered = Rendered(environment, BucketName=bucket)
    may: dict[str, set[str]] = {"create": set(), "write": set(), "delete": set()}
    for statement in identity(rendered, "RuntimeRole"):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        for action, verb in (("s3:PutObject", "write"), ("s3:DeleteObject", "delete")):
            if action in actions:
                keys = keys_of(statement["Resource"], rendered.outputs["BucketName"])
                creates = statement.get("Condition") == CREATES_ONLY
                assert creates or "Condition" not in statement or not keys
                may["create" if creates else verb] |= keys
    in_bronze = [f"bronze/*/{each}" for each in REWRITTEN_IN_BRONZE]
    once = (f"{prefix.name}/*" for prefix in OF_THE_PIPELINE if not prefix.is_rewritten)
    again = (f"{prefix.name}/*" for prefix in OF_THE_PIPELINE if prefix.is_rewritten)
    deleted = (f"{prefix.name}/*" for prefix in OF_THE_PIPELINE if prefix.is_deleted)
    assert may == {
        "create": below(environment, once),
        "write": below(environment, iter([*again, *in_bronze])),
        "delete": below(environment, iter([*deleted, *in_bronze])),
    }


@BOTH_ENVIRONMENTS
def test_the_lifecycle_ends_what_the_layout_says_and_when(environment):
    rules = Rendered(environment).properties("DataBucket")["LifecycleConfiguration"]["Rules"]
    ending = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert ending == {
        f"{environment}/{prefix.name}/": prefix.kept_days for prefix in PREFIXES if prefix.kept_days is not None
    }
    known = {f"{environment}/{prefix.name}/" for prefix in PREFIXES}
    assert {rule["Prefix"] for rule in rules if "Prefix" in rule} <= known


def test_nothing_that_aws_is_told_names_a_dataset_a_table_or_a_world():
    text = TEMPLATE.read_text("utf-8")
    for name in (*EVERYTHING.datasets, *EVERYTHING.bea_tables, "sample", "bea-smoke", "/bea/"):
        assert name not in text, "a rule that names one forgets the next"


def test_everything_that_the_layout_places_lies_below_a_prefix_that_it_declares():
    layout = Layout("staging", "bea")
    given = {"layer": "gold", "dataset": "facts", "table": "facts", "extract": ExtractId.parse("2026-02-23")}
    placed = {}
    for name, member in inspect.getmembers(Layout):
        if isinstance(member, property):
            placed[name] = getattr(layout, name)
        elif inspect.isfunction(member) and not name.startswith("_"):
            wanted = list(inspect.signature(member).parameters)[1:]
            placed[name] = member(layout, *(given[each] for each in wanted))
    placed.pop("copied", None)  # lies in a second copy of Bronze alone
    assert len(placed) > 10
    assert {key.split("/")[1] for key in placed.values()} <= {prefix.name for prefix in PREFIXES}


def test_the_readme_says_of_every_prefix_what_the_layout_says():
    lines = (TEMPLATE.parents[1] / "README.md").read_text("utf-8").splitlines()
    rows = {
        match[1]: line
        for line in lines
        for match in re.finditer(r"`(\w+)/`", line.split("|")[1] if line.strip().startswith("| `") else "")
    }
    assert rows.keys() == {prefix.name for prefix in PREFIXES}
    for prefix in PREFIXES:
        assert ("again" in rows[prefix.name]) == (prefix.is_rewritten or prefix.name == "bronze"), prefix.name
        if prefix.kept_days is not None:
            assert f"for {prefix.kept_days} days" in rows[prefix.name]
