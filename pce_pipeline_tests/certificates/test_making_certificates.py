"""Certificates of a lake: one for each vintage that counts, made once, kept for ever, found for any day."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pce_pipeline.bronze.cells import read_extracts
from pce_pipeline.bronze.current import Current, current
from pce_pipeline.bronze.deciding import plan_drop, plan_use
from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.certificates.errors import NoCertificate
from pce_pipeline.certificates.finding import newest_certificate, prove_cell
from pce_pipeline.certificates.identities import identities_of_facts
from pce_pipeline.certificates.leaves import Cell
from pce_pipeline.certificates.making import Made, make_missing
from pce_pipeline.certificates.outputs import outputs_stated
from pce_pipeline.certificates.proofs import verify_certificate, verify_proof
from pce_pipeline.certificates.statement import OF_BEA, OF_SAMPLE, Outputs, statement_bytes
from pce_pipeline.certificates.store import CertificateStore
from pce_pipeline.certificates.vintages import vintages_of
from pce_pipeline.errors import UsageError
from pce_pipeline.gold.known import AsOf
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.layout import ExtractId, Layout
from pce_pipeline.lake.pointer import NewPartition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.silver.observations import normalise
from pce_pipeline.tables.lineage import Derivation
from pce_pipeline.tables.registry import registry_of
from pce_pipeline_tests.bronze.importing import import_file
from pce_pipeline_tests.bronze.look_alike import archive_of, member_of
from pce_pipeline_tests.certificates.small import KEY, OTHER_KEY, PUBLIC
from pce_pipeline_tests.datasets import pce_state

SMOKE = pce_state("smoke")
REGISTRY = registry_of({SMOKE.name: SMOKE})
FIRST, SECOND, THIRD = "2024-10-03", "2025-09-26", "2026-09-30"
OF_RELEASE = {FIRST: 1, SECOND: 2, THIRD: 3}


@dataclass
class Place:
    """A lake, and what is done with its certificates."""

    lake: Lake
    folder: Path

    @property
    def now(self) -> Current:
        return current(bronze_of(self.lake, SMOKE), SMOKE)

    @property
    def store(self) -> CertificateStore:
        return CertificateStore(self.lake, SMOKE.name)

    @property
    def prefix(self) -> Path:
        return self.folder / self.lake.layout.certificates(SMOKE.name)

    def release(self, day: str) -> None:
        path = self.folder.parent / f"SAPCE1-{day}.csv"
        path.write_bytes(member_of(archive_of(OF_RELEASE[day]), "SAPCE1__ALL"))
        import_file(bronze_of(self.lake, SMOKE), SMOKE, path)

    def part_of(self, day: str, *, area: str) -> None:
        """Import the rows of one area from the file of a release."""
        lines = member_of(archive_of(OF_RELEASE[day]), "SAPCE1__ALL").decode().splitlines()
        path = self.folder.parent / f"part-{day}.csv"
        kept = [line for at, line in enumerate(lines) if at == 0 or area in line or line.count(",") < 8]
        path.write_text("\n".join(kept))
        import_file(bronze_of(self.lake, SMOKE), SMOKE, path)

    def make(self, key: Ed25519PrivateKey | None = None) -> Made:
        return make_missing(self.lake, REGISTRY, self.now, key)

    def files(self) -> dict[str, bytes]:
        """Every certificate, by its key below the dataset."""
        return {
            str(path.relative_to(self.prefix)): path.read_bytes()
            for path in sorted(self.prefix.rglob("*.json"))
            if not path.name.startswith("_")
        }

    def cells(self, vintage: str) -> pl.DataFrame:
        """What a fresh reading of the extract of that day says, without any log."""
        now, extract = self.now, ExtractId.parse(vintage)
        content = read_extracts(now.bronze, dict.fromkeys(SMOKE.tables, (extract,)), now.manifests, SMOKE)
        return normalise(content.cells, content.lines, SMOKE).frame.filter(pl.col("year") >= 1997)


def place_at(folder: Path, world: str = "sample-smoke", env: str = "local") -> Place:
    return Place(Lake(str(folder), Layout(env, world)), folder)


@pytest.fixture(scope="module")
def two_vintages(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A lake with two releases and their certificates, for tests that only look or copy."""
    place = place_at(tmp_path_factory.mktemp("certificates") / "lake")
    for day in (FIRST, SECOND):
        place.release(day)
    made = place.make()
    assert list(made.made) == [FIRST, SECOND]
    return place


