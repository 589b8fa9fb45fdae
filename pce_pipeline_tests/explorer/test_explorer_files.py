"""Parquet that a browser reads in pieces: a row group for each category, and the same bytes for the same rows."""

import io

import polars as pl
import pyarrow.parquet as pq

from pce_pipeline.explorer.files import by_category, footer_bytes, read

SCHEMA: dict[str, pl.DataType] = {
    "category": pl.Enum(["z", "a", "never"]),
    "period": pl.Int32(),
    "value": pl.Float64(),
}
ROWS = pl.DataFrame(
    {"category": ["z", "z", "a"], "period": [2023, 2024, 2024], "value": [1.5, None, 0.1]}, schema=SCHEMA
)


def test_each_category_has_its_row_group_in_the_order_of_the_rows():
    file = pq.ParquetFile(io.BytesIO(by_category([ROWS], list(SCHEMA))))
    groups = [file.read_row_group(number).to_pydict() for number in range(file.num_row_groups)]
    assert groups == [
        {"category": ["z", "z"], "period": [2023, 2024], "value": [1.5, None]},
        {"category": ["a"], "period": [2024], "value": [0.1]},
    ]
    of_category, of_value = (file.metadata.row_group(1).column(number) for number in (0, 2))
    assert (of_category.statistics.min, of_category.statistics.max) == ("a", "a")
    assert of_value.statistics is None
    assert of_value.compression == "ZSTD"


def test_what_is_written_is_read_back_with_its_types():
    assert read(by_category([ROWS], list(SCHEMA)), SCHEMA).equals(ROWS)
    nothing = ROWS.head(0)
    assert read(by_category([nothing], list(SCHEMA)), SCHEMA).equals(nothing)


def test_how_rows_were_put_together_does_not_show():
    pieces = pl.concat([ROWS.head(1), ROWS.tail(2)], rechunk=False)
    assert by_category([pieces], list(SCHEMA)) == by_category([ROWS], list(SCHEMA))


def test_the_footer_is_what_a_reader_needs_first():
    body = by_category([ROWS], list(SCHEMA))
    footer = footer_bytes(body)
    assert footer < len(body)
    assert pq.read_metadata(io.BytesIO(b"PAR1" + body[-footer:])).num_row_groups == 2


def test_frames_of_whole_categories_make_what_one_frame_of_all_makes() -> None:
    in_two = by_category([ROWS.filter(category="z"), ROWS.clear(), ROWS.filter(category="a")], list(SCHEMA))
    assert in_two == by_category([ROWS], list(SCHEMA))


def test_a_category_of_more_rows_than_are_converted_at_once_is_one_row_group_all_the_same() -> None:
    many = ROWS.gather([0] * 150_001 + [2] * 150_001)
    file = pq.ParquetFile(io.BytesIO(by_category([many], list(SCHEMA))))
    assert [file.metadata.row_group(each).num_rows for each in range(file.num_row_groups)] == [150_001, 150_001]
    assert read(by_category([many], list(SCHEMA)), SCHEMA).equals(many)
