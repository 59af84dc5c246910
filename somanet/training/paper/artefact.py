"""The study's files: its table, its numbers for `dvc metrics`, and its figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from somanet.core.files import make_folder, write_json, write_text
from somanet.core.plots import save_figure
from somanet.io.datasets.layouts import LabelledImage
from somanet.training.comparison.networks import ComparedNetwork
from somanet.training.comparison.pairing import Pairing, pair_networks
from somanet.training.paper.figures import TITLES, loss_figures, panels_figure
from somanet.training.paper.page import study_markdown
from somanet.training.paper.results import THRESHOLD, Result
from somanet.training.paper.settings import StudyParams


def write_figures(
    results: Mapping[str, Result],
    items: Sequence[LabelledImage],
    predictions: Mapping[str, Sequence[NDArray[np.int32]]],
    folder: Path,
) -> list[tuple[str, Path]]:
    """Write the figures into a folder; return (title, path) of each."""
    make_folder(folder)
    written = []
    for name, figure in loss_figures(results).items():
        save_figure(figure, folder / f"loss_{name}.png")
        written.append((f"Training loss {TITLES[name]}", folder / f"loss_{name}.png"))
    save_figure(panels_figure(items, predictions), folder / "panels.png")
    written.append(("Input, ground truth and predictions", folder / "panels.png"))
    return written


def write_study(
    params: StudyParams,
    results: Mapping[str, Result],
    threshold: ComparedNetwork,
    reports: Path,
    *,
    figures: Sequence[tuple[str, Path]],
    study: str,
) -> list[Path]:
    """Write `study.md` and `study.json`; return their paths. Equal results give equal bytes.

    Args:
        params, results, threshold, study: see :func:`somanet.training.paper.page.study_markdown`.
        reports: the folder to write to.
        figures: (title, path) of each.

    Raises:
        SomaNetError: the rows were not scored on the same images.
    """
    networks = [*(result.network for result in results.values()), threshold]
    pairing = pair_networks(networks, reference=params.reference)
    against_rule = pair_networks(networks, reference=THRESHOLD)
    assert pairing is not None, "every row has per-image scores"
    assert against_rule is not None
    shown = [(title, path.relative_to(reports).as_posix()) for title, path in figures]
    page = study_markdown(params, results, threshold, pairing, against_rule, figures=shown, study=study)
    numbers = {name: _numbers(result.network, result, pairing, against_rule) for name, result in results.items()}
    numbers[THRESHOLD] = _numbers(threshold, None, pairing, against_rule)
    write_json(reports / "study.json", numbers)
    write_text(reports / "study.md", page)
    return [reports / "study.md", reports / "study.json"]


def _numbers(
    network: ComparedNetwork, result: Result | None, pairing: Pairing, against_rule: Pairing
) -> dict[str, Any]:
    """A row's numbers, flat enough for `dvc metrics diff`."""
    numbers: dict[str, Any] = {
        name: network.metrics[name]
        for name in ("iou", "precision", "recall", "accuracy", "mean_ap", "size_bias", "noise_per_image")
    }
    numbers["n_seeds"] = network.metrics.get("n_seeds", 1)
    if result is not None:
        known = {"train_loss": result.last_loss, "train_iou": result.train_iou}
        numbers |= {name: value for name, value in known.items() if not math.isnan(value)}
    for name, one in (("iou_from_reference", pairing), ("iou_from_threshold", against_rule)):
        if network.name != one.reference:
            difference = one.differences[network.name]["iou"]
            numbers[name] = {"value": difference.value, "low": difference.low, "high": difference.high}
    return numbers
