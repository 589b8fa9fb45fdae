"""How many examples a property test tries: its own number, or ten times that where the suite is run thoroughly."""

from hypothesis import settings

THOROUGH = "thorough"
"""The profile of `make test-all`."""

_TIMES = 10


def examples(number: int) -> int:
    """For `@settings(max_examples=examples(60))`: what a decorator says would override the profile."""
    return number * _TIMES if is_thorough() else number


def is_thorough() -> bool:
    """Whether other examples are wanted each time: what counts its examples needs the same ones otherwise."""
    return settings.get_current_profile_name() == THOROUGH
