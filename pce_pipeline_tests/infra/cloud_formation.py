"""CloudFormation as far as the program speaks with it, behind a real boto3 client.

Requests and answers pass botocore's own validation. Stacks go through CloudFormation's states one resource per look,
whether anybody watches or not; change sets compare templates as rendered; failures, drift and slow steps are ordered
by the test. What moto has (S3, RDS, IAM, STS, Secrets Manager) is left to moto.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.validate import validate_parameters

from pce_pipeline_tests.infra.change_sets import difference
from pce_pipeline_tests.infra.rendered import ACCOUNT, REGION, Rendered

_START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class Refused(Exception):
    """An answer with an error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Stack:
    """One stack: its state, what is still to do, and what has happened."""

    name: str
    id: str
    status: str = "REVIEW_IN_PROGRESS"
    template: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    rendered: Rendered | None = None
    resources: dict[str, str] = field(default_factory=dict)
    todo: list[tuple[str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    change_sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    before: tuple[str, dict[str, str], Rendered | None] | None = None
    protected: bool = False


class CloudFormation:
    """All stacks of one account. `fails` maps a resource to why its creation or change fails."""

    def __init__(self, *, on_create: Callable[[str, str], None] = lambda *_: None) -> None:
        self.stacks: list[Stack] = []
        self.refuses = ""
        self.fails: dict[str, str] = {}
        self.rollback_fails: set[str] = set()
        self.delete_fails: dict[str, str] = {}
        self.drifts: list[dict[str, Any]] = []
        self.executed = 0
        self._on_create = on_create
        self._clock = _START
        self._numbers = iter(range(1, 10_000))

    def attach(self, client: Any) -> None:
        """Answer this client's requests."""
        events = client.meta.events
        events.register("before-parameter-build.cloudformation", self._remember)
        events.register("before-call.cloudformation", self._answer)

    @property
    def stack(self) -> Any:
        """The newest stack that is not deleted, or None."""
        return next((each for each in reversed(self.stacks) if each.status != "DELETE_COMPLETE"), None)

    @staticmethod
    def _remember(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
        context["asked"] = dict(params)

    def _answer(self, model: Any, context: Mapping[str, Any], **_: object) -> tuple[AWSResponse, dict[str, Any]]:
        status = 200
        try:
            answer = getattr(self, f"_{model.name}")(**context["asked"])
            if model.output_shape is not None:
                validate_parameters(answer, model.output_shape)
        except Refused as refused:
            status, answer = 400, {"Error": {"Code": refused.code, "Message": str(refused)}}
        answer = {**answer, "ResponseMetadata": {"HTTPStatusCode": status}}
        return AWSResponse("https://cloudformation", status, HTTPHeaders(), None), answer

    def _DescribeStacks(self, StackName: str) -> dict[str, Any]:  # noqa: N802, N803 (AWS's names)
        stack = self._advanced(StackName)
        described: dict[str, Any] = {
            "StackName": stack.name,
            "StackId": stack.id,
            "CreationTime": _START,
            "StackStatus": stack.status,
            "EnableTerminationProtection": stack.protected,
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in stack.parameters.items()],
        }
        if stack.rendered is not None and stack.status.endswith("_COMPLETE"):
            described["Outputs"] = [
                {"OutputKey": name, "OutputValue": value} for name, value in stack.rendered.outputs.items()
            ]
        return {"Stacks": [described]}

    def _CreateChangeSet(self, **asked: Any) -> dict[str, Any]:  # noqa: N802
        name = asked["StackName"]
        if self.refuses:
            raise Refused("ValidationError", self.refuses)
        found = self._found(name, missing_ok=True)
        creating = asked["ChangeSetType"] == "CREATE"
        if found is None:
            if not creating:
                raise Refused("ValidationError", f"Stack [{name}] does not exist")
            found = Stack(name, f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/{next(self._numbers):04}")
            self.stacks.append(found)
        if creating and found.status != "REVIEW_IN_PROGRESS":
            raise Refused("ValidationError", f"Stack [{name}] already exists and cannot be created again")
        if not creating and not found.status.endswith("_COMPLETE"):
            raise Refused("ValidationError", f"Stack:{found.id} is in {found.status} state and can not be updated.")
        parameters = {}
        for each in asked["Parameters"]:
            key = each["ParameterKey"]
            parameters[key] = found.parameters[key] if each.get("UsePreviousValue") else each["ParameterValue"]
        environment = parameters.pop("Environment")
        rendered = Rendered(environment, asked["TemplateBody"], **parameters)
        changes = difference(found.rendered if not creating else None, rendered)
        found.change_sets[asked["ChangeSetName"]] = {
            "rendered": rendered,
            "template": asked["TemplateBody"],
            "parameters": dict(rendered.parameters),
            "changes": changes,
            "looks": 0,
        }
        return {"Id": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:changeSet/x", "StackId": found.id}

    def _DescribeChangeSet(self, StackName: str, ChangeSetName: str, NextToken: str = "", **_: Any) -> dict[str, Any]:  # noqa: N802, N803
        proposal = self._proposal(StackName, ChangeSetName)
        proposal["looks"] += 1
        if proposal["looks"] == 1:
            return {"Status": "CREATE_IN_PROGRESS", "ChangeSetName": ChangeSetName}
        if not proposal["changes"]:
            reason = (
                "The submitted information didn't contain changes. Submit different information to create a change set."
            )
            return {"Status": "FAILED", "StatusReason": reason, "ChangeSetName": ChangeSetName}
        # two pages, as for a large stack
        half = max(1, len(proposal["changes"]) // 2)
        if NextToken:
            return {"Status": "CREATE_COMPLETE", "Changes": proposal["changes"][half:]}
        more = {"NextToken": "more"} if len(proposal["changes"]) > half else {}
        return {"Status": "CREATE_COMPLETE", "Changes": proposal["changes"][:half], **more}

    def _ListChangeSets(self, StackName: str, **_: Any) -> dict[str, Any]:  # noqa: N802, N803
        stack = self._found(StackName)
        return {"Summaries": [{"ChangeSetName": name, "StackName": stack.name} for name in stack.change_sets]}

    def _DeleteChangeSet(self, StackName: str, ChangeSetName: str) -> dict[str, Any]:  # noqa: N802, N803
        self._found(StackName).change_sets.pop(ChangeSetName, None)
        return {}

    def _ExecuteChangeSet(self, StackName: str, ChangeSetName: str, **_: Any) -> dict[str, Any]:  # noqa: N802, N803
        proposal = self._proposal(StackName, ChangeSetName)
        stack = self._found(StackName)
        creating = stack.status == "REVIEW_IN_PROGRESS"
        self.executed += 1
        stack.before = (stack.template, stack.parameters, stack.rendered)
        stack.template, stack.parameters = proposal["template"], proposal["parameters"]
        stack.rendered = proposal["rendered"]
        stack.change_sets = {}
        verbs = {"Add": "CREATE", "Modify": "UPDATE", "Remove": "DELETE"}
        stack.todo = [
            (verbs[each["ResourceChange"]["Action"]], each["ResourceChange"]["LogicalResourceId"])
            for each in proposal["changes"]
        ]
        self._turn(stack, "CREATE_IN_PROGRESS" if creating else "UPDATE_IN_PROGRESS", "User Initiated")
        return {}

    def _ContinueUpdateRollback(self, StackName: str) -> dict[str, Any]:  # noqa: N802, N803
        stack = self._found(StackName)
        self.rollback_fails.clear()
        stack.todo = []
        self._turn(stack, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
        return {}

    def _DeleteStack(self, StackName: str) -> dict[str, Any]:  # noqa: N802, N803
        stack = self._found(StackName, missing_ok=True)
        if stack is not None:
            if stack.protected:
                raise Refused(
                    "ValidationError", f"Stack [{stack.name}] cannot be deleted while TerminationProtection is on"
                )
            stack.todo = [("DELETE", name) for name in reversed(stack.resources)]
            self._turn(stack, "DELETE_IN_PROGRESS", "User Initiated")
        return {}

    def _UpdateTerminationProtection(self, StackName: str, *, EnableTerminationProtection: bool) -> dict[str, Any]:  # noqa: N802, N803
        self._found(StackName).protected = EnableTerminationProtection
        return {"StackId": self._found(StackName).id}

    def _DescribeStackEvents(self, StackName: str, NextToken: str = "") -> dict[str, Any]:  # noqa: N802, N803
        events = self._found(StackName).events[::-1]
        if NextToken:
            return {"StackEvents": events[10:]}
        return {"StackEvents": events[:10], **({"NextToken": "more"} if len(events) > 10 else {})}

    def _DescribeStackResources(self, StackName: str) -> dict[str, Any]:  # noqa: N802, N803
        stack = self._found(StackName)
        assert stack.rendered is not None or not stack.resources
        return {
            "StackResources": [
                {
                    "LogicalResourceId": name,
                    "PhysicalResourceId": physical,
                    "ResourceType": "AWS::X::Y",
                    "Timestamp": self._clock,
                    "ResourceStatus": "CREATE_COMPLETE",
                }
                for name, physical in stack.resources.items()
            ]
        }

    def _DetectStackDrift(self, StackName: str) -> dict[str, Any]:  # noqa: N802, N803
        self._looks_at_drift = 0
        return {"StackDriftDetectionId": f"drift-of-{self._found(StackName).name}"}

    def _DescribeStackDriftDetectionStatus(self, StackDriftDetectionId: str) -> dict[str, Any]:  # noqa: N802, N803
        self._looks_at_drift += 1
        status = "DETECTION_IN_PROGRESS" if self._looks_at_drift < 3 else "DETECTION_COMPLETE"
        stack = self._found(StackDriftDetectionId.removeprefix("drift-of-"))
        return {
            "StackId": stack.id,
            "StackDriftDetectionId": StackDriftDetectionId,
            "DetectionStatus": status,
            "Timestamp": self._clock,
        }

    def _DescribeStackResourceDrifts(self, StackName: str, **_: Any) -> dict[str, Any]:  # noqa: N802, N803
        stack = self._found(StackName)
        common = {"StackId": stack.id, "Timestamp": self._clock}
        return {"StackResourceDrifts": [{**common, **each} for each in self.drifts]}

    def _found(self, name: str, *, missing_ok: bool = False) -> Any:
        for stack in reversed(self.stacks):
            if stack.id == name or (stack.name == name and stack.status != "DELETE_COMPLETE"):
                return stack
        if missing_ok:
            return None
        raise Refused("ValidationError", f"Stack with id {name} does not exist")

    def _proposal(self, stack: str, name: str) -> dict[str, Any]:
        proposals: dict[str, dict[str, Any]] = self._found(stack).change_sets
        if name not in proposals:
            raise Refused("ChangeSetNotFound", f"ChangeSet [{name}] does not exist")
        return proposals[name]

    def _advanced(self, name: str) -> Stack:
        """One more step of whatever runs."""
        stack: Stack = self._found(name)
        if stack.status == "REVIEW_IN_PROGRESS" or not stack.status.endswith("_IN_PROGRESS"):
            return stack
        if stack.todo:
            self._step(stack, *stack.todo.pop(0))
            return stack
        self._end(stack)
        return stack

    def _end(self, stack: Stack) -> None:
        ended = {
            "CREATE_IN_PROGRESS": "CREATE_COMPLETE",
            "UPDATE_IN_PROGRESS": "UPDATE_COMPLETE",
            "ROLLBACK_IN_PROGRESS": "ROLLBACK_COMPLETE",
            "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
            "DELETE_IN_PROGRESS": "DELETE_COMPLETE",
        }[stack.status]
        if ended == "UPDATE_ROLLBACK_COMPLETE" and stack.before is not None:
            stack.template, stack.parameters, stack.rendered = stack.before
        self._turn(stack, ended)

    def _step(self, stack: Stack, verb: str, name: str) -> None:
        """One resource is created, changed, put back or deleted, or fails to be."""
        back = "ROLLBACK" in stack.status
        if verb == "DELETE" and name in self.delete_fails:
            self._event(stack, name, "DELETE_FAILED", self.delete_fails[name])
            self._turn(stack, "DELETE_FAILED", f"The following resource(s) failed to delete: [{name}].")
        elif back and name in self.rollback_fails:
            self._event(stack, name, "UPDATE_FAILED", "The way back is blocked")
            self._turn(stack, "UPDATE_ROLLBACK_FAILED", "The following resource(s) failed to update")
        elif verb != "DELETE" and not back and name in self.fails:
            self._event(stack, name, f"{verb}_FAILED", self.fails[name])
            if stack.todo:
                self._event(stack, stack.todo[0][1], f"{verb}_FAILED", "Resource creation cancelled")
            creating = stack.status == "CREATE_IN_PROGRESS"
            done = [
                event["LogicalResourceId"] for event in stack.events if event["ResourceStatus"] == f"{verb}_COMPLETE"
            ]
            stack.todo = [
                ("DELETE" if creating else "UPDATE", each) for each in reversed(done) if each in stack.resources
            ]
            reason = f"The following resource(s) failed to {verb.lower()}: [{name}]. Rollback requested by user."
            self._turn(stack, "ROLLBACK_IN_PROGRESS" if creating else "UPDATE_ROLLBACK_IN_PROGRESS", reason)
        else:
            self._event(stack, name, f"{verb}_COMPLETE")
            if verb == "DELETE":
                stack.resources.pop(name, None)
            elif name not in stack.resources:
                assert stack.rendered is not None
                stack.resources[name] = stack.rendered.physical(name)
                self._on_create(stack.rendered.resources[name]["Type"], stack.resources[name])

    def _turn(self, stack: Stack, status: str, reason: str = "") -> None:
        stack.status = status
        self._event(stack, stack.name, status, reason)

    def _event(self, stack: Stack, name: str, status: str, reason: str = "") -> None:
        self._clock += timedelta(seconds=1)
        is_stack = name == stack.name
        kind = "AWS::CloudFormation::Stack"
        if not is_stack and stack.rendered is not None:
            kind = stack.rendered.template["Resources"][name]["Type"]
        stack.events.append(
            {
                "StackId": stack.id,
                "EventId": f"event-{next(self._numbers)}",
                "StackName": stack.name,
                "LogicalResourceId": name,
                "PhysicalResourceId": stack.id if is_stack else name,
                "ResourceType": kind,
                "Timestamp": self._clock,
                "ResourceStatus": status,
                **({"ResourceStatusReason": reason} if reason else {}),
            }
        )
