"""Tests that can fail: small changes to the pure modules, one at a time, each of which must make a test fail.

`make mutants` runs them. Cosmic Ray says where a change can be made and makes it; what runs here in its stead is the
loop around it, because a change takes a fraction of a second in a process that is forked with every library loaded,
and four seconds in one that starts anew. mutmut forks too, but leaves out what stands in decorated functions and at
the top of modules: all rules and all limits.
"""
