"""A small project in git and DVC whose stages hand out scores that were made up, and sides made of such scores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from somanet.core.files import write_json, write_text
from somanet.io.tables import write_table
from somanet.training.comparison.networks import ComparedNetwork
from tests.training.comparison.worlds import network
from tools.pull_request.runs import PipelineRun
from tools.pull_request.sides import SideResults

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")

GRAPH = """\
vars: [params.yaml]
stages:
  evaluate:
    foreach: ${finetune}
    do:
      cmd: python copy_scores.py ${key}
      deps: [copy_scores.py, "given/${key}"]
      params: ["finetune.${key}"]
      metrics:
        - reports/scores/tuned/${key}.json: {cache: false}
      outs:
        - reports/evaluate/${key}/metrics.json
        - reports/evaluate/${key}/per_image.csv
  compare:
    cmd: python compare.py
    deps: [compare.py, reports/evaluate]
    params: [finetune]
    outs:
      - reports/comparison.md: {cache: false}
"""

COPY = """\
import json, shutil, sys
from pathlib import Path

given, made = Path("given", sys.argv[1]), Path("reports/evaluate", sys.argv[1])
made.mkdir(parents=True, exist_ok=True)
for name in ("metrics.json", "per_image.csv"):
    shutil.copyfile(given / name, made / name)
scores = json.loads((made / "metrics.json").read_text())
row = Path("reports/scores/tuned", sys.argv[1] + ".json")
row.parent.mkdir(parents=True, exist_ok=True)
row.write_text(json.dumps({name: scores[name] for name in ("iou", "precision")}))
"""

COMPARE = """\
from pathlib import Path

names = sorted(path.parent.name for path in Path("reports/evaluate").glob("*/metrics.json"))
Path("reports/comparison.md").write_text("All of them: " + ", ".join(names))
"""


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *IDENTITY, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def repro(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=folder, check=True, capture_output=True)


def start_project(folder: Path) -> None:
    """An empty git repository with DVC and the graph, and nothing to score yet."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    write_text(folder / ".dvc" / "config", "[core]\n    analytics = false\n    check_update = false\n")
    write_text(folder / ".dvc" / ".gitignore", "/config.local\n/tmp\n/cache\n")
    write_text(folder / ".gitignore", "/build/\n")
    write_text(folder / ".dvcignore", "build/\n")
    write_text(folder / "pyproject.toml", "")
    write_text(folder / "dvc.yaml", GRAPH)
    write_text(folder / "copy_scores.py", COPY)
    write_text(folder / "compare.py", COMPARE)


def give(folder: Path, networks: Mapping[str, Sequence[float]], *, rates: Mapping[str, float]) -> None:
    """Set what the stages will hand out: network -> IoU of its images, and the learning rate that it stands for."""
    params = {"finetune": {name: {"rate": rates[name]} for name in networks}}
    write_text(folder / "params.yaml", yaml.safe_dump(params, sort_keys=False))
    for name, iou in networks.items():
        made = network(name, iou)
        assert made.per_image is not None
        write_json(folder / "given" / name / "metrics.json", made.metrics)
        write_table(folder / "given" / name / "per_image.csv", made.per_image)


def side(
    *networks: ComparedNetwork, absent: Mapping[str, str] | None = None, run: PipelineRun | None = None
) -> SideResults:
    """A side of which only the scores matter."""
    return SideResults(Path("nowhere"), run, (), None, {made.name: made for made in networks}, absent or {})


def a_run(
    *, machine: str = "here", status: int = 0, failed: str | None = None, stages: Mapping[str, float] | None = None
) -> PipelineRun:
    """A run of the commit c0ffee that took a second more than its stages."""
    stages = stages if stages is not None else {"data": 1.0, "evaluate@a": 2.5}
    error = f"failed to reproduce '{failed}': exited with 1" if failed else None
    seconds = 1 + sum(stages.values())
    return PipelineRun("c0ffee", False, machine, status, failed, error, seconds, stages)
