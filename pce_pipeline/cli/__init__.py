"""`pce`: the pipeline's verbs for people and for CI, with a summary for the first and one JSON document for the other.

A verb decides nothing: it asks the rooms of the package and shows their answers. `app` is the map of the verbs.
"""

from pce_pipeline.cli.app import main

__all__ = ["main"]
