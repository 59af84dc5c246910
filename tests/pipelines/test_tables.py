"""DVC's tables of the committed results, as people see them: the real commands, no line wider than a screen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.pipelines.conftest import Project, experiments, fits, lines

pytestmark = pytest.mark.e2e

RATE = "finetune.compact_all.training.learning_rate"


@pytest.fixture(scope="module")
def project(checkout: Callable[[str], Project]) -> Project:
    """The tree as committed, with another rate of one variant and all that follows from it on top."""
    project = checkout(".")

    def faster(params: dict[str, Any]) -> None:
        params["finetune"]["compact_all"]["training"]["learning_rate"] = 0.004

    project.change(faster)
    for name in ("tuned/compact_all", "tracks", "migration", "cohort", "trust"):
        file = project.profile / f"reports/scores/{name}.json"
        scores = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps(dict.fromkeys(scores, 0.123456)), encoding="utf-8")
    return project


def test_metrics_are_a_row_for_each_network_and_each_part_of_the_movies(project: Project) -> None:
    shown = project.dvc("metrics", "show")
    assert fits(shown)
    params = yaml.safe_load((project.profile / "params.yaml").read_text(encoding="utf-8"))
    rows = [line.split()[0] for line in lines(shown) if line.startswith("reports/")]
    expected = [f"{on}/{network}" for on in ("nuclei", "baseline") for network in params["pretrain"]]
    expected += [*(f"tuned/{variant}" for variant in params["finetune"]), "tracks", "migration", "cohort", "trust"]
    assert sorted(rows) == sorted(f"reports/scores/{name}.json" for name in expected)
    assert {"accuracy", "iou", "mean_ap", "precision", "HOTA", "cells", "um_per_h"} <= set(lines(shown)[0].split())


@pytest.mark.parametrize("what", ["metrics", "params"])
def test_differences_are_a_row_each(project: Project, what: str) -> None:
    shown = project.dvc(what, "diff")
    assert fits(shown)
    assert ("tuned/compact_all.json" if what == "metrics" else RATE) in shown


def test_experiments_are_beside_each_other_with_a_row_for_what_differs(project: Project) -> None:
    shown = experiments(project)
    assert fits(shown)
    rows = {line.split()[0]: line.split()[1:] for line in lines(shown) if line[:1] not in ("", " ", "-")}
    assert {"reports/scores/tuned/compact_all.json:iou", "HOTA", "saltations"} < set(rows)
    [names] = [line.split() for line in lines(shown) if "workspace" in line]
    assert dict(zip(names, rows[RATE], strict=True)) == {"workspace": "0.004", names[1]: "0.002"}
    assert not [name for name in rows if "compact_scratch" in name]


def test_stages_are_a_line_each(project: Project) -> None:
    shown = project.dvc("stage", "list")
    assert fits(shown)
    assert "finetune@compact_all" in shown
