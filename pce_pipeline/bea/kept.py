"""API answers as people keep them: one, many, a part of one, one a line, with numbers where BEA sends texts.

Every form becomes the answers that BEA sent, as bytes for `decode_many`. Which form it is, the JSON's own names say.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from pce_pipeline.bea.answers import load_json
from pce_pipeline.bea.errors import BeaFileRefused, BeaTransportError

_ROWS = ({"Code", "DataValue"}, {"SeriesCode", "DataValue"})
_NATIONAL = re.compile(rb'"SeriesCode"\s*:')
_NEXT = re.compile(r"\S")


def kept_answers(content: bytes) -> list[bytes]:
    """The answers in a JSON text; a Results object or rows alone count as an answer without the rest.

    Raises `BeaFileRefused` for JSON that is not an answer of BEA's, or is cut off.
    """
    try:
        return _answers_in(content)
    except RecursionError:
        raise BeaFileRefused("The file is JSON that is nested too deeply.", remedy="BEA's answers are not.") from None


def _answers_in(content: bytes) -> list[bytes]:
    answers: list[bytes] = []
    rows: list[dict[str, Any]] = []
    for item in _items(content):
        if isinstance(item, dict) and any(item.keys() >= names for names in _ROWS):
            rows.append(item)
        else:
            answers.append(_answer(item))
    if rows:
        answers.append(_answer({"Data": rows}))
    return answers


def is_national(answer: bytes) -> bool:
    """Whether an answer is about a national table, whose rows are of series."""
    return _NATIONAL.search(answer) is not None


def _items(content: bytes) -> Iterator[Any]:
    """The elements of a list, values one after another (as a rule one a line), or the one value there is."""
    try:
        loaded = load_json(content)
    except BeaTransportError as broken:
        yield from _one_after_another(content, broken)
        return
    yield from loaded if isinstance(loaded, list) else [loaded]


def _one_after_another(content: bytes, broken: BeaTransportError) -> Iterator[Any]:
    """The values of a text that holds several; NaN, as Python writes a missing value, is nothing."""
    text = _decoded(content)
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    at = 0
    while at < len(text):
        try:
            loaded, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            if at == 0:
                raise BeaFileRefused(f"The file begins like JSON but is not: {broken.message}") from None
            line = text.count("\n", 0, at) + 1
            raise BeaFileRefused(
                f"The file has one JSON after another, but what begins in line {line} is cut off or something else.",
                remedy="Fetch that answer again, or take it out.",
            ) from None
        yield from loaded if isinstance(loaded, list) else [loaded]
        found = _NEXT.search(text, end)
        at = found.start() if found else len(text)


def _decoded(content: bytes) -> str:
    bare = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    try:
        return bare.decode("utf-8")
    except UnicodeDecodeError:
        return bare.decode("latin-1")


def _answer(item: object) -> bytes:
    """One answer, or what is left of one, in the envelope BEA sends."""
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, dict):
        if "body" in item and "BEAAPI" not in item:
            return _answer(item["body"])
        if "BEAAPI" in item:
            return msgspec.json.encode(_texts(item))
        if "Results" in item:
            return msgspec.json.encode({"BEAAPI": _texts(item)})
        if "Data" in item:
            return msgspec.json.encode({"BEAAPI": {"Results": _texts(item)}})
    raise BeaFileRefused(
        "This is JSON, but not an answer of BEA's API.",
        remedy="Wanted: whole answers, their Results, or their Data: alone, in a list, or one a line.",
    )


def _texts(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """The JSON with texts for its numbers, as BEA sends them, and for nothing an empty one."""
    if isinstance(value, dict):
        return {name: _texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str | bool) else str(value)
