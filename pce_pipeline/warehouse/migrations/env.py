"""What alembic runs around the steps: on the connection it is given, in that connection's transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table_schema="meta")
context.run_migrations()
