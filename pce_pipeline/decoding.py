"""JSON and TOML from anywhere, decoded with one error for all that can be wrong with them.

Whatever cannot be decoded (cut off, not UTF-8, of another form, nested thousands of levels deep) is a
`msgspec.DecodeError`: callers catch one error and say in their own words which document it is.
"""

from typing import TypeVar

import msgspec

_T = TypeVar("_T")

TOO_DEEP = "it is nested too deeply"


def decoded_json(body: bytes | str, kind: type[_T]) -> _T:
    """The JSON of a body as `kind`. Raises `msgspec.DecodeError`.

    >>> decoded_json(b'{"a": [1]}', dict)
    {'a': [1]}
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise msgspec.DecodeError(TOO_DEEP) from None
    except UnicodeDecodeError as wrong:
        raise msgspec.DecodeError(f"it is not UTF-8 (byte {wrong.start})") from None


def decoded_toml(text: str, kind: type[_T]) -> _T:
    """The TOML of a text as `kind`. Raises `msgspec.DecodeError`."""
    try:
        return msgspec.toml.decode(text, type=kind)
    except RecursionError:
        raise msgspec.DecodeError(TOO_DEEP) from None
