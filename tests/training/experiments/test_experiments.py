"""A training with its files and its MLflow run, on drawn images."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from somanet.config import load_params
from somanet.core.errors import SomaNetError
from somanet.io.images import read_image
from somanet.provenance.mlflow import load_logged_model, read_run
from somanet.provenance.mlflow.client import open_client
from somanet.provenance.mlflow.params import flatten
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import save_checkpoint
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.experiments import (
    Profile,
    Recording,
    dataset_ref,
    history_table,
    load_items,
    origin_of,
    run_training,
    several_trainings,
    stage,
    write_scores,
    write_training,
)
from somanet.training.experiments.state import Trainings
from somanet.training.loop import training
from somanet.training.loop.start import start_network
from somanet.training.loop.task import TrainingTask
from tests.training.experiments.worlds import (
    SETTINGS,
    artifacts,
    make_training_project,
    steps,
    train_here,
    weights_sha256,
)
from tests.worlds import mlflow_may_warn, save_bright_network, scene

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _mlflow_may_warn():
    with mlflow_may_warn():
        yield


def flat(values: dict, prefix: str = "") -> set[str]:
    """The dotted names of nested settings; an empty value has none below it."""
    names: set[str] = set()
    for key, value in values.items():
        names |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}"}
    return names


def test_a_training_leaves_a_checkpoint_and_no_state(project: Path, trained) -> None:
    config = json.loads((project / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["weights"]["sha256"] == weights_sha256(project / "model")
    assert config["training"] == {**SETTINGS.model_dump(mode="json"), "seed": 5}
    assert config["best_epoch"] == trained.best_epoch
    assert config["start_weights_sha256"] is None
    assert config["trainable_parameters"] == 1_944_529
    assert list((project / "mlruns" / "resume").iterdir()) == []


def test_the_run_has_every_hyperparameter(project: Path, trained) -> None:
    run = read_run(project / "report", root=project)
    assert (run.name, run.experiment, run.status) == ("small", "pretrain", "FINISHED")
    settings = {"model": ModelSpec().model_dump(mode="json"), "training": SETTINGS.model_dump(mode="json"), "seed": 5}
    assert flat(settings) - set(run.params) == set()
    assert {run.params[f"data.{use}.images"] for use in ("training", "validation", "unlabelled")} == {"3", "1", "0"}
    named = ("variant", "data.training.name", "data.training.dvc", "start_weights", "dvc_experiment")
    assert [run.params[name] for name in named] == ["small", "nuclei", "0" * 32 + ".dir", "none", "none"]
    assert run.params["training.learning_rate"] == "0.002"
    assert run.params["training.loss"] == "bce+dice"
    assert run.params["seed"] == "5"


def test_two_variants_with_the_same_settings_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`compact_all` and `compact_scratch` of the default profile, which differ in their initial weights only."""
    params = load_params(ROOT / "params.yaml")
    spec = params.pretrain["compact"].model
    save_checkpoint(tmp_path / "compact", build_model(spec, load_encoder_weights=False), spec, {})
    found, items = {}, [scene("a"), scene("b")]
    for name in ("compact_all", "compact_scratch"):
        chosen = params.finetune[name]
        model, _, digest = start_network(spec, seed=0, checkpoint=tmp_path / "compact", weights=chosen.weights)
        decides = TrainingTask(model, spec, items, items[:1], chosen.training, seed=0).parameters()
        profile = Profile("real")
        recording = Recording.of_stage("finetune", name, [], profile=profile, about=origin_of(chosen), seed=0)
        found[name] = flatten(decides) | flatten(recording.parameters()) | {"start_weights": digest or "none"}
    one, other = found.values()
    differing = {key for key in one if one[key] != other[key]}
    assert differing == {"variant", "weights", "initial_weights", "start_weights"}
    assert (one["start"], one["profile"], one["dvc_experiment"]) == ("compact", "real", "none")


def test_a_run_is_named_by_profile_variant_experiment_and_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    real, simulated = Profile("real"), Profile(simulated=True)

    def named(profile: Profile, **more) -> tuple[str, str, str]:
        recording = Recording.of_stage("finetune", "last3", [], profile=profile, **more)
        return recording.experiment, recording.name, recording.model

    assert named(simulated, seed=2) == ("finetune-simulated", "last3-seed2", "last3")
    assert named(real, seed=0) == ("finetune", "real/last3-seed0", "last3")
    monkeypatch.setenv("DVC_EXP_NAME", "loud-fox")
    assert named(real, seed=0) == ("finetune", "real/last3@loud-fox-seed0", "last3")
    assert Recording.here("train", "my network", []).name == "my network@loud-fox"
    assert Recording.here("train", "my network.v2", []).model == "my_network_v2"


