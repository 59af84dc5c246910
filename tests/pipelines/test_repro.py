"""`dvc repro` as a newcomer runs it: the default profile on simulated data, from nothing to the comparison.

The tests stand in the order in which a person would do these things, and share one project.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest
import yaml

from somanet.io.images import read_image
from somanet.provenance.mlflow import STUDY, find_run, read_run, read_runs, run_of_results, study_tag, weights_of
from somanet.provenance.mlflow.client import open_client
from tests.markdown_tables import unpadded
from tests.pipelines.conftest import Project, check_that_every_command_speaks_of, shrink, simulate_little
from tests.worlds import mlflow_may_warn

pytestmark = pytest.mark.e2e

STAGES = {
    *("data", "manifest", "pretrain@paper", "pretrain@compact", "baseline@paper", "baseline@compact"),
    *("finetune@last3", "finetune@all", "evaluate@last3", "evaluate@all", "compare", "study"),
    *("segment", "track", "migrate", "report", "cohort", "trust"),
}


NETWORKS = {
    "paper": "models/pretrain/paper",
    "compact": "models/pretrain/compact",
    "last3-seed0": "models/finetune/last3/seed0",
    "all-seed0": "models/finetune/all/seed0",
}
"""Name of a training's run → the network that leads to it."""


@pytest.fixture(autouse=True)
def _mlflow_may_warn():
    with mlflow_may_warn():
        yield


def small(params: dict[str, Any]) -> None:
    """Both networks, one variant of each."""
    shrink(params, {"paper": "paper", "compact": "compact"}, {"paper_last3": "last3", "compact_all": "all"})
    simulate_little(params)


@pytest.fixture(scope="module")
def project(checkout: Callable[[str], Project]) -> Project:
    """The default profile, run once."""
    project = checkout(".")
    project.change(small)
    assert project.repro() == STAGES
    return project


def run_ids(project: Project) -> set[str]:
    client = open_client(project.root)
    experiments = [e.experiment_id for e in client.search_experiments()]
    return {run.info.run_id for run in client.search_runs(experiments, max_results=1000)}


def test_a_second_run_runs_nothing(project: Project) -> None:
    assert project.repro() == set()
    assert json.loads(project.dvc("status", "--json")) == {"names": ["always changed"]}


