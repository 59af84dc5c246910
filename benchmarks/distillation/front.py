"""The front: time by turns in one run, quality, and whether the targets are reached."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.distillation.contenders import (
    BUNDLED_NAME,
    PAPER,
    PAPER_AS_BUILT,
    SIDE_PX,
    Contender,
    contenders,
    timing_calls,
)
from benchmarks.distillation.scores import HeldOut, agreement, loses, scored
from benchmarks.engines.timing import best_of_rounds, machine
from somanet.core.markdown import table
from somanet.segmentation.engines.engine import MULTIPLE, Float32
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.inputs import to_input

Row = dict[str, Any]
AS_BUILT_TIMES, SAME_ENGINE_TIMES = 6.0, 2.5
"""Targets: times as fast as the paper's U-Net as its authors ran it, and in the same engine, from image to labels."""
SETS = {"nuclei": "nuclei to labels", "movie": "movie to labels"}
EVERY_IMAGE, EVERY_FRAME = 4, 8
"""Of the nuclei's images and of the movie's frames one in so many is timed; all are scored."""
CROP_PX = 256


def measured_front(teacher: Checkpoint, data: Path, folder: Path, *, rounds: int, n_images: int | None = None) -> Row:
    """Everything measured.

    Args:
        teacher: the bundled network.
        data: folder with the held-out images.
        folder: of what was trained.
        rounds: of timing, in each of which every network has its turn; the fastest counts.
        n_images: of each set; None = all.
    """
    held_out = HeldOut.read(data, n_images=n_images)
    frames = [prepared(item.image, teacher) for item in held_out.frames[::EVERY_FRAME]]
    crops = [np.ascontiguousarray(frame[:, :, :CROP_PX, :CROP_PX]) for frame in frames]
    found = contenders(teacher, folder, crops)
    images = {
        SETS["nuclei"]: [item.image for item in held_out.nuclei[::EVERY_IMAGE]],
        SETS["movie"]: [item.image for item in held_out.frames[::EVERY_FRAME]],
    }
    megapixels = {title: sum(image.shape[0] * image.shape[1] for image in some) / 1e6 for title, some in images.items()}
    megapixels |= {"square": SIDE_PX**2 / 1e6, "frame": frames[0][0, 0].size / 1e6}
    load = os.getloadavg()[0]
    times = best_of_rounds(timing_calls(found, images, frames[0]), rounds)
    rows: dict[str, Row] = {}
    expected: list[np.ndarray] = []
    for name, one in found.items():
        ms = {kind: 1000 * times[name, kind][1] / size for kind, size in megapixels.items()}
        rows[name] = {"title": one.title, "gflop": one.flops / 1e9, "ms_per_mpx": ms, "precision": one.engine.precision}
        if one.trained:
            scores, labels = scored(one.segmenter, held_out)
            expected = expected or labels
            rows[name] |= {"scores": scores, "agreement": agreement(expected, labels)}
            rows[name] |= {"logit_difference": _largest(found[BUNDLED_NAME], one, frames[0])}
        print(f"{name}: {rows[name]}", flush=True)
    counts = {"nuclei": len(held_out.nuclei), "crops": len(held_out.crops), "frames": len(held_out.frames)}
    sizes = {"mpx": megapixels, "images": counts, "frame": list(frames[0].shape[2:])}
    return {"machine": machine(), "load": [load, os.getloadavg()[0]], "rounds": rounds, **sizes, "networks": rows}


def prepared(image: np.ndarray, checkpoint: Checkpoint) -> Float32:
    """An image as it enters the network, NCHW, mirrored to a size that it takes."""
    one = to_input(image, checkpoint.spec)
    return np.pad(one, ((0, 0), (0, -one.shape[1] % MULTIPLE), (0, -one.shape[2] % MULTIPLE)), mode="symmetric")[None]


def _largest(bundled: Contender, other: Contender, frame_NCHW: Float32) -> float:
    return float(np.abs(bundled.engine.logits(frame_NCHW) - other.engine.logits(frame_NCHW)).max())


def speedup(rows: Mapping[str, Row], name: str, reference: str, kind: str) -> float:
    """How many times as fast one network is as another."""
    return float(rows[reference]["ms_per_mpx"][kind] / rows[name]["ms_per_mpx"][kind])


def verdicts(rows: Mapping[str, Row]) -> dict[str, str]:
    """Of each network that was scored, whether it reaches the targets, in words."""
    bundled = rows[BUNDLED_NAME]["scores"]
    found = {}
    for name, row in rows.items():
        if "scores" not in row:
            continue
        slow = [
            f"{title}: {speedup(rows, name, reference, title):.1f} × {reference}"
            for title in SETS.values()
            for reference, target in ((PAPER_AS_BUILT, AS_BUILT_TIMES), (PAPER, SAME_ENGINE_TIMES))
            if speedup(rows, name, reference, title) < target
        ]
        worse = [f"{title} {change:+.3f}" for title, change in loses(row["scores"], bundled).items()]
        found[name] = "; ".join([*slow, *worse]) or "all reached"
    return found


def page(found: Row) -> str:
    """As Markdown."""
    rows: dict[str, Row] = found["networks"]
    speed = [
        (
            row["title"],
            f"{row['gflop']:.0f}",
            f"{row['ms_per_mpx']['square']:.0f}",
            *(f"{speedup(rows, name, ref, 'square'):.2f}" for ref in (BUNDLED_NAME, PAPER, PAPER_AS_BUILT)),
            *(
                f"{speedup(rows, name, ref, title):.2f}"
                for title in SETS.values()
                for ref in (BUNDLED_NAME, PAPER, PAPER_AS_BUILT)
            ),
        )
        for name, row in rows.items()
    ]
    scored_rows = {name: row for name, row in rows.items() if "scores" in row}
    quality = [
        (row["title"], *(f"{value:.3f}" for value in row["scores"].values()), f"{row['agreement']:.3f}")
        for row in scored_rows.values()
    ]
    frame_mpx = found["mpx"]["frame"]
    engines = [
        (
            row["title"],
            row["precision"],
            f"{row['ms_per_mpx']['frame'] * frame_mpx:.0f}",
            f"{row['agreement']:.3f}",
            f"{row['logit_difference']:.2g}",
        )
        for row in scored_rows.values()
    ]
    of = [f"{kind}, × {ref}" for kind in ("alone", *SETS.values()) for ref in (BUNDLED_NAME, PAPER, PAPER_AS_BUILT)]
    first = next(iter(scored_rows.values()))["scores"]
    about = (
        f"{found['machine']['processor']}, one thread, processor time, best of {found['rounds']} rounds by turns; load "
        f"{found['load'][0]:.1f} to {found['load'][1]:.1f}. Images: {found['images']}."
    )
    parts = (
        about,
        table(("network", "GFLOP", "ms per Mpx alone", *of), speed),
        table(("network", *first, "IoU with bundled"), quality),
        table(("network", "types", "ms per frame", "IoU with bundled", "largest difference of a logit"), engines),
        "\n".join(f"- {rows[name]['title']}: {words}" for name, words in verdicts(rows).items()),
    )
    return "\n\n".join(parts) + "\n"
