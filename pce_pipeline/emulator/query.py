"""What a request asks for: BEA's parameters, read as BEA reads them, or refused with BEA's error.

Names and keywords are read without regard to case, unknown parameters are ignored, errors come with HTTP 200. Where
BEA's own answer has not been seen, the comment says that it is a guess.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pce_pipeline.emulator.publication import Publication

KEY_LENGTH = 36
REGIONAL = "REGIONAL"
NATIONAL = "NIPA"
_ECHOED = frozenset(
    {
        "USERID", "METHOD", "DATASETNAME", "RESULTFORMAT", "TABLENAME", "YEAR", "TARGETPARAMETER", "PARAMETERNAME",
    }
)  # fmt: skip
_ECHOED_OF_REGIONAL = frozenset({"LINECODE", "GEOFIPS"})
_ECHOED_OF_NATIONAL = frozenset({"FREQUENCY", "SHOWMILLIONS"})
_PARAMETERS = {
    "TABLENAME": ("TableName", "Regional income or product table to retrieve"),
    "LINECODE": ("LineCode", "Line code for a statistic or industry"),
    "GEOFIPS": ("GeoFips", "Comma-delimited list of 5-character geographic codes; STATE for all states"),
    "TARGETPARAMETER": ("TargetParameter", "Parameter whose values are wanted"),
    "PARAMETERNAME": ("ParameterName", "Parameter whose values are wanted"),
}
_NATIONAL_PARAMETERS = {
    "TABLENAME": ("TableName", "The new NIPA table identifier"),
    "FREQUENCY": ("Frequency", "A - Annual, Q-Quarterly, M-Monthly"),
    "YEAR": ("Year", "List of year(s) of data to retrieve (X for All)"),
}
_TEXTS = {
    "1": "Invalid Request - Invalid API UserId.",
    "4": "This UserId is not active. Please activate it and try again.",
    "7": "The maximum number of requests per minute has been exceeded.",
    "20": "The dataset requested does not exist.",
    "31": "The parameter name requested does not exist.",
    "40": "The dataset requested requires parameters that were missing from the request.",
    "101": "Unknown error.",
}


class Refusal(Exception):
    """BEA's error number `code` with what its body says beside it in `extra`."""

    def __init__(self, code: str, extra: dict[str, Any] | None = None) -> None:
        self.code = code
        self.extra = extra or {}
        super().__init__(code)

    @property
    def body(self) -> dict[str, Any]:
        return {
            "APIErrorCode": self.code,
            "APIErrorDescription": _TEXTS.get(self.code, "Unknown error."),
            **self.extra,
        }


def invalid(parameter: str) -> Refusal:
    """BEA's error for a parameter it knows with a value it does not."""
    return Refusal("40", {"ErrorDetail": {"Description": f"Invalid Value for Parameter {parameter}"}})


def _missing(parameter: str, dataset: str) -> Refusal:
    described = _PARAMETERS | _NATIONAL_PARAMETERS if dataset == NATIONAL else _PARAMETERS
    name, description = described[parameter]
    detail = {"ParameterName": name, "ParameterDescription": description}
    return Refusal("40", {"AdditionalDetail": {"MissingParameter": detail}})


@dataclass(frozen=True)
class Parameters:
    """The parameters of one request."""

    values: dict[str, str]
    """By upper-case name, in the order sent."""

    @classmethod
    def read(cls, items: Iterable[tuple[str, str]]) -> "Parameters":
        sent = {name.upper(): value for name, value in items}
        is_national = sent.get("DATASETNAME", "").upper() == NATIONAL
        known = _ECHOED | (_ECHOED_OF_NATIONAL if is_national else _ECHOED_OF_REGIONAL)
        return cls({name: value for name, value in sent.items() if name in known})

    def word(self, name: str) -> str:
        """The upper-case value of a parameter, "" where it was not sent."""
        return self.values.get(name, "").upper()

    def required(self, name: str) -> str:
        """The upper-case value of a parameter; raises `Refusal` 40 naming it where it was not sent."""
        if not self.word(name):
            raise _missing(name, self.word("DATASETNAME"))
        return self.word(name)

    @property
    def key(self) -> str:
        return self.values.get("USERID", "")

    @property
    def line(self) -> int | None:
        word = self.word("LINECODE")
        return int(word) if word.isdecimal() else None

    @property
    def echo(self) -> list[dict[str, str]]:
        """BEA's echo: everything in upper case but the key, which comes back as sent."""
        return [
            {"ParameterName": name, "ParameterValue": value if name == "USERID" else value.upper()}
            for name, value in self.values.items()
        ]


@dataclass(frozen=True)
class DataQuery:
    """A request for data."""

    table: str
    """The table."""
    lines: tuple[int, ...]
    """The lines."""
    all_lines: bool
    """Whether all lines were asked for by one word."""
    areas: frozenset[str] | None
    """The areas; None for all."""
    years: tuple[int, ...]
    """The years."""


def table_of(parameters: Parameters, publication: Publication) -> str:
    """The table asked for; raises `Refusal` 40 where none is named or published."""
    table = parameters.required("TABLENAME")
    if table not in publication.tables:
        raise invalid("TableName")
    return table


def read_data_query(parameters: Parameters, publication: Publication, *, year_is_error: bool) -> DataQuery:
    """Raises `Refusal` for whatever BEA refuses."""
    table = table_of(parameters, publication)
    code = parameters.required("LINECODE")
    areas = _areas(parameters.required("GEOFIPS"), publication.areas_of(table))
    known = publication.line_texts[table]
    if code == "ALL":
        # That BEA refuses ALL with several areas is documented; with which error is a guess.
        if areas is None or len(areas) != 1:
            raise invalid("LineCode")
        # BEA's lines come in no particular order here: sorted as text, backwards, they show it.
        lines = tuple(sorted(known, key=str, reverse=True))
    elif parameters.line in known:
        lines = (int(code),)
    else:
        raise invalid("LineCode")
    years = _years(parameters.word("YEAR") or "LAST5", publication.tables[table].years, year_is_error=year_is_error)
    return DataQuery(table, lines, all_lines=code == "ALL", areas=areas, years=years)


def _areas(text: str, known: frozenset[str]) -> frozenset[str] | None:
    if text == "STATE":
        return None
    asked = frozenset(part.strip() for part in text.split(","))
    # That an area is unknown to a table that has none of its level, too, is a guess.
    if not asked <= known:
        raise Refusal("101")
    return asked


def _years(text: str, published: range, *, year_is_error: bool) -> tuple[int, ...]:
    if text in {"ALL", "LAST5", "LAST10"}:
        return tuple(published if text == "ALL" else published[-int(text.removeprefix("LAST")) :])
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise invalid("Year")
    asked = sorted({int(part) for part in parts})
    if year_is_error and any(year not in published for year in asked):
        raise invalid("Year")
    return tuple(year for year in asked if year in published)
