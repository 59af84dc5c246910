"""How right traced processes are: figures of docs/processes.md.

python -m benchmarks.processes --output docs                                   # both simulated worlds
python -m benchmarks.processes --sheets RESULTS --movie MOVIE --output sheets  # film strips of a real movie, to judge
python -m benchmarks.processes --judged --output docs                          # only the count of what was judged
python -m benchmarks.processes --draw --output docs                            # only the table, from processes.json

The first writes OUTPUT/processes.json and the table of OUTPUT/processes.md; the last fills in the count from
OUTPUT/processes_judged.csv, with an interval over cells.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.processes.score import joined, summary
from benchmarks.processes.second_world import CALIBRATION as SECOND
from benchmarks.processes.second_world import second_world
from benchmarks.processes.sheets import sample, write_sheets
from somanet.analysis.base import open_base
from somanet.analysis.processes.tracing import trace_processes
from somanet.analysis.processes.truth import true_processes
from somanet.analysis.processes.writing import without_drift
from somanet.analysis.stages.files import open_labels, read_drift_of, read_tracks_of, scale_of
from somanet.analysis.validation import tables
from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object, make_folder, write_json, write_text
from somanet.io.tables import write_table
from somanet.simulation import simulate_movie

FIRST = Calibration(1.28, 12.0)
FIRST_SEEDS, SECOND_SEEDS = range(101, 105), range(111, 113)
"""The settings were chosen on others: 1 to 3, and 1 to 2."""
STRIPS, STRIPS_SEED = 60, 1
RESAMPLED = 10_000
SURE = 0.9
NAMES = {"simulation": "SomaNet's simulation", "second_world": "second world"}
HEADS = {
    "n": ("cells in frames", "{:.0f}"),
    "given": ("a leading process is given", "{:.0f} %"),
    "median_deg": ("error of its direction, median", "{:.1f}°"),
    "within_30": ("within 30°", "{:.0f} %"),
    "within_30_of_all": ("within 30°, of all", "{:.0f} %"),
    "length_error": ("error of its length, median", "{:.0f} %"),
    "length_bias": ("its bias, median", "{:+.0f} %"),
    "length_within_20": ("length within 20 %", "{:.0f} %"),
    "told": ("leading told from trailing", "{:.1f} %"),
}


def first_world(seed: int) -> pd.DataFrame:
    """Traced against true processes in one movie of SomaNet's simulation, with its own masks and tracks."""
    movie = simulate_movie(seed=seed, n_frames=16, shape_YX=(320, 384), calibration=FIRST)
    true, _ = true_processes(movie, seed)
    shift = movie.drift_yx_um[movie.tracks["frame"]]
    moving = movie.tracks.assign(y_um=movie.tracks["y_um"] - shift[:, 0], x_um=movie.tracks["x_um"] - shift[:, 1])
    traced = trace_processes(movie.frames_TYX, movie.labels_TYX, movie.tracks, moving, calibration=FIRST)
    return joined(traced.table, true).assign(world="simulation", seed=seed)


def other_world(seed: int) -> pd.DataFrame:
    """The same in one movie of the second world."""
    world = second_world(seed)
    traced = trace_processes(world.frames_TYX, world.labels_TYX, world.tracks, world.tracks, calibration=SECOND)
    return joined(traced.table, world.true).assign(world="second_world", seed=seed)


def write_figures(output: Path) -> None:
    """Score both worlds."""
    parts = [first_world(seed) for seed in FIRST_SEEDS] + [other_world(seed) for seed in SECOND_SEEDS]
    scores = pd.concat(parts, ignore_index=True)
    figures = {str(world): dict(summary(rows)) for world, rows in scores.groupby("world", sort=False)}
    sure = scores[scores["confidence"] >= SURE]
    for world, rows in sure.groupby("world", sort=False):
        figures[str(world)]["within_30_sure"] = float((rows["error_deg"] <= 30).mean())
        figures[str(world)]["sure"] = len(rows) / int(scores.loc[scores["world"] == world, "error_deg"].notna().sum())
    write_json(output / "processes.json", figures)


