"""What AWS refuses because of what stands beside it: the few rules that make an order matter.

Each quotes the sentence of AWS's reference, in the copy that botocore carries; it is no second CloudFormation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Thing:
    """A resource that stands in the account."""

    kind: str
    """Its type, as CloudFormation names it."""
    physical: str
    """What AWS calls it."""
    properties: Mapping[str, Any]
    """As it was made or last changed."""
    has_objects: bool = False
    """Of a bucket, whether anything lies in it."""


Verb: TypeAlias = str
"""CREATE, UPDATE or DELETE."""
Rule: TypeAlias = Callable[[Verb, Thing, Sequence[Thing]], str | None]
"""From what is to happen to a thing, and all others that stand, to what AWS says against it."""

_GATEWAY = "AWS::EC2::VPCGatewayAttachment"
_SERVICE = "AWS::ECS::Service"
_DATABASE = "AWS::RDS::DBInstance"
_GROUP = "AWS::EC2::SecurityGroup"


@dataclass(frozen=True)
class Refusal:
    """One rule and where AWS states it."""

    service: str
    """Whose API reference, as botocore names the service."""
    page: str
    """The operation, structure or error there."""
    member: str | None
    """The entry on that page; None where the page's own text says it."""
    says: str
    """The sentence."""
    rule: Rule
    """When it applies."""