@pytest.fixture
def own(two_vintages: Place, tmp_path: Path) -> Place:
    """A copy of it, to do with as one likes."""
    shutil.copytree(two_vintages.folder, tmp_path / "lake")
    return place_at(tmp_path / "lake")


def lines_of(cells: pl.DataFrame) -> list[bytes]:
    """The leaves as somebody writes them who has only read what a certificate says in words."""
    return sorted(
        "\t".join(
            (
                SMOKE.name,
                *(str(row[name]) for name in ("bea_table", "line_code", "geo_fips", "year")),
                "" if row["value"] is None else f"{row['value']:.3f}",
                *(row["status"], row["unit"]),
            )
        ).encode()
        for row in cells.iter_rows(named=True)
    )


def root_in_plain_python(leaves: list[bytes]) -> str:
    def root(first: int, last: int) -> bytes:
        if last - first == 1:
            return hashlib.sha256(b"\0" + leaves[first]).digest()
        half = 1 << (last - first - 1).bit_length() - 1
        return hashlib.sha256(b"\1" + root(first, first + half) + root(first + half, last)).digest()

    return root(0, len(leaves)).hex()


@pytest.mark.parametrize("vintage", [FIRST, SECOND])
def test_the_root_is_that_of_the_cells_of_the_vintage_read_afresh(two_vintages: Place, vintage: str) -> None:
    certificate = newest_certificate(two_vintages.lake, SMOKE, AsOf(date.fromisoformat(vintage)))
    leaves = lines_of(two_vintages.cells(vintage))
    assert certificate.statement.cells.leaves == len(leaves) > 4000
    assert certificate.statement.cells.root == root_in_plain_python(leaves)


def test_a_certificate_says_what_it_is_of_and_what_it_is_made_of(two_vintages: Place) -> None:
    statement = newest_certificate(two_vintages.lake, SMOKE).statement
    manifest = two_vintages.now.manifests[ExtractId.parse(SECOND)]
    assert (statement.dataset, statement.world, statement.vintage) == (SMOKE.name, "sample-smoke", SECOND)
    assert statement.data == OF_SAMPLE
    (table,) = statement.tables.values()
    assert (table.vintage, table.extracts, table.released_on) == (SECOND, (SECOND,), (SECOND,))
    (extract,) = statement.inputs
    (stored,) = extract.objects
    body = (two_vintages.folder / "local" / "bronze" / stored.key).read_bytes()
    assert hashlib.sha256(body).hexdigest() == stored.sha256 == manifest.objects[0].sha256
    assert str(two_vintages.folder) not in statement_bytes(statement).decode()


def test_identities_say_how_many_sums_were_compared_and_how_far_they_are_off(two_vintages: Place) -> None:
    found = {each.name: each for each in newest_certificate(two_vintages.lake, SMOKE).statement.identities}
    sums = found["children_add_up_to_parents"]
    assert sums.result == "holds"
    assert sums.figures["checked"] == 1680
    assert sums.figures["not_checked"] == 0
    # the smoke profile has three lines, so that most sums of the nation lack what is beside the states
    assert found["states_add_up_to_the_nation"].figures["not_checked"] == 56
    assert found["price_level_of_the_us_is_100"].result == "nothing to compare"


@pytest.mark.parametrize("vintage", [FIRST, SECOND])
def test_identities_of_years_at_a_time_are_those_of_all_at_once(two_vintages: Place, vintage: str) -> None:
    certificate = newest_certificate(two_vintages.lake, SMOKE, AsOf(date.fromisoformat(vintage)))
    (of,) = (each for each in vintages_of(two_vintages.now) if str(each.at) == vintage)
    assert certificate.statement.identities == identities_of_facts(two_vintages.cells(vintage), of, SMOKE)


