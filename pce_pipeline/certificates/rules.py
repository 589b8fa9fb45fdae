"""The rule of certificates: what is missing is made, and what cannot be made is told."""

from collections.abc import Mapping
from dataclasses import dataclass

from pce_pipeline.certificates.making import Made
from pce_pipeline.quality.rules import Finding, Rule, rule


@dataclass(frozen=True)
class Certified:
    """What the rule of certificates looks at."""

    made: Mapping[str, Made]
    """What was done, by dataset."""
    failed: Mapping[str, str]
    """The datasets whose certificates could not be made, each with the reason."""


@rule("comparison", remedy="The next run makes what is missing; `pce certificate show` says what there is.")
def certificates_are_made(certified: Certified) -> Finding:
    """Each certificate that was missing or no longer fitted was made; one of months waits for all years of Silver."""
    waiting = [name for name, each in certified.made.items() if each.waiting]
    there = sum(each.fit + len(each.made) + len(each.signed) for each in certified.made.values())
    told = [f"{there} certificates"]
    told += [f"{', '.join(waiting)} waits for all years of Silver"] if waiting else []
    told += [f"those of {', '.join(certified.failed)} could not be made"] if certified.failed else []
    return Finding(
        passed=not certified.failed,
        summary="; ".join(told),
        figures={"certificates": there, "waiting": len(waiting), "violations": len(certified.failed)},
        examples=tuple(f"{name}: {why}" for name, why in certified.failed.items()),
    )


certificate_rules: tuple[Rule[Certified], ...] = (certificates_are_made,)
