"""CloudFormation as far as the program speaks with it, behind a real boto3 client.

Requests and answers pass botocore's own validation. Stacks go through CloudFormation's states one resource per look,
whether anybody watches or not, in any order that the template's references leave open, and what AWS refuses because of
what stands (refusals.py) fails; change sets compare templates as rendered; further failures, drift and slow steps are
ordered by the test. What moto has (S3, RDS, IAM, STS, Secrets Manager) is left to moto.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.validate import validate_parameters

from pce_pipeline_tests.infra.change_sets import difference
from pce_pipeline_tests.infra.creation_order import Choice, Circular, backwards, first, forwards
from pce_pipeline_tests.infra.refusals import Thing, refused
from pce_pipeline_tests.infra.rendered import ACCOUNT, REGION, Rendered, UnfitParameter

MOST_BYTES = 51_200
_START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class Refused(Exception):
    """An answer with an error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _check_size(asked: Mapping[str, Any]) -> None:
    if len(asked.get("TemplateBody", "").encode()) > MOST_BYTES:
        raise Refused("ValidationError", f"Member must have length less than or equal to {MOST_BYTES}")


class Elsewhere:
    """What other services know of resources; here nothing that the stack does not know."""

    def made(self, thing: Thing) -> None:
        """CloudFormation has created it."""

    def changed(self, thing: Thing) -> None:
        """CloudFormation has changed its properties."""

    def gone(self, thing: Thing) -> None:
        """CloudFormation has deleted it."""

    def now(self, thing: Thing) -> Thing:
        """As it is by now, whoever touched it."""
        return thing

    def text_at(self, url: str) -> str:
        """A template that a request names by its address in S3."""
        raise NotImplementedError(url)


