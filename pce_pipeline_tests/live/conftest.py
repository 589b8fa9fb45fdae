"""With `--said-by-bea FOLDER`: the answers of BEA, and of each assumption whether they confirm or refute it."""

from pathlib import Path

import pytest

from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bea.protocol import redact_key
from pce_pipeline.settings import Settings
from pce_pipeline_tests.live.asking import KEY, URL, Asking
from pce_pipeline_tests.live.assumptions import (
    UNASKED,
    Answers,
    Assumption,
    asked_of,
    document,
    is_silence,
    is_unusable,
    table,
    unreadable,
    verdict,
)

_FOUND = pytest.StashKey[list[Assumption]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--said-by-bea", default=None, help="a folder for BEA's answers and what follows from them")


@pytest.fixture(scope="session")
def answers(request: pytest.FixtureRequest) -> Answers:
    """Where this run keeps answers; skips whatever is not `make test-live`."""
    if "live" not in request.config.getoption("markexpr"):
        pytest.skip("asks BEA itself: make test-live")
    folder = _folder(request.config)
    return Answers(folder / "answers" if folder else None, KEY.get_secret_value())


@pytest.fixture(scope="session")
def keyless(answers: Answers) -> BeaGateway:
    """BEA's files and pages, which need no key."""
    del answers
    return BeaGateway(Settings(chosen_source="bulk", bea_url=URL))


@pytest.fixture(scope="session")
def keyed(answers: Answers) -> BeaGateway:
    """BEA's API, asked as the pipeline asks it."""
    del answers
    if not KEY:
        pytest.skip("BEA_API_KEY is not set")
    return BeaGateway(Settings(chosen_source="api", bea_api_key=KEY, bea_url=URL))


@pytest.fixture(scope="session")
def ask(keyed: BeaGateway, answers: Answers) -> Asking:
    """BEA's API, asked what its client does not ask."""
    del keyed
    return Asking(URL, KEY, answers)


def _folder(config: pytest.Config) -> Path | None:
    """Seen from where the run began, as tests work in folders of their own."""
    given = config.getoption("--said-by-bea", None)
    return config.invocation_params.dir / given if given else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.get_closest_marker("live") is not None and (report.when == "call" or report.outcome != "passed"):
        problem = call.excinfo.value if call.excinfo is not None else None
        why = "" if problem is None else redact_key(str(problem), KEY.get_secret_value())
        found = item.config.stash.setdefault(_FOUND, [])
        outcome = "skipped" if is_silence(problem) else report.outcome
        found.append(verdict(item.name, outcome, report.when, why))
        if report.when == "setup" and is_unusable(problem):
            found += [other] if (other := unreadable(why)) not in found else []
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    folder = _folder(session.config)
    if folder is not None:
        found = [*session.config.stash.get(_FOUND, []), *UNASKED]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "assumptions.md").write_text(table(found, asked_of(URL)), "utf-8")
        (folder / "assumptions.json").write_text(document(found, asked_of(URL)), "utf-8")
