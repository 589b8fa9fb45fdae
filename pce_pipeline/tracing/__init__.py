"""From a published number back to the byte of BEA's that it was read from, each step looked at again.

`formulas` says how each column of Gold follows from figures, `chain` follows one number down to Bronze and judges each
step, `citation` puts into words what was found. Nothing here makes a number: it only refutes or confirms.
"""
