"""What may be killed, or run twice at once: projects, commands in them, and what they leave."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from somanet.core.calibration import FileCalibration
from somanet.core.hashing import sha256_file
from somanet.core.settings import read_yaml
from somanet.io.datasets.writers import write_pairs
from somanet.io.images import write_image
from somanet.io.movies import write_movie
from tests.pipelines.conftest import shrink
from tests.training.sweep.worlds import make_sweep_project, sweep_values
from tests.worlds import TWO_SOMAS, draw, make_project, photograph, save_bright_network, scene

ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "--set", "training.epochs=3", "--set", "training.size_px=32", "--set", "training.batch_size=2",
    "--set", "training.loss=bce+dice",
]  # fmt: skip
TIMES = frozenset({"training.json", "mlflow_run.json", "trials.csv", "sweep.json"})
"""Files that name a run or contain durations."""


@dataclass(frozen=True)
class Scenario:
    """A command and what it writes.

    Attributes:
        make: makes a project, with the inputs, in a new folder; the second folder is for what projects share.
        command: arguments of `somanet`, or a program's whole command line.
        outputs: files and folders that it writes.
        inputs: files and folders that it reads.
        other: arguments of a command that also writes the outputs, with other content: its results are replaced, or it
            runs at the same time.
        whole: each output appears as a whole, by one rename.
        trains: how many MLflow runs it leaves that are FINISHED.
    """

    make: Callable[[Path, Path], Path]
    command: Sequence[str]
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    other: Sequence[str] = ()
    whole: bool = True
    trains: int = 0

    @property
    def is_program(self) -> bool:
        """Whether the command is not `somanet`'s own."""
        return self.command[0] == sys.executable


def files_in(project: Path, names: Sequence[str]) -> dict[str, str]:
    """SHA-256 of all visible files of outputs or inputs, without those that contain times."""
    found = {}
    for name in names:
        place = project / name
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            shown = path.relative_to(project).as_posix()
            if path.is_file() and path.name not in TIMES and path.parent.name != "runs" and "/." not in f"/{shown}":
                found[shown] = sha256_file(path)
    return found


def images(folder: Path, base: Path) -> Path:
    """Labelled images, images without labels, a movie and two networks."""
    project = make_project(folder, base)
    write_pairs(project / "nuclei", [scene(name) for name in "abcde"])
    picture = photograph(draw(TWO_SOMAS))
    for name in "abcd":
        write_image(project / "raw" / f"{name}.png", picture)
    frames = np.stack([np.roll(picture, shift, axis=1) for shift in range(5)]).astype(np.uint16)
    write_movie(project / "movie.ome.tif", frames, FileCalibration(1.0, 10.0).complete())
    save_bright_network(project / "model")
    return project


def sweeping(folder: Path, base: Path) -> Path:
    """A sweep of two trials."""
    return make_sweep_project(folder, base, rates=sweep_values(trials=2))


_GRAPH = """
stages:
  finetune:
    cmd: python -m pipelines.finetune last3
    deps: [data/packed/target_train, data/packed/target_val, models/pretrain/paper]
    outs: [models/finetune/last3, {reports/finetune/last3: {cache: false}}]
"""


def graph(folder: Path, base: Path) -> Path:
    """A stage of the pipeline with two trainings, as DVC runs it."""
    project = make_project(folder, base)
    params = read_yaml(ROOT / "params.yaml")
    shrink(params, {"paper": "paper"}, {"paper_last3": "last3"})
    params["seeds"] = [0, 1]
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for name in ("target_train", "target_val"):
        write_pairs(project / "data/packed" / name, [scene(letter) for letter in "abcd"])
    save_bright_network(project / "models/pretrain/paper")
    (project / "dvc.yaml").write_text(_GRAPH)
    shutil.copytree(ROOT / "pipelines", project / "pipelines", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=project, check=True)
    return project


def _train(seed: int) -> list[str]:
    return ["train", "nuclei", "--output", "models/small", "--seed", str(seed), *SMALL]


def training_of(n: int) -> list[str]:
    """The n-th of trainings that differ in seed and output."""
    return ["train", "nuclei", "--output", f"models/of{n}", "--seed", str(n), *SMALL]


def _finetune(seed: int) -> list[str]:
    return ["finetune", "nuclei", "--start", "model", "--output", "models/fine", "--seed", str(seed), *SMALL]


def _analyze(axis_deg: int) -> list[str]:
    return ["analyze", "movie.ome.tif", "--model", "model", "--output", "results", "--axis-deg", str(axis_deg)]


def _predict(*names: str) -> list[str]:
    return ["predict", *(names or ["raw"]), "--model", "model", "--output", "labels"]


def _simulate(seed: int) -> list[str]:
    return ["simulate", "--output", "simulated", "--seed", str(seed), "--nuclei", "2", "--crops", "1", "--frames", "4",
            "--size-px", "96"]  # fmt: skip


SCENARIOS = {
    "train": Scenario(images, _train(5), ("models/small", "models/small_report"), ("nuclei",), trains=1),
    "train over old results": Scenario(
        images, _train(5), ("models/small", "models/small_report"), ("nuclei",), _train(6), trains=2
    ),
    "finetune": Scenario(images, _finetune(5), ("models/fine", "models/fine_report"), ("nuclei", "model"), trains=1),
    "analyze": Scenario(images, _analyze(0), ("results",), ("movie.ome.tif", "model")),
    "analyze over old results": Scenario(images, _analyze(0), ("results",), ("movie.ome.tif", "model"), _analyze(90)),
    "predict": Scenario(images, _predict(), ("labels",), ("raw", "model")),
    "predict over old results": Scenario(
        images, _predict(), ("labels",), ("raw", "model"), _predict("raw/a.png", "raw/b.png")
    ),
    "sweep": Scenario(
        sweeping, ["sweep", "rates"], ("reports/sweeps",), ("data", "models/pretrain"), whole=False, trains=3
    ),
    "dvc repro": Scenario(
        graph,
        [sys.executable, "-m", "dvc", "repro"],
        ("models/finetune", "reports"),
        ("data", "models/pretrain"),
        whole=False,
        trains=2,
    ),
}
"""Each is killed; those with another command replace its results."""

PAIRS = {
    "the same training": Scenario(images, _train(5), ("models/small", "models/small_report"), ("nuclei",), trains=1),
    "two trainings": Scenario(images, _train(5), ("models/small", "models/small_report"), ("nuclei",), _train(6)),
    "analyze": SCENARIOS["analyze over old results"],
    "predict": SCENARIOS["predict over old results"],
    "simulate": Scenario(images, _simulate(1), ("simulated",), (), _simulate(2)),
    "dvc repro": SCENARIOS["dvc repro"],
}
"""Each is started twice, or with its other command, at nearly the same time."""

DISKS = ["predict over old results", "analyze over old results", "predict", "analyze", "train over old results"]
"""Each is run on a disk that is too small."""

STARTS = 6

FIRST_STARTS = {
    "train": Scenario(
        images,
        training_of(0),
        tuple(f"models/of{n}{end}" for n in range(STARTS) for end in ("", "_report")),
        ("nuclei",),
        trains=STARTS,
    )
}
"""Six trainings of one project without a store, at once."""
