"""From a published number back to the byte of BEA's that it was read from, each step looked at again.

`asking` understands which number is meant, `tracer` follows it down to Bronze by its formula (`gold.formulas`),
`checking` looks at each step again, `citation` puts into words what was found. Nothing here makes a number.
"""
