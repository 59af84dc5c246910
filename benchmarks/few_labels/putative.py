"""Unlabelled frames with putative labels: sure pixels by the network, the others by their neighbours.

In the line of Xu, Su, Zhu, Guan and Zhang (Neuron Segmentation Based on CNN with Semi-Supervised Regularization, CVPR
Workshops 2016): a network labels frames itself, a term that is smooth over the image's graph settles the pixels that it
is not sure of, it is trained on these labels as well, and all of that is repeated. The graph term here is the random
walker (Grady 2006), whose solution is harmonic between the sure pixels, with weights that fall at the image's edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import random_walker
from torch import nn

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.inference.instances import probabilities_to_labels
from somanet.segmentation.inference.prediction import predict_input
from somanet.segmentation.network.inputs import to_input
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.task import TrainingTask
from somanet.training.loop.training import train

SURE = 0.9
"""Probability of soma, or of background, from which on the network's label stands."""
BETA = 130.0
"""Of the random walker: how much an edge of the image hinders it (scikit-image's default)."""
ROUNDS = 3
"""The first round has labelled crops alone, the others putative labels as well."""


def putative_labels(model: nn.Module, spec: ModelSpec, image: NDArray[Any]) -> NDArray[np.int32]:
    """Labels of an image by a network where it is sure, by the random walker elsewhere.

    Objects are told apart by the network's other outputs, as in every prediction.
    """
    input_CYX = to_input(image, spec)
    maps_CYX = predict_input(model, input_CYX, n_outputs=len(spec.outputs))
    soma = spec.outputs.index("soma")
    maps_CYX[soma] = settled(maps_CYX[soma], input_CYX[-1])
    return probabilities_to_labels(maps_CYX, spec.outputs, spec.instances)


def settled(soma_YX: NDArray[np.float32], intensity_YX: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 where a pixel is soma, 0 elsewhere: sure pixels as they are, the others by a random walk to the sure ones.

    Args:
        soma_YX: probability of soma.
        intensity_YX: the image, near-logarithmic, so that dim cells have edges as well.
    """
    seeds = np.where(soma_YX >= SURE, 1, np.where(soma_YX <= 1 - SURE, 2, 0))
    if {1, 2} - set(np.unique(seeds).tolist()):  # nowhere to walk to
        return (soma_YX >= 0.5).astype(np.float32)
    if seeds.all():
        return (seeds == 1).astype(np.float32)
    walked = random_walker(intensity_YX.astype(np.float64), seeds, beta=BETA, mode="bf")
    return (walked == 1).astype(np.float32)


def train_in_rounds(
    model: nn.Module,
    spec: ModelSpec,
    crops: Sequence[LabelledImage],
    frames: Sequence[NDArray[Any]],
    settings: TrainSettings,
    *,
    seed: int,
) -> None:
    """Train a network in place with as many labelled and as many unlabelled patches as a mean teacher has.

    The steps are shared between the rounds. All unlabelled patches fall into the later ones, so that a step there has
    more of them. The rate falls, and the average forgets, in every round as in a whole training.

    Args:
        model: the network that the first round starts from.
        spec: its inputs and outputs.
        crops: labelled images.
        frames: images without labels.
        settings: of a mean teacher's training; of its `unlabelled` only the number of patches counts.
        seed: of patches and augmentation.
    """
    steps = settings.epochs * math.ceil((settings.samples_per_epoch or len(crops)) / settings.batch_size)
    per_round = shares(steps, ROUNDS)
    n_unlabelled = 0 if settings.unlabelled is None else settings.unlabelled.batch_size
    unlabelled = round(n_unlabelled * steps / (steps - per_round[0]))
    items: list[LabelledImage] = list(crops)
    for number, n_steps in enumerate(per_round):
        batch = settings.batch_size
        if number > 0:
            labelled = [
                LabelledImage(f"frame {place}", frame, putative_labels(model, spec, frame))
                for place, frame in enumerate(frames)
            ]
            items = mixed(crops, labelled, (settings.batch_size, unlabelled))
            batch += unlabelled
        this = settings.model_copy(
            update={
                "epochs": 1,
                "samples_per_epoch": n_steps * batch,
                "batch_size": batch,
                "validate_every": 1,
                "unlabelled": None,
                "ema_decay": settings.ema_decay ** (steps / n_steps),  # the same share of where the round began
            }
        )
        # validation on one crop chooses nothing: there is one epoch
        train(TrainingTask(model, spec, items, crops[:1], this, seed=seed + 1000 * number), progress=False)


def shares(steps: int, rounds: int) -> list[int]:
    """Steps of each round, as equal as they can be."""
    if steps < rounds:
        raise SomaNetError(f"Expected a step or more in each of {rounds} rounds, found {steps} in all. Train longer.")
    return [(steps * (n + 1)) // rounds - (steps * n) // rounds for n in range(rounds)]


def mixed(
    crops: Sequence[LabelledImage], frames: Sequence[LabelledImage], ratio: tuple[int, int]
) -> list[LabelledImage]:
    """Crops and frames, each repeated so that samples drawn evenly from all have this ratio of the two."""
    n_crops, n_frames = ratio[0] * len(frames), ratio[1] * len(crops)
    common = math.gcd(n_crops, n_frames)
    return list(crops) * (n_crops // common) + list(frames) * (n_frames // common)
