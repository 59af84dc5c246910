"""A copy of the tree as a project of its own, with parameters so small that the whole graph runs in minutes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
Change = Callable[[dict[str, Any]], None]


@dataclass
class Project:
    """A checkout and one profile in it."""

    root: Path
    profile: Path
    environment: dict[str, str] = field(repr=False)

    def run(self, *command: str, ok: bool = True, cwd: Path | None = None) -> str:
        """A command in the profile's folder, unless another is given; everything it printed."""
        done = subprocess.run(
            command, cwd=cwd or self.profile, env=self.environment, capture_output=True, text=True, check=False
        )
        output = done.stdout + done.stderr
        assert (done.returncode == 0) is ok, output[-6000:]
        return output

    def dvc(self, *arguments: str, ok: bool = True) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments, ok=ok)

    def repro(self) -> set[str]:
        """`dvc repro`; the stages that a process was started for, but for the check, `names`, which always runs."""
        lines = self.dvc("repro").splitlines()
        ran = {line.split("'")[1] for line in lines if line.startswith("Running stage")}
        assert "names" in ran
        return ran - {"names"}

    def commit(self, message: str) -> None:
        """Commit everything that git does not ignore."""
        for command in (["add", "--all"], ["commit", "--quiet", "--message", message]):
            self.run("git", *command, cwd=self.root)

    def clone(self, folder: Path) -> Project:
        """A colleague's clone: what git has, without data, networks and cache; its own code runs."""
        self.run("git", "clone", "--quiet", str(self.root), str(folder), cwd=folder.parent)
        environment = self.environment | {"PYTHONPATH": str(folder)}
        return Project(folder, folder / self.profile.relative_to(self.root), environment)

    def change(self, change: Change) -> None:
        """Edit the parameter file."""
        file = self.profile / "params.yaml"
        params = yaml.safe_load(file.read_text(encoding="utf-8"))
        change(params)
        file.write_text(yaml.safe_dump(params, sort_keys=False))

    def recorded(self, path: str) -> str:
        """The md5 that DVC has in the profile's lock for an output."""
        lock = yaml.safe_load((self.profile / "dvc.lock").read_text(encoding="utf-8"))
        # Outputs only: the committed lock also has dependencies of stages that the shrunk profile no longer has.
        entries = [entry for stage in lock["stages"].values() for entry in stage.get("outs", [])]
        [md5] = {entry["md5"] for entry in entries if entry["path"] == path}
        return str(md5)


def shrink(params: dict[str, Any], networks: dict[str, str], variants: dict[str, str]) -> None:
    """Keep some networks and variants (name → new name) and make every training as small as it can be."""
    params["pretrain"] = {new: params["pretrain"][old] for old, new in networks.items()}
    params["finetune"] = {new: params["finetune"][old] for old, new in variants.items()}
    for one in (*params["pretrain"].values(), *params["finetune"].values()):
        one["training"] = {**one["training"], "epochs": 2, "size_px": 64, "batch_size": 4}
        if "samples_per_epoch" in one["training"]:
            one["training"]["samples_per_epoch"] = 4
    params["plotted"] = next(iter(params["finetune"]))
    shrink_study(params["study"], networks, variants)
    params["sweep"] = {}
    if params["segment"]["model"].startswith("models/"):  # the default labels its movie with a variant of its own
        params["segment"]["model"] = f"models/finetune/{list(params['finetune'])[-1]}/seed0"
        params["trust"]["model"] = params["segment"]["model"]
    tiny = {"intervals_min": [10], "replicates": 2, "cells": 4, "hours": 4, "movie_frames": 12, "movie_px": 64}
    params["trust"] = {**params["trust"], **tiny}
    params["evaluate"] = {"thresholds": [0.5, 0.9], "panel_images": 2}


def simulate_little(params: dict[str, Any]) -> None:
    """12 nuclei images, 6 + 6 crops, movies of 14 frames of 64 px: one, and two groups of two donors."""
    sizes = {"nuclei_images": 12, "nuclei_px": 64, "train_crops": 6, "val_crops": 6, "crop_px": 64}
    cohort = {"groups": {"control": {}, "patient": {"jump_length_um": 12}}, "donors": 2, "frames": 14, "px": 64}
    params["data"]["simulated"] = {**sizes, "movie_frames": 14, "movie_px": 64, "cohort": cohort}


def shrink_study(study: dict[str, Any], networks: dict[str, str], variants: dict[str, str]) -> None:
    """Keep the rows of what is left, under its new name."""
    for section in study["sections"]:
        rows = [row for row in section["rows"] if row.get("variant") in variants or row.get("network") in networks]
        for row in rows:
            row.update(
                {kind: new[row[kind]] for kind, new in (("variant", variants), ("network", networks)) if kind in row}
            )
        section["rows"] = rows
    study["sections"] = [section for section in study["sections"] if section["rows"]]
    study["reference"] = next(row["variant"] for s in study["sections"] for row in s["rows"] if "variant" in row)


def copy_tree(folder: Path, profile: str) -> Project:
    """What a commit of this working tree would hold, as a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if (path.is_file() or path.is_symlink()) and not name.startswith("tests/"):  # a profile links the code
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, folder / name, follow_symlinks=False)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),  # the copy's code, not that of the checkout
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    project = Project(folder, folder / profile, environment)
    project.run("git", "init", "--quiet", cwd=folder)
    project.commit("copy")
    return project


WIDEST = 200
"""Characters of a screen."""


def lines(table: str) -> list[str]:
    """Of what DVC printed, without its warnings."""
    return [line for line in table.splitlines() if not line.startswith(("WARNING", "DVC failed to load"))]


def fits(table: str) -> bool:
    """Whether no line of a table is wider than a screen."""
    return max(map(len, lines(table))) <= WIDEST


def experiments(project: Project) -> str:
    """What `make experiments` prints."""
    return project.run(sys.executable, "-m", "tools.experiments")


SPEAK = (
    *(["pull"], ["status"], ["push"], ["gc", "--workspace", "--force"], ["checkout"], ["data", "status"]),
    *(["metrics", "show"], ["metrics", "diff"], ["params", "diff"], ["dag"], ["exp", "list"], ["repro", "--dry"]),
)
"""What a colleague types in a fresh clone."""


def check_that_every_command_speaks_of(project: Project, *, other: str) -> None:
    """In a fresh clone with a remote each of them ends with 0, runs nothing, and names no other project."""
    for arguments in SPEAK:
        output = project.dvc(*arguments)
        assert other not in output, output
        assert "ERROR" not in output, output
        assert "missing version info" not in output, output
    weights = list((project.profile / "models").rglob("model.safetensors"))
    assert weights
    assert project.repro() == set()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Project]:
    return lambda profile: copy_tree(tmp_path_factory.mktemp("checkout") / "project", profile)
