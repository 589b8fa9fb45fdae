"""Conformed facts on shared dimensions, and the tables derived from them."""
