"""Files into a Bronze by the code that the asset runs: each table goes to the day that its file says."""

from pathlib import Path

from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.extract import next_extract_id, places, prepare, publish
from pce_pipeline.bronze.files import FileFeed
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset


def import_file(bronze: BronzeStore, dataset: Dataset, path: Path) -> None:
    """Import the tables of a dataset that a file holds; nothing happens where it holds none."""
    feed, tables = FileFeed([path], [dataset]).holding(list(dataset.tables))
    for place in places(feed, tables, None, current(bronze, dataset)):
        extract = next_extract_id(bronze, place.day)
        prepared = prepare(
            bronze,
            FileFeed(list(place.files), [dataset]),
            dataset,
            extract,
            list(place.tables),
            world="bea",
            run_id="a-run",
            tolerate_unknown=False,
        )
        if prepared.changed:
            publish(bronze, prepared)
