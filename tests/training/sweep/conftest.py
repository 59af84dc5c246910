"""A project per test, with an MLflow store, and instant trainings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from somanet.training.sweep.trial_store import quiet_optuna
from tests.training.sweep.worlds import Trainings, make_sweep_project, sweep_values, use_formula
from tests.worlds import mlflow_may_warn


@pytest.fixture(autouse=True)
def _quiet_dependencies() -> Iterator[None]:
    with mlflow_may_warn(), quiet_optuna():
        yield


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sweep_project(tmp_path / "project", tmp_path_factory.getbasetemp(), rates=sweep_values())


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    """Instant trainings, without MLflow."""
    return use_formula(monkeypatch, recorded=False)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    """The same, with MLflow."""
    return use_formula(monkeypatch, recorded=True)
