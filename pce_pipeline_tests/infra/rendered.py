"""The template as CloudFormation would see it with given parameters: conditions applied, functions evaluated.

Names and addresses that only AWS knows are made up in AWS's own form, so that policies can be evaluated on them.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from itertools import product
from typing import Any

import yaml

from infra.provisioning.command import TEMPLATE

ACCOUNT, REGION = "111122223333", "us-east-1"

_REQUIRED = {"GitHubRepository": "octo@1/pce@2", "AlertEmail": "ops@example.org"}
_NAMED_BY = {
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::IAM::Role": "RoleName",
    "AWS::RDS::DBInstance": "DBInstanceIdentifier",
    "AWS::ECS::Cluster": "ClusterName",
    "AWS::Scheduler::ScheduleGroup": "Name",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::Athena::WorkGroup": "Name",
}
_NUMBERED = {
    "AWS::EC2::VPC": "vpc",
    "AWS::EC2::Subnet": "subnet",
    "AWS::EC2::SecurityGroup": "sg",
    "AWS::EC2::RouteTable": "rtb",
    "AWS::EC2::InternetGateway": "igw",
    "AWS::EC2::VPCEndpoint": "vpce",
}
"""What the ids of these begin with; AWS continues them with 17 hexadecimal digits."""
_ABSENT = object()

_BROUGHT_NETWORK = {
    "VpcId": "vpc-0a1b2c3d",
    "DatabaseSubnetIds": "subnet-0a1b2c3d,subnet-1a1b2c3d",
    "TaskSubnetIds": "subnet-2a1b2c3d",
}
_PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
_ADMINISTRATORS = f"arn:aws:iam::{ACCOUNT}:user/alice,arn:aws:iam::{ACCOUNT}:user/bob"
_CHOICES: tuple[tuple[Mapping[str, str], ...], ...] = (
    (
        {"DatabaseReach": "runner"},
        {"DatabaseReach": "private"},
        {"DatabaseReach": "private", "DagsterService": "yes"},
        {"DatabaseReach": "private", "DailyTask": "yes", "HeartbeatHeard": "yes"},
    ),
    (
        {},
        {"BucketName": "my-lake"},
        {"CopyBucketName": "my-copy"},
        {"BucketName": "my-lake", "CopyBucketName": "my-copy"},
    ),
    ({}, _BROUGHT_NETWORK, {**_BROUGHT_NETWORK, "RouteTableIds": "rtb-0a1b2c3d,rtb-1a1b2c3d"}),
    ({}, {"OidcProviderArn": _PROVIDER}),
    ({}, {"MasterSecretReadable": "no"}),
    # which of these two go together is no matter: nothing of the one depends on the other
    ({}, {"PostgresMajor": "18", "RestoreAdministrators": _ADMINISTRATORS}),
)
"""The ways to answer each question that the template's conditions ask."""


@cache
def parsed(text: str) -> dict[str, Any]:
    """A template's YAML, short functions in their long form; shared, not to be changed."""

    class Loader(yaml.SafeLoader):
        pass

    def function(loader: Any, suffix: str, node: Any) -> dict[str, Any]:
        if isinstance(node, yaml.ScalarNode):
            value = loader.construct_scalar(node)
            if suffix == "GetAtt":
                value = value.split(".", 1)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}

    Loader.add_multi_constructor("!", function)
    loaded: dict[str, Any] = yaml.load(text, Loader)
    return loaded


def _several(value: str | list[str]) -> set[str]:
    return {value} if isinstance(value, str) else set(value)


class UnfitParameter(ValueError):
    """A value that CloudFormation refuses before it creates anything."""


def combinations() -> Iterator["Rendered"]:
    """Both environments with every combination of answers that changes what there is."""
    for environment in ("staging", "prod"):
        for chosen in product(*_CHOICES):
            yield Rendered(environment, **{name: value for each in chosen for name, value in each.items()})


