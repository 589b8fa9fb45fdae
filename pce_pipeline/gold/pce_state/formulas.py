"""How the columns of its tables follow from spending and spending per resident."""

from pce_pipeline.gold.formulas import Formula, Term, Terms, growth, level, mean, percent, rank, times, value_of

LEVELS = {"pce_millions_usd": level("pce"), "pce_per_capita_usd": level("pce_per_capita")}
"""The formulas of the two figures."""


def of_metrics() -> dict[str, Formula]:
    """The formulas of the metrics."""
    pce, per_capita = Term("pce", "pce"), Term("pce_per_capita", "pce_per_capita")
    before, total = Term("pce_before", "pce", back=1), Term("total", "pce", of="its total")
    total_before = Term("total_before", "pce", of="its total", back=1)
    nation = Term("us_pce_per_capita", "pce_per_capita", of="the US")

    def contribution(terms: Terms, sign: int) -> float | None:
        now, earlier = value_of(terms, "pce"), value_of(terms, "pce_before")
        return (
            None if now is None or earlier is None else percent(sign * (now - earlier), value_of(terms, total_before))
        )

    return {
        "pce_yoy_pct": growth("pce"),
        "pce_per_capita_yoy_pct": growth("pce_per_capita"),
        "pce_mean_3y_millions_usd": mean("pce", 3),
        "pce_mean_5y_millions_usd": mean("pce", 5),
        "pce_share_of_total_pct": Formula(
            "100 x sign x pce / total",
            (pce, total),
            lambda terms, sign: percent(times(value_of(terms, "pce"), sign), value_of(terms, total)),
        ),
        "pce_contribution_to_growth_pp": Formula(
            "100 x sign x (pce - pce_before) / total_before", (pce, before, total_before), contribution
        ),
        "pce_rank_among_states": rank("pce"),
        "pce_per_capita_rank_among_states": rank("pce_per_capita"),
        "pce_per_capita_index_us100": Formula(
            "100 x pce_per_capita / us_pce_per_capita",
            (per_capita, nation),
            lambda terms, _: percent(value_of(terms, "pce_per_capita"), value_of(terms, nation)),
        ),
    }
