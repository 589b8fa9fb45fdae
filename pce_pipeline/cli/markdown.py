"""A workflow's summary as Markdown, from what its commands said and what its runs recorded. Pure: text in, text out.

Everything that comes from data or errors is escaped, so that no cell, name or message can break a table or the page.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pce_pipeline.bulletins.bulletin import Bulletin
from pce_pipeline.bulletins.pages import markdown_of
from pce_pipeline.cli import shown
from pce_pipeline.errors import PceError
from pce_pipeline.lake.stacks import how_to_update
from pce_pipeline.markup import for_markdown, markdown_table
from pce_pipeline.observability.records import CheckOutcome, RunRecord
from pce_pipeline.reports.steps import did_of

Said: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The documents of `pce --json`, by step."""


@dataclass(frozen=True)
class Failure:
    """What failed."""

    step: str
    """The step."""
    what: str
    """What it said."""
    remedy: str
    """What to do."""


_MOST_DIFFERENCES = 20
_AGAIN = "Run the workflow again: it goes on from there, and what is done is not done twice."
_REMEDIES: Mapping[str, str] = {
    "ready": "Provision the environment and set its variables: infra/README.md, docs/setup.md.",
    "install": "Look at the step's log: the package index may be out of reach. Run the workflow again.",
    "credentials": (
        "The role was not assumed. Does `PCE_INFRA_REPOSITORY` name this repository as GitHub does, and is the GitHub "
        "environment the one of the role? infra/README.md, step 2."
    ),
    "trust": "RDS's certificates could not be fetched. Run the workflow again.",
    "door": (
        "The database was not opened for this runner. `python infra/provision_aws.py --env … --outputs` prints what "
        "PCE_DATABASE_SECURITY_GROUP and PCE_SCHEDULE_ROLE_ARN must name."
    ),
    "migrated": (
        "Is the database running, and are its users made? Where its tables are of another version, the job `migrate` "
        "of this run says why. docs/operability.md, runbook."
    ),
    "tables": "An extract that was due has been taken. What step `migrated` said is why. docs/operability.md, runbook.",
    "check": "The source or the database could not be asked. " + _AGAIN,
    "refused": (
        "The answer is kept and does not count; what was published before stands. If the figures were withdrawn, "
        "accept that with `pce use DATE --instead --why …`; else wait: the next run asks again. docs/operability.md."
    ),
    "extract": "Nothing of this extract counts until it is whole. " + _AGAIN,
    "copy": "Nothing is lost: the next run copies what is left, or `pce bronze copy` does. docs/operability.md.",
    "compare": "Lake and second copy differ: the lines above say which of them is damaged. docs/operability.md.",
    "years": "Give years such as 2023 or 2015...2018, or none.",
    "silver": "The error and the checks below say why; what was published before stands. docs/operability.md, runbook.",
    "gold": "The error and the checks below say why; what was loaded before stands. docs/operability.md, runbook.",
    "certificates": "The data is loaded; only its certificates were not listed. " + _AGAIN,
    "attest": "The data is loaded and certified; only the certificates were not attested. " + _AGAIN,
    "unattested": "The data is loaded and certified; only the certificates were not attested. " + _AGAIN,
    "prune": "The data is loaded; only old versions were not dropped. The next run drops them.",
    "quarantined": "The data is loaded; only whether cells could not be read was not told. " + _AGAIN,
    "late": "The data is loaded; only the question whether a release is late was not answered. " + _AGAIN,
    "pinned": "The data is loaded; only the question whether a pin is old was not answered. " + _AGAIN,
    "sources": "The data is loaded; only the question whether the sources agree was not answered. " + _AGAIN,
    "doctor": (
        "The table below says what is wrong and what mends it; `pce doctor --fix` with the environment's variables "
        "mends what can be mended. docs/operability.md, runbook."
    ),
    "heartbeat": "All is done; only the heartbeat was not said, and its alarm follows where that lasts. " + _AGAIN,
}


def remedy_of(step: str) -> str:
    """What to do where the step itself did not say."""
    return _REMEDIES.get(step, _AGAIN)


def report(
    title: str,
    said: Said,
    records: Sequence[RunRecord],
    failure: Failure | None,
    problem: PceError | None,
    bulletins: Sequence[Bulletin] = (),
) -> str:
    """The whole summary; `problem` is why the records could not be read, `bulletins` are those of its releases."""
    parts = [
        f"## {for_markdown(title)}",
        _headline(said, records, failure),
        *([_failed(failure)] if failure else []),
        *([f"> The runs' records could not be read: {for_markdown(str(problem))}"] if problem else []),
        *_stack(records),
        *_pinned(said),
        *_sources(said.get("sources", {})),
        *_doctor(said.get("doctor", {})),
        *_compared(said.get("check", {})),
        *_stale(said.get("years", said.get("check", {}))),
        *(markdown_of(bulletin, depth=3).rstrip() for bulletin in bulletins),
        *_rows(records),
        *_checks(records),
    ]
    return "\n\n".join(parts) + "\n"


def _headline(said: Said, records: Sequence[RunRecord], failure: Failure | None) -> str:
    if failure is not None:
        return f"**Failed in step `{for_markdown(failure.step)}`.** What was published before stands."
    if records:
        return f"**Done**: {for_markdown('; '.join(_outcome(record) for record in records))}."
    match said.get("check", {}).get("action"):
        case "nothing":
            return "**Nothing is new.**"
        case "extract":
            return "**An extract would be taken**, and what it changes refreshed. Nothing was done."
        case "refresh":
            document = said["check"]
            span = shown.span(document["first_year"], document["last_year"])
            return f"**{span} would be refreshed.** Nothing was done."
        case _:
            return "Nothing was done."


