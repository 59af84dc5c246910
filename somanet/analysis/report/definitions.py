"""Definitions of the report's numbers, for readers new to them."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape

from somanet.migration.intervals import Estimate

MISSING = "–"


@dataclass(frozen=True)
class Headline:
    """A number at the top of the page: its name in the summary, label, unit and meaning.

    ``raw`` is the uncorrected number, shown below it, or in its place if there is no corrected one.
    """

    name: str
    label: str
    unit: str
    meaning: str
    raw: str = ""


HEADLINES = (
    Headline(
        "frequency_corrected_per_h",
        "Saltation frequency",
        "per hour",
        "How often a cell starts a saltation (a jump of its soma) per hour of observation, corrected for pauses that "
        "are too short to be resolved at this frame interval.",
        raw="frequency_per_h",
    ),
    Headline(
        "mean_length_corrected_um",
        "Saltation length",
        "µm",
        "Distance that the soma covers in one saltation, from start to end, corrected for successive saltations that "
        "the frame interval merges into one.",
        raw="mean_length_um",
    ),
    Headline(
        "mobile_speed_corrected_um_per_h",
        "Speed when mobile",
        "µm/h",
        "Speed at which the average micrometre of a saltation is covered: the speed weighted by distance. For a jump "
        "of even speed that is length over duration; frames do not show when a jump that speeds up and slows down "
        "begins and ends. The interval includes how far two ways to estimate it are apart.",
        raw="mobile_speed_um_per_h",
    ),
    Headline(
        "mean_pause_corrected_h",
        "Pause",
        "h",
        "Time without motion per saltation, of cells that saltate, corrected for pauses that frames hide and for whole "
        "frames. The interval includes that slow starts and stops may belong to the pause.",
        raw="mean_pause_h",
    ),
    Headline(
        "saltating_share",
        "Saltating cells",
        "%",
        "Share of cells that start at least one saltation while observed; it grows with the observation time.",
    ),
    Headline(
        "average_speed_corrected_um_per_h",
        "Average speed",
        "µm/h",
        "Distance covered in saltations, without the noise, per hour of observation, pauses included. Creeping between "
        "saltations is not in it. Uncorrected, localisation noise counts as travel.",
        raw="average_speed_um_per_h",
    ),
    Headline(
        "rms_speed_1h_um_per_h",
        "Net speed over an hour",
        "µm/h",
        "Root mean square of the net displacement in an hour, less the noise, over that hour: at a stated time scale, "
        "whatever the frame interval, and whether cells jump, creep or run.",
    ),
)

NUMBER_LABELS = {
    "frequency_per_h": ("Frequency, uncorrected", "Saltations with an observed start, over the observed time."),
    "frequency_corrected_per_h": ("Frequency, corrected", HEADLINES[0].meaning),
    "mean_length_um": ("Length, uncorrected", "Mean net displacement of complete saltations."),
    "mean_length_corrected_um": ("Length, corrected", HEADLINES[1].meaning),
    "mean_duration_h": ("Duration", "Mean duration of complete saltations, in whole frame intervals."),
    "mobile_speed_um_per_h": (
        "Speed when mobile, uncorrected",
        "Length of complete saltations over their duration in whole frames, which is too long.",
    ),
    "mobile_speed_corrected_um_per_h": ("Speed when mobile, weighted by distance", HEADLINES[2].meaning),
    "mean_pause_h": ("Pause, uncorrected", "Resting time of cells that saltate over the saltations seen to start."),
    "mean_pause_corrected_h": ("Pause, corrected", HEADLINES[3].meaning),
    "pause_fraction": (
        "Share of time in pauses, uncorrected",
        "One minus the time in saltations over the observed time.",
    ),
    "pause_fraction_corrected": (
        "Share of time in pauses, corrected",
        "One minus average speed over speed when mobile, of all cells; the interval includes slow starts and stops.",
    ),
    "average_speed_um_per_h": (
        "Average speed, uncorrected",
        "The path from frame to frame over the time. Noise counts as travel: it grows with the frame rate.",
    ),
    "average_speed_corrected_um_per_h": ("Average speed, corrected", HEADLINES[5].meaning),
    "rms_speed_1h_um_per_h": ("Net speed over an hour (root mean square)", HEADLINES[6].meaning),
    "straightness": (
        "Straightness, uncorrected",
        "Distance from first to last position over the path from frame to frame, mean of cells. Noise lengthens it.",
    ),
    "straightness_corrected": (
        "Straightness, corrected",
        (
            "Distance from first to last position over the distance covered in saltations, of all cells that saltate "
            "together. It falls as tracks grow longer: compare at one duration only."
        ),
    ),
    "velocity_along_um_per_h": (
        "Velocity along the axis",
        (
            "Net displacement along the axis over time, of all cells together; negative against it. The axis is the "
            "image's right unless --axis-deg says otherwise."
        ),
    ),
    "velocity_across_um_per_h": (
        "Velocity across the axis",
        "The same, a quarter turn further: down if the axis points to the right.",
    ),
    "mean_cosine": (
        "Mean cosine to the axis",
        "Of the angle between the axis and each cell's net displacement: 1 along it, −1 against it, 0 at random.",
    ),
    "resultant": (
        "Resultant length R",
        (
            "Length of the mean vector of the cells' directions: 1 all one way, 0 every way. Random directions give "
            "0.89/√n, so compare it at like n only; its interval begins at 0 where they may be random."
        ),
    ),
    "resultant_corrected": (
        "Resultant length R, corrected",
        (
            "R without what chance adds for few cells, √((nR² − 1)/(n − 1)): about 0 for random directions, whatever "
            "n; below 0 where directions are more even than random ones. Its interval is that of R."
        ),
    ),
    "mean_direction_deg": (
        "Mean direction",
        "Circular mean of the cells' directions, counted from the axis; it has an interval where R is above 0.",
    ),
    "mean_turn_deg": (
        "Turn between saltations",
        (
            "Mean angle between the directions of a saltation and the next, 0 to 180; the shortest hardly count, as "
            "noise alone makes short ones."
        ),
    ),
    "saltating_share": ("Share of saltating cells", HEADLINES[4].meaning),
}
"""Label and meaning of the numbers of :data:`somanet.migration.pooling.UNITS`."""

TERMS = (
    (
        "Localisation error σ",
        (
            "Standard deviation of measured centres per axis, by maximum likelihood: successive steps share a "
            "position, so error makes them anti-correlated and motion, however slow, makes them alike. Where cells "
            "never rest, it is bounded from above only, and the bound is used: nothing that may be error is taken for "
            "motion."
        ),
    ),
    (
        "Mobile step",
        (
            "A step faster than the threshold: 3√2·s over the frame interval, kept within 10 and 30 µm/h, where s is "
            "the scale of the movie's slow steps: the error, and creep if there is any. All of it can be set."
        ),
    ),
    (
        "States of motion",
        (
            "Each step is at rest, creeping (3.5 to 17 µm/h) or running by its true speed, as far as a hidden Markov "
            "model leaves it known, whose velocities persist from step to step and whose positions err by σ."
        ),
    ),
    (
        "Speed while running",
        (
            "Root mean square of the speeds of single steps while running, less the localisation error: above the mean "
            "speed, and at the scale of the frame interval, as a longer step has turns and stops in it."
        ),
    ),
    (
        "Mode of a cell",
        (
            "Saltatory if rests and jumps explain its steps better than motion without rest, by a chance of 0.9 or "
            "more; continuous if the other way round; resting if it hardly ever runs; else undecided."
        ),
    ),
    (
        "Supported",
        (
            "Saltation numbers are supported if few cells keep moving, if the corrected numbers stay when every second "
            "frame is left out, and if rule and model agree; the limits are calibrated on simulated worlds."
        ),
    ),
    (
        "Saltation",
        "A maximal run of mobile steps that ends at least 5 µm (or 4σ, if more) from where it began.",
    ),
    (
        "Incomplete saltation",
        "One whose start or end is not observed: it counts towards observed time, not lengths, speeds or pauses.",
    ),
    (
        "Corrected",
        (
            "A pause too short to leave a resting step merges two saltations into one, and whole frames make "
            "saltations appear to last longer. Corrected numbers undo both; the lengths of the observed pauses show "
            "how many are hidden. Distances lose what noise adds to each step."
        ),
    ),
    (
        "95 % interval",
        (
            "Student's t with a bootstrap over whole donors, movies or cells, whichever is the highest level with two "
            "or more; on a scale without bounds (logarithm, log odds), so that no interval leaves its number's range."
        ),
    ),
    (
        "Not estimated",
        (
            "The movie does not support the number or its interval; the reason is given. What is not estimated is not "
            "to be compared."
        ),
    ),
    ("Model", "A hidden Markov model with a resting and a mobile state, fitted to all cells of the movie."),
)
"""Terms used in the definitions, after that of a step."""
STEP_AFTER = {
    "image": "the stage drift that the background of the images shows",
    "cells": "the drift that resting cells share",
}
"""What steps are measured after the removal of, by what drift was removed from."""


def terms(drift: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Terms used in the definitions, each with its meaning.

    Args:
        drift: what it was removed from in the movies, each "image", "cells" or "none".
    """
    removed = " or ".join(words for source, words in STEP_AFTER.items() if source in drift)
    some = ", in the movies where it was measured" if "none" in drift else ""
    after = f", after removing {removed}{some}" if removed else "; no drift was removed"
    step = f"Displacement of a soma from one frame to the next{after}. Steps across missing frames are not counted."
    return (("Step", step), *TERMS)


