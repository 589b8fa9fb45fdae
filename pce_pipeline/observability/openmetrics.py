"""Measures as a text for collectors, in the form of OpenMetrics 1.0, and no server: who collects it decides how.

Pure functions. What is measured, and of what, is said where it is known.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Labels = Mapping[str, str]
"""What tells the samples of a metric apart: name and value."""


@dataclass(frozen=True)
class Metric:
    """One metric with its samples; without any it is left out."""

    name: str
    """Its name; one with a unit ends with `_` and the unit."""
    meaning: str
    """What it measures, in a sentence."""
    samples: Sequence[tuple[Labels, float]]
    """Its values, each with its labels."""
    unit: str = ""
    """The unit, such as `seconds`; empty for counts."""
    kind: Literal["gauge", "info"] = "gauge"
    """`info` for facts that are texts: their labels say them, and the value is 1."""


def openmetrics(metrics: Iterable[Metric]) -> str:
    r"""All of it as text.

    >>> print(openmetrics([Metric("pce_stale_years", "Years.", [({"env": "prod"}, 2)])]), end="")
    # TYPE pce_stale_years gauge
    # HELP pce_stale_years Years.
    pce_stale_years{env="prod"} 2
    # EOF
    """
    return "".join(f"{line}\n" for metric in metrics if metric.samples for line in _lines(metric)) + "# EOF\n"


def _lines(metric: Metric) -> Iterator[str]:
    yield f"# TYPE {metric.name} {metric.kind}"
    if metric.unit:
        yield f"# UNIT {metric.name} {metric.unit}"
    yield f"# HELP {metric.name} {_escaped(metric.meaning)}"
    name = f"{metric.name}_info" if metric.kind == "info" else metric.name
    for labels, value in metric.samples:
        told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{told}}} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    """As short as it can be without another meaning."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