@dataclass
class Stack:
    """One stack: its state, what is still to do, what was done since it began, and what has happened."""

    name: str
    id: str
    status: str = "REVIEW_IN_PROGRESS"
    template: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    rendered: Rendered | None = None
    things: dict[str, Thing] = field(default_factory=dict)
    todo: list[tuple[str, str]] = field(default_factory=list)
    done: list[tuple[str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    change_sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    before: tuple[str, dict[str, str], Rendered | None] | None = None
    protected: bool = False

    @property
    def resources(self) -> dict[str, str]:
        """The real names of what stands."""
        return {name: thing.physical for name, thing in self.things.items()}


class CloudFormation:
    """All stacks of one account.

    `fails` maps a resource to why its creation or change fails, from the `fails_from`th execution on.
    """

    def __init__(self, elsewhere: Elsewhere | None = None, *, choose: Choice = first) -> None:
        self.stacks: list[Stack] = []
        self.refuses = ""
        self.fails: dict[str, str] = {}
        self.fails_from = 1
        self.rollback_fails: set[str] = set()
        self.delete_fails: dict[str, str] = {}
        self.drifts: list[dict[str, Any]] = []
        self.executed = 0
        self._elsewhere = elsewhere or Elsewhere()
        self._choose = choose
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
            _check_size(context["asked"])
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
        body = asked.get("TemplateBody") or self._elsewhere.text_at(asked["TemplateURL"])
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
        try:
            rendered = Rendered(environment, body, **parameters)
            forwards(rendered.resources, rendered.needs)
        except (UnfitParameter, Circular) as wrong:
            raise Refused("ValidationError", str(wrong)) from None
        changes = difference(found.rendered if not creating else None, rendered)
        found.change_sets[asked["ChangeSetName"]] = {
            "rendered": rendered,
            "template": body,
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
        actions = {
            each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"]["Action"]
            for each in proposal["changes"]
        }
        verbs = {"Add": "CREATE", "Modify": "UPDATE"}
        stack.done = []
        stack.todo = [
            (verbs[actions[name]], name)
            for name in forwards(stack.rendered.resources, stack.rendered.needs, self._choose)
            if name in actions
        ]
        if not creating:  # what is no longer wanted goes last
            old = stack.before[2]
            stack.todo += [
                ("DELETE", n)
                for n in backwards([*stack.things], old.needs, self._choose)
                if n in actions and actions[n] == "Remove"
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
            needs = stack.rendered.needs if stack.rendered is not None else {}
            stack.done = []
            stack.todo = [("DELETE", name) for name in backwards([*stack.things], needs, self._choose)]
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
        thing = self._wanted(stack, verb, name)
        others = [each for other in self.stacks for each in other.things.values() if each.physical != thing.physical]
        keeps = "Retain" in str(self._declared(stack, name).get("DeletionPolicy", "")) and not (
            back and self._declared(stack, name)["DeletionPolicy"] == "RetainExceptOnCreate"
        )
        if verb == "DELETE" and keeps:
            del stack.things[name]
            self._event(stack, name, "DELETE_SKIPPED")
            return
        against = refused(verb, thing, others)
        failing = self.fails if self.executed >= self.fails_from else {}
        if verb == "DELETE" and (name in self.delete_fails or against):
            self._event(stack, name, "DELETE_FAILED", self.delete_fails.get(name) or str(against))
            if stack.status != "UPDATE_IN_PROGRESS":  # there it is clearing up, and a rest does not matter
                self._turn(
                    stack,
                    "ROLLBACK_FAILED" if stack.status == "ROLLBACK_IN_PROGRESS" else "DELETE_FAILED",
                    f"The following resource(s) failed to delete: [{name}].",
                )
        elif back and (name in self.rollback_fails or against):
            self._event(stack, name, "UPDATE_FAILED", against or "The way back is blocked")
            self._turn(stack, "UPDATE_ROLLBACK_FAILED", "The following resource(s) failed to update")
        elif verb != "DELETE" and not back and (name in failing or against):
            self._event(stack, name, f"{verb}_FAILED", failing.get(name) or str(against))
            self._turn_back(stack, verb, name)
        else:
            self._event(stack, name, f"{verb}_COMPLETE")
            stack.done.append((verb, name))
            if verb == "DELETE":
                self._elsewhere.gone(stack.things.pop(name))
            else:
                stack.things[name] = thing
                (self._elsewhere.made if verb == "CREATE" else self._elsewhere.changed)(thing)

    def _turn_back(self, stack: Stack, verb: str, name: str) -> None:
        """Something failed: what was changed is put back, then what was created is deleted."""
        if stack.todo:
            self._event(stack, stack.todo[0][1], f"{stack.todo[0][0]}_FAILED", "Resource creation cancelled")
        assert stack.rendered is not None
        created = [each for done, each in stack.done if done == "CREATE"]
        deleted = [("DELETE", each) for each in backwards(created, stack.rendered.needs, self._choose)]
        changed = [each for done, each in stack.done if done == "UPDATE"]
        creating = stack.status == "CREATE_IN_PROGRESS"
        needs = {} if creating or stack.before is None or stack.before[2] is None else stack.before[2].needs
        stack.todo = [("UPDATE", each) for each in forwards(changed, needs, self._choose)] + deleted
        reason = f"The following resource(s) failed to {verb.lower()}: [{name}]. Rollback requested by user."
        self._turn(stack, "ROLLBACK_IN_PROGRESS" if creating else "UPDATE_ROLLBACK_IN_PROGRESS", reason)

    def _wanted(self, stack: Stack, verb: str, name: str) -> Thing:
        """The resource as it shall be, or as it is now where it shall go."""
        if verb == "DELETE":
            return self._elsewhere.now(stack.things[name])
        wanted = stack.before[2] if "ROLLBACK" in stack.status and stack.before is not None else stack.rendered
        assert wanted is not None
        return Thing(wanted.resources[name]["Type"], wanted.physical(name), wanted.properties(name))

    @staticmethod
    def _declared(stack: Stack, name: str) -> Mapping[str, Any]:
        assert stack.rendered is not None
        declared: Mapping[str, Any] = stack.rendered.template["Resources"].get(name, {})
        return declared

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
