"""Where a dataset.toml says what: the line that a path of keys leads to.

TOML's readers tell no lines of what they have read, so the line is looked for in the text, by table and key.
"""

import re
from collections.abc import Sequence

_HEADER = re.compile(r"\s*\[\[?\s*([\w.-]+)\s*\]")
_PATH = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_UNKNOWN_KEY = re.compile(r"unknown field `(.+?)`")


def line_at(text: str, path: Sequence[str | int]) -> int:
    """The line of a dataset.toml that says what a path leads to, as far as it can be told; else the first."""
    section, nth, keys = _in_section(path)
    lines = text.splitlines()
    headers = [(at, found[1]) for at, line in enumerate(lines) if (found := _HEADER.match(line))]
    starts = [at for at, name in headers if name == section or name.startswith(f"{section}.")] if section else [-1]
    if nth >= len(starts):
        return 1
    start = starts[nth]
    end = next((at for at, _ in headers if at > start), len(lines))
    key = next((each for each in keys if isinstance(each, str)), None)
    said = (at for at in range(start + 1, end) if key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", lines[at]))
    return next(said, max(start, 0)) + 1


def line_of_refusal(text: str, problem: str) -> int:
    """The line of a dataset.toml that msgspec refuses in these words."""
    if at := re.search(r"at line (\d+)", problem):
        return int(at[1])
    if "at end of document" in problem:
        return max(len(text.splitlines()), 1)
    found = _PATH.search(problem)
    path: list[str | int] = [key or int(nth) for key, nth in _STEP.findall(found[1] if found else "")]
    unknown = _UNKNOWN_KEY.search(problem)
    return line_at(text, [*path, unknown[1]] if unknown else path)


def _in_section(path: Sequence[str | int]) -> tuple[str, int, Sequence[str | int]]:
    """The table of TOML that a path leads into, which of its repetitions, and the keys below it."""
    match path:
        case [str(section), int(nth), *keys]:
            return section, nth, keys
        case ["profiles", str(profile), *keys]:
            return f"profiles.{profile}", 0, keys
        case _:
            return "", 0, path
