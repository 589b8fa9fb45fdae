"""Proof by fault: what is claimed about safety, tried at the wire, with nothing of the pipeline replaced.

Each command is a process of its own between three gates of ours: before the S3 server, before Postgres, before BEA's
look-alike. A gate knows each thing that passes by a name, and kills the process when the chosen one is
there. The other kinds (cut sources, invented documents, races, flipped bits, an S3 in trouble, a lost database, hostile
archives, sentinels) call what reads and writes in this process, and have a module each.
`python -m pce_pipeline_tests.faults` runs all of it and writes docs/scorecard.md.
"""