def test_runs_of_one_network_share_a_tag_that_no_other_network_has(project: Path) -> None:
    """Three seeds of a training from scratch, the first two with images that the seed draws; then other settings."""
    items = load_items(project / "nuclei")
    tags = []
    for number, (seed, chosen, settings) in enumerate(
        [(1, items[:2], SETTINGS), (2, items[1:3], SETTINGS), (3, items[:2], SETTINGS.model_copy(update={"epochs": 1}))]
    ):
        model, spec, _ = start_network(ModelSpec(), seed=seed)
        datasets = [dataset_ref(project / "nuclei", "training", chosen)]
        with several_trainings(at_exit=True) as trainings:
            run_training(
                TrainingTask(
                    model,
                    spec,
                    chosen,
                    items[3:],
                    settings.model_copy(update={"epochs": 1, "learning_rate": 1e-3 * settings.epochs}),
                    seed=seed,
                ),
                checkpoint=project / f"shared{number}",
                run_file=project / f"shared{number}.json",
                recording=Recording(project, "shared", "v", datasets, seed=seed),
                trainings=trainings,
            )
        tags.append(read_run(project / f"shared{number}.json", root=project).tags["network"])
    assert tags[0] == tags[1] != tags[2]
    assert all(tag.startswith("v ") for tag in tags)


def test_the_run_has_each_epoch_once_and_the_end(project: Path, trained) -> None:
    run = read_run(project / "report", root=project)
    for metric in ("train_loss", "train_iou", "val_loss", "val_iou", "learning_rate"):
        assert steps(project, run.run_id, metric) == [1, 2], metric
    for metric in ("iou", "precision", "accuracy"):
        assert set(steps(project, run.run_id, metric)) <= {1, 2}, metric
    assert set(steps(project, run.run_id, "iou")) == {1, 2}
    assert run.metrics["best_val_iou"] == pytest.approx(trained.best_val_iou)
    assert run.metrics["best_epoch"] == trained.best_epoch
    assert run.metrics["trainable_parameters"] == run.metrics["parameters"] == 1_944_529


def test_the_run_names_its_data_its_code_and_its_weights(project: Path, trained) -> None:
    run = read_run(project / "report", root=project)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True)
    assert run.datasets == {"nuclei": "0" * 32 + ".dir"}
    assert run.tags["mlflow.source.git.commit"] == head.stdout.strip()
    assert run.tags["git.dirty"] == "false"
    assert run.tags["variant"] == "v1"
    assert run.tags["start_weights_sha256"] == "random"
    assert run.tags["weights_sha256"] == weights_sha256(project / "model")


def test_the_run_has_the_curves_and_a_model_that_labels_images(project: Path, trained) -> None:
    run_id = read_run(project / "report", root=project).run_id
    assert artifacts(project, run_id) >= {"tables/history.csv", "figures/curves.png"}
    [logged] = open_client(project).get_run(run_id).outputs.model_outputs
    model = load_logged_model(f"models:/{logged.model_id}", project)
    image = load_items(project / "nuclei")[0].image
    expected = Segmenter.of(trained.model, ModelSpec()).segment(image)
    found = model.predict(image)
    np.testing.assert_array_equal(found["labels"], expected.labels_YX)
    np.testing.assert_array_equal(found["confidence"], expected.confidence)


def test_the_files_of_trainings(project: Path, trained, tmp_path: Path) -> None:
    checkpoints = dict.fromkeys((5, 6), project / "model")
    write_training(tmp_path, {5: trained, 6: trained}, checkpoints)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history[["seed", "epoch"]].to_numpy().tolist() == [[5, 1], [5, 2], [6, 1], [6, 2]]
    assert list(history.columns) == [*history_table(trained).columns, "seed"]
    told = json.loads((tmp_path / "training.json").read_text(encoding="utf-8"))
    assert told["best_epochs"] == {"5": trained.best_epoch, "6": trained.best_epoch}
    assert told["trainable_parameters"] == 1_944_529
    assert told["weights_sha256"] == dict.fromkeys(("5", "6"), weights_sha256(project / "model"))
    assert told["seconds_per_seed"] == round(trained.seconds, 1)
    assert read_image(tmp_path / "curves.png").ndim == 3
    once, again = (tmp_path / name for name in ("once", "again"))
    slower = replace(trained, seconds=trained.seconds + 60)
    write_training(once, {5: trained}, {5: project / "model"}, stage="pretrain")
    write_training(again, {5: slower}, {5: project / "model"}, stage="pretrain")
    assert {p.name: p.read_bytes() for p in once.iterdir()} == {p.name: p.read_bytes() for p in again.iterdir()}


