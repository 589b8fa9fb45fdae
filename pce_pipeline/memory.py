"""How Polars' allocator is told to keep less, which works only before Polars is imported.

By default it keeps four arenas per core; measured on a full vintage and two cores, two arenas in all peak 0.2 GB lower,
in the same time.
"""

from collections.abc import MutableMapping

ALLOCATOR = {"_RJEM_MALLOC_CONF": "narenas:2"}


def keep_less(environment: MutableMapping[str, str]) -> None:
    """Set the allocator's variable where nobody has; call it before Polars is imported."""
    for name, value in ALLOCATOR.items():
        environment.setdefault(name, value)
