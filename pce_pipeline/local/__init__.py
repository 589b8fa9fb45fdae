"""The services of a laptop: a real Postgres in a folder, started when needed, stopped when asked.

Nothing here knows what the pipeline stores; staging and production name their own servers instead.
"""
