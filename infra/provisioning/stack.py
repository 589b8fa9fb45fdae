"""One CloudFormation stack: propose a change, carry it out, follow what runs, settle what was left unfinished.

Whatever killed an earlier run, `settle` brings the stack to a state from which the next proposal can start.
"""

import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.provisioning.cloud import Client, Cloud, error_code, error_message
from infra.provisioning.console import Console
from infra.provisioning.errors import StackFailed, TookTooLong, UsageRefused
from infra.provisioning.handing_over import handed_over

_POLL_SECONDS = 5.0
_PATIENCE_SECONDS = 90 * 60.0
_CHANGE_SET_PREFIX = "pce-plan-"
_NOTHING = re.compile(r"didn't contain changes|No updates are to be performed", re.IGNORECASE)
_EMPTY = ("REVIEW_IN_PROGRESS",)
_FAILED_CREATION = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")
_GOOD = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
)


@dataclass(frozen=True)
class ChangeSet:
    """A proposal; `changes` are as described, none where nothing would change."""

    name: str
    changes: Sequence[Mapping[str, Any]]


class Stack:
    """The stack `name` of one account and region."""

    def __init__(self, cloud: Cloud, name: str, console: Console) -> None:
        self.name = name
        self._cloud = cloud
        self._console = console

    @property
    def _api(self) -> Client:
        return self._cloud.client("cloudformation")

    def describe(self) -> Mapping[str, Any] | None:
        """As CloudFormation describes it; None where it does not exist."""
        try:
            found: Mapping[str, Any] = self._api.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if error_code(error) == "ValidationError" and "does not exist" in error_message(error):
                return None
            raise
        return None if found["StackStatus"] == "DELETE_COMPLETE" else found

    def existing(self) -> Mapping[str, Any] | None:
        """Like `describe`, but None also for one that holds nothing yet."""
        found = self.describe()
        return None if found is None or found["StackStatus"] in _EMPTY else found

    def settle(self, *, may_change: bool) -> Mapping[str, Any] | None:
        """Follow what runs and clear up what failed; the stack as it then is, None where there is none.

        Raises `UsageRefused` where something must be cleared up and `may_change` is false, and `StackFailed`.
        """
        found = self.existing()
        if found is None:
            return None
        if found["StackStatus"].endswith("_IN_PROGRESS"):
            self._console.say(f"{self.name} is busy ({found['StackStatus']}), from this or another run: following it.")
            self.follow(found["StackId"])
            found = self.existing()
            if found is None:
                return None
        status = found["StackStatus"]
        if status in _GOOD:
            return found
        if not may_change:
            raise UsageRefused(
                f"{self.name} stands at {status}, so there is nothing to compare a plan with.",
                remedy="Run without --plan: what is left is cleared up first, then you see the plan and are asked.",
            )
        if status in _FAILED_CREATION:
            self._console.say(f"The creation of {self.name} failed earlier ({status}): removing what is left of it.")
            self._delete(found["StackId"])
            return None
        if status == "UPDATE_ROLLBACK_FAILED":
            self._console.say(f"The rollback of {self.name} was cut short: taking it up again.")
            self._api.continue_update_rollback(StackName=self.name)
            status = self.follow(found["StackId"])
        if status not in _GOOD:
            raise StackFailed(
                self.name,
                status,
                self.failures(found["StackId"]),
                standing="It needs a hand.",
                remedy="Solve what the lines above name, then run --destroy again."
                if status == "DELETE_FAILED"
                else "Solve what the lines above name and run again; it goes on from there.",
            )
        return self.existing()

    def propose(
        self, template: str, parameters: Mapping[str, str], tags: Mapping[str, str], existing: Mapping[str, Any] | None
    ) -> ChangeSet:
        """Let CloudFormation work out what would change. Parameters that are not given keep their values."""
        self._drop_old_proposals()
        known = {each["ParameterKey"] for each in (existing or {}).get("Parameters", ())}
        kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in sorted(known - parameters.keys())]
        name = f"{_CHANGE_SET_PREFIX}{uuid.uuid4().hex[:12]}"
        with handed_over(self._cloud, self.name, template) as named:
            self._api.create_change_set(
                StackName=self.name,
                ChangeSetName=name,
                ChangeSetType="CREATE" if existing is None else "UPDATE",
                **named,
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in sorted(parameters.items())]
                + kept,
                Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            described = self._wait_for_proposal(name)
        if described["Status"] == "FAILED":
            reason = described.get("StatusReason", "no reason given")
            self.drop(ChangeSet(name, ()))
            if _NOTHING.search(reason):
                return ChangeSet(name, ())
            raise StackFailed(
                self.name,
                "FAILED",
                [reason],
                standing="No plan could be made; nothing was changed.",
                remedy="Correct what the line above names and run again.",
            )
        changes = list(described.get("Changes", ()))
        while token := described.get("NextToken"):
            described = self._describe_proposal(name, NextToken=token)
            changes += described.get("Changes", ())
        return ChangeSet(name, changes)

    def drop(self, proposal: ChangeSet) -> None:
        """Forget a proposal, and the empty stack that proposing a creation makes."""
        self._api.delete_change_set(StackName=self.name, ChangeSetName=proposal.name)
        found = self.describe()
        if found is not None and found["StackStatus"] in _EMPTY:
            self._api.delete_stack(StackName=self.name)

    def execute(self, proposal: ChangeSet) -> str:
        """Carry it out and follow it to its end. Raises `StackFailed`, saying where the stack then stands."""
        self._api.execute_change_set(StackName=self.name, ChangeSetName=proposal.name)
        found = self.describe()
        if found is None:
            raise StackFailed(self.name, "DELETED", [], standing="Somebody removed it.", remedy="Run again.")
        status = self.follow(found["StackId"])
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return status
        standing, remedy = {
            "ROLLBACK_COMPLETE": ("Everything created so far was removed again.", "Correct the cause and run again."),
            "UPDATE_ROLLBACK_COMPLETE": (
                "Everything was put back: the environment is as it was before.",
                "Correct the cause and run again.",
            ),
        }.get(
            status, ("The way back did not work either.", "Correct the cause and run again: it takes up the rollback.")
        )
        raise StackFailed(self.name, status, self.failures(found["StackId"]), standing=standing, remedy=remedy)

    def delete(self, stack_id: str) -> None:
        """Remove it. Raises `StackFailed` naming what could not be removed."""
        self._delete(stack_id)

    def follow(self, stack_id: str) -> str:
        """Print what happens until nothing does any more; the final status."""
        started = time.monotonic()
        waited = 0.0
        seen: set[str] = set()
        while True:
            status = str(self._api.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"])
            for event in self._news(stack_id, seen):
                self._console.say(_told(event))
            if not status.endswith("_IN_PROGRESS") or status in _EMPTY:
                return status
            if max(waited, time.monotonic() - started) > _PATIENCE_SECONDS:
                raise TookTooLong(self.name, _PATIENCE_SECONDS / 60)
            self._console.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS

    def failures(self, stack_id: str) -> list[str]:
        """Why the last operation failed: the causes, not the cancellations they entailed."""
        return [
            f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', 'no reason')}"
            for event in reversed(list(self._events(stack_id)))
            if event["ResourceStatus"].endswith("_FAILED")
            and event["LogicalResourceId"] != self.name
            and "cancelled" not in event.get("ResourceStatusReason", "").lower()
        ]

    def resources(self) -> dict[str, str]:
        """The real names of its resources by their names in the template; those already gone are left out."""
        listed = self._api.describe_stack_resources(StackName=self.name)["StackResources"]
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in listed
            if each.get("PhysicalResourceId") and each["ResourceStatus"] != "DELETE_COMPLETE"
        }

    def protect(self, *, protected: bool) -> None:
        self._api.update_termination_protection(StackName=self.name, EnableTerminationProtection=protected)

    def _delete(self, stack_id: str) -> None:
        self._api.delete_stack(StackName=self.name)
        status = self.follow(stack_id)
        if status != "DELETE_COMPLETE":
            raise StackFailed(
                self.name,
                status,
                self.failures(stack_id),
                standing="Part of it is still there.",
                remedy="Solve what the lines above name, then run the same command again.",
            )

    def _drop_old_proposals(self) -> None:
        """Those of killed runs: a stack can hold only so many."""
        if self.describe() is None:
            return
        for page in self._api.get_paginator("list_change_sets").paginate(StackName=self.name):
            for summary in page["Summaries"]:
                if summary["ChangeSetName"].startswith(_CHANGE_SET_PREFIX):
                    self._api.delete_change_set(StackName=self.name, ChangeSetName=summary["ChangeSetName"])

    def _wait_for_proposal(self, name: str) -> Mapping[str, Any]:
        waited = 0.0
        while (described := self._describe_proposal(name))["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            if waited > _PATIENCE_SECONDS:
                raise TookTooLong(f"The plan for {self.name}", _PATIENCE_SECONDS / 60)
            self._console.sleep(1.0)
            waited += 1.0
        return described

    def _describe_proposal(self, name: str, **page: str) -> Mapping[str, Any]:
        described: Mapping[str, Any] = self._api.describe_change_set(
            StackName=self.name, ChangeSetName=name, IncludePropertyValues=True, **page
        )
        return described

    def _news(self, stack_id: str, seen: set[str]) -> list[Mapping[str, Any]]:
        """Events of the running operation that were not told yet, in their order."""
        news = [event for event in self._events(stack_id) if event["EventId"] not in seen]
        seen.update(event["EventId"] for event in news)
        return news[::-1]

    def _events(self, stack_id: str) -> Iterator[Mapping[str, Any]]:
        """Events of the last operation, newest first."""
        for page in self._api.get_paginator("describe_stack_events").paginate(StackName=stack_id):
            for event in page["StackEvents"]:
                yield event
                started = event.get("ResourceStatusReason", "") in ("User Initiated", "Transformation succeeded")
                if started and event.get("PhysicalResourceId") == stack_id:
                    return


def _told(event: Mapping[str, Any]) -> str:
    status = event["ResourceStatus"].replace("_", " ").lower()
    reason = event.get("ResourceStatusReason", "")
    because = f": {reason}" if reason and event["ResourceStatus"].endswith("_FAILED") else ""
    return f"  {event['Timestamp']:%H:%M:%S}  {event['LogicalResourceId']}  {status}{because}"
