"""SQL over the lake without a database: DuckDB, from the extra `[ask]`, over what the pointers name.

Tables are those of the lake, by their names; views are the very ones of Postgres, whose SQL is written once and runs on
both. What a statement names is read through our own reader, which verifies every byte; DuckDB itself reads no file,
writes none, and changes nothing.
"""
