"""Which entries the words of a person mean: exact, begun or misspelled words, old names, abbreviations, areas.

Every word must be found in an entry. Areas are not searched for: they go into the `pce query` line of what is found.
"""

import difflib
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache, lru_cache
from importlib.resources import files

import polars as pl

from pce_pipeline.errors import UsageError
from pce_pipeline.finding.entries import Entry, Figure, entries
from pce_pipeline.tables.registry import Registry

_TYPES: Mapping[object, pl.DataType | type[pl.DataType]] = {str: pl.String, int: pl.Int32, bool: pl.Boolean}
FIGURE = pl.Struct({each.name: _TYPES[each.type] for each in fields(Figure)})
SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "kind": pl.String,
    "id": pl.String,
    "name": pl.String,
    "path": pl.String,
    "unit": pl.String,
    "scheme": pl.String,
    "datasets": pl.List(pl.String),
    "figures": pl.List(FIGURE),
    "first_year": pl.Int32,
    "areas": pl.String,
    "query": pl.String,
    "why": pl.String,
    "score": pl.Float64,
}
"""The columns of what is found.

`figures` has the lines of BEA's that have its figures, the one that the words mean first: `first_year`, `areas` and
`query`, the call that gets them, are of this one; of a table of Gold `query` is the call that exports it. `path`,
`unit`, `scheme`, `first_year`, `areas`, `query` and `why` may be NULL.
"""

_KINDS = {"category": 0.4, "measure": 0.5, "BEA table": 0.2, "column": 0.1, "table": 0.0}
_ALIKE = 0.75
_NEAR = 0.7
_BEGUN, _BEGUN_FROM = 0.8, 3
_MEANT = 0.9
_AS_ABBREVIATED = 4.0
_IS_ID, _IS_NAME, _WHOLE = 10.0, 4.0, 1.5
_PLURAL = re.compile(r"(?<=..)ies$|(?<=..[^s])s$")
_SAYS_NOTHING = frozenset({"of", "the", "and", "in", "by", "for", "to", "a", "an", "on", "at", "per", "or", "with"})
_SAYS_LITTLE = frozenset({"state", "area", "year"})


def find(words: str, registry: Registry, limit: int | None = None) -> pl.DataFrame:
    """What the words mean, best first, with the columns of `SCHEMA`; empty where nothing fits, no more than `limit`.

    For example, the best of what somebody means who thinks of prices:

        >>> from pce_pipeline.tables.registry import load_registry
        >>> find("cost of living Texas", load_registry("full", None), limit=1)["query"].item()
        'pce query --measure regional_price_parity --category prices.all_items --state TX'

    Raises `UsageError` where there is no word to look for.
    """
    searched = [_Searched(entry, _words_of(entry)) for entry in entries(registry)]
    looked_for = _understood(words, registry, _vocabulary(searched))
    fitting = [(*found, each.entry) for each in searched if (found := _fit(each, looked_for)) is not None]
    best = sorted(fitting, key=lambda each: (-each[0], len(each[2].name), each[2].id))[:limit]
    return pl.DataFrame([_row(entry, score, why, looked_for) for score, why, entry in best], schema=dict(SCHEMA))


def nearest(words: str, registry: Registry) -> list[str]:
    """For words that find nothing together: those by which something is found, of each that is unknown its nearest."""
    vocabulary = _vocabulary([_Searched(entry, _words_of(entry)) for entry in entries(registry)])
    found: list[str] = []
    for term in _understood(words, registry, vocabulary).terms:
        found += [term] if term in vocabulary else difflib.get_close_matches(term, vocabulary, n=2, cutoff=_NEAR)
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class _Searched:
    entry: Entry
    words: Mapping[str, tuple[float, str]]


@dataclass(frozen=True)
class _Abbreviation:
    terms: tuple[str, ...]
    answers: frozenset[str]
    why: str


@dataclass(frozen=True)
class _LookedFor:
    words: str
    terms: tuple[str, ...]
    areas: tuple[str, ...]
    meant: Mapping[str, Mapping[str, float]]
    abbreviations: tuple[_Abbreviation, ...]


@dataclass(frozen=True)
class _Declared:
    abbreviations: tuple[_Abbreviation, ...]
    words: Mapping[str, tuple[str, ...]]


@cache
def _declared() -> _Declared:
    said = tomllib.loads((files(__package__) / "abbreviations.toml").read_text("utf-8"))
    return _Declared(
        tuple(
            _Abbreviation(_terms(phrase), frozenset(each["answers"]), each["why"])
            for each in said["abbreviations"]
            for phrase in each["says"]
        ),
        {_stem(word): tuple(map(_stem, others)) for word, others in said["words"].items()},
    )


def _understood(words: str, registry: Registry, vocabulary: Collection[str]) -> _LookedFor:
    """The words taken apart: areas, abbreviations, and what each of the others may stand for."""
    areas, left = _areas(words, registry)
    every = _terms(left)
    if not every and not areas:
        raise UsageError("It is not said what to look for.", remedy="Name it in words: pce find health care")
    spoken = tuple(term for term in every if term not in _SAYS_NOTHING)
    terms = tuple(term for term in spoken if term not in _SAYS_LITTLE) or spoken
    abbreviations = tuple(each for each in _declared().abbreviations if _contains(every, each.terms))
    return _LookedFor(
        words.strip().casefold(), terms, areas, {term: _meant(term, vocabulary) for term in terms}, abbreviations
    )


