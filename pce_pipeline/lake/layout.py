"""The grammar of lake keys, in one place.

    <env>/bronze/<world>/<dataset>/<extract_date>/<table>/<line>.json.gz      as received
                                                 /manifest.json              written last: the extract exists
                                                 /scope.json                 what an older extract covers, added once
                                  /_verified.json  /_pin.json                last comparison; chosen extract
    <env>/bronze/<world>/webhook_events/id-<sha256 of the id>.json            events that announce releases, or
                                       /payload-<sha256>.json                of a sender that gives no ids
    <env>/bronze/<world>/archive/<release>/<file>                             of BEA's archive of releases, as received
                                          /<file>.record.json                 written last: address, hash, times
                                          /_pages-<date>.json                 the release's pages as they were that day
                                /_read/<sha256>/<name>.json                   what a dataset has of a file, written once
    <env>/bronze/<world>/<dataset>/_restored/<when>-<hash>.json              what was to be restored, by whom, and why
                                            /<when>-<hash>.done.json         and that it was
    <env>/downloads/<world>/<dataset>/<extract_date>/...                      in progress; deleted when done
    <env>/silver/<world>/<dataset>/year=YYYY/state=XX/part-000.parquet
    <env>/gold/<world>/<dataset>/year=YYYY/part-000.parquet                  facts: dataset `facts`
    <env>/gold/<world>/<dimension>/part-000.parquet
    <env>/gold/<world>/bulletins/<dataset>/<extract_date>/bulletin.json      what a release changed: all of it,
                                                         /bulletin.md       to be read,
                                                         /revisions.svg     and drawn
                                /feed.atom                                  the newest of them, for feed readers
                                /_index.json                                written last: of what each is made
    <env>/gold/<world>/certificates/<dataset>/<extract_date>/<first 16 hex of the statement's sha256>.json
                                             /_newest.json                   which is the newest of each extract date
    <env>/explorer/<world>/_versions/<sha256>.parquet, .json                 files of the set that a page is drawn from
                          /_latest.json                                      written last: which files are the set now
    <env>/iceberg/<world>/<layer>/<table>/metadata/v<N>.metadata.json        tables as Apache Iceberg sees them, whose
                                                  /version-hint.text         data files are our versions; written last:
                                                  /<id>.avro                 the metadata, and the hint to the newest
                         /_projected.json                                    what was projected last, written after it
    <env>/quarantine/<world>/<dataset>/<extract_date>/...parquet             cells that could not be typed
    <env>/cells/<world>/<dataset>/<extract_date>/cells.parquet               decoded, so that it is done once
                                                /record.json                 written last: of what, by which code
    <env>/decisions/<world>/<dataset>/<name>.json                            what people decided, kept for ever
    <env>/copied/<world>.json                                                only in a second copy of Bronze
    <env>/observability/runs/<world>/<run>/record.json                       what the run was asked and did
                                          /log.jsonl                         its log
                                          /audit.<step>.json                 what a step made of partitions, if anything
    <env>/reports/<world>/<run>/bronze.json, silver.json, ...                what a run did and how good it is
                               /report.md, report.html                      the same, to be read
                               /manifest.json                               written last
                         /runs.json                                         the newest runs, for a page that draws
                         /_open/<run>.json                                  runs whose report is not written yet
    <env>/observability/alerts/<world>/<kind>/<key>/<channel>.json           sent, and when
    <env>/observability/heartbeats/<world>.json                              when all was looked after last, by what
    <env>/dagster/...                                                        what Dagster's steps print
    <env>/athena/...                                                         answers of Athena to analysts

The world is the source segment: `bea`, `sample`, `sample-smoke`. Names that start with `_` are records and versions
of this package, never data to glob. Keys are relative to the lake's root. No I/O here.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Literal, Self

from pce_pipeline.lake.errors import UnsafeKey

_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,127}")
_KEY = re.compile(rf"{_SEGMENT.pattern}(/{_SEGMENT.pattern})*")
_TOO_MANY = 1_000_000
_EXTRACT_ID = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.([1-9][0-9]{0,5}))?")

Layer = Literal["bronze", "silver", "gold"]

DOWNLOADS_OF_BEFORE = "_staging"
"""The folder of a dataset in Bronze that downloads in progress had up to version 0.2."""

RESTORED = "_restored"
"""The folder of a dataset in Bronze that says which damaged objects were restored."""


def checked_key(key: str) -> str:
    """The key itself, if every segment is safe on a file system, in S3 and in a URL; else `UnsafeKey`."""
    if not is_key(key):
        raise UnsafeKey(key)
    return key


def is_key(text: str) -> bool:
    """Whether it has the grammar of a key: files that other programs leave in a directory often have not."""
    return _KEY.fullmatch(text) is not None


def join(*parts: str | int) -> str:
    """Parts as one key; empty parts vanish. Raises `UnsafeKey`."""
    return checked_key("/".join(str(part) for part in parts if part != ""))


@dataclass(frozen=True, order=True)
class ExtractId:
    """A day (UTC) on which an extract was what BEA published, and which extract of that day it is.

    `2026-02-23` is the first of its day, `2026-02-23.2` the second. Ordered by date and number, so that `.10` comes
    after `.9`; texts must never be sorted.
    """

    day: date
    """The day (UTC)."""
    number: int = 1
    """Which extract of that day it is, from 1."""
    MOST_OF_A_DAY: ClassVar[int] = 99
    """How many extracts of one day have a number among the vintages."""

    def __post_init__(self) -> None:
        if not 1 <= self.number < _TOO_MANY:
            raise ValueError(f"{self.number} is no number of an extract within its day")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `ValueError` for anything that `str` of an ExtractId does not give."""
        match = _EXTRACT_ID.fullmatch(text)
        number = int(match[2] or 1) if match else 0
        if match is None or (match[2] is not None and number == 1):
            raise ValueError(f"{text!r} is no extract date such as 2026-02-23 or 2026-02-23.2")
        return cls(date.fromisoformat(match[1]), number)

    def __str__(self) -> str:
        return self.day.isoformat() if self.number == 1 else f"{self.day.isoformat()}.{self.number}"

    @property
    def next_of_day(self) -> "ExtractId":
        return ExtractId(self.day, self.number + 1)

    @property
    def vintage_id(self) -> int:
        """The same as one number, yyyymmddnn, which sorts as extracts do; raises `ValueError` beyond 99 a day."""
        if self.number > self.MOST_OF_A_DAY:
            raise ValueError(f"{self} is beyond the {self.MOST_OF_A_DAY} extracts of a day that have a number")
        return int(f"{self.day:%Y%m%d}") * (self.MOST_OF_A_DAY + 1) + self.number


