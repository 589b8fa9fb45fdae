"""What must hold of each layer: rules as pure functions that return results. Knows nothing of Dagster or storage."""
