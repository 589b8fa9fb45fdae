"""Databases of before: the frozen steps up to one of them, and nothing of what came later."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import pce_pipeline.warehouse.migrations


def take_steps(url: str, revision: str, *statements: str) -> None:
    """Bring an empty database to `revision` and run statements in it; everything belongs to the URL's user."""
    config = Config()
    config.set_main_option("script_location", pce_pipeline.warehouse.migrations.__path__[0])
    engine = sa.create_engine(url.replace("://", "+psycopg2://"), poolclass=sa.NullPool)
    with engine.begin() as transaction:
        transaction.execute(sa.text("CREATE SCHEMA meta"))
        config.attributes["connection"] = transaction
        command.upgrade(config, revision)
        for statement in statements:
            transaction.execute(sa.text(statement))
