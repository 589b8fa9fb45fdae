"""Other people's engines on our open tables: each asked the same, each beside our own answer."""
