"""What can go wrong between an extract and Bronze.

    FileUnusable     Silver could not be made of a file, so that nothing of it is stored
    DecisionRefused  a decision about an extract that cannot be taken

What BEA or a file does not give at all is a `BeaError`.
"""

from pce_pipeline.bea.errors import BeaContentError
from pce_pipeline.errors import UsageError


class FileUnusable(BeaContentError):
    """The file can be read, but its table means something else than the catalogue says; `problem` says what."""

    def __init__(self, table: str, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"Nothing of the file is stored, because {table} could not be used: {problem}",
            remedy="Compare it with BEA's own file; was it edited, or is it another table?",
            table=table,
        )


class DecisionRefused(UsageError):
    """The decision cannot be taken, as the message says."""
