"""Files that leave the lake: every one says what it holds, from where, as known when, and how to cite it.

`tables` makes an `Export` of a table of the lake, `writing` writes exports in any form, and one module each knows a
form. Nothing here decides which figures are asked for.
"""