@dataclass(frozen=True)
class Layout:
    """Where everything of one environment and world lies. Raises `UnsafeKey` for names that cannot be segments."""

    env: str
    """The environment."""
    world: str
    """The world."""

    def __post_init__(self) -> None:
        for name in (self.env, self.world):
            if "/" in checked_key(name):
                raise UnsafeKey(name)

    def dataset(self, layer: Layer, dataset: str) -> str:
        """The prefix of one dataset: `staging/gold/bea/pce_state_annual`."""
        return join(self.env, layer, self.world, dataset)

    @property
    def bronze(self) -> str:
        """The prefix of everything that was received, of all datasets."""
        return join(self.env, "bronze", self.world)

    def extract(self, dataset: str, extract: ExtractId) -> str:
        return join(self.dataset("bronze", dataset), str(extract))

    def downloads(self, dataset: str) -> str:
        """The prefix of the downloads in progress of one dataset.

        It lies outside Bronze, where nothing is ever deleted: one rule for all datasets says what may be.
        """
        return join(self.env, "downloads", self.world, dataset)

    def downloads_of_before(self, dataset: str) -> str:
        """Where downloads in progress lay up to version 0.2: what is left there is still used and cleared."""
        return join(self.dataset("bronze", dataset), DOWNLOADS_OF_BEFORE)

    def restored(self, dataset: str) -> str:
        """The prefix of the records of objects of a dataset that were damaged and restored, which are written once.

        They lie in Bronze, so that what guards and copies Bronze guards and copies them, too.
        """
        return join(self.dataset("bronze", dataset), RESTORED)

    def decisions(self, dataset: str) -> str:
        """The prefix of what people decided about the extracts of one dataset.

        It lies outside Bronze: decisions speak of extracts and belong to none.
        """
        return join(self.all_decisions, dataset)

    @property
    def all_decisions(self) -> str:
        """The prefix of what people decided, of all datasets."""
        return join(self.env, "decisions", self.world)

    @property
    def copied(self) -> str:
        """Only in a second copy of Bronze: what was found equal to the lake's, so that it is not read each time."""
        return join(self.env, "copied", self.world + ".json")

    def quarantine(self, dataset: str) -> str:
        """The prefix of the cells of one dataset that could not be typed; they can be made again from Bronze."""
        return join(self.env, "quarantine", self.world, dataset)

    def cells(self, dataset: str) -> str:
        """The prefix of the decoded cells of the extracts of one dataset; they can be made again from Bronze."""
        return join(self.env, "cells", self.world, dataset)

    @property
    def iceberg_tables(self) -> str:
        """The prefix of the tables as Apache Iceberg sees them, made again at will."""
        return join(self.env, "iceberg", self.world)

    def iceberg(self, layer: Layer, table: str) -> str:
        """The prefix of the Iceberg table that one of ours is projected to."""
        return join(self.iceberg_tables, layer, table)

    def certificates(self, dataset: str) -> str:
        """The prefix of the certificates of the releases of one dataset, which are written once."""
        return join(self.dataset("gold", "certificates"), dataset)

    @property
    def bulletins(self) -> str:
        """The prefix of the bulletins of all datasets: what each release changed, made again at will."""
        return join(self.env, "gold", self.world, "bulletins")

    @property
    def explorer(self) -> str:
        """The prefix of the set of files that a page of the data is drawn from, made again at will."""
        return join(self.env, "explorer", self.world)

    @property
    def webhook_events(self) -> str:
        """The prefix of the events that announce releases, of all datasets."""
        return self.dataset("bronze", "webhook_events")

    @property
    def archived_releases(self) -> str:
        """The prefix of what was pulled from BEA's archive of releases, of all datasets."""
        return self.dataset("bronze", "archive")

    @property
    def runs(self) -> str:
        """The prefix of run records, of all worlds: observability is per environment."""
        return join(self.env, "observability", "runs")

    @property
    def alerts(self) -> str:
        """The prefix of the records of alerts that were sent about this world."""
        return join(self.env, "observability", "alerts", self.world)

    @property
    def heartbeat(self) -> str:
        """The record of the last time that all of this world was looked after, with success."""
        return join(self.env, "observability", "heartbeats", f"{self.world}.json")

    @property
    def reports(self) -> str:
        """The prefix of the reports of this world's runs, made of their records and made again at will."""
        return join(self.env, "reports", self.world)


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """What lies directly below an environment, and what whoever guards a lake has to allow and to refuse there.

    The roles, the bucket's policy and the bucket's lifecycle that are provisioned on AWS are compared with these.
    """

    name: str
    """The segment behind the environment."""
    is_rewritten: bool
    """Whether its objects are written again; all others are written once, and are never overwritten or deleted."""
    is_deleted: bool
    """Whether the pipeline deletes objects of it."""
    kept_days: int | None = None
    """After how many days what lies there may go by itself; None for what stays until the pipeline deletes it."""
    is_the_pipelines: bool = True
    """Whether the pipeline writes it; else a service does that analysts use."""


