"""What the bench says: a table for a terminal, the same in Markdown for the README, everything in JSON for machines."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import psutil
from rich.table import Table

from pce_pipeline_tests.bench.measure import ENOUGH_SECONDS, MOST_RUNS, can_reset_peak
from pce_pipeline_tests.bench.run import Line, Outcome
from pce_pipeline_tests.bench.world import RELEASE

_HEADINGS = (
    "stage", "rows", "seconds", "rows/s", "peak MB", "plain: seconds", "rows/s", "peak MB", "times faster", "same result"
)
