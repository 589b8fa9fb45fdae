"""Loads take turns by a lock on meta.world, which readers cannot take, and no more by one that is open to everybody."""

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Change no table: roles get their rights after every migration, and loads of this version need a new one."""
