"""Where Dagster's own history lies, and all that is used of Dagster's private parts.

SQLite files on a laptop, Postgres and S3 in staging and prod.

The classes that the instance of `pce` and infra/dagster name. They fill Dagster's own storages with what the settings
say; the pipeline imports `private` alone, because Dagster's integrations take seconds to load.
"""
