"""The alert that two sources of one release do not say the same. Pure functions over comparisons."""

import hashlib
from collections.abc import Sequence

from pce_pipeline.automation.agreement import Comparison, How
from pce_pipeline.automation.alerts.alert import Alert, key_of
from pce_pipeline.automation.differences import REMEDY, Difference, differences_of
from pce_pipeline.bronze.agreement import MISSING

_SHOWN = 5


def alerts_of_differences(comparisons: Sequence[Comparison], *, env: str, world: str, lake: str) -> list[Alert]:
    """An alert for each release of a dataset and each kind of comparison that finds differences.

    It is the same one for the same differences. Comparisons of different kinds are told apart, because they look at
    other cells each time: an old difference that one of them finds is not told again for a new one of another.
    """
    found: dict[tuple[str, str, How], list[Difference]] = {}
    for comparison in comparisons:
        for each in differences_of(comparison):
            found.setdefault((comparison.dataset, str(comparison.one.release), comparison.how), []).append(each)
    return [
        _alert(dataset, release, how, differing, env=env, world=world, lake=lake)
        for (dataset, release, how), differing in found.items()
    ]


def _alert(
    dataset: str, release: str, how: How, differing: Sequence[Difference], *, env: str, world: str, lake: str
) -> Alert:
    # the same cells and values are the same event, whichever extracts have them by now
    told = sorted({" ".join(map(str, each.found.values())) for each in differing})
    counted = "1 cell" if len(differing) == 1 else f"{len(differing):,} cells"
    more = f"; and {len(differing) - _SHOWN:,} more" if len(differing) > _SHOWN else ""
    examples = "; ".join(f"{each.cell}: {each.both}" for each in differing[:_SHOWN])
    return Alert(
        kind="sources_differ",
        key=key_of(dataset, release, how, hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]),
        severity="warning",
        env=env,
        world=world,
        title=f"{dataset}: {counted} of BEA's release of {release} are not the same in two sources",
        happened=f"Two sources of one release differ in {counted}: {examples}{more}.",
        remedy=REMEDY,
        facts={
            "dataset": dataset,
            "release": release,
            "tables": ", ".join(sorted({each.comparison.table for each in differing})),
            "missing in one": str(sum(each.found["agreement"] == MISSING for each in differing)),
            "addresses": " and ".join(differing[0].addresses),
            "lake": lake,
        },
    )
