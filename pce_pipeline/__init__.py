"""US state-level consumption from the Bureau of Economic Analysis: Bronze, Silver, Gold, Postgres.

In Python it begins with `open_lake`, which is imported when it is first asked for: importing the package costs nothing.

    import pce_pipeline as pce

    lake = pce.open_lake()
    lake.query(states="CA,TX", measures="real_pce_per_capita").save("real.xlsx")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pce_pipeline.opened_lake import open_lake

__version__ = "0.1.0"
__all__ = ["__version__", "open_lake"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (type checkers see the import above)
    if name != "open_lake":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.opened_lake").open_lake
