"""What each part costs, in words, for the plan. List prices of us-east-1 in US dollars: an estimate, never a bill."""

from collections.abc import Iterable
from dataclasses import dataclass

HOURS_OF_A_MONTH = 730


@dataclass(frozen=True)
class Cost:
    """`monthly` is what it costs without any use; `words` say what for, and what comes with use."""

    monthly: float
    words: str


_PER_TYPE = {
    "AWS::RDS::DBInstance": Cost(
        0.016 * HOURS_OF_A_MONTH + 20 * 0.115, "a db.t4g.micro that never sleeps and 20 GB of gp3; larger classes more"
    ),
    "AWS::SecretsManager::Secret": Cost(0.40, "a secret"),
    "AWS::S3::Bucket": Cost(0.0, "by use: 0.023 a GB, a full history is below 1 GB"),
    "AWS::Logs::LogGroup": Cost(0.0, "by use: 0.50 for each GB of lines, a run writes below 1 MB"),
    "AWS::ECR::Repository": Cost(0.10, "by use: 0.10 a GB of images"),
    "AWS::ECS::Service": Cost(
        (0.5 * 0.04048 + 3 * 0.004445 + 0.005) * HOURS_OF_A_MONTH,
        "Dagster's daemon and page, always on: half a vCPU, 3 GB and an IPv4 address",
    ),
    "AWS::CloudWatch::Alarm": Cost(0.0, "the first ten alarms of an account are free, then 0.10 each"),
    "AWS::Scheduler::Schedule": Cost(0.0, "by use: 0.12 for each hour its task runs, two minutes a day without news"),
    "AWS::Athena::WorkGroup": Cost(0.0, "by use: 5.00 a TB that questions read, at most 0.05 a question"),
    "AWS::Glue::Database": Cost(0.0, "by use: nothing below a million tables and requests a month"),
    "AWS::ECS::TaskDefinition": Cost(0.0, "by use: 0.12 for each hour a task runs, by the second"),
}
COPY_OF_A_GIGABYTE = 0.023
"""Dollars a month for what lies in S3 Standard; objects above 128 KiB of a copy move to a class at 0.004."""
MASTER_SECRET = Cost(0.40, "the database's master password in Secrets Manager")
PUBLIC_ADDRESS = Cost(0.005 * HOURS_OF_A_MONTH, "the database's public IPv4 address")


def cost_of(resource_type: str) -> Cost | None:
    """None for what is free."""
    return _PER_TYPE.get(resource_type)


def standing_cost(resource_types: Iterable[str], *, public_database: bool) -> float:
    """US dollars a month of the resources, whether used or not."""
    types = list(resource_types)
    total = sum(_PER_TYPE[kind].monthly for kind in types if kind in _PER_TYPE)
    if "AWS::RDS::DBInstance" in types:
        total += MASTER_SECRET.monthly + (PUBLIC_ADDRESS.monthly if public_database else 0.0)
    return total
