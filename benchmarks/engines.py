"""How fast each engine answers, how it is best asked, and whether its labels are torch's; in one session.

python benchmarks/engines.py
python benchmarks/engines.py --movie movie.tif --model models/neurons

Writes build/engines.md and build/engines.json. Repeats are interleaved and the best counts, so that a busy neighbour
disturbs all alike; beside one, compare processor seconds and ratios. Rates of one thread count processor seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from somanet.analysis.network import network_folder
from somanet.engines import with_engine
from somanet.engines.choice import make_engine
from somanet.engines.eager import EagerEngine
from somanet.engines.graph import to_onnx
from somanet.engines.int8 import quantise
from somanet.engines.ort import OnnxRuntimeEngine
from somanet.engines.vino import OpenVinoEngine
from somanet.files import write_json, write_text
from somanet.io.movies import open_movie
from somanet.provenance import available_processors
from somanet.segmentation.checkpoint import Checkpoint, load_checkpoint
from somanet.segmentation.inputs import to_input
from somanet.segmentation.instances import probabilities_to_labels, sigmoid
from somanet.segmentation.models import build_model
from somanet.segmentation.prediction import predict_labels
from somanet.segmentation.settings import ModelSpec
from somanet.video import segment_frames, usual_workers

ENGINES = ("torch", "onnxruntime", "openvino")
REAL_MOVIE = Path("../shared/data/neuritetracker/cell_body.tif")
SIDE_PX = 1024
ROUNDS = 3
CORES = available_processors()
Row = dict[str, Any]
Frames = list[np.ndarray]


def paper_unet() -> Checkpoint:
    """The paper's network with random weights: for its speed only."""
    torch.manual_seed(0)
    return Checkpoint(build_model(ModelSpec()).eval(), ModelSpec(), "")


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and processor seconds of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def best_of_rounds(calls: dict[Any, Callable[[], object]], rounds: int) -> dict[Any, tuple[float, float]]:
    """The least seconds and processor seconds of each call, all of them in turn in each round."""
    for call in calls.values():
        call()  # the first answer chooses kernels
    found: dict[Any, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(timed(call))
    return {name: (min(w for w, _ in pairs), min(c for _, c in pairs)) for name, pairs in found.items()}


def with_threads(threads: int, call: Callable[[], object]) -> Callable[[], object]:
    """The call, with torch set to so many threads."""

    def run() -> object:
        torch.set_num_threads(threads)
        return call()

    return run


def peak_gflops() -> dict[int, float]:
    """Float32 operations per second of a large matrix product, by threads."""
    a = torch.rand(2048, 2048)
    calls = {threads: with_threads(threads, lambda: a @ a) for threads in sorted({1, CORES})}
    return {threads: 2 * 2048**3 / seconds(best, threads) / 1e9 for threads, best in best_of_rounds(calls, 5).items()}


def seconds(best: tuple[float, float], threads: int) -> float:
    """What a rate is counted by: processor seconds of one thread, which a busy neighbour does not lengthen."""
    return best[1] if threads == 1 else best[0]


def flops(model: torch.nn.Module, images: np.ndarray) -> int:
    """Operations of one answer; a multiplication and an addition are two."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.from_numpy(images))
    return int(counter.get_total_flops())


def one_image(networks: dict[str, Checkpoint], peak: dict[int, float]) -> list[Row]:
    """One image of 3 x 1024 x 1024 px, by network, engine and threads."""
    images = np.random.default_rng(0).random((1, 3, SIDE_PX, SIDE_PX), dtype=np.float32)
    rows: list[Row] = []
    for network, checkpoint in networks.items():
        n_flops = flops(checkpoint.model, images)
        expected = EagerEngine(checkpoint.model).logits(images)
        for threads in sorted({1, CORES}):
            engines = {"torch as built": EagerEngine(checkpoint.model, channels_last=False)}
            engines |= {name: make_engine(checkpoint, name, threads=threads) for name in ENGINES}
            calls: dict[Any, Callable[[], object]] = {
                name: with_threads(threads, lambda engine=engine: engine.logits(images))
                for name, engine in engines.items()
            }
            off = {name: float(np.abs(engine.logits(images) - expected).max()) for name, engine in engines.items()}
            for name, best in best_of_rounds(calls, ROUNDS).items():
                gflops = n_flops / seconds(best, threads) / 1e9
                rows.append(
                    {
                        "network": network,
                        "engine": name,
                        "threads": threads,
                        "ms": 1000 * best[0],
                        "processor_ms": 1000 * best[1],
                        "mpx_per_s": SIDE_PX**2 / seconds(best, threads) / 1e6,
                        "gflops": gflops,
                        "share_of_peak": gflops / peak[threads],
                        "largest_difference": off[name],
                    }
                )
    return rows


def read_frames(movie: Path | None) -> Frames:
    """The frames of a movie, or simulated ones."""
    if movie is not None:
        with open_movie(movie) as opened:
            return list(opened)
    from somanet.calibration import Calibration
    from somanet.simulation import simulate_movie

    simulated = simulate_movie(seed=0, n_frames=64, shape_YX=(512, 640), calibration=Calibration(1.28, 12.0))
    return list(simulated.frames_TYX)


def in_batches(checkpoint: Checkpoint, frames: Frames, size: int) -> Iterator[np.ndarray]:
    """Labels of frames that are asked for several at a time."""
    for some in (frames[start : start + size] for start in range(0, len(frames), size)):
        inputs = [to_input(frame, checkpoint.spec) for frame in some]
        height, width = inputs[0].shape[1:]
        pads = ((0, 0), (0, -height % 32), (0, -width % 32))
        batch = torch.from_numpy(np.stack([np.pad(one, pads, mode="symmetric") for one in inputs]))
        with torch.inference_mode():
            answer = checkpoint.model(batch.contiguous(memory_format=torch.channels_last)).numpy()
        for logits in answer[:, :, :height, :width]:
            yield probabilities_to_labels(sigmoid(logits), checkpoint.spec.outputs, checkpoint.spec.instances)


def arrangements(checkpoint: Checkpoint, frames: Frames) -> list[Row]:
    """The same frames, asked side by side, one by one and in batches."""
    calls: dict[Any, Callable[[], object]] = {}
    for name in ENGINES:
        beside = with_engine(checkpoint, name, at_once=CORES).checkpoint
        alone = with_engine(checkpoint, name, threads=CORES).checkpoint
        calls[name, f"{CORES} at once, 1 thread each"] = lambda c=beside: list(segment_frames(c, frames, workers=CORES))
        calls[name, f"one at a time, {CORES} threads"] = with_threads(
            CORES, lambda c=alone: [predict_labels(c.model, frame, c.spec) for frame in frames]
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
    """Processor milliseconds of a frame that no engine changes: its preparation, and labels from probabilities."""
    spec = checkpoint.spec
    labels = predict_labels(checkpoint.model, frame, spec)
    maps = np.stack([np.where(labels > 0, 0.9, 0.1)] * len(spec.outputs)).astype(np.float32)
    calls = {
        "prepare": lambda: to_input(frame, spec),
        "label": lambda: probabilities_to_labels(maps, spec.outputs, spec.instances),
    }
    return {name: 1000 * cpu for name, (_, cpu) in best_of_rounds(calls, 5).items()}


def whole_movie(model: str | None, movie: Path | None, folder: Path) -> list[Row]:
    """A whole movie as `somanet analyze` segments it, each engine in a process of its own; labels against torch's."""
    rows = []
    expected = None
    for engine in ENGINES:
        command = [sys.executable, __file__, "--worker", engine, "--folder", str(folder)]
        command += ["--movie", str(movie)] if movie else []
        command += ["--model", model] if model else []
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        row: Row = json.loads(done.stdout.splitlines()[-1])
        labels = np.load(folder / f"{engine}.npy")
        expected = labels if expected is None else expected
        rows.append(row | compare_labels(expected, labels))
    return rows


def work(engine: str, model: str | None, movie: Path | None, folder: Path) -> None:
    """Segment one movie; prints what it took as JSON."""
    frames = read_frames(movie)
    checkpoint = load_checkpoint(network_folder(model))
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begun = time.perf_counter()
    answering = with_engine(checkpoint, engine, at_once=usual_workers())
    start = time.perf_counter() - begun
    labels: list[np.ndarray] = []
    wall, cpu = timed(lambda: labels.extend(segment_frames(answering.checkpoint, frames)))
    np.save(folder / f"{engine}.npy", np.stack(labels))
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
    """Each expected soma against the one that covers most of it: the mean and least IoU."""
    ious = []
    for expected, found in zip(expected_TYX, found_TYX, strict=True):
        for soma in range(1, int(expected.max()) + 1):
            mask = expected == soma
            other = np.bincount(found[mask]).argmax()
            ious.append(float(np.sum(mask & (found == other)) / np.sum(mask | (found == other))) if other else 0.0)
    return {"somas": len(ious), "mean_iou": float(np.mean(ious)), "least_iou": float(np.min(ious))}


def integers(checkpoint: Checkpoint, frames: Frames) -> list[Row]:
    """Float32 and 8-bit integers in both runtimes, scaled on every eighth frame, scored on the frames between."""
    spec = checkpoint.spec

    def prepare(frame: np.ndarray) -> np.ndarray:
        one = to_input(frame, spec)
        return np.pad(one, ((0, 0), (0, -one.shape[1] % 32), (0, -one.shape[2] % 32)), mode="symmetric")[None]

    def label(logits: np.ndarray, frame: np.ndarray) -> np.ndarray:
        cut = logits[0, :, : frame.shape[0], : frame.shape[1]]
        return probabilities_to_labels(sigmoid(cut), spec.outputs, spec.instances)

    tested = frames[4::8]
    graph = to_onnx(checkpoint.model, spec.in_channels)
    crops = [np.ascontiguousarray(prepare(frame)[:, :, :256, :256]) for frame in frames[::8]]
    graphs = {"float32": graph, "int8": quantise(graph, crops)}
    if b"/decoder/" in graph:
        graphs["int8 in the decoder"] = quantise(graph, crops, parts=("/decoder/",))
    expected = [label(EagerEngine(checkpoint.model).logits(prepare(frame)), frame) for frame in tested]
    calls: dict[Any, Callable[[], object]] = {}
    labels: dict[Any, list[np.ndarray]] = {}
    image = prepare(tested[0])
    for precision, content in graphs.items():
        for engine in (OnnxRuntimeEngine(content), OpenVinoEngine(content)):
            labels[engine.name, precision] = [label(engine.logits(prepare(frame)), frame) for frame in tested]
            calls[engine.name, precision] = lambda engine=engine: engine.logits(image)
    return [
        {"engine": name, "precision": precision, "ms": 1000 * wall, "processor_ms": 1000 * cpu}
        | compare_labels(np.stack(expected), np.stack(labels[name, precision]))
        for (name, precision), (wall, cpu) in best_of_rounds(calls, ROUNDS).items()
    ]


def machine() -> Row:
    """What it ran on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = {line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")}
    flags = next((line for line in lines if line.startswith("flags")), "")
    return {
        "processor": ", ".join(sorted(names)) or platform.processor() or platform.machine(),
        "widest_instructions": next((f for f in ("avx512f", "avx2") if f" {f}" in flags), platform.machine()),
        "cores": CORES,
        "versions": {name: version(name) for name in ("torch", "onnxruntime", "openvino")},
    }


def table(rows: Sequence[Row], columns: dict[str, str]) -> str:
    """Markdown: the column's heading, by key and format."""
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join(["---"] * len(columns)) + " |"]
    lines += ["| " + " | ".join(column.format(**row) for column in columns.values()) + " |" for row in rows]
    return "\n".join(lines)


