"""The verb that follows a number back to the byte of BEA's that it was read from, and confirms or refutes it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.asking.choosing import chosen, day_of
from pce_pipeline.asking.reading import first_days
from pce_pipeline.bronze.current import current_of
from pce_pipeline.bronze.errors import NotKnownYet
from pce_pipeline.bronze.history import History
from pce_pipeline.certificates.statement import written
from pce_pipeline.cli import shown
from pce_pipeline.cli.certifying import signature_in_words, trusted_key
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import PceError, UsageError
from pce_pipeline.gold.known import AsOf
from pce_pipeline.texts import number_text
from pce_pipeline.tracing.asking import asked as numbers_asked
from pce_pipeline.tracing.asking import titles
from pce_pipeline.tracing.checking import check_of_postgres
from pce_pipeline.tracing.citation import cite
from pce_pipeline.tracing.proving import Proven, Prover, file_of
from pce_pipeline.tracing.records import Check, Link, Trace
from pce_pipeline.tracing.tracer import Tracer
from pce_pipeline.warehouse.reading import values_of, world_held

_MOST = 60
_FEW_LINKS = 6
_STYLES = {
    "confirmed": "bold green",
    "confirmed_in_lake": "green",
    "refuted": "bold red",
    "nothing_held": "bold yellow",
}


def trace(
    session: Session,
    measure: Annotated[
        str, typer.Option(help="What: a measure, such as pce, or a column of Gold, such as pce_yoy_pct.")
    ],
    years: Annotated[str, typer.Option(help="Of which years: 2021, or 2015...2018.")],
    state: Annotated[str | None, typer.Option(help="Of which areas: CA,TX, US, a region, or FIPS codes.")] = None,
    category: Annotated[str | None, typer.Option(help="Of which categories, by id or name.")] = None,
    months: Annotated[
        str | None, typer.Option(help="Of which months, of what is published by month: 7, or 1,2.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="As known at the end of this day; now if it is left out.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="With --prove: write the certificate and the proofs into this folder."),
    ] = None,
    *,
    prove: Annotated[
        bool, typer.Option("--prove", help="Prove each figure by the certificate of its vintage, without network.")
    ] = False,
    citation: Annotated[bool, typer.Option("--cite", help="Only a citation of each number.")] = False,
) -> Answer:
    """Follow a number to the byte of BEA's that it was read from, and look at every step again."""
    today = datetime.now(UTC).date()
    moment = AsOf(day_of(as_of)) if as_of else None
    if moment is not None and moment.day > today:
        raise UsageError(f"{moment.day} is in the future.", remedy=f"The latest day is {today}.")
    choice = chosen(
        session.datasets.values(), areas=state, categories=category, years=years, months=months, newest=today.year
    )
    if to is not None and not prove:
        raise UsageError("--to is for the files of proofs.", remedy="Add --prove, or leave it out.")
    numbers = numbers_asked(
        session.registry,
        list(session.datasets),
        what=measure,
        areas=choice.areas,
        categories=choice.categories,
        years=list(choice.years or ()),
        months=choice.months,
    )
    if len(numbers) > _MOST:
        raise UsageError(f"These are {len(numbers)} numbers.", remedy=f"Trace up to {_MOST} at once.")
    with session.watched():
        held = current_of(session.lake, session.registry.datasets)
        now = held[numbers[0].dataset.name]
        if moment is not None:
            if now.dataset.is_monthly:
                raise UsageError(
                    "Of months no log is kept: they are traced as they are now.", remedy="Leave --as-of out."
                )
            history = History(now)
            if not moment.knows_any_of(history.vintages):
                raise NotKnownYet(str(moment.day), dict(first_days(history, moment)))
        tracer = Tracer(session.lake, session.registry, held, moment)
        traces = [tracer.trace(each) for each in numbers]
        proven: list[Proven] = []
        if prove:
            prover = Prover(session.lake, session.registry, tracer.moment, trusted_key(session))
            proven = [prover.prove(each) for each in traces]
            traces = [each.trace for each in proven]
        in_postgres = _in_postgres(session, traces)
    if all(each.verdict == "nothing_held" for each in traces):
        raise UsageError(
            f"Nothing holds {measure} of these areas, categories and years.",
            remedy=f"See what is held: {session.command('status')}",
        )
    traces = [
        Trace(**{**vars(each), "checks": [*each.checks, check]})
        for each, check in zip(traces, in_postgres, strict=True)
    ]
    citations = [cite(each, is_sample=session.settings.is_sample, today=today) for each in traces]
    files = [name for each in proven for name in _write(each, to)] if to is not None else []
    is_refuted = any(each.verdict == "refuted" for each in traces)
    return Answer(
        {
            "traces": [
                {**_document(each), "citation": said, **proof}
                for each, said, proof in zip(traces, citations, _documents_of_proofs(proven, traces), strict=True)
            ],
            **({"written": files} if files else {}),
        },
        []
        if citation
        else [*(part for each in traces for part in _shown(each)), *_written_shown(files), *_proofs_shown(proven)],
        as_is="".join(f"{each}\n" for each in citations) if citation and not session.as_json else None,
        exit_code=FAILED if is_refuted else 0,
    )


