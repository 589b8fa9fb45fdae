"""Certificates of releases: what was published of a dataset with a vintage, in a form that a stranger can check.

A certificate states the inputs with their hashes, the root of a Merkle tree over all cells, and which accounting
identities hold; a proof shows that one cell is among them. Making them reads the lake; checking them needs neither
lake nor network.
"""
