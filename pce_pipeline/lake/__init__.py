"""The lake: key grammar, object store, Bronze's records and the publication of tables. Knows nothing of BEA."""
