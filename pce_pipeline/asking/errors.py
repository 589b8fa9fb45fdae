"""What can be wrong with a question.

    PceError
    ├── ExtraMissing             a library is not installed that only some answers need
    └── UsageError
        └── NotPublished         a figure that BEA does not publish, with what to ask for instead

What has no meaning is `gold.meaning.Meaningless`; a time before the first vintage is `bronze.errors.NotKnownYet`.
"""

from collections.abc import Sequence

from pce_pipeline.errors import PceError, UsageError


class NotPublished(UsageError):
    """BEA publishes no `measure` of `categories`; the remedy is what to ask for instead."""

    def __init__(self, measure: str, categories: Sequence[str], message: str, *, remedy: str) -> None:
        self.measure = measure
        self.categories = tuple(categories)
        super().__init__(message, remedy=remedy)


class ExtraMissing(PceError):
    """The library `name` is not installed: it belongs to the extra `extra` of this package."""

    def __init__(self, name: str, extra: str) -> None:
        self.name = name
        self.extra = extra
        super().__init__(
            f"{name} is not installed, and this answer needs it.",
            remedy=f"Install it in the same environment: python -m pip install {name.lower()}, or the extra [{extra}] "
            "of this package, as `make run` does.",
        )
