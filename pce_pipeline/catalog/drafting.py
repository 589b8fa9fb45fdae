"""The files of a new dataset, from what BEA says of one of its tables.

Complete but for what BEA does not say. What a person must decide is written as `UNDECIDED`, which reading refuses with
file and line until an answer stands in its place; in dataset.toml the reason stands behind it.

A line whose text and unit the catalogue knows already, once, gets the measure and category that it has there. All
others get new ones: below each line without indentation one measure for each unit, and a category for each line; in a
table without indentation a measure for each line and one category, or where all lines have one unit the reverse.
"""

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from pce_pipeline.catalog.dataset import FULL
from pce_pipeline.catalog.declared import CATEGORIES, LINES, UNITS, Catalogue, Schema
from pce_pipeline.catalog.decoding import UNDECIDED
from pce_pipeline.catalog.errors import DraftRefused
from pce_pipeline.texts import BASE_YEAR, OR, clean_text, meaning

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TABLE_NAME = re.compile(r"[A-Z][A-Z0-9]*")
_NATION = "nation"
_LEVELS = (_NATION, "region", "state")
_MOST_NAMED = 5

_BASE_YEAR = re.compile(r"\b(?:chained|constant) \(?([12][0-9]{3})\)? dollars", re.IGNORECASE)
_IN_PARENTHESES = re.compile(r"\s*\([^()]*(?:\([^()]*\)[^()]*)?\)")
_LESS = re.compile(r"less:\s*", re.IGNORECASE)
_PER_CAPITA = re.compile(r"\bper capita\b\s*", re.IGNORECASE)
_NUMBER = r"^[-+]?[0-9][0-9,]*(?:\.[0-9]*)?$"
_DECIMALS = r"\.([0-9]+)$"
_MARK = re.compile(rf"([^#]*?)\s*=[^#]*[\"']{re.escape(UNDECIDED)}[\"'][^#]*(?:#\s*(.*))?")

_WHY_ARCHIVE = "the name of BEA's archive that holds the table"
_WHY_RELEASES = "the names under which BEA's calendar announces it, best first; compared exactly"
_WHY_SUMS = 'over what a sum has a meaning: some of "categories", "areas", or []'
_WHY_COMPARISONS = 'over what a difference has a meaning: some of "categories", "areas", "years", or []'
_WHY_GROWTH = "whether a rate of growth of it may be computed: true or false"
_WHY_WHOLE = "the measure that it is when multiplied by the residents; without one, take this line out"
_WHY_DECIMALS = "how many decimals BEA publishes: no number was seen"
_WHY_TITLE = "what it is, in words"


@dataclass(frozen=True)
class Metadata:
    """What BEA says of a table, wherever it was read."""

    table: str
    """BEA's name of the table."""
    title: str | None
    """BEA's title; None where it was not said."""
    cells: pl.DataFrame
    """Cells of all its lines: line_code, geo_fips, year, value_text, unit, unit_multiplier. One line has all areas."""
    descriptions: Mapping[int, str]
    """BEA's text of each line."""
    indents: Mapping[int, int]
    """How far the text of each line is indented; a line that is not there is not."""
    last_updated: date | None
    """The day of BEA's release note."""
    archive: str | None
    """The archive that is known to hold the table."""
    likely_archive: str
    """The archive that may hold it, by its name."""


@dataclass(frozen=True)
class Decision:
    """What a person must decide before the draft can be loaded."""

    file: str
    """The file, below the folder of datasets."""
    line: int
    """The line of the file."""
    what: str
    """The key or column, and why it is open."""


@dataclass(frozen=True)
class Draft:
    """The files of a new dataset."""

    name: str
    """The name of the dataset."""
    files: Mapping[str, str]
    """The text of each file, by its path below the folder of datasets."""
    lines: int
    """How many lines of BEA's it has."""
    measures: tuple[str, ...]
    """The measures that it declares."""
    measures_of_others: tuple[str, ...]
    """The measures of its lines that other datasets declare."""
    decisions: tuple[Decision, ...]
    """What a person must decide, in the order of the files."""
    remarks: tuple[str, ...]
    """What a person should know beside that."""


@dataclass
class _Line:
    """A line of the table, and what the draft makes of it."""

    code: int
    text: str
    unit: str
    multiplier: int
    decimals: int | None
    nation_only: bool
    conformed: str
    indent: int
    depth: int = 0
    parent: "_Line | None" = None
    root: "_Line | None" = None
    children: int = 0
    measure: str = UNDECIDED
    category: str = UNDECIDED
    is_known: bool = False


