"""The page: one file that a browser shows offline, written frame by frame."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from somanet.analysis.report import sections
from somanet.analysis.report.cell_data import FOUND, cells_data, short
from somanet.analysis.report.content import ReportInput, check_movie
from somanet.analysis.report.counts import saltation_counts
from somanet.analysis.report.display_range import DisplayRange, display_range, evenly_spaced
from somanet.analysis.report.motion import motion_section
from somanet.analysis.report.outlines import TOLERANCE_UNITS, UNITS_PER_PIXEL, compact, outlines
from somanet.analysis.report.plot_data import plots_data
from somanet.analysis.report.strips import bytes_of, strips_html, strips_of
from somanet.analysis.report.thinning import LEAST_FRAME_BYTES, MOST_BYTES, PROBED_FRAMES, Thinning, thinning
from somanet.core.files import atomic_path
from somanet.core.schema import Column
from somanet.migration.tables import CELL_NUMBERS

SCRIPTS = ("core.js", "drawing.js", "player.js", "cells.js", "saving.js", "plots.js")
SLOT = re.compile(r"\{\{(\w+)\}\}")

Progress = Callable[[int, int], None]


def write_report(path: Path | str, report: ReportInput, *, progress: Progress | None = None) -> None:
    """Write the report of one movie as one HTML file; equal input gives equal bytes.

    One frame is in memory at a time. Large and long movies are embedded smaller and with fewer frames, so that the file
    stays below 40 MB; a note on the page says so.

    Args:
        path: the file, replaced if it exists.
        report: its content.
        progress: called with the number of frames written and the number to write.

    Raises:
        SomaNetError: frames, labels and tracks do not belong together, or the file cannot be written.
    """
    n_frames, shape = check_movie(report.frames, report.labels, report.tracks)
    index = {int(track): i for i, track in enumerate(report.measures.migration.cells["track_id"])}
    data = {
        "cells": cells_data(report.tracks, report.measures.migration),
        "plots": plots_data(report.measures),
        "columns": {column.name: _described(column) for column in (*CELL_NUMBERS.columns, FOUND)},
    }
    counts = saltation_counts(report.measures.migration)
    data["counts"] = {"found": counts.found, "started": counts.started, "complete": counts.complete}
    shown = display_range(report.frames)
    strips = strips_of(report, shown)

    def outline_bytes(factor: float) -> float:
        probed = [_outlines(report, t, index, TOLERANCE_UNITS / factor) for t in evenly_spaced(n_frames, PROBED_FRAMES)]
        return float(np.mean([len(_json(found)) for found in probed]))

    room = max(LEAST_FRAME_BYTES, MOST_BYTES - len(_json(data)) - bytes_of(strips))
    plan = thinning(report.frames, shown, outline_bytes=outline_bytes, room_bytes=room)
    data["movie"] = _movie(report, plan, n_frames, shape)
    # A reduced image does not need the outlines' full detail.
    tolerance = TOLERANCE_UNITS * max(shape) / max(plan.shape_YX)
    script = _script()
    slots: dict[str, str | Iterator[str]] = {
        "title": escape(report.title),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "style": _resource("style.css"),
        "overview": sections.overview(report, shape),
        "headline": sections.headline(report.measures),
        "intervals_note": sections.intervals_note(report.measures),
        "cautions": sections.cautions(report),
        "notes": sections.notes(report),
        "embedded_note": sections.embedded_note(plan, shape, n_frames),
        "settings_note": sections.settings_note(report.measures),
        "motion": motion_section(report.measures, title=report.title),
        "strips": strips_html(strips, counts.found, report.calibration),
        "comparison": sections.comparison(report.measures.summary, report.measures.model_summary),
        "comparison_link": sections.comparison_link(
            report.measures.summary, report.measures.model_summary, title=report.title
        ),
        "corrections": sections.corrections(report),
        "provenance": sections.provenance(report.provenance),
        "definitions": sections.definitions(report.measures.migration.drift.source),
        "data": _json(data),
        "frames": _frames(report, plan, shown, index, tolerance, progress),
        "script": script,
    }
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for part in _filled(_resource("page.html"), slots):
            file.write(part)


def _filled(template: str, slots: dict[str, str | Iterator[str]]) -> Iterator[str]:
    """The template with its ``{{slots}}`` filled in one pass: slots in the inserted text are not filled."""
    for number, part in enumerate(SLOT.split(template)):
        content = part if number % 2 == 0 else slots[part]
        if isinstance(content, str):
            yield content
        else:
            yield from content


def _resource(name: str) -> str:
    return resources.files("somanet.analysis.report").joinpath(name).read_text(encoding="utf-8")


def _script() -> str:
    return '"use strict";\n(() => {\n' + "\n".join(_resource(name) for name in SCRIPTS) + "})();\n"


def _json(value: Any) -> str:
    """JSON that cannot close the script element that contains it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _described(column: Column) -> dict[str, str]:
    return {"unit": column.unit, "meaning": column.meaning}


def _movie(report: ReportInput, plan: Thinning, n_frames: int, shape: tuple[int, int]) -> dict[str, Any]:
    migration = report.measures.migration
    return {
        "title": report.title,
        "n_frames": n_frames,
        "shape_YX": shape,
        "pixel_size_um": report.calibration.pixel_size_um,
        "frame_interval_h": report.calibration.frame_interval_h,
        "times_h": report.calibration.times_h,
        "frames": list(plan.frames),
        "units_per_px": UNITS_PER_PIXEL,
        "circles": report.labels is None,
        "threshold_um_per_h": short(migration.threshold_um_per_h),
        "axis_deg": short(report.measures.axis_deg),
    }


def _outlines(report: ReportInput, t: int, index: dict[int, int], tolerance_units: float) -> list[list[int]]:
    """Outlines of the tracked cells of one frame: ``[cell, y, x, dy, dx, …]``, cell counted from 0."""
    if report.labels is None:
        return []
    found = outlines(np.asarray(report.labels[t]), tolerance_units=tolerance_units)
    return [[index[cell], *compact(polygon)] for cell, polygons in found if cell in index for polygon in polygons]


def _frames(
    report: ReportInput,
    plan: Thinning,
    shown: DisplayRange,
    index: dict[int, int],
    tolerance_units: float,
    progress: Progress | None,
) -> Iterator[str]:
    """One line of JSON per embedded frame: its image and its outlines."""
    for number, t in enumerate(plan.frames):
        image = base64.b64encode(plan.image(np.asarray(report.frames[t]), shown)).decode()
        yield f'{{"image":"{image}","outlines":{_json(_outlines(report, t, index, tolerance_units))}}}\n'
        if progress:
            progress(number + 1, len(plan.frames))
