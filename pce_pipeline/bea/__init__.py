"""BEA's protocol: requests, answers, files, releases. Knows nothing of Dagster, the lake or Postgres."""
