"""What the report of a run says, as records: one head for the run, and one part for each layer that it touched.

    <env>/reports/<world>/<run>/bronze.json  silver.json  gold.json  postgres.json     a `LayerPart` each
                               /report.md  report.html                                 the same, to be read
                               /manifest.json                                          `ReportManifest`, written last

Everything follows from the run's record and from what lies in the lake beside it; a report can be made again at will.
"""

from datetime import datetime
from hashlib import sha256
from typing import Literal

import msgspec

from pce_pipeline.lake.records import Record

LayerName = Literal["bronze", "silver", "gold", "postgres"]
LAYERS: tuple[LayerName, ...] = ("bronze", "silver", "gold", "postgres")
"""The layers in the order in which figures pass them."""

UNFINISHED = "unfinished"
"""The status of a run, or of a step, that nobody heard the end of: its process was killed, or is still at work."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what reports are made of."""


class StepOf(_Part, frozen=True, kw_only=True):
    """One step of the run."""

    step: str
    """Its name: the asset's path, or `postgres`."""
    status: str
    """`succeeded`, `failed` or `unfinished`."""
    seconds: float
    """How long it took; 0 where its end is not known."""
    rows: int
    """The rows that it made, loaded or found unchanged."""
    did: str = ""
    """What it did, in words: years written, rows inserted."""
    partitions: str = ""
    """The years or the extract that it covered; empty for a table in one piece."""


class Failure(_Part, frozen=True, kw_only=True):
    """Something that went wrong."""

    step: str
    """The step."""
    what: str
    """The error, without secrets."""
    what_to_do: str
    """What to do next."""
    dataset: str | None = None
    """The dataset that failed, where the run went on with the others."""


class CheckOf(_Part, frozen=True, kw_only=True):
    """The word of one check."""

    asset: str
    """The asset that it looked at."""
    name: str
    """The property that it looks for."""
    outcome: str
    """`passed`, `warned` or `failed`."""
    summary: str
    """What it saw."""


class Balance(_Part, frozen=True, kw_only=True):
    """One step of the accounting: what came in, and what became of all of it."""

    of: str
    """The table, or the extract."""
    given_is: str
    """What came in, in words."""
    given: int
    """How much of it."""
    became: dict[str, int]
    """How much of it became what, in words; balanced where they add up to `given`."""
    of_which: dict[str, int] = {}
    """How much of that is to be told apart, in words: cells that could not be read are rows of Silver as well."""

    @property
    def difference(self) -> int:
        """How much is unaccounted for; 0 where the balance holds."""
        return self.given - sum(self.became.values())


class TableOf(_Part, frozen=True, kw_only=True):
    """One of BEA's tables in an extract."""

    bea_table: str
    """The table."""
    cells: int
    """The cells that the extract holds of it."""
    lines: int
    """The lines."""
    years: str
    """The years, in words."""
    last_updated: str | None = None
    """The release that it is of, as BEA says; None where it does not say."""
    quarantined: int = 0
    """The cells that could not be read."""
    counts: bool = True
    """Whether it counts among the vintages."""
    why: str = ""
    """Why it does not count."""


class ExtractOf(_Part, frozen=True, kw_only=True):
    """An extract that the run took or worked from."""

    dataset: str
    """The dataset."""
    extract: str
    """The extract's date, and which of its day it is."""
    origin: str
    """Where it came from: api, bulk, file, derived or sample."""
    tables: tuple[TableOf, ...]
    """What it holds."""


class Drift(_Part, frozen=True, kw_only=True):
    """One thing that is shaped otherwise than before."""

    of: str
    """What changed its shape: a BEA table, or a table of ours."""
    kind: str
    """What is other: table, line, title, unit, year, note or column; `new`, `gone` or `changed` stands behind it."""
    what: str
    """The line, year or column."""
    before: str = ""
    """What it said before."""
    after: str = ""
    """What it says now."""


class Compared(_Part, frozen=True, kw_only=True):
    """Two states whose shape was compared, and every difference."""

    of: str
    """What was compared: a dataset, or a layer of ours."""
    now: str
    """The newer one: an extract, or this run."""
    before: str | None
    """The one that it was compared with; None where there is none to compare with."""
    differences: tuple[Drift, ...] = ()
    """What is other; none where the shape is the same."""


class QuarantineOf(_Part, frozen=True, kw_only=True):
    """Cells that could not be read, by table and rule."""

    dataset: str
    """The dataset."""
    bea_table: str
    """The table."""
    rule: str
    """The rule that set them aside."""
    state: str
    """`current` where what is published lacks the figure, `read elsewhere` where Gold has it from another table."""
    cells: int
    """How many."""
    example: str
    """The reason of the first of them."""


class Residual(_Part, frozen=True, kw_only=True):
    """The largest deviation of an identity that has one explanation."""

    dataset: str
    """The dataset."""
    measure: str
    """The measure."""
    category_id: str
    """The category."""
    geo_fips: str
    """The area."""
    year: int
    """The year."""
    published: float
    """The figure that BEA publishes for the sum, in the unit of the measure."""
    added_up: float
    """The sum of its parts, in the same unit."""
    deviation: float
    """The sum less the published figure."""
    tolerance: float
    """How far rounding alone may put them apart."""
    explained_by: str
    """`rounding`, `nothing` (a violation), or the reason that the catalogue declares."""


