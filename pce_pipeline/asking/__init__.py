"""Asking the lake: one query for shell, Python and tests, and what an answer says of itself."""