def _documents_of_proofs(proven: Sequence[Proven], traces: Sequence[Trace]) -> list[dict[str, Any]]:
    """What was proven of each trace; nothing where nothing was asked for."""
    if not proven:
        return [{} for _ in traces]
    return [
        {
            "certificate": None
            if each.certificate is None
            else {
                "vintage": each.certificate.statement.vintage,
                "statement_sha256": each.certificate.statement_sha256,
                "root": each.certificate.statement.cells.root,
            },
            "proofs": [msgspec.to_builtins(proof) for proof in each.proofs],
        }
        for each in proven
    ]


def _write(proven: Proven, folder: Path) -> list[str]:
    """Write the certificate and the proofs of a trace; the names of the files."""
    if proven.certificate is None:
        return []
    statement = proven.certificate.statement
    files = {f"{statement.dataset}-{statement.vintage}-{proven.certificate.name}": written(proven.certificate)}
    files |= {file_of(proof): written(proof) for proof in proven.proofs}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in files.items():
            (folder / name).write_bytes(body)
    except OSError as problem:
        raise UsageError(f"{folder} cannot be written: {problem.strerror}.", remedy="Name another folder.") from None
    return [str(folder / name) for name in files]


def _written_shown(files: Sequence[str]) -> list[RenderableType]:
    if not files:
        return []
    names = [Text(f"  {name}", no_wrap=True) for name in dict.fromkeys(files)]
    return [Text("\nWritten, to be checked anywhere with pce certificate verify CERTIFICATE --proof PROOF:"), *names]


def _proofs_shown(proven: Sequence[Proven]) -> list[RenderableType]:
    certificates = {each.certificate.name: each.certificate for each in proven if each.certificate is not None}
    return [
        Text(
            f"\nProven by the certificate of {each.statement.dataset}, vintage {each.statement.vintage}: root "
            f"{each.statement.cells.root} over {each.statement.cells.leaves:,} cells, "
            f"{signature_in_words(each, is_trusted=False)}."
        )
        for each in certificates.values()
    ]


def _in_postgres(session: Session, traces: Sequence[Trace]) -> list[Check]:
    """Whether Postgres has each number; not looked at where there is no database, or it is of another world."""
    why = "there is no database yet"
    if session.has_database:
        try:
            with session.postgres.connect() as connection:
                if world_held(connection) == (session.settings.world, session.settings.env):
                    found = [
                        values_of(connection, each.asked.table, each.asked.column, each.asked.key, each.as_of)
                        for each in traces
                    ]
                    return [_of_postgres(each, rows) for each, rows in zip(traces, found, strict=True)]
                why = "the database holds nothing of this world"
        except PceError as problem:
            why = problem.message
    return [Check("Postgres", holds=None, said=f"not looked at: {why}")] * len(traces)


def _of_postgres(trace: Trace, rows: list[Any] | None) -> Check:
    if rows is None and trace.as_of is None and trace.asked.table.in_postgres:
        said = "it has no such table; make it with `pce db migrate`, and load it with `pce refresh`"
        return Check(f"Postgres, {trace.asked.table.name.replace('/', '.')}", holds=False, said=said)
    if rows is None:
        return Check("Postgres", holds=None, said="not looked at: it has no table or function for it")
    return check_of_postgres(trace, rows)


