"""Answers drawn: as lines in the terminal, and as PNG and SVG. A missing figure is a gap in its line, never a zero."""