def test_a_sum_that_nothing_explains_is_named_with_its_place(two_vintages: Place) -> None:
    vintage, cells = vintages_of(two_vintages.now)[-1], two_vintages.cells(SECOND)
    of_alabama = (pl.col("geo_fips") == "01000") & (pl.col("year") == 2010) & (pl.col("line_code") == 1)
    changed = pl.when(of_alabama).then(pl.col("value") + 100).otherwise("value").cast(cells.schema["value"])
    found = {each.name: each for each in identities_of_facts(cells.with_columns(value=changed), vintage, SMOKE)}
    sums = found["children_add_up_to_parents"]
    assert (sums.result, sums.figures["violations"]) == ("does not hold", 1)
    first = sums.largest_residuals[0]
    assert (first.geo_fips, first.year, first.deviation, first.explained_by) == ("01000", 2010, "-100.000", "nothing")
    assert "area 01000, 2010" in sums.examples[0]


def test_outputs_are_the_partitions_that_are_made_of_what_counts(own: Place) -> None:
    def outputs() -> Outputs:
        return outputs_stated(own.now, own.lake, REGISTRY)

    def publish(derivation: Derivation, year: int, inputs: Mapping[str, str], code_version: str = "") -> str:
        partition = NewPartition(
            str(year),
            {f"year={year}/part-000.parquet": pl.DataFrame({"year": [year]})},
            inputs=inputs,
            code_version=code_version or derivation.code_version,
        )
        own.lake.table(derivation.table).publish([partition], run_id="a-run", now=datetime.now(UTC))
        return own.lake.table(derivation.table).latest()[str(year)].content_sha256

    silver, facts, annual = REGISTRY.silver[SMOKE.name], REGISTRY.facts, REGISTRY.gold[SMOKE.name][0]
    every = tuple(sorted(own.now.covered_years))
    tables = [each.table.name for each in (silver, facts, *REGISTRY.gold[SMOKE.name])]
    assert outputs() == Outputs(published={name: {} for name in tables}, not_published=dict.fromkeys(tables, every))
    of_silver = publish(silver, 2024, own.now.inputs(2024))
    of_facts = publish(facts, 2024, {f"{silver.table.name}/2024": of_silver, "silver/another/2024": "another"})
    of_annual = publish(annual, 2024, {f"{facts.table.name}/2024": of_facts})
    found = outputs()
    assert found.published[silver.table.name] == {"2024": of_silver}
    assert found.published[facts.table.name] == {"2024": of_facts}
    assert found.published[annual.table.name] == {"2024": of_annual}
    assert found.not_published[annual.table.name] == tuple(year for year in every if year != 2024)
    publish(facts, 2024, {f"{silver.table.name}/2024": "0" * 64})
    assert outputs().published[facts.table.name] == outputs().published[annual.table.name] == {}
    publish(facts, 2024, {f"{silver.table.name}/2024": of_silver}, code_version="of before")
    assert outputs().published[facts.table.name] == {}
    own.release(THIRD)
    assert outputs().published[silver.table.name] == {}, "Silver is of the vintage before"


def test_what_is_published_of_the_current_vintage_is_certified_when_it_is(own: Place) -> None:
    before, silver = own.files(), REGISTRY.silver[SMOKE.name]
    partition = NewPartition(
        "2010",
        {"year=2010/part-000.parquet": pl.DataFrame({"year": [2010]})},
        inputs=own.now.inputs(2010),
        code_version=silver.code_version,
    )
    own.lake.table(silver.table).publish([partition], run_id="a-run", now=datetime.now(UTC))
    made = own.make()
    assert (list(made.made), made.fit) == ([SECOND], 1)
    assert before.items() < own.files().items(), "the certificate of before stays"
    outputs = newest_certificate(own.lake, SMOKE).statement.outputs
    assert outputs is not None
    assert list(outputs.published[silver.table.name]) == ["2010"]
    assert newest_certificate(own.lake, SMOKE, AsOf(date.fromisoformat(FIRST))).statement.outputs is None
    own.release(THIRD)
    assert own.make().fit == 2, "what was published of a vintage that is past stays said"