class IdentityOf(_Part, frozen=True, kw_only=True):
    """One accounting identity."""

    asset: str
    """The table whose check it is."""
    identity: str
    """Its name."""
    checked: int
    """The sums that were compared."""
    violations: int
    """Those that are off by more than rounding, and that nothing explains."""
    known_exceptions: int
    """Those that BEA itself does not keep, as the catalogue declares."""
    not_checked: int
    """Those with a part or a sum that is missing."""
    largest: tuple[Residual, ...] = ()
    """The largest deviation of each dataset and explanation."""


class MissingOf(_Part, frozen=True, kw_only=True):
    """The figures of a dataset that are missing for one reason, in all published years."""

    dataset: str
    """The dataset."""
    status: str
    """Why they are missing."""
    cells: int
    """How many figures of the facts."""
    of_cells: int
    """Of how many figures of the dataset."""
    years: tuple[int, ...]
    """The years that lack any, ascending: the columns of `counts`."""
    areas: tuple[str, ...]
    """The areas that lack any, by postal code or else FIPS code: the rows of `counts`."""
    counts: tuple[tuple[int, ...], ...]
    """How many figures an area lacks in a year."""


class LayerPart(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What the report says of one layer."""

    layer: LayerName
    """The layer."""
    steps: tuple[StepOf, ...] = ()
    """The run's steps in it, in their order."""
    balances: tuple[Balance, ...] = ()
    """Its reconciliation with the layer before."""
    checks: tuple[CheckOf, ...] = ()
    """Every check of the run on it."""
    extracts: tuple[ExtractOf, ...] = ()
    """Of Bronze, the extracts that the run took or worked from."""
    compared: tuple[Compared, ...] = ()
    """Drift: what is shaped otherwise than before, and than which."""
    quarantine: tuple[QuarantineOf, ...] = ()
    """Of Bronze, the cells of these extracts that could not be read."""
    identities: tuple[IdentityOf, ...] = ()
    """Of Gold, the accounting identities."""
    missing: tuple[MissingOf, ...] = ()
    """Of Gold, the figures without a value, by reason, area and year."""
    columns: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
    """The columns of the layer's tables, with their types: what the next run is compared with."""
    counted_in: str = ""
    """A hash of what `missing` was counted in: where it is the same, so are the counts."""

    @property
    def seconds(self) -> float:
        """How long its steps took."""
        return round(sum(step.seconds for step in self.steps), 3)

    @property
    def rows(self) -> int:
        """The rows of its steps."""
        return sum(step.rows for step in self.steps)


class Head(_Part, frozen=True, kw_only=True):
    """What the report says of the run as a whole."""

    run_id: str
    """Dagster's id of the run, or that of a look that found nothing new."""
    env: str
    """The environment."""
    world: str
    """The world."""
    is_sample: bool
    """Whether its numbers are synthetic."""
    job: str
    """Dagster's job, or the command."""
    requested: dict[str, str]
    """What was asked: the years or the extract, options, and why it ran."""
    started_at: datetime
    """When (UTC) it began."""
    ended_at: datetime
    """When (UTC) it was last heard of."""
    status: str
    """`succeeded`, `failed` or `unfinished`."""
    outcome: str
    """What came of it, in a few words."""
    seconds: float
    """The time of its steps."""
    others: tuple[StepOf, ...] = ()
    """Its steps that are of no layer: a look that found nothing new."""
    datasets: tuple[str, ...] = ()
    """The datasets that it was about."""
    extracts: tuple[str, ...] = ()
    """The extracts that it used or took."""
    versions: dict[str, str] = {}
    """The versions of what ran it."""
    failures: tuple[Failure, ...] = ()
    """What went wrong, and what to do."""


class FileOf(_Part, frozen=True, kw_only=True):
    """One file of a report."""

    sha256: str
    """The hash of its bytes."""
    bytes: int
    """How many they are."""


class ReportManifest(Record, frozen=True, kw_only=True):
    """Written last: the report is there, of this run and record."""

    head: Head
    """What it says of the run."""
    of_record: str
    """The sha256 of the run's record that it was made of: another record makes it anew."""
    files: dict[str, FileOf]
    """Its files."""

    def text_of(self, body: bytes | None, name: str) -> str | None:
        """The text of one of its files; None where that is not there, or not as it was written."""
        recorded = self.files.get(name)
        is_as_written = body is not None and recorded is not None and sha256(body).hexdigest() == recorded.sha256
        return body.decode() if body is not None and is_as_written else None


class Report(_Part, frozen=True, kw_only=True):
    """The whole report."""

    head: Head
    """The run."""
    parts: tuple[LayerPart, ...]
    """Its layers, in their order."""

    def part(self, layer: LayerName) -> LayerPart | None:
        """What it says of a layer; None where the run did not touch it."""
        return next((part for part in self.parts if part.layer == layer), None)
