"""The frozen steps that make and change the warehouse's tables, applied in order and never edited afterwards.

Steps spell out their SQL: they describe what was, while `schemas.py` describes what is. A test compares both.
"""
