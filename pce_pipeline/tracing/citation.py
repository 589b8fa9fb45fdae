"""What to write below a number that was traced: whose it is, of which release, and how to get to the same byte."""

from datetime import date

from pce_pipeline import citation
from pce_pipeline.texts import number_text
from pce_pipeline.tracing.asking import titles
from pce_pipeline.tracing.records import Link, Trace

_FEW = 4


def cite(trace: Trace, *, is_sample: bool, today: date) -> str:
    """A citation of a number: source, release, vintage, and the objects that it was read from."""
    asked, names = trace.asked, titles(trace.asked.dataset, trace.asked)
    period = str(asked.year) if asked.month is None else f"{asked.year}-{asked.month:02}"
    value = trace.status if trace.value is None else number_text(trace.value)
    held = [link for link in trace.links if link.raw is not None]
    known = f", as known on {trace.as_of}" if trace.as_of is not None else ""
    said = (
        f"{asked.column}, {names['category']}, {names['area']}, {period}{known}: {value}"
        f"{f' {trace.unit}' if trace.unit and trace.value is not None else ''}."
    )
    if trace.verdict == "refuted":
        return f"REFUTED, not to be cited: {said} `pce trace` without --cite says what does not agree."
    if trace.value is None:
        return f"NO NUMBER, not to be cited: {said}"
    if is_sample:
        return citation.cite(said, of=asked.dataset.title, is_sample=True, today=today, did="Traced")
    more = f" and {len(held) - _FEW} more figures" if len(held) > _FEW else ""
    sources = "; ".join(map(_source, held[:_FEW])) + more
    computed = f"Computed as {asked.formula.text} from" if len(trace.asked.formula.terms) > 1 else "Read from"
    return citation.cite(
        f"{said} {computed} {sources or 'nothing'}.",
        of=asked.dataset.title,
        is_sample=False,
        today=today,
        did=f"Retrieved and traced ({trace.verdict})",
    )


def _source(link: Link) -> str:
    raw = link.raw
    if raw is None:
        return ""
    released = f"last updated by BEA on {raw.released}" if raw.released else f"extract {raw.extract}"
    address = f"{raw.endpoint}; " if raw.endpoint.startswith("http") else ""
    return f"table {raw.published_as}, area {link.geo_fips}, {link.period}, {released} ({address}sha256 {raw.sha256})"
