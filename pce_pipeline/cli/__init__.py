"""`pce`: the pipeline's verbs for people and for CI, with a summary for the first and one JSON document for the other.

A verb decides nothing: it asks the rooms of the package and shows their answers. `app` is the map of the verbs.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from pce_pipeline.cli import completing
from pce_pipeline.memory import keep_less

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point. Exits with 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    given = sys.argv[1:] if arguments is None else [*arguments]
    if given and given[0] in completing.CALLS:
        sys.exit(completing.main(given))
    keep_less(os.environ)
    try:
        from pce_pipeline.cli.app import call  # noqa: PLC0415 (takes half a second, in which Ctrl-C may come)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    sys.exit(call(given))