def test_every_file_that_a_run_leaves_comes_with_git_or_with_dvc(project: Project) -> None:
    """A file that no stage names as its output would be missing wherever the results are pulled."""
    stages = yaml.safe_load((project.profile / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    outs = [entry["path"] for stage in stages.values() for entry in stage.get("outs", [])]
    ignored = project.run("git", "ls-files", "-z", "--others", "--ignored", "--exclude-standard").split("\0")
    left = [name for name in ignored if name.startswith(("data/", "models/", "reports/"))]
    assert len(left) > len(STAGES)
    assert [name for name in left if not any(name == out or name.startswith(f"{out}/") for out in outs)] == []


def test_the_comparison_is_complete(project: Project) -> None:
    text = unpadded((project.profile / "reports/comparison.md").read_text(encoding="utf-8"))
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    four = ["network", "---", "baseline: paper", "baseline: compact", "last3", "all"]
    # Scores, differences on the same images, scores without edge objects, nuclei, weights
    assert rows == [*four, *four, *four, "network", "---", "paper", "compact", *four]
    for network in NETWORKS.values():
        assert f"0: `{weights_of(project.profile / network)[:12]}`" in text
    assert "from paper, last 3 blocks" in text
    assert "from compact, all layers" in text
    assert read_image(project.profile / "reports/comparison.png").ndim == 3
    scores = json.loads((project.profile / "reports/comparison.json").read_text(encoding="utf-8"))
    assert {name: row["n_images"] for name, row in scores.items()} == dict.fromkeys(four[2:], 6)
    [reference] = [name for name, row in scores.items() if "difference" not in row]
    assert f"Differences from **{reference}**" in text
    assert {row["difference"]["from"] for name, row in scores.items() if name != reference} == {reference}


def test_no_report_holds_a_path_of_this_machine(project: Project) -> None:
    texts = [p for p in (project.profile / "reports").rglob("*") if p.suffix in (".md", ".json", ".csv")]
    assert len(texts) > 10
    files = [*texts, project.profile / "dvc.lock", *(project.profile / "models").rglob("*.json")]
    assert [p for p in files if str(project.root) in p.read_text(encoding="utf-8")] == []


def test_every_training_is_one_finished_run_with_its_scores(project: Project) -> None:
    # Evaluations are recorded in the run of their training; movies, the cohort and the study have runs of their own.
    every = read_runs(sorted(run_ids(project)), root=project.root)
    assert sorted(run.name for run in every if "weights_sha256" in run.tags) == sorted(NETWORKS)
    assert not [run.name for run in every if run.experiment == "evaluate"]
    head = project.run("git", "rev-parse", "HEAD").strip()
    for name, network in NETWORKS.items():
        experiment = "finetune-simulated" if "-seed" in name else "pretrain-simulated"
        run = read_run(project.profile / network, root=project.root)
        assert (run.name, run.experiment, run.status) == (name, experiment, "FINISHED")
        assert run.tags["mlflow.source.git.commit"] == head
        assert run.tags["git.dirty"] == "true"  # params.yaml differs from the commit
        # Precision only where the network, barely trained, predicts anything.
        assert {"iou", "accuracy", "best_val_iou", "train_loss"} <= set(run.metrics)
        assert run.tags["scored_on"] == ("neurons" if "-seed" in name else "validation_nuclei")
        assert "somanet.resumed" not in run.tags
        assert run.params["data.training.dvc"].endswith(".dir")


def test_mlflow_knows_the_data_by_dvc_s_hash(project: Project) -> None:
    pretrained = read_run(project.profile / NETWORKS["paper"], root=project.root)
    assert pretrained.datasets["source"] == project.recorded("data/packed/source")
    tuned = read_run(project.profile / NETWORKS["last3-seed0"], root=project.root)
    assert tuned.datasets == {name: project.recorded(f"data/packed/{name}") for name in ("target_train", "target_val")}
    assert all(digest.endswith(".dir") for digest in tuned.datasets.values())


def test_the_movie_is_a_run_below_its_network_s(project: Project) -> None:
    """Scored against the simulation's truth, and named with the hash of the weights that labelled it."""
    results = project.profile / "reports/movies/simulated"
    found = run_of_results(results, "manifest.json", root=project.root)
    assert found is not None
    movie = read_run(found, root=project.root)
    trained = read_run(project.profile / NETWORKS["all-seed0"], root=project.root)
    assert (movie.name, movie.experiment, movie.status) == ("movie simulated", "finetune-simulated", "FINISHED")
    assert movie.tags["mlflow.parentRunId"] == trained.run_id
    assert movie.tags["network_sha256"] == trained.tags["weights_sha256"]
    assert movie.params["track.min_track_h"] == "0.5"
    assert {"migration_n_cells", "tracks_points_detection_recall", "tracks_masks_TRA"} <= set(movie.metrics)
    manifest = json.loads((results / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["model"]["sha256"] == trained.tags["weights_sha256"]
    named = {p.name for p in results.iterdir()} - {"manifest.json"}
    assert set(manifest["files"]) == named >= {"report.html", "overlay.mp4", "tracks.csv", "summary.json"}
    scores = json.loads((project.profile / "reports/track/metrics.json").read_text(encoding="utf-8"))
    assert set(scores["simulated"]) == {"n_tracks", "n_points", "points_detection", "points_long", "masks"}
    numbers = json.loads((project.profile / "reports/migrate/metrics.json").read_text(encoding="utf-8"))
    assert {"numbers", "n_cells"} == set(numbers["simulated"]["reference"])


def test_the_study_is_one_page_and_one_run_over_all_its_trainings(project: Project) -> None:
    page = unpadded((project.profile / "reports/study.md").read_text(encoding="utf-8"))
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    assert rows[:7] == ["row", "---", "baseline: paper", "last3", "row", "---", "baseline: compact"]
    numbers = json.loads((project.profile / "reports/study.json").read_text(encoding="utf-8"))
    scores = json.loads((project.profile / "reports/evaluate/last3/metrics.json").read_text(encoding="utf-8"))
    assert numbers["last3"]["iou"] == scores["iou"]
    assert set(numbers["all"]["iou_from_reference"]) == {"value", "low", "high"}
    pictures = {path.name for path in (project.profile / "reports/study").iterdir()}
    assert pictures == {"loss_final.png", "panels.png"}  # the others compare runs that this profile lacks
    [key] = re.findall(rf"""`tags."{STUDY}" = '([0-9a-f]+)'`""", page)
    found = find_run({STUDY: key}, root=project.root)
    assert found is not None
    study = read_run(found, root=project.root)
    assert (study.experiment, study.status) == ("finetune-simulated", "FINISHED")
    for network in NETWORKS.values():
        tags = read_run(project.profile / network, root=project.root).tags
        assert tags[study_tag(found)] == study.name
        assert "mlflow.parentRunId" not in tags


def test_dvc_shows_metrics_and_plots(project: Project) -> None:
    shown = json.loads(project.dvc("metrics", "show", "--json").splitlines()[0])[""]["data"]
    assert len(shown) == 2 * 2 + 2 + 4  # networks on nuclei and neurons, variants; tracks, migration, cohort, trust
    assert 0 <= shown["reports/scores/tuned/last3.json"]["data"]["iou"] <= 1
    project.dvc("plots", "show", "--out", "build/plots")
    page = (project.profile / "build/plots/index.html").read_text(encoding="utf-8")
    assert "last3: IoU on the validation neurons" in page
    assert "last3: loss on training samples and on the validation neurons" in page
    history = pd.read_csv(project.profile / "reports/finetune/last3/history.csv")
    assert history["epoch"].tolist() == [1, 2]


def test_a_forced_run_gives_the_same_bytes(project: Project) -> None:
    """Every stage runs again: no output has a time, a run's id or what else differs, and git shows no change."""
    lock = (project.profile / "dvc.lock").read_bytes()
    before = project.run("git", "status", "--porcelain")
    ran = project.dvc("repro", "--force").count("Running stage")
    assert ran == len(STAGES) + 1  # and `names`
    assert (project.profile / "dvc.lock").read_bytes() == lock
    assert project.run("git", "status", "--porcelain") == before


def test_a_misspelt_parameter_stops_with_one_line(project: Project) -> None:
    """DVC finds the changed section, the stage finds the key that it does not know."""
    before = (project.profile / "params.yaml").read_text(encoding="utf-8")

    def misspell(params: dict[str, Any]) -> None:
        params["finetune"]["last3"]["training"]["learning_rates"] = 0.1

    project.change(misspell)
    output = project.dvc("repro", ok=False)
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert errors == [
        "error: params.yaml: unknown parameter 'finetune.last3.training.learning_rates'. Did you mean 'learning_rate'?"
    ]
    assert "Traceback" not in output
    (project.profile / "params.yaml").write_text(before)
    # DVC removed the outputs of the stage before it failed
    assert project.repro() <= {"finetune@last3", "evaluate@last3", "compare", "study"}
    assert project.repro() == set()


def test_deleted_outputs_come_back_from_the_cache_and_keep_their_runs(project: Project) -> None:
    """As on another computer: reports come with git, `dvc checkout` brings networks and data, nothing runs."""
    before = run_ids(project)
    trained_by = read_run(project.profile / NETWORKS["paper"], root=project.root).run_id
    weights = project.profile / "models/pretrain/paper/model.safetensors"
    content = weights.read_bytes()
    networks = [path for kind in ("pretrain", "finetune") for path in (project.profile / "models" / kind).iterdir()]
    for path in (*networks, project.profile / "data/packed", project.profile / "data/raw"):
        if path.is_dir():  # the .gitignore beside the networks comes with git
            shutil.rmtree(path)
    project.dvc("checkout")
    assert project.repro() == set()
    assert weights.read_bytes() == content
    assert run_ids(project) == before
    assert read_run(project.profile / NETWORKS["paper"], root=project.root).run_id == trained_by


def test_a_setting_of_tracking_runs_from_there(project: Project) -> None:
    project.change(lambda params: params["track"].update(min_track_h=1.0))
    assert project.repro() <= {"track", "migrate", "report", "cohort"}  # what follows only if the tracks differ
    assert project.repro() == set()


def test_one_variant_s_parameter_runs_that_variant_again(project: Project) -> None:
    def slower(params: dict[str, Any]) -> None:
        params["finetune"]["last3"]["training"]["learning_rate"] = 5e-4

    project.change(slower)
    assert project.repro() == {"finetune@last3", "evaluate@last3", "compare", "study"}
    run = read_run(project.profile / NETWORKS["last3-seed0"], root=project.root)
    assert run.params["training.learning_rate"] == "0.0005"


@pytest.fixture(scope="module")
def shared(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The remote: results are pushed to a folder. A profile's data are not: its lock names what no cache holds."""
    folder = tmp_path_factory.mktemp("remote")
    project.dvc("remote", "add", "--default", "lab", str(folder))
    project.run(sys.executable, "-m", "dvc", "repro", "data", cwd=project.root / "profiles/study")
    assert (project.root / "profiles/study/dvc.lock").exists()
    project.commit("results")
    project.dvc("push")
    return folder


def test_two_colleagues_share_results_and_an_experiment(project: Project, shared: Path, tmp_path: Path) -> None:
    """One pulls what the other pushed, tries a setting, applies and pushes it; the other pulls that."""
    colleague = project.clone(tmp_path / "clone")
    check_that_every_command_speaks_of(colleague, other="profiles/")
    files = [path for path in shared.rglob("*") if path.is_file()]
    colleague.dvc("exp", "run", "-S", "track.min_track_h=1.25", "--name", "longer-tracks")
    assert "longer-tracks" in colleague.dvc("exp", "list", "--name-only")
    colleague.run("git", "checkout", "--quiet", ".")
    colleague.dvc("checkout")
    colleague.dvc("exp", "apply", "longer-tracks")
    params = yaml.safe_load((colleague.profile / "params.yaml").read_text(encoding="utf-8"))
    assert params["track"]["min_track_h"] == 1.25
    assert colleague.repro() == set()
    colleague.commit("only longer tracks")
    colleague.dvc("push")
    assert len([path for path in shared.rglob("*") if path.is_file()]) > len(files)

    project.run("git", "pull", "--quiet", "--ff-only", str(colleague.root), "HEAD")
    project.dvc("pull")
    assert json.loads(project.dvc("status", "--json")) == {"names": ["always changed"]}
    assert project.recorded("data/tracks") == colleague.recorded("data/tracks")
    assert project.repro() == set()


def test_results_are_read_from_a_web_server_that_takes_none(project: Project, shared: Path, tmp_path: Path) -> None:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(shared))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        reader = project.clone(tmp_path / "clone")
        reader.dvc("remote", "add", "--local", "--default", "web", f"http://127.0.0.1:{server.server_port}")
        check_that_every_command_speaks_of(reader, other="profiles/")
        (reader.profile / "data/raw/movies.json").write_text("{}")
        reader.dvc("commit", "--force", "data")
        assert "failed to push" in reader.dvc("push", ok=False)
        server.shutdown()


def test_repro_alone_restores_what_was_deleted(project: Project) -> None:
    """Last, as it would leave a new run behind if it failed."""
    file = project.profile / "reports/finetune/last3/training.json"
    named = file.read_text(encoding="utf-8")
    for path in ("models/finetune/last3", "reports/finetune/last3"):
        shutil.rmtree(project.profile / path)
    assert project.repro() == set()
    assert file.read_text(encoding="utf-8") == named
