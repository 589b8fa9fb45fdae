"""With `--said-by-bea FOLDER`: the answers of BEA, and of each assumption whether they confirm or refute it."""

from pathlib import Path

import pytest

from pce_pipeline_tests.live.assumptions import Answers, Assumption, document, table, verdict

_FOUND = pytest.StashKey[list[Assumption]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--said-by-bea", default=None, help="a folder for BEA's answers and what follows from them")


def answers_of(config: pytest.Config, key: str = "") -> Answers:
    """Where this run keeps answers."""
    folder = _folder(config)
    return Answers(folder / "answers" if folder else None, key)


def _folder(config: pytest.Config) -> Path | None:
    """Seen from where the run began, as tests work in folders of their own."""
    given = config.getoption("--said-by-bea", None)
    return config.invocation_params.dir / given if given else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.get_closest_marker("live") is not None and (report.when == "call" or report.outcome != "passed"):
        why = str(call.excinfo.value) if call.excinfo is not None else ""
        found = verdict(item.name, report.outcome, report.when, why)
        item.config.stash.setdefault(_FOUND, []).append(found)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    folder = _folder(session.config)
    if folder is not None:
        found = session.config.stash.get(_FOUND, [])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "assumptions.md").write_text(table(found), "utf-8")
        (folder / "assumptions.json").write_text(document(found), "utf-8")
