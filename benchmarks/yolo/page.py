"""The results as Markdown tables and as a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.yolo.box_scores import Boxes, MatchedBoxes
from benchmarks.yolo.seeds import by_group, spread
from somanet.core.markdown import table
from somanet.core.plots import FALSE, HIT, MISSED, blank, display

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SET_NAMES = {
    "dsb2018_test": "DSB2018 test",
    "dsb2018_test_fluorescence": "… its grey fluorescence",
    "soma_val": "soma/val",
    "soma_val_interior": "… without those cut by the edge",
    "neuritetracker": "movie, x ≥ 440",
    "neuritetracker_interior": "… without those cut by the edge",
}
MASK_COLUMNS = {
    "iou": "IoU of all pixels",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
    "mean_ap": "mean over IoU 0.5–0.9",
    "size_bias": "size bias",
}
TRACK_COLUMNS = {
    "recall": "recall",
    "precision": "precision",
    "HOTA": "HOTA",
    "IDF1": "IDF1",
    "TRA": "TRA",
    "LNK": "LNK",
    "followed": "followed end to end",
    "identity_switches": "identity switches",
}


def detection_table(detection: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Set → system → scores, as Markdown."""
    head = ("images", "somas", "system", "boxes", "precision", "recall", "F1", "AP50", "Δ AP50", "F1, best cut")
    rows: list[list[str]] = []
    for name, systems in detection.items():
        # Frames of one movie are not independent.
        bootstrapped = not name.startswith("neuritetracker")
        for number, (group, scores) in enumerate(by_group(systems).items()):
            rows.append(
                [
                    SET_NAMES[name] if number == 0 else "",
                    str(scores[0]["n_true"]) if number == 0 else "",
                    group,
                    spread([one["n_predicted"] for one in scores], form=".0f", short=".0f"),
                    *(_over_seeds(scores, score, bootstrapped) for score in ("precision", "recall", "f1", "ap")),
                    _over_seeds(scores, "ap_minus_reference", bootstrapped, sign="+"),
                    _over_seeds(scores, "best_f1", False),
                ]
            )
    return table(head, rows)


def _over_seeds(scores: Sequence[Mapping[str, Any]], name: str, bootstrapped: bool, *, sign: str = "") -> str:
    """The mean of several seeds with its range, or one value with its interval."""
    if len(scores) > 1:
        return spread([one.get(name) for one in scores], form=f"{sign}.3f", short=f"{sign}.2f")
    return _value(scores[0].get(name), scores[0]["interval95"].get(name) if bootstrapped else None, sign=sign)


