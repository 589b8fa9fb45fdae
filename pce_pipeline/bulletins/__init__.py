"""Bulletins: what each release changed, as a note to read: compared, put into words, and kept in the lake."""
