"""CPU seconds of the programs that were started here, and of the database that they load into."""

import resource
from contextlib import closing, suppress

import psutil
import psycopg2


def client_cpu() -> float:
    """What all programs that have ended have used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def database_cpu(database: str | None) -> float:
    """What the server and everything that it has started have used so far; nothing where there is none."""
    if database is None:
        return 0.0
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone() or (0,)
        postmaster = psutil.Process(psutil.Process(backend).ppid())
        ended = postmaster.cpu_times()
        total = ended.user + ended.system + ended.children_user + ended.children_system
        for each in postmaster.children():
            with suppress(psutil.NoSuchProcess):
                alive = each.cpu_times()
                total += alive.user + alive.system
    return float(total)