MOVIE_COLUMNS = {
    "engine": "{engine}",
    "s to start": "{start_s:.1f}",
    "s for the movie": "{seconds:.1f}",
    "processor s": "{processor_s:.1f}",
    "Mpx/s": "{mpx_per_s:.2f}",
    "peak MB": "{peak_mb:.0f}",
    "somas": "{somas}",
    "IoU with torch's: mean": "{mean_iou:.4f}",
    "least": "{least_iou:.4f}",
}
ARRANGEMENT_COLUMNS = {
    "engine": "{engine}",
    "frames": "{how}",
    "s": "{seconds:.2f}",
    "processor s": "{processor_s:.2f}",
    "Mpx/s": "{mpx_per_s:.2f}",
}
IMAGE_COLUMNS = {
    "network": "{network}",
    "engine": "{engine}",
    "threads": "{threads}",
    "ms": "{ms:.0f}",
    "processor ms": "{processor_ms:.0f}",
    "Mpx/s": "{mpx_per_s:.2f}",
    "GFLOP/s": "{gflops:.0f}",
    "of peak": "{share_of_peak:.0%}",
    "largest difference of a logit": "{largest_difference:.1e}",
}
INTEGER_COLUMNS = {
    "engine": "{engine}",
    "precision": "{precision}",
    "ms": "{ms:.0f}",
    "processor ms": "{processor_ms:.0f}",
    "IoU with torch's: mean": "{mean_iou:.4f}",
    "least": "{least_iou:.4f}",
}


