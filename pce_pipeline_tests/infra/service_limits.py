"""What AWS's services accept as a value, from three sources, for the template as rendered.

The resource schemas inside cfn-lint and botocore's shapes say it for machines. A table says what AWS states in prose
alone; its words are quoted from the documentation that botocore carries, so that a change of them is noticed.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from html import unescape
from typing import Any, TypeAlias

import regex
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.session import get_session
from cfnlint.schema.manager import ProviderSchemaManager
from jsonschema import Draft7Validator, ValidationError, validators

from pce_pipeline_tests.infra.rendered import REGION, Rendered, combinations

Path: TypeAlias = tuple[str, ...]
"""Where a value stands in a resource's properties; `*` is any item of a list."""

_LARGEST_OF_POLICIES = {
    ("AWS::IAM::ManagedPolicy", "PolicyDocument"): 6_144,
    ("AWS::IAM::Role", "AssumeRolePolicyDocument"): 2_048,
    ("AWS::IAM::Role", "Policies"): 10_240,
    ("AWS::S3::BucketPolicy", "PolicyDocument"): 20_480,
    ("AWS::EC2::VPCEndpoint", "PolicyDocument"): 20_480,
}
"""Characters without white space. IAM and AWS STS quotas; Bucket policies; Gateway endpoints: endpoint policies."""

_EC2_TEXT = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=;{}!$*]{0,255}"
_ECS_NAME = r"[a-zA-Z0-9_-]{1,255}"
_ECS_SAYS = "Up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed"
_TAG = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_DAY = r"(mon|tue|wed|thu|fri|sat|sun)"


@dataclass(frozen=True)
class Prose:
    """A limit that AWS states in words only."""

    kind: str
    """The resource's type."""
    path: Path
    """Where in its properties."""
    pattern: str
    """What the value must match as a whole."""
    service: str
    """Whose API reference states it, as botocore names the service."""
    shape: str
    """The page of that reference."""
    member: str
    """The entry on that page."""
    says: str
    """What it says there; white space and markup left out."""

    @property
    def page(self) -> str:
        """The title of AWS's page."""
        return f"{self.service.upper()} API Reference, {self.shape}: {self.member}"


