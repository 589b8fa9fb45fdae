"""BEA's look-alike: the product's embedded `sample` source and the tests' BEA.

It answers like BEA's Data API, archive, files of national series and release calendar, with BEA's tables, lines, areas
and quirks and with invented numbers. Faults and releases are switched while it runs. It knows nothing of Dagster or the
lake.
"""