def page(found: Row) -> str:
    """All tables as Markdown."""
    about, outside = found["machine"], found["outside_the_network_ms"]
    peaks = ", ".join(f"{value:.0f} (threads: {threads})" for threads, value in found["peak_gflops"].items())
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    lines = [
        "# Engines",
        f"{about['processor']}, {about['cores']} cores, {about['widest_instructions']}; {versions}.",
        f"Movie: {found['movie']}. Network: {found['model']}, weights {found['model_sha256'][:12]}.",
        (
            f"Float32 GFLOP/s of a matrix product: {peaks}. Load average {found['load_before']:.1f} before, "
            f"{found['load_after']:.1f} after. All of this took {found['seconds']:.0f} s, of processor time "
            f"{found['processor_s']:.0f} s."
        ),
        "## A movie, as `somanet analyze` segments it",
        table(found["whole_movie"], MOVIE_COLUMNS),
        (
            f"With any engine, preparing a frame takes {outside['prepare']:.0f} ms of processor time and labelling it "
            f"{outside['label']:.0f} ms."
        ),
        "## How to ask: eight frames",
        table(found["arrangements"], ARRANGEMENT_COLUMNS),
        f"## One image of 3 × {SIDE_PX} × {SIDE_PX} px",
        table(found["one_image"], IMAGE_COLUMNS),
        "## 8-bit integers: one frame, one thread",
        table(found["integers"], INTEGER_COLUMNS),
    ]
    return "\n\n".join(lines) + "\n"


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--movie", type=Path, help=f"default {REAL_MOVIE} where it is, else simulated frames")
    parser.add_argument("--model", help="network; SomaNet's own unless told")
    parser.add_argument("--output", type=Path, default=Path("build"))
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker, arguments.model, arguments.movie, arguments.folder)
        return
    movie = arguments.movie or (REAL_MOVIE if REAL_MOVIE.exists() else None)
    began, load_before = time.perf_counter(), os.getloadavg()[0]
    checkpoint = load_checkpoint(network_folder(arguments.model))
    frames = read_frames(movie)
    found: Row = {
        "machine": machine(),
        "movie": f"{movie.name if movie else 'simulated'}, {len(frames)} frames of "
        f"{frames[0].shape[0]} × {frames[0].shape[1]} px",
        "model": arguments.model or "SomaNet's own",
        "model_sha256": checkpoint.sha256,
        "load_before": load_before,
        "peak_gflops": peak_gflops(),
    }
    with tempfile.TemporaryDirectory() as folder:
        found["whole_movie"] = whole_movie(arguments.model, movie, Path(folder))
    found["outside_the_network_ms"] = outside_the_network(checkpoint, frames[0])
    found["arrangements"] = arrangements(checkpoint, frames[:8])
    found["one_image"] = one_image({"this": checkpoint, "paper-unet": paper_unet()}, found["peak_gflops"])
    found["integers"] = integers(checkpoint, frames)
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    found["processor_s"] = sum(usage.ru_utime + usage.ru_stime for usage in spent)
    found |= {"load_after": os.getloadavg()[0], "seconds": time.perf_counter() - began}
    write_json(arguments.output / "engines.json", found)
    write_text(arguments.output / "engines.md", page(found))
    print(page(found))


if __name__ == "__main__":
    main()
