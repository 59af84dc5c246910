"""A side of the comparison: a folder with a pipeline's results, and whether they are up to date with its code."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.provenance.dvc_records import load_yaml
from somanet.training.comparison.networks import ComparedNetwork
from somanet.training.comparison.sources import BASELINE, read_scores
from tools.pull_request.dvc_state import fetch_scores, stale_stages
from tools.pull_request.machine import this_machine
from tools.pull_request.revisions import clone_at, export_results, read_head, short
from tools.pull_request.runs import PipelineRun, last_run, run_pipeline

BASE = Path("build/base")
"""Folder of the base's pipeline, relative to the project."""


@dataclass(frozen=True)
class SideResults:
    """Results of one side.

    Attributes:
        folder: holds `params.yaml`, `dvc.yaml`, `dvc.lock` and `reports/`.
        run: the run, of this commit on this machine, that made them; None for results of unknown origin.
        stale: stages that have not run with this code and these parameters, and all that depend on them.
        problem: why DVC cannot read the pipeline; None if it can.
        networks: name -> its scores, in the order of `params.yaml`.
        absent: name of a network in `params.yaml` without scores -> reason.
    """

    folder: Path
    run: PipelineRun | None
    stale: tuple[str, ...]
    problem: str | None
    networks: Mapping[str, ComparedNetwork]
    absent: Mapping[str, str]

    @property
    def whole(self) -> bool:
        """Whether every stage has run."""
        return not self.stale and self.problem is None


def head_side(root: Path) -> SideResults:
    """The working tree's results, from its `reports/`."""
    run = last_run(root)
    return _read(root, run if run is not None and run.commit == read_head(root).commit else None, check=True)


def base_side(root: Path, commit: str, scratch: Path) -> SideResults:
    """The base's results: from its run in `build/base` if there is one, else those that its `dvc.lock` names.

    Git has the metrics; the scores of each network and image are taken from DVC's cache if it has them.

    Args:
        root: the project.
        commit: full hash of the base.
        scratch: an empty folder, used for committed results.
    """
    run = last_run(root / BASE)
    if run is not None and _fits(run, commit):
        return _read(root / BASE, run, check=run.status != 0)
    export_results(root, commit, scratch)
    fetch_scores(root, scratch)
    return _read(scratch, None, check=False)


def run_base(root: Path, commit: str, *, echo: Callable[[str], None]) -> PipelineRun:
    """Run the pipeline of a commit in `build/base`, from an empty cache, unless it has already run there.

    Other content of that folder is replaced. A failed pipeline is also a result, and recorded.

    Args:
        root: the project.
        commit: full hash.
        echo: called with every line of output.
    """
    folder = root / BASE
    run = last_run(folder)
    if run is not None and _fits(run, commit) and run.status == 0:
        echo(f"{short(commit)} has already run on this kind of machine: {BASE}")
        return run
    if folder.exists():
        shutil.rmtree(folder)
    clone_at(root, commit, folder)
    return run_pipeline(folder, echo=echo, own_store=True)


def _fits(run: PipelineRun, commit: str) -> bool:
    return run.commit == commit and not run.dirty and run.machine == this_machine()


def _read(folder: Path, run: PipelineRun | None, *, check: bool) -> SideResults:
    stale: tuple[str, ...] = ()
    problem = None
    if check:
        try:
            stale = stale_stages(folder)
        except SomaNetError as error:
            problem = str(error)
    networks: dict[str, ComparedNetwork] = {}
    absent: dict[str, str] = {}
    for name, stage, scores in _declared(folder):
        found = _read_network(name, scores, has_run=problem is None and stage not in stale)
        if isinstance(found, ComparedNetwork):
            networks[name] = found
        else:
            absent[name] = found.replace(f"{folder}/", "")
    return SideResults(folder, run, stale, problem, networks, absent)


def _read_network(name: str, scores: Path, *, has_run: bool) -> ComparedNetwork | str:
    """The network, or why it has no scores."""
    if not has_run:
        return "has not run"
    if not (scores / "metrics.json").exists():
        return "its scores are not in DVC's cache (`make base` makes them)"
    try:
        return read_scores(scores, name=name)
    except SomaNetError as error:
        return str(error)


def _declared(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Name, scoring stage and scores of every network in `params.yaml`, read as plain YAML: its keys may be old."""
    params = load_yaml(folder / "params.yaml")
    for kind, stage, part in (("pretrain", "baseline", "neurons"), ("finetune", "evaluate", "")):
        keys = params.get(kind)
        for key in keys if isinstance(keys, Collection) else ():
            name = f"{BASELINE}{key}" if kind == "pretrain" else str(key)
            yield name, f"{stage}@{key}", folder / "reports" / stage / str(key) / part
