"""Everything that BEA has been seen, or must be expected, to do wrong: named, and switched on for chosen calls.

A fault spoils answers (a cut body, a wrong shape, a lock) or what is published (a renamed table, a moved line).
Nothing here acts; `state` decides which fault meets which call, `render`, `publication` and `app` carry it out.
"""

from enum import StrEnum
from typing import Literal

import msgspec

Target = Literal[
    "GetData", "GetParameterValuesFiltered", "GetParameterValues", "GetParameterList", "GetDataSetList",
    "archive", "calendar", "archived",
]  # fmt: skip


class FaultKind(StrEnum):
    """What goes wrong."""

    SLOW = "slow"  # the answer waits for `seconds`
    DROP = "drop"  # the connection breaks in the middle of the answer
    SERVER_ERROR = "server_error"  # HTTP 503 with an HTML page
    TOO_MANY = "too_many"  # HTTP 429 with Retry-After of `seconds`, whatever was sent before
    API_ERROR = "api_error"  # HTTP 200 with error `code`
    ERROR_AT_TOP = "error_at_top"  # errors stand at BEAAPI.Error instead of BEAAPI.Results.Error
    ERROR_AS_LIST = "error_as_list"  # errors are a list
    EMPTY_BODY = "empty_body"
    HTML = "html"  # HTTP 200 with an HTML page
    TRUNCATED = "truncated"  # half the answer, then an HTML page
    BOM = "bom"  # a byte order mark before the answer
    LATIN1 = "latin1"  # a note in ISO-8859-1 that is no UTF-8
    SINGLE_AS_DICT = "single_as_dict"  # lists of one entry are that entry
    RESULTS_AS_LIST = "results_as_list"
    NO_DATA = "no_data"  # Results without Data and without Error
    UNKNOWN_FIELD = "unknown_field"  # each row of data has a field BEA does not document
    YEAR_IS_ERROR = "year_is_error"  # a year not yet published is error 40 instead of no rows
    RELEASE_CHANGES = "release_changes"  # from the first matching call on, the next release is published
    TABLE_RENAMED = "table_renamed"  # SAPCE3 is now SAPCE3N; the old name is error 40
    LINES_SWAPPED = "lines_swapped"  # the first two of `lines` (or lines 2 and 3) change places
    LINES_RENAMED = "lines_renamed"  # descriptions of `lines` (or line 2) change
    LINE_DROPPED = "line_dropped"  # `lines` (or the last) are published no more, nor is a table of no others
    LINE_ADDED = "line_added"  # each table has one more line at its end, a national one before its last line
    # Cells of `areas` (or Wyoming; or the nation, of national tables) in `years` (or all) are published no more.
    CELLS_DROPPED = "cells_dropped"
    MARKS_CHANGED = "marks_changed"  # descriptions end with " 1/", names of areas with " *"
    LAYOUT_OF_BEFORE = "layout_of_before"  # a table holds lines of others, which are gone, as it did before
    # Numbers of the two newest years, and of the months after them, change; "Last updated" does not.
    SILENT_REVISION = "silent_revision"
    # Files without a key (zip, series) say another number than the API in the cells of `lines`, `areas` and `years` (or
    # of the first line, Alabama or the nation, and the newest year), and of months in January.
    FILES_DIFFER = "files_differ"
    CALENDAR_WITHOUT_NAME = "calendar_without_name"  # no release of the calendar has a known name


OF_PUBLICATION = frozenset(
    {
        FaultKind.TABLE_RENAMED,
        FaultKind.LINES_SWAPPED,
        FaultKind.LINES_RENAMED,
        FaultKind.LINE_DROPPED,
        FaultKind.LINE_ADDED,
        FaultKind.CELLS_DROPPED,
        FaultKind.MARKS_CHANGED,
        FaultKind.LAYOUT_OF_BEFORE,
        FaultKind.SILENT_REVISION,
    }
)
"""The faults of what is published, by the API and in files alike."""

OF_FILES = OF_PUBLICATION | {FaultKind.FILES_DIFFER}
"""The faults of what files say."""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault and the calls it meets.

    It meets calls of the endpoints in `on`, of the tables and lines named (none named: all), after sparing the first
    `after` of them and then `first` times (None: for ever). Faults of what is published have no calls: `on`, `after`
    and `first` do not bear on them, and the archive shows them too (FILES_DIFFER, only the archive).
    """

    kind: FaultKind
    tables: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    areas: tuple[str, ...] = ()
    years: tuple[int, ...] = ()
    on: tuple[Target, ...] = ("GetData",)
    after: int = 0
    first: int | None = None
    seconds: float = 60.0
    code: str = "101"

    def concerns(self, table: str) -> bool:
        return not self.tables or table in self.tables


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one key may send in a minute (None: anything), and how many seconds it is locked out beyond that."""

    requests: int | None = 100
    bytes: int | None = 100_000_000
    errors: int | None = 30
    lock_seconds: float = 60.0
