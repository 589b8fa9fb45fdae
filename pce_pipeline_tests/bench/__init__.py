"""The bench: every stage of the pipeline for a full vintage, beside the plainest way to do the same work.

`python -m pce_pipeline_tests.bench` makes its own world (BEA's look-alike, a lake, a Postgres) in a temporary folder
and leaves nothing behind. Both ways get the same input, and their results must be equal cell by cell.
"""
