"""What the locks are made from: `pyproject.toml` says what is needed, the `.in` files repeat it for uv and the updater.

`python -m pce_pipeline_tests.locks` writes them; `make lock` does that and lets uv resolve each to its `.txt`. The
standard library is enough, because a lock must be mendable where nothing is installed. uv's own lock has a hand-written
`requirements-uv.in`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

_SAID = "# Written by `make lock` from pyproject.toml, which is where a requirement is named."


def inputs(pyproject: Mapping[str, Any]) -> dict[str, str]:
    """The text of each `.in` file, by its name.

    `requirements.in` is what the pipeline runs with: the package, its extra `ask`, and what builds the package, as
    that is installed without isolation. `requirements-dev.in` adds the extra `dev`, at the versions of the other lock.
    """
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    run = [*project["dependencies"], *extras["ask"], *pyproject["build-system"]["requires"]]
    tools = [line for line in extras["dev"] if not line.startswith(project["name"])]
    return {
        "requirements.in": _text(run),
        "requirements-dev.in": _text(tools, "-r requirements.in", "-c requirements.txt"),
    }


def _text(requirements: Sequence[str], *first: str) -> str:
    return "\n".join([_SAID, *first, *sorted(requirements, key=str.lower), ""])


def main() -> None:
    """Write the files where they lie."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for name, text in inputs(pyproject).items():
        (ROOT / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
