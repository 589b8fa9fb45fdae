"""From a sheet to observations: codes get back what a spreadsheet took from them, and doubtful numbers are refused.

Nothing is guessed: a code or number that could mean two things stops the file, in words that say what to do.

Assumed: "Billions", "Millions" and "Thousands" at the start of a unit stand for 10^9, 10^6 and 10^3 as in the API's
UNIT_MULT, everything else for 1 (verified for the units of the tables ingested, not for all of BEA's); and that BEA
has no area codes from 1 to 99, so that a state's own two digits are not mistaken for one.
"""

import re
from collections.abc import Callable, Sequence

import polars as pl

from pce_pipeline.bea.doubts import refuse_doubtful
from pce_pipeline.bea.errors import ZIP_INSTEAD, BeaFileRefused, BeaUnknownField
from pce_pipeline.bea.layouts import Column, canonical, fold, year_of
from pce_pipeline.bea.observations import LINE_SCHEMA, OBSERVATION_SCHEMA, Observations
from pce_pipeline.bea.releases import newest_note
from pce_pipeline.bea.sheets import Sheet
from pce_pipeline.bea.values import coded, said
from pce_pipeline.catalog.reading import area_names
from pce_pipeline.texts import clean_description, clean_text

_KEY = ["bea_table", "line_code", "geo_fips", "year"]

_AREA = re.compile(r"(\d{1,5})(?:\.0+)?")
_WHOLE = re.compile(r"(\d{1,9})(?:\.0+)?")
_CODE = re.compile(r"(\w+)-(\d{1,9})")
_TABLE = re.compile(r"[A-Z]+[0-9A-Z]*")
_TITLE = re.compile(r"([A-Z]{2,}[0-9A-Z]*):?\s+\S")
_SOLE_UNIT = re.compile(
    r"(?:(?:billions|millions|thousands) of|(?:current |constant |chained )?(?:\(?\d{4}\)? )?dollars|index|percent"
    r"|number of)(?!.*\b(?:unless|except|various|otherwise|persons or)\b).*",
    re.IGNORECASE,
)
_DIGITS_OF_A_STATE = 2
_BARE_MARK = re.compile(r"\s+\d{1,2}$")

_OF_INTERACTIVE = "Download BEA's zip of the table instead: it says both for each line."


def read_table(sheet: Sheet, *, tolerate_unknown: bool = False, tolerate_repeats: bool = False) -> Observations:
    """The observations of a sheet, under the names and units its tables have today.

    Raises `BeaUnknownField` for unknown columns unless they are tolerated, and `BeaFileRefused` for a code that is not
    one, numbers that may mean two things, and a cell that is there twice and differently unless repeats are tolerated.
    """
    layout = sheet.layout
    unknown = tuple(name for _, name in sheet.columns if not layout.knows(fold(name)))
    if unknown and not tolerate_unknown:
        raise BeaUnknownField(unknown)
    if layout.shape == "years down":
        frame, described, may_repeat = _years_down(sheet)
    else:
        frame, described, may_repeat = _years_across(sheet)
    if may_repeat and not tolerate_repeats:
        frame = without_repeats(frame)
    refuse_doubtful(frame, sheet.separator)
    _refuse_other_areas(sheet)
    lines = described.unique(maintain_order=True)
    for (table, text), today in layout.rewritten.items():
        is_it = (pl.col("bea_table") == table) & (pl.col("description") == text)
        lines = lines.with_columns(pl.when(is_it).then(pl.lit(today)).otherwise("description").alias("description"))
    note = newest_note((*sheet.titles, *sheet.remarks))
    return Observations(
        frame=frame,
        lines=lines.filter(pl.col("description") != "").select(list(LINE_SCHEMA)),
        notes={table: note for table in frame["bea_table"].unique().sort() if note is not None},
    )


def tables_of(sheet: Sheet) -> frozenset[str]:
    """The tables whose rows a sheet has, by the names they have today; errors as in `read_table`."""
    return frozenset(_tables(sheet))


def years_of(sheet: Sheet) -> dict[int, int]:
    """The years of a sheet with years across, by the position of their columns."""
    years = {at: year for at, name in sheet.columns if (year := year_of(fold(name))) is not None}
    if len(set(years.values())) < len(years):
        raise BeaFileRefused("The file has two columns of one year.", remedy=ZIP_INSTEAD)
    return years


def rows_of(sheet: Sheet) -> pl.DataFrame:
    """What each row of a sheet is about, in its order: bea_table, line_code, geo_fips; errors as in `read_table`.

    Where years stand down, `year` is there too.
    """
    if sheet.layout.shape == "years across":
        return _named(sheet, "line_code", _whole).select("bea_table", "line_code", "geo_fips")
    years = pl.Series("year", _coded(sheet, "year", _year)).cast(pl.Int32)
    return _named(sheet, "code", _line_of_code).select("bea_table", "line_code", "geo_fips").with_columns(years)


