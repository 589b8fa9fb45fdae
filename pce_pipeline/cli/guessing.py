"""What somebody probably meant who called a verb that there is not: another verb, a word to explain, or a figure."""

import difflib
import itertools
from collections.abc import Collection, Sequence

from pce_pipeline.catalog.dataset import FULL
from pce_pipeline.cli.commands import verbs
from pce_pipeline.cli.explaining import term_of
from pce_pipeline.errors import UsageError
from pce_pipeline.finding.searching import find
from pce_pipeline.tables.registry import load_registry


def no_such_verb(called: str, arguments: Sequence[str], known: Collection[str]) -> UsageError:
    """The error for a call of `called` with arguments of which the first should be one of the known verbs."""
    words = list(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
    said = " ".join(words)
    hints = [f"{called} {name}" for name in difflib.get_close_matches(words[0], known, n=2)]
    if called == "pce":
        hints += [f"pce {verb.name}" for verb in verbs() if words[0] in verb.name.split()[1:]]
        hints += [f"pce help {said}"] if term_of(said) else []
        hints += [f"pce find {said}"] if not find(said, load_registry(FULL, None), limit=1).is_empty() else []
    meant = f"Did you mean: {', or: '.join(hints)}? " if hints else ""
    return UsageError(f"There is no verb {words[0]!r}.", remedy=f"{meant}See: {called} --help")
