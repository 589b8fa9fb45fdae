"""The look-alike's archive of releases: earlier releases under the addresses that BEA's have, and their oddities."""

from pathlib import Path

from pce_pipeline.bea.archived_releases import read_page, releases_on
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.archive import archive
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline_tests.tables.a_dataset import declare

PATH = "/regional/histdata/"
ROOT = f"http://bea{PATH}"


def linked(get, app, path=""):
    address = f"{ROOT}{path}"
    return read_page(get(app, f"{PATH}{path}").content, address, ROOT)


def test_the_index_links_to_each_earlier_release_by_kind_and_to_what_a_reader_must_bear(get):
    page = linked(get, create_app(3))
    names = {each.name for each in releases_on([page], ROOT)}
    own = {f"{month}{kind}" for month in ("1024", "0925") for kind in ("pce", "pistate", "rpi")}
    assert names == {*own, "1223gdpcounty"}
    assert page.elsewhere == ("https://www.bea.gov/", "http://bea/regional/downloadzip.cfm")
    assert [each.name for each in releases_on([linked(get, create_app(1))], ROOT)] == ["1223gdpcounty"]


def test_a_release_has_the_zips_that_it_published_and_a_workbook(get):
    app = create_app(3)
    first = linked(get, app, "releases/1024pce/index.cfm")
    assert [link.rpartition("/")[2] for link in first.files] == ["pce1024.zip", "SASUMMARY.zip"]
    assert [link.rpartition("/")[2] for link in first.others] == ["pce1024.xlsx"]
    packed = get(app, f"{PATH}releases/1024pce/pce1024.zip")
    assert packed.content == archive("SAPCE.zip", 1)
    assert packed.headers["Last-Modified"] == "Thu, 03 Oct 2024 12:30:00 GMT"
    later = linked(get, app, "releases/0925pce/")
    assert [link.rpartition("/")[2] for link in later.files] == ["SAPCE.zip", "SASUMMARY.zip"]
    assert get(app, f"{PATH}releases/0925pce/SAPCE.zip").content == archive("SAPCE.zip", 2)


def test_its_pages_say_that_the_numbers_are_synthetic(get):
    for path in ("", "releases/1024pce/index.cfm"):
        assert b"not statistics of the Bureau of Economic Analysis" in get(create_app(2), f"{PATH}{path}").content


def test_what_is_not_in_the_archive_is_not_found(get):
    app = create_app(2)
    for path in ("releases/0925pce/SAPCE.zip", "releases/1223gdpcounty/index.cfm", "releases/1024pce/SAPCE.zip", "x"):
        assert get(app, f"{PATH}{path}").status_code == 404


def test_a_dataset_of_a_folder_has_releases_of_its_kind(get, tmp_path: Path):
    folder = declare(tmp_path)
    text = (toml := next(folder.glob("*/dataset.toml"))).read_text("utf-8")
    toml.write_text(text.replace("first_year = 1948", 'first_year = 1948\narchived_as = ["disposable"]'), "utf-8")
    page = linked(get, create_app(2, catalog=folder), "releases/1024disposable/")
    assert [link.rpartition("/")[2] for link in page.files] == ["disposable1024.zip"]


def test_faults_spoil_its_zips_and_not_its_pages(get):
    app = create_app(2, faults=[Fault(FaultKind.TRUNCATED, on=("archived",))])
    whole = get(create_app(2), f"{PATH}releases/1024pce/pce1024.zip").content
    assert get(app, f"{PATH}releases/1024pce/pce1024.zip").content.startswith(whole[: len(whole) // 2])
    assert len(get(app, f"{PATH}releases/1024pce/pce1024.zip").content) < len(whole)
    assert linked(get, app).pages == linked(get, create_app(2)).pages