@dataclass
class _Measure:
    """A new measure."""

    name: str
    title: str
    unit: str
    units: tuple[str, ...]
    is_per_capita: bool
    decimals: int | None = None
    whole: str | None = None


@dataclass
class _Names:
    """Names that nobody else has."""

    table: str
    taken: set[str] = field(default_factory=set)

    def free(self, name: str, code: int) -> str:
        """The name, or where it is taken one that says whose it is."""
        prefix, dot, bare = name.rpartition(".")
        tries = (name, f"{prefix}{dot}{self.table.lower()}_{bare}", f"{prefix}{dot}{self.table.lower()}_{bare}_{code}")
        found = next(each for each in tries if each not in self.taken)
        self.taken.add(found)
        return found


def draft_of(metadata: Metadata, known: Catalogue, name: str) -> Draft:
    """The files of a dataset of that name with one table of BEA's.

    Raises `DraftRefused` for a name that cannot be one, a dataset that there is, and a table without lines or without
    areas of the catalogue.
    """
    if not _NAME.fullmatch(name):
        raise DraftRefused(
            f"{name!r} cannot be the name of a dataset.", remedy="Take small letters, digits and underscores."
        )
    if name in known.parts:
        raise DraftRefused(f"There is a dataset {name} already.", remedy="Give the draft another name with --name.")
    if not _TABLE_NAME.fullmatch(metadata.table):
        raise DraftRefused(
            f"{metadata.table!r} cannot be a table of BEA's.", remedy="Take capital letters and digits, as BEA does."
        )
    levels = _levels(metadata, known)
    new_units = _new_units(metadata, known)
    lines = _lines(metadata, known, new_units, has_more_than_nation=levels != [_NATION])
    if not lines:
        raise DraftRefused(
            f"{metadata.table} has no lines with a text, a unit and cells.", remedy="Is the file or the answer whole?"
        )
    _take_known(lines, metadata.table, known)
    new = [line for line in lines if not line.is_known]
    measures = _measures(new, metadata, known)
    categories = _categories(new, metadata, known)
    declared = {measure.name for measure in measures}
    of_others = tuple(dict.fromkeys(line.measure for line in lines if line.measure not in declared))
    files = {
        f"{name}/dataset.toml": _dataset_toml(metadata, known, name, lines, levels, measures, of_others),
        f"{name}/lines.csv": _csv(LINES, _line_rows(lines, metadata)),
        f"{name}/categories.csv": _csv(CATEGORIES, categories),
    }
    if new_units:
        files["units.csv"] = _csv(
            UNITS,
            [(unit, bea_unit.lower(), bea_unit, multiplier) for (bea_unit, multiplier), unit in new_units.items()],
        )
    return Draft(
        name,
        files,
        len(lines),
        tuple(declared_once.name for declared_once in measures),
        of_others,
        tuple(decision for file, text in files.items() for decision in decisions_in(file, text)),
        tuple(_remarks(metadata, known)),
    )


def decisions_in(file: str, text: str) -> list[Decision]:
    """What is left to decide in a text that a draft has written."""
    found: list[Decision] = []
    if file.endswith(".csv"):
        header, *rows = csv.reader(text.splitlines())
        for number, row in enumerate(rows, start=2):
            open_cells = [name for name, cell in zip(header, row, strict=True) if cell == UNDECIDED]
            found += [Decision(file, number, f"{', '.join(open_cells)} of {row[0]}")] if open_cells else []
        return found
    for number, line in enumerate(text.splitlines(), start=1):
        if mark := _MARK.fullmatch(line):
            found.append(Decision(file, number, f"{mark[1].strip()}: {mark[2]}" if mark[2] else mark[1].strip()))
    return found


def _levels(metadata: Metadata, known: Catalogue) -> list[str]:
    """The levels of the table's areas; refused where the catalogue has none of them."""
    there = known.areas.filter(pl.col("geo_fips").is_in(metadata.cells["geo_fips"].unique().implode()))
    found = set(there["geo_level"])
    if not found:
        raise DraftRefused(
            f"{metadata.table} has no area of the catalogue: no nation, region or state.",
            remedy="Take a table by state.",
        )
    return [level for level in _LEVELS if level in found]


