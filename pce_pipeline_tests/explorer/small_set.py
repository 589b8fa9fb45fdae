"""A small lake of three datasets and two releases, with missing cells and months, brought to Gold, not to Postgres."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from pce_pipeline.automation.jobs import REFRESH, range_tags
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.current import current_of
from pce_pipeline.explorer.checks import Checks
from pce_pipeline.explorer.making import Made, make_explorer
from pce_pipeline.lake.resource import Lake
from pce_pipeline_tests.worlds import QUIET, World, copy_home

PROFILES = {
    "pce_state": "SAPCE1 = [1, 2, 13]\nSAPCE2 = [1]\nSAPCE3 = [75, 99]",
    "prices_state": "SARPP = []\nSARPI = []\nSAIRPD = []",
    "pce_us_monthly": "T20804 = [1, 2, 13]\nT20805 = [1, 2, 13]\nT20806 = [1, 2, 13]",
}
"""What the world takes of each dataset: among it two lines of spending with cells that BEA does not show."""

YEARS = {2: (1997, 2024), 3: (2016, 2026)}
"""The years that a release of the sample changes, after the one before."""

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"


def small_world(folder: Path, releases: Sequence[int] = (2, 3)) -> World:
    """A world of these releases of the sample, each brought to Gold before the next."""
    catalog = folder / "catalog"
    for name, scope in PROFILES.items():
        (catalog / name).mkdir(parents=True)
        (catalog / name / "dataset.toml").write_text(f'name = "{name}"\n\n[profiles.lean]\n{scope}\n')
    world = World(folder / "home", NO_DATABASE, profile="lean", catalog=catalog)
    for release in releases:
        take(world, release)
        to_gold(world, *YEARS[release])
    return world


def copied(world: World, folder: Path) -> World:
    """A world of one's own, as this one is."""
    copy_home(world.settings.home, folder / "home")
    return World(folder / "home", NO_DATABASE, profile="lean", catalog=world.settings.catalog)


def take(world: World, release: int) -> None:
    """Take an extract of each dataset as the sample publishes it with a release."""
    file = BeaGateway(world.settings).sample_release_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(release))
    for dataset in world.registry.datasets:
        world.extract(dataset=dataset, must_succeed=False)


def to_gold(world: World, first: int, last: int) -> dg.ExecuteInProcessResult:
    """A refresh of years that stops before Postgres."""
    job = world.definitions.resolve_job_def(REFRESH)
    graph = world.definitions.resolve_asset_graph()
    keys = dg.AssetSelection.groups("silver", "gold").resolve(graph)
    return job.execute_in_process(
        instance=world.instance, tags=range_tags(first, last), run_config=QUIET, asset_selection=list(keys)
    )


NO_CHECKS = Checks(counts={}, checks=[])


def made(world: World, lake: Lake | None = None, **how: object) -> Made:
    """What a refresh does about the set."""
    given = {"is_sample": True, "checks": lambda: NO_CHECKS, **how}
    there = lake or world.lake
    held = current_of(there, world.registry.datasets)
    return make_explorer(there, world.registry, held, list(held), **given)  # type: ignore[arg-type]
