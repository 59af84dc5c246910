"""The part of the page on how cells move: states, modes, and the numbers with frames left out."""

from __future__ import annotations

import math
from html import escape

from somanet.analysis.report.definitions import MISSING, amount, estimate_in_words, in_words, interval_words
from somanet.analysis.report.downloads import csv_text, estimate_heads, estimate_values, file_name, save_link
from somanet.migration.frame_dropping import NAMES, Thinned
from somanet.migration.intervals import Estimate
from somanet.migration.measures import Measures
from somanet.migration.motion_modes import MODES, Modes
from somanet.migration.motion_states import CREEP, REST, RUN

STATE_WORDS = {REST: "At rest", CREEP: "Creeping", RUN: "Running"}
MODEL_WORDS = {
    "saltatory": "every cell rests and jumps",
    "continuous": "every cell keeps moving, at changing speed",
    "walk": "every cell is one persistent walk",
    "mixture": "some cells rest and jump, others keep moving",
}
MEANINGS = {
    REST: "Share of the steps from frame to frame in which the soma moves by less than 3.5 µm/h. A step with part of a "
    "jump in it is not at rest, so longer frame intervals show less rest.",
    CREEP: "Share of the steps in which the soma moves slowly, at 3.5 to 17 µm/h.",
    RUN: "Share of the steps in which the soma moves at 17 µm/h or more.",
    "speed": "Root mean square of the speeds of single steps while running, with the localisation error taken off: "
    "above the mean speed, and at the scale of the frame interval.",
    "persistence": "Time over which a running soma keeps its velocity, speed and direction.",
}
WIDTH, HEIGHT, LEFT, TOP = 300, 150, 46, 24
RULE, MODEL = "var(--rest)", "var(--jump)"
COLOURS_ON_PAPER = {RULE: "#0072b2", MODEL: "#d55e00", "var(--ink)": "#16202b", "var(--line)": "#dde3e9"}
"""The colours of the page's style in a saved file, which has no style."""
CURVES = dict(zip(NAMES, ("Saltations per hour, corrected", "Saltation length (µm), corrected"), strict=True))


def motion_cards(measures: Measures) -> str:
    """The description of motion as cards, for the head of the page; empty without steps."""
    modes = measures.modes
    if modes is None:
        return ""
    cards = [
        _card(
            f"{STATE_WORDS[name]}, share of steps of {60 * modes.interval_h:.3g} min",
            MEANINGS[name],
            modes.state_share[name],
            "%",
        )
        for name in STATE_WORDS
    ]
    cards.append(
        _card("Speed while running, root mean square", MEANINGS["speed"], modes.state_speed_um_per_h[RUN], "µm/h")
    )
    cards.append(_card("Velocity kept for", MEANINGS["persistence"], modes.run_persistence_h, "h"))
    return "".join(cards)


def _card(label: str, meaning: str, estimate: Estimate, unit: str) -> str:
    value, interval = estimate_in_words(estimate, factor=100.0 if unit == "%" else 1.0)
    shown = f'<span class="unit">{escape(unit)}</span>' if value != MISSING else ""
    return (
        f'<article class="card"><h3><button type="button" class="tip" data-tip="{escape(meaning)}">{escape(label)}'
        f'</button></h3><p class="value"><span class="number">{value}</span> {shown}</p>'
        f"{interval_words(estimate, interval)}</article>"
    )


def motion_section(measures: Measures, *, title: str) -> str:
    """States and modes in words and tables, the localisation error, and the curve with frames left out.

    Args:
        measures: of the movie.
        title: of the page, for the names of saved files.
    """
    noise = measures.migration.noise
    if measures.modes is None:
        return ""
    parts = [f"<p>{escape(_verdict(measures))}</p>", _states(measures.modes, title)]
    if not noise.given and math.isfinite(noise.sigma_um):
        rest = "cells rest" if noise.rests else "no cell can be shown to rest"
        parts.append(
            f'<p class="small muted">{escape(noise.in_words[:1].upper() + noise.in_words[1:])}. By the correlation of '
            f"slow steps in a row, {in_words(noise.step_correlation)} (−0.5 is error alone, 0 or more motion), and by "
            f"maximum likelihood, {rest}.</p>"
        )
    parts.append(_curves(measures.thinned, measures.model_thinned, title))
    return "".join(parts)


def _verdict(measures: Measures) -> str:
    modes, support = measures.modes, measures.support
    assert modes is not None
    best = f"Of the models compared, the data are described best by: {MODEL_WORDS[modes.best]}."
    return f"{best} {support.warnings[0] if support.warnings else 'Saltations per hour are supported.'}"


