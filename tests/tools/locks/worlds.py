"""A small project whose one training leaves a network, and the code that it ran with."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from somanet.core.files import write_text
from somanet.provenance.trace.hashes import Hashes
from tests.tools.pull_request.worlds import commit, git

GRAPH = """\
vars: [params.yaml]
stages:
  finetune:
    foreach: ${finetune}
    do:
      cmd: python pipelines/finetune.py ${key}
      deps: [pipelines/finetune.py, somanet/loop]
      params: ["finetune.${key}"]
      outs:
        - models/${key}
        - reports/${key}/training.json
  evaluate:
    cmd: python pipelines/evaluate.py
    deps: [pipelines/evaluate.py, models]
    metrics:
      - reports/metrics.json: {cache: false}
  report:
    cmd: mkdir -p page && touch page/index.html
    deps: [models/a]
    outs: [page]
"""
FINETUNE = """\
import json, pathlib, sys, yaml
name = sys.argv[1]
for folder in ("models", f"reports/{name}"):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
pathlib.Path(f"models/{name}").write_text(str(yaml.safe_load(open("params.yaml"))["finetune"][name]))
code = pathlib.Path("somanet/loop/steps.py").read_text()
pathlib.Path(f"reports/{name}/training.json").write_text(json.dumps({"code": code}))
"""
EVALUATE = """\
import pathlib
pathlib.Path("reports/metrics.json").write_text('{"iou": 0.5}')
"""


CODE = "somanet/loop"
"""The code of the training."""


def made_in(folder: Path) -> Path:
    """The project in a folder, run and committed; it is made once in a test session, and copied."""
    shutil.copytree(_made(), folder / "project", symlinks=True)
    return folder / "project"


@cache
def _made() -> Path:
    root = Path(tempfile.mkdtemp(prefix="somanet-locks-")) / "project"
    atexit.register(shutil.rmtree, root.parent, ignore_errors=True)
    files = {
        "dvc.yaml": GRAPH,
        "params.yaml": "finetune: {a: {rate: 1}, b: {rate: 2}}\n",
        ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n",
        ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
        "somanet/loop/steps.py": "STEPS = 3\n",
        "pipelines/finetune.py": FINETUNE,
        "pipelines/evaluate.py": EVALUATE,
    }
    for name, text in files.items():
        write_text(root / name, text)
    git(root, "init", "--quiet", "--initial-branch", "main")
    run(root)
    commit(root, "made")
    return root


def run(folder: Path, *arguments: str) -> None:
    """`dvc repro`."""
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def change_code(project: Path) -> str:
    """Write another code of the training, which does the same; its hash."""
    (project / CODE / "steps.py").write_text("STEPS = 1 + 2\n")
    return str(Hashes(project).md5(project / CODE))


def edit_lock(folder: Path, stage: str, path: str, **new: Any) -> dict[str, Any]:
    """Change a dependency's entry by hand; the entry as it was."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    [entry] = [entry for entry in lock["stages"][stage]["deps"] if entry["path"] == path]
    before = dict(entry)
    entry |= new
    (folder / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    return before
