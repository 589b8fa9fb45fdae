"""Whether the data of a Postgres server is whole, so far as its folders and files tell.

Tools that clean up, copy or synchronise folders often leave out empty ones, or stop half way. What is looked for here
is all that `initdb` makes and no server removes.
"""

import re
from pathlib import Path

_SEGMENT = re.compile(r"[0-9A-F]{24}")
_NEVER_EMPTY = ("PG_VERSION", "global/pg_control", "postgresql.conf", "pg_hba.conf")
_FOLDERS = (
    "base",
    "global",
    "pg_commit_ts",
    "pg_dynshmem",
    "pg_logical",
    "pg_multixact",
    "pg_notify",
    "pg_replslot",
    "pg_serial",
    "pg_snapshots",
    "pg_stat",
    "pg_stat_tmp",
    "pg_subtrans",
    "pg_tblspc",
    "pg_twophase",
    "pg_wal",
    "pg_xact",
)
_DATABASES_OF_ITS_OWN = {"1", "4", "5"}
"""template1, template0 and postgres; what people have has a number of its own."""


def missing_in(data: Path, database: str) -> list[str]:
    """What the data of a server with this database needs and lacks, as paths within it; empty where it is whole.

    What is gone deeper in (a file of one table), only the server itself notices.
    """
    missing = [f"{name}/" for name in _FOLDERS if not (data / name).is_dir()]
    missing += [name for name in _NEVER_EMPTY if not _holds_something(data / name)]
    if "base/" not in missing:
        databases = {each.name for each in (data / "base").iterdir() if each.name.isdigit()}
        missing += [f"base/{number}/" for number in sorted(_DATABASES_OF_ITS_OWN - databases)]
        missing += [
            f"base/{number}/PG_VERSION"
            for number in sorted(databases, key=int)
            if not _holds_something(data / "base" / number / "PG_VERSION")
        ]
        if not databases - _DATABASES_OF_ITS_OWN:
            missing.append(f"the folder of the database {database} in base/")
    if "pg_wal/" not in missing and not any(_SEGMENT.fullmatch(each.name) for each in (data / "pg_wal").iterdir()):
        missing.append("every segment in pg_wal/")
    return missing


def _holds_something(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0
