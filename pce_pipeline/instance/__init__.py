"""Where Dagster's own history lies: SQLite files on a laptop, Postgres and S3 in staging and prod.

The classes that the instance of `pce` and infra/dagster name. They fill Dagster's own storages with what the settings
say; nothing of the pipeline imports them, because Dagster's integrations take seconds to load.
"""
