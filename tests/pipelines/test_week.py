"""docs/week.md as written: fresh clones with a remote, own data, new networks, a sweep, promotion, serving, lineage.

The tests stand in the order of the page; each day follows the one before.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml

from somanet.core.calibration import Calibration
from somanet.io.datasets.writers import write_kaggle, write_pairs
from somanet.io.images import read_labels
from somanet.io.movies import write_movie
from somanet.provenance.mlflow import read_run, weights_of
from somanet.provenance.mlflow.client import open_client
from somanet.simulation import neuron_crops, simulate_movie, simulate_nuclei
from tests.pipelines.conftest import ROOT, Project, fits, shrink, simulate_little
from tests.provenance.mlflow.test_serving import CLIENT
from tests.servers import serving
from tests.test_readme import commands
from tests.worlds import mlflow_may_warn

pytestmark = pytest.mark.e2e

PAGE = (ROOT / "docs/week.md").read_text(encoding="utf-8")
[SECTIONS] = [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)]
NETWORKS = {"unetplusplus": "UnetPlusPlus", "segformer": "Segformer", "deeplab": "DeepLabV3Plus"}
TABLES = re.compile(r"dvc (--cd \S+ )?(metrics|params) |make experiments")
SCALE = Calibration(1.28, 12.0)


@pytest.fixture(autouse=True)
def _mlflow_may_warn() -> Iterator[None]:
    with mlflow_may_warn():
        yield


def blocks(day: str) -> list[list[str]]:
    """The commands of each block below a day's heading."""
    section = re.split(rf"^## {day}: .*$", PAGE, flags=re.MULTILINE)[1].partition("\n## ")[0]
    found = re.findall(r"^```bash\n.*?^```", section, flags=re.MULTILINE | re.DOTALL)
    return [commands(f"{block}\n") for block in found]


@dataclass
class Engineer:
    """Somebody with a clone, who types the page's commands.

    Attributes:
        project: the clone; commands run in its root.
        places: the page's addresses → those here.
        said: what each command printed, every time that it was typed.
    """

    project: Project
    places: dict[str, str]
    said: dict[str, list[str]] = field(default_factory=dict)

    def types(self, block: list[str]) -> None:
        """Run a block of commands: each ends with 0, and its table is no wider than a screen."""
        for command in block:
            real = command
            for place, here in self.places.items():
                real = real.replace(place, here)
            # The environment is there already, under another name than `.venv`.
            if command.startswith("make "):
                real = f"make --old-file=setup VENV={sys.prefix} {real.removeprefix('make ')}"
            output = self.project.run("bash", "-c", real, cwd=self.project.root)
            self.said.setdefault(command, []).append(output)
            if TABLES.match(command):
                assert fits(output), command

    def last(self, command: str) -> str:
        """What the command that begins so printed, the last time."""
        return next(outputs[-1] for typed, outputs in reversed(self.said.items()) if typed.startswith(command))

    def ran(self, command: str) -> list[set[str]]:
        """The stages that each `dvc repro` ran, without the check."""
        return [
            set(re.findall(r"^Running stage '(\S+)'", text, re.MULTILINE)) - {"names"} for text in self.said[command]
        ]


def small(params: dict[str, Any]) -> None:
    """One network, one variant, and a sweep of two trials."""
    sweep = params["sweep"]["rates"] | {"trials": 2}
    shrink(params, {"compact": "compact"}, {"compact_all": "compact_all"})
    simulate_little(params)
    sweep["space"]["training.batch_size"] = [2, 4]
    params["sweep"] = {"rates": sweep}


def write_input(folder: Path, real: Path | None) -> None:
    """A zip of nuclei, crops of neurons, a movie and an image of it: real ones, or simulated where there are none."""
    if real is None:
        write_kaggle(folder / "nuclei.zip", simulate_nuclei(n_images=10, shape_YX=(64, 96), seed=1))
        write_kaggle(folder / "crops", neuron_crops(n_crops=4, size_px=64, seed=1, n_movies=2))
        write_pairs(folder / "crops_val", neuron_crops(n_crops=3, size_px=64, seed=1, first_movie=2, n_movies=2))
        frames_TYX = simulate_movie(seed=0, n_frames=6, shape_YX=(64, 80), calibration=SCALE).frames_TYX
    else:
        with (
            zipfile.ZipFile(real / "dsb2018/stage1_train.zip") as every,
            zipfile.ZipFile(folder / "nuclei.zip", "w") as few,
        ):
            names = every.namelist()
            chosen = sorted({name.partition("/")[0] for name in names})[:10]
            for name in names:
                if name.partition("/")[0] in chosen and not name.endswith("/"):
                    few.writestr(name, every.read(name))
        for part, here in (("train", "crops"), ("val", "crops_val")):
            for crop in sorted((real / "soma" / part).iterdir())[:6]:
                shutil.copytree(crop, folder / here / crop.name)
        frames_TYX = tifffile.imread(real / "neuritetracker/cell_body.tif", key=range(6))[:, 100:356, 200:520]
    write_movie(folder / "movie.tif", frames_TYX, SCALE)
    tifffile.imwrite(folder / "cells.tif", frames_TYX[0])


