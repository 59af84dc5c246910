"""A week of an ML engineer, from a fresh clone with a remote to a served champion: every command as typed, in order.

The tests are the days' steps and share two clones. Every command must end with 0, and no table be wider than a screen.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from somanet.core.calibration import Calibration
from somanet.io.datasets.writers import write_kaggle
from somanet.io.images import read_image
from somanet.io.movies import write_movie
from somanet.provenance.mlflow import list_aliases
from somanet.provenance.mlflow.client import open_client
from somanet.simulation import simulate_movie, simulate_nuclei
from tests.pipelines.conftest import ROOT, Project
from tests.pipelines.test_repro import small as small_pipeline
from tests.servers import free_port
from tests.worlds import mlflow_may_warn

pytestmark = pytest.mark.e2e

WIDEST = 200
RATE = "finetune.last3.training.learning_rate"
NEW = {
    "unetplusplus": {"architecture": "UnetPlusPlus", "encoder": "resnet18"},
    "segformer": {"architecture": "Segformer", "encoder": "mit_b0"},
    "deeplab": {"architecture": "DeepLabV3Plus", "encoder": "resnet18"},
}
"""Networks of segmentation-models-pytorch that the default profile does not have."""


@pytest.fixture(autouse=True)
def _mlflow_may_warn():
    with mlflow_may_warn():
        yield


def small(params: dict[str, Any]) -> None:
    """Two networks, a variant of each, and a sweep of two trials."""
    small_pipeline(params)
    space = {"training.learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}}
    params["sweep"] = {"rates": {"base": "all", "sampler": "random", "pruner": "none", "trials": 2, "space": space}}


def add_networks(params: dict[str, Any]) -> None:
    """Three networks, each fine-tuned: what a user adds to params.yaml for an architecture of the library."""
    for name, model in NEW.items():
        params["pretrain"][name] = {**params["pretrain"]["compact"], "model": {**model, "input": "rgb"}}
        params["finetune"][f"{name}_all"] = {**params["finetune"]["all"], "start": name}


def git(project: Project, *arguments: str) -> str:
    return project.run("git", *arguments, cwd=project.root)


def share(project: Project, message: str) -> None:
    """Commit, and push code, lock and data."""
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", message)
    project.dvc("push")
    git(project, "push", "--quiet")


def check_width(table: str) -> None:
    lines = [line for line in table.splitlines() if not line.startswith("WARNING")]
    assert max(map(len, lines)) <= WIDEST, max(lines, key=len)


def clone_of(project: Project, origin: Path, folder: Path) -> Project:
    git(project, "clone", "--quiet", str(origin), str(folder))
    return replace(project, root=folder, profile=folder, environment={**project.environment, "PYTHONPATH": str(folder)})


@pytest.fixture(scope="module")
def origin(checkout: Callable[[str], Project], tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    """A bare repository of this tree with small parameters, and the tree it was made from."""
    made = checkout(".")
    made.change(small)
    git(made, "commit", "--quiet", "--all", "--message", "Small parameters")
    bare = tmp_path_factory.mktemp("origin") / "origin.git"
    git(made, "clone", "--quiet", "--bare", ".", str(bare))
    return made, bare


@pytest.fixture(scope="module")
def mine(origin: tuple[Project, Path], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The engineer's clone, after its first run, shared."""
    project = clone_of(*origin, tmp_path_factory.mktemp("mine") / "clone")
    project.dvc("remote", "add", "--default", "lab", str(tmp_path_factory.mktemp("remote")))
    git(project, "commit", "--quiet", "--message", "The remote", ".dvc/config")
    assert {"data", "finetune@last3", "evaluate@all", "compare", "study", "report", "cohort"} <= project.repro()
    share(project, "First run")
    return project


