"""The folder in which one bench happens, and what both ways start from. Standard library only, as the plain way is.

Each way leaves the result of a stage for its own later stages: ours a frame, the plain one its list of dicts.
"""

import gc
import json
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Scratch:
    """One bench's folder and the profile of the catalogue it runs under."""

    folder: Path
    profile: str

    @property
    def home(self) -> Path:
        """The pipeline's own home; its lake holds Bronze."""
        return self.folder / "home"

    @contextmanager
    def place(self) -> Iterator[Path]:
        """A new folder to publish to. It stays until the bench is over: file systems are slow after large deletions."""
        yield Path(tempfile.mkdtemp(dir=self.folder))

    def frame(self, name: str) -> Path:
        """Where our way leaves a frame."""
        return self.folder / f"{name}.arrow"

    def leave_rows(self, name: str, rows: object) -> None:
        path = self.folder / f"{name}.pickle"
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            pickle.dump(rows, file, protocol=pickle.HIGHEST_PROTOCOL)

    def rows(self, name: str) -> Any:
        gc.disable()  # millions of new dicts would be searched for garbage again and again
        try:
            with (self.folder / f"{name}.pickle").open("rb") as file:
                return pickle.load(file)
        finally:
            gc.enable()

    def leave_reference(self, reference: dict[str, Any]) -> None:
        (self.folder / "reference.json").write_text(json.dumps(reference), "utf-8")

    def reference(self) -> dict[str, Any]:
        """What the plain way knows beside BEA's answers: the catalogue, the codes, and where the extract lies."""
        reference: dict[str, Any] = json.loads((self.folder / "reference.json").read_bytes())
        return reference
