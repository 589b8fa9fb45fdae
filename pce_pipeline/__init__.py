"""US state-level consumption from the Bureau of Economic Analysis: Bronze, Silver, Gold, Postgres."""

__version__ = "0.1.0"
