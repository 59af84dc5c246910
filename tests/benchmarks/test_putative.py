"""Putative labels: sure pixels stay, the others go to where the image leads, and the patches are a mean teacher's."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve

from benchmarks.few_labels import putative
from benchmarks.few_labels.plan import PUTATIVE, recipe
from benchmarks.few_labels.putative import BETA, mixed, putative_labels, settled, shares, train_in_rounds
from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.task import TrainingTask
from tests.worlds import bright_network, draw, photograph, scene


def harmonic(image: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """The walker's probability to reach soma first, by Grady's linear system, every edge written out."""
    shape, n = image.shape, image.size
    numbers = np.arange(n).reshape(shape)
    pairs = np.concatenate(
        [
            np.stack([numbers[:, :-1].ravel(), numbers[:, 1:].ravel()]),
            np.stack([numbers[:-1].ravel(), numbers[1:].ravel()]),
        ],
        axis=1,
    )
    weights = np.exp(-BETA * np.diff(image.ravel()[pairs], axis=0)[0] ** 2 / (10 * image.std())) + 1e-10
    adjacency = coo_matrix((weights, pairs), (n, n)).tocsr()
    adjacency = adjacency + adjacency.T
    laplacian = (diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency).tocsr()
    unknown, soma = np.flatnonzero(seeds.ravel() == 0), np.flatnonzero(seeds.ravel() == 1)
    reached = (seeds == 1).astype(float).ravel()
    reached[unknown] = spsolve(
        laplacian[unknown][:, unknown].tocsc(), -laplacian[unknown][:, soma] @ np.ones(len(soma))
    )
    return reached.reshape(shape)


def test_unsure_pixels_go_where_a_random_walk_over_the_image_leads() -> None:
    """A soma of 9 x 15 px of which the network is sure only of the middle column; half of it is twice as bright."""
    rng = np.random.default_rng(0)
    image = rng.normal(0.1, 0.01, (23, 31))
    image[7:16, 8:23] += 0.5
    soma = np.full(image.shape, 0.02)
    soma[5:18, 6:25] = 0.5
    soma[9:14, 15] = 0.97
    found = settled(soma.astype(np.float32), image.astype(np.float32))
    seeds = np.where(soma > 0.9, 1, np.where(soma < 0.1, 2, 0))
    expected = harmonic(image, seeds)
    clear = np.abs(expected - 0.5) > 0.01  # rounding decides the others
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(found[clear], (expected > 0.5)[clear])
    assert found[7:16, 8:23].mean() > 0.95  # the whole soma, though the network was unsure
    assert found.sum() < 1.1 * 9 * 15


def test_without_both_kinds_of_sure_pixels_the_network_decides() -> None:
    image = np.zeros((4, 6), np.float32)
    for soma in (np.full((4, 6), 0.6), np.full((4, 6), 0.95), np.full((4, 6), 0.01), np.full((4, 6), 0.4)):
        np.testing.assert_array_equal(settled(soma.astype(np.float32), image), soma > 0.5)
    sure = np.where(np.arange(6) < 2, 0.95, 0.05) * np.ones((4, 1))
    np.testing.assert_array_equal(settled(sure.astype(np.float32), image), sure > 0.5)


def test_labels_of_an_image_are_its_somas() -> None:
    labels = draw("........ .aaa.bb. .aaa.bb. ........")
    found = putative_labels(bright_network().eval(), ModelSpec(), photograph(labels))
    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize("ratio", [(8, 12), (8, 8), (3, 1)])
def test_crops_and_frames_are_drawn_in_this_ratio(ratio: tuple[int, int]) -> None:
    image, labels = np.zeros((4, 6), np.uint8), np.zeros((4, 6), np.int32)
    crops = [LabelledImage(f"c{n}", image, labels) for n in range(5)]
    frames = [LabelledImage(f"f{n}", image, labels) for n in range(7)]
    counts = Counter(item.name for item in mixed(crops, frames, ratio))
    assert len(counts) == 12
    assert len({counts[item.name] for item in crops}) == len({counts[item.name] for item in frames}) == 1
    drawn = {kind: sum(n for name, n in counts.items() if name[0] == kind) for kind in "cf"}
    assert drawn["c"] * ratio[1] == drawn["f"] * ratio[0]


def test_rounds_share_the_steps() -> None:
    assert [shares(steps, 3) for steps in (3, 10, 60)] == [[1, 1, 1], [3, 3, 4], [20, 20, 20]]
    with pytest.raises(SomaNetError, match="a step or more in each of 3 rounds, found 2"):
        shares(2, 3)


def test_as_many_patches_as_a_mean_teacher_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """30 steps of 8 labelled and 8 unlabelled: 10 of 8, then 20 of 8 labelled and 12 others."""
    tasks: list[TrainingTask] = []

    def remember(task: TrainingTask, **_: Any) -> None:
        tasks.append(task)

    monkeypatch.setattr(putative, "train", remember)
    variant = {"start": "paper", "weights": "pretrained", "training": {"ema_decay": 0.9, "device": "cpu"}}
    settings = recipe(variant, ["training.epochs=3", "training.samples_per_epoch=80"], PUTATIVE).training
    crops, frames = [scene("a"), scene("b")], [scene("x").image, scene("y").image]
    train_in_rounds(bright_network().eval(), ModelSpec(), crops, frames, settings, seed=2)
    assert [(task.settings.batch_size, task.settings.samples_per_epoch) for task in tasks] == [
        (8, 80), (20, 200), (20, 200),
    ]  # fmt: skip
    assert len({task.seed for task in tasks}) == 3
    assert all(task.settings.unlabelled is None and not task.unlabelled for task in tasks)
    assert tasks[0].settings.ema_decay == pytest.approx(0.9**3)
    share = [sum(item.name.startswith("frame") for item in task.train_items) / len(task.train_items) for task in tasks]
    assert share == pytest.approx([0, 0.6, 0.6])
    [labelled] = {item.labels.tobytes() for item in tasks[1].train_items if item.name == "frame 0"}
    assert labelled == scene().labels.tobytes()
