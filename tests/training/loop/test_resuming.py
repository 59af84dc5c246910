"""Trainings that were killed end like an undisturbed one."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.provenance.mlflow.params import flatten
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.task import TrainingTask, name_of
from somanet.training.loop.training import Epoch
from tests.training.loop.trainings import SPEC, assert_equal, normed, run, settings, tiny, weights

ROOT = Path(__file__).resolve().parents[3]

# Names and resumption


def test_a_training_is_named_by_all_that_determines_it(items: list[LabelledImage]) -> None:
    def key(
        model: nn.Module | None = None,
        spec: ModelSpec = SPEC,
        train_items: Sequence[LabelledImage] = items[1:],
        val_items: Sequence[LabelledImage] = items[:1],
        choice: TrainSettings | None = None,
        seed: int = 0,
        unlabelled: Sequence[np.ndarray] = (),
    ) -> str:
        """Its name, after checking that it and what MLflow shows of it differ from those before together."""
        choice = choice or settings()
        given = (model or tiny(), spec, train_items, val_items, choice)
        parameters = TrainingTask(*given, seed=seed, unlabelled=unlabelled).parameters()
        name = name_of(parameters)
        shown = tuple(sorted(flatten(parameters).items()))
        assert names_by_params.setdefault(shown, name) == name
        return name

    names_by_params: dict[object, str] = {}
    brighter = dataclasses.replace(items[1], image=items[1].image + 1)
    relabelled = dataclasses.replace(items[0], labels=items[0].labels * 2)
    keys = [
        key(),
        key(model=tiny(1)),
        key(spec=ModelSpec(input="contrasts")),
        key(train_items=items[2:]),
        key(train_items=items[:0:-1]),
        key(train_items=[dataclasses.replace(items[1], name="renamed"), *items[2:]]),
        key(train_items=[brighter, *items[2:]]),
        key(val_items=[relabelled]),
        key(choice=settings(epochs=4)),
        key(seed=1),
        key(unlabelled=[items[0].image]),
        key(unlabelled=[items[0].image + 1]),
        key(unlabelled=[items[0].image, items[0].image]),
    ]
    assert len(set(keys)) == len(keys) == len(names_by_params)
    assert key() == keys[0]


def leaves(values: dict[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        yield from leaves(value, (*before, name)) if isinstance(value, dict) and value else [(*before, name)]


def test_every_setting_is_among_the_parameters_of_a_run(items: list[LabelledImage]) -> None:
    """Each leaf of both settings types, changed alone, changes the run's parameters and the training's name."""
    parameters = TrainingTask(tiny(), SPEC, items[1:], items[:1], settings(), seed=0).parameters()
    found = list(leaves(parameters))
    assert {("training", "learning_rate"), ("model", "instances", "threshold"), ("seed",)} <= set(found)
    unmentioned = {"evaluation": "batch statistics", "init": "kaiming"}  # while they are the usual ones
    assert {*ModelSpec.model_fields} == {*parameters["model"], *unmentioned}
    for name, unusual in unmentioned.items():
        spec = SPEC.model_copy(update={name: unusual})
        other = TrainingTask(tiny(), spec, items[1:], items[:1], settings(), seed=0).parameters()
        assert other["model"][name] == unusual
        assert name_of(other) != name_of(parameters)
    assert {*TrainSettings.model_fields} == {*parameters["training"]}
    for path in found:
        other = copy.deepcopy(parameters)
        section = other
        for name in path[:-1]:
            section = section[name]
        section[path[-1]] = "something else"
        assert flatten(other) != flatten(parameters), path
        assert name_of(other) != name_of(parameters), path


def test_what_is_scored_for_the_record_changes_no_weight(items: list[LabelledImage]) -> None:
    """The object scores of validated epochs, which come last in an epoch's row; without them it lacks only these."""

    class Counted:
        def __init__(self) -> None:
            self.names: list[str] = []

        def add(self, item: LabelledImage, probabilities_CYX: np.ndarray) -> None:
            assert probabilities_CYX.shape == (1, *item.labels.shape)
            self.names.append(item.name)

        def scores(self) -> dict[str, float]:
            return {"iou": len(self.names), "precision": 0.5, "accuracy": math.nan}

    choice = settings(epochs=5, validate_every=2)
    plain, scored = (run(tiny(), items, choice, seed=5, score_objects=scores) for scores in (None, Counted))
    assert_equal(weights(plain.model), weights(scored.model))
    assert plain.best_epoch == scored.best_epoch
    assert [epoch.iou for epoch in scored.history if not math.isnan(epoch.iou)] == [2, 2, 2]
    rows = [epoch.as_dict() for epoch in scored.history]
    assert [row.pop("iou", 0) for row in rows] == [0, 2, 0, 2, 2]
    assert [row.pop("precision", 0) for row in rows] == [0, 0.5, 0, 0.5, 0.5]
    pd.testing.assert_frame_equal(pd.DataFrame(rows), pd.DataFrame([epoch.as_dict() for epoch in plain.history]))
    assert [Epoch.from_dict(epoch.as_dict()).precision for epoch in scored.history[1:2]] == [0.5]


