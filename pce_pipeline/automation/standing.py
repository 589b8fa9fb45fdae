"""Does everything stand that a refresh of some years would make? Then no run is started for it.

Years stand if inputs, code versions and listings of the lake agree, and Postgres says of its rows that they are those
that were loaded. No file of a table is read, and no row leaves the database.
"""

from collections.abc import Collection, Iterator
from itertools import chain

from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

from pce_pipeline import signing
from pce_pipeline.automation.next_step import stale_bulletins, stale_dimensions, stale_explorer
from pce_pipeline.automation.state import Situation
from pce_pipeline.certificates.making import all_fit
from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.lake.resource import Lake
from pce_pipeline.settings import Settings
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.years import years_text
from pce_pipeline.warehouse.contents import contents_held, missing_relations
from pce_pipeline.warehouse.migrate import found_revision, newest_revision
from pce_pipeline.warehouse.parity import parity
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import checkpoints, without_manifest, world_held
from pce_pipeline.warehouse.views import differing_views


def what_does_not_stand(
    found: Situation, lake: Lake, postgres: PostgresResource | None, settings: Settings, years: Collection[int]
) -> str | None:
    """The first reason to refresh these years, of the datasets that the situation is about; None where all stands.

    `postgres` None leaves the database out. The cheapest questions come first.
    """
    registry = found.lake.registry
    chosen = registry.datasets if found.datasets is None else found.datasets
    return next(
        chain(
            _stale(found, chosen, years),
            _without_certificate(found, lake, chosen, settings),
            _touched(found, lake, years),
            () if postgres is None else _of_postgres(found, lake, registry, postgres, years),
        ),
        None,
    )


def _stale(found: Situation, chosen: Collection[str], years: Collection[int]) -> Iterator[str]:
    yield from (f"{year}: {reason}" for year, reason in found.stale.items() if year in years)
    beside = (
        stale_dimensions(found.lake, found.loaded),
        stale_bulletins(found.lake, chosen),
        stale_explorer(found.lake, chosen),
    )
    yield from (f"{what}: {reason}" for reasons in beside for what, reason in reasons.items())


def _without_certificate(found: Situation, lake: Lake, chosen: Collection[str], settings: Settings) -> Iterator[str]:
    secret = settings.signing_key
    key = None if secret is None else signing.private_key(secret.get_secret_value())
    for name in chosen:
        now = found.held[name]
        if now.manifests and not all_fit(lake, found.lake.registry, now, key):
            yield f"certificates of {name}: one is missing, is not signed, or says something else"


def _touched(found: Situation, lake: Lake, years: Collection[int]) -> Iterator[str]:
    """The tables of which a file is gone, or is not the one that was published, by their listings."""
    registry = found.lake.registry
    tables = (*(each.table for each in registry.derivations_of(found.datasets)), *registry.in_one_piece)
    for table in tables:
        held = found.lake.partitions.get(table.name, {})
        made_of = {
            key: (each.inputs, each.code_version)
            for key, each in held.items()
            if key == WHOLE or (key.isdecimal() and int(key) in years)
        }
        if made_of and (behind := made_of.keys() - lake.table(table).standing(made_of).keys()):
            where = years_text(sorted(int(key) for key in behind if key != WHOLE))
            yield f"files of {table.name} are not as they were published {where}".rstrip()


def _of_postgres(
    found: Situation, lake: Lake, registry: Registry, postgres: PostgresResource, years: Collection[int]
) -> Iterator[str]:
    """What the database says of itself: its shape, whose it is, and by its own hashes what it holds of these years."""
    with postgres.connect() as connection, connection.cursor() as cursor:
        connection.isolation_level = ISOLATION_LEVEL_REPEATABLE_READ  # what is hashed is what the checkpoints say
        if found_revision(connection) != newest_revision():
            yield "the database is at another migration"
        if missing_relations(connection):
            yield "a table or view of the database is gone"
        if world_held(connection) != (lake.layout.world, lake.layout.env):
            yield "meta.world does not say whose rows are loaded"
        if without_manifest(connection):
            yield "meta.manifests lacks what was loaded"
        known, partitions = checkpoints(connection), {WHOLE, *map(str, years)}
        contents = contents_held(connection, registry.in_postgres, sorted(years))
        for table in registry.in_postgres:
            each = parity(table, found.lake.partitions.get(table.name, {}), known, contents).within(partitions)
            if each.unknown or any(problem.kind != "strange" for problem in each.problems):
                yield next((str(problem) for problem in each.problems), f"no hash of {table.name} was kept")
        if differing_views(cursor):
            yield "a view of the database is not as this version makes it"