def without_repeats(frame: pl.DataFrame) -> pl.DataFrame:
    """The observations with each cell once; `BeaFileRefused` names one that is there twice and differently."""
    keys = frame.select(_KEY)
    if not keys.is_duplicated().any():
        return frame
    differing = frame.filter(
        (pl.struct(said(pl.col("value_text")), "unit", "unit_multiplier").n_unique() > 1).over(_KEY)
    ).sort(_KEY, maintain_order=True)
    if differing.height:
        first, second = differing.unique(["value_text", "unit"], maintain_order=True).head(2).iter_rows(named=True)
        raise BeaFileRefused(
            f"The file says two things of one cell of {first['year']}: {first['value_text']!r} "
            f"({first['unit']}) and {second['value_text']!r} ({second['unit']}).",
            remedy="Was one file pasted below another? Give each by itself.",
            table=first["bea_table"],
            line=first["line_code"],
            area=first["geo_fips"],
        )
    return frame.unique(_KEY, keep="first", maintain_order=True)


def _years_across(sheet: Sheet) -> tuple[pl.DataFrame, pl.DataFrame, bool]:
    years = years_of(sheet)
    if not years:
        raise BeaFileRefused("The file has no column of a year.", remedy=ZIP_INSTEAD)
    columns = list(zip(*sheet.rows, strict=True))
    wide = _named(sheet, "line_code", _whole).with_columns(
        _multiplier(), *(pl.Series(str(year), columns[at], dtype=pl.String) for at, year in years.items())
    )
    has_repeats = wide.select("bea_table", "line_code", "geo_fips").is_duplicated().any()
    index = [name for name in OBSERVATION_SCHEMA if name not in {"year", "value_text"}]
    frame = (
        wide.unpivot(list(map(str, years.values())), index=index, variable_name="year", value_name="value_text")
        .with_columns(pl.col("year").cast(pl.Int32), pl.col("value_text").str.strip_chars())
        .select(list(OBSERVATION_SCHEMA))
    )
    return frame, wide.select(list(LINE_SCHEMA)), has_repeats


def _years_down(sheet: Sheet) -> tuple[pl.DataFrame, pl.DataFrame, bool]:
    texts = pl.DataFrame(
        {"value": sheet.cells("value"), "note": sheet.cells("note_ref")},
        schema={"value": pl.String, "note": pl.String},
    )
    values = texts.select(coded(pl.col("value"), pl.col("note")).alias("value_text"))["value_text"]
    named = _named(sheet, "code", _line_of_code).with_columns(
        pl.Series("year", _coded(sheet, "year", _year)).cast(pl.Int32),
        pl.Series("unit_multiplier", _coded(sheet, "unit_multiplier", _whole)).cast(pl.Int32),
        values,
    )
    return named.select(list(OBSERVATION_SCHEMA)), named.select(list(LINE_SCHEMA)), True


def _named(sheet: Sheet, lines: Column, line: Callable[[str], str | None]) -> pl.DataFrame:
    """What every row is about, and its unit; the column `lines` tells the line as `line` reads it."""
    return pl.DataFrame(
        {
            "geo_fips": _coded(sheet, "geo_fips", area_code),
            "bea_table": _tables(sheet),
            "line_code": _coded(sheet, lines, line),
            "unit": _units(sheet),
            "description": _coded(sheet, "description", lambda text: clean_description(_unquoted(text))),
        },
        schema=dict.fromkeys(("geo_fips", "bea_table", "line_code", "unit", "description"), pl.String),
    ).with_columns(pl.col("line_code").cast(pl.Int32))


def _tables(sheet: Sheet) -> list[str]:
    """The table of each row, wherever the layout has it."""
    if sheet.layout.titled:
        return [_of_titles(sheet)[0]] * len(sheet.rows)
    if known := sheet.layout.components:
        return [known[number].table for number in _coded(sheet, "component", _component(sheet))]
    if sheet.layout.shape == "years down":
        return _coded(sheet, "code", _table_of_code)
    return _coded(sheet, "bea_table", _table)


def _units(sheet: Sheet) -> list[str]:
    """The unit of each row, wherever the layout has it."""
    if sheet.layout.titled:
        return [_of_titles(sheet)[1]] * len(sheet.rows)
    if known := sheet.layout.components:
        numbers = _coded(sheet, "component", _component(sheet))
        for number in sorted(set(numbers)):
            _check_component(sheet, numbers, number)
        return [known[number].unit for number in numbers]
    return _coded(sheet, "unit", _unit)


def _refuse_other_areas(sheet: Sheet) -> None:
    """A row whose name is another area's than its code's has the figures of one of the two, and nobody knows which."""
    known = area_names()
    codes = {name.casefold(): code for code, name in known.items()}
    for text, name in dict.fromkeys(zip(sheet.cells("geo_fips"), sheet.cells("geo_name"), strict=True)):
        said = clean_text(_unquoted(name)).casefold()
        code = area_code(text)
        if code is not None and code in known and codes.get(said, code) != code:
            raise BeaFileRefused(
                f"The file gives {code} the name {clean_text(name)}, and {code} is {known[code]}.",
                remedy="Was one of its columns sorted without the others? " + ZIP_INSTEAD,
                area=code,
            )


