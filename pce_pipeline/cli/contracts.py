"""The contracts of all tables as Markdown and JSON, from what declares them: it says nothing that they do not say."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.contracts.contract import EVOLUTION, TOLD, Contract
from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.quality.rules import BLOCKS, KINDS, REMEDIES, Kind, Rule
from pce_pipeline.settings import Environment, defaults_of
from pce_pipeline.tables.joins import Join

_INTRODUCTION = """\
# Contracts

Written by `pce catalog contracts` from the rules, tables and settings of this version; do not edit it by hand.

Every asset keeps its rules: they judge what is about to be published, and what a blocking one finds wrong is not
published, in the lake or in Postgres. `pce show quality` says what each rule said when it last ran, and so does the
asset's page in Dagster. What the columns mean is in the [data dictionary](data-dictionary.md).
"""

_LAYERS = {
    "bronze": "Bronze: coverage, hashes and the documented columns",
    "silver": "Silver: reconciliation, references, and no drift unseen",
    "gold": "Gold: required columns, rows, nulls, and everything computed again",
    "postgres": "Postgres: the same rows",
}

_RETRIES = """\
A step that fails for something that may pass by itself (no answer from BEA, S3 or the database, a connection that
breaks, two loads that collide) is tried again, after a wait that doubles, with chance in it, and is five minutes at
most. What rules judged wrong is never tried again, nor is anything else that an error type does not say this of.
"""


def contracts(session: Session) -> Answer:
    """The contracts of all tables as Markdown: rules, joins, how columns may change, and what blocks where."""
    declared = Contracts(session.registry)
    return Answer(
        {
            "kinds": {kind: {"about": about, "blocks": BLOCKS[kind]} for kind, about in KINDS.items()},
            "environments": {name: _mode(name) for name in _environments()},
            "contracts": [_document(each) for each in declared.all.values()],
            "evolution": EVOLUTION,
        },
        as_is=markdown(declared),
        of_world=False,
    )


def markdown(declared: Contracts) -> str:
    """The whole document; the same declarations give the same bytes."""
    parts = [_INTRODUCTION, *_modes(), *_evolution(), *_shared_rules(declared.all.values())]
    for layer, title in _LAYERS.items():
        parts.append(f"## {title}\n")
        alike: dict[tuple[int, ...], list[Contract]] = {}
        for contract in declared.all.values():
            if contract.layer == layer:
                alike.setdefault(tuple(map(id, contract)), []).append(contract)
        for contracts_alike in alike.values():
            parts += _section(contracts_alike)
    return "\n".join(parts)


def _environments() -> tuple[str, ...]:
    return get_args(Environment)


def _mode(environment: str) -> dict[str, Any]:
    """What of an environment's defaults decides about rules, retries and loads."""
    defaults = defaults_of(environment)
    names = ("threshold_checks", "references_resolved_pct", "retries", "retry_wait_seconds", "load_postgres")
    return {name: defaults[name] for name in names}


def _modes() -> Iterator[str]:
    environments = _environments()
    modes = {name: _mode(name) for name in environments}
    yield "## What blocks where\n"
    yield f"| kind of rule | it is about | {' | '.join(environments)} | what to do |\n|{'---|' * (len(modes) + 3)}"
    for kind, about in KINDS.items():
        does = " | ".join(_does(kind, mode) for mode in modes.values())
        yield f"| {kind} | {_cell(about)} | {does} | {_cell(REMEDIES[kind])} |"
    yield f"\n| setting | {' | '.join(environments)} |\n|---|{'---|' * len(environments)}"
    for setting in next(iter(modes.values())):
        values = " | ".join(_plain(modes[name][setting]) for name in environments)
        yield f"| `PCE_{setting.upper()}` | {values} |"
    yield f"\n{_RETRIES}"


def _does(kind: Kind, mode: dict[str, Any]) -> str:
    blocks = BLOCKS[kind]
    if blocks == "threshold":
        return "stops" if mode["threshold_checks"] == "block" else "warns"
    return "stops" if blocks == "always" else "warns"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _evolution() -> Iterator[str]:
    yield "## How tables may change\n\n| change | what it takes |\n|---|---|"
    for change, takes in EVOLUTION.items():
        yield f"| {change} | {_cell(takes)} |"
    yield f"\n{TOLD}\n"


def _shared_rules(declared: Iterable[Contract]) -> Iterator[str]:
    """Rules that many assets keep, described once."""
    yield "## Rules that many tables keep\n\n| rule | kind | promise | tolerance |\n|---|---|---|---|"
    shared = {rule.name: rule for contract in declared for rule in (*contract.of_rows, *contract.of_stored)}
    yield from map(_row, shared.values())
    yield ""


def _section(alike: Sequence[Contract]) -> Iterator[str]:
    """The contracts that keep the same rules."""
    first = alike[0]
    yield f"### {', '.join(contract.asset for contract in alike)}\n"
    yield "| asset | promise | key | joins to one row of |\n|---|---|---|---|"
    yield from map(_promise, alike)
    yield ""
    named = [rule.name for rule in (*first.of_rows, *first.of_stored)]
    if named:
        rest = ", and:" if first.rules else "."
        yield f"{'Keeps' if len(alike) == 1 else 'Keep'} {', '.join(f'`{name}`' for name in named)}{rest}\n"
    if first.rules:
        yield "| rule | kind | promise | tolerance |\n|---|---|---|---|"
        yield from map(_row, first.rules)
        yield ""


def _promise(contract: Contract) -> str:
    table = contract.table
    key = ", ".join(f"`{name}`" for name in table.key) if table is not None else ""
    joins = "; ".join(_join(join, contract) for join in contract.joins)
    return f"| `{contract.asset}` | {_cell(contract.promise)} | {key} | {joins} |"


def _join(join: Join, contract: Contract) -> str:
    columns, to = (", ".join(f"`{name}`" for name in names) for names in (join.columns, join.to_columns))
    by = "" if columns == to else f" by {to}"
    within = f" within {join.within}" if join.within else ""
    names = {each.name for each in contract.table.columns if each.nullable} if contract.table is not None else set()
    return f"{columns} → `{join.to.name}`{by}{within}{' or NULL' if names & {*join.columns} else ''}"


def _row(rule: Rule[Any]) -> str:
    return f"| `{rule.name}` | {rule.kind} | {_cell(rule.description)} | {_cell(rule.tolerance)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _document(contract: Contract) -> dict[str, Any]:
    return {
        "asset": contract.asset,
        "layer": contract.layer,
        "promise": contract.promise,
        "key": contract.table.key if contract.table else (),
        "columns": contract.table.column_names if contract.table else (),
        "joins": [
            {"columns": each.columns, "to": each.to.name, "to_columns": each.to_columns, "within": each.within}
            for each in contract.joins
        ],
        "rules": [
            {
                "name": rule.name,
                "kind": rule.kind,
                "blocks": rule.blocking,
                "promise": rule.description,
                "tolerance": rule.tolerance,
                "what_to_do": rule.remedy,
                "of_what_is_stored": rule in contract.of_stored,
            }
            for rule in contract
        ],
    }