_RULE = "Allowed characters are a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=;{}!$*"
PROSE = (
    Prose(
        "AWS::EC2::SecurityGroupIngress", ("Description",), _EC2_TEXT, "ec2", "UserIdGroupPair", "Description", _RULE
    ),
    Prose(
        "AWS::EC2::SecurityGroup", ("SecurityGroupEgress", "*", "Description"), _EC2_TEXT,
        "ec2", "UserIdGroupPair", "Description", _RULE,
    ),
    Prose(
        "AWS::EC2::SecurityGroup", ("GroupDescription",), _EC2_TEXT,
        "ec2", "CreateSecurityGroupRequest", "Description",
        "Valid characters: a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*",
    ),
    *(
        Prose(kind, ("Tags", "*", "Value"), r".{0,256}", "ec2", "Tag", "Value", "a maximum of 256 Unicode characters")
        for kind in ("AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::SecurityGroup")
    ),
    *(
        Prose(kind, ("Tags", "*", "Key"), r"(?!aws:).{1,127}", "ec2", "Tag", "Key", "May not begin with aws:")
        for kind in ("AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::SecurityGroup")
    ),
    Prose("AWS::ECS::Cluster", ("ClusterName",), _ECS_NAME, "ecs", "CreateClusterRequest", "clusterName", _ECS_SAYS),
    Prose("AWS::ECS::Service", ("ServiceName",), _ECS_NAME, "ecs", "CreateServiceRequest", "serviceName", _ECS_SAYS),
    Prose(
        "AWS::ECS::TaskDefinition", ("Family",), _ECS_NAME, "ecs", "RegisterTaskDefinitionRequest", "family", _ECS_SAYS
    ),
    Prose(
        "AWS::ECS::TaskDefinition", ("ContainerDefinitions", "*", "Name"), _ECS_NAME,
        "ecs", "ContainerDefinition", "name", _ECS_SAYS,
    ),
    Prose(
        "AWS::ECS::TaskDefinition", ("Cpu",), "256|512|1024|2048|4096|8192|16384",
        "ecs", "RegisterTaskDefinitionRequest", "cpu", "This field is required for Fargate",
    ),
    Prose(
        "AWS::ECS::TaskDefinition", ("Memory",), r"512|[1-9][0-9]{3,5}",
        "ecs", "RegisterTaskDefinitionRequest", "memory",
        "If using the Fargate launch type, this field is required and you must use one of the following values",
    ),
    Prose(
        "AWS::ECS::TaskDefinition", ("ContainerDefinitions", "*", "LogConfiguration", "Options", "mode"),
        "blocking|non-blocking", "ecs", "LogConfiguration", "options", "Valid values: non-blocking | blocking",
    ),
    Prose(
        "AWS::ECS::TaskDefinition", ("ContainerDefinitions", "*", "LogConfiguration", "LogDriver"),
        "awslogs|splunk|awsfirelens", "ecs", "LogConfiguration", "logDriver",
        "For tasks on Fargate, the supported log drivers are awslogs, splunk, and awsfirelens",
    ),
    Prose(
        "AWS::ECS::TaskDefinition", ("ContainerDefinitions", "*", "Secrets", "*", "ValueFrom"),
        r"arn:aws[a-z-]*:(secretsmanager|ssm):.+", "ecs", "Secret", "valueFrom",
        "either the full ARN of the Secrets Manager secret or the full ARN of the parameter in the SSM Parameter Store",
    ),
    *(
        Prose(kind, path, "tcp|udp|icmp|icmpv6|-1", "ec2", "IpPermission", "IpProtocol", "-1 to specify all protocols")
        for kind, path in (
            ("AWS::EC2::SecurityGroupIngress", ("IpProtocol",)),
            ("AWS::EC2::SecurityGroup", ("SecurityGroupEgress", "*", "IpProtocol")),
        )
    ),
    Prose(
        "AWS::RDS::DBInstance", ("EnableCloudwatchLogsExports", "*"), "postgresql|upgrade|iam-db-auth-error",
        "rds", "CreateDBInstanceMessage", "EnableCloudwatchLogsExports",
        "RDS for PostgreSQL - postgresql | upgrade | iam-db-auth-error",
    ),
    Prose(
        "AWS::RDS::DBInstance", ("Engine",), "postgres", "rds", "CreateDBInstanceMessage", "Engine",
        "Not every database engine is available in every Amazon Web Services Region",
    ),
    Prose(
        "AWS::RDS::DBInstance", ("DBInstanceIdentifier",), r"(?!.*--)[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?",
        "rds", "CreateDBInstanceMessage", "DBInstanceIdentifier",
        "Can't end with a hyphen or contain two consecutive hyphens",
    ),
    Prose(
        "AWS::RDS::DBInstance", ("MasterUsername",), r"(?!(admin|postgres|rdsadmin|user)$)[a-zA-Z][a-zA-Z0-9_]{0,15}",
        "rds", "CreateDBInstanceMessage", "MasterUsername", "Must be 1 to 16 letters, numbers, or underscores",
    ),
    Prose(
        "AWS::RDS::DBInstance", ("DBName",), r"(?!(postgres|database|user|default)$)[a-zA-Z][a-zA-Z0-9_]{0,62}",
        "rds", "CreateDBInstanceMessage", "DBName", "Subsequent characters can be letters, underscores, or digits",
    ),
    Prose(
        "AWS::RDS::DBInstance", ("BackupRetentionPeriod",), r"\d|[12]\d|3[0-5]",
        "rds", "CreateDBInstanceMessage", "BackupRetentionPeriod", "Must be a value from 0 to 35",
    ),
    Prose(
        "AWS::RDS::DBInstance", ("PreferredBackupWindow",), f"{_CLOCK}-{_CLOCK}",
        "rds", "CreateDBInstanceMessage", "PreferredBackupWindow", "Must be in the format hh24:mi-hh24:mi",
    ),
    Prose(
        "AWS::RDS::DBInstance", ("PreferredMaintenanceWindow",), f"{_DAY}:{_CLOCK}-{_DAY}:{_CLOCK}",
        "rds", "CreateDBInstanceMessage", "PreferredMaintenanceWindow", "must be mon | tue | wed | thu | fri | sat",
    ),
    Prose(
        "AWS::RDS::DBInstance", ("StorageType",), "gp2|gp3|io1|io2|standard",
        "rds", "CreateDBInstanceMessage", "StorageType", "Valid Values: gp2 | gp3 | io1 | io2 | standard",
    ),
    Prose(
        "AWS::Glue::Database", ("DatabaseInput", "Name"), r"[a-z0-9_]{1,255}", "glue", "DatabaseInput", "Name",
        "For Hive compatibility, this is folded to lowercase when it is stored",
    ),
    Prose(
        "AWS::SNS::Topic", ("TopicName",), r"[a-zA-Z0-9_-]{1,256}", "sns", "CreateTopicInput", "Name",
        "made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens",
    ),
    Prose(
        "AWS::SNS::Subscription", ("Protocol",), "email|https|sqs|lambda", "sns", "SubscribeInput", "Protocol",
        "delivery of message via SMTP",
    ),
    Prose(
        "AWS::SNS::Subscription", ("Endpoint",), r"[^@\s]+@[^@\s]+\.[^@\s]+", "sns", "SubscribeInput", "Endpoint",
        "For the email protocol, the endpoint is an email address",
    ),
)  # fmt: skip
"""The prose of AWS's API references."""

