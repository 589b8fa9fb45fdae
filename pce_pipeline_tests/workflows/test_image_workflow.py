"""image.yml: prod runs the very image that staging runs, and an earlier one again where somebody asks for it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pce_pipeline_tests.workflows.job import ROOT, workflow

pytestmark = [pytest.mark.system, pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")]

OLD, NEW = (f"sha256:{letter * 64}" for letter in "ab")
STAGING, PROD = (f"123456789012.dkr.ecr.us-east-1.amazonaws.com/pce-{name}" for name in ("staging", "prod"))
SKOPEO = """#!/usr/bin/env python3
# a registry in a file: what each reference stands for; an archive's content is its digest
import json, os, pathlib, sys
file = pathlib.Path(os.environ["REGISTRY"])
there = json.loads(file.read_text())
words = [word for word in sys.argv[1:] if not word.startswith("-") and word != "{{.Digest}}"]
if words[0] == "inspect":
    found = there.get(words[1].removeprefix("docker://"))
    sys.exit("manifest unknown") if found is None else print(found)
elif words[0] == "copy":
    assert {"--all", "--preserve-digests"} <= set(sys.argv)
    source, target = words[1:]
    if source.startswith("oci-archive:"):
        digest = pathlib.Path(source.removeprefix("oci-archive:")).read_text()
    else:
        digest = there.get(source.removeprefix("docker://")) or sys.exit("manifest unknown")
    if target.startswith("oci-archive:"):
        pathlib.Path(target.removeprefix("oci-archive:")).write_text(digest)
    else:
        address = target.removeprefix("docker://")
        there[address] = there[f"{address.rpartition(':')[0]}@{digest}"] = digest
        file.write_text(json.dumps(there))
"""


def step(job: str) -> dict[str, Any]:
    (found,) = (each for each in workflow("image.yml")["jobs"][job]["steps"] if each.get("id") == job)
    return dict(found)


def ran(folder: Path, job: str, registry: dict[str, str], **variables: str) -> tuple[int, str, dict[str, str]]:
    """Run a job's step of the same name on a registry."""
    return ran_step(folder, step(job), registry, **variables)