def test_what_is_there_and_fits_is_told_without_reading_figures(own: Place) -> None:
    before = own.files()
    for read in ("cells", "bronze"):
        for path in (own.folder / "local" / read).rglob("*"):
            if path.is_file() and path.name not in {"manifest.json", "record.json"}:
                path.unlink()
    assert own.make() == Made(fit=2)
    assert own.files() == before


def test_a_new_vintage_makes_one_certificate(own: Place) -> None:
    before = own.files()
    own.release(THIRD)
    with pytest.raises(NoCertificate, match="none was made yet") as missing:
        newest_certificate(own.lake, SMOKE)
    assert "pce refresh --years" in missing.value.remedy
    made = own.make()
    assert (list(made.made), made.fit) == ([THIRD], 2)
    assert before.items() < own.files().items()
    assert newest_certificate(own.lake, SMOKE).statement.vintage == THIRD


def test_a_day_is_answered_by_the_vintage_that_was_known_then(two_vintages: Place) -> None:
    def vintage_of(day: str, number: int | None = None) -> str:
        as_of = AsOf(date.fromisoformat(day), number)
        return newest_certificate(two_vintages.lake, SMOKE, as_of).statement.vintage

    assert [vintage_of(day) for day in (FIRST, "2025-09-25", SECOND, "2030-01-01")] == [FIRST, FIRST, SECOND, SECOND]
    assert vintage_of(SECOND, 1) == SECOND
    with pytest.raises(NoCertificate, match=f"the first vintage is of {FIRST}"):
        vintage_of("2024-10-02")
    for as_of in (AsOf(date(2025, 1, 1), clock="release"), AsOf(date(2025, 1, 1), include=("partial",))):
        with pytest.raises(UsageError, match="by the dates of their extracts"):
            newest_certificate(two_vintages.lake, SMOKE, as_of)


def test_an_empty_lake_has_no_certificate_and_says_so(tmp_path: Path) -> None:
    place = place_at(tmp_path / "lake")
    assert place.make() == Made()
    with pytest.raises(NoCertificate, match="there is no extract that counts"):
        newest_certificate(place.lake, SMOKE)


def test_equal_state_gives_equal_bytes_in_any_environment(own: Place, tmp_path: Path) -> None:
    before = own.files()
    shutil.rmtree(own.prefix)
    assert list(own.make().made) == [FIRST, SECOND]
    assert own.files() == before
    shutil.copytree(own.folder / "local" / "bronze", tmp_path / "elsewhere" / "staging" / "bronze")
    elsewhere = place_at(tmp_path / "elsewhere", env="staging")
    elsewhere.make()
    assert elsewhere.files() == before


def test_the_data_of_bea_is_not_called_a_sample(own: Place, tmp_path: Path) -> None:
    shutil.copytree(
        own.folder / "local" / "bronze" / "sample-smoke", tmp_path / "bea" / "local" / "bronze" / "bea-smoke"
    )
    place = place_at(tmp_path / "bea", world="bea-smoke")
    place.make()
    assert newest_certificate(place.lake, SMOKE).statement.data == OF_BEA


def test_a_decision_makes_a_further_certificate_and_the_earlier_one_stays(own: Place) -> None:
    before, now = own.files(), own.now
    dropped = plan_drop(now.bronze, SMOKE, now, ExtractId.parse(SECOND), why="a test", at=datetime.now(UTC))
    now.bronze.decisions.add(dropped.decision)
    assert list(own.store.newest()) == [FIRST, SECOND]
    made = own.make()
    assert before.items() <= own.files().items()
    assert list(own.store.newest()) == [FIRST], "what counts no more is named no more"
    assert newest_certificate(own.lake, SMOKE).statement.vintage == FIRST
    assert list(made.made) == [FIRST], "the first is the current one now, and says what is published of it"


def test_a_part_that_a_person_laid_over_is_named_with_the_reason(own: Place) -> None:
    own.part_of(THIRD, area="01000")
    now = own.now
    assert [str(each.at) for each in vintages_of(now)] == [FIRST, SECOND], "a part does not count by itself"
    planned = plan_use(now.bronze, SMOKE, now, ExtractId.parse(THIRD), "over", why="a test", at=datetime.now(UTC))
    now.bronze.decisions.add(planned.decision)
    assert list(own.make().made) == [THIRD]
    statement = newest_certificate(own.lake, SMOKE).statement
    (table,) = statement.tables.values()
    assert (table.extracts, table.released_on) == ((SECOND, THIRD), (SECOND, THIRD))
    assert table.decided == "over: a test"
    assert [each.extract for each in statement.inputs] == [SECOND, THIRD]
    certificate, proof = prove_cell(own.lake, REGISTRY, SMOKE, Cell("SAPCE1", 1, "01000", 2025))
    assert verify_proof(proof, certificate) == []


