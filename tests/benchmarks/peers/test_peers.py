"""The comparison with other programs: its numbers, on worlds small enough to count by hand."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.peers import environments
from benchmarks.peers.classic import chan_vese, choose, otsu_watershed
from benchmarks.peers.contenders import Contender, contenders
from benchmarks.peers.measuring import conv_flops, label_all, rate_seconds
from benchmarks.peers.scoring import score_subsets
from benchmarks.peers.session import Session, better
from benchmarks.peers.training import reached
from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage

ROOT = Path(__file__).resolve().parents[3]


def squares(*corners: tuple[int, int], width: int = 8) -> np.ndarray:
    """30 × 50 px with a square of 8 px, or as wide as told, at every corner."""
    labels = np.zeros((30, 50), np.int32)
    for label, (y, x) in enumerate(corners, start=1):
        labels[y : y + 8, x : x + width] = label
    return labels


# Quality


def test_both_ways_of_counting_differ_where_images_hold_unlike_numbers_of_objects() -> None:
    """One object, found; and three objects, one of them found: 2 of 4 objects, but (1 + 1/3) / 2 of an image."""
    three = squares((2, 2), (2, 20), (18, 35))
    pairs = [("a", squares((5, 5)), squares((5, 5))), ("b", three, squares((2, 20)))]
    found = score_subsets(pairs, {"a": True, "b": False})
    assert found["all"]["n_images"] == 2
    assert found["all"]["n_objects"] == 4
    assert found["all"]["pooled_0.5"] == pytest.approx(2 / 4)
    assert found["all"]["images_0.5"] == pytest.approx((1 + 1 / 3) / 2)
    assert found["all"]["iou"] == pytest.approx((1 + 1 / 3) / 2)
    assert (found["fluorescence"]["n_images"], found["fluorescence"]["images_mean"]) == (1, 1.0)


def test_the_mean_is_over_the_thresholds_that_an_object_reaches() -> None:
    """6 of 8 columns found: IoU 0.75 counts at 0.5, 0.6 and 0.7 of the five thresholds."""
    pair = ("a", squares((5, 5)), squares((5, 5), width=6))
    found = score_subsets([pair], {"a": False})
    assert "fluorescence" not in found
    assert found["all"]["pooled_mean"] == pytest.approx(3 / 5)
    assert found["all"]["images_mean"] == pytest.approx(3 / 5)


def test_an_image_without_any_object_has_no_accuracy_and_changes_no_mean() -> None:
    empty = squares()
    pairs = [("a", squares((5, 5)), squares((5, 5))), ("b", empty, empty), ("c", empty, squares((5, 5)))]
    found = score_subsets(pairs, dict.fromkeys("abc", False))["all"]
    assert found["images_0.5"] == pytest.approx(1 / 2)  # of a and c
    assert found["pooled_0.5"] == pytest.approx(1 / 2)
    alone = score_subsets(pairs[1:2], {"b": False})["all"]
    assert math.isnan(alone["images_0.5"])


# Operations, time and memory


def test_operations_of_a_convolution_by_hand() -> None:
    """11 × 13 places, 5 outputs, each a sum over 3 × 3 places of 4 inputs: 11·13·5·36 products and as many sums."""
    torch = pytest.importorskip("torch")
    from benchmarks.peers.measuring import torch_flops

    by_hand = 2 * 11 * 13 * 5 * 36
    assert conv_flops((3, 3, 4, 5), (1, 11, 13, 5)) == by_hand
    assert torch_flops(torch.nn.Conv2d(4, 5, 3, padding=1), (1, 4, 11, 13)) == by_hand
    assert torch_flops(torch.nn.Conv2d(4, 5, 3, padding=1), (2, 4, 11, 13)) == 2 * by_hand
    # at every second place: 6 × 7
    assert torch_flops(torch.nn.Conv2d(4, 5, 3, padding=1, stride=2), (1, 4, 11, 13)) == 2 * 6 * 7 * 5 * 36


def test_labelling_stops_when_the_time_is_up_but_never_before_the_first_image() -> None:
    images = [np.zeros((4, 7)), np.zeros((5, 3)), np.zeros((2, 2))]
    found, predictions = label_all(lambda image: image.size, images, limit_s=-1.0, keep=True)
    assert (found["images"], found["pixels"], predictions) == (1, 28, [28])
    found, predictions = label_all(lambda image: image.size, images, limit_s=60.0, keep=False)
    assert (found["images"], found["pixels"], predictions) == (3, 28 + 15 + 4, [])


def test_one_thread_counts_processor_seconds() -> None:
    assert rate_seconds((9.0, 2.0), 1) == 2.0
    assert rate_seconds((9.0, 2.0), 2) == 9.0


def test_memory_is_of_the_process_alone_and_at_its_worst_moment() -> None:
    """A child that holds 200 MB for a moment, of a parent that holds 600 MB more: the parent's do not count."""
    ballast = np.ones(600 * 1024**2, np.uint8)
    code = "import numpy as np; from benchmarks.peers.measuring import peak_memory_mb\n"
    code += "block = np.ones(200 * 1024**2, np.uint8); del block; print(peak_memory_mb())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 200 < float(done.stdout) < 400
    assert ballast[0] == 1


