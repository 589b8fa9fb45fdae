"""`pce certificate` on a world that has run: shown, written, verified from files alone, refuted when changed."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pce_pipeline
from pce_pipeline.certificates.finding import prove_cell
from pce_pipeline.certificates.leaves import Cell
from pce_pipeline.certificates.statement import written
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.registry import load_registry
from pce_pipeline_tests.certificates.small import KEY, OTHER_PUBLIC, PUBLIC, pem_of, pem_of_public
from pce_pipeline_tests.cli.conftest import Called, Pce, call

ALABAMA = Cell("SAPCE1", 1, "01000", 2023)


def stored(home: Path) -> list[Path]:
    """The certificates in the lake of the world."""
    return sorted(path for path in home.rglob("sample-smoke/certificates/*/*/*.json") if not path.name.startswith("_"))


@pytest.fixture(scope="module")
def shown(pce: Pce, first_run: Called, tmp_path_factory: pytest.TempPathFactory) -> tuple[Called, Path]:
    """The certificate of the world as `show` writes it, and what it said."""
    folder = tmp_path_factory.mktemp("shown")
    called = pce("certificate", "show", "--to", str(folder), "--json")
    assert called.code == 0, called.err
    (path,) = folder.iterdir()
    return called, path


@pytest.fixture(scope="module")
def proof(home: Path, shown: tuple[Called, Path]) -> Path:
    """A proof of one cell, beside the certificate."""
    registry = load_registry("smoke", None)
    lake = Lake(str(home / "sample-smoke" / "lake"), Layout("local", "sample-smoke"))
    (dataset,) = registry.datasets.values()
    path = shown[1].with_name("proof")
    path.write_bytes(written(prove_cell(lake, registry, dataset, ALABAMA)[1]))
    return path


def test_a_run_leaves_a_certificate_that_says_what_was_published(
    home: Path, pce: Pce, first_run: Called, shown: tuple[Called, Path]
) -> None:
    called, path = shown
    (document,) = called.document["certificates"]
    (in_lake,) = stored(home)
    body = in_lake.read_bytes()
    assert path.read_bytes() == body
    assert document["sha256"] == hashlib.sha256(body).hexdigest()
    assert in_lake.name == path.name.rpartition("-")[2] == f"{document['statement_sha256'][:16]}.json"
    assert (document["leaves"], document["signed_by"], document["problems"]) == (5040, None, [])
    outputs = json.loads(body)["statement"]["outputs"]
    assert outputs["not_published"] == {}
    tables = ("silver/pce_state", "gold", "gold/pce_state_annual", "gold/pce_state_metrics")
    assert {table: len(years) for table, years in outputs["published"].items()} == dict.fromkeys(tables, 28)
    said = pce("certificate", "show").out
    assert "SAMPLE" in said
    assert "5,040" in said
    assert f"{document['root']}  pce_state" in said
    assert "unsigned" in said


def test_a_file_is_verified_without_the_world(shown: tuple[Called, Path], empty: Pce) -> None:
    called = empty("certificate", "verify", str(shown[1]))
    assert called.code == 0, called.err
    assert "Fits its certificate: the certificate is whole." in called.out
    assert "SAMPLE: synthetic numbers" in called.out
    assert "unsigned: whoever wrote the file could have written another" in " ".join(called.out.split())


def test_a_proof_says_what_was_published(shown: tuple[Called, Path], proof: Path, empty: Pce) -> None:
    called = empty("certificate", "verify", str(shown[1]), "--proof", str(proof))
    assert called.code == 0, called.err
    assert "SAPCE1, 1, 01000, 2023 was published as" in called.out
    as_json = empty("certificate", "verify", str(shown[1]), "--proof", str(proof), "--json").document
    assert as_json["problems"] == []
    assert as_json["proof"]["leaf"].split("\t")[1:5] == ["SAPCE1", "1", "01000", "2023"]


def test_a_changed_figure_is_refuted(shown: tuple[Called, Path], proof: Path, empty: Pce, tmp_path: Path) -> None:
    plain = json.loads(proof.read_text())
    plain["leaf"] = plain["leaf"].replace("\treported\t", "\testimated\t")
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False) + "\n")
    called = empty("certificate", "verify", str(shown[1]), "--proof", str(forged))
    assert called.code == 1
    assert "Refuted" in called.out
    assert "leaf and path give the root" in called.out


@pytest.mark.parametrize("trusted", ["option", "variable"])
def test_an_unsigned_certificate_is_refuted_where_a_key_is_trusted(
    shown: tuple[Called, Path], empty: Pce, tmp_path: Path, trusted: str
) -> None:
    key = tmp_path / "public.pem"
    key.write_text(pem_of_public(PUBLIC))
    option = ["--public-key", str(key)] if trusted == "option" else []
    variable = {"PCE_SIGNING_PUBLIC_KEY": PUBLIC} if trusted == "variable" else {}
    called = empty("certificate", "verify", str(shown[1]), *option, **variable)
    assert called.code == 1
    assert "it is unsigned, and should be signed by the key" in called.out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["certificate", "verify", "absent.json"], "absent.json cannot be read"),
        (["certificate", "verify", "{certificate}", "--public-key", "{proof}"], "holds no public key"),
        (["certificate", "show", "yesterday"], "'yesterday' is not a date"),
        (["certificate", "show", "--to", "{certificate}/x"], "cannot be written"),
    ],
)
def test_wrong_usage_is_told(pce: Pce, shown: tuple[Called, Path], proof: Path, arguments: list[str], why: str) -> None:
    called = pce(*(each.format(certificate=shown[1], proof=proof) for each in arguments))
    assert called.code == 2
    assert why in " ".join(called.err.split())


def test_what_is_no_certificate_is_not_to_be_trusted(
    pce: Pce, shown: tuple[Called, Path], proof: Path, tmp_path: Path
) -> None:
    written_anew = tmp_path / "anew.json"
    written_anew.write_text(json.dumps(json.loads(shown[1].read_text())))
    for arguments in ([proof], [written_anew], [shown[1], "--proof", shown[1]]):
        called = pce("certificate", "verify", *map(str, arguments))
        assert called.code == 1
        assert "Do not trust it" in called.err


def test_a_day_before_the_first_vintage_has_no_certificate(pce: Pce, first_run: Called) -> None:
    called = pce("certificate", "show", "2001-01-01")
    assert called.code == 1
    assert "nothing was known then" in " ".join(called.out.split())
    named = pce("certificate", "show", time.strftime("%Y-%m-%d", time.gmtime()), "--json")
    assert len(named.document["certificates"]) == 1
    numbered = pce("certificate", "show", f"{time.strftime('%Y-%m-%d', time.gmtime())}.1", "--json")
    assert numbered.document["certificates"] == named.document["certificates"]


def test_an_empty_world_says_that_there_is_no_extract(empty: Pce) -> None:
    called = empty("certificate", "show")
    assert called.code == 1
    assert "holds no extract" in called.err


def test_a_refresh_with_a_key_signs_and_the_key_is_nowhere(own: Pce, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in stored(tmp_path)}
    secret = pem_of(KEY)
    called = own("refresh", "--years", "2023", "--verbose", PCE_SIGNING_KEY=secret)
    assert called.code == 0, called.err
    assert before.items() < {path: path.read_bytes() for path in stored(tmp_path)}.items()
    trusting = own("certificate", "show", PCE_SIGNING_PUBLIC_KEY=PUBLIC)
    assert trusting.code == 0, trusting.out
    other = own("certificate", "show", PCE_SIGNING_PUBLIC_KEY=OTHER_PUBLIC)
    assert other.code == 1
    assert "should be signed by" in " ".join(other.out.split())
    line = secret.splitlines()[1]
    assert line not in called.out + called.err
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and line.encode() in path.read_bytes()]


def test_what_goes_wrong_with_certificates_is_told_and_fails_no_load(own: Pce, tmp_path: Path) -> None:
    (record,) = tmp_path.rglob("certificates/*/_newest.json")
    record.write_text("{")
    called = own("refresh", "--years", "2023", "--json")
    assert called.code == 0, called.err
    assert called.document["rows"]["postgres"] > 0
    (warned,) = called.document["checks"]["problems"]
    assert warned["name"] == "certificates_are_made"
    assert "those of pce_state could not be made" in warned["summary"]


def test_the_care_of_the_lake_calls_no_certificate_damage(own: Pce, tmp_path: Path) -> None:
    before = stored(tmp_path)
    assert own("verify").code == 0
    assert own("prune").code == 0
    assert own("heal").code == 0
    assert stored(tmp_path) == before


def test_a_broken_key_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    called = call("run", PCE_HOME=str(tmp_path / "home"), PCE_PROFILE="smoke", PCE_SIGNING_KEY="hunter2hunter2")
    assert called.code == 2
    assert "PCE_SIGNING_KEY" in called.err
    assert "hunter2" not in called.out + called.err
    assert not (tmp_path / "home").exists()


def test_the_document_makes_a_proof_that_its_program_verifies(home: Path, first_run: Called, tmp_path: Path) -> None:
    text = (Path(pce_pipeline.__file__).parents[1] / "docs" / "certificates.md").read_text("utf-8")
    check, make = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    environment = {"PCE_HOME": str(home), "PCE_PROFILE": "smoke", "PATH": os.environ["PATH"]}
    for program in (make, check):
        done = subprocess.run(
            [sys.executable, "-c", program, "certificate.json", "proof.json"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "SAPCE1 | 1 | 01000 | 2023 | " in done.stdout
