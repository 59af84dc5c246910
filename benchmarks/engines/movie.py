"""Frames of a movie: all, as `somanet analyze` segments them, and eight of them segmented in several ways."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.engines.timing import CORES, Row, best_of_rounds, timed, with_threads
from somanet.analysis.network import network_folder
from somanet.io.movies import open_movie
from somanet.segmentation.engines import EngineName, with_engine
from somanet.segmentation.inference.at_once import usual_workers
from somanet.segmentation.inference.instances import probabilities_to_labels
from somanet.segmentation.inference.segmenter import Segmented, Segmenter
from somanet.segmentation.inference.video import segmented_frames
from somanet.segmentation.network.checkpoint import Checkpoint, load_checkpoint
from somanet.segmentation.network.inputs import to_input
from somanet.segmentation.network.probabilities import sigmoid

ENGINES: tuple[EngineName, ...] = ("torch", "onnxruntime", "openvino")
Frames = list[np.ndarray]


def read_frames(movie: Path | None) -> Frames:
    """The frames of a movie, or simulated ones."""
    if movie is not None:
        with open_movie(movie) as opened:
            return list(opened)
    from somanet.core.calibration import Calibration
    from somanet.simulation import simulate_movie

    simulated = simulate_movie(seed=0, n_frames=64, shape_YX=(512, 640), calibration=Calibration(1.28, 12.0))
    return list(simulated.frames_TYX)


def in_batches(checkpoint: Checkpoint, frames: Frames, size: int) -> Iterator[np.ndarray]:
    """Labels of frames that are segmented in batches."""
    for some in (frames[start : start + size] for start in range(0, len(frames), size)):
        inputs = [to_input(frame, checkpoint.spec) for frame in some]
        height, width = inputs[0].shape[1:]
        pads = ((0, 0), (0, -height % 32), (0, -width % 32))
        batch = torch.from_numpy(np.stack([np.pad(one, pads, mode="symmetric") for one in inputs]))
        with torch.inference_mode():
            batch_logits = checkpoint.model(batch.contiguous(memory_format=torch.channels_last)).numpy()
        for logits in batch_logits[:, :, :height, :width]:
            yield probabilities_to_labels(sigmoid(logits), checkpoint.spec.outputs, checkpoint.spec.instances)


def arrangements(checkpoint: Checkpoint, frames: Frames) -> list[Row]:
    """The same frames in parallel, one by one and in batches."""
    calls: dict[Any, Callable[[], object]] = {}
    for name in ENGINES:
        beside = with_engine(checkpoint, name, at_once=CORES).checkpoint
        alone = with_engine(checkpoint, name, threads=CORES).checkpoint
        calls[name, f"{CORES} at once, 1 thread each"] = lambda c=beside: list(
            segmented_frames(Segmenter((c,)), frames, workers=CORES)
        )
        calls[name, f"one at a time, {CORES} threads"] = with_threads(
            CORES, lambda c=alone: [Segmenter.of(c.model, c.spec).labels(frame) for frame in frames]
        )
        calls[name, f"batches of 4, {CORES} threads"] = with_threads(
            CORES, lambda c=alone: list(in_batches(c, frames, 4))
        )
    pixels = sum(frame.size for frame in frames)
    return [
        {"engine": name, "how": how, "seconds": wall, "processor_s": cpu, "mpx_per_s": pixels / wall / 1e6}
        for (name, how), (wall, cpu) in best_of_rounds(calls, 2).items()
    ]


def outside_the_network(checkpoint: Checkpoint, frame: np.ndarray) -> Row:
    """Processor milliseconds per frame outside the engine: preparation, and labels from probabilities."""
    spec = checkpoint.spec
    labels = Segmenter.of(checkpoint.model, spec).labels(frame)
    maps = np.stack([np.where(labels > 0, 0.9, 0.1)] * len(spec.outputs)).astype(np.float32)
    calls = {
        "prepare": lambda: to_input(frame, spec),
        "label": lambda: probabilities_to_labels(maps, spec.outputs, spec.instances),
    }
    return {name: 1000 * cpu for name, (_, cpu) in best_of_rounds(calls, 5).items()}


def whole_movie(model: str | None, movie: Path | None, folder: Path) -> list[Row]:
    """A whole movie as `somanet analyze` segments it, each engine in its own process; labels against torch's."""
    rows = []
    expected = None
    for engine in ENGINES:
        command = [sys.executable, "-m", "benchmarks.engines", "--worker", engine, "--folder", str(folder)]
        command += ["--movie", str(movie)] if movie else []
        command += ["--model", model] if model else []
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        row: Row = json.loads(done.stdout.splitlines()[-1])
        labels = np.load(folder / f"{engine}.npy")
        expected = labels if expected is None else expected
        rows.append(row | compare_labels(expected, labels))
    return rows


def work(engine: EngineName, model: str | None, movie: Path | None, folder: Path) -> None:
    """Segment one movie; print its cost as JSON."""
    frames = read_frames(movie)
    checkpoint = load_checkpoint(network_folder(model))
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begun = time.perf_counter()
    choice = with_engine(checkpoint, engine, at_once=usual_workers())
    start = time.perf_counter() - begun
    segmenter = Segmenter((choice.checkpoint,))
    found: list[Segmented] = []
    wall, cpu = timed(lambda: found.extend(segmented_frames(segmenter, frames)))
    np.save(folder / f"{engine}.npy", np.stack([one.labels_YX for one in found]))
    pixels = sum(frame.size for frame in frames)
    print(
        json.dumps(
            {
                "engine": engine,
                "frames": len(frames),
                "start_s": start,
                "seconds": wall,
                "processor_s": cpu,
                "mpx_per_s": pixels / wall / 1e6,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "before_mb": before_mb,
            }
        )
    )


def compare_labels(expected_TYX: np.ndarray, found_TYX: np.ndarray) -> Row:
    """Each expected soma against the one that covers most of it: the mean and minimum IoU."""
    ious = []
    for expected, found in zip(expected_TYX, found_TYX, strict=True):
        for soma in range(1, int(expected.max()) + 1):
            mask = expected == soma
            other = np.bincount(found[mask]).argmax()
            ious.append(float(np.sum(mask & (found == other)) / np.sum(mask | (found == other))) if other else 0.0)
    return {"somas": len(ious), "mean_iou": float(np.mean(ious)), "least_iou": float(np.min(ious))}
