"""The comparison of trackers as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.yolo.linkers import LATER_X_PX, MOTION, TRACKERS
from benchmarks.yolo.page import tracking_cell
from benchmarks.yolo.seeds import group_of
from somanet.core.markdown import table

PART, WHOLE = f"x ≥ {LATER_X_PX}", "whole frame"
SCORES = {
    "HOTA": (PART, "HOTA"),
    "IDF1": (PART, "IDF1"),
    "switches": (PART, "identity_switches"),
    "recall": (PART, "recall"),
    "HOTA, whole frame": (WHOLE, "HOTA"),
}
NUMBERS = {
    "frequency_corrected_per_h": "saltations per hour",
    "mean_length_corrected_um": "their length (µm)",
    "average_speed_um_per_h": "speed (µm/h)",
}
FORMS = dict(zip(MOTION, (".2f", ".0f", ".1f"), strict=True))


def as_table(found: Mapping[str, Any]) -> str:
    """A row per group of networks, what was linked, linker and settings; scores of the unseen part, motion of all."""
    head = ("detections", "linked", "linker", "settings", *SCORES, *NUMBERS.values())
    groups: dict[tuple[str, str, str, str], list[Mapping[str, Any]]] = {}
    for row in found["rows"]:
        key = (group_of(row["system"]), row["linked"], row["linker"], row["settings"] or "–")
        groups.setdefault(key, []).append(row)
    lines = [["reference", *["–"] * (3 + len(SCORES)), *_motion([found["reference"]])]]
    for key, rows in groups.items():
        cells = (tracking_cell([row["scores"][part][name] for row in rows], name) for part, name in SCORES.values())
        lines.append([*key, *cells, *_motion([row["motion"] for row in rows])])
    return table(head, lines)


def _motion(several: Sequence[Mapping[str, Any]]) -> list[str]:
    return [numbers_of([motion[name] for motion in several], FORMS[name]) for name in NUMBERS]


def numbers_of(estimates: Sequence[Mapping[str, Any]], form: str) -> str:
    """The mean of the seeds, and the narrowest interval that holds all of theirs."""
    known = [one for one in estimates if one["value"] is not None and math.isfinite(one["value"])]
    if not known:
        return "–"
    text = f"{sum(one['value'] for one in known) / len(known):{form}}"
    ends = [one["interval95"] for one in known if one.get("interval95") and None not in one["interval95"]]
    if len(ends) == len(known):
        text += f" [{min(low for low, _ in ends):{form}}, {max(high for _, high in ends):{form}}]"
    return text.replace("-", "−")


def settings_text(found: Mapping[str, Any]) -> str:
    """Each tracker's settings for cells, and HOTA where they were chosen, as a list."""
    lines = []
    for tracker, one in found["chosen"].items():
        settings = ", ".join(f"`{name}={value}`" for name, value in one["settings"].items())
        span = f"{min(one['HOTA_of_all']):.3f} to {one['HOTA']:.3f}"
        lines.append(f"- {TRACKERS[tracker]}: {settings}; the best of {len(one['HOTA_of_all'])} (mean HOTA {span})")
    return "\n".join(lines)
