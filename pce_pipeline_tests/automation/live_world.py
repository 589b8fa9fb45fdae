"""A small world whose BEA is served on loopback, so that tests can change what it publishes."""

import uuid
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from pce_pipeline.automation.next_step import LakeState, Step, next_step
from pce_pipeline.automation.state import lake_state, load_state
from pce_pipeline.bea.gateway import BeaGateway, Release
from pce_pipeline.bronze.current import current_of
from pce_pipeline.emulator.state import Emulator
from pce_pipeline_tests.worlds import World


class LiveWorld(World):
    """A world with a BEA (`emulator`) that tests may change, and the decisions that production makes in it."""

    def __init__(self, home: Path, database_url: str, emulator: Emulator, bea_url: str) -> None:
        self.key = str(uuid.uuid4())
        super().__init__(
            home,
            database_url,
            profile="smoke",
            chosen_source="api",
            bea_api_key=SecretStr(self.key),
            bea_url=bea_url,
            requests_per_minute=100,
        )
        self.emulator = emulator
        resources = dict(self.definitions.resources or {})
        self.bea: BeaGateway = resources["bea"]

    def ask(self) -> Release:
        name = self.dataset.name
        return self.bea.releases({name: self.dataset.release_names}, {name: self.dataset.probes})[name]

    def state(self) -> LakeState:
        return lake_state(self.lake, self.registry, current_of(self.lake, self.registry.datasets))

    def decide(self, release: Release | None = None) -> Step:
        return next_step(
            self.state(),
            {self.dataset.name: release or self.ask()},
            load_state(self.postgres),
            full_comparison=timedelta(days=30),
        )

    def follow(self, step: Step) -> None:
        if step.action == "extract":
            self.extract(tables=step.tables[self.dataset.name])
        elif step.first_year is not None and step.last_year is not None:
            self.refresh(step.first_year, step.last_year)

    def settle(self) -> list[Step]:
        """Do what comes next until nothing does."""
        done: list[Step] = []
        while (step := self.decide()).action != "nothing":
            assert len(done) < 4, "it does not come to rest"
            self.follow(step)
            done.append(step)
        return done
