"""Why an answer cannot be drawn.

UsageError
├── TooManyLines         more lines than a person tells apart
├── NothingToDraw        no figure is a number
├── NotAChart            the file's name is of no form of charts
└── ChartsNotInstalled   charts in files need a package that is not installed
"""

from pce_pipeline.errors import UsageError


class TooManyLines(UsageError):
    """More lines than a person tells apart."""

    def __init__(self, lines: int, most: int) -> None:
        self.lines = lines
        self.most = most
        super().__init__(
            f"A chart of {lines:,} lines cannot be read; {most} are the most.",
            remedy="Choose fewer with --state, --category, --measure or --dataset.",
        )


class NothingToDraw(UsageError):
    """No figure is a number."""

    def __init__(self) -> None:
        super().__init__("None of these figures is a number.", remedy="Leave --plot out to see why each is missing.")


class NotAChart(UsageError):
    """The file's name says no form of charts."""

    def __init__(self, name: str) -> None:
        self.file = name
        super().__init__(f"{name} is not the name of a chart.", remedy="End it in .png or .svg.")


class ChartsNotInstalled(UsageError):
    """Charts in files need Matplotlib."""

    def __init__(self) -> None:
        super().__init__(
            "A chart in a file needs matplotlib, which is not installed.",
            remedy="Install it: python -m pip install 'pce_pipeline[ask]' (`make run` does).",
        )
