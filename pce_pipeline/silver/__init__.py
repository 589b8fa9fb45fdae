"""Typed, normalised observations: every cell BEA publishes, under our categories, with why a value is missing."""