def _remarks(metadata: Metadata, known: Catalogue) -> Iterable[str]:
    for parts in known.parts.values():
        if any(table.name == metadata.table for part in parts for table in part.declared.tables):
            yield f"{parts[0].folder} declares {metadata.table} already: a catalogue has a table once."
    there = set(metadata.cells["geo_fips"])
    if unknown := sorted(there - set(known.areas["geo_fips"])):
        yield f"areas.csv lacks areas of the table: {_some(unknown)}."
    for (level,), areas in known.areas.group_by("geo_level", maintain_order=True):
        every = set(areas["geo_fips"])
        if every & there and (lacking := sorted(every - there)):
            yield f"The table lacks areas of the level {level}: {_some(lacking)}."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _opened(unit: str) -> str:
    """A unit that leaves the base year of its dollars open."""
    found = _BASE_YEAR.search(unit)
    return re.sub(rf"\(?{found[1]}\)?", BASE_YEAR, unit) if found else unit


def _opened_text(text: str, unit: str) -> str:
    """A line's text that leaves the base year of its unit open."""
    found = _BASE_YEAR.search(unit)
    return re.sub(rf"\b{found[1]}\b", BASE_YEAR, text) if found else text


def _conformed(bea_unit: str, multiplier: int, known: Catalogue) -> list[str]:
    """The units of the catalogue that BEA's unit may be."""
    rows = known.units.filter(pl.col("unit_multiplier") == multiplier)
    words = meaning(_opened(bea_unit))
    of_words = [row["unit"] for row in rows.iter_rows(named=True) if meaning(row["bea_unit"]) == words]
    return list(dict.fromkeys(of_words))


def _new_units(metadata: Metadata, known: Catalogue) -> dict[tuple[str, int], str]:
    """A name for each of BEA's units that the catalogue lacks, by BEA's words and power of ten."""
    taken = _Names(metadata.table, set(known.units["unit"]))
    new: dict[tuple[str, int], str] = {}
    seen = metadata.cells.select("unit", "unit_multiplier").unique(maintain_order=True)
    for unit, multiplier in seen.iter_rows():
        key = (_opened(unit), multiplier)
        alike = next((name for (words, power), name in new.items() if (words.lower(), power) == _folded(key)), None)
        if not _conformed(unit, multiplier, known) and alike is None:
            new[key] = taken.free(slug(key[0].replace(BASE_YEAR, "")), multiplier)
    return new


def _folded(key: tuple[str, int]) -> tuple[str, int]:
    return key[0].lower(), key[1]


def _lines(
    metadata: Metadata, known: Catalogue, new_units: Mapping[tuple[str, int], str], *, has_more_than_nation: bool
) -> list[_Line]:
    """The lines in BEA's order, each below the one that it is indented under."""
    nation = known.areas.filter(pl.col("geo_level") == _NATION)["geo_fips"].implode()
    seen = (
        metadata.cells.group_by("line_code")
        .agg(
            pl.col("unit").first(),
            pl.col("unit_multiplier").first(),
            pl.when(pl.col("value_text").str.contains(_NUMBER))
            .then(pl.col("value_text").str.extract(_DECIMALS).str.len_chars().fill_null(0))
            .max()
            .alias("decimals"),
            pl.col("geo_fips").is_in(nation).all().alias("nation_only"),
        )
        .sort("line_code")
    )
    lines: list[_Line] = []
    above: list[_Line] = []
    folded = {_folded(key): unit for key, unit in new_units.items()}
    for row in seen.iter_rows(named=True):
        code, unit, multiplier = row["line_code"], row["unit"], row["unit_multiplier"]
        text = clean_text(metadata.descriptions.get(code, ""))
        if not text or not unit:
            continue
        candidates = _conformed(unit, multiplier, known)
        line = _Line(
            code,
            _opened_text(text, unit),
            _opened(unit),
            multiplier,
            row["decimals"],
            row["nation_only"] and has_more_than_nation,
            folded[_opened(unit).lower(), multiplier] if not candidates else "|".join(candidates),
            metadata.indents.get(code, 0),
        )
        while above and above[-1].indent >= line.indent:
            above.pop()
        line.parent = above[-1] if above else None
        line.root = above[0] if above else line
        line.depth = len(above)
        if line.parent:
            line.parent.children += 1
        above.append(line)
        lines.append(line)
    return lines


def _trees(lines: Iterable[_Line]) -> list[list[_Line]]:
    """The lines with those that are indented below them, by the one above all."""
    trees: dict[int, list[_Line]] = {}
    for line in lines:
        trees.setdefault((line.root or line).code, []).append(line)
    return list(trees.values())


