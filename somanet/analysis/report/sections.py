"""The parts of the page that need no JavaScript, as HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from somanet.analysis.report.content import ReportInput
from somanet.analysis.report.counts import saltation_counts
from somanet.analysis.report.definitions import (
    HEADLINES,
    MISSING,
    Headline,
    amount,
    estimate_in_words,
    in_words,
    interval_words,
    label_of,
    terms,
)
from somanet.analysis.report.downloads import csv_text, estimate_heads, estimate_values, file_name, save_link
from somanet.analysis.report.motion import motion_cards
from somanet.analysis.report.thinning import Thinning
from somanet.core.counting import counted
from somanet.migration.intervals import Estimate
from somanet.migration.measures import Measures
from somanet.migration.pooling import UNITS
from somanet.migration.requirements import rests_on_saltations
from somanet.migration.summary import Summary
from somanet.migration.tables import CELL_NUMBERS

LEVELS = {
    "cell": "cells of this movie: they do not generalise to other movies or donors",
    "movie": "movies",
    "donor": "donors",
}
NOTHING_FOUND = (
    "Look at the movie below: can you see somas? If not, check that the right channel was chosen.",
    "Check the pixel size: objects of unexpected size are discarded.",
    "Use a network that was trained on images like these, or lower its threshold.",
    "Cells detected in only a few frames are not kept as tracks: lower the minimum track length to keep them.",
)


def overview(report: ReportInput, shape_YX: tuple[int, int]) -> str:
    """Size, duration and number of cells, as list items."""
    scale, cells = report.calibration, report.measures.migration.cells
    height, width = shape_YX
    n_frames = len(report.frames)
    measured = int(cells["long_enough"].sum())
    items = {
        "Field": f"{width * scale.pixel_size_um:.0f} × {height * scale.pixel_size_um:.0f} µm",
        "Pixel": f"{scale.pixel_size_um:.4g} µm",
        "Frames": f"{n_frames}, {'one' if scale.times_h is None else 'usually one'} every "
        f"{scale.frame_interval_min:.4g} min",
        "Duration": f"{in_words(float(scale.hours(n_frames - 1)))} h",
        "Cells": f"{len(cells)}"
        if measured == len(cells)
        else f"{len(cells)}, {measured} of them observed long enough",
        "Saltations": f"{saltation_counts(report.measures.migration).found}",
    }
    return "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in items.items())


def headline(measures: Measures) -> str:
    """The numbers at the top, each with its interval, unit and meaning.

    Where the data do not support saltations, those of motion come first, and those of saltations are marked.
    """
    supported = measures.support.saltations
    cards = "".join(_card(measures.summary.numbers, item, remark=measures.support.remark) for item in HEADLINES)
    return cards if supported else motion_cards(measures) + cards


def _card(numbers: Mapping[str, Estimate], item: Headline, *, remark: str) -> str:
    percent = item.unit == "%"
    factor = 100.0 if percent else 1.0
    corrected = item.name in numbers and bool(item.raw)
    estimate = numbers[item.name if item.name in numbers else item.raw]
    value, interval = estimate_in_words(estimate, factor=factor)
    unit = f'<span class="unit">{escape(item.unit)}</span>' if value != MISSING else ""
    raw = ""
    if corrected and not numbers[item.raw].problem:
        raw_value, raw_interval = estimate_in_words(numbers[item.raw])
        raw = f'<p class="raw">uncorrected {raw_value} <span class="nowrap">({raw_interval})</span></p>'
    label = f"{item.label}{', corrected' if corrected else ''}"
    doubt = f'<p class="raw"><b>{remark}</b></p>' if remark and rests_on_saltations(item.name) else ""
    return (
        f'<article class="card{" doubtful" if doubt else ""}"><h3><button type="button" class="tip" '
        f'data-tip="{escape(item.meaning)}">{escape(label)}</button></h3>'
        f'<p class="value"><span class="number">{value}</span> {unit}</p>'
        f"{_interval_bar(estimate, share=percent)}"
        f"{interval_words(estimate, interval)}{raw}{doubt}</article>"
    )


def _interval_bar(estimate: Estimate, *, share: bool) -> str:
    """The interval on a line from 0."""
    if not all(math.isfinite(number) for number in (estimate.value, estimate.low, estimate.high)):
        return '<div class="bar" aria-hidden="true"></div>'
    end = 1.0 if share else max(1.2 * estimate.high, 1e-12)
    low, value, high = (100 * number / end for number in (estimate.low, estimate.value, estimate.high))
    return (
        f'<div class="bar" aria-hidden="true"><i style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
        f'<b style="left:{value:.1f}%"></b></div>'
    )


def intervals_note(measures: Measures) -> str:
    """What the intervals represent, and how many cells and saltations the numbers are based on."""
    summary = measures.summary
    cells = counted(summary.n_cells, "cell")
    short = f" {summary.n_short} observed too briefly are left out." if summary.n_short else ""
    interval = f" The 95 % intervals resample {LEVELS[summary.level]}." if summary.n_cells > 1 else ""
    counts = saltation_counts(measures.migration).in_words()
    return escape(f"From {cells}.{short} {counts}{interval}")


def settings_note(measures: Measures) -> str:
    """Settings derived from the movie itself: noise, threshold, minimum length, drift."""
    migration = measures.migration
    noise, threshold = migration.noise, migration.threshold_um_per_h
    if not math.isfinite(threshold):
        return ""
    by = {"setting": "as set", "slow steps": "by the movie's slow steps"}.get(
        migration.threshold_by, f"the {migration.threshold_by}, which decides here"
    )
    removed = migration.drift
    measured = {"image": "background", "cells": "cells that rest"}.get(removed.source)
    drift = f" Drift of up to {in_words(removed.farthest_um)} µm, measured from the {measured}, was removed."
    drift = drift if measured else " No drift was removed."
    return escape(
        f"{noise.in_words[:1].upper()}{noise.in_words[1:]}; steps above {in_words(threshold)} µm/h ({by}) are mobile; "
        f"a saltation is at least {in_words(migration.saltations.min_length_um)} µm long.{drift}"
    )


def cautions(report: ReportInput) -> str:
    """Warnings, and what to try if there are no cells; empty if neither applies."""
    parts = []
    if not len(report.measures.migration.cells):
        parts.append(_panel("nothing", "No cells were found", NOTHING_FOUND))
    if report.warnings:
        count = "One caution" if len(report.warnings) == 1 else f"{len(report.warnings)} cautions"
        parts.append(_panel("cautions", f"{count} when reading these numbers", report.warnings))
    return "".join(parts)


def notes(report: ReportInput) -> str:
    """Notes about the movie; empty if there are none."""
    return _panel("notes", "About this movie", report.notes) if report.notes else ""


def _panel(kind: str, title: str, lines: tuple[str, ...]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<section class="panel {kind}"><h2>{escape(title)}</h2><ul>{items}</ul></section>'


def embedded_note(plan: Thinning, shape_YX: tuple[int, int], n_frames: int) -> str:
    """How the embedded images differ from the movie; empty if only by compression."""
    height, width = plan.shape_YX
    reductions = []
    if plan.step > 1:
        ordinal = {2: "second", 3: "third"}.get(plan.step, f"{plan.step}th")
        reductions.append(f"every {ordinal} of {n_frames} frames is embedded")
    if plan.shape_YX != shape_YX:
        reductions.append(f"images are reduced from {shape_YX[1]} × {shape_YX[0]} to {width} × {height} px")
    if not reductions:
        return ""
    return escape(f"To keep this file small, {' and '.join(reductions)}. Tracks and numbers are from the whole movie.")


def comparison(rule: Summary, model: Summary) -> str:
    """Rows of the table that compares the rule with the model."""
    rows = []
    for name, unit in UNITS.items():
        label, meaning = label_of(name)
        values = ""
        for summary in (rule, model):
            values += amount(*estimate_in_words(summary.numbers[name]))
        rows.append(
            f'<tr><th scope="row"><button type="button" class="tip" data-tip="{escape(meaning)}">{escape(label)}'
            f'</button></th><td class="of">{escape(unit)}</td>{values}</tr>'
        )
    return "".join(rows)


def comparison_link(rule: Summary, model: Summary, *, title: str) -> str:
    """A link that saves the table that compares the rule with the model."""
    rows = [
        (name, unit, *estimate_values(rule.numbers[name]), *estimate_values(model.numbers[name]))
        for name, unit in UNITS.items()
    ]
    content = csv_text(("number", "unit", *estimate_heads("rule"), *estimate_heads("model")), rows)
    return save_link(file_name(title, "detectors", "csv"), content, "csv", of="the table of both detectors")


def corrections(report: ReportInput) -> str:
    """How far a person's corrections moved the numbers; empty if there are none."""
    if report.before is None:
        return ""
    rows, saved, numbers = [], [], report.measures.summary.numbers
    tracks = report.tracks
    for label, name, after in (
        ("Tracks", "n_tracks", tracks["track_id"].nunique()),
        ("Points of tracks", "n_points", len(tracks)),
    ):
        pair = report.before[name], after
        cells = "".join(amount(str(value), "") for value in pair)
        rows.append(f'<tr><th scope="row">{label}</th><td class="of"></td>{cells}</tr>')
        saved.append((name, "", *(part for value in pair for part in (value, None, None, ""))))
    for name, unit in UNITS.items():
        if name in report.before["numbers"]:
            both = _estimate(report.before["numbers"][name]), numbers[name]
            cells = "".join(amount(*estimate_in_words(one)) for one in both)
            rows.append(
                f'<tr><th scope="row">{escape(label_of(name)[0])}</th><td class="of">{escape(unit)}</td>{cells}</tr>'
            )
            saved.append((name, unit, *(part for one in both for part in estimate_values(one))))
    heads = ("number", "unit", *estimate_heads("automatic"), *estimate_heads("corrected"))
    link = save_link(
        file_name(report.title, "corrections", "csv"), csv_text(heads, saved), "csv", of="what the corrections changed"
    )
    return (
        '<section class="box" aria-labelledby="corrected-title"><div class="section-head"><h2 id="corrected-title">'
        'What the corrections changed</h2><p class="small muted">The same numbers of the automatic tracks and of the '
        "corrected ones, with 95 % intervals. Both are of the same cells, so overlapping intervals do not mean that "
        f'nothing changed.</p>{link}</div><div class="table-box" tabindex="0" role="region" aria-labelledby="'
        'corrected-title"><table class="compare"><caption class="unseen">Numbers before and after the corrections'
        '</caption><thead><tr><th scope="col">Number</th><th scope="col" class="of">Unit</th><th scope="colgroup" '
        'colspan="2">Automatic</th><th scope="colgroup" colspan="2">Corrected</th></tr></thead><tbody>'
        f"{''.join(rows)}</tbody></table></div></section>"
    )


