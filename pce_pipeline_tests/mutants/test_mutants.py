"""The changes themselves: where they are made, how they are named, and what the list of them may say."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pce_pipeline_tests.mutants.making import (
    CatchAnother,
    Mutant,
    ReplaceName,
    ReplaceNumber,
    ReplaceWord,
    mutants_of,
    tidy,
)
from pce_pipeline_tests.mutants.plan import read_plan
from pce_pipeline_tests.mutants.running import ROOT

MODULE = "pce_pipeline/a.py"
SOURCE = '''"""What limits there are."""

LIMIT = 10


class Gate:
    """Lets some in."""

    @property
    def is_open(self) -> bool | None:
        """Whether it is."""
        return self.count < LIMIT
'''


def made(source: str) -> list[tuple[str, str, str]]:
    return [(mutant.name.where, mutant.name.line, mutant.name.becomes) for mutant in mutants_of(MODULE, source)]


def test_constants_and_what_is_decorated_are_changed_and_annotations_are_not():
    assert made(SOURCE) == [
        ("", "LIMIT = 10", "LIMIT = 11"),
        ("", "LIMIT = 10", "LIMIT = 9"),
        ("Gate", "@property", ""),
        ("Gate.is_open", "return self.count < LIMIT", "return self.count <= LIMIT"),
        ("Gate.is_open", "return self.count < LIMIT", "return self.count >= LIMIT"),
    ]


def test_a_name_outlives_edits_elsewhere():
    edited = SOURCE.replace("LIMIT = 10\n", '# Ten is enough.\nLIMIT = 10\nOTHER = "x"\n')
    assert made(edited) == made(SOURCE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = max(a, b)", {"x = min(a, b)"}),
        ("x = largest.max", set()),
        ('x = a.join(b, how="left")', {'x = a.join(b, how="inner")'}),
        ("x = 1e6", {"x = 2000000.0", "x = 500000.0"}),
        ("x = 0.5", {"x = 1.5", "x = -0.5"}),
        ("x = [a for a in b if a]", set()),
        ("x = zip(a, b, strict=True)", set()),
        ("for a in b: x()", {"for a in []: x()"}),
        ("x = not a", {"x = a"}),
        ("if not a: x()", {"if a: x()"}),
        ("if a == b: x()", {"if a != b: x()"}),
        ("x = b if a in c else d", {"x = b if not a in c else d"}),
        ("x = a + b * c", {"x = a - b * c", "x = a + b / c"}),
        ("def f(a: int | None, *, b: str = 'x'): return a", set()),
        ("@dataclass(frozen=True)\nclass A: pass", {""}),
        ("try: x()\nexcept a.Error: y()", {"except ZeroDivisionError: y()"}),
        ("x = '''first'''", set()),
    ],
)
def test_a_change_is_one_that_somebody_could_make_by_mistake(before, after):
    assert {becomes for *_, becomes in made(before)} == after


@pytest.mark.parametrize("operator", [ReplaceName, ReplaceWord, CatchAnother, ReplaceNumber])
def test_our_own_operators_do_what_their_examples_say(operator):
    for example in operator.examples():
        mutated = [ast.unparse(ast.parse(mutant.source)) for mutant in mutants_of(MODULE, example.pre_mutation_code)]
        assert ast.unparse(ast.parse(example.post_mutation_code)) in mutated


def test_no_two_mutants_mean_the_same():
    source = (ROOT / "pce_pipeline/gold/pce_state/annual.py").read_text("utf-8")
    mutants: list[Mutant] = mutants_of("pce_pipeline/gold/pce_state/annual.py", source)
    meanings = {ast.dump(ast.parse(mutant.source)) for mutant in mutants} | {ast.dump(ast.parse(source))}
    assert len(meanings) == len(mutants) + 1


def test_the_plan_names_modules_tests_and_lines_that_there_are():
    plan = read_plan()
    for module, tests in plan.tests.items():
        assert (ROOT / module).is_file()
        assert tests
        assert [test for test in tests if not test.startswith("-") and not (ROOT / test).is_file()] == []
    sources = {module: tidy((ROOT / module).read_text("utf-8").splitlines()) for module in plan.tests}
    assert [name for name in plan.reasons if name.line not in sources[name.module]] == []


LISTED = """
[modules."pce_pipeline/a.py"]
tests = ["a"]
[[modules."pce_pipeline/a.py".equivalent]]
where = "f"
line = "x = 1"
becomes = ["x = 2", "x = 0"]
reason = "no one can tell"
"""


def test_a_mutant_is_listed_once_and_with_a_reason(tmp_path: Path):
    file = tmp_path / "mutants.toml"
    file.write_text(LISTED)
    assert [name.becomes for name in read_plan(file).reasons] == ["x = 2", "x = 0"]
    file.write_text(LISTED.replace("x = 0", "x = 2"))
    with pytest.raises(ValueError, match="twice"):
        read_plan(file)
    file.write_text(LISTED.replace("no one can tell", " "))
    with pytest.raises(ValueError, match="no reason"):
        read_plan(file)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pce_pipeline_tests.mutants", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_module_that_is_not_in_the_plan_is_refused_with_those_that_are():
    done = run("pce_pipeline/cli/app.py")
    assert done.returncode == 1
    assert (
        "Not in mutants.toml: pce_pipeline/cli/app.py. There are: pce_pipeline/gold/pce_state/metrics.py" in done.stderr
    )


@pytest.mark.long
def test_a_run_changes_no_file_and_says_its_score():
    module = ROOT / "pce_pipeline/gold/pce_state/annual.py"
    before = module.stat()
    done = run("pce_pipeline/gold/pce_state/annual.py", "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pce_pipeline/gold/pce_state/annual.py: 4 mutants: 4 killed, 0 survived, 0 equivalent" in done.stdout
    assert (module.stat().st_ino, module.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.long
@pytest.mark.parametrize("module", read_plan().tests)
def test_every_mutant_of_the_list_is_one(module):
    found = {mutant.name for mutant in mutants_of(module, (ROOT / module).read_text("utf-8"))}
    assert [name for name in read_plan().reasons if name.module == module and name not in found] == []
