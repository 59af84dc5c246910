"""A movie segmented on the processor and on a graphics processor: speed, how busy the card is, memory, agreement.

python -m benchmarks.devices --device cuda                                # 64 simulated frames of 512 x 640 px
python -m benchmarks.devices --device cuda --movie movie.tif --frames 64

From frames in memory to labels, after three frames that are not timed. Writes OUTPUT/devices.md and devices.json.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet.analysis.network import network_folder
from somanet.core.calibration import Calibration
from somanet.core.files import make_folder, write_json, write_text
from somanet.core.machine import available_processors
from somanet.core.markdown import table
from somanet.evaluation.masks import overlap
from somanet.io.movies import open_movie
from somanet.segmentation.engines import engine_of, with_engine
from somanet.segmentation.engines.device_engine import DeviceEngine
from somanet.segmentation.engines.devices import AUTO, CPU
from somanet.segmentation.engines.engine_network import EngineNetwork
from somanet.segmentation.inference.at_once import usual_workers
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.inference.video import segmented_frames
from somanet.segmentation.network.checkpoint import Checkpoint, load_checkpoint
from somanet.simulation import simulate_movie

WARM_UP = 3
COLUMNS = {
    "device": ("device", "{}"),
    "numbers": ("precision", "{}"),
    "frames at once": ("workers", "{}"),
    "Mpx/s": ("mpx_per_s", "{:.1f}"),
    "share of time computing": ("busy", "{:.0%}"),
    "peak memory of the card, MB": ("peak_mb", "{:.0f}"),
    "somas": ("somas", "{}"),
    "IoU of a soma with the processor's, minimum": ("least_iou", "{:.4f}"),
}
"""Title → key of a row, format."""
Frame = NDArray[Any]


class _Busy:
    """Seconds in which a device computes, copies included."""

    def __init__(self, engine: DeviceEngine) -> None:
        self.seconds, self._run = 0.0, engine._on_device
        engine._on_device = self._timed  # type: ignore[method-assign]

    def _timed(self, images: Any) -> Any:
        began = time.perf_counter()
        logits = self._run(images)
        self.seconds += time.perf_counter() - began
        return logits


def measured(checkpoint: Checkpoint, frames: list[Frame]) -> tuple[dict[str, Any], list[NDArray[np.int32]]]:
    """The speed of a network on its device, and the labels."""
    import torch

    segmenter, engine = Segmenter((checkpoint,)), getattr(checkpoint.model, "engine", None)
    busy = _Busy(engine) if isinstance(engine, DeviceEngine) else None
    list(segmented_frames(segmenter, frames[:WARM_UP]))
    if busy is not None:
        busy.seconds = 0.0
    on_cuda = isinstance(engine, DeviceEngine) and engine.device.kind == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    labels = [one.labels_YX for one in segmented_frames(segmenter, frames)]
    seconds = time.perf_counter() - began
    about = engine_of(checkpoint.model)
    row = {
        "device": about.get("chip") or about["device"],
        "precision": about["precision"],
        "workers": usual_workers(segmenter),
        "mpx_per_s": sum(frame.size for frame in frames) / 1e6 / seconds,
        "busy": None if busy is None else busy.seconds / seconds,
        "peak_mb": torch.cuda.max_memory_allocated() / 1e6 if on_cuda else None,
        "somas": int(sum(one.max() for one in labels)),
        "notes": about.get("notes", []),
    }
    return row, labels


def least_iou(expected: list[NDArray[np.int32]], found: list[NDArray[np.int32]]) -> float:
    """The least IoU of any soma with the one that covers most of it."""
    least = 1.0
    for ours, theirs in zip(expected, found, strict=True):
        if ours.max():
            iou = overlap(ours, theirs).iou
            least = min(least, float(iou.max(axis=1).min()) if iou.size else 0.0)
    return least


def read_frames(movie: Path | None, n_frames: int) -> list[Frame]:
    """The first frames of a movie; without one, simulated ones."""
    if movie is None:
        scale = Calibration(pixel_size_um=1.0, frame_interval_min=10.0)
        simulated = simulate_movie(seed=0, n_frames=n_frames, shape_YX=(512, 640), calibration=scale)
        return list(simulated.frames_TYX)
    with open_movie(movie) as opened:
        return [opened[t] for t in range(min(n_frames, opened.n_frames))]


def main() -> None:
    """Measure, write, say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default=AUTO)
    parser.add_argument("--model")
    parser.add_argument("--movie", type=Path)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--output", type=Path, default=Path("build/devices"))
    given = parser.parse_args()
    checkpoint, frames = load_checkpoint(network_folder(given.model)), read_frames(given.movie, given.frames)
    on_cpu, expected = measured(with_engine(checkpoint, device=CPU, at_once=usual_workers()).checkpoint, frames)
    rows = [{**on_cpu, "least_iou": 1.0}]
    there = with_engine(checkpoint, device=given.device).checkpoint
    if isinstance(there.model, EngineNetwork) and there.model.engine.device.kind != CPU:
        row, labels = measured(there, frames)
        rows.append({**row, "least_iou": least_iou(expected, labels)})
    folder = make_folder(given.output)
    write_json(folder / "devices.json", {"processors": available_processors(), "rows": rows})
    cells = [["–" if row[key] is None else shown.format(row[key]) for key, shown in COLUMNS.values()] for row in rows]
    text = table(list(COLUMNS), cells)
    write_text(folder / "devices.md", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
