"""A detector's predictions: in tiles, from its own environment, and by libreyolo itself if installed."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import benchmarks.yolo.__main__ as program
from benchmarks.yolo import inference, learning, linkers, scoring, sets, somas, stages
from benchmarks.yolo.box_scores import boxes_of
from somanet.core.files import write_json
from somanet.core.hashing import sha256_file
from somanet.core.schema import BOXES
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.yolo import write_yolo
from somanet.io.images import write_image
from somanet.io.tables import read_table
from tests.benchmarks.yolo.worlds import PYTHON


@pytest.mark.slow
@pytest.mark.parametrize("network", sorted(learning.NETWORKS))
def test_libreyolo_trains_for_a_time_goes_on_and_predicts(network: str, tmp_path: Path) -> None:
    """Three seconds, then five more of the same training; then boxes, and masks if it has them, in the image."""
    if not PYTHON.is_file():
        pytest.skip("no environment with libreyolo: make yolo")
    masked = network in program.WITH_MASKS
    rng = np.random.default_rng(0)
    items = []
    for number in range(6):
        labels = np.zeros((64, 96), np.int32)
        y, x = rng.integers(4, 40, 2)
        labels[y : y + 16, x : x + 20] = 1
        image = np.where(labels > 0, 220, 30).astype(np.uint8)
        items.append(LabelledImage(f"i{number}", np.repeat(image[..., None], 3, -1), labels))
    yaml = write_yolo(tmp_path / "set", {"train": items, "val": items[:1]}, outlines=masked)
    # The transformer needs 256 px for its 300 queries, and small steps.
    size_px, rate = (256, 0.0002) if masked else (64, 0.02)
    told = []
    for budget_s in (3, 8):
        training = stages.Training(network, budget_s, "processor", 1, 2, size_px, 0, "cpu", (f"lr0={rate}",))
        stages.run_apart(
            PYTHON, "learning", "--data", str(yaml), "--output", str(tmp_path / "run"), *training.arguments(), threads=1
        )
        told.append(json.loads((tmp_path / "run" / "training.json").read_text()))
    first, both = told
    assert 3 <= first["processor_s"] < 8 <= both["processor_s"] < 13
    assert both["images"] > first["images"] > 0
    assert both["passes"] > first["passes"] >= 1
    assert both["settings"]["lr0"] == rate
    sets.write_pictures(items[:2], tmp_path / "pictures" / "some")
    stages.predict(PYTHON, tmp_path / "run", tmp_path / "pictures", tmp_path / "predictions", threads=1, min_score=0)
    table = read_table(tmp_path / "predictions" / "some.csv", BOXES)
    assert set(table["image"]) == {"i0", "i1"}
    assert (table["x1_px"] > table["x0_px"]).all()
    assert (table["x1_px"] <= 96).all()
    assert (table["y1_px"] <= 64).all()
    for _, rows in table.groupby("image"):
        assert rows["score"].is_monotonic_decreasing
    weights = sha256_file(tmp_path / "run" / "weights" / "last.pt")
    assert json.loads((tmp_path / "predictions" / "some.json").read_text())["made_by"] == weights
    system = scoring.System(network, tmp_path / "predictions", "ranked" if masked else None)
    if masked:
        [labels] = system.labels("some", ["i0"], cut=0.0)
        assert labels.shape == (64, 96)
        assert 0 < labels.max() <= (table["image"] == "i0").sum()


def test_what_runs_apart_needs_nothing_of_somanet() -> None:
    """Its environment has libreyolo's libraries and not SomaNet."""
    for module, library in (("learning", "torch"), ("inference", "torch"), ("following", "trackers")):
        file = Path(learning.__file__).with_name(f"{module}.py")
        names = {
            alias.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert library in names
        assert not [name for name in names if name and name.startswith("somanet")]


@pytest.mark.parametrize(("length", "n"), [(40, 1), (256, 1), (257, 2), (448, 2), (449, 3), (1040, 6)])
def test_tiles_of_an_output_cover_everything_once(length: int, n: int) -> None:
    """Tiles of 256 px that overlap by 64 at least; every point belongs to one, and lies 32 px inside it."""
    found = inference.tiles(length, 256)
    assert len(found) == n
    for point in np.linspace(0, length, 50):
        [start] = [start for start, low, high in found if low <= point < high]
        assert start <= point <= start + 256
        margin = min(point - start if start else 99, start + 256 - point if start + 256 < length else 99)
        assert margin >= 32


def test_a_network_of_one_size_predicts_in_tiles() -> None:
    """A network that finds one bright square of 10 px wherever it is, in an image of 64 x 150 with tiles of 96.

    The tiles begin at columns 0, 27 and 54 and meet at 61.5 and 88.5. The square at column 80 is in all three, and the
    second's; the one at 20 is the first's alone.
    """
    image = np.zeros((64, 150, 3), np.uint8)
    image[30:40, 80:90] = image[5:15, 20:30] = 255

    class Model:
        input_size = 96

        def predict(self, tile: np.ndarray, *, imgsz: int) -> Any:
            from scipy.ndimage import label

            assert tile.shape == (imgsz, imgsz, 3)
            labels, count = label(tile[..., 0] == 255)
            sides = boxes_of(labels)
            masks = np.array([labels == n for n in range(1, count + 1)]).reshape(count, imgsz, imgsz)
            return SimpleNamespace(
                boxes=SimpleNamespace(xyxy=sides, conf=np.full(count, 0.5)), masks=SimpleNamespace(data=masks)
            )

    boxes, scores, masks = inference.in_tiles(Model(), image, {})
    assert boxes.tolist() == [[20, 5, 30, 15], [80, 30, 90, 40]]
    assert scores.tolist() == [0.5, 0.5]
    assert masks is not None
    assert [(y, x, int(mask.sum())) for y, x, mask in masks] == [(0, 0, 100), (0, 27, 100)]


@pytest.mark.slow
@pytest.mark.parametrize("tracker", linkers.TRACKERS)
def test_the_trackers_keep_two_boxes_apart(tracker: str, tmp_path: Path) -> None:
    """Two boxes, 30 px apart, move right by 2 px per frame; the second is missed in frame 3, and comes back as itself.

    Every setting that is tried for cells is one that the package knows.
    """
    if not PYTHON.is_file():
        pytest.skip("no environment with libreyolo: make yolo")
    seen = [(t, which) for t in range(6) for which in (0, 1) if (t, which) != (3, 1)]
    rows = [(t, n, 10 + 2 * t, 5 + 30 * which, 26 + 2 * t, 21 + 30 * which, 0.9) for n, (t, which) in enumerate(seen)]
    columns = ["frame", "row", *somas.SIDES, "score"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "boxes.csv", index=False)
    for t in range(6):
        noise = np.random.default_rng(t).integers(0, 255, (64, 96, 3)).astype(np.uint8)
        write_image(tmp_path / "pictures" / f"{t:04d}.png", noise)
    settings = linkers.candidates(tracker, 0.5)
    jobs = [
        {
            "tracker": tracker,
            "settings": one,
            "boxes": str(tmp_path / "boxes.csv"),
            "pictures": str(tmp_path / "pictures"),
        }
        | {"output": str(tmp_path / f"{n}.csv")}
        for n, one in enumerate(settings)
    ]
    write_json(tmp_path / "jobs.json", {"jobs": jobs})
    stages.run_apart(PYTHON, "following", "--jobs", str(tmp_path / "jobs.json"), threads=1)
    for n, one in enumerate(settings):
        found = pd.read_csv(tmp_path / f"{n}.csv")
        which = [seen[row][1] for row in found["row"]]
        last = found["frame"] == 5
        assert len(set(zip(which, found["track"], strict=True))) == found["track"].nunique() == 2
        assert last.sum() == 2 or one["minimum_consecutive_frames"] == 3


def test_an_environment_without_trackers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    monkeypatch.setitem(sys.modules, "supervision", None)
    monkeypatch.delitem(sys.modules, "benchmarks.yolo.following", raising=False)
    with pytest.raises(SystemExit, match=r"has no package 'supervision'\. `make yolo` installs `trackers`"):
        importlib.import_module("benchmarks.yolo.following")
