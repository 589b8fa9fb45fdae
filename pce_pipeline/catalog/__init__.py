"""What is ingested: datasets with their BEA tables, lines, measures and categories, and the areas that all share.

The data files in this folder are the single place where scope and meaning are declared. Line codes are BEA's and change
between layouts; a `category_id` is ours and does not.
"""
