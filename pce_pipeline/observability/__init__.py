"""What a run leaves behind besides data: structured logs, one record, progress for people."""
