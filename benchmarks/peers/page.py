"""The measurements as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers.scoring import PUBLISHED, SUBSETS
from somanet.core.markdown import table

Row = Mapping[str, Any]
REFERENCE = "paper"
"""The contender whose speed is the unit: the paper's U-Net as its authors ran it."""


def page(found: Row) -> str:
    """The whole page; every table defines its numbers."""
    rows: Sequence[Row] = found["contenders"]
    parts = [
        "# Side by side",
        _about(found),
        "![Quality against speed](peers.png)",
        "## Quality",
        *_quality(rows, found["images"]),
        "## Speed: from an image in memory to labels",
        _speed(rows, found["session"]),
        _footnotes(rows),
        f"## The networks alone: one image of {found['session']['side_px']} × {found['session']['side_px']} px",
        _networks(rows, found["session"]["peak_gflops"]),
    ]
    if found.get("training"):
        parts += ["## Training", *_training(found["training"])]
    if found["missing"]:
        parts += ["## Not measured", "\n".join(f"- {row['title']}: {row['reason']}" for row in found["missing"])]
    return "\n\n".join(parts) + "\n"


def _about(found: Row) -> str:
    session, machine, images = found["session"], found["machine"], found["images"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['widest_instructions']}; {versions}. "
        f"Threads: {session['threads']}, one image at a time. Float32 matrix product: "
        f"{session['peak_gflops']:.0f} GFLOP/s. Load average {session['load_before']:.1f} before, "
        f"{session['load_after']:.1f} after. All of this took {session['seconds']:.0f} s.\n\n"
        f"Images: {images['source']}; {images['count']} of them, {images['mpx']:.1f} Mpx, "
        f"{images['fluorescence']} of grey fluorescence. Each contender runs in its own processes, in "
        f"{session['rounds']} round(s) alternating with the others; the best round counts."
    )


def _quality(rows: Sequence[Row], images: Row) -> list[str]:
    """A table for each subset; contenders with random weights have no quality."""
    parts = []
    for subset in SUBSETS:
        scored = [row for row in rows if row["quality"] and subset in row["quality"]]
        if not scored:
            continue
        first = scored[0]["quality"][subset]
        title = "Grey fluorescence images" if subset == "fluorescence" else "All images"
        parts.append(f"{title} ({first['n_images']}, {first['n_objects']} objects), brackets: 95 % bootstrap interval:")
        cells = [[row["title"], *(_score(row["quality"][subset], key) for key in _QUALITY)] for row in scored]
        parts.append(table(["", *_QUALITY.values()], cells))
    published = "; ".join(f"{name} {half:.3f} / {mean:.3f}" for name, half, mean in PUBLISHED)
    parts.append(
        "Accuracy is TP / (TP + FP + FN), known as AP: over all objects of all images together, or of each image and "
        f"then averaged, as published figures are ({published}, on StarDist's split of the fluorescence images)."
    )
    if "simulated" in images["source"]:
        parts.append("These images are simulated: their scores are not comparable with published ones.")
    return parts


_QUALITY = {
    "iou": "semantic IoU",
    "pooled_0.5": "accuracy at 0.5, all objects",
    "pooled_mean": "mean 0.5–0.9, all objects",
    "images_0.5": "accuracy at 0.5, mean of images",
    "images_mean": "mean 0.5–0.9, mean of images",
}


def _score(quality: Row, key: str) -> str:
    low, high = quality["interval95"][key]
    return f"{number(quality[key], '.3f')} [{number(low, '.2f')}, {number(high, '.2f')}]"


def _speed(rows: Sequence[Row], session: Row) -> str:
    reference = next((row["mpx_per_s"] for row in rows if row["name"] == REFERENCE), math.nan)
    cells = [
        [
            row["title"] + ("" if row["segments"] else " ¹"),
            significant(row["mpx_per_s"], 3),
            significant(row["mpx_per_s"] / reference, 2),
            number(row["processor_s"], ".1f"),
            number(row["peak_mb"], ".0f"),
            number(row["start_s"], ".1f"),
            f"{row['images']}",
        ]
        for row in rows
    ]
    what = "processor seconds" if session["threads"] == 1 else "seconds"
    heads = [f"Mpx per {what[:-1]}", "times as fast as the paper's", "processor s", "peak MB", "s to start", "images"]
    return table(["", *heads], cells)