@pytest.fixture(scope="module")
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        real = request.getfixturevalue("data_root")
    except pytest.skip.Exception:
        real = None
    folder = tmp_path_factory.mktemp("data")
    write_input(folder, real)
    return folder


@pytest.fixture(scope="module")
def people(
    checkout: Callable[[str], Project], data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Engineer, Engineer]:
    """Two clones of a bare repository that has code and parameters, and neither results nor a remote."""
    first = checkout(".")
    first.change(small)
    for name in ("dvc.lock", "dvc.lock.proofs.json", "profiles/real/dvc.lock", "profiles/real/dvc.lock.proofs.json"):
        (first.root / name).unlink(missing_ok=True)
    for name in ("reports", "profiles/real/reports"):
        first.run("git", "rm", "-r", "--quiet", "--ignore-unmatch", name, cwd=first.root)
    first.commit("nobody has run it")
    folder = tmp_path_factory.mktemp("week")
    first.run("git", "clone", "--quiet", "--bare", str(first.root), str(folder / "origin.git"), cwd=folder)
    environment = first.environment | {"COLUMNS": "1000"}
    places = {"/mnt/lab": str(folder / "lab"), "/path/to/your/data": str(data)}
    origin = Project(folder / "origin.git", folder / "origin.git", environment)
    anna, ben = (Engineer(origin.clone(folder / name), places) for name in ("anna", "ben"))
    return anna, ben


@pytest.fixture(scope="module")
def monday(people: tuple[Engineer, Engineer]) -> Engineer:
    for block in blocks("Monday"):
        people[0].types(block)
    return people[0]


@pytest.fixture(scope="module")
def tuesday(people: tuple[Engineer, Engineer], monday: Engineer) -> tuple[Engineer, Engineer]:
    hers, his = blocks("Tuesday")
    monday.types(hers)
    people[1].types(his)
    return people


@pytest.fixture(scope="module")
def wednesday(tuesday: tuple[Engineer, Engineer]) -> Engineer:
    anna, _ = tuesday
    begin, run = blocks("Wednesday")
    anna.types(begin)

    def edit(params: dict[str, Any]) -> None:
        params |= SECTIONS
        shrink(params, dict(zip(NETWORKS, NETWORKS, strict=True)), {one: one for one in params["finetune"]})
        params["seeds"] = [0]

    replace(anna.project, profile=anna.project.root / "profiles/mine").change(edit)
    anna.types(run)
    return anna


@pytest.fixture(scope="module")
def thursday(wednesday: Engineer) -> Engineer:
    for block in blocks("Thursday"):
        wednesday.types(block)
    return wednesday


@pytest.fixture(scope="module")
def friday(thursday: Engineer, data: Path) -> tuple[Engineer, str]:
    """Her, and what the page's server answers to the client of docs/serving.md."""
    anna = thursday
    promote, (export, serve), trace = blocks("Friday")
    anna.types(promote)
    name, _, address = export.removeprefix("export ").partition("=")
    environment = anna.project.environment
    with serving(serve, anna.project.root, environment | {name: address}) as url:
        shown = "\nprint(json.dumps(labels.tolist()))"
        client = CLIENT.replace("http://127.0.0.1:5001", url)
        assert client != CLIENT
        answer = anna.project.run(sys.executable, "-c", client + shown, cwd=data)
    anna.types(trace)
    return anna, answer.splitlines()[-1]


STAGES = {
    *("data", "manifest", "pretrain@compact", "baseline@compact", "finetune@compact_all", "evaluate@compact_all"),
    *("compare", "study", "segment", "track", "migrate", "report", "cohort", "trust"),
}


def test_the_first_run_runs_every_stage_and_the_second_none(monday: Engineer) -> None:
    assert monday.ran("dvc repro")[:2] == [STAGES, set()]


def test_metrics_and_plots_are_shown(monday: Engineer) -> None:
    shown = monday.said["dvc metrics show"][0]
    rows = re.findall(r"^reports/scores/(\S+)\.json", shown, flags=re.MULTILINE)
    networks = ["baseline/compact", "nuclei/compact", "tuned/compact_all"]
    assert sorted(rows) == sorted([*networks, "cohort", "migration", "tracks", "trust"])
    page = (monday.project.root / "build/plots/index.html").read_text(encoding="utf-8")
    assert "compact_all: IoU on the validation neurons" in page
    assert not re.search(r"""<script[^>]*src\s*=\s*["']http""", page)


