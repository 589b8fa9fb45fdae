"""A key and a password through every fault of BEA: afterwards they stand nowhere, in no output and in no file.

`pce` is called with a sentinel as BEA's key, which the look-alike echoes as BEA does, and with one as the password of a
database that cannot be reached; home, lake and outputs are then searched for both, packed or plain.
"""

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.serve import running
from pce_pipeline_tests.cli.conftest import call
from pce_pipeline_tests.faults.scorecard import Part, Trial, part_of
from pce_pipeline_tests.faults.stage import holds_any

_SCOPE = 'name = "pce_state"\n\n[profiles.lean]\nSAPCE1 = [1]\n'
_WAITING = (FaultKind.SLOW, FaultKind.TOO_MANY)
CALLS = (("extract",), ("status",), ("doctor",))
"""What is called under each fault."""


def _faults(kinds: Sequence[FaultKind]) -> Iterator[Fault]:
    for kind in kinds:
        if kind is FaultKind.API_ERROR:
            yield from (Fault(kind, code=code) for code in ("1", "3", "7", "20", "40", "101"))
        elif kind not in _WAITING:
            yield Fault(kind)


def trials(folder: Path, kinds: Sequence[FaultKind] = tuple(FaultKind)) -> Iterator[Trial]:
    """Each fault, with what is called under it."""
    key, password = str(uuid.uuid4()), f"pass-{uuid.uuid4()}"
    own = folder / "catalog" / "pce_state"
    own.mkdir(parents=True)
    (own / "dataset.toml").write_text(_SCOPE)
    app = create_app(2)
    said: list[str] = []
    with running(app) as url:
        settings = {
            "PCE_HOME": str(folder / "home"),
            "PCE_PROFILE": "lean",
            "PCE_CATALOG": str(folder / "catalog"),
            "PCE_SOURCE": "api",
            "PCE_BEA_URL": url,
            "BEA_API_KEY": key,
            "PCE_DATABASE_URL": f"postgresql://loader:{quote(password)}@127.0.0.1:1/pce",
        }
        for fault in _faults(kinds):
            app.state.emulator.set_faults(fault)
            for verbs in CALLS:
                called = call(*verbs, **settings)
                said += [called.out, called.err]
            wrong = _found(folder, said, [key, password])
            yield Trial("faults of BEA", wrong and f"{fault.kind} {fault.code}: {wrong}", said="faults")
            said.clear()


def _found(folder: Path, said: Sequence[str], secrets: Sequence[str]) -> str | None:
    if holds_any("\n".join(said).encode(), secrets):
        return "an output says a secret"
    for path in folder.rglob("*"):
        if path.is_file() and holds_any(path.read_bytes(), secrets):
            return f"{path.relative_to(folder)} holds a secret"
    return None


def secrets_kept(folder: Path, kinds: Sequence[FaultKind] = tuple(FaultKind)) -> Part:
    """All of it."""
    return part_of(
        "a sentinel key and password",
        f"Under each fault that BEA is known for, {', '.join(' '.join(each) for each in CALLS)} are called with a "
        "sentinel as BEA's key and one as the database's password. No output, home or lake holds either.",
        trials(folder, kinds),
    )
