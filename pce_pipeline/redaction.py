"""Secrets taken out of texts: which secrets can be told from ordinary text, how they are spelled, what replaces them.

A secret such as `p` or `2024` cannot be blanked wherever it stands: every figure and word that holds it would be
garbled, and the blanks would tell what it is. Such a secret is blanked only inside URLs, where its place gives it
away, and settings refuse it where strangers read logs.
"""

import json
import re
from collections.abc import Collection
from urllib.parse import quote, quote_plus, unquote

BLANK = "***"
SHORTEST = 12
"""Fewer characters than this are too likely to be a word or a number that also means something else."""

_LONG_ENOUGH_FOR_ANY = 20
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^\s/?#:@\"'<>]*):[^\s/?#@\"'<>]+@")
_PASSWORD_IN_QUERY = re.compile(r"(?<=[?&]password=)[^\s&#\"'<>]+", re.IGNORECASE)
_SIGNATURE = re.compile(r"(?<=X-Amz-Signature=)[0-9a-f]+")


def is_recognisable(secret: str) -> bool:
    """Whether a text that holds these characters can only mean the secret.

    That is so from 20 characters on, and from 12 on unless all are letters or all are digits: such a one may be a word
    ("expenditures") or a number ("202412312359").

    >>> [is_recognisable(each) for each in ("p", "expenditures", "202412312359", "correct-horse")]
    [False, False, False, True]
    """
    is_plain = secret.isalpha() or secret.isdigit()
    return len(secret) >= (_LONG_ENOUGH_FOR_ANY if is_plain else SHORTEST)


def spellings(secret: str) -> frozenset[str]:
    """The secret as plain text, Python, JSON and URLs spell it; nothing for one that cannot be recognised."""
    if not is_recognisable(secret):
        return frozenset()
    found = {secret, unquote(secret), repr(secret)[1:-1], json.dumps(secret)[1:-1]}
    for plain in (secret, unquote(secret)):
        in_urls = {quote(plain, safe=""), quote(plain), quote_plus(plain)}
        found |= in_urls | {re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), each) for each in in_urls}
    return frozenset(each for each in found if is_recognisable(each))


def blanked(text: str, hidden: Collection[str]) -> str:
    """The text without these spellings, without any password inside a URL, and without what signs a URL of AWS.

    >>> blanked("rank 1 at postgresql://pce:1@host/pce", spellings("1"))
    'rank 1 at postgresql://pce:***@host/pce'
    >>> blanked("rank 1 at postgresql://pce@host/pce?password=1", spellings("1"))
    'rank 1 at postgresql://pce@host/pce?password=***'
    """
    for secret in sorted(hidden, key=len, reverse=True):
        text = text.replace(secret, BLANK)
    return _SIGNATURE.sub(BLANK, _PASSWORD_IN_QUERY.sub(BLANK, _PASSWORD_IN_URL.sub(rf"\1:{BLANK}@", text)))