def draw_figures(output: Path) -> None:
    """Fill in the table of both worlds."""
    figures = json_object(output / "processes.json")
    heads = {**HEADS, "sure": ("confidence ≥ 0.9", "{:.0f} %"), "within_30_sure": ("within 30°, of those", "{:.0f} %")}
    lines = [
        "| | " + " | ".join(NAMES[world] for world in figures) + " |",
        "| --- |" + " --- |" * len(figures),
        *(
            f"| {head} | " + " | ".join(_cell(form, one[key]) for one in figures.values()) + " |"
            for key, (head, form) in heads.items()
        ),
    ]
    _fill(output, {"processes": "\n".join(lines)})


def _cell(form: str, value: float) -> str:
    return form.format(100 * value if form.endswith("%") else value)


def judged_share(judged: pd.DataFrame, *, seed: int = 0) -> tuple[int, int, float, float]:
    """How many of those that could be judged are right, and the 95 % interval of the share, resampling cells."""
    told = judged[judged["judgement"].isin(("right", "wrong"))]
    right = (told["judgement"] == "right").groupby(told["track_id"]).agg(["sum", "size"]).to_numpy(float)
    drawn = np.random.default_rng(seed).integers(len(right), size=(RESAMPLED, len(right)))
    sums = right[drawn].sum(axis=1)
    low, high = np.percentile(sums[:, 0] / sums[:, 1], (2.5, 97.5))
    return int(right[:, 0].sum()), int(right[:, 1].sum()), float(low), float(high)


def _in_words(judged: pd.DataFrame) -> str:
    right, told, low, high = judged_share(judged)
    return f"{right} of {told} right, {100 * right / told:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def write_judged(output: Path) -> None:
    """Fill in the count of what was judged by eye."""
    both = pd.read_csv(output / "processes_judged.csv")
    first, judged = (both[both["sample"] == name] for name in ("first", "second"))
    unknown = int((judged["judgement"] == "cannot tell").sum())
    right = int((judged["judgement"] == "right").sum())
    untold = int((first["judgement"] == "cannot tell").sum())
    line = (
        f"**{_in_words(judged)}** (95 % interval over cells), and {unknown} of {len(judged)} could not be told: "
        f"{right} of {len(judged)} are right for certain, {100 * right / len(judged):.0f} %. With a confidence of at "
        f"least {SURE}: {_in_words(judged[judged['confidence'] >= SURE])}. The first sample, with an earlier version: "
        f"{_in_words(first)}, and {untold} of {len(first)} could not be told."
    )
    _fill(output, {"judged": line})


def write_strips(result: Path, movie: Path | None, output: Path) -> None:
    """Draw the sheets of strips and the table in which to write the judgements."""
    base = open_base(result)
    with open_labels(result) as labels, base.source(movie).open() as frames:
        if labels is None:
            raise SomaNetError(f"{result}: expected labels, found none.")
        tracks = read_tracks_of(result)
        moving = without_drift(tracks, read_drift_of(result))
        traced = trace_processes(frames, labels, tracks, moving, calibration=scale_of(base.about))
        chosen = sample(traced.table, STRIPS, STRIPS_SEED)
        write_sheets(make_folder(output), frames, tracks, traced.lines, chosen)
        columns = ["track_id", "frame", "length_um", "direction_deg", "confidence", "motion_deg"]
        numbers = range(1, len(chosen) + 1)
        write_table(output / "processes_judged.csv", chosen[columns].assign(strip=numbers, judgement=""))


def _fill(output: Path, filled: dict[str, str]) -> None:
    page = output / "processes.md"
    write_text(page, tables.fill(page.read_text(encoding="utf-8"), filled))


def main() -> None:
    """Score, draw or count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of processes.md, or of the sheets")
    parser.add_argument("--sheets", type=Path, help="results of `somanet analyze`, of which strips are drawn")
    parser.add_argument("--movie", type=Path, help="its movie")
    parser.add_argument("--judged", action="store_true", help="only count what was judged")
    parser.add_argument("--draw", action="store_true", help="only fill in the table")
    arguments = parser.parse_args()
    if arguments.sheets is not None:
        write_strips(arguments.sheets, arguments.movie, arguments.output)
    elif arguments.judged:
        write_judged(arguments.output)
    else:
        if not arguments.draw:
            write_figures(arguments.output)
        draw_figures(arguments.output)


if __name__ == "__main__":
    main()
