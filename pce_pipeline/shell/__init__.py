"""What Dagster sees of the stages: the one way in which a yearly table becomes an asset."""
