"""What BEA says by its other way, asked to compare and not to keep: nothing of it is written into the lake.

An extract came by the API or from a keyless file. Here the other of the two is asked, through the feeds that extracts
are taken by, into a folder that is deleted afterwards.
"""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import polars as pl

from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bronze.extract import scope_of_profile
from pce_pipeline.bronze.feeds import ApiFeed, BulkFeed, Feed, MonthsFeed, SeriesFeed
from pce_pipeline.bronze.manifest import ObjectEntry
from pce_pipeline.bronze.reading import Content, read_content
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.layout import ExtractId, Layout
from pce_pipeline.lake.store import Store

MOST_LINES = 24
"""So many lines of a dataset are asked of the API at once: a sixth of what BEA allows in a minute, some 6 MB."""

_SPOT_CHECK = "spot check"


@dataclass(frozen=True)
class Asked:
    """What BEA said, read."""

    origin: str
    """The way it was asked: `api`, `bulk` or `sample`."""
    content: Content
    """What was read of it."""
    objects: tuple[ObjectEntry, ...]
    """The answers and files that it was read from, as a manifest would list them."""

    def release(self, table: str) -> date | None:
        """The release that a table of it is of; None where it does not say."""
        return release_in(table, self.content.tables[table].last_updated, self.objects)


def release_in(table: str, last_updated: date | None, objects: Sequence[ObjectEntry]) -> date | None:
    """The release of a table: its "Last updated", else the day on which BEA wrote the file that has it."""
    if last_updated is not None:
        return last_updated
    written = [
        _day_of(entry.parameters["Last-Modified"])
        for entry in objects
        if table in entry.tables and "Last-Modified" in entry.parameters
    ]
    return max((day for day in written if day is not None), default=None)


def _day_of(text: str) -> date | None:
    """The day (UTC) that a header names; None where it names none."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (moment.astimezone(UTC) if moment.tzinfo else moment).date()


def ask_files(client: Callable[[], BeaClient], dataset: Dataset) -> Asked:
    """All of a dataset that BEA's keyless files have now; raises `BeaError`."""
    feed: Feed = SeriesFeed(client, dataset) if dataset.is_monthly else BulkFeed(client, dataset)
    return _asked(feed, dataset)


def ask_api(client: Callable[[], BeaClient], dataset: Dataset, origin: str, turn: int) -> Asked:
    """What BEA's API says now of a dataset, or of a few lines of one that has many; raises `BeaError`.

    Which lines, `turn` decides: other ones each time, so that all have been asked after some times.
    """
    if dataset.is_monthly:
        return _asked(MonthsFeed(client, dataset, origin), dataset)
    chosen = spot(dataset, MOST_LINES, turn)
    narrowed = dataset if chosen.height == dataset.lines.height else replace(dataset, profile=_SPOT_CHECK, lines=chosen)
    return _asked(ApiFeed(client, narrowed, origin), dataset)


def spot(dataset: Dataset, most: int, turn: int) -> pl.DataFrame:
    """Up to `most` of a dataset's lines: the first of each table, and every nth of the others, which come in turn."""
    lines = dataset.lines.sort("bea_table", "line_code")
    if lines.height <= most:
        return lines
    is_first = pl.int_range(pl.len()).over("bea_table") == 0
    first, others = lines.filter(is_first), lines.filter(~is_first)
    turns = math.ceil(others.height / max(most - first.height, 1))
    return pl.concat([first, others.gather_every(turns, turn % turns)]).sort("bea_table", "line_code")


def _asked(feed: Feed, dataset: Dataset) -> Asked:
    with tempfile.TemporaryDirectory(prefix="pce-asked-") as folder:
        store = Store(DirectoryBackend(Path(folder)))
        beside, extract = (
            BronzeStore(store, Layout("local", "asked"), dataset.name),
            ExtractId(datetime.now(UTC).date()),
        )
        gathered = feed.gather(beside, extract, list(dataset.tables))
        bodies = beside.staged(extract)
    objects = [(entry, bodies[name]) for name, entry in gathered.entries.items()]
    content = read_content(
        objects, dataset.tables, dataset, scope=scope_of_profile(dataset), is_live=True, tolerate_unknown=True
    )
    return Asked(gathered.origin, content, tuple(entry for entry, _ in objects))