UNLIMITED: Mapping[tuple[str, str], str] = {
    ("AWS::Athena::WorkGroup", "WorkGroupConfiguration/EngineVersion/SelectedEngineVersion"): "AWS's own name of it",
    ("AWS::Athena::WorkGroup", "WorkGroupConfiguration/ResultConfiguration/ExpectedBucketOwner"): "the account",
    ("AWS::Athena::WorkGroup", "WorkGroupConfiguration/ResultConfiguration/OutputLocation"): "the bucket and a key",
    ("AWS::EC2::Subnet", "AvailabilityZone"): "the region's own names",
    ("AWS::EC2::VPCEndpoint", "ServiceName"): "AWS's own name of S3",
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions/*/Command/*"): "a shell's words",
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions/*/Environment/*/Name"): "names of variables, tested elsewhere",
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions/*/Environment/*/Value"): "any text",
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions/*/Image"): "the repository's address and a tag",
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions/*/LogConfiguration/Options/awslogs-group"): "a name of ours",
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions/*/LogConfiguration/Options/awslogs-region"): "the region",
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions/*/LogConfiguration/Options/awslogs-stream-prefix"): "any word",
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions/*/LogConfiguration/Options/max-buffer-size"): "a size",
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions/*/Secrets/*/Name"): "names of variables, tested elsewhere",
    ("AWS::IAM::Role", "Policies/*/PolicyName"): "one word of ours",
    ("AWS::RDS::DBInstance", "DBInstanceClass"): "what a region offers, which cfn-lint knows",
    ("AWS::RDS::DBInstance", "EngineVersion"): "what a region offers, which cfn-lint knows",
    ("AWS::RDS::DBParameterGroup", "Description"): "any text",
    ("AWS::RDS::DBParameterGroup", "Family"): "follows the engine's version, tested elsewhere",
    ("AWS::RDS::DBParameterGroup", "Parameters/log_min_duration_statement"): "a setting of Postgres",
    ("AWS::RDS::DBParameterGroup", "Parameters/rds.force_ssl"): "a setting of Postgres",
    ("AWS::RDS::DBParameterGroup", "Parameters/temp_file_limit"): "a setting of Postgres",
    ("AWS::RDS::DBSubnetGroup", "DBSubnetGroupDescription"): "any text",
    ("AWS::S3::Bucket", "LifecycleConfiguration/Rules/*/Prefix"): "the lake's keys",
    ("AWS::S3::Bucket", "LoggingConfiguration/LogFilePrefix"): "a key",
    ("AWS::S3::Bucket", "ReplicationConfiguration/Rules/*/Destination/Bucket"): "a person's bucket, which S3 looks at",
    ("AWS::S3::Bucket", "ReplicationConfiguration/Rules/*/Filter/Prefix"): "the lake's keys",
    ("AWS::SNS::Topic", "DisplayName"): "two short words",
}
"""What no source limits, with why that is no matter. Ids and names that other resources give are not listed."""

