"""A stage depends on the code that decides its outputs: its imports, followed to the end, are listed in `deps`.

Followed are imports at the top and inside functions, but not into what records, reads or checks: those rooms are WALLS.
A module that is imported and decides nothing is in ASIDE, with the reason.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

WALLS = (
    "somanet.core",  # files, errors, settings: see the head of dvc.yaml
    "somanet.io",  # reads and writes
    "somanet.provenance",  # records
    "somanet.config",  # checks parameters, which DVC compares by value
    "somanet.training.experiments",  # records; what it calls is listed by its own room
    "somanet.analysis.names",  # names of files
)

ASIDE: dict[str, dict[str, str]] = {
    "": {  # every stage
        "somanet.analysis.finished": "takes what the same code wrote for a movie of the same inputs; computes nothing",
        "somanet.segmentation.inference.modality": "refuses movies of another kind; `segment` lists it",
        "somanet.segmentation.network.inputs": "for the check of the kind of movie",
        "somanet.segmentation.network.missing": "for the check of the kind of movie",
        "somanet.segmentation.network.intended_use": "for the check of the kind of movie",
        "somanet.segmentation.network.settings": "types",
    },
    "data": {"somanet.simulation": "what `data.input` names"},
    "study": {"somanet.training.loop.settings": "types of the variants, which DVC compares by value"},
    "segment": {"somanet.segmentation.engines": "the pipeline's own engine, eager, is listed"},
    "trust": {"somanet.segmentation.engines": "its networks are torch's own"},
    "track": {"somanet.migration": "imported by the scores of migration, which `migrate` writes"},
    "migrate": {
        "somanet.analysis.source": "opens movies, as `segment` did",
        "somanet.analysis.timing": "chose the frames in `segment`",
        "somanet.evaluation": "imported by the scores of tracks, which `track` writes",
    },
    "report": {
        "somanet.segmentation": "describes the network of `segment`, whose outputs it reads",
        "somanet.tracking.shapes": "measures in `track`, whose tables it reads",
    },
    "cohort": {
        "somanet.analysis.next_steps": "words of refusals",
        "somanet.analysis.report": "names of numbers; the tables come from the movies' own results",
        "somanet.analysis.stages.files": "reads the movies' own results",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        return grimp.build_graph("somanet", "pipelines", cache_dir=None)


def stages() -> dict[str, Any]:
    found = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return {name: stage.get("do", stage) for name, stage in found.items() if "python -m pipelines." in str(stage)}


def code_of(stage: dict[str, Any]) -> list[str]:
    """The modules among a stage's dependencies."""
    code = (one for one in stage["deps"] if one.startswith(("pipelines/", "somanet/")))
    return [one.removesuffix(".py").replace("/", ".") for one in code]


def within(module: str, *rooms: str) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def imported(graph: grimp.ImportGraph, entry: str, walls: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    waiting = [entry]
    while waiting:
        for module in graph.find_modules_directly_imported_by(waiting.pop()):
            if module not in found and module != "somanet" and not within(module, *walls):
                found.add(module)
                waiting.append(module)
    return found


@pytest.mark.parametrize("name", stages())
def test_every_module_that_decides_a_stage_s_outputs_is_a_dependency(name: str, graph: grimp.ImportGraph) -> None:
    stage = stages()[name]
    code, entry = code_of(stage), f"pipelines.{name}"
    assert entry in code
    assert stage["cmd"].split()[:3] == ["python", "-m", entry]
    found = imported(graph, entry, WALLS)
    aside = ASIDE[""] | ASIDE.get(name, {})
    missing = {one for one in found if not within(one, *code)}
    assert sorted(one for one in missing if not within(one, *aside)) == []
    assert [one for one in ASIDE.get(name, {}) if not any(within(module, one) for module in missing)] == []


@pytest.mark.parametrize("name", stages())
def test_no_dependency_is_code_that_the_stage_does_not_run(name: str, graph: grimp.ImportGraph) -> None:
    code = code_of(stages()[name])
    found = imported(graph, f"pipelines.{name}", ()) | {f"pipelines.{name}"}
    assert [one for one in code if not any(within(module, one) for module in found)] == []


def test_a_module_that_is_not_listed_is_found(graph: grimp.ImportGraph) -> None:
    """The loop of a training is reached through a function's own import, two calls away."""
    assert "somanet.training.loop.augment" in imported(graph, "somanet.training.experiments.training", WALLS)