def _take_known(lines: Sequence[_Line], table: str, known: Catalogue) -> None:
    """Give lines whose text and unit the catalogue has, once, the measure and category that they have there.

    Of lines that belong together all are known, or none: categories of two schemes have no common total.
    """
    every = pl.concat([part.lines for part in known.every_part])
    own = every.filter(pl.col("bea_table") == table)
    pairs: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for row in (own if own.height else every).iter_rows(named=True):
        for wording in row["description"].split(OR):
            key = (_bare(meaning(wording)), known.measures[row["measure"]].unit)
            pairs.setdefault(key, set()).add((row["measure"], row["category_id"]))
    found = {line.code: pairs.get((_bare(meaning(line.text)), line.conformed), set()) for line in lines}
    trees = _trees(lines)
    together = [list(lines)] if _has_one_measure(lines, trees) else trees
    for tree in together:
        if all(len(found[line.code]) == 1 for line in tree):
            chosen = [next(iter(found[line.code])) for line in tree]
            if len(set(chosen)) == len(chosen):
                for line, (measure, category) in zip(tree, chosen, strict=True):
                    line.measure, line.category, line.is_known = measure, category, True


def _has_one_measure(lines: Sequence[_Line], trees: Sequence[Sequence[_Line]]) -> bool:
    """Whether the lines are not indented and have one unit: categories of one measure."""
    return len(trees) == len(lines) > 1 and len({line.conformed for line in lines}) == 1


def _measures(new: Sequence[_Line], metadata: Metadata, known: Catalogue) -> list[_Measure]:
    """The new measures; each new line gets one."""
    names = _Names(metadata.table, set(known.measures))
    trees = _trees(new)
    groups = [list(new)] if _has_one_measure(new, trees) else trees
    measures: dict[str, _Measure] = {}
    for group in groups:
        first = group[0]
        of_table = _PER_CAPITA.match(metadata.title or "") if len(group) > 1 else None
        by_unit: dict[str, _Measure] = {}
        for line in group:
            if line.conformed not in by_unit:
                is_per_capita = bool(_PER_CAPITA.search(first.text) or of_table)
                title = _bare(first.text)
                suggested = slug(_PER_CAPITA.sub("", title)) + ("_per_capita" if is_per_capita else "")
                units = tuple(line.conformed.split("|"))
                suggested += f"_{units[0]}" if by_unit else ""
                made = _Measure(
                    names.free(suggested, line.code),
                    f"{title} per capita" if of_table and not _PER_CAPITA.search(title) else title,
                    units[0] if len(units) == 1 else UNDECIDED,
                    units,
                    is_per_capita,
                )
                by_unit[line.conformed] = measures[made.name] = made
            line.measure = by_unit[line.conformed].name
            seen = [each for each in (by_unit[line.conformed].decimals, line.decimals) if each is not None]
            by_unit[line.conformed].decimals = max(seen, default=None)
    wholes = {measure.name for measure in measures.values() if not measure.is_per_capita}
    wholes |= {name for name, declared in known.measures.items() if not declared.per_capita_of}
    for measure in measures.values():
        whole = measure.name.removesuffix("_per_capita")
        measure.whole = (whole if whole in wholes else UNDECIDED) if measure.is_per_capita else None
    return list(measures.values())


def _categories(new: Sequence[_Line], metadata: Metadata, known: Catalogue) -> list[tuple[object, ...]]:
    """The rows of categories.csv; each new line gets a category."""
    if not new:
        return []
    scheme = metadata.table.lower()
    names = _Names(metadata.table, set(known.categories["category_id"]))
    trees = _trees(new)
    if len(trees) == len(new) and not _has_one_measure(new, trees):
        category = names.free(f"{scheme}.all", new[0].code)
        nation_only = all(line.nation_only for line in new)
        for line in new:
            line.category = category
        return [(category, scheme, UNDECIDED, "", 0, "total", 1, _said(holds=nation_only))]
    is_list = len(trees) == len(new)
    rows: list[tuple[object, ...]] = []
    for nth, line in enumerate(new):
        bare = _LESS.sub("", line.text)
        above = f"{slug(line.parent.text)}_" if line.parent else ""
        name = f"{scheme}.{slug(bare)}"
        line.category = names.free(f"{scheme}.{above}{slug(bare)}" if name in names.taken else name, line.code)
        is_open = is_list and nth > 0
        parent = UNDECIDED if is_open else line.parent.category if line.parent else ""
        role = "subtotal" if line.parent and line.children else "part" if line.parent or is_open else "total"
        depth = 1 if is_open else line.depth
        sign = -1 if _LESS.match(line.text) else 1
        rows.append((line.category, scheme, bare, parent, depth, role, sign, _said(holds=line.nation_only)))
    return rows


def _said(*, holds: bool) -> str:
    return "true" if holds else "false"