TAGS_OF_A_STACK = Prose(
    "AWS::CloudFormation::Stack", ("Tags", "*", "Value"), _TAG, "rds", "Tag", "Value",
    "can only contain only the set of Unicode letters, digits, white-space, '_', '.', ':', '/', '=', '+', '-', '@'",
)  # fmt: skip
"""CloudFormation hands a stack's tags on to what it makes, of which RDS is the most particular."""

_CALLS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "AWS::Athena::WorkGroup": (("athena", "CreateWorkGroup"),),
    "AWS::Budgets::Budget": (("budgets", "CreateBudget"),),
    "AWS::CloudWatch::Alarm": (("cloudwatch", "PutMetricAlarm"),),
    "AWS::EC2::VPC": (("ec2", "CreateVpc"),),
    "AWS::EC2::Subnet": (("ec2", "CreateSubnet"),),
    "AWS::EC2::VPCEndpoint": (("ec2", "CreateVpcEndpoint"),),
    "AWS::ECR::Repository": (("ecr", "CreateRepository"),),
    "AWS::ECS::Cluster": (("ecs", "CreateCluster"),),
    "AWS::ECS::Service": (("ecs", "CreateService"),),
    "AWS::ECS::TaskDefinition": (("ecs", "RegisterTaskDefinition"),),
    "AWS::Glue::Database": (("glue", "CreateDatabase"),),
    "AWS::IAM::ManagedPolicy": (("iam", "CreatePolicy"),),
    "AWS::IAM::OIDCProvider": (("iam", "CreateOpenIDConnectProvider"),),
    "AWS::IAM::Role": (("iam", "CreateRole"),),
    "AWS::Logs::LogGroup": (("logs", "CreateLogGroup"),),
    "AWS::Logs::MetricFilter": (("logs", "PutMetricFilter"),),
    "AWS::RDS::DBInstance": (("rds", "CreateDBInstance"),),
    "AWS::RDS::DBParameterGroup": (("rds", "CreateDBParameterGroup"),),
    "AWS::RDS::DBSubnetGroup": (("rds", "CreateDBSubnetGroup"),),
    "AWS::S3::Bucket": (
        ("s3", "PutBucketLifecycleConfiguration"),
        ("s3", "PutBucketVersioning"),
        ("s3", "PutBucketReplication"),
        ("s3", "PutObjectLockConfiguration"),
        ("s3", "PutBucketOwnershipControls"),
        ("s3", "PutPublicAccessBlock"),
    ),
    "AWS::Scheduler::Schedule": (("scheduler", "CreateSchedule"),),
    "AWS::Scheduler::ScheduleGroup": (("scheduler", "CreateScheduleGroup"),),
    "AWS::SecretsManager::Secret": (("secretsmanager", "CreateSecret"),),
}
"""The calls that a resource's properties end up in; their names agree but for capitals."""


@cache
def resources() -> tuple[tuple[str, str, Mapping[str, Any]], ...]:
    """Each resource as it can become, of all combinations of parameters: name, type, properties; alike ones once."""
    found: dict[str, tuple[str, str, Mapping[str, Any]]] = {}
    for rendered in combinations():
        for one in resources_of(rendered):
            found.setdefault(json.dumps(one, sort_keys=True), one)
    return tuple(found.values())


