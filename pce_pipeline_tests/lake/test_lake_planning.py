"""What a publication plans to write, for each way in which what is there can differ from what is wanted."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import polars as pl
import pytest

from pce_pipeline.lake.backends import ObjectInfo
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.parquet import to_parquet
from pce_pipeline.lake.planning import Plan, plan
from pce_pipeline.lake.pointer import FILE_FORMAT, NewPartition, Partition, TableKeys
from pce_pipeline.tables.table import content_sha256

NOW = datetime(2026, 2, 23, 12, 30, tzinfo=UTC)
LATER = datetime(2026, 2, 24, 12, 30, tzinfo=UTC)
CA, NY = "year=2021/state=CA/part-000.parquet", "year=2021/state=NY/part-000.parquet"

Published = tuple[dict[str, Partition], dict[str, ObjectInfo]]


def frame(*values: int) -> pl.DataFrame:
    return pl.DataFrame({"value": values}, schema={"value": pl.Int32})


FILES = {CA: frame(1, 2), NY: frame(3)}


def of_2021(files: Mapping[str, pl.DataFrame] = FILES, *, inputs: str = "one", code: str = "1") -> NewPartition:
    return NewPartition("2021", files, {"bronze": inputs}, code, {"note": inputs})


def planned(new: NewPartition, published: Published = ({}, {})) -> Plan:
    return plan([new], *published, TableKeys("a/table"), run_id="run", now=LATER if published[0] else NOW)


def after(done: Plan) -> Published:
    """What is published, and what a listing shows, once a plan is carried out."""
    listing = {key: ObjectInfo(key, len(body), NOW, "an-e-tag") for key, body in done.bodies.items()}
    return dict(done.changes), listing


def version(*values: int) -> str:
    return f"_versions/year=2021/{sha256_of(to_parquet(frame(*values), required=()))}.parquet"


def outcome(done: Plan) -> tuple[list[str], list[str], list[str]]:
    return done.written, done.refreshed, done.unchanged


def test_what_is_new_is_written_with_all_that_is_known_of_it():
    done = planned(of_2021())
    assert outcome(done) == (["2021"], [], [])
    assert list(done.bodies) == done.to_write == [version(1, 2, 3)]
    made = done.changes["2021"]
    assert [(o.path, o.version_key, o.rows) for o in made.objects] == [
        ("year=2021/part-000.parquet", version(1, 2, 3), 3)
    ]
    assert made.files == [(CA, 2), (NY, 1)]
    assert made.file_format == FILE_FORMAT
    assert [(o.bytes, o.sha256) for o in made.objects] == [(len(b), sha256_of(b)) for b in done.bodies.values()]
    assert (made.key, made.rows, made.content_sha256) == ("2021", 3, content_sha256(frame(1, 2, 3)))
    assert (made.inputs, made.code_version, made.details) == ({"bronze": "one"}, "1", {"note": "one"})
    assert (made.run_id, made.published_at) == ("run", NOW)


def test_a_partition_of_one_file_is_not_cut_but_copied():
    done = planned(of_2021({CA: frame(1, 2)}))
    made = done.changes["2021"]
    assert (made.cuts, [o.path for o in made.objects], made.files) == ((), [CA], [(CA, 2)])


def test_each_part_of_a_partition_has_a_hash_of_its_own_rows():
    ours, theirs = (
        pl.DataFrame({"dataset": [name] * 2, "value": values})
        for name, values in (("ours", [1, 2]), ("theirs", [3, 4]))
    )
    mixed = pl.concat([theirs, ours]).with_row_index("number").sort(pl.col("number") % 2, "number").drop("number")
    new = NewPartition("2021", {CA: mixed}, {}, "1", {}, parts_by="dataset")
    assert planned(new).changes["2021"].parts == {"ours": content_sha256(ours), "theirs": content_sha256(theirs)}
    alone = NewPartition("2021", {CA: ours}, {}, "1", {}, parts_by="dataset")
    made = planned(alone).changes["2021"]
    assert made.parts == {"ours": made.content_sha256} == {"ours": content_sha256(ours)}
    assert planned(of_2021()).changes["2021"].parts == {}


def test_of_what_is_there_nothing_is_serialised():
    done = planned(of_2021(), after(planned(of_2021())))
    assert (done.changes, done.bodies, done.to_write) == ({}, {}, [])
    assert outcome(done) == ([], [], ["2021"])


@pytest.mark.parametrize("again", [of_2021(inputs="two"), of_2021(code="2")])
def test_the_same_content_from_elsewhere_changes_the_records_alone(again):
    before = planned(of_2021())
    done = planned(again, after(before))
    assert outcome(done) == ([], ["2021"], [])
    assert (done.bodies, done.to_write) == ({}, [])
    made = done.changes["2021"]
    assert (made.objects, made.rows) == (before.changes["2021"].objects, 3)
    assert (made.inputs, made.code_version, made.published_at) == (again.inputs, again.code_version, LATER)


def test_other_content_is_written():
    done = planned(of_2021({CA: frame(1, 2), NY: frame(4)}), after(planned(of_2021())))
    assert outcome(done) == (["2021"], [], [])
    assert list(done.bodies) == done.to_write == [version(1, 2, 4)]


def test_the_same_rows_in_other_files_change_the_record_and_its_cuts():
    done = planned(of_2021({CA: frame(1), NY: frame(2, 3)}), after(planned(of_2021())))
    assert outcome(done) == (["2021"], [], [])
    assert done.to_write == []
    assert done.changes["2021"].files == [(CA, 1), (NY, 2)]


def test_the_same_rows_in_an_earlier_file_format_are_written_again():
    published, listing = after(planned(of_2021()))
    earlier = {"2021": msgspec.structs.replace(published["2021"], file_format=FILE_FORMAT - 1)}
    assert outcome(planned(of_2021(), (earlier, listing))) == (["2021"], [], [])


def test_a_version_that_is_gone_is_written_again():
    published, listing = after(planned(of_2021()))
    del listing[version(1, 2, 3)]
    done = planned(of_2021(), (published, listing))
    assert outcome(done) == (["2021"], [], [])
    assert done.to_write == [version(1, 2, 3)]


def test_a_version_of_another_size_is_written_again():
    published, listing = after(planned(of_2021()))
    listing[version(1, 2, 3)] = ObjectInfo(version(1, 2, 3), 1, NOW, "an-e-tag")
    done = planned(of_2021(), (published, listing))
    assert outcome(done) == (["2021"], [], [])
    assert done.to_write == [version(1, 2, 3)]


def test_what_no_pointer_names_is_written_again_because_nobody_vouches_for_it():
    _, listing = after(planned(of_2021()))
    done = planned(of_2021(), ({}, listing))
    assert done.to_write == [version(1, 2, 3)]


def test_each_partition_is_planned_by_itself():
    other = NewPartition("2022", {"year=2022/part-000.parquet": frame(7)}, {}, "1")
    published, listing = after(planned(of_2021()))
    done = plan([of_2021(inputs="two"), other], published, listing, TableKeys("a/table"), run_id="run", now=LATER)
    assert outcome(done) == (["2022"], ["2021"], [])
    assert set(done.changes) == {"2021", "2022"}
