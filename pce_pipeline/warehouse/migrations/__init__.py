"""The frozen steps that make and change the warehouse's tables, applied in order and never edited afterwards.

Steps spell out their SQL: they describe what was, while `tables/` describes what is. A test compares both. Views are
files (`views/`) that are run after the steps: a step that changes a column which a view reads drops that view.
"""