def test_only_validated_epochs_are_in_their_own_table(project: Path, trained, tmp_path: Path) -> None:
    """`dvc plots` draws an empty cell as 0: the table that it draws has none."""
    first, second = trained.history
    unseen = replace(first, val_loss=math.nan, val_iou=math.nan)
    write_training(tmp_path, {5: replace(trained, history=(unseen, second))}, {5: project / "model"}, stage="pretrain")
    assert pd.read_csv(tmp_path / "history.csv")["epoch"].tolist() == [1, 2]
    validated = pd.read_csv(tmp_path / "validation.csv")
    assert validated.columns.tolist() == ["epoch", "val_loss", "val_iou", "seed"]
    assert validated.to_numpy().tolist() == [[2, pytest.approx(second.val_loss), pytest.approx(second.val_iou), 5]]


def test_scores_of_a_row_are_few_rounded_and_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_scores("tuned/a", {"iou": 2 / 3, "precision": math.nan, "recall": None})
    written = json.loads(Path("reports/scores/tuned/a.json").read_text(encoding="utf-8"))
    assert written == {"iou": 0.666667, "precision": None, "recall": None}


def test_a_failed_training_is_a_failed_run_and_leaves_no_checkpoint(project: Path) -> None:
    hopeless = SETTINGS.model_copy(update={"learning_rate": 1e30, "epochs": 3})
    before = weights_sha256(project / "model") if (project / "model").exists() else None
    with pytest.raises(SomaNetError, match="learning rate"):
        train_here(project, hopeless)
    client = open_client(project)
    [last] = client.search_runs([client.get_experiment_by_name("pretrain").experiment_id], max_results=1)
    assert last.info.status == "FAILED"
    assert (weights_sha256(project / "model") if (project / "model").exists() else None) == before


