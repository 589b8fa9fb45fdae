"""Tables of prices in the ten lines of February 2025, made of the three tables that they were before and after."""

import csv
import io
import zipfile


def ten_lines(archive: bytes, updated: str) -> bytes:
    """SARPP as a CSV of ten lines: real figures (SARPI), price levels (SARPP) and deflator (SAIRPD) of an archive.

    Of the US there is no deflator: it has a row without figures, as BEA's has.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        members = {name.partition("_")[0]: name for name in packed.namelist() if "_STATE_" in name}
        tables = {table: packed.read(name).decode("latin-1").splitlines() for table, name in members.items()}
    header = tables["SARPP"][0]
    years = len(header.split(",")) - 8
    rows = {
        (row[0], int(row[4]) + after): row
        for table, after in (("SARPI", 0), ("SARPP", 4), ("SAIRPD", 9))
        for row in csv.reader((line for line in tables[table][1:] if line.startswith(" ")), skipinitialspace=True)
    }
    us = ["00000", "United States", "", "SARPP", "10", "...", "Implicit regional price deflator ", "Index"]
    rows.setdefault(("00000", 10), [*us, *["(NA)"] * years])
    lines = [
        f' "{area}","{row[1]}",{row[2]},SARPP,{line},"...","{row[6]}","{row[7]}",{",".join(row[8:])}'
        for (area, line), row in sorted(rows.items())
    ]
    footer = [
        '"Note: See the included footnote file."',
        '"SARPP: Real personal income, real PCE, regional price parities and deflators by state "',
        f'"Last updated: {updated}-- revised statistics for 2008-2021."',
        '"U.S. Bureau of Economic Analysis"',
    ]
    return "\r\n".join([header, *lines, *footer, ""]).encode()