@pytest.fixture(scope="module")
def theirs(mine: Project, origin: tuple[Project, Path], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A colleague's clone, as git has it."""
    return clone_of(*origin, tmp_path_factory.mktemp("theirs") / "clone")


def test_a_second_run_runs_nothing(mine: Project, record_testsuite_property: Callable[[str, object], None]) -> None:
    began = time.monotonic()
    assert mine.repro() == set()
    record_testsuite_property("second_repro_s", round(time.monotonic() - began, 1))
    assert json.loads(mine.dvc("status", "--json", "dvc.yaml")) == {"names": ["always changed"]}


def test_an_experiment_is_tried_seen_and_taken(mine: Project) -> None:
    before = mine.recorded("models/finetune/last3")
    said = mine.dvc("exp", "run", "--name", "faster", "--set-param", f"{RATE}=0.005")
    assert "finetune@last3" in said
    assert "Running stage 'finetune@all'" not in said
    tables = [mine.dvc("metrics", "show"), mine.dvc("metrics", "diff"), mine.dvc("params", "diff"), experiments(mine)]
    for table in tables:
        check_width(table)
    assert RATE in tables[2]
    assert "faster" in tables[3]
    git(mine, "reset", "--hard", "--quiet")
    mine.dvc("checkout")
    assert mine.recorded("models/finetune/last3") == before
    mine.dvc("exp", "apply", "faster")
    assert mine.recorded("models/finetune/last3") != before
    share(mine, "A faster rate")


def experiments(project: Project) -> str:
    """`make experiments` as the clone has it, with this Python's DVC instead of that of `.venv`."""
    command = ["make", "--dry-run", "--silent", "experiments", f"BIN={Path(sys.executable).parent}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    recipe = done.stdout.splitlines()[-1].replace(f"{Path(sys.executable).parent}/dvc", f"{sys.executable} -m dvc")
    return project.run("sh", "-c", recipe)


def test_a_colleague_has_the_same_by_pull(mine: Project, theirs: Project) -> None:
    for arguments in (["pull"], ["status"], ["checkout"], ["gc", "--workspace", "--force"], ["push"]):
        said = theirs.dvc(*arguments)
        assert "ERROR" not in said, said
    assert theirs.repro() == set()
    weights = [path.relative_to(mine.root) for path in sorted((mine.root / "models").rglob("*.safetensors"))]
    assert len(weights) == 4
    for path in weights:
        assert (theirs.root / path).read_bytes() == (mine.root / path).read_bytes()


def test_own_images_and_a_movie_are_added_and_used(mine: Project, theirs: Project) -> None:
    own = mine.root / "data" / "own"
    own.mkdir(parents=True)
    write_kaggle(own / "nuclei.zip", simulate_nuclei(n_images=6, shape_YX=(64, 96), seed=3))
    scale = Calibration(1.28, 12.0)
    movie = simulate_movie(seed=3, n_frames=8, shape_YX=(64, 80), calibration=scale)
    write_movie(own / "movie.ome.tif", movie.frames_TYX, scale)
    somanet(mine, "data", "check", "data/own/nuclei.zip")
    mine.dvc("add", "data/own/nuclei.zip", "data/own/movie.ome.tif")
    share(mine, "Own images and a movie")
    git(theirs, "pull", "--quiet")
    theirs.dvc("pull")
    tiny = ("--set", "training.epochs=1", "--set", "training.size_px=32", "--set", "training.batch_size=2")
    somanet(theirs, "train", "data/own/nuclei.zip", "--output", "models/own", *tiny)
    somanet(theirs, "analyze", "data/own/movie.ome.tif", "--model", "models/own", "--output", "results/movie")
    assert (theirs.root / "results/movie/migration.csv").is_file()


def somanet(project: Project, *arguments: str) -> str:
    return project.run(sys.executable, "-m", "somanet", *arguments)


def test_networks_of_the_library_are_added(mine: Project) -> None:
    mine.change(add_networks)
    stages = {f"{stage}@{name}" for name in NEW for stage in ("pretrain", "baseline")}
    stages |= {f"{stage}@{name}_all" for name in NEW for stage in ("finetune", "evaluate")}
    ran = mine.repro()
    assert ran >= stages | {"compare"}
    assert not ran & {"data", "manifest", "pretrain@paper", "finetune@all", "finetune@last3"}
    page = (mine.root / "reports/comparison.md").read_text(encoding="utf-8")
    assert all(f"{name}_all" in page for name in NEW)
    check_width(mine.dvc("metrics", "show"))
    share(mine, "Three networks")


def test_a_sweep_with_two_workers(mine: Project) -> None:
    somanet(mine, "sweep", "rates", "--workers", "2", "--write-back", "tuned")
    trials = (mine.root / "reports/sweeps/rates/trials.csv").read_text(encoding="utf-8").splitlines()
    assert len(trials) == 1 + 2
    assert "tuned:" in (mine.root / "params.yaml").read_text(encoding="utf-8")
    share(mine, "A tuned variant")


def training_run(project: Project, variant: str) -> str:
    """The newest run that trained a variant, as a person finds it on MLflow's page."""
    client = open_client(project.root)
    experiments = [one.experiment_id for one in client.search_experiments()]
    condition = f"params.variant = '{variant}' and attributes.status = 'FINISHED'"
    return str(client.search_runs(experiments, condition, order_by=["start_time DESC"])[0].info.run_id)


def test_the_champion_is_promoted_and_traced(mine: Project) -> None:
    run = training_run(mine, "all")
    assert "is now champion: version 1" in somanet(mine, "promote", run)
    assert list_aliases(mine.root) == {"champion": "1"}
    lineage = somanet(mine, "trace", "reports/comparison.md")
    assert run in lineage
    assert "finetune@all" in lineage


def test_the_champion_is_served(mine: Project) -> None:
    """Over HTTP as MLflow serves it, with an image as it is stored."""
    port = free_port()
    store = f"sqlite:///{mine.root}/mlruns/mlflow.db"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", "models:/somanet@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    log = mine.root / "mlruns" / "serve.log"
    with log.open("wb") as written:
        server = subprocess.Popen(
            command, env={**mine.environment, "MLFLOW_TRACKING_URI": store}, stdout=written, stderr=written
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", server, log)
        image = np.zeros((64, 80), np.uint8)
        body = json.dumps({"instances": [image.tolist()], "params": {"dtype": "uint8"}}).encode()
        address = f"http://127.0.0.1:{port}/invocations"
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            [found] = json.load(answer)["predictions"]
        assert np.array(found["labels"]).shape == image.shape
    finally:
        server.terminate()
        server.wait(30)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while True:
        assert server.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)


def test_the_page_of_the_runs_names_its_scores(mine: Project) -> None:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "somanet", "ui", "--port", str(port)],
        cwd=mine.root, env=mine.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        lines = [server.stdout.readline().rstrip() for _ in range(4)]
        assert lines[1] == f"Open http://127.0.0.1:{port}"
        link = rf"http://127.0.0.1:{port}/#/experiments/\d+/runs\?viewStateShareKey=somanet-\w+.*workflowType=machine"
        assert re.search(link, lines[3])
    finally:
        server.terminate()
        server.wait(60)


def test_the_figures_of_the_week_are_whole(mine: Project) -> None:
    """At its end nothing is left to run or to commit, but the sweep's variant, which nobody has trained."""
    assert git(mine, "status", "--porcelain") == ""
    assert read_image(mine.root / "reports/comparison.png").ndim == 3
    assert mine.repro() >= {"finetune@tuned", "evaluate@tuned", "compare"}
    assert mine.repro() == set()
