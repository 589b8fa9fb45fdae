"""What every asset promises: its rules, what its rows may be joined to, and how its columns may change.

The one declaration that gates, asset checks, the command line and docs/contracts.md are made from.
"""
