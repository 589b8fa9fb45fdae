"""The wire format of BEA's API: one struct per JSON object, unknown fields forbidden, errors typed.

One strict pass reads what BEA normally sends. Only where that fails a second, slower look finds out why: an error in
either of its places, another shape of the same content (one object for a list, a list around one object, latin-1
text), unknown fields, or no answer at all. What the rows mean is the business of protocol.py.

Not verified with BEA: that errors with codes we have not seen may pass with time (they are tried a few times).
"""

from functools import cache
from typing import Any, Generic, NoReturn, TypeVar, get_args, get_origin

import msgspec
from msgspec import UNSET, Struct, UnsetType

from pce_pipeline.bea.errors import (
    BeaApiError,
    BeaContentError,
    BeaKeyRejected,
    BeaQuotaExceeded,
    BeaRequestRejected,
    BeaTransportError,
    BeaUnavailable,
    BeaUnknownField,
)
from pce_pipeline.decoding import TOO_DEEP, decoded_json

_BOM = b"\xef\xbb\xbf"

_KEY_REMEDY = "Check BEA_API_KEY; a new key works once the link in BEA's e-mail was followed."
_REQUEST_REMEDY = "BEA may have renamed the table or changed its lines: compare with its list and the catalogue."
_ERRORS: dict[str, tuple[type[BeaApiError], str]] = {
    **dict.fromkeys(("1", "3", "4"), (BeaKeyRejected, _KEY_REMEDY)),
    **dict.fromkeys(("20", "31", "34", "40"), (BeaRequestRejected, _REQUEST_REMEDY)),
    "7": (BeaQuotaExceeded, "Wait before asking again."),
}
_UNAVAILABLE = (BeaUnavailable, "Try again later.")


class RegionalRow(
    Struct,
    forbid_unknown_fields=True,
    gc=False,
    rename={
        "code": "Code",
        "geo_fips": "GeoFips",
        "geo_name": "GeoName",
        "time_period": "TimePeriod",
        "description": "Description",
        "unit": "CL_UNIT",
        "unit_multiplier": "UNIT_MULT",
        "value": "DataValue",
        "note_ref": "NoteRef",
    },
):
    """One cell of a regional table; `description` comes with LineCode=ALL only, `note_ref` when there is one."""

    code: str
    geo_fips: str
    geo_name: str
    time_period: str
    unit: str
    unit_multiplier: str
    value: str
    description: str = ""
    note_ref: str = ""


class NationalRow(
    Struct,
    forbid_unknown_fields=True,
    gc=False,
    rename={
        "table_name": "TableName",
        "series_code": "SeriesCode",
        "line_number": "LineNumber",
        "line_description": "LineDescription",
        "time_period": "TimePeriod",
        "metric_name": "METRIC_NAME",
        "unit": "CL_UNIT",
        "unit_multiplier": "UNIT_MULT",
        "value": "DataValue",
        "note_ref": "NoteRef",
    },
):
    """One cell of a national (NIPA) table."""

    table_name: str
    series_code: str
    line_number: str
    line_description: str
    time_period: str
    metric_name: str
    unit: str
    unit_multiplier: str
    value: str
    note_ref: str = ""


class CodeOnly(Struct, gc=False, rename={"code": "Code"}):
    """A row of which nothing but its table and line is wanted."""

    code: str


class Note(Struct, forbid_unknown_fields=True, rename={"ref": "NoteRef", "text": "NoteText"}):
    """One footnote of an answer."""

    ref: str
    text: str


class Dimension(
    Struct,
    forbid_unknown_fields=True,
    rename={"name": "Name", "data_type": "DataType", "is_value": "IsValue", "ordinal": "Ordinal"},
):
    """What BEA says of a column; read only so that news in it is noticed."""

    name: str
    data_type: str
    is_value: str
    ordinal: str = ""


class ParameterValue(Struct, forbid_unknown_fields=True, rename={"key": "Key", "description": "Desc"}):
    """One value a parameter may take."""

    key: str
    description: str


class Parameter(
    Struct,
    forbid_unknown_fields=True,
    rename={
        "name": "ParameterName",
        "data_type": "ParameterDataType",
        "description": "ParameterDescription",
        "required": "ParameterIsRequiredFlag",
        "multiple": "MultipleAcceptedFlag",
        "default": "ParameterDefaultValue",
        "all_value": "AllValue",
    },
):
    """One parameter of a dataset."""

    name: str
    data_type: str
    description: str
    required: str
    multiple: str
    default: str | None = None
    all_value: str | None = None


