"""What can go wrong between an extract and Bronze.

    PceError
    ├── NothingHeld              the lake holds no extract, so that nothing can be made
    ├── ExtractLost              the manifest of an extract is gone, of which something was made
    ├── CopyDiffers              lake and second copy hold different things under one key
    ├── CopyUnreachable          the place of a second copy does not do what is needed
    ├── NothingCopied            a place holds no second copy of this world's Bronze
    ├── UsageError
    │   ├── CopyPlaceRefused     a second copy cannot be there
    │   ├── DecisionRefused      a decision about an extract that cannot be taken
    │   └── NotKnownYet          a time before the first vintage
    └── BeaContentError
        └── FileUnusable         Silver could not be made of a file, so that nothing of it is stored

What BEA or a file does not give at all is a `BeaError`.
"""

from collections.abc import Mapping, Sequence

from pce_pipeline.bea.errors import BeaContentError
from pce_pipeline.errors import PceError, UsageError


class FileUnusable(BeaContentError):
    """The file can be read, but not used; `problem` says why.

    Its table means something else than the catalogue says, or it has columns that are not BEA's.
    """

    def __init__(self, table: str | None, problem: str, *, remedy: str = "") -> None:
        self.problem = problem
        super().__init__(
            f"Nothing of the file is stored, because {table or 'it'} could not be used: {problem}",
            remedy=remedy or "Compare it with BEA's own file; was it edited, or is it another table?",
            table=table,
        )


class NothingHeld(PceError):
    """The lake at `lake` holds no extract."""

    def __init__(self, lake: str) -> None:
        self.lake = lake
        super().__init__(
            f"The lake at {lake} holds no extract, so there is nothing to make tables of.",
            remedy="Take one and bring it to Postgres with `pce run`, or materialise an asset of the group bronze "
            "first. Is PCE_LAKE_URI the right place?",
        )


class DecisionRefused(UsageError):
    """The decision cannot be taken, as the message says."""


class NotKnownYet(UsageError):
    """Nothing was known on `day`; `first` has the first day of each dataset that has any."""

    def __init__(self, day: str, first: Mapping[str, str]) -> None:
        self.day = day
        self.first = dict(first)
        known = ", ".join(f"{dataset} of {earliest}" for dataset, earliest in first.items())
        super().__init__(
            f"Nothing that counts was known on {day}.",
            remedy=f"The first vintages are: {known}. `pce archive pull` brings earlier releases from BEA's archive."
            if known
            else "No extract counts yet: `pce status`.",
        )


class ExtractLost(PceError):
    """The manifests of `extracts` of a dataset are gone, although `table` was made of these extracts."""

    def __init__(self, dataset: str, extracts: Sequence[str], table: str, *, remedy: str) -> None:
        self.dataset = dataset
        self.extracts = tuple(extracts)
        self.table = table
        super().__init__(
            f"{table} was made of the extract {', '.join(extracts)} of {dataset}, whose manifest is gone from Bronze: "
            "to go on would withdraw its figures.",
            remedy=remedy,
        )


class CopyPlaceRefused(UsageError):
    """A second copy cannot be there, for `problem`; what was written as its address may hold a secret and stays out."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"The second copy of Bronze cannot be there: {problem}.",
            remedy="Name a directory, or s3://bucket[/prefix], that is neither the lake nor within it.",
        )


class CopyDiffers(PceError):
    """The lake and the copy at `place` hold different things under `keys`, so that one of them is not the other's."""

    NAMED = 5

    def __init__(self, place: str, keys: Sequence[str]) -> None:
        self.place = place
        self.keys = tuple(keys)
        more = f" and {len(keys) - self.NAMED} more" if len(keys) > self.NAMED else ""
        super().__init__(
            f"{place} and the lake do not hold the same at {', '.join(keys[: self.NAMED])}{more}.",
            remedy="Nothing was written. Is it the copy of this lake? `pce verify --copy` says what is wrong with "
            "each. Remove the wrong one of the two by hand, because nothing here does, and call this again.",
        )


class CopyUnreachable(PceError):
    """The copy at `place` cannot be used, because of `problem`."""

    def __init__(self, place: str, problem: str, *, remedy: str = "") -> None:
        self.place = place
        self.problem = problem
        super().__init__(
            f"The second copy at {place} cannot be used: {problem}.",
            remedy=remedy or "Check its address, AWS_ENDPOINT_URL and the credentials. What was copied is kept.",
        )


class NothingCopied(PceError):
    """The place holds no Bronze of the world; `worlds` are those of the environment that it has."""

    def __init__(self, place: str, world: str, worlds: Sequence[str]) -> None:
        self.place = place
        self.world = world
        self.worlds = tuple(worlds)
        super().__init__(
            f"{place} holds no Bronze of {world}.",
            remedy=f"It holds {', '.join(worlds)}: choose the world with --source and --profile."
            if worlds
            else "Is it the right place, and PCE_ENV the right environment?",
        )
