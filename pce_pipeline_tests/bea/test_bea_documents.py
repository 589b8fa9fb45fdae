"""A file is what its content says; what is not BEA's is refused by name."""

import bz2
import gzip
import json
import lzma

import polars as pl
import pytest

from pce_pipeline.bea.bulk import read_csv
from pce_pipeline.bea.documents import kind_of, read_document, refuse_cut, storable
from pce_pipeline.bea.errors import BeaFileRefused, BeaKeyRejected, BeaUnknownField

COMPRESSIONS = [bytes, gzip.compress, bz2.compress, lzma.compress]


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_every_kind_of_document_is_read_compressed_or_not(csv_file, zip_file, body, row, compress):
    expected = read_csv(csv_file(areas=("00000",), values=("100.5", "(NA)"))).frame.sort("year")
    rows = [row(year="2020"), row(year="2021", value="0", NoteRef="(NA)")]
    answer = body(rows)
    documents = {
        "csv": csv_file(areas=("00000",), values=("100.5", "(NA)")),
        "zip": zip_file({"x.csv": csv_file(areas=("00000",), values=("100.5", "(NA)"))}),
        "json": answer,
    }
    for kind, content in documents.items():
        assert kind_of(content) == kind
        read = read_document(compress(content))
        assert read.frame.sort("year").equals(expected)
        assert set(read.notes) == {"SAPCE1"}


def test_answers_come_alone_in_lists_and_in_wrappers(answer, row):
    one, two = answer(), answer([row("SAPCE2-3")], table="SAPCE2")
    for content, rows in (
        (one, 1),
        ([one, two], 2),
        ({"url": "somewhere", "body": one}, 1),
        ([{"body": one}, {"body": json.dumps(two)}], 2),
        ([json.dumps(one)], 1),
        ([], 0),
    ):
        assert read_document(json.dumps(content, indent=1).encode()).frame.height == rows
    both = json.dumps([one, two]).encode()
    chosen = read_document(both, ["SAPCE2"])
    assert (
        chosen.frame["bea_table"].to_list() == chosen.lines["bea_table"].to_list() == list(chosen.notes) == ["SAPCE2"]
    )
    with pytest.raises(BeaFileRefused, match="no table SARPP"):
        read_document(both, ["SARPP", "SAPCE1"])


def test_an_error_somebody_kept_is_still_an_error():
    kept = {"BEAAPI": {"Results": {"Error": {"APIErrorCode": "1", "APIErrorDescription": "Invalid API UserId."}}}}
    with pytest.raises(BeaKeyRejected):
        read_document(json.dumps([kept]).encode())


def test_unknown_fields_are_tolerated_on_demand(answer, row):
    content = json.dumps(answer([row(Shade="blue")])).encode()
    with pytest.raises(BeaUnknownField):
        read_document(content)
    assert read_document(content, tolerate_unknown=True).frame.height == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"\xef\xbb\xbf \r\n", "an empty file"),
        (b"<!DOCTYPE html>", "a web page or XML"),
        (b"%PDF-1.7", "a PDF"),
        (b"PAR1", "a Parquet file"),
        (b"\x28\xb5\x2f\xfd....", "zstd"),
        (b"\xff\xfeG\x00e\x00", "UTF-16"),
        (b"PK\x05\x06" + bytes(18), "an empty zip"),
        (b"PK\x03\x04............[Content_Types].xml", "Excel"),
        (b"just words", "neither zip, CSV nor JSON"),
        (b'{"a": 1}', "not an answer of BEA's API"),
        (b"[1, 2]", "not an answer of BEA's API"),
        (b'{"a": ', "begins like JSON"),
        (b"a,b,c\n1,2,3\n", "not a regional table"),
        (b"PK\x03\x04 and nothing else", "cannot be opened"),
        (b"\x1f\x8b\x08 damaged", "damaged"),
        (b"BZh damaged", "damaged"),
        (b"\xfd7zXZ\x00 damaged", "damaged"),
        (b"SAPCE1.csv".ljust(257, b"\0") + b"ustar\x0000", "a tar archive"),
        (gzip.compress(gzip.compress(b"a,b", mtime=0), mtime=0), "compressed twice"),
    ],
)
def test_strangers_are_refused_with_what_they_look_like(content, words):
    with pytest.raises(BeaFileRefused, match=words):
        read_document(content)


ACROSS = b"GeoFIPS,GeoName,TableName,LineCode,Description,Unit,2020,2021\n01000,Alabama,SAPCE2,1,PCE,Dollars,37,42"


@pytest.mark.parametrize("ends", [b"", b"1", b"12345", b",", b" "])
def test_a_file_that_may_lack_digits_at_its_end_is_refused(ends):
    with pytest.raises(BeaFileRefused, match="may be cut off"):
        refuse_cut(ACROSS + ends)


@pytest.mark.parametrize(
    "content",
    [
        ACROSS + b"\n",
        ACROSS + b"\r\n \n",
        ACROSS.replace(b"42", b'"42"'),
        ACROSS.replace(b"42", b"(NA)"),
        ACROSS.replace(b"37,42", b"37.5,42.1"),
        ACROSS + b"\nSource: Bureau of Economic Analysis",
        gzip.compress(ACROSS),
        b'{"BEAAPI": {}}',
    ],
)
def test_a_file_whose_last_figure_is_whole_passes(content):
    refuse_cut(content)


def test_fewer_decimals_than_others_may_be_a_cut():
    with pytest.raises(BeaFileRefused, match="may be cut off"):
        refuse_cut(ACROSS.replace(b"37,42", b"37.25,42.1"))


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_what_is_kept_holds_no_key(body, csv_file, zip_file, compress):
    answer = body(key="0123-secret")
    kept = storable(compress(answer))
    assert kept == answer.replace(b"0123-secret", b"REDACTED")
    assert read_document(kept).frame.equals(read_document(answer).frame)


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_what_holds_no_key_is_kept_as_received(csv_file, zip_file, compress):
    for content in (csv_file(), zip_file({"a.csv": csv_file()})):
        received = compress(content)
        assert storable(received) == received


@pytest.mark.real
def test_recorded_answers_and_archives_are_read_as_they_lie(real_data):
    recorded = read_document((real_data / "recorded_json" / "MARPP_1_43780.json").read_bytes())
    assert recorded.frame["bea_table"].unique().to_list() == ["MARPP"]
    archive = read_document((real_data / "SARPP_2022-12-15.zip").read_bytes(), ["SARPP"])
    assert archive.frame.select(pl.col("line_code").max()).item() == 5