KILLED_MIDWAY = """
import sys
import time
from pathlib import Path

import torch
from torch import nn

from somanet.io.datasets.layouts import LabelledImage
from somanet.training.loop import training
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.task import TrainingTask

torch.set_num_threads(1)
folder = Path(sys.argv[1])
saved = torch.load(folder / "items.pt", weights_only=True)
items = [LabelledImage(name, image.numpy(), labels.numpy()) for name, image, labels in saved]
steps = 0
count_iou = training.batch_iou

def wait_in_the_middle(*arguments):
    global steps
    steps += 1
    if steps == 6:  # two steps an epoch: the last of the third, its weights moved and not yet saved
        print("waiting", flush=True)
        time.sleep(600)
    return count_iou(*arguments)

training.batch_iou = wait_in_the_middle
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 1, 1))
choice = TrainSettings.model_validate_json((folder / "settings.json").read_text())
training.train(
    TrainingTask(model, ModelSpec(), items, items[:2], choice, seed=5), state_file=folder / "state.pt", progress=False,
)
"""


def test_killed_and_resumed_it_ends_the_same(items: list[LabelledImage], tmp_path: Path) -> None:
    """SIGKILL in the third epoch of five; the state on disk is the second's; resumed, every bit is the same."""
    choice = settings(
        epochs=5,
        augment={"mode": "online"},
        loss="bce+dice",
        optimizer="adamw",
        schedule="cosine",
        warmup_fraction=0.2,
        ema_decay=0.6,
        gradient_clip=1.0,
        weight_decay=0.01,
    )
    torch.save(
        [(item.name, torch.from_numpy(item.image), torch.from_numpy(item.labels)) for item in items],
        tmp_path / "items.pt",
    )
    (tmp_path / "settings.json").write_text(choice.model_dump_json())
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED_MIDWAY, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "waiting\n"
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert child.returncode == -signal.SIGKILL
    state_file = tmp_path / "state.pt"
    assert torch.load(state_file, weights_only=True)["epoch"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items.pt", "settings.json", "state.pt"]

    epochs: list[int] = []
    resumed = run(
        normed(), items, choice, seed=5, state_file=state_file, on_epoch=lambda epoch: epochs.append(epoch.epoch)
    )
    assert epochs == [3, 4, 5]
    whole = run(normed(), items, choice, seed=5)
    assert resumed.history == whole.history
    assert resumed.best_epoch == whole.best_epoch
    assert_equal(weights(resumed.model), weights(whole.model))


def test_a_finished_training_is_not_run_again(items: list[LabelledImage], tmp_path: Path) -> None:
    state_file = tmp_path / "state.pt"
    first = run(tiny(), items, settings(), state_file=state_file)
    epochs: list[Epoch] = []
    again = run(tiny(9), items, settings(), state_file=state_file, on_epoch=epochs.append)
    assert epochs == []
    assert again.history == first.history
    assert_equal(weights(again.model), weights(first.model))


@pytest.mark.parametrize("damage", ["cut", "not a state"])
def test_a_state_that_cannot_be_resumed(items: list[LabelledImage], tmp_path: Path, damage: str) -> None:
    state_file = tmp_path / "state.pt"
    run(tiny(), items, settings(epochs=1), state_file=state_file)
    if damage == "cut":
        state_file.write_bytes(state_file.read_bytes()[:-700])
    elif damage == "not a state":
        torch.save({"epoch": 3}, state_file)
    with pytest.raises(SomaNetError, match=r"Cannot resume from .*state\.pt .*Delete it to start this training over"):
        run(tiny(), items, settings(), state_file=state_file)