def _footnotes(rows: Sequence[Row]) -> str:
    notes = [f"- {row['title']}: {row['note']}." for row in rows if row["note"]]
    return "\n".join(["¹ Speed only:", "", *notes]) if notes else "Every contender has trained weights."


def _networks(rows: Sequence[Row], peak_gflops: float) -> str:
    shown = [row for row in rows if row["network"] is not None]
    reference = next((row["network"]["seconds"] for row in shown if row["name"] == REFERENCE), math.nan)
    cells = []
    for row in shown:
        seconds, gflop = row["network"]["seconds"], row["network"]["flops"] / 1e9
        cells.append(
            [
                row["title"],
                significant(gflop, 3),
                number(1000 * seconds, ".0f"),
                significant(reference / seconds, 2),
                number(gflop / seconds, ".0f"),
                number(gflop / seconds / peak_gflops, ".0%"),
            ]
        )
    heads = ["GFLOP", "ms", "times as fast as the paper's", "GFLOP/s", "of the matrix product's"]
    note = (
        "A multiplication and an addition are two operations; convolutions and matrix products count, and tiles as "
        "often as they overlap. Above 100 %, an engine's convolutions suit the processor better than torch's matrix "
        "product does, or take fewer multiplications than are counted."
    )
    return table(["", *heads], cells) + "\n\n" + note


ENDS = {"recipe": "to the end of its recipe", "budget": "until the time was up", "aim": "until it was as good"}


def _training(training: Row) -> list[str]:
    """The paper's network to the end of its recipe, the contender until it is as good."""
    reference, other = training["reference"], training["contender"]
    where = f"earlier ({training['recorded']})" if training["recorded"] else "in this run"
    about = (
        f"The paper's U-Net was trained {where} {ENDS[reference['ended']]}. The IoU of its best validated epoch, "
        f"{reference['val_iou']:.3f}, is the target. Training images:  {reference['images']}, for the other network "
        f"{other['images']}. Seconds count from the creation of the network and include validation, in the epochs "
        "given by each recipe."
    )
    cells = [["Paper's U-Net, whole training", *_clock(reference), number(reference["val_iou"], ".3f")]]
    if training["reference_first"]:
        first = training["reference_first"]
        cells.append(["Paper's U-Net, first at that IoU", *_clock(first), number(first["val_iou"], ".3f")])
    end = "first at that IoU" if other["ended"] == "aim" else f"target not reached {ENDS[other['ended']]}"
    cells.append([f"{training['title']}, {end}", *_clock(other), number(other["val_iou"], ".3f")])
    parts = [about, table(["", "epochs", "s", "of them validation", "processor s", "validation IoU"], cells)]
    if other["ended"] == "aim":
        share = other["seconds"] / reference["seconds"]
        bare = (other["seconds"] - other["validation_s"]) / (reference["seconds"] - reference["validation_s"])
        parts.append(f"Share of the paper's time: {share:.2f}; without validation {bare:.2f}.")
    return parts


def _clock(clock: Row) -> list[str]:
    epochs = clock["epoch"] if "epoch" in clock else len(clock["epochs"])
    return [f"{epochs}", *(number(clock[name], ".0f") for name in ("seconds", "validation_s", "processor_s"))]


def number(value: float | None, form: str) -> str:
    """A formatted number; a dash if undefined."""
    return "–" if value is None or math.isnan(value) else format(value, form)


def significant(value: float, digits: int) -> str:
    """A number with a given number of significant digits, without exponent."""
    return "–" if math.isnan(value) else f"{float(f'{value:.{digits}g}'):g}"
