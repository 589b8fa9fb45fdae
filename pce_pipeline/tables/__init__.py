"""Declarations of the published tables, and how they derive from each other."""
