"""One browser and one small world with two releases, shared by the tests that only look at the page."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from pce_pipeline.explorer.checks import Checks
from pce_pipeline.explorer.store import ExplorerSet, ExplorerStore
from pce_pipeline.look.serving import HOST, ServedFolder, create_app, listen
from pce_pipeline_tests.explorer.small_set import copied, made, take, to_gold
from pce_pipeline_tests.worlds import World

SOURCES = Path(__file__).parents[2] / "page"
CHROMIUM = Path("/usr/bin/chromium")
_MUST_BROWSE = os.environ.get("PCE_TESTS_MUST_BROWSE") == "1"
"""Set where the tests of the page may not skip."""

_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
CHECKS = (
    b'{"counts":{"passed":1,"warned":1,"failed":0},"checks":['
    b'{"asset":"gold","name":"keys_are_unique","said":"passed","summary":"5 rows",'
    b'"when":"2026-02-23T14:17:03Z","run":"5f0c"},'
    b'{"asset":"gold","name":"sources_agree","said":"warned","summary":"2 differ",'
    b'"when":"2026-02-23T14:17:03Z","run":"5f0c"}]}'
)
RUNS = (
    b'{"format":2,"world":"sample","is_sample":true,"runs":[{"run_id":"5f0c","job":"refresh","status":"succeeded",'
    b'"outcome":"1997...2024 to Postgres","started_at":"2026-02-23T14:17:03Z","seconds":11.9,"extracts":["2026-02-23"],'
    b'"layers":{"silver":{"seconds":3.1,"rows":509878},"gold":{"seconds":4.0,"rows":1320834}},'
    b'"checks":{"passed":212,"warned":1,"failed":0},"quarantine":{"text_is_unknown":3},'
    b'"residuals":{"children_add_up_to_parents":{"deviation":0.4,"tolerance":1.5}},"drift":2,'
    b'"report":"prod/reports/bea/5f0c/report.html"}]}'
)


def missing_tool(what: str) -> None:
    """Skip because a tool is not there, or fail where these tests may not skip."""
    if _MUST_BROWSE:
        pytest.fail(f"{what} is not here, and PCE_TESTS_MUST_BROWSE=1 says that these tests may not skip")
    pytest.skip(f"{what} is not here")


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the page's sources with what the lock names, so that no test needs `npm ci` in the checkout."""
    npm = shutil.which("npm")
    if npm is None:
        missing_tool("npm")
    assert npm is not None
    copy = tmp_path_factory.mktemp("sources") / "page"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run([npm, "ci", "--ignore-scripts"], cwd=copy, capture_output=True, text=True, check=False)
    if installed.returncode:
        missing_tool(f"npm's registry ({installed.stderr.strip()[-200:]})")
    return copy


@pytest.fixture(scope="session")
def axe(sources: Path) -> str:
    """The script of axe-core, which the lock names beside what the page is built with."""
    return (sources / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless. While it is open, the thread has an event loop, and no Dagster run can have one."""
    if not CHROMIUM.exists():
        missing_tool(f"{CHROMIUM} (Debian's package chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield opened
        opened.close()


@contextmanager
def served(folder: ServedFolder) -> Iterator[str]:
    """The address of the page, served as `pce look` serves it."""
    listening = listen(0)
    config = uvicorn.Config(create_app(folder), ws="none", lifespan="off", log_config=None, log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


@dataclass
class Visit:
    """A page in the browser, and what it asked for."""

    page: Page
    """The page."""
    address: str
    """Where it is served."""
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Every request by address, with the bytes of its answer."""
    elsewhere: list[str] = field(default_factory=list)
    """Requests to any other host, all of them blocked."""
    errors: list[str] = field(default_factory=list)
    """What went wrong in the page's script."""

    def show(self, view: str, **asked: str) -> str:
        """Open a view; the title that it shows."""
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}#/{view}?{query}")
        return self.settled()

    def settled(self) -> str:
        """Wait until the page shows what was asked; its title."""
        self.page.wait_for_selector("article[aria-busy=false]")
        return self.page.inner_text("h2")

    def evaluate(self, script: str, *arguments: Any) -> Any:
        return self.page.evaluate(script, *arguments)


@contextmanager
def visiting(browser: Browser, address: str, **how: Any) -> Iterator[Visit]:
    """A visit in a context of its own; nothing but the served address is let through."""
    context: BrowserContext = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **how})
    context.set_default_timeout(10_000)
    visit = Visit(context.new_page(), address)

    def only_here(route: Route) -> None:
        url = route.request.url
        if url.startswith(address):
            route.continue_()
        else:
            visit.elsewhere.append(url)
            route.abort()

    context.route(lambda url: not url.startswith("data:"), only_here)
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.on(
        "requestfinished", lambda request: visit.asked.append((request.url, request.sizes()["responseBodySize"]))
    )
    try:
        yield visit
    finally:
        context.close()
    assert visit.elsewhere == []
    assert visit.errors == []


@dataclass
class Shown:
    """A world whose page is served: as it was with two releases of BEA's, and with a third."""

    address: str
    """Where it is served."""
    site: Path
    """The folder that is served."""
    gold: dict[str, pl.DataFrame]
    """The tables of Gold with two releases, by name."""
    sets: list[ExplorerSet]
    """The set with two releases, and the one with three."""
    shows: int = 0
    """Which of the sets is served."""


def published(world: World) -> ExplorerSet:
    """The set made anew, as a refresh does."""
    made(world, checks=lambda: msgspec.json.decode(CHECKS, type=Checks))
    found = ExplorerStore(world.lake).current()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, two_releases: World) -> Iterator[Shown]:
    """The page of a small world; what it holds is made before any browser is open."""
    folder = tmp_path_factory.mktemp("world")
    world = copied(two_releases, folder)
    gold = {
        table.name: pl.concat([store.read_partition(each) for each in store.latest().values()])
        for table in world.registry.tables
        if table.layer == "gold" and (store := world.lake.table(table)).latest()
    }
    sets = [published(world)]
    take(world, 4)
    to_gold(world, 2022, 2026)
    sets.append(published(world))
    found = Shown("", folder / "site", gold, sets)
    there = ServedFolder(found.site, lambda: found.sets[found.shows], lambda: {"runs.json": RUNS})
    with served(there) as found.address:
        yield found


@pytest.fixture(scope="module")
def browser(shown: Shown) -> Iterator[Browser]:
    """The browser of a module."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def visit(browser: Browser, shown: Shown) -> Iterator[Visit]:
    """A page that the tests of a module show one thing after the other."""
    with visiting(browser, shown.address, accept_downloads=True) as opened:
        yield opened
