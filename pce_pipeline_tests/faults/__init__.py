"""Proof by fault: what is claimed about safety, tried at the wire, with nothing of the pipeline replaced.

`pce run` is a process of its own between three gates of ours: one before the S3 server, one before Postgres, one
before BEA's look-alike. A gate knows each thing that passes by a name, and kills the process when the chosen one is
there. `python -m pce_pipeline_tests.faults` runs all of it and writes docs/scorecard.md.
"""
