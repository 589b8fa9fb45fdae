"""The container image, as far as it can be judged without a builder: what goes in, what it is told, as whom it runs."""

import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from pce_pipeline.memory import ALLOCATOR
from pce_pipeline_tests.infra.operated import HOME, ROOT
from pce_pipeline_tests.infra.rendered import Rendered

DOCKERFILE = HOME / "ecs" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """What the Dockerfile does, in order: instruction and arguments, continued lines as one."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines) if name]


def arguments(*names: str) -> list[str]:
    return [rest for name, rest in instructions() if name in names]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in arguments("ENV") for pair in line.split())


def copied() -> list[tuple[list[str], str]]:
    """Sources in the repository and their destination, of each COPY from there."""
    return [
        (words[:-1], words[-1]) for words in map(str.split, arguments("COPY")) if not words[0].startswith("--from=")
    ]


def sources() -> set[str]:
    return {source for several, _ in copied() for source in several}


def test_what_goes_in_exists_and_nothing_else_reaches_the_builder():
    assert all((ROOT / source).exists() for source in sources())
    lines = Path(f"{DOCKERFILE}.dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", "all is kept out, then some is let in"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == sources()
    for secret in (".env", ".git", ".pce", "cdk.out", "infra/dagster/.env"):
        assert not any(fnmatch(secret, source) for source in sources())


def test_what_goes_in_is_enough_to_build_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {"pyproject.toml", "setup.cfg", project["readme"], *project["license-files"], "pce_pipeline"}
    assert needed <= sources()


def test_what_is_installed_is_locked_by_hash_and_the_package_alone_is_built():
    locked, package = [line for line in arguments("RUN") if "pip install" in line]
    assert locked.endswith("--require-hashes -r requirements.txt")
    assert {"--no-deps", "--no-build-isolation", "."} <= set(package.split())
    assert not re.search(r"index|://", locked + package)


def test_the_base_is_named_once_exactly_and_is_a_python_that_is_tested():
    named, *stages = arguments("FROM")
    version = re.fullmatch(r"python:(3\.\d+)\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})? AS base", named)
    assert version is not None, "an exact patch of a named Debian, which Dependabot may give a digest"
    assert all(line.split()[0] == "base" for line in stages)
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    assert version[1] in str(workflow["jobs"])


def test_it_runs_as_nobody_in_particular_and_holds_no_secret():
    last_stage = [name for name, _ in instructions()][-2:]
    assert last_stage == ["USER", "CMD"]
    (user,) = arguments("USER")
    assert any(re.search(rf"useradd .*\b{user}$", line) for line in arguments("RUN"))
    assert not re.search(r"KEY|SECRET|PASSWORD|TOKEN", " ".join(environment()))
    assert all(host.startswith("https://") for host in re.findall(r"\w+://\S+", " ".join(arguments("ADD", "RUN"))))


def test_a_task_gives_the_whole_command():
    assert arguments("ENTRYPOINT") == []
    assert arguments("CMD") == ['["pce", "check"]']
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not here to read the shell lines")
    for line in arguments("RUN"):
        assert subprocess.run([bash, "-n", "-c", line], check=False).returncode == 0


def test_dagster_finds_its_instance_where_the_image_has_it(tmp_path):
    (place, *_), told = reversed(arguments("WORKDIR")), environment()
    for several, destination in copied():
        if destination.startswith("infra/"):
            (tmp_path / destination).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / several[0], tmp_path / destination)
    service = Rendered(DatabaseReach="private", DagsterService="yes").properties("DagsterTask")
    with_tasks = {each["Name"]: each["Value"] for each in service["ContainerDefinitions"][0]["Environment"]}
    for home, launcher in ((told["DAGSTER_HOME"], "DefaultRunLauncher"), (with_tasks["DAGSTER_HOME"], "TaskPerRun")):
        ref = InstanceRef.from_dir(str(tmp_path / PurePosixPath(home).relative_to(place)))
        assert ref.storage_data is not None
        assert ref.storage_data.class_name == "PostgresHistory"
        assert ref.run_launcher_data is not None
        assert ref.run_launcher_data.class_name == launcher


def test_a_process_is_told_what_pce_env_tells():
    told = environment()
    assert told["DAGSTER_MODULE_NAME"] == "pce_pipeline.definitions"
    assert told["DAGSTER_DISABLE_TELEMETRY"] == "1"
    assert {name: told[name] for name in ALLOCATOR} == ALLOCATOR
    (added,) = arguments("ADD")
    assert added.split() == [
        "--chmod=444",
        "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",
        told["PGSSLROOTCERT"],
    ], "a file from an address is readable by root only, unless one says so"
