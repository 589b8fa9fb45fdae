"""BEA's keyless files of national series: a register of all of them, and the values of those by month.

They have the series of the sample's national tables, and others that nobody asks for, as BEA's own have. Equal
publications give equal bytes.
"""

from datetime import UTC, datetime, time
from functools import lru_cache
from importlib.resources import files

import polars as pl

from pce_pipeline.emulator.faults import Fault
from pce_pipeline.emulator.months import months
from pce_pipeline.emulator.national import CURRENT_DOLLARS, NationalPublication, as_published, publish_national
from pce_pipeline.emulator.vintages import vintage

REGISTER = "SeriesRegister.txt"
"""BEA's name of the list of all series."""

VALUES = "NipaDataM.txt"
"""BEA's name of the file of the values of all monthly series."""

SERIES_FILES = frozenset({REGISTER, VALUES})
"""The files that there are."""

_NEWLINE = "\r\n"
_TIME_OF_RELEASE = time(12, 30, tzinfo=UTC)
_TOTAL = 1
_IN_GENERAL = {1: "|T10105:2"}
"""What else has the current dollars of a line."""


def written_at(release: int) -> datetime:
    """When BEA wrote the files of a release; raises `LookupError` for one the sample does not have."""
    return datetime.combine(vintage(release).last_updated, _TIME_OF_RELEASE)


@lru_cache(maxsize=4)
def series_file(name: str, release: int, faults: frozenset[Fault] = frozenset()) -> bytes | None:
    """The file of that name of one release under the given faults of publication; None where BEA has none.

    The last few are kept. Raises `LookupError` for a release the sample does not have.
    """
    publication = publish_national(release, faults)
    if name == REGISTER:
        return _register(publication)
    return _values(publication) if name == VALUES else None


def _others() -> pl.DataFrame:
    """series_code, label, metric, kind, scale, places, per_ten_thousand (of spending; NULL of what has no months)."""
    return pl.read_csv(files(__package__).joinpath("other_series.csv").read_bytes())


def _register(publication: NationalPublication) -> bytes:
    rows = {
        series: (label, metric, kind, scale, places, "NONE")
        for series, label, metric, kind, scale, places, _ in _others().iter_rows()
    }
    for name, table in publication.tables.items():
        form = table.form
        for line, series, description, parent in table.lines.iter_rows():
            places = f"{name}:{line}|{table.also_in}:{line}"
            if form.metric == CURRENT_DOLLARS:
                places += _IN_GENERAL.get(line, "")
            rows[series] = (description, form.metric, "Level", -form.multiplier, places, parent or "NONE")
    lines = [
        f'{series},"{label}","{metric}","{kind}",{scale},{places},{parents}'
        for series, (label, metric, kind, scale, places, parents) in sorted(rows.items())
    ]
    header = "%SeriesCode,SeriesLabel,MetricName,CalculationType,DefaultScale,TableId:LineNo,SeriesCodeParents"
    return _NEWLINE.join([header, *lines, ""]).encode()


def _values(publication: NationalPublication) -> bytes:
    """A value of four digits or more has commas, and stands in quotes."""
    columns = ["series_code", "year", "month", "value_text"]
    parts = [table.cells.join(table.lines, on="line_code").select(columns) for table in publication.tables.values()]
    total = months(publication.vintage.number).filter(line_code=_TOTAL)
    parts += [
        total.select(
            "year", "month", series_code=pl.lit(series), value_text=as_published(pl.col("current") * part // 100_000, 0)
        ).select(columns)
        for series, part in _others().drop_nulls().select("series_code", "per_ten_thousand").iter_rows()
    ]
    value = pl.col("value_text")
    quoted = pl.when(value.str.contains(",", literal=True)).then(pl.concat_str(pl.lit('"'), value, pl.lit('"')))
    period = pl.concat_str("year", pl.lit("M"), pl.col("month").cast(pl.String).str.pad_start(2, "0"))
    row = pl.concat_str("series_code", pl.lit(","), period, pl.lit(","), quoted.otherwise(value))
    rows = pl.concat(parts).sort("series_code", "year", "month").select(row.str.join(_NEWLINE))
    return f"%SeriesCode,Period,Value{_NEWLINE}{rows.item()}{_NEWLINE}".encode()
