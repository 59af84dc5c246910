"""What a checkout's code computes for a profile, in minutes: every training for a few steps, labels, a small movie."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tools.same_numbers.comparing import RecordedNumbers, read_numbers
from tools.same_numbers.recording import FILES, RecordingRun, read_yaml, write_numbers
from tools.same_numbers.workload import SMALL, merged, run_stages

NOT_COMPARED = ("names", "compare", "study", "report", "cohort")
"""Stages whose pages are not compared; each runs in a minute, on the outputs of the others."""

_IMAGES = "data/raw/target_val.zip"
_SIMULATED = {"kind": "simulated", "input": "somanet/simulation"}


def record_stages(
    checkout: Path, profile: Path, scratch: Path, output: Path, *, wanted: Collection[str]
) -> RecordedNumbers:
    """Run some stages of a profile with a checkout's code, and the stages before them; keep every number.

    Data are simulated, a part of the profile's at most. Every network and variant is trained for some steps, and labels
    the validation images.

    Args:
        checkout: the tree whose code runs.
        profile: the folder whose parameters and graph are used.
        scratch: an empty folder to run in.
        output: a folder to write, for the numbers.
        wanted: names of stages, without `@KEY`.
    """
    params, graph = small(read_yaml(profile / "params.yaml")), read_yaml(profile / "dvc.yaml")["stages"]
    needed = with_those_before(wanted, graph)
    recording = RecordingRun(checkout, scratch, None)
    recording.check_code()
    (scratch / ".dvc").mkdir()  # makes the folder a project with its own MLflow store
    run_stages(recording, {name: graph[name] for name in graph if name in needed}, params)
    if needed & {"pretrain", "finetune"}:
        _label(recording, needed, params)
    recording.keep(output / FILES)
    write_numbers(output)
    return read_numbers(output)


def _label(recording: RecordingRun, needed: Collection[str], params: Mapping[str, Any]) -> None:
    """The validation images' labels by every network trained here, and by the bundled one, trained well."""
    recording.somanet("predict", _IMAGES, "--engine", "torch", "--output", "labels/bundled")
    seed = f"seed{params['seeds'][0]}"
    for section, folder in (("pretrain", ""), ("finetune", seed)):
        for name in params[section] if section in needed else ():
            model = Path("models") / section / name / folder
            chosen = ("--model", model, "--engine", "torch", "--output", f"labels/{section}/{name}")
            recording.somanet("predict", _IMAGES, *chosen)


def small(params: Mapping[str, Any]) -> dict[str, Any]:
    """A profile's parameters with simulated data and one seed, no number of :data:`SMALL` larger than there."""
    limits = SMALL["data"]["simulated"]
    own = (params["data"].get("simulated") or {}) if params["data"]["kind"] == "simulated" else {}
    simulated = {**own, "cohort": None, **{name: min(limit, own.get(name, limit)) for name, limit in limits.items()}}
    trust = {name: min(limit, params["trust"].get(name, limit)) for name, limit in SMALL["trust"].items()}
    return merged(
        params, {"data": {**_SIMULATED, "simulated": simulated}, "trust": trust, "seeds": params["seeds"][:1]}
    )


def with_those_before(wanted: Collection[str], graph: Mapping[str, Any]) -> set[str]:
    """Stages and all whose outputs they need, without those of :data:`NOT_COMPARED`, on which none depends."""
    bodies = {name: stage.get("do", stage) for name, stage in graph.items() if name not in NOT_COMPARED}
    needed = {name for name in wanted if name in bodies}
    waiting = list(needed)
    while waiting:
        paths = [path for path in _paths(bodies[waiting.pop()], "deps") if path]
        for name, body in bodies.items():
            made = [out for out in _paths(body, "outs", "metrics", "plots") if out]
            if name not in needed and any(a.startswith(b) or b.startswith(a) for a in paths for b in made):
                needed.add(name)
                waiting.append(name)
    return needed


def _paths(stage: Mapping[str, Any], *kinds: str) -> list[str]:
    """Paths in a stage up to the first value of a parameter."""
    entries = [entry for kind in kinds for entry in stage.get(kind) or ()]
    return [str(next(iter(entry)) if isinstance(entry, Mapping) else entry).split("${")[0] for entry in entries]
