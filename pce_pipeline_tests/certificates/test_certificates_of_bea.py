"""Certificates of BEA's own files: what each release said of one figure, provably."""

from datetime import date
from pathlib import Path

import pytest

from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.certificates.finding import prove_cell
from pce_pipeline.certificates.leaves import Cell
from pce_pipeline.certificates.making import make_missing
from pce_pipeline.certificates.proofs import verify_proof
from pce_pipeline.certificates.statement import OF_BEA
from pce_pipeline.gold.known import AsOf
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.registry import registry_of
from pce_pipeline_tests.bronze.importing import import_file
from pce_pipeline_tests.datasets import EVERYTHING

SUMMARY = EVERYTHING.datasets["summary_state"]
REGISTRY = registry_of({SUMMARY.name: SUMMARY})
MARCH, SEPTEMBER = "2025-03-28", "2025-09-26"
SPENDING_OF_ALABAMA = Cell("SASUMMARY", 7, "01000", 2023)


@pytest.mark.real
def test_each_release_of_bea_proves_what_it_said_of_alabama(real_data: Path, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), Layout("local", "bea"))
    for day in (MARCH, SEPTEMBER):
        import_file(bronze_of(lake, SUMMARY), SUMMARY, real_data / f"SASUMMARY_{day}.zip")
    made = make_missing(lake, REGISTRY, current(bronze_of(lake, SUMMARY), SUMMARY), None)
    assert list(made.made) == [MARCH, SEPTEMBER]
    found = {
        day: prove_cell(lake, REGISTRY, SUMMARY, SPENDING_OF_ALABAMA, AsOf(date.fromisoformat(day)))
        for day in (MARCH, SEPTEMBER)
    }
    values = {day: proof.leaf.split("\t")[5] for day, (_, proof) in found.items()}
    assert values == {MARCH: "227475.000", SEPTEMBER: "230469.100"}
    for day, (certificate, proof) in found.items():
        assert verify_proof(proof, certificate) == []
        assert (certificate.statement.vintage, certificate.statement.data) == (day, OF_BEA)
    assert verify_proof(found[MARCH][1], found[SEPTEMBER][0]) != []
    nation = {each.name: each for each in found[SEPTEMBER][0].statement.identities}["states_add_up_to_the_nation"]
    assert nation.result == "holds"
    assert nation.figures["known_exceptions"] == 70
    assert nation.figures["not_checked"] == 22
    assert "federal activity abroad" in nation.largest_residuals[0].explained_by
