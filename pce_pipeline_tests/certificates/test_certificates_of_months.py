"""Certificates of months: of Silver as it stands, made while a vintage is current, and kept when it is past."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pce_pipeline.bronze.cells import read_extracts
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.certificates.errors import NoCertificate, SilverBehind
from pce_pipeline.certificates.finding import newest_certificate, prove_cell
from pce_pipeline.certificates.leaves import Cell
from pce_pipeline.certificates.making import make_missing
from pce_pipeline.certificates.proofs import verify_proof
from pce_pipeline.gold.known import AsOf
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.pointer import NewPartition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.silver.observations import normalise
from pce_pipeline.tables.registry import registry_of
from pce_pipeline_tests.bronze.look_alike import WORLD, Lakeside, LookAlike, today

MONTHS = next(each for each in load_datasets("full").values() if each.is_monthly)
REGISTRY = registry_of({MONTHS.name: MONTHS})


def silver_of(beside: Lakeside, lake: Lake) -> None:
    """Bring what counts to Silver, as the asset does."""
    now, derivation = beside.current(), REGISTRY.silver[MONTHS.name]
    made_of = {table: source.vintage.extracts for table, source in now.known_sources.items()}
    content = read_extracts(now.bronze, made_of, now.manifests, MONTHS)
    rows = normalise(content.cells, content.lines, MONTHS).frame
    partitions = [
        NewPartition(
            str(year),
            {f"year={year}/state=US/part-000.parquet": rows.filter(year=year)},
            inputs=now.inputs(year),
            code_version=derivation.code_version,
        )
        for year in sorted(now.covered_years)
    ]
    lake.table(derivation.table).publish(partitions, run_id="a-run", now=datetime.now(UTC))


def test_months_are_certified_while_they_are_current(tmp_path: Path) -> None:
    beside = Lakeside(tmp_path, LookAlike(2, dataset=MONTHS))
    lake = Lake(str(tmp_path), Layout("local", WORLD))
    first = beside.taken(beside.bea.months())
    waiting = make_missing(lake, REGISTRY, beside.current(), None)
    assert "Silver is not wholly made of it" in waiting.waiting
    assert waiting.made == {}
    with pytest.raises(NoCertificate, match="none was made yet"):
        newest_certificate(lake, MONTHS)

    silver_of(beside, lake)
    assert list(make_missing(lake, REGISTRY, beside.current(), None).made) == [str(first)]
    again = make_missing(lake, REGISTRY, beside.current(), None)
    assert (again.fit, again.waiting) == (1, "")
    table = next(iter(MONTHS.tables))
    cell = Cell(table, MONTHS.line_codes(table)[0], "00000", 2024, 7)
    certificate, proof = prove_cell(lake, REGISTRY, MONTHS, cell)
    assert verify_proof(proof, certificate) == []
    assert proof.leaf.split("\t")[4:6] == ["2024", "7"]
    statement = certificate.statement
    assert "month (1 to 12)" in statement.cells.leaf
    assert [(each.name, each.result) for each in statement.identities] == [("monthly_products_add_up", "holds")]
    assert int(statement.identities[0].figures["checked"]) > 1000

    beside.bea.emulator.set_release(3)
    second = beside.taken(beside.bea.months())
    assert make_missing(lake, REGISTRY, beside.current(), None).waiting
    assert newest_certificate(lake, MONTHS, AsOf(today(), first.number)) == certificate, "of before Silver moved on"
    silver_of(beside, lake)
    assert list(make_missing(lake, REGISTRY, beside.current(), None).made) == [str(second)]
    assert newest_certificate(lake, MONTHS).statement.vintage == str(second)
    assert newest_certificate(lake, MONTHS, AsOf(today(), first.number)) == certificate, "it stays"
    with pytest.raises(SilverBehind):
        prove_cell(lake, REGISTRY, MONTHS, cell, AsOf(today(), first.number))
