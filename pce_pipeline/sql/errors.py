"""Why a statement gets no answer.

PceError
├── LakeLacks                what a view or table is made of is not in this lake
├── StatementFailed          DuckDB began the statement and could not finish it
└── UsageError
    ├── NotOneQuestion       the call holds no statement, or several
    ├── OnlyQuestions        the statement would change something
    ├── OutOfReach           the statement would read files, or settings of this machine
    ├── NoSuchRelation       no table or view of the lake has this name
    └── StatementWrong       DuckDB cannot read the statement, or a column or function of it does not exist
"""

from collections.abc import Sequence

from pce_pipeline.errors import PceError, UsageError


class LakeLacks(PceError):
    """What `relation` is made of is not in this lake: `tables`, each with the reason."""

    def __init__(self, relation: str, tables: Sequence[str], why: str, *, remedy: str) -> None:
        self.relation = relation
        self.tables = tuple(tables)
        own = tables and tuple(tables) != (relation,)
        what = f"{relation} is made of {', '.join(tables)}: {why}" if own else f"{relation}: {why}"
        super().__init__(f"{what}.", remedy=remedy)


class StatementFailed(PceError):
    """DuckDB began the statement and could not finish it, for `reason`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The statement failed: {reason}", remedy="Ask for less at once, or change the statement.")


class NotOneQuestion(UsageError):
    """The call holds `count` statements, and one is answered."""

    def __init__(self, count: int) -> None:
        self.count = count
        said = f"There are {count} statements, and one is answered at a time." if count else "There is no statement."
        super().__init__(said, remedy='Write one: pce sql "SELECT count(*) FROM dim_geography"')


class OnlyQuestions(UsageError):
    """A statement of `kind` would change something, or reach outside of the lake's tables."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(
            f"{kind} is not a question: the lake is only read here.",
            remedy="Write SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE or SHOW. "
            "What the lake holds is changed by `pce run` alone; `pce sql ... --to FILE` writes an answer.",
        )


class OutOfReach(UsageError):
    """The statement would reach outside of the lake's tables, for which DuckDB gives `reason`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The statement reaches outside of the lake's tables: {reason}",
            remedy='Name tables and views of the lake: pce sql "SHOW TABLES" lists them.',
        )


class NoSuchRelation(UsageError):
    """No table or view is called `relation`; `close` are the nearest names."""

    def __init__(self, relation: str, close: Sequence[str], *, remedy: str = "") -> None:
        self.relation = relation
        self.close = tuple(close)
        meant = f"Did you mean {', '.join(close)}? " if close else ""
        super().__init__(
            f"There is no table or view {relation!r}.",
            remedy=remedy or f'{meant}pce sql "SHOW TABLES" lists them, docs/data-dictionary.md says what each is.',
        )


class StatementWrong(UsageError):
    """DuckDB cannot read the statement, for `reason`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason, remedy='Columns are listed by: pce sql "DESCRIBE <table>"')
