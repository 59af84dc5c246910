"""The curve as a table and as a figure, from the per-image scores of the finished trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from benchmarks.few_labels.plan import ALL_METHODS, PUTATIVE
from benchmarks.few_labels.trainings import PARTS
from somanet.core.markdown import table
from somanet.core.plots import blank
from somanet.evaluation.image_tables import image_values, pooled_metrics
from somanet.evaluation.paired import paired_differences, same_images
from somanet.evaluation.resampling import bootstrap_counts
from somanet.training.experiments import EVALUATION_SEED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCORES = {"iou": "IoU", "precision": "precision", "accuracy": "accuracy"}
_COLOURS = {"plain": "#6b7079", "simulated": "#D55E00", "teacher": "#0072B2", "both": "#009E73", "putative": "#CC79A7"}
_TITLES = {"everything": "Every object", "interior": "Without objects cut by a crop's edge"}


def summarise(results: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per part, number of crops and method: mean over seeds, spread over seeds, intervals over images.

    `gain` is the paired difference of the IoU from `plain`'s, with the same crops and seeds; only seeds
    that both have count; without any it is missing too. `over_teacher` is the same for putative labels and `teacher`.

    Args:
        results: rows of :func:`benchmarks.few_labels.trainings.train_and_score` with method, crops and seed.
    """
    n_images = results["name"].nunique()
    counts = bootstrap_counts(n_images, seed=EVALUATION_SEED)
    rows = []
    tables: dict[tuple[str, int, str], dict[int, pd.DataFrame]] = {}
    for group, scored in results.sort_values("name", kind="stable").groupby(["part", "crops", "method", "seed"]):
        part, crops, method, seed = cast("tuple[str, int, str, int]", group)
        tables.setdefault((part, crops, method), {})[seed] = scored
    order = {method.name: place for place, method in enumerate(ALL_METHODS)}
    for part, crops, method in sorted(tables, key=lambda key: (PARTS.index(key[0]), key[1], order[key[2]])):
        seeds = tables[part, crops, method]
        row: dict[str, Any] = {
            "part": part,
            "crops": crops,
            "method": method,
            **pooled_metrics(image_values(pd.concat(seeds.values()), method), counts),
        }
        others = {"plain": "gain"} | ({"teacher": "over_teacher"} if method == PUTATIVE.name else {})
        for other, key in others.items():
            theirs = tables.get((part, crops, other), {})
            shared = [seed for seed in seeds if seed in theirs]
            if method != other and shared:
                row[key] = _difference(
                    {name: [of[s] for s in shared] for name, of in ((method, seeds), (other, theirs))}
                )
        rows.append(row)
    return rows


def _difference(tables: Mapping[str, Sequence[pd.DataFrame]]) -> tuple[float, float, float]:
    """The first method's IoU minus the second one's, and its interval, from tables of the same seeds."""
    ours, theirs = tables
    both = same_images({name: pd.concat(seeds) for name, seeds in tables.items()})
    found = paired_differences(both, theirs, scores=["iou"], seed=EVALUATION_SEED)[ours]["iou"]
    return found.value, found.low, found.high


def markdown(rows: Sequence[Mapping[str, Any]], metadata: Sequence[str]) -> str:
    """The tables, after a description of the setting."""
    words = {method.name: method.what for method in ALL_METHODS}
    lines = [*metadata, ""]
    head = ["crops", "", *SCORES.values(), "IoU − labelled crops only", "seeds"]
    for part in PARTS:
        cells = [
            [
                f"{row['crops']}",
                words[row["method"]],
                *(_score(row, name) for name in SCORES),
                _gain(row["gain"]) if "gain" in row else "",
                f"{row['n_seeds']}",
            ]
            for row in rows
            if row["part"] == part
        ]
        lines += [f"**{_TITLES[part]}**", "", table(head, cells), ""]
        if over := [row for row in rows if row["part"] == part and "over_teacher" in row]:
            each = "; ".join(f"{row['crops']} crops {_gain(row['over_teacher'])}" for row in over)
            lines += [f"IoU, putative labels − mean teacher: {each}.", ""]
    return "\n".join(lines)


def draw(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Scores of every object against the number of labelled crops; bars are one standard deviation over seeds."""
    shown = pd.DataFrame([row for row in rows if row["part"] == PARTS[0]])
    figure = blank(11, 3.8)
    for ax, (score, title) in zip(figure.subplots(1, len(SCORES)), SCORES.items(), strict=True):
        for place, method in enumerate(ALL_METHODS):
            line = shown[shown["method"] == method.name]
            if line.empty:
                continue
            beside = line["crops"].to_numpy(float) * 2 ** ((place - 1.5) * 0.06)  # so that bars do not overlap
            spread = [spreads[score] for spreads in line["spread_over_seeds"]]
            colour = _COLOURS[method.name]
            ax.errorbar(beside, line[score], spread, color=colour, marker="o", ms=4, capsize=2, label=method.what)
        ax.set_xscale("log", base=2)
        ax.set_xticks(sorted(shown["crops"].unique()), [f"{crops:g}" for crops in sorted(shown["crops"].unique())])
        ax.set_xlabel("labelled crops")
        ax.set_ylabel(title)
        ax.spines[["top", "right"]].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(handles), frameon=False)
    return figure


def _score(row: Mapping[str, Any], name: str) -> str:
    low, high = row["interval95"][name]
    spread = row["spread_over_seeds"][name]
    return f"{row[name]:.3f}{f' ± {spread:.3f}' if spread == spread else ''} [{low:.3f}, {high:.3f}]"


def _gain(gain: tuple[float, float, float]) -> str:
    value, low, high = (f"{round(number, 3) + 0.0:+.3f}".replace("-", "−") for number in gain)  # no −0.000
    return f"{value} [{low}, {high}]"
