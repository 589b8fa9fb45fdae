"""Our tables as Apache Iceberg tables: a projection of the pointers, which stay the truth."""