def test_a_seed_that_is_done_survives_the_killing_of_a_later_one(project: Path, tmp_path: Path) -> None:
    """DVC deletes the stage's outputs before it runs again: both come back, the first without a single step."""
    items = load_items(project / "nuclei")
    steps_taken: list[str] = []
    before = set((project / "mlruns" / "resume").iterdir())

    def train_seed(seed: int, trainings: Trainings):
        model, spec, _ = start_network(ModelSpec(), seed=seed)
        return run_training(
            TrainingTask(model, spec, items[:3], items[3:], SETTINGS, seed=seed),
            checkpoint=tmp_path / f"model{seed}",
            run_file=tmp_path / f"run{seed}.json",
            recording=Recording(project, "several", f"seed{seed}"),
            score_training_images=True,
            trainings=trainings,
        )

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt), several_trainings(at_exit=True) as trainings:
        first = train_seed(1, trainings)
        run_id, digest = read_run(tmp_path / "run1.json", root=project).run_id, weights_sha256(tmp_path / "model1")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training, "validate", fail)
            train_seed(2, trainings)
    for path in (tmp_path / "model1", tmp_path / "run1.json"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    with pytest.MonkeyPatch.context() as patch, several_trainings(at_exit=True) as trainings:
        step = torch.optim.Adam.step
        patch.setattr(torch.optim.Adam, "step", lambda *args: (steps_taken.append("step"), step(*args))[1])
        again = train_seed(1, trainings)
        assert steps_taken == []
        train_seed(2, trainings)
        assert len(steps_taken) == 2  # 2 epochs of 3 images, in one batch, as 2 and 1 would leave one alone
    assert weights_sha256(tmp_path / "model1") == digest
    assert read_run(tmp_path / "run1.json", root=project).run_id == run_id
    assert (again.history, again.seconds) == (first.history, first.seconds)
    assert again.train_images_iou == first.train_images_iou >= 0
    assert steps(project, run_id, "val_iou") == [1, 2]
    left = [path.name for path in set((project / "mlruns" / "resume").iterdir()) - before]
    assert [name for name in left if name.endswith((".pt", ".done.json", ".lock"))] == []


TRAIN = """
import sys, time
from pathlib import Path
from somanet.training.experiments import training
from tests.training.experiments.worlds import SETTINGS, train_here
stop_after = sys.argv[2]
echo = training.echo
def echo_and_wait(line):
    echo(line)
    sys.stdout.flush()
    if f"epoch {stop_after}/" in line:
        time.sleep(600)
training.echo = echo_and_wait
train_here(Path(sys.argv[1]), SETTINGS.model_copy(update={"epochs": 4, "schedule": "cosine", "ema_decay": 0.5}))
"""


def start_training(project: Path, stop_after: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(project), stop_after],
        cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def run_to_the_end(project: Path) -> None:
    _, errors = (process := start_training(project, "never")).communicate(timeout=300)
    assert process.returncode == 0, errors


@pytest.mark.slow
def test_a_killed_training_goes_on_in_its_run_and_ends_the_same(tmp_path: Path, tmp_path_factory) -> None:
    """Killed after epoch 2 of 4 and started again: one run, each epoch once, the weights of an undisturbed one."""
    killed, undisturbed = (
        make_training_project(tmp_path / name, tmp_path_factory.getbasetemp()) for name in ("killed", "undisturbed")
    )
    process = start_training(killed, "2")
    assert process.stdout is not None
    while "epoch 2/4" not in (line := process.stdout.readline()):
        assert line, process.communicate()[1]
    process.kill()
    process.communicate()
    [state] = (killed / "mlruns" / "resume").glob("*.json")
    first_run = json.loads(state.read_text(encoding="utf-8"))["run_id"]
    assert read_run(first_run, root=killed).status == "RUNNING"
    assert not (killed / "model").exists()

    run_to_the_end(killed)
    run_to_the_end(undisturbed)
    assert weights_sha256(killed / "model") == weights_sha256(undisturbed / "model")
    assert (killed / "model/config.json").read_bytes() == (undisturbed / "model/config.json").read_bytes()
    run = read_run(killed / "report", root=killed)
    assert run.run_id == first_run
    assert run.status == "FINISHED"
    for metric in ("train_loss", "val_iou"):
        assert steps(killed, first_run, metric) == [1, 2, 3, 4]
    twin = read_run(undisturbed / "report", root=undisturbed)
    for metric in ("train_loss", "val_loss", "best_val_iou"):
        assert run.metrics[metric] == twin.metrics[metric]
    assert list((killed / "mlruns" / "resume").iterdir()) == []


# Where a training begins


def test_where_a_network_begins(tmp_path: Path) -> None:
    saved = save_bright_network(tmp_path / "model")
    model, spec, digest = start_network(ModelSpec(), seed=1, checkpoint=saved, weights="pretrained")
    assert digest == weights_sha256(saved)
    assert float(model.state_dict()["head.bias"]) == -10
    fresh = [start_network(spec, seed=seed, checkpoint=saved, weights="random") for seed in (1, 1, 2)]
    a, b, c = (model.state_dict()["head.weight"] for model, _, _ in fresh)
    assert a.equal(b)
    assert not a.equal(c)
    assert {digest for _, _, digest in fresh} == {None}


# The small ones


def test_a_data_set_is_described_by_what_was_used_of_it(tmp_path: Path) -> None:
    """Two images with two somas each of the four in the folder."""
    reference = dataset_ref(tmp_path / "nuclei", "training", [scene("a"), scene("b")])
    assert (reference.name, reference.n_images, reference.profile) == ("nuclei", 2, {"n_objects": 4})
    assert dataset_ref(tmp_path, "x", []).profile == {"n_objects": 0}


def test_a_part_of_a_split_is_loaded(project: Path, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("image_id,split\na,train\nc,train\nb,val\n")
    names = {part: [i.name for i in load_items(project / "nuclei", split=tmp_path / "split.csv", part=part)]
             for part in ("train", "val", "test")}  # fmt: skip
    assert names == {"train": ["a", "c"], "val": ["b"], "test": []}
    assert len(load_items(project / "nuclei")) == 4


def test_a_stage_ends_with_one_line() -> None:
    def main(name: str) -> None:
        raise SomaNetError(f"no {name}")

    with pytest.raises(SystemExit) as ended:
        stage(main, "data")
    assert ended.value.code == "error: no data"
    with pytest.raises(ZeroDivisionError):  # a bug is not a user error: it keeps its traceback
        stage(lambda: print(1 / 0))


@pytest.mark.parametrize("rank", ["0", "1"])
def test_only_the_first_process_records(rank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from somanet.training.experiments import is_main_process

    monkeypatch.setenv("RANK", rank)
    assert is_main_process() is (rank == "0")