def _areas(words: str, registry: Registry) -> tuple[tuple[str, ...], str]:
    """The areas that are named, as `--state` takes them, and what is left of the words.

    A postal code is one in capitals only: "in" and "or" are words.
    """
    places = next(iter(registry.datasets.values())).areas.select("geo_name", "path_segment")
    found: list[str] = []
    for name, code in sorted(places.iter_rows(), key=lambda place: -len(place[0])):  # "Virginia" is in "West Virginia"
        pattern = re.compile(rf"(?<!\w)(?:(?i:{re.escape(name)})|{re.escape(code)})(?!\w)")
        if pattern.search(words):
            found.append(code)
            words = pattern.sub(" ", words)
    return tuple(found), words


def _meant(term: str, vocabulary: Collection[str]) -> dict[str, float]:
    """The words of the entries that a word of the person may stand for, each with how well; misspelled ones last."""
    found = {word: _BEGUN for word in vocabulary if len(term) >= _BEGUN_FROM and word.startswith(term)}
    found |= {word: _MEANT for word in _declared().words.get(term, ()) if word in vocabulary}
    if term in vocabulary:
        found[term] = 1.0
    if not found and not term.isdecimal():
        close = difflib.get_close_matches(term, vocabulary, n=3, cutoff=_ALIKE)
        found = {word: _BEGUN * difflib.SequenceMatcher(None, term, word).ratio() for word in close}
    return found


def _fit(searched: _Searched, looked_for: _LookedFor) -> tuple[float, str] | None:
    """How well an entry fits, and why it answers where its name does not say so; None where a word is not in it."""
    entry, in_entry = searched.entry, searched.words
    if not looked_for.terms:  # areas alone: what there is of them
        return (1.0, "") if entry.kind == "measure" else None
    score, why, left = 0.0, "", list(looked_for.terms)
    for abbreviation in looked_for.abbreviations:
        if entry.id in abbreviation.answers:
            left = [term for term in left if term not in abbreviation.terms]
            score, why = score + _AS_ABBREVIATED * len(abbreviation.terms), why or abbreviation.why
    for term in left:
        weight, said = max(
            (
                (in_entry[word][0] * how, in_entry[word][1])
                for word, how in looked_for.meant[term].items()
                if word in in_entry
            ),
            default=(0.0, ""),
        )
        if not weight:
            return None
        score, why = score + weight, why or said
    name = _terms(entry.name)
    covered = sum(any(word in looked_for.meant[term] for term in looked_for.terms) for word in name)
    score += _KINDS[entry.kind] + _WHOLE * covered / max(len(name), 1)
    score += _IS_ID * (entry.id.casefold() == looked_for.words) + _IS_NAME * (name == looked_for.terms)
    return score, why


def _words_of(entry: Entry) -> Mapping[str, tuple[float, str]]:
    """The words of an entry's texts, each with the weight of the best text that has it, and what that text says."""
    found: dict[str, tuple[float, str]] = {}
    for text in entry.texts:
        for word in _terms(text.words):
            if text.weight > found.get(word, (0.0, ""))[0]:
                found[word] = (text.weight, text.said)
    return found


def _vocabulary(searched: Iterable[_Searched]) -> frozenset[str]:
    return frozenset(word for each in searched for word in each.words)


def _row(entry: Entry, score: float, why: str, looked_for: _LookedFor) -> dict[str, object]:
    figures = sorted(entry.figures, key=lambda figure: -_fits(figure, looked_for))
    return {
        "kind": entry.kind,
        "id": entry.id,
        "name": entry.name,
        "path": entry.path or None,
        "unit": entry.unit or None,
        "scheme": entry.scheme or None,
        "datasets": list(entry.datasets),
        "figures": [asdict(figure) for figure in figures],
        "first_year": figures[0].first_year if figures else None,
        "areas": figures[0].areas if figures else None,
        "query": _line(entry, figures, looked_for.areas),
        "why": why or None,
        "score": score,
    }


def _fits(figure: Figure, looked_for: _LookedFor) -> float:
    """How many of the words a figure's measure has, so that "per head" chooses the measure per head."""
    named = frozenset(_terms(f"{figure.measure} {figure.title} {figure.unit} {figure.bea_table} {figure.dataset}"))
    return sum(
        max((how for word, how in meant.items() if word in named), default=0.0) for meant in looked_for.meant.values()
    )


def _line(entry: Entry, figures: Sequence[Figure], areas: Sequence[str]) -> str | None:
    """The line that gets it: of the areas named, else of the US where it has figures, else of the states."""
    if entry.kind == "table":
        name = entry.id.rpartition("/")[2]
        return " ".join(["pce export", name, f"--to {name}.csv", *([f"--state {','.join(areas)}"] if areas else [])])
    if not figures:
        return None
    of_areas = ",".join(areas) or ("US" if "US" in figures[0].areas else "states")
    what = f"--measure {entry.column or figures[0].measure} --category {figures[0].category}"
    return f"pce query {what} --state {of_areas}"


@lru_cache(65536)
def _terms(text: str) -> tuple[str, ...]:
    """The words of a text, in small letters and without the s of a plural."""
    return tuple(_stem(word) for word in re.findall(r"[a-z0-9]+", text.casefold()))


def _stem(word: str) -> str:
    """A word without what a plural adds; "gas", "less" and "bus" stay."""
    return _PLURAL.sub("y", word) if word.endswith("ies") else _PLURAL.sub("", word)


def _contains(terms: Sequence[str], phrase: Sequence[str]) -> bool:
    """Whether a phrase stands in the words, its own words side by side."""
    width = len(phrase)
    return any(tuple(terms[at : at + width]) == tuple(phrase) for at in range(len(terms) - width + 1))
