"""Bulletins in a lake: one for each extract that counts, made again when what they compare has changed."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from pce_pipeline.bronze.as_known import as_known
from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.deciding import plan_drop, plan_use
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.bulletins.making import Made, inputs_of_bulletins, make_bulletins, outdated, places
from pce_pipeline.bulletins.store import BULLETIN, CHART, FEED, PAGE, BulletinStore
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.changes import changes, counts_by
from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.layout import ExtractId, Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lake.store import Store
from pce_pipeline.tables.registry import registry_of
from pce_pipeline_tests.bronze.importing import import_file
from pce_pipeline_tests.bronze.look_alike import WORLD, Lakeside, LookAlike
from pce_pipeline_tests.bronze.test_partial_files import OF_RELEASE, Cut, cut, taken  # noqa: F401 (a fixture)
from pce_pipeline_tests.bulletins.test_pages import ATOM
from pce_pipeline_tests.lake.observed_backend import Killed, ObservedBackend

YEARS = (2021, 2022, 2023)
LAYOUT = Layout("local", WORLD)


class ObservedLake(Lake):
    """A lake on a backend of the test's."""

    def __init__(self, folder: Path, **how: Any) -> None:
        super().__init__(str(folder), LAYOUT)
        self.backend = ObservedBackend(DirectoryBackend(folder), **how)
        self.store = Store(self.backend)


@pytest.fixture
def lake(tmp_path: Path) -> Lakeside:
    return Lakeside(tmp_path / "lake", LookAlike(2, profile="smoke"))


def made(lake: Lakeside, *, is_sample: bool = False, **how: Any) -> Made:
    """What a refresh does about the bulletins of what is held now."""
    now = lake.current()
    registry = registry_of({now.dataset.name: now.dataset})
    held = {now.dataset.name: now}
    return make_bulletins(ObservedLake(lake.folder, **how), registry, held, list(held), is_sample=is_sample)


def store_of(lake: Lakeside) -> BulletinStore:
    return BulletinStore(Lake(str(lake.folder), LAYOUT))


def files(lake: Lakeside) -> dict[str, bytes]:
    """All that lies below the bulletins' prefix."""
    folder = lake.folder / LAYOUT.bulletins
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def told(lake: Lakeside, extract: ExtractId) -> dict[str, Any]:
    """A bulletin without the times at which extracts were taken."""
    document = store_of(lake).document("pce_state", str(extract))
    return {name: value for name, value in document.items() if name not in ("published_at", "updated_at")}


def due(lake: Lakeside) -> list[tuple[str, str]]:
    now = lake.current()
    return outdated(store_of(lake).index(), inputs_of_bulletins({now.dataset.name: now}))


def name_of(release: int) -> str:
    return f"pce_state/{OF_RELEASE[release]}"


def test_each_extract_that_counts_has_a_bulletin_and_its_counts_are_those_of_pce_diff(
    lake: Lakeside,
    cut: Cut,  # noqa: F811
) -> None:
    for release in (1, 2, 3):
        taken(lake, cut(release, years=YEARS))
    did = made(lake)
    assert did == Made(tuple(name_of(each) for each in (1, 2, 3)), (), (), ())
    now = lake.current()
    assert [str(each) for each in places(now)] == [str(day) for day in OF_RELEASE.values()]
    for before, after in ((1, 2), (2, 3)):
        changed = changes(*(as_known(now, ExtractId(OF_RELEASE[each], 999_999)).known for each in (before, after)))
        document = told(lake, ExtractId(OF_RELEASE[after]))
        assert document["compared_with"] == str(OF_RELEASE[before])
        assert document["kinds"] == counts_by(changed, "kind")
        assert document["kinds"]["revision"] > 0
        largest = changed.filter(geo_level="state").select(pl.col("change_pct").abs().max()).item()
        assert abs(document["largest"][0]["change_pct"]) == largest
    assert told(lake, ExtractId(OF_RELEASE[1]))["compared_with"] is None
    feed = ET.fromstring(files(lake)[FEED])
    titles = [each.text or "" for each in feed.iterfind("a:entry/a:title", ATOM)]
    assert [each.rpartition(" ")[2] for each in titles] == [str(day) for day in reversed(OF_RELEASE.values())]