def test_what_counts_now_is_never_proven_by_a_certificate_of_something_else(own: Place) -> None:
    entry = own.store.newest()[SECOND]
    own.store.keep(own.store.read(SECOND, entry)[0], {**entry.made_of, "vintage": "0" * 64})
    with pytest.raises(NoCertificate, match="what counts has changed"):
        newest_certificate(own.lake, SMOKE)
    assert list(own.make().made) == [SECOND]
    assert newest_certificate(own.lake, SMOKE).statement.vintage == SECOND


def test_a_key_signs_what_is_there_without_reading_figures_and_signs_it_once(own: Place) -> None:
    before = own.files()
    for path in (own.folder / "local" / "cells").rglob("*.parquet"):
        path.unlink()
    signed = own.make(KEY)
    assert (signed.signed, signed.made) == ([FIRST, SECOND], {})
    assert before.items() < own.files().items()
    certificate = newest_certificate(own.lake, SMOKE)
    assert verify_certificate(certificate, PUBLIC) == []
    assert own.make(KEY) == own.make() == Made(fit=2), "nobody takes a signature off again"
    assert own.make(OTHER_KEY).signed == [FIRST, SECOND]


def test_what_cannot_be_signed_because_it_cannot_be_read_is_made_again(own: Place) -> None:
    changed, unreadable = (next((own.prefix / day).iterdir()) for day in (FIRST, SECOND))
    changed.write_bytes(changed.read_bytes().replace(b"sample-smoke", b"sample-sm0ke"))
    entry = own.store.newest()[SECOND]
    body = unreadable.read_bytes().replace(b'"world"', b'"place"')
    unreadable.write_bytes(body)
    record = own.prefix / "_newest.json"
    record.write_text(record.read_text().replace(entry.sha256, hashlib.sha256(body).hexdigest()))
    with pytest.raises(DamagedObject, match="a certificate of this version"):
        newest_certificate(own.lake, SMOKE)
    made = own.make(KEY)
    assert (list(made.made), made.signed) == ([FIRST, SECOND], [])
    assert verify_certificate(newest_certificate(own.lake, SMOKE), PUBLIC) == []


def test_a_run_that_was_killed_before_the_record_makes_the_same_file_again(own: Place) -> None:
    before = own.files()
    (own.prefix / "_newest.json").unlink()
    assert list(own.make().made) == [FIRST, SECOND]
    assert own.files() == before


def test_a_certificate_that_is_gone_is_made_again_and_one_that_was_changed_is_refused(own: Place) -> None:
    before, path = own.files(), next((own.prefix / SECOND).iterdir())
    path.write_bytes(path.read_bytes().replace(b"sample-smoke", b"sample-sm0ke"))
    with pytest.raises(DamagedObject) as damaged:
        newest_certificate(own.lake, SMOKE)
    assert "pce refresh" in damaged.value.remedy
    path.unlink()
    with pytest.raises(DamagedObject):
        newest_certificate(own.lake, SMOKE)
    assert list(own.make().made) == [SECOND]
    assert own.files() == before


def test_a_cell_is_proven_from_the_lake_and_checked_without_it(two_vintages: Place) -> None:
    row = two_vintages.cells(FIRST).filter(geo_fips="01000", year=2010).row(0, named=True)
    as_of = AsOf(date.fromisoformat(FIRST))
    certificate, proof = prove_cell(two_vintages.lake, REGISTRY, SMOKE, Cell.of(row), as_of)
    assert verify_proof(proof, certificate) == []
    assert proof.leaf.split("\t")[5] == f"{row['value']:.3f}"
    newest = newest_certificate(two_vintages.lake, SMOKE)
    assert verify_proof(proof, newest) != []
