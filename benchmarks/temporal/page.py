"""The comparison as a page: means over seeds, paired differences with intervals, dim somas, ends of the movie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from somanet.core.markdown import table
from somanet.evaluation.image_tables import image_values, pooled_metrics
from somanet.evaluation.paired import paired_differences, same_images
from somanet.evaluation.resampling import bootstrap_counts

SEED = 0
SCORES = {"iou": "IoU", "precision": "precision", "recall": "recall", "mean_ap": "mean AP"}
START, SINGLE, TEMPORAL, ALONE = "start", "single", "temporal", "alone"
WORDS = {
    START: "start, not fine-tuned",
    SINGLE: "fine-tuned, single frames",
    TEMPORAL: "fine-tuned, three frames",
    ALONE: "… that sees the frame itself three times",
}


def dim_recall(somas: pd.DataFrame) -> pd.Series:
    """Per seed, the share of the dim somas that are found."""
    return somas[somas["dim"]].groupby("seed")["matched"].mean()


def dim_difference(
    somas: Mapping[str, pd.DataFrame], ours: str, theirs: str, *, resamples: int = 2000
) -> tuple[float, float, float]:
    """Difference in recall of dim somas, mean over the seeds of each, and its 95 % bootstrap interval over cells.

    A cell is dim in many frames, which are not independent: whole tracks are drawn.
    """
    found = {}
    for name in (ours, theirs):
        dim = somas[name][somas[name]["dim"]]
        per_soma = dim.groupby(["track", "t"])["matched"].mean().groupby("track").agg(["sum", "count"])
        found[name] = per_soma.sort_index()
    gain = (found[ours]["sum"] - found[theirs]["sum"]).to_numpy(float)
    n = found[ours]["count"].to_numpy(float)
    counts_RN = bootstrap_counts(len(n), seed=SEED, resamples=resamples)
    drawn = (counts_RN @ gain) / (counts_RN @ n)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(gain.sum() / n.sum()), float(low), float(high)


def page(images: pd.DataFrame, somas: pd.DataFrame, threshold: float, n_frames: int, about: str) -> str:
    """All tables.

    Args:
        images: frames of :func:`benchmarks.temporal.scores.scored`, with `network` and `seed`.
        somas: likewise, with `dim` as well.
        threshold: of the network that all start from.
        n_frames: of the movie, of which the first and the last are its ends.
        about: what comes first.
    """
    kept, kept_somas = images[images["threshold"] == threshold], somas[somas["threshold"] == threshold]
    networks = [name for name in WORDS if name in set(kept["network"])]
    by_network = {name: kept_somas[kept_somas["network"] == name] for name in networks}
    lines = [about, ""]
    for ignoring, title in ((False, "All objects"), (True, "Without cells that nobody labelled")):
        tables = {name: _of(kept, name, ignoring) for name in networks}
        counts = bootstrap_counts(tables[networks[0]]["name"].nunique(), seed=SEED)
        rows = []
        for name in networks:
            found = pooled_metrics(image_values(tables[name], name, by_name=True), counts)
            spread = found["spread_over_seeds"]
            cells = [f"{found[key]:.3f}{_plus_minus(spread[key])}" for key in SCORES]
            recall = dim_recall(by_network[name])
            rows.append([WORDS[name], *cells, f"{recall.mean():.3f}{_plus_minus(recall.std())}"])
        lines += [f"**{title}**", "", table(["network", *SCORES.values(), "recall of dim somas"], rows), ""]
        if {SINGLE, TEMPORAL} <= set(networks):
            two = same_images({name: tables[name] for name in (TEMPORAL, SINGLE)})
            gains = paired_differences(two, SINGLE, scores=list(SCORES), seed=SEED)[TEMPORAL]
            words = [f"{SCORES[key]} {_signed(g.value, g.low, g.high)}" for key, g in gains.items()]
            lines += [f"Three frames − single frames [95 % over frames]: {'; '.join(words)}.", ""]
    if {SINGLE, TEMPORAL} <= set(networks):
        gain = _signed(*dim_difference(by_network, TEMPORAL, SINGLE))
        each = dim_recall(by_network[TEMPORAL]) - dim_recall(by_network[SINGLE])
        seeds = ", ".join(f"{_sign(value)}" for value in each)
        lines += [f"Recall of dim somas, three frames − single frames [95 % over cells]: {gain}; by seed {seeds}.", ""]
    every = kept_somas.drop_duplicates(["t", "track"])
    dim = every[every["dim"]]
    cells = f"{dim['track'].nunique()} of {every['track'].nunique()} cells"
    lines += [f"{len(dim)} dim somas of {len(every)}, of {cells}.", ""]
    lines += ["**Thresholds** (recall of dim somas at precision)", "", _sweep(images, somas, networks), ""]
    ends = kept_somas[kept_somas["t"].isin([0, n_frames - 1])]
    rows = [[WORDS[name], f"{ends.loc[ends['network'] == name, 'matched'].mean():.3f}"] for name in networks]
    n_ends = ends.drop_duplicates(["t", "track"]).shape[0]
    lines += [f"**First and last frame** ({n_ends} somas)", "", table(["network", "recall"], rows), ""]
    return "\n".join(lines)


def _of(images: pd.DataFrame, network: str, ignoring: bool) -> pd.DataFrame:
    chosen = images[(images["network"] == network) & (images["ignoring"] == ignoring)]
    return chosen.drop(columns=["network", "ignoring", "threshold"])


def _sweep(images: pd.DataFrame, somas: pd.DataFrame, networks: Sequence[str]) -> str:
    thresholds = sorted(images["threshold"].unique())
    rows = []
    for name in networks:
        row = [WORDS[name]]
        for threshold in thresholds:
            frames = images[(images["network"] == name) & (images["threshold"] == threshold) & ~images["ignoring"]]
            sums = frames.groupby("seed")[["tp_0.5", "fp_0.5"]].sum()
            precision = (sums["tp_0.5"] / (sums["tp_0.5"] + sums["fp_0.5"])).mean()
            recall = dim_recall(somas[(somas["network"] == name) & (somas["threshold"] == threshold)]).mean()
            row.append(f"{recall:.3f} at {precision:.3f}")
        rows.append(row)
    return table(["network", *(f"{threshold:g}" for threshold in thresholds)], rows)


def _plus_minus(spread: float) -> str:
    return f" ± {spread:.3f}" if spread == spread else ""


def _sign(value: float) -> str:
    return f"{round(value, 3) + 0.0:+.3f}".replace("-", "−")


def _signed(value: float, low: float, high: float) -> str:
    return f"{_sign(value)} [{_sign(low)}, {_sign(high)}]"