def _states(modes: Modes, title: str) -> str:
    rows, saved = "", []
    for name, words in STATE_WORDS.items():
        share, speed = modes.state_share[name], modes.state_speed_um_per_h[name]
        percent, interval = estimate_in_words(share, factor=100.0)
        cells = amount(f"{percent} %", interval) + amount(*estimate_in_words(speed))
        rows += f'<tr><th scope="row">{words}</th>{cells}</tr>'
        saved.append((name, *estimate_values(share), *estimate_values(speed)))
    counts = ", ".join(f"{int((modes.cells['mode'] == name).sum())} {name}" for name in MODES)
    step = f"Share of steps of {60 * modes.interval_h:.3g} min"
    heads = ("state", *estimate_heads("share_of_steps"), *estimate_heads("speed_um_per_h"))
    link = save_link(
        file_name(title, "states", "csv"), csv_text(heads, saved), "csv", of="the table of states of motion"
    )
    return (
        '<div class="table-box"><table class="compare"><caption class="unseen">States of motion</caption><thead><tr>'
        f'<th scope="col">State</th><th scope="colgroup" colspan="2">{step}</th>'
        '<th scope="colgroup" colspan="2">Speed, root mean square (µm/h)</th></tr></thead><tbody>'
        f'{rows}</tbody></table></div><p class="small muted">Cells by mode: {escape(counts)}. {link}</p>'
    )


def _curves(rule: tuple[Thinned, ...], model: tuple[Thinned, ...], title: str) -> str:
    if len(rule) < 2:
        return '<p class="small muted">The movie is too short to leave out frames.</p>' if rule else ""
    drawn = [marks for name, words in CURVES.items() if (marks := _curve(name, words, rule, model))]
    if not drawn:
        return ""
    whole = "".join(f'<g transform="translate({i * WIDTH} 0)">{marks}</g>' for i, (_, marks) in enumerate(drawn))
    for name, colour in COLOURS_ON_PAPER.items():
        whole = whole.replace(name, colour)
    width = len(drawn) * WIDTH
    file = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" '
        f'font-family="Helvetica, Arial, sans-serif"><rect width="{width}" height="{HEIGHT}" fill="#ffffff"/>{whole}'
        "</svg>"
    )
    link = save_link(file_name(title, "frames_left_out", "svg"), file, "svg", of="the figure of frames left out")
    shown = "".join(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="'
        f'{escape(words)}, with frames left out">{marks}</svg>'
        for words, marks in drawn
    )
    return (
        '<figure class="dropping"><figcaption class="small">With frames left out: numbers that move with the interval '
        "are not to be trusted. Blue discs: rule; orange squares, dashed: model; bars: 95 % intervals over cells. "
        f"{link}</figcaption>{shown}</figure>"
    )


def _curve(name: str, title: str, rule: tuple[Thinned, ...], model: tuple[Thinned, ...]) -> tuple[str, str] | None:
    """The title of a drawing and its shapes, in the colours of the page's style; None if nothing is known."""
    tops = [x for one in (*rule, *model) for x in (one.numbers[name].high, one.numbers[name].value) if math.isfinite(x)]
    if not tops:
        return None
    top = 1.1 * max(tops)
    longest = rule[-1].interval_h

    def place(one: Thinned, value: float, shift: float = 0.0) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - 12) * one.interval_h / longest * 0.96 + shift
        return x, HEIGHT - 24 - (HEIGHT - 24 - TOP) * value / top

    marks = f'<text x="{LEFT}" y="14" font-size="12" fill="var(--ink)">{escape(title)}</text>'
    for value in (0.0, top / 1.1):
        y = place(rule[0], value)[1]
        marks += f'<line x1="{LEFT}" x2="{WIDTH - 6}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
        marks += (
            f'<text x="{LEFT - 5}" y="{y + 4:.1f}" font-size="11" text-anchor="end" fill="var(--ink)">'
            f"{in_words(value, digits=2)}</text>"
        )
    for one in rule:
        x = place(one, 0.0)[0]
        marks += (
            f'<text x="{x:.1f}" y="{HEIGHT - 8}" font-size="11" text-anchor="middle" fill="var(--ink)">'
            f"{60 * one.interval_h:.3g} min</text>"
        )
    for points, colour, shift in ((rule, RULE, -3.0), (model, MODEL, 3.0)):
        known = [one for one in points if math.isfinite(one.numbers[name].value)]
        line = " ".join("{:.1f},{:.1f}".format(*place(one, one.numbers[name].value, shift)) for one in known)
        dashes = ' stroke-dasharray="5 3"' if colour == MODEL else ""
        marks += f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"{dashes}/>'
        for one in known:
            estimate = one.numbers[name]
            x, y = place(one, estimate.value, shift)
            if colour == RULE:
                marks += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>'
            else:
                marks += f'<rect x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6" fill="{colour}"/>'
            if math.isfinite(estimate.low):
                low, high = (place(one, value)[1] for value in (estimate.low, estimate.high))
                marks += f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{colour}"/>'
    return title, marks