def _address_needs_gateway(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    wants = (
        verb != "DELETE" and thing.kind == _DATABASE and str(thing.properties["PubliclyAccessible"]).lower() == "true"
    )
    if wants and _is_own_network(others) and not _of(others, _GATEWAY):
        return "Cannot create a publicly accessible DBInstance. The specified VPC has no internet gateway attached."
    return None


def _task_needs_way_out(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    if verb == "DELETE" or thing.kind != _SERVICE or not _is_own_network(others):
        return None
    led = {each.properties["SubnetId"]: each.properties["RouteTableId"] for each in _of(others, _ASSOCIATION)}
    routed = {each.properties["RouteTableId"] for each in _of(others, "AWS::EC2::Route")}
    if all(led.get(subnet) in routed for subnet in _subnets(thing)):
        return None
    return "CannotPullContainerError: the task cannot reach the registry, its subnet has no route to the internet"


def _route_needs_attachment(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    gateway = thing.properties.get("GatewayId") if thing.kind == "AWS::EC2::Route" else None
    attached = {each.properties["InternetGatewayId"] for each in _of(others, _GATEWAY)}
    if verb == "CREATE" and gateway is not None and gateway not in attached:
        return f"route table and network gateway {gateway} belong to different networks"
    return None


def _attachment_under_addresses(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    addressed = [
        each
        for each in others
        if each.kind == _SERVICE
        or (each.kind == _DATABASE and str(each.properties["PubliclyAccessible"]).lower() == "true")
    ]
    if verb == "DELETE" and thing.kind == _GATEWAY and addressed:
        return f"Network {thing.properties['VpcId']} has some mapped public address(es)."
    return None


def _protected_database(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    del others
    if verb == "DELETE" and thing.kind == _DATABASE and str(thing.properties["DeletionProtection"]).lower() == "true":
        return "Cannot delete protected DB Instance, please disable deletion protection and try again."
    return None


def _bucket_with_objects(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    del others
    if verb == "DELETE" and thing.has_objects:
        return "The bucket you tried to delete is not empty."
    return None


def _policy_in_use(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    users = [each for each in others if thing.physical in each.properties.get("ManagedPolicyArns", ())]
    if verb == "DELETE" and thing.kind == "AWS::IAM::ManagedPolicy" and users:
        return "Cannot delete a policy attached to entities."
    return None


def _policy_that_is_not_there(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    there = {each.physical for each in _of(others, "AWS::IAM::ManagedPolicy")}
    missing = [arn for arn in thing.properties.get("ManagedPolicyArns", ()) if arn not in there]
    if verb != "DELETE" and thing.kind == "AWS::IAM::Role" and missing:
        return f"Policy {missing[0]} does not exist or is not attachable."
    return None


def _group_in_use(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    if verb == "DELETE" and thing.kind == _GROUP and any(_mentions(each, thing.physical) for each in others):
        return f"resource {thing.physical} has a dependent object"
    return None


def _subnet_in_use(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    users = [each for each in others if each.kind in (_SERVICE, "AWS::RDS::DBSubnetGroup")]
    if verb == "DELETE" and thing.kind == "AWS::EC2::Subnet" and any(_mentions(each, thing.physical) for each in users):
        return f"The subnet '{thing.physical}' has dependencies and cannot be deleted."
    return None


def _group_of_a_database_in_use(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    used = {
        each.properties[name]
        for each in _of(others, _DATABASE)
        for name in ("DBSubnetGroupName", "DBParameterGroupName")
    }
    if verb == "DELETE" and thing.kind.startswith("AWS::RDS::DB") and thing.physical in used:
        return f"Cannot delete {thing.physical}: at least one database instance is still using it."
    return None


def _network_with_contents(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    inside = [each for each in others if each.properties.get("VpcId") == thing.physical]
    if verb == "DELETE" and thing.kind == "AWS::EC2::VPC" and inside:
        return f"The vpc '{thing.physical}' has dependencies and cannot be deleted."
    return None


def _cluster_with_services(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    services = [each for each in _of(others, _SERVICE) if each.properties["Cluster"] == thing.physical]
    if verb == "DELETE" and thing.kind == "AWS::ECS::Cluster" and services:
        return "The Cluster cannot be deleted while Services are active."
    return None


def _log_group_that_is_there(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    if verb != "CREATE" or thing.kind != "AWS::Logs::LogGroup":
        return None
    exported = {
        f"/aws/rds/instance/{each.physical}/{log}"
        for each in _of(others, _DATABASE)
        for log in each.properties.get("EnableCloudwatchLogsExports", ())
    }
    if thing.physical in exported | {each.physical for each in _of(others, thing.kind)}:
        return f"Resource {thing.physical} already exists"
    return None


def _filter_without_log_group(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    groups = {each.physical for each in _of(others, "AWS::Logs::LogGroup")}
    if verb == "CREATE" and thing.kind == "AWS::Logs::MetricFilter" and thing.properties["LogGroupName"] not in groups:
        return "The specified log group does not exist."
    return None


def _schedule_without_group(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    groups = {each.physical for each in _of(others, "AWS::Scheduler::ScheduleGroup")}
    if verb == "CREATE" and thing.kind == "AWS::Scheduler::Schedule" and thing.properties["GroupName"] not in groups:
        return f"Schedule group {thing.properties['GroupName']} does not exist."
    return None


_ASSOCIATION = "AWS::EC2::SubnetRouteTableAssociation"

REFUSALS = (
    Refusal(
        "rds",
        "CreateDBInstanceMessage",
        "PubliclyAccessible",
        "doesn't have an internet gateway attached to it, Amazon RDS returns an error",
        _address_needs_gateway,
    ),
    Refusal(
        "ecs",
        "AwsVpcConfiguration",
        "assignPublicIp",
        "Whether the task's elastic network interface receives a public IP address",
        _task_needs_way_out,
    ),
    Refusal(
        "ec2",
        "CreateRouteRequest",
        "GatewayId",
        "The ID of an internet gateway or virtual private gateway attached to your VPC",
        _route_needs_attachment,
    ),
    Refusal(
        "ec2",
        "DetachInternetGateway",
        None,
        "must not contain any running instances with Elastic IP addresses or public IPv4 addresses",
        _attachment_under_addresses,
    ),
    Refusal(
        "rds",
        "CreateDBInstanceMessage",
        "DeletionProtection",
        "The database can't be deleted when deletion protection is enabled",
        _protected_database,
    ),
    Refusal(
        "s3",
        "DeleteBucket",
        None,
        "All objects (including all object versions and delete markers) in the bucket must be deleted before",
        _bucket_with_objects,
    ),
    Refusal(
        "iam",
        "DeletePolicy",
        None,
        "you must first detach the policy from all users, groups, and roles that it is attached to",
        _policy_in_use,
    ),
    Refusal(
        "iam",
        "NoSuchEntityException",
        None,
        "it referenced a resource entity that does not exist",
        _policy_that_is_not_there,
    ),
    Refusal(
        "ec2",
        "DeleteSecurityGroup",
        None,
        "is referenced by another security group in the same VPC",
        _group_in_use,
    ),
    Refusal("ec2", "DeleteSubnet", None, "You must terminate all running instances in the subnet", _subnet_in_use),
    Refusal(
        "rds",
        "DeleteDBSubnetGroup",
        None,
        "must not be associated with any DB instances",
        _group_of_a_database_in_use,
    ),
    Refusal(
        "ec2",
        "DeleteVpc",
        None,
        "You must detach or delete all gateways and resources that are associated with the VPC",
        _network_with_contents,
    ),
    Refusal(
        "ecs",
        "ClusterContainsServicesException",
        None,
        "You can't delete a cluster that contains services",
        _cluster_with_services,
    ),
    Refusal(
        "logs",
        "CreateLogGroup",
        None,
        "Log group names must be unique within a Region for an Amazon Web Services account",
        _log_group_that_is_there,
    ),
    Refusal(
        "logs",
        "ResourceNotFoundException",
        None,
        "The specified resource does not exist",
        _filter_without_log_group,
    ),
    Refusal(
        "scheduler",
        "ResourceNotFoundException",
        None,
        "references a resource which does not exist",
        _schedule_without_group,
    ),
)
"""All rules."""


def refused(verb: Verb, thing: Thing, others: Sequence[Thing]) -> str | None:
    """What AWS says against it; None where it is done."""
    return next((said for each in REFUSALS if (said := each.rule(verb, thing, others)) is not None), None)


def _of(things: Sequence[Thing], kind: str) -> list[Thing]:
    return [each for each in things if each.kind == kind]


def _is_own_network(things: Sequence[Thing]) -> bool:
    """One that somebody brought has its gateway."""
    return bool(_of(things, "AWS::EC2::VPC"))


def _subnets(service: Thing) -> list[str]:
    found: list[str] = service.properties["NetworkConfiguration"]["AwsvpcConfiguration"]["Subnets"]
    return found


def _mentions(thing: Thing, physical: str) -> bool:
    return f"'{physical}'" in repr(thing.properties)
