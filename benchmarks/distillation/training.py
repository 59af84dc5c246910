"""Training of one student: the patches, the teacher in ONNX Runtime, the weights and a record of how."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.distillation.learning import Teacher, distilled, settings_for
from benchmarks.distillation.quantised import observe, quantised
from benchmarks.distillation.rewriting import with_folded_constants
from benchmarks.distillation.students import STUDENTS, WEIGHTS, save
from somanet.core.files import atomic_path, make_folder, write_json
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.engines.graph import to_onnx
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.training.loop.samples import TrainingSamples

EXAMPLES = 48
"""Patches by which channels are chosen and ranges of values begin."""
RECORD, GRAPH = "training.json", "graph.onnx"
FINE_RATE = 2e-4
"""Learning rate of a trained network that gets used to 8 bits."""


def teacher_of(checkpoint: Checkpoint) -> Teacher:
    """The trained network in ONNX Runtime, which takes a fifth of the student's own time."""
    return OnnxRuntimeEngine(to_onnx(checkpoint.model, checkpoint.spec.in_channels)).logits


def examples_of(items: Sequence[LabelledImage], teacher: Checkpoint, *, seed: int) -> Tensor:
    """Some augmented patches, NCHW."""
    samples = TrainingSamples(items, teacher.spec, settings_for(EXAMPLES, 1e-3), seed=seed)
    return torch.stack([samples[number][0] for number in range(EXAMPLES)])


def train_student(
    name: str, items: Sequence[LabelledImage], teacher: Checkpoint, folder: Path, *, n_samples: int, seed: int
) -> nn.Module:
    """Train one of :data:`STUDENTS`, or read it where it was trained; weights and a record in ``folder``/NAME."""
    student, place = STUDENTS[name], folder / name
    if (place / WEIGHTS).is_file():
        return student.load(teacher, place)
    model = student.starting(teacher, examples_of(items, teacher, seed=seed), seed=seed)
    trained = _imitating(name, model, items, teacher, place, rate=student.learning_rate, n_samples=n_samples, seed=seed)
    save(trained, place)
    return trained


def train_quantised(
    name: str,
    start: nn.Module,
    items: Sequence[LabelledImage],
    teacher: Checkpoint,
    folder: Path,
    *,
    n_samples: int,
    seed: int,
) -> None:
    """Let a network in 8 bits imitate the teacher, which it is or was distilled from; its graph in ``folder``/NAME."""
    place = folder / name
    if (place / GRAPH).is_file():
        return
    model = quantised(start)
    with torch.inference_mode():
        for examples_NCHW in examples_of(items, teacher, seed=seed).split(8):
            model(examples_NCHW)
    model = _imitating(name, model, items, teacher, place, rate=FINE_RATE, n_samples=n_samples, seed=seed)
    observe(model, observing=False)
    save(model, place)
    with atomic_path(make_folder(place) / GRAPH) as temporary:
        temporary.write_bytes(with_folded_constants(to_onnx(model, teacher.spec.in_channels)))


def _imitating(
    name: str,
    model: nn.Module,
    items: Sequence[LabelledImage],
    teacher: Checkpoint,
    place: Path,
    *,
    rate: float,
    n_samples: int,
    seed: int,
) -> nn.Module:
    """The trained network, and a record of its training."""
    settings = settings_for(n_samples, rate)
    samples = TrainingSamples(items, teacher.spec, settings, seed=seed)
    began, told = time.process_time(), list[str]()

    def report(line: str) -> None:
        told.append(line)
        print(f"{name}: {line}", flush=True)

    trained = distilled(model, teacher_of(teacher), samples, settings, report=report)
    spent = time.process_time() - began
    write_json(
        make_folder(place) / RECORD, {"samples": n_samples, "seed": seed, "processor_s": spent, "progress": told}
    )
    return trained
