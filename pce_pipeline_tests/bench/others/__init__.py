"""Other ways from BEA's API to Postgres, each a program of its own that knows nothing of ours.

They run in an environment made of `requirements.txt`, because their libraries are none of ours.
"""
