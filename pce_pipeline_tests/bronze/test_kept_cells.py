"""Decoded cells are kept beside Bronze, say what its objects say, and are made again where they do not fit."""

import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.bronze import cells as kept
from pce_pipeline.bronze.cells import kept_cells, read_extracts
from pce_pipeline.bronze.judgement import content_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline_tests.bronze.look_alike import Lakeside, LookAlike

CELL = ["bea_table", "line_code", "geo_fips", "year"]


@pytest.fixture
def lake(tmp_path: Path) -> Lakeside:
    return Lakeside(tmp_path / "lake", LookAlike(2, profile="smoke"))


def files_of(lake: Lakeside, extract: ExtractId) -> list[Path]:
    return sorted((lake.folder / "local/cells/sample-smoke/pce_state" / str(extract)).iterdir())


@pytest.mark.parametrize("feed", ["api", "bulk"])
def test_what_is_kept_says_what_the_objects_say(lake: Lakeside, feed: str) -> None:
    extract = lake.taken(getattr(lake.bea, feed)())
    manifest = lake.bronze.manifest(extract)
    assert [path.name for path in files_of(lake, extract)] == ["cells.parquet", "record.json"]
    raw = content_of(lake.bronze, manifest, ["SAPCE1"], lake.dataset)
    held = kept_cells(lake.bronze, manifest, lake.dataset)
    read = held.content(["SAPCE1"])
    assert read.cells.sort(CELL).equals(raw.cells.sort(CELL))
    assert read.lines.sort("line_code").equals(raw.lines.unique().sort("line_code").select(read.lines.columns))
    assert read.repeated.equals(raw.repeated)
    of_year = held.of_year(2020)
    assert of_year.drop("object").sort(CELL).equals(raw.cells.filter(year=2020).sort(CELL))
    objects = {entry.key: entry.line for entry in manifest.objects}
    for line, key in of_year.select("line_code", "object").unique().iter_rows():
        assert objects[key] in {line, None}


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def of_other_code(path: Path) -> None:
    path.write_text(path.read_text().replace(kept.reader(), "0" * 64))


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("cells.parquet", damage),
        ("cells.parquet", Path.unlink),
        ("record.json", damage),
        ("record.json", Path.unlink),
        ("record.json", of_other_code),
    ],
)
def test_what_does_not_fit_is_decoded_anew_and_kept_again(
    lake: Lakeside, name: str, spoil: Callable[[Path], None]
) -> None:
    extract = lake.taken()
    before = [path.read_bytes() for path in files_of(lake, extract)]
    spoil(lake.folder / "local/cells/sample-smoke/pce_state" / str(extract) / name)
    content = read_extracts(lake.bronze, {"SAPCE1": [extract]}, lake.bronze.manifests(), lake.dataset)
    assert content.cells.height == 5040
    assert [path.read_bytes() for path in files_of(lake, extract)] == before


def test_cells_of_another_extract_are_never_taken_for_its_own(lake: Lakeside) -> None:
    first = lake.taken()
    lake.bea = LookAlike(3, profile="smoke")
    second = lake.taken()
    for theirs, ours in zip(files_of(lake, first), files_of(lake, second), strict=True):
        ours.write_bytes(theirs.read_bytes())
    held = kept_cells(lake.bronze, lake.bronze.manifest(second), lake.dataset).content(["SAPCE1"]).cells
    raw = content_of(lake.bronze, lake.bronze.manifest(second), ["SAPCE1"], lake.dataset).cells
    assert held.sort(CELL).equals(raw.sort(CELL))


def test_each_year_is_a_row_group_of_its_own(lake: Lakeside) -> None:
    extract = lake.taken()
    (cells, _) = files_of(lake, extract)
    years = pl.read_parquet(io.BytesIO(cells.read_bytes()))["year"]
    assert years.is_sorted()
    assert years.n_unique() == 28