def test_the_best_round_counts_and_the_most_memory() -> None:
    slow = {"pixels": 100, "seconds": 4.0, "processor_s": 7.0, "peak_mb": 500.0, "start_s": 1.0}
    fast = {"pixels": 100, "seconds": 2.0, "processor_s": 8.0, "peak_mb": 400.0, "start_s": 3.0}
    slow["network"], fast["network"] = {"seconds": 0.5, "flops": 10}, {"seconds": 0.6, "flops": 10}
    kept = better(better(None, slow, 2), fast, 2)
    assert (kept["seconds"], kept["peak_mb"], kept["start_s"], kept["network"]["seconds"]) == (2.0, 500.0, 1.0, 0.5)
    assert better(slow, fast, 1)["processor_s"] == 7.0


def test_the_first_epoch_that_is_as_good() -> None:
    epochs: list[dict[str, float | None]] = [
        {"epoch": 1, "val_iou": 0.3},
        {"epoch": 2, "val_iou": math.nan},
        {"epoch": 3, "val_iou": None},
        {"epoch": 4, "val_iou": 0.7},
        {"epoch": 5, "val_iou": 0.8},
    ]
    assert reached(epochs, 0.7) == epochs[3]
    assert reached(epochs, 0.9) is None


# Contenders


def test_a_network_without_trained_weights_is_there_for_its_speed_only(tmp_path: Path) -> None:
    classic: dict[str, dict[str, Any]] = {"threshold_opening": {}, "otsu_watershed": {}, "chan_vese": {}}
    rows = contenders(paper=None, bundled=tmp_path, others=[tmp_path / "mine"], classic=classic)
    assert {row.name for row in rows if not row.segments} == {
        *("paper", "paper_torch", "paper_onnxruntime", "paper_openvino", "stardist", "cellpose3", "cellpose4"),
    }
    assert all(row.note for row in rows if not row.segments)
    assert "model_mine" in {row.name for row in rows}
    trained = contenders(paper=tmp_path, bundled=tmp_path, others=[], classic=classic)
    assert all(row.segments for row in trained if row.kind == "somanet")
    assert Contender(**json.loads(json.dumps(rows[0].as_dict()))) == rows[0]


def test_a_program_that_is_not_there_is_missing_with_a_reason(tmp_path: Path) -> None:
    session = Session(tmp_path, threads=1, side_px=32, limit_s=1, rounds=1, repeats=1)
    with pytest.raises(RuntimeError, match="make peers"):
        session.run("stardist", {"task": "peak"}, tmp_path)


def test_an_installation_that_fails_leaves_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline, from an empty folder: pip says that it finds nothing."""
    monkeypatch.setitem(environments.PACKAGES, "stardist", ("--no-index", f"--find-links={tmp_path}", "no-such-thing"))
    environments.install("stardist", tmp_path)
    found = environments.find("stardist", tmp_path)
    assert found.python is None
    assert found.reason.startswith("cannot be installed: ERROR: No matching distribution found for no-such-thing")


# Without learning


def drawn(*, inverted: bool = False) -> np.ndarray:
    """Two overlapping discs of radius 8, their centres 13 px apart, and one alone; 40 × 60 px."""
    y, x = np.mgrid[:40, :60]
    mask = np.zeros((40, 60), bool)
    for centre_y, centre_x in ((12, 12), (12, 25), (28, 48)):
        mask |= (y - centre_y) ** 2 + (x - centre_x) ** 2 <= 64
    image = np.where(mask, 200, 20).astype(np.uint8)
    return 255 - image if inverted else image


@pytest.mark.parametrize("inverted", [False, True])
def test_otsu_and_watershed_part_touching_discs(inverted: bool) -> None:
    labels = otsu_watershed(drawn(inverted=inverted), sigma_px=1, min_distance_px=4, min_area_px=20)
    assert labels.max() == 3
    assert len({int(labels[12, 9]), int(labels[12, 28]), int(labels[28, 48])} - {0}) == 3
    together = otsu_watershed(drawn(inverted=inverted), sigma_px=1, min_distance_px=16, min_area_px=20)
    assert together.max() == 2


@pytest.mark.parametrize("inverted", [False, True])
def test_chan_vese_outlines_what_otsu_smears(inverted: bool) -> None:
    """Otsu's mask of a smoothed disc of radius 8 is wider or narrower than the disc itself, which has 197 px."""
    starts = {"sigma_px": 3, "min_distance_px": 4, "min_area_px": 20}
    image = drawn(inverted=inverted)
    before = otsu_watershed(image, **starts)
    after = chan_vese(image, **starts, weight=1.0, iterations=10, smoothing=0)
    alone = (after == after[28, 48]).sum(), (before == before[28, 48]).sum()
    assert alone[0] == 197 - 4 != alone[1], "single pixels at the four tips go"
    assert len(np.unique(after)) == len(np.unique(before))


