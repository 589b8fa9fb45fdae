from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.lake.errors import UnsafeKey
from pce_pipeline.lake.layout import ExtractId, Layout, checked_key, join

extract_ids = st.builds(ExtractId, st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(1, 999_999))


@given(extract_ids)
def test_an_extract_date_survives_its_text(extract):
    assert ExtractId.parse(str(extract)) == extract


@given(extract_ids, extract_ids)
def test_extract_dates_are_ordered_by_day_and_number(one, other):
    assert (one < other) == ((one.day, one.number) < (other.day, other.number))


@given(extract_ids.filter(lambda extract: extract.number < 999_999))
def test_the_next_extract_of_a_day_comes_after_it(extract):
    assert extract < extract.next_of_day
    assert extract.next_of_day.day == extract.day


def test_the_tenth_extract_of_a_day_comes_after_the_ninth():
    texts = ["2026-02-23.10", "2026-02-23.9", "2026-02-23", "2026-02-22.11"]
    ordered = [str(extract) for extract in sorted(ExtractId.parse(text) for text in texts)]
    assert ordered == ["2026-02-22.11", "2026-02-23", "2026-02-23.9", "2026-02-23.10"]


@pytest.mark.parametrize(
    "text",
    ["", "2026-02-23.1", "2026-02-23.0", "2026-02-23.02", "2026-02-30", "2026-2-3", " 2026-02-23", "2026-02-23.2x"],
)
def test_what_is_no_extract_date_is_refused(text):
    with pytest.raises(ValueError, match=r"extract date|day|month"):
        ExtractId.parse(text)


@given(st.text(max_size=20))
def test_any_text_is_either_one_safe_segment_path_or_refused(text):
    try:
        key = checked_key(text)
    except UnsafeKey:
        return
    assert all(segment not in {"", ".", ".."} and segment.isascii() for segment in key.split("/"))
    assert not set(key) & set("\\\0\n%#?*: ~")


@pytest.mark.parametrize("part", ["..", "a/../b", "/a", "a//b", "a/", ".hidden", "ä", "a b", "a\n", "", "x" * 200])
def test_an_unsafe_part_of_a_key_is_refused(part):
    with pytest.raises(UnsafeKey):
        checked_key(part)


def test_everything_lies_where_the_documentation_says():
    layout = Layout("staging", "bea")
    extract = ExtractId(date(2026, 2, 23), 2)
    assert join(layout.extract("pce_state", extract), "SAPCE1", "1.json.gz") == (
        "staging/bronze/bea/pce_state/2026-02-23.2/SAPCE1/1.json.gz"
    )
    assert layout.downloads("pce_state") == "staging/downloads/bea/pce_state"
    assert layout.downloads_of_before("pce_state") == "staging/bronze/bea/pce_state/_staging"
    assert layout.dataset("gold", "pce_state_metrics") == "staging/gold/bea/pce_state_metrics"
    assert layout.runs == "staging/observability/runs"
    assert layout.reports == "staging/reports/bea"
    assert layout.archived_releases == "staging/bronze/bea/archive"
    assert join(layout.decisions("pce_state"), "use-2026-02-23.2.json") == (
        "staging/decisions/bea/pce_state/use-2026-02-23.2.json"
    )
    assert join(layout.quarantine("pce_state"), str(extract), "part-000.parquet") == (
        "staging/quarantine/bea/pce_state/2026-02-23.2/part-000.parquet"
    )


@pytest.mark.parametrize("prefix", [Layout.decisions, Layout.quarantine])
def test_no_two_environments_worlds_or_datasets_share_a_prefix(prefix):
    layouts = [Layout(env, world) for env in ("staging", "prod") for world in ("bea", "sample")]
    names = ("pce_state", "pce_county")
    assert len({prefix(layout, name) for layout in layouts for name in names}) == len(layouts) * len(names)


@pytest.mark.parametrize("prefix", [Layout.decisions, Layout.quarantine])
@pytest.mark.parametrize("dataset", ["..", "../gold", "/pce_state", "pce state"])
def test_a_prefix_of_an_unsafe_dataset_is_refused(prefix, dataset):
    with pytest.raises(UnsafeKey):
        prefix(Layout("staging", "bea"), dataset)


@pytest.mark.parametrize(("env", "world"), [("a/b", "bea"), ("local", ".."), ("", "bea")])
def test_a_layout_refuses_names_that_are_no_segments(env, world):
    with pytest.raises(UnsafeKey):
        Layout(env, world)