def _estimate(number: Mapping[str, Any]) -> Estimate:
    """A number of `summary.json`."""
    low, high = number.get("interval95") or (None, None)
    value, low, high = (math.nan if one is None else float(one) for one in (number.get("value"), low, high))
    return Estimate(value, low, high, str(number.get("not_estimated", "")))


def definitions(drift: str) -> str:
    """Definitions of all numbers; ``drift`` is what it was removed from."""
    defined = list(terms([drift]))
    defined += [(f"{label_of(name)[0]}{_unit(unit)}", label_of(name)[1]) for name, unit in UNITS.items()]
    columns = [(column.name, f"{column.meaning}{_unit(column.unit)}") for column in CELL_NUMBERS.columns]
    return (
        f'<dl class="terms">{_terms(defined)}</dl>'
        f'<h3>Numbers of one cell</h3><dl class="terms code">{_terms(columns)}</dl>'
    )


def _unit(unit: str) -> str:
    return f" ({unit})" if unit else ""


def _terms(terms: list[tuple[str, str]]) -> str:
    return "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(meaning)}</dd></div>" for term, meaning in terms)


def provenance(value: Any) -> str:
    """Nested values as nested lists."""
    if isinstance(value, Mapping):
        rows = "".join(
            f"<div><dt>{escape(str(name))}</dt><dd>{provenance(inner)}</dd></div>" for name, inner in value.items()
        )
        return f'<dl class="nested">{rows}</dl>' if rows else MISSING
    if isinstance(value, list | tuple):
        return f"<ul>{''.join(f'<li>{provenance(inner)}</li>' for inner in value)}</ul>" if value else MISSING
    if value is None:
        return MISSING
    return f"<code>{escape(str(value))}</code>"
