"""The asset of certificates in Dagster's graph: with Gold, after its tables, and before nothing."""

import warnings
from pathlib import Path

import dagster as dg
import pytest

from pce_pipeline.automation.jobs import REFRESH, assets_of
from pce_pipeline.certificates.making import Made
from pce_pipeline.certificates.rules import Certified, certificates_are_made
from pce_pipeline.definitions import build_definitions
from pce_pipeline.settings import Settings
from pce_pipeline.shell.keys import CERTIFICATES
from pce_pipeline.tables.registry import load_registry


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return build_definitions(Settings(home=Path(tmp_path_factory.mktemp("home")), chosen_source="sample"))


def test_certificates_are_made_with_gold_after_all_its_tables_of_years(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    assert CERTIFICATES in dg.AssetSelection.from_coercible("gold*").resolve(graph)
    assert CERTIFICATES in dg.AssetSelection.groups("gold").resolve(graph)
    assert CERTIFICATES in definitions.resolve_job_def(REFRESH).asset_layer.executable_asset_keys
    upstream = graph.get(CERTIFICATES).parent_keys
    assert upstream == {
        dg.AssetKey(each.table.name.split("/"))
        for each in load_registry("full", None).derivations
        if each.table.layer == "gold"
    }


def test_no_load_waits_for_certificates(definitions: dg.Definitions) -> None:
    assert definitions.resolve_asset_graph().get(CERTIFICATES).child_keys == set()


def test_a_refresh_of_one_dataset_certifies_it() -> None:
    registry = load_registry("full", None)
    for name in registry.datasets:
        assert CERTIFICATES in assets_of(registry, [name])


def test_the_sample_says_so_on_the_page_of_its_certificates(definitions: dg.Definitions) -> None:
    assert "SAMPLE" in (definitions.resolve_asset_graph().get(CERTIFICATES).description or "")


def test_what_waits_is_told_and_what_failed_is_warned_of() -> None:
    waits = certificates_are_made.check("gold/certificates", Certified({"a": Made(fit=2), "b": Made(waiting="x")}, {}))
    assert (waits.passed, waits.summary) == (True, "2 certificates; b waits for all years of Silver")
    fails = certificates_are_made.check("gold/certificates", Certified({"a": Made({"2024-10-03": "f"})}, {"b": "why"}))
    assert (fails.passed, fails.summary) == (False, "1 certificates; those of b could not be made")
    assert fails.examples == ("b: why",)
    assert fails.blocking == "never"