def test_the_experiment_changes_what_depends_on_the_rate_and_is_a_row_of_the_table(
    tuesday: tuple[Engineer, Engineer],
) -> None:
    anna, _ = tuesday
    ran = set(re.findall(r"^Running stage '(\S+)'", anna.last("dvc exp run"), re.MULTILINE))
    assert {"finetune@compact_all", "evaluate@compact_all", "compare", "segment"} <= ran
    assert not ran & {"data", "manifest", "pretrain@compact", "baseline@compact"}
    table = [line.split() for line in anna.last("make experiments").splitlines()]
    [names] = [line for line in table if "faster" in line]
    [rates] = [line[1:] for line in table if line[:1] == ["finetune.compact_all.training.learning_rate"]]
    assert dict(zip(names, rates, strict=True)) == {"workspace": "0.005", names[1]: "0.002", "faster": "0.005"}
    assert re.search(r"learning_rate +0\.002 +0\.005", anna.said["dvc params diff"][0])


def test_a_colleague_has_the_results_without_a_training(tuesday: tuple[Engineer, Engineer]) -> None:
    anna, ben = tuesday
    assert ben.ran("dvc repro") == [set()]
    network = "models/finetune/compact_all/seed0"
    params = yaml.safe_load((ben.project.root / "params.yaml").read_text(encoding="utf-8"))
    assert params["finetune"]["compact_all"]["training"]["learning_rate"] == 0.005
    assert json.loads(ben.project.dvc("status", "--json")) == {"names": ["always changed"]}
    rows = [line for line in ben.said["dvc metrics show"][0].splitlines() if line.startswith("reports/")]
    assert [line.split()[0] for line in rows] == [
        line.split()[0] for line in anna.said["dvc metrics show"][0].splitlines() if line.startswith("reports/")
    ]
    assert (ben.project.root / network / "model.safetensors").is_file()


def test_own_data_train_three_architectures(wednesday: Engineer) -> None:
    variants = [f"{name}_all" for name in NETWORKS]
    first, second = wednesday.ran("dvc --cd profiles/mine repro")
    trained = {f"{kind}@{name}" for kind in ("pretrain", "baseline") for name in NETWORKS}
    trained |= {f"{kind}@{name}" for kind in ("finetune", "evaluate") for name in variants}
    assert trained < first
    assert second == set()
    rows = re.findall(r"^\S*reports/scores/(\S+)\.json", wednesday.last("dvc --cd profiles/mine metrics"), re.MULTILINE)
    assert {f"tuned/{name}" for name in variants} | {f"nuclei/{name}" for name in NETWORKS} < set(rows)
    mine = wednesday.project.root / "profiles/mine"
    for name, architecture in NETWORKS.items():
        run = read_run(mine / f"models/finetune/{name}_all/seed0", root=wednesday.project.root)
        assert (run.name, run.status) == (f"mine/{name}_all-seed0", "FINISHED")
        assert run.params["model.architecture"] == architecture
        assert {"iou", "accuracy"} <= set(run.metrics)
    movie = json.loads((mine / "reports/movies/movie/manifest.json").read_text(encoding="utf-8"))
    assert movie["input"]["pixel_size_um"] == SCALE.pixel_size_um
    data = pd.read_csv(mine / "reports/data/manifest.csv")
    assert set(data["status"]) == {"accepted"}


def test_a_sweep_of_two_workers_gives_a_variant_that_the_pipeline_trains(thursday: Engineer) -> None:
    trials = pd.read_csv(thursday.project.root / "reports/sweeps/rates/trials.csv")
    assert len(trials) == 2
    assert thursday.ran("dvc repro")[-1] == {"finetune@tuned", "evaluate@tuned", "compare", "study"}
    assert "finetune.tuned" in thursday.said["dvc params diff"][-1]
    assert "tuned/tuned.json" in thursday.said["dvc metrics diff"][-1]


def test_the_champion_is_served_and_labels_as_predict_does(friday: tuple[Engineer, str]) -> None:
    anna, answer = friday
    root = anna.project.root
    client = open_client(root)
    found = {one: client.get_model_version_by_alias("somanet", one).run_id for one in ("champion", "challenger")}
    runs = {
        name: read_run(root / f"models/finetune/{name}/seed0", root=root).run_id for name in ("compact_all", "tuned")
    }
    assert found == {"champion": runs["compact_all"], "challenger": runs["tuned"]}
    np.testing.assert_array_equal(json.loads(answer), read_labels(root / "build/labels/cells.tif"))


def test_numbers_lead_to_the_data(friday: tuple[Engineer, str]) -> None:
    anna, _ = friday
    table, labels, study = (outputs[-1] for typed, outputs in anna.said.items() if typed.startswith("somanet trace"))
    assert anna.project.recorded("data/packed/target_train") in table
    assert weights_of(anna.project.root / "models/finetune/compact_all/seed0")[:12] in labels
    assert replace(anna.project, profile=anna.project.root / "profiles/mine").recorded("data/raw") in study


def test_nothing_is_left_uncommitted(friday: tuple[Engineer, str]) -> None:
    anna, _ = friday
    assert anna.project.run("git", "status", "--porcelain", cwd=anna.project.root) == ""
    assert anna.project.run("git", "log", "--oneline", "@{upstream}..", cwd=anna.project.root) == ""
