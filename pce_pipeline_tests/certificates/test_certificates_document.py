"""docs/certificates.md: its program checks a proof with nothing but Python, its commands work as written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import pce_pipeline
from pce_pipeline.certificates.leaves import Cell
from pce_pipeline.certificates.proofs import Proof, prove, tree_of
from pce_pipeline.certificates.statement import Certificate, written
from pce_pipeline_tests.certificates.small import KEY, PUBLIC, ROWS, cells_of, certificate_of, pem_of_public, resigned
from pce_pipeline_tests.datasets import PCE_STATE

DOCUMENT = (Path(pce_pipeline.__file__).parents[1] / "docs" / "certificates.md").read_text("utf-8")
CHECK, _ = re.findall(r"```python\n(.*?)```", DOCUMENT, flags=re.DOTALL)
CELLS = cells_of(ROWS)
SIGNED = certificate_of(CELLS, KEY)


def ran(folder: Path, certificate: Certificate, proof: Proof) -> subprocess.CompletedProcess[str]:
    """The program of the document, in a Python that has nothing but its own library."""
    (folder / "check.py").write_text(CHECK)
    (folder / "certificate.json").write_bytes(written(certificate))
    (folder / "proof.json").write_bytes(written(proof))
    return subprocess.run(
        [sys.executable, "-I", "-S", "check.py", "certificate.json", "proof.json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_program_is_short_and_needs_nothing_but_hashes_and_json() -> None:
    assert len([line for line in CHECK.splitlines() if line]) <= 25
    assert re.findall(r"^import (.*)$", CHECK, flags=re.MULTILINE) == ["hashlib, json, sys"]


@pytest.mark.parametrize("row", ROWS)
def test_the_program_verifies_every_cell(tmp_path: Path, row: tuple[str, int, str, int]) -> None:
    done = ran(tmp_path, SIGNED, prove(tree_of(SIGNED, CELLS, PCE_STATE), Cell(*row[:4])))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("SAMPLE")
    assert f"{row[0]} | {row[1]} | {row[2]} | {row[3]} | " in done.stdout


def test_the_program_refutes_what_was_changed(tmp_path: Path) -> None:
    proof = prove(tree_of(SIGNED, CELLS, PCE_STATE), Cell(*ROWS[0][:4]))
    other_leaf = msgspec.structs.replace(proof, leaf=proof.leaf.replace("230469.100", "230469.200"))
    other_place = msgspec.structs.replace(proof, index=proof.index + 1)
    short = msgspec.structs.replace(proof, path=proof.path[:-1])
    for wrong in (other_leaf, other_place, short):
        assert "AssertionError" in ran(tmp_path, SIGNED, wrong).stderr
    statement = msgspec.structs.replace(SIGNED.statement, vintage="2025-10-03")
    forged = msgspec.structs.replace(resigned(statement, KEY), statement_sha256=SIGNED.statement_sha256)
    assert "AssertionError" in ran(tmp_path, forged, proof).stderr


def test_openssl_checks_the_signature_by_the_commands_of_the_document(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    commands = re.findall(r"^\$ (python3 -c .*|openssl pkeyutl .*)$", DOCUMENT, flags=re.MULTILINE)
    assert len(commands) == 3
    (tmp_path / "public.pem").write_text(pem_of_public(PUBLIC))
    script = "set -e\n" + "\n".join(commands)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    def said(certificate: Certificate) -> subprocess.CompletedProcess[str]:
        (tmp_path / "certificate.json").write_bytes(written(certificate))
        return subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, check=False
        )

    right = said(SIGNED)
    assert right.returncode == 0, right.stderr
    assert "Signature Verified Successfully" in right.stdout
    changed = msgspec.structs.replace(SIGNED, statement=msgspec.structs.replace(SIGNED.statement, vintage="2025-10-03"))
    assert said(changed).returncode != 0