def _outcome(record: RunRecord) -> str:
    if record.job == "extract" or any(step.step.startswith("bronze/") for step in record.steps):
        outputs = record.steps[-1].outputs if record.steps else {}
        return f"new extract {outputs['extract']}" if outputs.get("extract") else "the extract found nothing new"
    names = [step.step for step in record.steps]
    years = str(record.requested.get("partitions", ""))
    return f"{years} {'to ' + names[-1] if names else ''}".strip()


def _failed(failure: Failure) -> str:
    lines = [f"**What happened**: {for_markdown(failure.what)}  "] if failure.what else []
    return "\n".join([*lines, f"**What to do**: {for_markdown(failure.remedy)}"])


def _stack(records: Sequence[RunRecord]) -> list[str]:
    """What the stack lacks that the runs did without, and what brings it."""
    lacks = {place for record in records for step in record.steps for place in step.outputs.get("stack_lacks", ())}
    env = next((place.partition("/")[0] for place in lacks), "")
    return [f"> {for_markdown(how_to_update(env, lacks))}"] if lacks else []


def _pinned(said: Said) -> list[str]:
    """The pin, as the newest document that knows of it says: what Postgres holds because of it, since when and why."""
    pins = [said[step].get("pin") for step in ("pinned", "check") if step in said]
    pin = next((each for each in pins if each), None)
    return [f"> **Pinned**: {for_markdown(str(pin['said']))}."] if pin else []


def _sources(said: Mapping[str, Any]) -> list[str]:
    """What two sources of one release say differently, and how much was compared; nothing where nobody looked."""
    if "compared" not in said:
        return []
    skipped = [each for each in said["comparisons"] if each["why_not"]]
    reasons = {each["why_not"]: None for each in skipped}
    counts = f"{said['compared']:,} cells compared, {said['different']:,} different"
    rest = f"; {shown.counted(len(skipped), 'comparison')} not made: {'; '.join(reasons)}" if skipped else ""
    line = f"**Do the sources say the same?** {for_markdown(counts + rest)}."
    rows = [
        (
            f"{each['table']} line {each['line']}",
            each["area"],
            each["year"],
            *map(_as_said, (each["one"], each["other"])),
        )
        for each in said["differences"][:_MOST_DIFFERENCES]
    ]
    if not rows:
        return [line]
    table = _table(["Line", "Area", "Year", "One source", "Another"], rows)
    return [line, table, f"**What to do**: {for_markdown(said['what_to_do'])}"]


def _as_said(side: Mapping[str, Any]) -> str:
    return f"{side['value'] or side['text'] or side['status'] or 'nothing'} in {side['source']}"


def _doctor(said: Mapping[str, Any]) -> list[str]:
    """What the doctor found, and what mends it; nothing where all is well."""
    findings = [each for each in said.get("findings", ()) if each["is_wrong"]]
    if not findings:
        return []
    rows = [(each["where"], each["what"], each["command"] or each["advice"]) for each in findings]
    return ["### What is wrong", _table(["Where", "What", "What to do"], rows)]


def _compared(check: Mapping[str, Any]) -> list[str]:
    """What is published against what we had, and warnings."""
    if "compared" not in check:
        return []
    tables = [
        (each["table"], each["extract"] or "nothing", each["last_updated"] or "", each["bea"], each["verdict"])
        for each in check["compared"]
    ]
    return [
        "### What changed",
        _table(["Table", "We had", "of", "Published", "Verdict"], tables),
        *(f"> Warning: {for_markdown(warning)}" for warning in check["warnings"]),
    ]


def _stale(said: Mapping[str, Any]) -> list[str]:
    """The years that were to be brought to Postgres, and why; dimensions stand as they are."""
    reasons: Mapping[str, str] = said.get("stale_years") or {}
    years = {int(key): reason for key, reason in reasons.items() if key.isdecimal()}
    rows = [*shown.reasons_by_years(years), *((key, why) for key, why in reasons.items() if not key.isdecimal())]
    return [_table(["Stale", "Because"], rows)] if rows else []


def _rows(records: Sequence[RunRecord]) -> list[str]:
    steps = [step for record in records for step in record.steps]
    if not steps:
        return []
    rows = [
        (step.step, f"{sum(step.rows.values()):,}", did_of(step), f"{step.seconds:.1f}", step.status) for step in steps
    ]
    return ["### Rows by layer", _table(["Layer", "Rows", "What was done", "Seconds", "Status"], rows, right={1, 3})]


def _checks(records: Sequence[RunRecord]) -> list[str]:
    checks = [check for record in records for check in record.checks]
    if not checks:
        return []
    bad = [check for check in checks if not check.passed]
    blocking = sum(check.severity == "error" for check in bad)
    counts = f"{len(checks) - len(bad)} passed, {len(bad) - blocking} warned, {blocking} failed"
    table = _table(
        ["Outcome", "Asset", "Check", "Found"],
        [
            (_verdict(check), check.asset, check.name, check.summary)
            for check in sorted(checks, key=lambda one: one.passed)
        ],
    )
    return [
        "### Checks",
        counts,
        f"<details{' open' if bad else ''}><summary>Every check</summary>\n\n{table}\n\n</details>",
    ]


def _verdict(check: CheckOutcome) -> str:
    if check.passed:
        return "passed"
    return "failed" if check.severity == "error" else "warned"


def _table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: frozenset[int] | set[int] = frozenset()
) -> str:
    """A Markdown table of whatever is to be said; the columns in `right` are set to the right."""
    return markdown_table(headings, ([for_markdown(str(cell)) for cell in row] for row in rows), right=right)