def _line_rows(lines: Iterable[_Line], metadata: Metadata) -> list[tuple[object, ...]]:
    layout = str(metadata.last_updated.year) if metadata.last_updated else UNDECIDED
    return [
        (metadata.table, layout, line.code, line.category, line.measure, line.text, line.unit, line.multiplier)
        for line in lines
    ]


def _dataset_toml(
    metadata: Metadata,
    known: Catalogue,
    name: str,
    lines: Sequence[_Line],
    levels: Sequence[str],
    measures: Sequence[_Measure],
    of_others: Collection[str],
) -> str:
    first_year = min(metadata.cells["year"])
    title = _text(metadata.title) if metadata.title else _open(_WHY_TITLE)
    updated = f", last updated {metadata.last_updated}" if metadata.last_updated else ""
    written = [
        f"# Drafted from what BEA says of its table {metadata.table}{updated}. A question mark in quotation marks is",
        "# what BEA does not say: put the answer in its place. `pce catalog check` names the first that is left.",
        "",
        f"name = {_text(name)}",
        f"title = {title}",
        'source = "Regional"',
        f"archive = {_text(metadata.archive)}"
        if metadata.archive
        else f"archive = {_open(f'{_WHY_ARCHIVE}; perhaps {metadata.likely_archive}')}",
        f"first_year = {first_year}",
        f"release_names = {_open(_WHY_RELEASES, in_list=True)}",
    ]
    if of_others:
        written += ["", "# Measures that other datasets declare, for lines of the same text and unit:"]
        written += [f"# {measure} ({_declares(measure, known)})" for measure in of_others]
    for measure in measures:
        unit = _text(measure.unit) if len(measure.units) == 1 else _open(f"which of {', '.join(measure.units)}")
        written += [
            "",
            "[[measures]]",
            f"name = {_text(measure.name)}",
            f"title = {_text(measure.title)}",
            f"unit = {unit}",
            f"decimals = {_open(_WHY_DECIMALS) if measure.decimals is None else measure.decimals}",
            f"adds_up_over = {_open(_WHY_SUMS, in_list=True)}",
            f"comparable_over = {_open(_WHY_COMPARISONS, in_list=True)}",
            f"growth_is_meaningful = {_open(_WHY_GROWTH)}",
        ]
        if measure.whole:
            whole = _open(_WHY_WHOLE) if measure.whole == UNDECIDED else _text(measure.whole)
            written.append(f"per_capita_of = {whole}")
    line, area = _probe(metadata, known, lines, levels)
    written += [
        "",
        "[[tables]]",
        f"name = {_text(metadata.table)}",
        f"title = {title}",
        f"levels = {json.dumps(levels)}",
        f'probe = {{ line = {line}, area = "{area}" }}',
        "",
        f"[profiles.{FULL}]",
        f"{metadata.table} = []",
    ]
    return "\n".join(written) + "\n"


def _probe(metadata: Metadata, known: Catalogue, lines: Sequence[_Line], levels: Sequence[str]) -> tuple[int, str]:
    """The first line, and the first area of the first level that has it."""
    first = lines[0].code
    of_line = metadata.cells.filter(pl.col("line_code") == first)["geo_fips"].unique()
    areas = known.areas.filter(pl.col("geo_fips").is_in(of_line.implode()))
    wanted = _NATION if _NATION in levels else "state" if "state" in levels else levels[0]
    of_level = areas.filter(pl.col("geo_level") == wanted)
    return first, str((of_level if of_level.height else areas)["geo_fips"].min())


def _declares(measure: str, known: Catalogue) -> str:
    return next(part.folder for part in known.every_part for each in part.declared.measures if each.name == measure)


def _open(why: str, *, in_list: bool = False) -> str:
    """A mark with its reason."""
    mark = f'"{UNDECIDED}"'
    return f"{f'[{mark}]' if in_list else mark}  # {why}"


def _text(text: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False)


def _bare(text: str) -> str:
    """A line's text without what stands in parentheses."""
    return _IN_PARENTHESES.sub("", text).strip() or text


def slug(text: str) -> str:
    """A text as a name: `womens_and_girls_clothing` for "Women's and girls' clothing"."""
    bare = re.sub(r"['\u2019.]", "", _bare(text)).replace("&", " and ").lower()
    name = re.sub(r"[^a-z0-9]+", "_", bare).strip("_")
    return name if name and name[0].isalpha() else f"line_{name}".rstrip("_")


def _csv(schema: Schema, rows: Iterable[Sequence[object]]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(schema)
    writer.writerows(rows)
    return written.getvalue()