class Rendered:
    """One environment's template with its parameters applied.

    `resources` are those whose condition holds, `needs` what each of them refers to in its properties and metadata.
    """

    def __init__(self, environment: str = "staging", template: str | None = None, **parameters: str) -> None:
        self.template = parsed(template if template is not None else TEMPLATE.read_text("utf-8"))
        defaults = {
            name: str(each["Default"]) for name, each in self.template["Parameters"].items() if "Default" in each
        }
        self.parameters = {**defaults, **_REQUIRED, "Environment": environment, **parameters}
        self.environment = environment
        self._referred: set[str] = set()
        self._check_parameters()
        self.resources: dict[str, dict[str, Any]] = {}
        self.needs: dict[str, frozenset[str]] = {}
        for name, each in self.template["Resources"].items():
            if self._holds(each.get("Condition")):
                self._referred = set()
                properties, _ = self._value(each.get("Properties", {})), self._value(each.get("Metadata", {}))
                self.resources[name] = {**each, "Properties": properties}
                self.needs[name] = frozenset(self._referred | _several(each.get("DependsOn", [])))
        for name, needed in self.needs.items():
            if not needed <= self.resources.keys():
                raise UnfitParameter(
                    f"Unresolved resource dependencies {sorted(needed - self.resources.keys())} of {name}"
                )
        self.outputs = {
            name: self._value(each["Value"])
            for name, each in self.template["Outputs"].items()
            if self._holds(each.get("Condition"))
        }

    def _check_parameters(self) -> None:
        """Raises `UnfitParameter` for a value that its declaration excludes; of a list every item must fit."""
        for name, declared in self.template["Parameters"].items():
            given = self.parameters[name]
            items = given.split(",") if declared["Type"] == "CommaDelimitedList" else [given]
            fits = {
                "AllowedValues": lambda item, values: item in values,
                "AllowedPattern": lambda item, pattern: re.fullmatch(pattern, item) is not None,
                "MinValue": lambda item, least: float(item) >= least,
                "MaxLength": lambda item, most: len(item) <= most,
            }
            for keyword, holds in fits.items():
                if keyword in declared and not all(holds(item, declared[keyword]) for item in items):
                    raise UnfitParameter(f"Parameter {name} failed to satisfy constraint: {keyword}")

    def properties(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.resources[name]["Properties"]
        return found

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        return {name: each["Properties"] for name, each in self.resources.items() if each["Type"] == kind}

    def physical(self, name: str) -> str:
        """What `Ref` gives."""
        kind = self.template["Resources"][name]["Type"]
        own = self.template["Resources"][name].get("Properties", {})
        env, lower, here = self.environment, name.lower(), f"{REGION}:{ACCOUNT}"
        if kind in _NAMED_BY:
            return str(self._value(own[_NAMED_BY[kind]]))
        made_up = {
            "AWS::S3::Bucket": f"pce-{env}-{lower}-1x2y3z",
            "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/pce-{env}-{name}-1X2Y3Z",
            "AWS::IAM::OIDCProvider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com",
            "AWS::SNS::Topic": f"arn:aws:sns:{here}:pce-{env}-alerts",
            "AWS::Glue::Database": f"pce_{env}",
            "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{here}:secret:{name}-{env}-a1b2c3",
            "AWS::ECS::TaskDefinition": f"arn:aws:ecs:{here}:task-definition/{self._value(own.get('Family'))}:1",
        }
        if kind in _NUMBERED:
            return f"{_NUMBERED[kind]}-{sha256(f'{env}-{name}'.encode()).hexdigest()[:17]}"
        return made_up.get(kind, f"{env}-{lower}")

    def attribute(self, name: str, attribute: str) -> str:
        """What `GetAtt` gives."""
        self._referred.add(name)
        return self._attributes(name)[self.template["Resources"][name]["Type"], attribute]

    def attributes(self, name: str) -> list[str]:
        """All that `GetAtt` can give of a resource."""
        own = self.template["Resources"][name]["Type"]
        return [value for (kind, _), value in self._attributes(name).items() if kind == own]

    def _attributes(self, name: str) -> dict[tuple[str, str], str]:
        env, here = self.environment, f"{REGION}:{ACCOUNT}"
        return {
            ("AWS::S3::Bucket", "Arn"): f"arn:aws:s3:::{self.physical(name)}",
            ("AWS::IAM::Role", "Arn"): f"arn:aws:iam::{ACCOUNT}:role/{self.physical(name)}",
            ("AWS::Scheduler::ScheduleGroup", "Arn"): f"arn:aws:scheduler:{here}:schedule-group/{self.physical(name)}",
            ("AWS::ECS::Cluster", "Arn"): f"arn:aws:ecs:{here}:cluster/{self.physical(name)}",
            ("AWS::ECR::Repository", "Arn"): f"arn:aws:ecr:{here}:repository/pce-{env}",
            ("AWS::ECR::Repository", "RepositoryUri"): f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/pce-{env}",
            ("AWS::RDS::DBInstance", "DbiResourceId"): f"db-{env.upper()}",
            ("AWS::RDS::DBInstance", "Endpoint.Address"): f"pce-{env}.abc.{REGION}.rds.amazonaws.com",
            ("AWS::RDS::DBInstance", "Endpoint.Port"): "5432",
            ("AWS::RDS::DBInstance", "MasterUserSecret.SecretArn"): (
                f"arn:aws:secretsmanager:{here}:secret:rds!db-{env}-a1b2c3"
            ),
        }

    def _holds(self, condition: str | None) -> bool:
        return condition is None or bool(self._value(self.template["Conditions"][condition]))

    def _value(self, value: Any) -> Any:
        """The value with every function evaluated; what is `NoValue` vanishes from lists and mappings."""
        if isinstance(value, list):
            return [each for each in map(self._value, value) if each is not _ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument), *_ = value.items()
            if function in ("Ref", "Condition") or function.startswith("Fn::"):
                return self._called(function, argument)
        evaluated = {key: self._value(each) for key, each in value.items()}
        return {key: each for key, each in evaluated.items() if each is not _ABSENT}

    def _called(self, function: str, argument: Any) -> Any:
        calls: dict[str, Callable[[Any], Any]] = {
            "Ref": self._reference,
            "Condition": self._holds,
            "Fn::GetAtt": lambda path: self.attribute(*path),
            "Fn::Sub": self._substituted,
            "Fn::If": lambda parts: self._value(parts[1 if self._holds(parts[0]) else 2]),
            "Fn::Equals": lambda pair: self._value(pair[0]) == self._value(pair[1]),
            "Fn::And": lambda several: all(map(self._value, several)),
            "Fn::Or": lambda several: any(map(self._value, several)),
            "Fn::Not": lambda one: not self._value(one[0]),
            "Fn::Join": lambda parts: parts[0].join(map(str, self._value(parts[1]))),
            "Fn::Split": lambda parts: str(self._value(parts[1])).split(parts[0]),
            "Fn::Select": lambda parts: self._value(parts[1])[int(parts[0])],
            "Fn::GetAZs": lambda _: [f"{REGION}{letter}" for letter in "abc"],
            "Fn::FindInMap": self._mapped,
        }
        return calls[function](argument)

    def _mapped(self, path: Sequence[Any]) -> Any:
        first, second, third = map(self._value, path)
        return self.template["Mappings"][first][second][third]

    def _reference(self, name: str) -> Any:
        pseudo = {
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::NoValue": _ABSENT,
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.template["Parameters"]:
            given = self.parameters[name]
            is_list = self.template["Parameters"][name]["Type"] == "CommaDelimitedList"
            return given.split(",") if is_list else given
        self._referred.add(name)
        return self.physical(name)

    def _substituted(self, argument: Any) -> str:
        text, names = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])
        local: Mapping[str, str] = {name: self._value(each) for name, each in names.items()}

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name in local:
                return str(local[name])
            if "." in name:
                return self.attribute(*name.split(".", 1))
            return str(self._reference(name))

        return re.sub(r"\$\{([^!}]+)\}", one, text)
