"""The rule of open tables: each Iceberg table holds what its pointer names, and Glue knows it."""

from pce_pipeline.open_tables.projecting import Opened
from pce_pipeline.quality.rules import Finding, Rule, rule


@rule("comparison", remedy="The next run tries again, as does `pce iceberg`; `pce iceberg --rebuild` begins anew.")
def tables_are_open(opened: Opened) -> Finding:
    """Each Iceberg table holds exactly the files that the table's pointer names, and Glue knows where one is set."""
    told = [f"{len(opened.tables)} Iceberg tables in line"]
    told += [f"{', '.join(opened.failed)} not"] if opened.failed else []
    return Finding(
        passed=not opened.failed,
        summary="; ".join(told),
        figures={"tables": len(opened.tables), "violations": len(opened.failed)},
        examples=tuple(f"{name}: {why}" for name, why in opened.failed.items()),
    )


open_table_rules: tuple[Rule[Opened], ...] = (tables_are_open,)
