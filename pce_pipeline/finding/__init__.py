"""Searching what there is: categories, measures, columns and tables of Gold, and BEA's own tables, by people's words.

Pure functions of the registry: no lake, no database, no network. `entries` says what can be found and by which texts,
`searching` which of it the words mean, and `abbreviations.toml` what answers words that BEA does not use.
"""
