"""A small training, made once for each module."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.experiments.worlds import make_training_project, train_here
from tests.worlds import mlflow_may_warn


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training_project(tmp_path_factory.mktemp("experiments") / "project", tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def trained(project: Path):
    with mlflow_may_warn():
        return train_here(project)