def ran_step(
    folder: Path, named: Mapping[str, Any], registry: dict[str, str], **variables: str
) -> tuple[int, str, dict[str, str]]:
    """Run a step on a registry; its code, what it summed up and said, the registry afterwards."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name, text in (("skopeo", SKOPEO), ("aws", "#!/bin/sh\necho password\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (folder / "registry.json").write_text(json.dumps(registry))
    for name in ("output", "summary"):
        (folder / name).write_text("")
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", named["run"]],
        cwd=folder,
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "REGISTRY": str(folder / "registry.json"),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            **dict.fromkeys(named.get("env", {}), ""),
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = (folder / "output").read_text() + (folder / "summary").read_text() + done.stdout + done.stderr
    return done.returncode, said, json.loads((folder / "registry.json").read_text())


def test_prod_gets_the_very_image_that_staging_runs_and_the_way_back_is_said(tmp_path: Path) -> None:
    registry = {f"{STAGING}:proven": NEW, f"{STAGING}@{NEW}": NEW, f"{PROD}:current": OLD, f"{PROD}@{OLD}": OLD}
    code, said, _ = ran(tmp_path, "take", registry, REPOSITORY=STAGING)
    assert (code, said.splitlines()[0]) == (0, f"digest={NEW}")
    code, said, after = ran(tmp_path, "promote", registry, REPOSITORY=PROD, ENVIRONMENT="prod", TAKEN=NEW)
    assert code == 0, said
    assert (after[f"{PROD}:current"], after[f"{PROD}@{OLD}"]) == (NEW, OLD), "the earlier one stays"
    assert f"gh workflow run image.yml -f environment=prod -f digest={OLD}" in said
    code, said, back = ran(tmp_path, "promote", after, REPOSITORY=PROD, ENVIRONMENT="prod", EARLIER=OLD)
    assert (code, back[f"{PROD}:current"]) == (0, OLD)


def test_the_first_promotion_finds_nothing_before_it(tmp_path: Path) -> None:
    registry = {f"{STAGING}:proven": NEW, f"{STAGING}@{NEW}": NEW}
    ran(tmp_path, "take", registry, REPOSITORY=STAGING)
    code, said, after = ran(tmp_path, "promote", registry, REPOSITORY=PROD, ENVIRONMENT="prod", TAKEN=NEW)
    assert (code, after[f"{PROD}:current"]) == (0, NEW)
    assert "before it ran `none`" in said
    assert "way back" not in said


@pytest.mark.parametrize("digest", ["current", "sha256:abc", f"{NEW}; rm -rf .", f"x{NEW}", ""])
def test_what_is_not_a_digest_changes_nothing(tmp_path: Path, digest: str) -> None:
    registry = {f"{PROD}:current": OLD, f"{PROD}@{OLD}": OLD}
    code, said, after = ran(tmp_path, "promote", registry, REPOSITORY=PROD, ENVIRONMENT="prod", EARLIER=digest)
    assert (code, after) == (1, registry)
    assert "is not a digest" in said


def test_a_digest_that_the_repository_does_not_have_changes_nothing(tmp_path: Path) -> None:
    registry = {f"{PROD}:current": OLD, f"{PROD}@{OLD}": OLD}
    code, said, after = ran(tmp_path, "promote", registry, REPOSITORY=PROD, ENVIRONMENT="prod", EARLIER=NEW)
    assert (code != 0, after) == (True, registry)
    assert "manifest unknown" in said


def test_an_image_that_staging_has_not_proven_is_not_taken(tmp_path: Path) -> None:
    code, said, _ = ran(tmp_path, "take", {f"{STAGING}:current": NEW, f"{STAGING}@{NEW}": NEW}, REPOSITORY=STAGING)
    assert code == 1
    assert "Staging has run no image to a good end" in said
    assert "digest=" not in said


def test_a_good_end_of_staging_calls_its_image_proven(tmp_path: Path) -> None:
    whole = workflow("ingest.yml")["jobs"]["ingest"]["steps"][-1]
    registry = {f"{STAGING}:current": OLD, f"{STAGING}@{OLD}": OLD, f"{STAGING}@{NEW}": NEW}
    given = {
        "REACH": "private",
        "REPOSITORY": STAGING,
        "PCE_IMAGE_DIGEST": NEW,
        "PCE_ENV": "staging",
        "COMMIT": "c0ffee",
    }
    code, said, after = ran_step(tmp_path, whole, registry, **given)
    assert (code, after[f"{STAGING}:proven"], after[f"{STAGING}:current"]) == (0, NEW, OLD), said
    assert "c0ffee" in said
    _, _, unchanged = ran_step(tmp_path, whole, registry, **given | {"REACH": "runner"})
    assert unchanged == registry


@pytest.mark.parametrize("digest", [NEW, "", "sha256:abc"])
def test_the_base_image_is_found_out_by_its_digest_or_nothing_is_built(tmp_path: Path, digest: str) -> None:
    (tmp_path / "infra" / "dagster" / "ecs").mkdir(parents=True)
    named = (ROOT / "infra/dagster/ecs/Dockerfile").read_text("utf-8")
    (tmp_path / "infra/dagster/ecs/Dockerfile").write_text(named)
    docker = f"#!/bin/sh\n[ \"$2 $3\" = 'imagetools inspect' ] && echo '{digest}'\n"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text(docker)
    (tmp_path / "bin" / "docker").chmod(0o755)
    (base,) = (each for each in workflow("image.yml")["jobs"]["image"]["steps"] if each.get("id") == "base")
    code, said, _ = ran_step(tmp_path, base, {})
    assert code == (0 if digest == NEW else 1), said
    if digest == NEW:
        assert re.search(rf"^name=python:[\w.-]+\ndigest={NEW}$", said, re.MULTILINE)


def test_prod_is_never_built_for() -> None:
    jobs = workflow("image.yml")["jobs"]
    building = {name: job for name, job in jobs.items() if "docker buildx build" in str(job["steps"])}
    assert {name: job["environment"] for name, job in building.items()} == {"image": "staging"}
    assert jobs["take"]["environment"] == "staging"
