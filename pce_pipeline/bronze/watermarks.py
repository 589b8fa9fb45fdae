"""How far each of BEA's tables has been followed: the last release seen, and when it was last compared in full.

What was compared, and when, does not depend on a pin, which decides only which figures count.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pce_pipeline.bronze.counting import Source
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.extract import taken_at
from pce_pipeline.bronze.manifest import Verified


@dataclass(frozen=True)
class Watermark:
    """What is known of one BEA table."""

    dataset: str
    """The dataset that it is of."""
    bea_table: str
    """The table."""
    extract: str
    """The vintage that BEA was last seen to publish: an extract, or several that make one."""
    last_released_on: date | None
    """The release that BEA was last seen to publish, as far as it is known."""
    compared_at: datetime
    """When (UTC) it was last compared in full with what BEA publishes."""
    changed_at: datetime
    """When (UTC) the figures that BEA was last seen to publish were seen first."""

    def due_at(self, window: timedelta) -> datetime:
        """When (UTC) it is compared in full again at the latest, whatever BEA's notes say."""
        return self.compared_at + window


def watermarks_of(now: Current) -> dict[str, Watermark]:
    """The watermark of each table of a dataset that any extract which counts holds: reads one small object."""
    if not now.unpinned:
        return {}
    verified = now.bronze.verified()
    return {
        table: _watermark(now, verified, newest)
        for table, newest in now.unpinned.items()
        if table in now.dataset.tables
    }


def _watermark(now: Current, verified: Verified | None, unpinned: Source) -> Watermark:
    table, newest = unpinned.newest.table, unpinned.newest
    last_released_on = newest.base.entry.last_updated
    compared_at = taken_at(now.manifests[newest.base.extract], table)
    check = verified.tables.get(table) if verified else None
    # a comparison with another extract than the current one says nothing of what came after it
    same = {str(layer.extract) for vintage in (newest, unpinned.vintage) for layer in vintage.layers}
    if check is not None and check.extract in same and check.checked_at > compared_at:
        last_released_on, compared_at = check.last_updated, check.checked_at
    first = unpinned.vintage.layers[0].extract
    return Watermark(
        dataset=now.dataset.name,
        bea_table=table,
        extract=str(newest),
        last_released_on=last_released_on,
        compared_at=compared_at,
        changed_at=taken_at(now.manifests[first], table),
    )
