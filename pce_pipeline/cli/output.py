"""What every call of `pce` ends with: its exit code, and what is written to stdout."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from pce_pipeline.errors import SystemRefused
from pce_pipeline.refusals import reason_and_remedy

FAILED: Final = 1
WRONG_USAGE: Final = 2
INTERRUPTED: Final = 130

TERMINAL: Final = "terminal"
"""Where `--plot` draws if it names no file."""


@contextmanager
def writing_to_stdout() -> Iterator[None]:
    """Write to stdout inside; what the operating system refuses there becomes `SystemRefused`.

    Where nobody reads any more (`| head`), the program ends without a word, as programs do.
    """
    try:
        yield
    except OSError as refused:
        if refused.filename is not None:
            raise  # that is a file, and not stdout
        # What is still buffered would fail once more when the interpreter ends.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(refused, BrokenPipeError):
            raise SystemExit(FAILED) from None
        reason, _ = reason_and_remedy(refused.errno or 0) or (str(refused.strerror), "")
        raise SystemRefused(
            "Standard output", reason, remedy="What was asked for is done; send the answer to a place with room."
        ) from refused
