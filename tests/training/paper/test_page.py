"""The page, the numbers and the figures of a study with made-up results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from somanet.io.images import read_image
from somanet.training.paper.artefact import write_figures, write_study
from somanet.training.paper.figures import loss_figures
from tests.markdown_tables import unpadded
from tests.training.paper.worlds import small_study
from tests.worlds import scene


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reports = tmp_path_factory.mktemp("reports")
    params, results, threshold = small_study()
    items = [scene("a"), scene("b")]
    predictions = {name: [item.labels for item in items] for name in ("baseline: n", "best")}
    figures = write_figures(results, items, predictions, reports / "study")
    write_study(params, results, threshold, reports, figures=figures, study="f" * 20)
    return reports


def cells(page: str, row: str) -> list[str]:
    [line] = [line for line in page.splitlines() if line.startswith(f"| {row} |") and line.count("|") > 4]
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_every_row_stands_beside_the_paper_s_own_numbers(written: Path) -> None:
    """Losses end at 0.2 and 0.4: mean 0.3. The paper's run 1: 0.016, 0.39, 0.50; its baseline: no loss, 0.10, 0.07."""
    page = unpadded((written / "study.md").read_text(encoding="utf-8"))
    assert cells(page, "best")[2:] == [
        *("0.001", "8", "0.0001", "500", "10", "0.300", "0.75", "0.50 ± 0.05 [0.40, 0.60]"),
        *("0.016", "0.39", "0.50", *["0.50 ± 0.05 [0.40, 0.60]"] * 2, "reference"),
    ]
    assert cells(page, "baseline: n")[2:13] == [
        *["–"] * 3,
        "0",
        "–",
        "–",
        "–",
        "0.20 [0.10, 0.30]",
        "–",
        "0.10",
        "0.07",
    ]
    assert cells(page, "other")[10:13] == ["–"] * 3
    order = [page.index(text) for text in ("## The paper's", "| best |", "| fast |", "## Beyond", "| other |")]
    assert order == sorted(order)


def test_differences_are_those_of_the_same_images(written: Path) -> None:
    """`other` is 0.3 above `best` on all 8 images; `fast` 0.2 below on 4 and above on 4: nothing on average.

    All 2^8 patterns are counted: 8 images of one sign give p = 2/256, times 4 comparisons. Three of them have that
    p or more, so that Holm's step gives the largest one 4 × or less.
    """
    page = unpadded((written / "study.md").read_text(encoding="utf-8"))
    assert cells(page, "other")[-1] == "**+0.300 [+0.300, +0.300], p 0.031**"
    assert cells(page, "baseline: n")[-1] == "**−0.300 [−0.300, −0.300], p 0.031**"
    difference = cells(page, "fast")[-1]
    assert difference.startswith("0.000 [−0.")
    assert difference.endswith(", p 1")
    numbers = json.loads((written / "study.json").read_text(encoding="utf-8"))
    assert numbers["other"]["iou_from_reference"]["value"] == pytest.approx(0.3)
    assert "iou_from_reference" not in numbers["best"]
    assert numbers["best"]["train_loss"] == pytest.approx(0.3)
    assert "train_loss" not in numbers["baseline: n"]


def test_the_best_row_is_held_against_the_threshold(written: Path) -> None:
    """0.8 against 0.6 on seven images and 0.92 on one: (7 · 0.2 − 0.12) / 8 = +0.16 on average, better on 7 of 8."""
    page = unpadded((written / "study.md").read_text(encoding="utf-8"))
    [verdict] = [line for line in page.splitlines() if line.startswith("**other** has the best IoU")]
    assert "from threshold and opening by +0.160 [" in verdict
    assert "from best by +0.300 [+0.300, +0.300]" in verdict
    assert "better than threshold and opening on 7 of 8 images" in verdict
    numbers = json.loads((written / "study.json").read_text(encoding="utf-8"))
    assert numbers["other"]["iou_from_threshold"]["value"] == pytest.approx(0.16)


def test_pictures_are_named_and_there(written: Path) -> None:
    page = unpadded((written / "study.md").read_text(encoding="utf-8"))
    names = {"loss_learning_rate.png", "loss_final.png", "panels.png"}  # one batch size, one decay: nothing to compare
    assert {path.name for path in (written / "study").iterdir()} == names
    for name in names:
        assert f"](study/{name})" in page
        assert read_image(written / "study" / name).ndim == 3
    assert f"""`tags."somanet.study" = '{"f" * 20}'` finds the study's run""" in page


def test_loss_curves_are_the_mean_over_seeds_within_their_range() -> None:
    _, results, _ = small_study()
    [ax] = loss_figures(results)["learning_rate"].axes
    high, best = ax.lines
    np.testing.assert_allclose(best.get_ydata(), [1.0, 0.3])
    labels = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert labels == ["0.01: val IoU 0.50 (paper 0.25)", "0.001: val IoU 0.50 (paper 0.50)"]
    band = ax.collections[1].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((0.2, 1.0))
    del high


def test_equal_results_give_equal_bytes(written: Path, tmp_path: Path) -> None:
    params, results, threshold = small_study()
    write_study(params, results, threshold, tmp_path, figures=[], study="f" * 20)
    assert (tmp_path / "study.json").read_bytes() == (written / "study.json").read_bytes()
