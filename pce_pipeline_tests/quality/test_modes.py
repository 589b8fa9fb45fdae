"""What blocks where: keys, schemas, hashes and meanings everywhere, thresholds outside of a laptop, no comparison."""

import dagster as dg
import pytest

from pce_pipeline.quality.rules import KINDS, Finding, Rule, RuleResult
from pce_pipeline.settings import Settings, load_settings
from pce_pipeline.shell.checks import refuse
from pce_pipeline_tests.worlds import PLACES_OF_AN_ENVIRONMENT

ENVIRONMENTS = ("local", "staging", "prod")


def broken(kind: str) -> RuleResult:
    """The result of a rule of a kind that does not hold."""
    rule = Rule[None]("a_rule", "A rule.", kind, lambda _: Finding(passed=False, summary="it does not hold"))  # type: ignore[arg-type]  # one of KINDS
    return rule.check("gold", None)


@pytest.mark.parametrize("env", ENVIRONMENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_stops_where_it_should_before_anything_is_published(tmp_path, env, kind):
    settings = Settings(home=tmp_path, env=env, chosen_source="sample", **PLACES_OF_AN_ENVIRONMENT)
    stops = kind in {"key", "schema", "hash", "meaning"} or (kind == "threshold" and env != "local")
    if not stops:
        refuse([broken(kind)], thresholds=settings.threshold_checks)
        return
    with pytest.raises(dg.Failure, match="Nothing was published: a_rule: it does not hold") as refused:
        refuse([broken(kind)], thresholds=settings.threshold_checks)
    assert not refused.value.allow_retries


@pytest.mark.parametrize(("env", "percent"), [("local", 99), ("staging", 99), ("prod", 100)])
def test_references_resolve_for_99_percent_and_for_all_in_prod(tmp_path, env, percent):
    settings = Settings(home=tmp_path, env=env, chosen_source="sample", **PLACES_OF_AN_ENVIRONMENT)
    assert settings.references_resolved_pct == percent


def test_a_laptop_may_be_as_strict_as_an_environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in (
        ("PCE_THRESHOLD_CHECKS", "block"),
        ("PCE_REFERENCES_RESOLVED_PCT", "100"),
        ("PCE_RETRIES", "0"),
    ):
        monkeypatch.setenv(name, value)
    settings = load_settings(chosen_source="sample")
    assert (settings.threshold_checks, settings.references_resolved_pct, settings.retries) == ("block", 100, 0)


def test_mistakes_in_modes_and_retries_are_told_all_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = {
        "PCE_THRESHOLD_CHECKS": "maybe",
        "PCE_REFERENCES_RESOLVED_PCT": "101",
        "PCE_RETRIES": "-1",
        "PCE_RETRY_WAIT_SECONDS": "301",
        "PCE_LOAD_POSTGRES": "perhaps",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Exception, match="The settings do not hold") as told:
        load_settings(chosen_source="sample")
    assert [name for name in wrong if name not in str(told.value)] == []