def test_where_nothing_came_nothing_is_written(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    taken(lake, cut(1, years=YEARS))
    made(lake)
    assert due(lake) == []
    now = lake.current()
    observed = ObservedLake(lake.folder)
    again = make_bulletins(
        observed, registry_of({"pce_state": now.dataset}), {"pce_state": now}, ["pce_state"], is_sample=False
    )
    assert again == Made((), (), (name_of(1),), ())
    assert observed.backend.writes == []
    assert [key.rpartition("/")[2] for key in observed.backend.reads] == ["_index.json"]


@pytest.mark.parametrize("order", [(1, 3, 2), (3, 2, 1)])
def test_an_import_between_two_makes_its_own_bulletin_and_its_successors_again(
    lake: Lakeside,
    cut: Cut,  # noqa: F811
    tmp_path: Path,
    order: Sequence[int],
) -> None:
    for release in order[:2]:
        taken(lake, cut(release, years=YEARS))
    made(lake)
    before = files(lake)
    taken(lake, cut(order[2], years=YEARS))
    successors = [each for each in (1, 2, 3) if each >= order[2]]
    assert due(lake) == [("pce_state", str(OF_RELEASE[each])) for each in successors]
    did = made(lake)
    assert did.written == tuple(name_of(each) for each in successors)
    assert set(did.unchanged) == {name_of(each) for each in order[:2]} - set(did.written)
    for name in did.unchanged:
        assert before[f"{name}/{BULLETIN}"] == files(lake)[f"{name}/{BULLETIN}"]
    fresh = Lakeside(tmp_path / "fresh", lake.bea)
    for release in (1, 2, 3):
        taken(fresh, cut(release, years=YEARS))
    made(fresh)
    for day in OF_RELEASE.values():
        assert told(lake, ExtractId(day)) == told(fresh, ExtractId(day))
    assert files(lake)[f"{name_of(2)}/{PAGE}"] == files(fresh)[f"{name_of(2)}/{PAGE}"]


def test_a_kill_at_any_write_is_healed_by_the_next_run(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    taken(lake, cut(1, years=YEARS))
    made(lake)
    first = files(lake)
    taken(lake, cut(2, years=YEARS))
    wanted: dict[str, bytes] = {}
    for writes in range(10):
        for name, body in first.items():
            (lake.folder / LAYOUT.bulletins / name).write_bytes(body)
        try:
            made(lake, dies_after=writes)
        except Killed:
            assert due(lake) == [("pce_state", str(OF_RELEASE[2]))]
            made(lake)
        assert due(lake) == []
        wanted = wanted or files(lake)
        assert files(lake) == wanted
    assert len(wanted) == 2 * 3 + 2
    assert writes == 9, "the last of these runs was not killed"


def test_a_bulletin_whose_extract_counts_no_more_is_withdrawn(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    taken(lake, cut(1, years=YEARS))
    second = taken(lake, cut(2, years=YEARS))
    made(lake)
    now = lake.current()
    planned = plan_drop(lake.bronze, lake.bea.dataset, now, second, why="a test", at=datetime.now(UTC))
    lake.bronze.decisions.add(planned.decision)
    assert due(lake) == [("pce_state", str(second))]
    did = made(lake)
    assert (did.written, did.withdrawn) == ((), (name_of(2),))
    assert set(files(lake)) == {"_index.json", FEED, *(f"{name_of(1)}/{each}" for each in (BULLETIN, CHART, PAGE))}
    assert str(second) not in files(lake)[FEED].decode()


def test_a_bulletin_that_was_made_of_something_else_and_says_the_same_is_not_written_again(
    lake: Lakeside,
    cut: Cut,  # noqa: F811
) -> None:
    taken(lake, cut(1, years=YEARS))
    made(lake)
    whole, index = files(lake), lake.folder / LAYOUT.bulletins / "_index.json"
    index.write_bytes(re.sub(rb'"inputs": "[0-9a-f]+"', b'"inputs": "of before"', whole["_index.json"]))
    now = lake.current()
    observed = ObservedLake(lake.folder)
    did = make_bulletins(
        observed, registry_of({"pce_state": now.dataset}), {"pce_state": now}, ["pce_state"], is_sample=False
    )
    assert did == Made((), (name_of(1),), (), ())
    assert [key.rpartition("/")[2] for _, key in observed.backend.writes] == [FEED, "_index.json"]
    assert files(lake) == whole


def test_a_pin_changes_no_bulletin(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    first = taken(lake, cut(1, years=YEARS))
    taken(lake, cut(2, years=YEARS))
    made(lake)
    lake.bronze.write_pin(first, now=datetime.now(UTC), reason="a test")
    assert due(lake) == []


def test_a_bulletin_says_that_a_person_decided_what_counts(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    taken(lake, cut(1, years=YEARS))
    part = taken(lake, cut(2, areas=["01000"], years=YEARS))
    made(lake)
    now = lake.current()
    planned = plan_use(lake.bronze, lake.bea.dataset, now, part, "over", why="Alabama | first", at=datetime.now(UTC))
    lake.bronze.decisions.add(planned.decision)
    assert made(lake).written == (name_of(2),)
    assert told(lake, part)["tables"][0]["decided"] == f"pce use {part} --over: Alabama | first"
    assert "pce use 2025-09-26 --over: Alabama &#124; first" in files(lake)[f"{name_of(2)}/{PAGE}"].decode()


@pytest.mark.parametrize("name", [BULLETIN, PAGE, CHART])
def test_what_is_missing_is_made_again_and_what_is_damaged_once_it_is_found(
    lake: Lakeside,
    cut: Cut,  # noqa: F811
    name: str,
) -> None:
    taken(lake, cut(1, years=YEARS))
    made(lake)
    whole, key = files(lake), f"{name_of(1)}/{name}"
    (lake.folder / LAYOUT.bulletins / key).unlink()
    assert made(lake).written == (name_of(1),)
    assert files(lake) == whole
    assert store_of(lake).damages() == []
    assert store_of(lake).forget_damaged() == []
    (lake.folder / LAYOUT.bulletins / key).write_bytes(b"something else")
    (damage,) = store_of(lake).damages()
    assert (damage.key, damage.problem) == (f"{LAYOUT.bulletins}/{key}", "changed")
    assert store_of(lake).forget_damaged() == [f"pce_state {OF_RELEASE[1]}"]
    assert due(lake) == [("pce_state", str(OF_RELEASE[1]))]
    made(lake)
    assert files(lake) == whole


def test_a_feed_that_is_damaged_or_missing_is_made_again(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    taken(lake, cut(1, years=YEARS))
    made(lake)
    whole, feed = files(lake), lake.folder / LAYOUT.bulletins / FEED
    feed.write_bytes(b"something else")
    assert store_of(lake).forget_damaged() == [FEED]
    assert due(lake) == [("pce_state", str(OF_RELEASE[1]))]
    assert made(lake).written == ()
    assert files(lake) == whole
    feed.unlink()
    made(lake)
    assert files(lake) == whole


def test_an_index_that_cannot_be_read_is_named_and_all_is_made_again(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    taken(lake, cut(1, years=YEARS))
    made(lake)
    whole, index = files(lake), lake.folder / LAYOUT.bulletins / "_index.json"
    index.write_bytes(b"{")
    assert due(lake) == [("pce_state", str(OF_RELEASE[1]))]
    assert [damage.key for damage in store_of(lake).damages()] == [f"{LAYOUT.bulletins}/_index.json"]
    made(lake)
    assert store_of(lake).damages() == []
    index.write_bytes(b"{")
    assert store_of(lake).forget_damaged() == ["_index.json"]
    assert store_of(lake).damages() == []
    made(lake)
    assert files(lake) == whole


def test_months_are_compared_with_the_extract_before_and_say_that_they_have_no_log(tmp_path: Path) -> None:
    months = load_datasets("full")["pce_us_monthly"]
    for release in (2, 3):
        side = Lakeside(tmp_path, LookAlike(release, dataset=months))
        side.taken(side.bea.months())
    did = made(side, is_sample=True)
    assert len(did.written) == 2
    first, second = (store_of(side).document("pce_us_monthly", name.partition("/")[2]) for name in did.written)
    assert (first["compared_with"], second["compared_with"]) == (None, first["extract"])
    assert second["news"]["months"][-1] == second["held"]["last"] == "2026M08"
    assert second["largest"][0]["month"] is not None
    page = store_of(side).page("pce_us_monthly", second["extract"])
    assert "Months have no log of values" in page
    assert "## The largest revision of each category" in page


@pytest.mark.real
def test_the_bulletin_of_beas_summary_of_september_2025(real_data: Path, tmp_path: Path) -> None:
    dataset = load_datasets("full")["summary_state"]
    bronze = BronzeStore(Store(DirectoryBackend(tmp_path)), LAYOUT, dataset.name)
    for day in ("2024-12-12", "2025-03-28", "2025-09-26"):
        import_file(bronze, dataset, real_data / f"SASUMMARY_{day}.zip")
    held = {dataset.name: current(bronze, dataset)}
    lake = Lake(str(tmp_path), LAYOUT)
    make_bulletins(lake, registry_of({dataset.name: dataset}), held, list(held), is_sample=False)
    store = BulletinStore(lake)
    december, march, september = (store.read(dataset.name, day) for day in ("2024-12-12", "2025-03-28", "2025-09-26"))
    assert (december.compared_with, march.compared_with, september.compared_with) == (None, "2024-12-12", "2025-03-28")
    assert (september.kinds, september.held.cells) == ({"revision": 2181, "newly_published": 156}, 21_060)
    largest = json.loads(json.dumps([(each.state, each.measure, each.year) for each in september.largest[:1]]))
    assert largest == [["DE", "gdp", 2024]]
    delaware = september.largest[0]
    assert (str(delaware.from_value), str(delaware.to_value)) == ("103253.300", "110971.800")
    assert round(delaware.change_pct or 0, 2) == 7.48
    assert september.by_area[0].state == "DE"
    # 204 of 816 cells of spending fail beside the deflators of the March before, and none did then
    late = {(each.measure, each.belongs_to): each for each in september.outlook.not_yet_revised}
    assert (late["real_pce", "pce"].cells, late["real_pce", "pce"].of_cells) == (204, 816)
    assert late["real_pce", "pce"].years == (2020, 2021, 2022, 2023)
    assert [each for each in march.outlook.not_yet_revised if each.belongs_to == "pce"] == []
    assert {each.abs_pct90 for each in september.outlook.usual} == {None}
    assert september.kinds["newly_published"] == next(
        each.total for each in september.named if each.kind == "newly_published"
    )
