"""A third dataset, disposable personal income, as a person would declare it in a folder of their own."""

from pathlib import Path

NAME = "disposable_state"

DATASET = """
name = "disposable_state"
title = "Disposable personal income by state"
source = "Regional"
archive = "SAINC.zip"
first_year = 1948
release_names = ["Personal Income by State"]

[[measures]]
name = "disposable_income"
title = "disposable personal income"
unit = "millions_usd"
decimals = 1
adds_up_over = ["categories", "areas"]
comparable_over = ["areas", "years"]
growth_is_meaningful = true

[[measures]]
name = "residents"
title = "residents at midyear"
unit = "persons"
decimals = 0
adds_up_over = ["categories", "areas"]
comparable_over = ["areas", "years"]
growth_is_meaningful = true

[[tables]]
name = "SAINC51"
title = "State annual disposable personal income"
levels = ["nation", "region", "state"]
probe = { line = 51, area = "00000" }

[profiles.full]
SAINC51 = []

[profiles.smoke]
SAINC51 = []
"""

CATEGORIES = """\
category_id,scheme,name,parent_id,depth,role,sign,nation_only
disposable.all,disposable,All sources,,0,total,1,false
"""

LINES = """\
bea_table,layout,line_code,category_id,measure,description,unit,unit_multiplier
SAINC51,2025,51,disposable.all,disposable_income,Disposable personal income (millions of dollars),Millions of dollars,6
SAINC51,2025,52,disposable.all,residents,Population (persons),Number of persons,0
"""


def declare(folder: Path, *, lines: str = LINES) -> Path:
    """Write its files into a folder of datasets, as PCE_CATALOG names one."""
    own = folder / NAME
    own.mkdir()
    (own / "dataset.toml").write_text(DATASET)
    (own / "categories.csv").write_text(CATEGORIES)
    (own / "lines.csv").write_text(lines)
    return folder
