"""Alerts: what is worth waking a person for, the channels it goes through, and what makes each go out once."""
