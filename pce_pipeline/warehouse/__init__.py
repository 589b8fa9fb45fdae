"""Postgres, the last stage: schemas `meta`, `gold` and `serving`, filled from the lake and never ahead of it."""