def mask_table(masks: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Set → system → scores of its masks, as Markdown."""
    if not masks:
        return "No network with masks was trained."
    head = ("images", "system", *MASK_COLUMNS.values())
    rows: list[list[str]] = []
    for name, systems in masks.items():
        for number, (group, scores) in enumerate(by_group(systems).items()):
            cells = (_over_seeds(scores, column, True) for column in MASK_COLUMNS)
            rows.append([SET_NAMES[name] if number == 0 else "", group, *cells])
    return table(head, rows)


def tracking_table(tracking: Mapping[str, Mapping[str, Any]]) -> str:
    """System → what was linked → part of the frame → scores, as Markdown; see :func:`.scoring.track_system`."""
    lines: list[list[str]] = []
    crowded = {system: kinds["boxes_per_frame"] for system, kinds in tracking.items() if "boxes_per_frame" in kinds}
    groups = by_group({system: kinds for system, kinds in tracking.items() if system not in crowded})
    rows = [
        (part, group, linked, [kinds[linked][part] for kinds in several])
        for group, several in groups.items()
        for linked, parts in several[0].items()
        for part in parts
    ]
    for part in dict.fromkeys(row[0] for row in rows):
        for _, group, linked, scores in (row for row in rows if row[0] == part):
            cells = (tracking_cell([one[name] for one in scores], name) for name in TRACK_COLUMNS)
            lines.append([part, group, linked, *cells])
    left_out = [f"\n{name} finds {number:.0f} boxes per frame, too many to link." for name, number in crowded.items()]
    return "\n".join([table(("part", "system", "linked", *TRACK_COLUMNS.values()), lines), *left_out])


def tracking_cell(values: Sequence[float], name: str) -> str:
    """A score of tracks, of one or of several seeds."""
    whole = name == "identity_switches"
    if whole and len(values) == 1:
        return f"{values[0]:.0f}"
    return spread(values, form=".1f" if whole else ".3f", short=".0f" if whole else ".2f")


def cost_table(cost: Mapping[str, Mapping[str, Any]]) -> str:
    """System → cost of its training and its predictions, as Markdown."""
    head = ("system", "parameters", "trained for (s)", "… of processor time", "samples seen", "ms of processor per Mpx")
    rows: list[list[str]] = []
    for group, several in by_group(cost).items():
        trainings = [one.get("training") or {} for one in several]
        columns = [
            [one.get("parameters") for one in several],
            *([training.get(name) for training in trainings] for name in ("wall_s", "processor_s", "images")),
            [1e9 * one["processor_s"] / one["pixels"] for one in several],
        ]
        rows.append([group, *(_numbers(values) for values in columns)])
    return table(head, rows)


def how_trained(cost: Mapping[str, Mapping[str, Any]], machine: Mapping[str, Any]) -> str:
    """The hardware for inference, and a line per detector: hardware and time of its training, size and libraries."""
    lines = [f"Inference on {machine['processors']} processors ({machine['kind']})."]
    for system, one in cost.items():
        training = one.get("training") or {}
        if "budget_s" in training:
            settings = training["settings"]
            libraries = ", ".join(f"{name} {training[name]}" for name in ("libreyolo", "torch") if name in training)
            lines.append(
                f"- {system}: {training['budget_s']:g} s of {training['clock']} time on {training['machine']}, "
                f"threads {training['threads']}, {settings['imgsz']} px, batches of {settings['batch']}, "
                f"seed {settings['seed']}; {libraries}"
            )
    return "\n".join([lines[0], "", *lines[1:]])


def cuts_text(cuts: Mapping[str, Mapping[str, Any]]) -> str:
    """Each system's confidence threshold, and how it was chosen, as a list in Markdown."""
    return "\n".join(f"- {system}: {_value(one['cut'])}, {one['chosen']}" for system, one in cuts.items())


def _numbers(values: Sequence[float | None]) -> str:
    """Whole numbers; equal ones once."""
    known = [f"{value:,.0f}" for value in values if value is not None]
    return known[0] if len(set(known)) == 1 else spread(values, form=",.0f", short=",.0f")


def _value(value: float | None, interval: Sequence[float] | None = None, *, sign: str = "") -> str:
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:{sign}.3f}"
    if interval is not None and not any(map(math.isnan, interval)):
        text += f" [{interval[0]:{sign}.2f}, {interval[1]:{sign}.2f}]"
    return text.replace("-", "−")


def panels(
    examples: Sequence[tuple[str, NDArray[np.generic], Boxes, Mapping[str, tuple[Boxes, MatchedBoxes]]]],
) -> Figure:
    """Ground truth boxes and each system's, one example (name, image, true boxes, system → its boxes) per row."""
    systems = list(examples[0][3])
    figure = blank(3.6 * (1 + len(systems)), 3.7 * len(examples))
    axes = figure.subplots(len(examples), 1 + len(systems), squeeze=False)
    for row, (name, image, true, found) in zip(axes, examples, strict=True):
        picture = display(image)
        _draw(row[0], picture, f"{name}: {len(true)} true")
        _rectangles(row[0], true, "white")
        for ax, system in zip(row[1:], systems, strict=True):
            boxes, matched = found[system]
            right = matched.partner >= 0
            missed = np.setdiff1d(np.arange(len(true)), matched.partner)
            _draw(ax, picture, f"{system}: {right.sum()} right, {(~right).sum()} false, {len(missed)} missed")
            for some, colour in ((true[missed], MISSED), (boxes[~right], FALSE), (boxes[right], HIT)):
                _rectangles(ax, some, colour)
    return figure


def _draw(ax: Axes, picture: NDArray[np.float64], title: str) -> None:
    height, width = picture.shape[:2]
    # Pixel edges at whole numbers, like those of boxes.
    ax.imshow(picture, interpolation="nearest", extent=(0, width, height, 0))
    ax.set_title(title, fontsize=8)
    ax.set_axis_off()


def _rectangles(ax: Axes, boxes: Boxes, colour: Any) -> None:
    from matplotlib.patches import Rectangle

    for x0, y0, x1, y1 in boxes.tolist():
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=0.9))