def label_of(name: str) -> tuple[str, str]:
    """Label and meaning of a number of the summary."""
    return NUMBER_LABELS.get(name, (name, ""))


def in_sentence(name: str) -> str:
    """Label of a number of the summary within a sentence: "resultant length R, corrected"."""
    label = label_of(name)[0]
    return f"{label[:1].lower()}{label[1:]}"


def in_words(value: float, *, digits: int = 3) -> str:
    """A number with three significant digits, or a dash where it is undefined."""
    if not math.isfinite(value):
        return MISSING
    return f"{value:.{decimals([value], digits=digits)}f}".replace("-", "−")


def decimals(values: Sequence[float], *, digits: int = 3) -> int:
    """Number of decimals that show the largest of the values to ``digits`` digits; at most 4."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if not largest:
        return 0
    return int(min(4, max(0, digits - 1 - math.floor(math.log10(largest) + 1e-12))))


def estimate_in_words(estimate: Estimate, *, factor: float = 1.0) -> tuple[str, str]:
    """Value and interval of one number with the same number of decimals: ``("26.9", "25.0 to 28.8")``.

    Where there is no interval, a dash and ``not estimated: `` with the reason: no number is shown as if it were sure.
    """
    if estimate.problem:
        return MISSING, f"not estimated: {estimate.problem}"
    value, low, high = rounded(estimate, factor=factor)
    return value, MISSING if MISSING in (low, high) else f"{low} to {high}"


def rounded(estimate: Estimate, *, factor: float = 1.0) -> tuple[str, str, str]:
    """Value, low and high end of one number, as the report and the terminal both show them; a dash for what is none.

    They have the same number of decimals, of which the value has three digits.
    """
    numbers = [factor * number for number in (estimate.value, estimate.low, estimate.high)]
    places = decimals(numbers[:1])
    value, low, high = (
        f"{number:.{places}f}".replace("-", "−") if math.isfinite(number) else MISSING for number in numbers
    )
    return value, low, high


def interval_words(estimate: Estimate, interval: str) -> str:
    """An interval below its number, as HTML; a reason in its place may break into lines."""
    if estimate.problem:
        return f'<p class="interval">{escape(interval)}</p>'
    return f'<p class="interval">95 % interval <span class="nowrap">{interval}</span></p>'


def amount(value: str, interval: str) -> str:
    """A number and its interval, or the reason why there is none, as two cells of a table of estimates."""
    return f'<td class="amount"><b>{escape(value)}</b></td><td class="range">{escape(interval)}</td>'