def resources_of(rendered: Rendered) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Name, type and properties of each resource."""
    for name, each in rendered.resources.items():
        yield name, each["Type"], each["Properties"]


def leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """All single values below, with their places; numbers and truth values as CloudFormation writes them."""
    match value:
        case dict():
            for key, each in value.items():
                yield from leaves(each, (*path, key))
        case list():
            for each in value:
                yield from leaves(each, (*path, "*"))
        case bool():
            yield path, str(value).lower()
        case _:
            yield path, str(value)


def faults(kind: str, properties: Mapping[str, Any]) -> list[str]:
    """What any of the three sources has against a resource, in words."""
    return [
        *_against_schema(kind, properties),
        *_against_botocore(kind, properties),
        *_against_prose(kind, properties),
        *_against_sizes(kind, properties),
    ]


def _against_schema(kind: str, properties: Mapping[str, Any]) -> Iterator[str]:
    validator = _Lenient(_schema(kind))
    for error in validator.iter_errors(properties):
        yield f"cfn-lint's schema, {'/'.join(map(str, error.absolute_path))}: {error.message}"


@cache
def _manager() -> ProviderSchemaManager:
    return ProviderSchemaManager()


@cache
def _schema(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = _manager().get_resource_schema(REGION, kind).schema
    return found


def _is_integer(_: object, value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and re.fullmatch(r"-?\d+", value) is not None)


def _is_number(_: object, value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and re.fullmatch(r"-?[\d.]+", value) is not None)


def _matches(_: object, pattern: str, value: object, __: object) -> Iterator[ValidationError]:
    if isinstance(value, str | int | float) and regex.search(pattern, str(value)) is None:
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _is_one_of(_: object, allowed: list[object], value: object, __: object) -> Iterator[ValidationError]:
    if str(value).lower() not in {str(each).lower() for each in allowed}:
        yield ValidationError(f"{value!r} is not one of {allowed!r}")


def _within(keyword: str) -> Callable[[object, float, object, object], Iterator[ValidationError]]:
    def check(_: object, limit: float, value: object, __: object) -> Iterator[ValidationError]:
        if _is_number(None, value) and not isinstance(value, bool):
            number = float(str(value))
            if number < limit if keyword == "minimum" else number > limit:
                yield ValidationError(f"{value!r} is beyond the {keyword} of {limit}")

    return check


_Lenient: Any = validators.extend(
    Draft7Validator,
    validators={
        "pattern": _matches,
        "enum": _is_one_of,
        "minimum": _within("minimum"),
        "maximum": _within("maximum"),
    },
    type_checker=Draft7Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": _is_integer,
            "number": _is_number,
            "boolean": lambda _, value: isinstance(value, bool) or value in ("true", "false"),
            "string": lambda _, value: isinstance(value, str | int | float),
        }
    ),
)
"""A validator that takes "7" for a number and 7 for a text, as CloudFormation does."""


def _against_botocore(kind: str, properties: Mapping[str, Any]) -> Iterator[str]:
    for path, value in leaves(properties):
        for shape in _shapes(kind, path):
            meta = shape.metadata
            enum, least, most, pattern = (meta.get(name) for name in ("enum", "min", "max", "pattern"))
            if enum and value not in enum:
                yield f"botocore's enum, {'/'.join(path)}: {value!r} is not one of {enum}"
            if isinstance(shape, StringShape) and not (least or 0) <= len(value) <= (most or 1 << 31):
                yield f"botocore's length, {'/'.join(path)}: {value!r} has not {least} to {most} characters"
            if pattern and regex.fullmatch(_python(pattern), value) is None:
                yield f"botocore's pattern, {'/'.join(path)}: {value!r} does not match {pattern!r}"


def _python(pattern: str) -> str:
    """A pattern of Java's in Python's spelling."""
    beyond = re.escape(r"\uD800\uDC00-\uDBFF\uDFFF")  # pairs of surrogates: all that is beyond 16 bits
    return re.sub(beyond, lambda _: r"\U00010000-\U0010FFFF", pattern)


def _shapes(kind: str, path: Path) -> list[Shape]:
    found = []
    for service, operation in _CALLS.get(kind, ()):
        shape: Shape | None = _model(service).operation_model(operation).input_shape
        for step in path:
            shape = _below(shape, step)
        if shape is not None:
            found.append(shape)
    return found


def _below(shape: Shape | None, step: str) -> Shape | None:
    match shape:
        case StructureShape():
            if len(shape.members) == 1 and step.lower() not in {each.lower() for each in shape.members}:
                (only,) = shape.members.values()  # a wrapper of the wire format
                return _below(only, step) if isinstance(only, StructureShape) else None
            return next((each for name, each in shape.members.items() if name.lower() == step.lower()), None)
        case ListShape() if step == "*":
            return shape.member
        case MapShape():
            return shape.value
        case _:
            return None


@cache
def _session() -> Any:
    return get_session()


@cache
def _model(service: str) -> Any:
    return _session().get_service_model(service)


def _against_prose(kind: str, properties: Mapping[str, Any]) -> Iterator[str]:
    for path, value in leaves(properties):
        for prose in PROSE:
            if (prose.kind, prose.path) == (kind, path) and regex.fullmatch(prose.pattern, value) is None:
                yield f"{prose.page}, {'/'.join(path)}: {value!r} is not what it allows ({prose.says})"


def _against_sizes(kind: str, properties: Mapping[str, Any]) -> Iterator[str]:
    for (of, name), largest in _LARGEST_OF_POLICIES.items():
        if of == kind and name in properties:
            size = len(json.dumps(properties[name], separators=(",", ":")).replace(" ", ""))
            if size > largest:
                yield f"{name} has {size} characters, and {largest} are allowed"
    for path, value in leaves(properties):
        if path[-1:] == ("Sid",) and not re.fullmatch("[A-Za-z0-9]*", value):
            yield f"{'/'.join(path)}: {value!r} is not made of letters and digits only"


def is_limited(kind: str, path: Path) -> bool:
    """Whether any of the sources says something about the values at this place."""
    if any((prose.kind, prose.path) == (kind, path) for prose in PROSE):
        return True
    if any(set(shape.metadata) & {"enum", "min", "max", "pattern"} for shape in _shapes(kind, path)):
        return True
    limiting = {"pattern", "enum", "const", "maxLength", "minLength", "format"}
    return any(
        limiting & each.keys() or each.get("type") in ("integer", "boolean", "number")
        for each in _subschemas(_schema(kind), _schema(kind), path)
    )


def _subschemas(schema: Mapping[str, Any], root: Mapping[str, Any], path: Path) -> list[Mapping[str, Any]]:
    """All parts of a schema that speak of one place."""
    here: list[Mapping[str, Any]] = []
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        here.append(each)
        waiting += [one for word in ("allOf", "anyOf", "oneOf") for one in each.get(word, ()) if isinstance(one, dict)]
        if "$ref" in each:
            target: Any = root
            for step in each["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            waiting.append(target)
    if not path:
        return here
    step, rest = path[0], path[1:]
    below = []
    for each in here:
        if step == "*":
            below += [each["items"]] if isinstance(each.get("items"), dict) else []
        else:
            below += [each["properties"][step]] if step in each.get("properties", {}) else []
    return [found for each in below for found in _subschemas(each, root, rest)]


def given_by_others() -> frozenset[str]:
    """The names, ids and addresses that resources refer to each other by: AWS's own, or limited where they are set."""
    return frozenset(
        value
        for rendered in combinations()
        for name in rendered.resources
        for value in (rendered.physical(name), *rendered.attributes(name))
    )


def documented(service: str, shape: str, member: str) -> str:
    """What botocore's copy of AWS's reference says of a member, without markup and line breaks."""
    return _plain(_model(service).shape_for(shape).members[member].documentation)


def documented_page(service: str, name: str) -> str:
    """What it says of an operation or of an error as a whole."""
    model = _model(service)
    page = model.operation_model(name) if name in model.operation_names else model.shape_for(name)
    return _plain(page.documentation)


def _plain(told: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", told)).split())