class Echo(Struct, forbid_unknown_fields=True, rename={"name": "ParameterName", "value": "ParameterValue"}):
    """One parameter of the request, as BEA repeats it."""

    name: str
    value: str


class Request(Struct, forbid_unknown_fields=True, rename={"parameters": "RequestParam"}):
    """The request, as BEA repeats it."""

    parameters: list[Echo] = []


Row = TypeVar("Row", RegionalRow, NationalRow, CodeOnly)


class Results(
    Struct,
    Generic[Row],
    forbid_unknown_fields=True,
    rename={
        "statistic": "Statistic",
        "unit": "UnitOfMeasure",
        "public_table": "PublicTable",
        "production_time": "UTCProductionTime",
        "note_ref": "NoteRef",
        "dimensions": "Dimensions",
        "data": "Data",
        "notes": "Notes",
        "parameter_values": "ParamValue",
        "parameters": "Parameter",
        "error": "Error",
    },
):
    """The results of any method; which of `data`, `parameter_values` and `parameters` there is depends on it."""

    statistic: str = ""
    unit: str = ""
    public_table: str = ""
    production_time: str = ""
    note_ref: str = ""
    dimensions: list[Dimension] = []
    data: list[Row] | UnsetType = UNSET
    notes: list[Note] = []
    parameter_values: list[ParameterValue] | UnsetType = UNSET
    parameters: list[Parameter] | UnsetType = UNSET
    error: Any = None


class Body(
    Struct,
    Generic[Row],
    forbid_unknown_fields=True,
    rename={"request": "Request", "results": "Results", "error": "Error"},
):
    """What lies inside the envelope."""

    results: Results[Row]
    request: Request = msgspec.field(default_factory=Request)
    error: Any = None

    def echoed(self, name: str) -> str | None:
        """The value of a request parameter (any case), as BEA repeats it."""
        return next((echo.value for echo in self.request.parameters if echo.name.upper() == name.upper()), None)


class _Envelope(Struct, Generic[Row], forbid_unknown_fields=True, rename={"body": "BEAAPI"}):
    body: Body[Row]


def read_answer(
    body: bytes, row: type[Row], *, tolerate_unknown: bool = False, table: str | None = None, line: int | None = None
) -> Body[Row]:
    """The answer with rows of the given kind; `table` and `line` name the request in errors where BEA does not.

    Raises `BeaTransportError` for what is no complete answer, the `BeaApiError` an error answer stands for,
    `BeaUnknownField` unless tolerated, and `BeaContentError` for fields of another type than known.
    """
    try:
        answer = _decoder(row).decode(body.removeprefix(_BOM)).body
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            return _second_look(body, row, tolerate_unknown=tolerate_unknown, table=table, line=line)
        except RecursionError:
            raise BeaTransportError(
                "BEA's answer is nested too deeply.", remedy="Try again.", table=table, line=line
            ) from None
    if error := answer.error or answer.results.error:
        asked = _asked([(echo.name, echo.value) for echo in answer.request.parameters], table, line)
        _raise_api_error(error, asked)
    return answer


@cache
def _decoder(row: type[Row]) -> msgspec.json.Decoder[_Envelope[Row]]:
    return msgspec.json.Decoder(_Envelope[row])  # type: ignore[valid-type]  # mypy has no types made at run time


def _second_look(
    body: bytes, row: type[Row], *, tolerate_unknown: bool, table: str | None, line: int | None
) -> Body[Row]:
    # The strict decoder reads answers as they nearly always are, whole and fast. What it refuses may be
    # another shape that BEA is known for, an error in one of four places, or news: each needs other words.
    inside = _inside(load_json(body, table=table, line=line), table, line)
    asked = _asked(_echoes(inside.get("Request")), table, line)
    results = _sole(inside.get("Results"))
    error = inside.get("Error") or (results.get("Error") if isinstance(results, dict) else None)
    if error:
        _raise_api_error(error, asked)
    # Some of BEA's datasets have no Results around their data.
    if "Results" not in inside:
        if "Data" not in inside:
            raise BeaTransportError("BEA's answer has neither results nor an error.", remedy="Try again.", **asked)
        inside = {
            "Request": inside.get("Request", {}),
            "Results": {name: value for name, value in inside.items() if name != "Request"},
        }
    unknown: dict[str, None] = {}
    shape = Body[row]  # type: ignore[valid-type]  # mypy has no types made at run time
    known = _known(inside, shape, "", unknown)
    if unknown and not tolerate_unknown:
        raise BeaUnknownField(tuple(unknown), table=asked.get("table"), line=asked.get("line"))
    try:
        read: Body[Row] = msgspec.convert(known, shape)
    except msgspec.ValidationError as other:
        raise BeaContentError(f"BEA's answer is of another form than known: {other}.", **asked) from None
    return read


