"""How the house cites: whose figures they are, what they are, and when they were retrieved by which version.

Every citation is worded here, of a single number and of a whole file, so that the terms of BEA and the label of the
sample are written once. The sample is never cited as anybody's statistics.
"""

from datetime import date

from pce_pipeline import __version__

BEA = "U.S. Bureau of Economic Analysis"
TERMS = "This product uses the BEA Data API but is not endorsed or certified by BEA."
SAMPLE = "SAMPLE: invented numbers of an embedded look-alike, which no agency publishes."

ESTIMATES = "Estimates of pce_pipeline, which no agency publishes, from figures of the"


def cite(said: str, *, of: str, is_sample: bool, today: date, did: str = "Retrieved", is_estimate: bool = False) -> str:
    """A citation in one line.

    `said` is what is cited, in whole sentences; `of` is the publication that it is from, which the sample has none of;
    `did` is what was done on `today` with this package. Estimates are this package's own, from figures of BEA.

    >>> cite("PCE, California, 2023.", of="PCE by State", is_sample=True, today=date(2026, 11, 28))[:64]
    'SAMPLE: invented numbers of an embedded look-alike, which no age'
    """
    made = f"{did} with pce_pipeline {__version__} on {today}."
    if is_sample:
        return f"{SAMPLE} {said} {made}"
    return f"{f'{ESTIMATES} {BEA}' if is_estimate else BEA}, {of}. {said} {made} {TERMS}"


def licence(*, is_sample: bool) -> str:
    """What anybody may do with the figures."""
    if is_sample:
        return "Synthetic numbers made by pce_pipeline, Apache-2.0; for trying things out only."
    return f"Statistics published by BEA are in the public domain. {TERMS}"
