"""What can be wrong with reports.

PceError
└── UsageError
    └── ReportMissing    no run of that id is known
"""

from pce_pipeline.errors import UsageError


class ReportMissing(UsageError):
    """There is no report and no record of a run: `run_id` is what was asked for."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(
            f"There is no run {run_id} in this world.", remedy="`pce report --json` names the newest ones."
        )
