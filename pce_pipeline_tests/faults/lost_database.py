"""A database that goes away in the middle of a load: the connection drops, or the server is killed and comes back.

A gate closes the connection at each point that a load passes. The load says so with an error that may be tried again,
the database is as before or as it was to become, never between, and the load done again ends as an undisturbed one.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from pce_pipeline.errors import PceError
from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import checkpoints
from pce_pipeline_tests.faults.gates import Watch, postgres_gate
from pce_pipeline_tests.faults.scorecard import Part, Trial, part_of
from pce_pipeline_tests.faults.stage import rows_of
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.warehouse.test_loads import annual, dimensions, manifest, run_load

_BEFORE = {(f"{state:02}000", year): str(state + year) for state in range(1, 9) for year in (2021, 2022)}
_AFTER = {(f"{state:02}000", year): str(state * year) for state in range(2, 10) for year in (2021, 2022)}
_YEARS = (2021, 2022)


def _load(url: str, cells: dict[tuple[str, int], str], name: str) -> None:
    manifests = [manifest(year, f"{name} {year}") for year in _YEARS]
    tables = [*dimensions(), annual({**cells})]
    run_load(PostgresResource(url), tables, _YEARS, manifests=manifests, run_id=name)


def _through(watch: Watch, url: str, act: Callable[[str], None]) -> str:
    """Load through a gate; how it ended."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    with postgres_gate(watch, parts.hostname, parts.port) as port:
        try:
            act(f"{parts.scheme}://{parts.username}:{parts.password}@127.0.0.1:{port}{parts.path}")
        except PceError as told:
            return type(told).__name__
    return "ended well"


def state_of(url: str) -> object:
    """What analysts read, and of which load the database says that it is."""
    with PostgresResource(url).connect() as connection:
        loaded = {key: each.content_sha256 for key, each in checkpoints(connection).items()}
    return rows_of(url), loaded


def _wrong(found: object, before: object, after: object, ended: str) -> str | None:
    if found not in (before, after):
        return "the database held neither the load before nor this one"
    if ended == "ended well" and found != after:
        return "it said that it was done, and it was not"
    return None


def dropped(server: PostgresServer, every: int = 1) -> Iterator[Trial]:
    """Drop the connection at every point (or every so-many-th) that the load passes."""
    watch = Watch()
    with server.database() as template:
        _load(template, _BEFORE, "before")
        before = state_of(template)
        name = template.rpartition("/")[2]
        with server.copy_of(name) as url:
            _through(watch, url, lambda address: _load(address, _AFTER, "after"))
            points, after = list(watch.order), state_of(url)
        assert before != after
        for point in points[::every]:
            with server.copy_of(name) as url:
                watch.expect(point, lambda: None)
                ended = _through(watch, url, lambda address: _load(address, _AFTER, "after"))
                wrong = _wrong(state_of(url), before, after, ended) if watch.hit else "the point was not reached"
                _load(url, _AFTER, "after")
                if state_of(url) != after:
                    wrong = "loaded again, it is not what an undisturbed load leaves"
                yield Trial("the connection drops", wrong and f"{point}: {wrong}", said=ended)


def restarted(folder: Path, few: bool = False) -> Iterator[Trial]:
    """Stop the server, and kill it as a machine that goes down does, in the middle of the transaction of a load."""
    watch = Watch()
    embedded = EmbeddedPostgres(folder / "postgres")

    def killed() -> None:
        server = psutil.Process(int((embedded.directory / "data" / "postmaster.pid").read_text().split()[0]))
        parts = server.children(recursive=True)
        server.kill()
        psutil.wait_procs([server, *parts], timeout=30)

    try:
        embedded.start()
        PostgresResource(embedded.url).migrate()
        _load(embedded.url, _BEFORE, "before")
        _through(watch, embedded.url, lambda address: _load(address, _AFTER, "after"))
        points, after = list(watch.order), state_of(embedded.url)
        _load(embedded.url, _BEFORE, "before")
        before = state_of(embedded.url)
        chosen = [each for each in points if each.startswith(("amid COPY", "before COMMIT", "after MERGE"))]
        ways = {"the server is stopped": embedded.stop, "the server is killed": killed}
        for name, how in list(ways.items())[int(few) :]:
            for point in chosen[:1] if few else chosen:
                watch.expect(point, how)
                ended = _through(watch, embedded.url, lambda address: _load(address, _AFTER, "after"))
                embedded.start()
                wrong = _wrong(state_of(embedded.url), before, after, ended) if watch.hit else "it was not reached"
                _load(embedded.url, _AFTER, "after")
                if state_of(embedded.url) != after:
                    wrong = "loaded again, it is not what an undisturbed load leaves"
                _load(embedded.url, _BEFORE, "before")
                yield Trial(name, wrong and f"{point}: {wrong}", said=ended)
    finally:
        embedded.remove()


def losses(folder: Path, server: PostgresServer, every: int = 1) -> Part:
    """All of it."""
    return part_of(
        "a database that goes away in the middle of a load",
        "The connection is dropped at every point of a load, and the server stopped and killed in its transaction: "
        "what the database holds is of one load, whole, and loading again ends as an undisturbed load does.",
        [*dropped(server, every), *restarted(folder, few=every > 1)],
    )
