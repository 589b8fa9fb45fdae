"""The text for collectors, read by the parser that collectors read it with."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pce_pipeline.observability.openmetrics import Metric, openmetrics

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40) | st.sampled_from(
    ['a "quoted" word', "back\\slash", "two\nlines", "", "café", "{}", "a,b=c"]
)


def read(text: str) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(text)}


@given(
    st.dictionaries(st.sampled_from(["env", "world", "dataset", "job"]), texts, min_size=1),
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 2**53),
    texts,
)
def test_every_label_value_and_sentence_comes_back_as_it_was(labels, value, meaning):
    found = read(openmetrics([Metric("pce_age_seconds", meaning, [(labels, value)], unit="seconds")]))[
        "pce_age_seconds"
    ]
    (sample,) = found.samples
    assert (found.type, found.unit, found.documentation) == ("gauge", "seconds", meaning)
    assert (sample.name, sample.labels) == ("pce_age_seconds", labels)
    assert math.isclose(sample.value, value, rel_tol=0, abs_tol=0)


def test_a_metric_without_a_sample_is_left_out_and_the_text_ends_as_it_must():
    assert openmetrics([Metric("pce_nothing", "Nothing.", [])]) == "# EOF\n"
    with pytest.raises(ValueError, match="EOF"):
        read(openmetrics([Metric("pce_a", "A.", [({"env": "x"}, 1)])]).removesuffix("# EOF\n"))


def test_facts_that_are_texts_are_labels_of_a_one():
    found = read(openmetrics([Metric("pce", "Which code.", [({"version": "1.0"}, 1)], kind="info")]))["pce"]
    (sample,) = found.samples
    assert (found.type, sample.name, sample.labels, sample.value) == ("info", "pce_info", {"version": "1.0"}, 1.0)
