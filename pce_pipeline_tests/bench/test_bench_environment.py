"""What the processes of a bench are given of the environment of whoever started it."""

import pytest

from pce_pipeline_tests.bench.run import without_settings_of_others


@pytest.mark.parametrize(
    "name", ["PCE_PROFILE", "BEA_API_KEY", "DAGSTER_HOME", "AWS_REGION", "PYTHONDONTWRITEBYTECODE"]
)
def test_what_changes_the_figures_is_left_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert name not in without_settings_of_others()


def test_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert without_settings_of_others()["LC_ALL"] == "C.UTF-8"
