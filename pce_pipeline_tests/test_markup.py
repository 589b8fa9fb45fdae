"""Whatever a text holds, it stays a text: in Markdown, in HTML and in XML."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.markup import for_markdown, for_xml, markdown_table, plain

HOSTILE = "<script>alert('1')</script> | `x` [a](b)\n# no\x00\x0b\u202e & \"q\""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a  b\n\tc", "a b c"),
        ("a\x00b\x1bc", "abc"),
        ("\u202eevil\ufeff", "evil"),
        ("\ud800x\uffff", "x"),
        ("naïve €", "naïve €"),
    ],
)
def test_a_plain_text_is_one_line_of_what_can_be_seen(text: str, said: str) -> None:
    assert plain(text) == said


def test_a_text_in_markdown_means_nothing_to_markdown() -> None:
    escaped = r"&lt;script&gt;alert('1')&lt;/script&gt; &#124; \`x\` \[a\](b) # no &amp; " + '"q"'
    assert for_markdown(HOSTILE) == escaped
    table = markdown_table(["a", "b"], [[for_markdown(HOSTILE), "1"]], right={1})
    assert [line.count("|") for line in table.splitlines()] == [3, 3, 3]
    assert table.splitlines()[1] == "| --- | ---: |"


@given(st.text())
def test_any_text_is_xml_between_tags_and_in_quotes(text: str) -> None:
    written = f"<a b=\"{for_xml(text)}\" c='{for_xml(text)}'>{for_xml(text)}</a>"
    read = ET.fromstring(written)
    assert [read.get("b"), read.get("c"), read.text or ""] == [plain(text)] * 3
