"""The runbook, run: its symptoms are made to happen, and what it says to do is done."""