def _document(trace: Trace) -> dict[str, Any]:
    asked = trace.asked
    return {
        "verdict": trace.verdict,
        "dataset": asked.dataset.name,
        "table": asked.table.name,
        "column": asked.column,
        **asked.key,
        "as_of": trace.as_of,
        "value": trace.value,
        "status": trace.status,
        "unit": trace.unit,
        "formula": asked.formula.text,
        "figures": [asdict(link) for link in trace.links],
        "gold": [{name: fact for name, fact in vars(file).items() if name != "rows"} for file in trace.gold],
        "checks": [asdict(check) for check in trace.checks],
    }


def _shown(trace: Trace) -> list[RenderableType]:
    asked, names = trace.asked, titles(trace.asked.dataset, trace.asked)
    period = str(asked.year) if asked.month is None else f"{asked.year}-{asked.month:02}"
    value = trace.status if trace.value is None else number_text(trace.value)
    known = f", as known on {trace.as_of}" if trace.as_of else ""
    failed = [check for check in trace.checks if check.holds is False]
    passed = sum(check.holds is True for check in trace.checks)
    skipped = [check for check in trace.checks if check.holds is None]
    counts = f"{passed} of {passed + len(failed)} steps agree"
    links = trace.links[:_FEW_LINKS]
    return [
        Text.assemble(
            "\n",
            (f"{names['area']}, {names['category']}, {period}{known}: {asked.column} = {value}", "bold"),
            f" {trace.unit}" if trace.value is not None else "",
        ),
        Text.assemble((trace.verdict.replace("_", " "), _STYLES[trace.verdict]), f"  {counts}"),
        *(Text.assemble(("  refuted  ", "red"), f"{check.what}: {check.said}") for check in failed),
        *(Text(f"  {check.what}: {check.said}", "dim") for check in skipped),
        shown.facts(
            [
                *([("Gold", shown.beside(trace.gold[0].uri)), _made_by(trace)] if trace.gold else []),
                ("Formula", asked.formula.text),
            ]
        ),
        *(part for link in links for part in _link_shown(link)),
        *(
            [Text(f"... and {len(trace.links) - len(links)} more figures; --json has all.")]
            if trace.links[len(links) :]
            else []
        ),
    ]


def _made_by(trace: Trace) -> tuple[str, RenderableType]:
    file = trace.gold[0]
    return "", f"published {file.published_at[:19]} UTC by run {file.run_id}, sha256 {file.sha256}"


def _link_shown(link: Link) -> list[RenderableType]:
    value = link.status if link.value is None else number_text(link.value)
    head = Text.assemble((f"{link.term} = {value}", "bold"), f"  {link.unit}")
    if link.raw is None:
        return [Text(), head, Text("  nothing that is held has it")]
    raw, place = link.raw, link.raw.place
    where = "not found in it"
    if place is not None:
        inside = f"{place.member}, " if place.member else "uncompressed, " if place.is_packed else ""
        line = f"line {place.line:,}, " if place.line else ""
        where = f"{inside}{line}byte {place.offset:,}, {place.length} bytes"
    facts: list[tuple[str, RenderableType]] = [
        ("  Figure", f"{link.measure} {link.category} {link.geo_fips} {link.period}"),
        ("  table", f"{raw.published_as}, {_released(raw.released, raw.release_note)}"),
        ("  Raw", shown.beside(raw.uri)),
        ("", f"sha256 {raw.sha256}, {raw.bytes:,} bytes"),
        ("  Place", where),
        *([("", Text(place.row))] if place is not None else []),
        ("  Request", _requested(raw.endpoint, raw.parameters)),
        ("", f"{raw.extracted_at:%Y-%m-%d %H:%M:%S} UTC, extract {raw.extract}, run {raw.run_id}"),
        ("", f"pce_pipeline {raw.code_version}"),
    ]
    return [Text(), head, shown.facts(facts)]


def _released(released: object, note: str) -> str:
    return note or (f"last updated {released}" if released else "without a date of its own")


def _requested(endpoint: str, parameters: Mapping[str, str]) -> str:
    if not endpoint.startswith("http"):
        return "none: somebody imported a file"
    return " ".join([endpoint, *(f"{name}={value}" for name, value in parameters.items())])