PREFIXES = (
    Prefix(name="bronze", is_rewritten=False, is_deleted=False),
    Prefix(name="downloads", is_rewritten=True, is_deleted=True, kept_days=14),
    Prefix(name="decisions", is_rewritten=False, is_deleted=False),
    Prefix(name="silver", is_rewritten=True, is_deleted=True),
    Prefix(name="gold", is_rewritten=True, is_deleted=True),
    Prefix(name="iceberg", is_rewritten=True, is_deleted=True),
    Prefix(name="quarantine", is_rewritten=True, is_deleted=True),
    Prefix(name="cells", is_rewritten=True, is_deleted=True),
    Prefix(name="reports", is_rewritten=True, is_deleted=True, kept_days=730),
    Prefix(name="explorer", is_rewritten=True, is_deleted=True),
    Prefix(name="observability", is_rewritten=True, is_deleted=False, kept_days=730),
    Prefix(name="dagster", is_rewritten=True, is_deleted=False, kept_days=90),
    Prefix(name="athena", is_rewritten=True, is_deleted=False, kept_days=14, is_the_pipelines=False),
)
"""Everything that lies below an environment."""

REWRITTEN_IN_BRONZE = (f"{DOWNLOADS_OF_BEFORE}/*", "_verified.json", "_pin.json")
"""All that is written again and deleted below Bronze, below each dataset: what is left of downloads of before, the last
comparison with BEA, and the pin. `*` is any text."""
