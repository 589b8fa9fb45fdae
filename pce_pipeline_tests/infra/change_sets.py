"""What CloudFormation's change sets say of two versions of a template, in CloudFormation's form."""

import json
from collections.abc import Mapping
from typing import Any

from pce_pipeline_tests.infra.rendered import Rendered

_REPLACING = {
    "AWS::RDS::DBInstance": {
        "StorageEncrypted",
        "DBName",
        "MasterUsername",
        "DBInstanceIdentifier",
        "DBSubnetGroupName",
    },
    "AWS::Budgets::Budget": {"Budget", "NotificationsWithSubscribers"},
    "AWS::EC2::SecurityGroup": {"GroupDescription", "VpcId"},
    "AWS::SNS::Topic": {"TopicName"},
}


def difference(old: Rendered | None, new: Rendered) -> list[dict[str, Any]]:
    """The changes of a change set, in CloudFormation's form."""
    before = old.resources if old is not None else {}
    changes = []
    for name, resource in new.resources.items():
        common = {"LogicalResourceId": name, "ResourceType": resource["Type"]}
        if name not in before:
            changes.append({"Action": "Add", **common})
        elif before[name]["Properties"] != resource["Properties"]:
            changes.append({"Action": "Modify", **common, **_modification(before[name], resource)})
    for name in before.keys() - new.resources.keys():
        policy = before[name].get("DeletionPolicy", "Delete")
        action = {"Snapshot": "Snapshot", "Delete": "Delete"}.get(policy, "Retain")
        changes.append(
            {
                "Action": "Remove",
                "PolicyAction": action,
                "LogicalResourceId": name,
                "ResourceType": before[name]["Type"],
            }
        )
    return [{"Type": "Resource", "ResourceChange": each} for each in changes]


def _modification(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    was, will = old["Properties"], new["Properties"]
    changed = [each for each in {**was, **will} if was.get(each) != will.get(each)]
    replacing = set(changed) & _REPLACING.get(new["Type"], set())
    policy = {"Snapshot": "ReplaceAndSnapshot", "Retain": "ReplaceAndRetain"}.get(
        new.get("UpdateReplacePolicy", ""), "ReplaceAndDelete"
    )
    return {
        "Replacement": "True" if replacing else "False",
        **({"PolicyAction": policy} if replacing else {}),
        "Scope": ["Properties"],
        "Details": [
            {
                "Target": {
                    "Attribute": "Properties",
                    "Name": each,
                    "Path": f"/Properties/{each}",
                    "RequiresRecreation": "Always" if each in replacing else "Never",
                    "BeforeValue": _text(was.get(each)),
                    "AfterValue": _text(will.get(each)),
                },
                "Evaluation": "Static",
                "ChangeSource": "DirectModification",
            }
            for each in changed
        ],
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