def _of_titles(sheet: Sheet) -> tuple[str, str]:
    """Table and unit as the first two lines above the header say them."""
    looks_like, titles = f"This looks like a {sheet.layout.name}", sheet.titles
    named = _TITLE.match(titles[0])
    if named is None:
        raise BeaFileRefused(
            f"{looks_like} whose first line does not name a table ({titles[0]!r}).",
            remedy=_OF_INTERACTIVE,
        )
    unit = clean_text(_BARE_MARK.sub("", titles[1])) if len(titles) > 1 else ""
    if not _SOLE_UNIT.fullmatch(unit):
        raise BeaFileRefused(
            f"{looks_like} whose second line does not say one unit for all lines ({unit!r}).",
            remedy=_OF_INTERACTIVE,
            table=canonical(named[1]),
        )
    return canonical(named[1]), unit


def _check_component(sheet: Sheet, numbers: Sequence[str], number: str) -> None:
    """The component is what its number says, in the unit that the lines below the data give."""
    component = sheet.layout.components[number]
    names = zip(sheet.cells("component_name"), numbers, strict=True)
    for name in sorted({clean_text(name) for name, of_number in names if of_number == number}):
        if not component.name.match(name):
            raise BeaFileRefused(
                f"The file calls its component {number} {name!r}; known under that number is {component.table}.",
                remedy=ZIP_INSTEAD,
            )
    if not any(component.sentence.search(remark) for remark in sheet.remarks):
        raise BeaFileRefused(
            f"The file has no column of units, and no line below its data says that {component.table} is in "
            f"{component.unit.lower()}.",
            remedy="Use the file with the lines that BEA printed below the data, or download BEA's zip.",
        )


def _coded(sheet: Sheet, column: Column, read: Callable[[str], str | None]) -> list[str]:
    """A column as `read` understands its texts, each distinct one asked once; the first line it does not is named."""
    cells = sheet.cells(column)
    codes: dict[str, str] = {}
    for text in dict.fromkeys(cells):
        code = read(text)
        if code is None:
            name = next(name for place, name in sheet.columns if place == sheet.position(column))
            raise BeaFileRefused(
                f"Line {sheet.lines[cells.index(text)]} of the file says {text.strip()!r} as {name}, "
                f"which is not {_EXPECTED[column]}.",
                remedy="Was one file pasted below another, or was the table sorted? " + ZIP_INSTEAD,
            )
        codes[text] = code
    return [codes[text] for text in cells]


_EXPECTED: dict[Column, str] = {
    "bea_table": "a table's name",
    "code": "a table and line",
    "component": "a component that is known",
    "geo_fips": "an area code of five digits",
    "line_code": "a line code",
    "unit": "a unit",
    "unit_multiplier": "a power of ten",
    "year": "a year",
}


def _bare(text: str) -> str:
    """A text without the quotation marks, apostrophes and equals signs that keep a spreadsheet from its zeros."""
    return text.strip(" \t\"'=")


def area_code(text: str) -> str | None:
    """An area code with all its zeros; None where the text is none."""
    found = _AREA.fullmatch(_bare(text))
    if found is None or (len(found[1]) <= _DIGITS_OF_A_STATE and int(found[1])):
        return None
    return found[1].zfill(5)


def _whole(text: str) -> str | None:
    found = _WHOLE.fullmatch(_bare(text))
    return str(int(found[1])) if found else None


def _unquoted(text: str) -> str:
    """A text without quotation marks that became part of it."""
    bare = text.strip()
    return bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'" else bare


def _unit(text: str) -> str | None:
    """A unit; None for what can only be the cell of another column."""
    unit = clean_text(_unquoted(text))
    return unit if any(map(str.isalpha, unit)) else None


def _year(text: str) -> str | None:
    year = year_of(fold(text))
    return str(year) if year else None


def _table(text: str) -> str | None:
    name = canonical(_bare(text))
    return name if _TABLE.fullmatch(name) else None


def _table_of_code(text: str) -> str | None:
    found = _CODE.fullmatch(text.strip())
    return canonical(found[1]) if found else None


def _line_of_code(text: str) -> str | None:
    found = _CODE.fullmatch(text.strip())
    return str(int(found[2])) if found else None


def _component(sheet: Sheet) -> Callable[[str], str | None]:
    def known(text: str) -> str | None:
        number = _whole(text)
        return number if number in sheet.layout.components else None

    return known


def _multiplier() -> pl.Expr:
    unit = pl.col("unit").str.to_lowercase()
    return (
        pl.when(unit.str.starts_with("billions"))
        .then(9)
        .when(unit.str.starts_with("millions"))
        .then(6)
        .when(unit.str.starts_with("thousands"))
        .then(3)
        .otherwise(0)
        .cast(pl.Int32)
        .alias("unit_multiplier")
    )
