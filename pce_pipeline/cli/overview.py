"""The verbs that show what there is: datasets with their releases, tables and newest figures, and how good they are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.bea.errors import BeaError
from pce_pipeline.bronze.current import Current
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.certificates.errors import NoCertificate
from pce_pipeline.certificates.finding import newest_certificate
from pce_pipeline.cli import shown
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.run_report import runs_newest_first
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.observability.records import CheckOutcome
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.years import years_text
from pce_pipeline.texts import number_text

_MOST_RUNS = 50


@dataclass(frozen=True)
class _Headline:
    """The newest figure of a dataset for the nation."""

    title: str
    period: str
    value: Any
    unit: str


def here(session: Session) -> Answer:
    """What is here: each dataset with its newest and next release, years, tables, newest figure, and what was wrong."""
    held = session.held()
    if not any(now.manifests for now in held.values()):
        return Answer(
            {"datasets": {}},
            [Text.assemble("There is nothing yet. Bring it with: ", (session.command("run"), "bold"))],
            exit_code=FAILED,
        )
    following = _next_releases(session)
    documents = {name: _of_dataset(session, now, following.get(name)) for name, now in held.items() if now.manifests}
    outcomes = _newest_outcomes(session)
    counts = _counted(outcomes)
    return Answer(
        {"datasets": documents, "checks": counts},
        [
            *(part for name, each in documents.items() for part in _dataset_shown(name, each)),
            Text(),
            Text.assemble(
                ("Checks  ", "bold"), _in_words(counts), "; which and why: ", (session.command("show quality"), "bold")
            ),
            Text.assemble(
                ("Ask     ", "bold"),
                (session.world_command("find WORDS"), "bold"),
                ", ",
                (session.command("query"), "bold"),
            ),
        ],
    )


def quality(session: Session) -> Answer:
    """How good it is: the newest outcome of every check, cells that could not be read, and identities that hold."""
    outcomes = _newest_outcomes(session)
    held = session.held()
    unread = {name: _unread(now) for name, now in held.items() if now.manifests}
    identities = {name: _identities(session, now.dataset) for name, now in held.items() if now.manifests}
    if not outcomes:
        return Answer(
            {"checks": {}},
            [Text.assemble("Nothing was checked yet. Bring data with: ", (session.command("run"), "bold"))],
            exit_code=FAILED,
        )
    wrong, contracts = [each for each in outcomes if not each.passed], Contracts(session.registry)
    by_asset: dict[str, list[CheckOutcome]] = {}
    for each in outcomes:
        by_asset.setdefault(each.asset, []).append(each)
    return Answer(
        {
            "checks": _counted(outcomes),
            "not_passed": [{**msgspec.to_builtins(each), **_promised(contracts, each)} for each in wrong],
            "by_asset": {asset: _counted(found) for asset, found in sorted(by_asset.items())},
            "quarantined": unread,
            "identities": identities,
        },
        [
            shown.table(
                ["Table", ">Checks", "Not passed"],
                [
                    (asset, str(len(found)), ", ".join(each.name for each in found if not each.passed))
                    for asset, found in sorted(by_asset.items())
                ],
            ),
            *(part for each in wrong for part in _wrong_shown(contracts, each)),
            shown.table(
                ["Dataset", ">Cells not read", "Identities"],
                [(name, shown.number(count), identities[name]) for name, count in unread.items()],
            ),
        ],
    )


def _promised(contracts: Contracts, outcome: CheckOutcome) -> dict[str, str]:
    """What the contract says of a check; nothing of one that this version does not have."""
    rule = contracts.rule(outcome.asset, outcome.name)
    if rule is None:
        return {}
    return {
        "kind": rule.kind,
        "promise": rule.description,
        "tolerance": rule.tolerance,
        "what_to_do": rule.remedy,
    }


def _wrong_shown(contracts: Contracts, outcome: CheckOutcome) -> Iterator[RenderableType]:
    said = f"{outcome.asset} {outcome.name}: {outcome.summary}"
    yield Text.assemble((f"{outcome.severity.lower()}  ", "yellow"), said)
    if remedy := _promised(contracts, outcome).get("what_to_do"):
        yield Text(f"      {remedy}", "dim")


def _of_dataset(session: Session, now: Current, following: datetime | None) -> dict[str, Any]:
    registry, dataset = session.registry, now.dataset
    tables = [each.table for each in registry.gold[dataset.name]]
    published = {table.name: session.lake.table(table).latest() for table in tables}
    years = sorted({int(key) for partitions in published.values() for key in partitions if key.isdecimal()})
    headline = _headline(session, dataset, years)
    return {
        "title": dataset.title,
        "released": sorted(set(now.releases.values()))[-1:] or None,
        "next_release": following.date() if following else None,
        "extracts": len(now.manifests),
        "years": years_text(years),
        "tables": {name: sum(each.rows for each in partitions.values()) for name, partitions in published.items()},
        "cells_not_read": _unread(now),
        "headline": None if headline is None else vars(headline),
    }


def _headline(session: Session, dataset: Dataset, years: Sequence[int]) -> _Headline | None:
    """The first measure that may be compared over years, of the nation, in the newest year that has a number."""
    measures = list(dataset.measures.values())
    measure = next((each for each in measures if each.growth_is_meaningful), measures[0])
    line = dataset.lines.filter(measure=measure.name).row(0, named=True)
    nation = dataset.areas.filter(geo_level="nation")["geo_fips"][0]
    figure = {"category_id": line["category_id"], "geo_fips": nation}
    table: Table = session.registry.silver[dataset.name].table if dataset.is_monthly else session.registry.facts.table
    if not dataset.is_monthly:
        figure |= {"measure": measure.name, "dataset": dataset.name}
    else:
        figure |= {"bea_table": line["bea_table"], "line_code": line["line_code"]}
    store = session.lake.table(table)
    for year in reversed(years):
        partition = store.latest().get(str(year))
        rows = store.read_partition(partition).filter(**figure).drop_nulls("value") if partition else pl.DataFrame()
        if rows.height:
            row = rows.sort(table.key).row(-1, named=True)
            period = f"{year}-{row['month']:02}" if dataset.is_monthly else str(year)
            return _Headline(
                f"{measure.title}, {_name_of(dataset, line['category_id'])}, US",
                period,
                row["value"],
                measure.unit_title,
            )
    return None


def _name_of(dataset: Dataset, category: str) -> str:
    return str(dataset.categories.filter(category_id=category)["name"][0])


def _next_releases(session: Session) -> dict[str, datetime]:
    """The day that the release calendar announces next for each dataset; none where it cannot be asked."""
    names = {name: each.release_names for name, each in session.datasets.items()}
    try:
        releases = session.bea.releases(names, {})
    except BeaError:
        return {}
    now = datetime.now(UTC)
    return {
        name: day
        for name, each in releases.items()
        if each.calendar is not None and (day := each.calendar.next_after(each.release_names, now)) is not None
    }


def _newest_outcomes(session: Session) -> list[CheckOutcome]:
    """What each check said when it last ran, of the newest runs."""
    found: dict[tuple[str, str], CheckOutcome] = {}
    for number, record in enumerate(runs_newest_first(session)):
        if number == _MOST_RUNS:
            break
        for each in record.checks:
            found.setdefault((each.asset, each.name), each)
    return list(found.values())


def _counted(outcomes: Iterable[CheckOutcome]) -> dict[str, int]:
    counts = {"passed": 0, "warned": 0, "failed": 0}
    for each in outcomes:
        counts["passed" if each.passed else "warned" if each.severity.upper() == "WARN" else "failed"] += 1
    return counts


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _unread(now: Current) -> int:
    """How many cells of what counts now could not be read."""
    return sum(layer.entry.quarantined for source in now.known_sources.values() for layer in source.vintage.layers)


def _identities(session: Session, dataset: Dataset) -> str:
    try:
        stated = newest_certificate(session.lake, dataset).statement.identities
    except (NoCertificate, DamagedObject):
        return "not certified yet"
    compared = [each for each in stated if each.result != "nothing to compare"]
    return f"{sum(each.result == 'holds' for each in compared)} of {len(compared)} hold"


def _dataset_shown(name: str, document: dict[str, Any]) -> Iterator[RenderableType]:
    headline = document["headline"]
    released = ", ".join(document["released"] or ["without a date"])
    facts: list[tuple[str, RenderableType]] = [
        ("Released", f"{released}; next {document['next_release'] or 'unknown: the calendar names none'}"),
        ("Years", document["years"] or "none yet"),
        ("Tables", "\n".join(f"{table}: {shown.number(rows)} rows" for table, rows in document["tables"].items())),
        ("Extracts", str(document["extracts"])),
    ]
    if headline:
        facts.append(
            (
                "Newest",
                f"{headline['title']}, {headline['period']}: {number_text(headline['value'])} {headline['unit']}",
            )
        )
    if document["cells_not_read"]:
        facts.append(("Not read", shown.counted(document["cells_not_read"], "cell")))
    yield Text.assemble("\n", (name, "bold"), f"  {document['title']}")
    yield shown.facts(facts)
