"""Two projects: one that went through the whole chain of commands, one with a network of known output."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worlds import make_project, save_bright_network, somanet

TINY = ("--set", "training.epochs=1", "--set", "training.size_px=64", "--set", "training.batch_size=4")


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """simulate → data check → train → predict → evaluate → finetune → predict → evaluate → compare, on tiny data."""
    project = make_project(tmp_path_factory.mktemp("chain") / "project", tmp_path_factory.getbasetemp())
    commands = [
        ["simulate", "--output", "sim", "--nuclei", 6, "--crops", 5, "--frames", 3, "--size-px", 64],
        ["data", "check", "sim/nuclei.zip", "--strict", "--output", "nuclei.csv"],
        ["train", "sim/nuclei.zip", "--output", "models/nuclei", *TINY],
        ["predict", "sim/crops.zip", "--model", "models/nuclei", "--output", "labels/before"],
        ["evaluate", "--predictions", "labels/before", "--truth", "sim/crops.zip", "--output", "before.json"],
        ["finetune", "sim/crops.zip", "--start", "models/nuclei", "--output", "models/neurons", "--blocks", 3, *TINY],
        ["predict", "sim/crops.zip", "--model", "models/neurons", "--output", "labels/after", "--pictures"],
        ["evaluate", "--predictions", "labels/after", "--truth", "sim/crops.zip", "--output", "after/metrics.json"],
        ["compare", "before.json", "after", "--output", "comparison"],
    ]
    for command in commands:
        assert somanet(*command, cwd=project) is None
    return project


@pytest.fixture(scope="session")
def bright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that classifies every pixel brighter than half of the range as soma."""
    return save_bright_network(tmp_path_factory.mktemp("bright") / "model")
