"""The one place where what is computed gets its decimals, so that the same figures give the same bytes everywhere."""

import polars as pl

_DECIMALS = 6


def rounded(value: pl.Expr) -> pl.Expr:
    """A float with six decimals; never -0.0, which is written otherwise than 0.0 and is equal to it.

    >>> pl.select(rounded(pl.lit(-1e-9))).item()
    0.0
    """
    of = value.round(_DECIMALS)
    return pl.when(of == 0).then(0.0).otherwise(of)