def test_a_flat_image_has_no_object() -> None:
    assert otsu_watershed(np.full((20, 30), 7, np.uint8), sigma_px=1, min_distance_px=4, min_area_px=20).max() == 0


def test_the_settings_are_those_that_suit_the_validation_images() -> None:
    """Objects at 50, a haze of 30: only the threshold 40 parts them."""
    ground_truth = squares((4, 4), (15, 30))
    image = np.where(ground_truth > 0, 50, 30).astype(np.uint8)
    assert choose("threshold_opening", [LabelledImage("a", image, ground_truth)])["threshold"] == 40


# Training


@pytest.mark.slow
@pytest.mark.parametrize(
    ("aim", "budget_s", "ended", "epochs"),
    [(None, 60.0, "recipe", 2), (-1.0, 60.0, "aim", 1), (2.0, 0.0, "budget", 1), (2.0, 60.0, "recipe", 2)],
)
def test_a_training_ends_at_its_aim_its_recipe_or_its_time(
    aim: float | None, budget_s: float, ended: str, epochs: int, tmp_path: Path
) -> None:
    """Two epochs of two squares; every IoU is above -1 and none reaches 2."""
    from benchmarks.peers.training import read_recipe, train_until
    from somanet.segmentation.network.checkpoint import load_checkpoint
    from somanet.simulation import simulate_nuclei
    from somanet.training.loop import training

    text = "pretrain: {tiny: {model: {}, training: {epochs: 2, batch_size: 2, size_px: 32, device: cpu}}}"
    (tmp_path / "recipe.yaml").write_text(text)
    validate = training.validate
    items = simulate_nuclei(n_images=2, shape_YX=(48, 64), seed=0)
    recipe = read_recipe(tmp_path / "recipe.yaml", "tiny")
    found = train_until(
        recipe, items, items[:1], budget_s=budget_s, aim=aim, threads=1, checkpoint=tmp_path / "network"
    )
    assert (found["ended"], len(found["epochs"])) == (ended, epochs)
    assert 0 < found["validation_s"] < found["seconds"]
    assert found["val_iou"] == max(epoch["val_iou"] for epoch in found["epochs"])
    assert load_checkpoint(tmp_path / "network").spec == recipe.model
    assert training.validate is validate


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    from benchmarks.peers.training import read_recipe

    (tmp_path / "recipe.yaml").write_text("pretrain: {tiny: {}}")
    with pytest.raises(SomaNetError, match="it has tiny"):
        read_recipe(tmp_path / "recipe.yaml", "large")
    with pytest.raises(SomaNetError, match="is not a recipe"):
        read_recipe(tmp_path / "other.yaml", "tiny")


# All of it


@pytest.mark.slow
def test_a_whole_session_on_simulated_images(tmp_path: Path) -> None:
    """A method without learning, a network, and a program that is not installed."""
    command = [sys.executable, "-m", "benchmarks.peers", "--only", "otsu_watershed", "paper", "stardist"]
    command += [
        "--images",
        "2",
        "--val-images",
        "1",
        "--threads",
        "1",
        "--rounds",
        "1",
        "--repeats",
        "1",
        "--side",
        "64",
    ]
    command += ["--output", str(tmp_path), "--environments", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "peers.json").read_text(encoding="utf-8"))
    rows = {entry["name"]: entry for entry in written["contenders"]}
    assert set(rows) == {"otsu_watershed", "paper"}
    assert rows["otsu_watershed"]["quality"]["all"]["n_images"] == 2
    assert rows["otsu_watershed"]["network"] is None
    assert rows["paper"]["quality"] is None
    assert rows["paper"]["network"]["flops"] > 0 < rows["paper"]["network"]["seconds"]
    assert rows["paper"]["peak_mb"] > rows["otsu_watershed"]["peak_mb"] > 50
    assert [entry["title"] for entry in written["missing"]] == ["StarDist 2D"]
    assert "simulated" in (tmp_path / "peers.md").read_text(encoding="utf-8")
    assert (tmp_path / "peers.png").stat().st_size > 1000