def load_json(body: bytes, *, table: str | None = None, line: int | None = None) -> object:
    """The JSON of a body in UTF-8 or latin-1, with or without a BOM; `BeaTransportError` says what it is instead."""
    bare = body.removeprefix(_BOM)
    try:
        bare.decode("utf-8")
    except UnicodeDecodeError:
        bare = bare.decode("latin-1").encode()
    try:
        return decoded_json(bare, object)
    except msgspec.DecodeError as broken:
        appearance = _appearance(bare, str(broken))
        raise BeaTransportError(f"BEA's answer {appearance}.", remedy="Try again.", table=table, line=line) from None


def _appearance(body: bytes, problem: str) -> str:
    start = body.lstrip()[:200].lower()
    if not start:
        return "is empty, as when its server ran out of time"
    if start.startswith(b"<"):
        return "is a web page, not JSON"
    if problem == TOO_DEEP:
        return "is JSON nested deeper than anything that BEA sends"
    if "trailing" in problem:
        return "is followed by something that is not JSON"
    return f"is cut off or no JSON ({problem}; {len(body)} bytes)"


def _inside(loaded: object, table: str | None, line: int | None) -> dict[str, Any]:
    inside = _sole(loaded.get("BEAAPI")) if isinstance(loaded, dict) else None
    if not isinstance(inside, dict):
        raise BeaTransportError(
            "The answer is JSON, but not of BEA's API.", remedy="Try again.", table=table, line=line
        )
    return inside


def _sole(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """The only element of a list of one; anything else as it is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _known(value: Any, shape: Any, where: str, unknown: dict[str, None]) -> Any:  # noqa: ANN401 (any JSON, any type)
    """The value in the shape of a type: lone objects in lists, lists of one unpacked, unknown fields noted and left."""
    lists = [option for option in (shape, *get_args(shape)) if get_origin(option) is list]
    if lists:
        (element,) = get_args(lists[0])
        items = value if isinstance(value, list) else [] if value is None else [value]
        return [_known(item, element, where, unknown) for item in items]
    struct = get_origin(shape) or shape
    value = _sole(value)
    if not (isinstance(struct, type) and issubclass(struct, Struct) and isinstance(value, dict)):
        return value
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(shape)}
    unknown.update(dict.fromkeys(f"{where}{name}" for name in value if name not in fields))
    return {
        name: _known(item, fields[name], f"{where}{name}.", unknown) for name, item in value.items() if name in fields
    }


def _echoes(request: object) -> list[tuple[str, str]]:
    """The parameters of a request that is repeated in whatever shape."""
    listed = request.get("RequestParam") if isinstance(request, dict) else None
    echoes = [echo for echo in (listed if isinstance(listed, list) else [listed]) if isinstance(echo, dict)]
    return [(str(echo.get("ParameterName")), str(echo.get("ParameterValue"))) for echo in echoes]


def _asked(echoes: list[tuple[str, str]], table: str | None, line: int | None) -> dict[str, Any]:
    """Table, line and area of the request, for errors: as the caller says, else as far as the answer repeats them."""
    values = {name.upper(): value for name, value in echoes}
    code = values.get("LINECODE", "")
    return {
        "table": table or values.get("TABLENAME"),
        "line": int(code) if line is None and code.isdecimal() else line,
        "area": values.get("GEOFIPS"),
    }


def _raise_api_error(error: object, asked: dict[str, Any]) -> NoReturn:
    first = error[0] if isinstance(error, list) and error else error
    told = first if isinstance(first, dict) else {"APIErrorDescription": str(first)}
    code = str(told.get("APIErrorCode", "unknown"))
    words = (
        *_texts(told.get("APIErrorDescription")),
        *_texts(told.get("ErrorDetail")),
        *_texts(told.get("AdditionalDetail")),
    )
    kind, remedy = _ERRORS.get(code, _UNAVAILABLE)
    raise kind(code, " / ".join(words) or "no description", remedy=remedy, **asked)


def _texts(value: object) -> tuple[str, ...]:
    """All texts inside a JSON value, in order."""
    if isinstance(value, dict):
        return tuple(text for item in value.values() for text in _texts(item))
    if isinstance(value, list):
        return tuple(text for item in value for text in _texts(item))
    return (str(value),) if value not in (None, "") else ()
