"""Scores, tables and the page, of systems with known predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import benchmarks.yolo.__main__ as program
from benchmarks.yolo import page, scoring, sets, stages
from benchmarks.yolo.box_scores import boxes_of
from somanet.analysis.validation.tables import fill
from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.core.hashing import sha256_file
from somanet.core.schema import BOXES
from somanet.io.images import read_image, write_image
from somanet.io.tables import read_table, write_table
from tests.benchmarks.yolo.worlds import N_FRAMES, ROOT, predictions
from tests.markdown_tables import unpadded


def test_right_boxes_score_1_and_wrong_ones_0(scored: tuple[dict[str, Any], Path]) -> None:
    found, _ = scored
    assert set(found["detection"]) == set(page.SET_NAMES)
    for name, systems in found["detection"].items():
        for system in ("SomaNet", "right"):
            assert (systems[system]["precision"], systems[system]["recall"]) == (1, 1), name
            assert systems[system]["ap"] == pytest.approx(1), name
        assert (systems["wrong"]["recall"], systems["wrong"]["ap"]) == (0, 0)
        assert systems["right"]["ap_minus_reference"] == 0
        assert systems["wrong"]["ap_minus_reference"] == pytest.approx(-1)
        assert "ap_minus_reference" not in systems["SomaNet"]
    assert found["cuts"]["right"] == {
        "cut": 0.5,
        "chosen": "best mean F1 of the validation sets",
        "validation_f1": 1.0,
    }
    assert found["cuts"]["wrong"]["cut"] == scoring.USUAL_CUT


def test_only_the_unseen_part_of_the_movie_counts(scored: tuple[dict[str, Any], Path], data: Path) -> None:
    found, _ = scored
    everywhere = [item.labels for item in sets.scored_sets(data)[sets.MOVIE]]
    centres = np.concatenate([boxes_of(labels)[:, [0, 2]].mean(1) for labels in everywhere])
    counted = found["detection"][sets.MOVIE]["right"]["n_true"]
    assert 0 < counted == int((centres >= sets.LATER_X_PX).sum()) < len(centres)
    assert found["detection"][f"{sets.MOVIE}_interior"]["right"]["n_true"] < counted


def test_true_boxes_and_true_masks_track_alike(scored: tuple[dict[str, Any], Path]) -> None:
    found, output = scored
    linked = found["tracking"]
    assert (set(linked["SomaNet"]), set(linked["right"])) == ({"boxes", "masks"}, {"boxes"})
    assert linked["right"]["boxes"] == linked["SomaNet"]["boxes"]
    for kind in ("boxes", "masks"):
        assert linked["SomaNet"][kind]["whole frame"]["recall"] > 0.9
        assert linked["SomaNet"][kind]["whole frame"]["HOTA"] > 0.8
    assert linked["wrong"]["boxes"]["whole frame"]["recall"] < 0.5
    assert {file.name for file in (output / "tracks").iterdir()} == {
        "SomaNet_boxes.csv",
        "SomaNet_masks.csv",
        "right_boxes.csv",
        "wrong_boxes.csv",
    }
    assert (output / "panels.png").stat().st_size > 10_000


def test_tables_say_what_is_defined(scored: tuple[dict[str, Any], Path]) -> None:
    found, _ = scored
    lines = unpadded(page.detection_table(found["detection"])).splitlines()
    assert len(lines) == 2 + 3 * len(page.SET_NAMES)
    assert len({line.count("|") for line in lines}) == 1
    [right] = [line for line in lines if line.startswith("| soma/val |")]
    assert "| SomaNet |" in right
    assert "| – |" in right  # no difference to itself
    assert "−1.000 [−1.00, −1.00]" in lines[4]
    movie = next(line for line in lines if line.startswith("| movie"))
    assert "[" not in movie  # frames of one movie are not independent
    tracking = page.tracking_table(found["tracking"]).splitlines()
    assert len(tracking) == 2 + 2 * 4
    assert page.cuts_text(found["cuts"]).splitlines()[2].startswith("- wrong: 0.250, libreyolo's default")


def test_the_page_has_a_place_for_every_table(tmp_path: Path, scored: tuple[dict[str, Any], Path]) -> None:
    found, output = scored
    (tmp_path / "yolo.md").write_text((ROOT / "docs" / "yolo.md").read_text(encoding="utf-8"), encoding="utf-8")
    training = {"wall_s": 9.0, "budget_s": 8.0, "clock": "wall", "threads": 2, "libreyolo": "1", "torch": "2"}
    training["machine"] = "NVIDIA H200"
    training["settings"] = {"imgsz": 256, "batch": 16, "seed": 0}
    cost = {"parameters": 5, "processor_s": 2.0, "pixels": 1000}
    cost = {
        "SomaNet": {**cost, "training": {"wall_s": None}},
        "right": {**cost, "training": training},
    }
    program.write_page({**found, "cost": cost, "machine": {"processors": 2, "kind": "x"}}, output, tmp_path)
    text = unpadded((tmp_path / "yolo.md").read_text(encoding="utf-8"))
    for table in (
        "| SomaNet | 5 | – | – | – | 2,000,000 |",
        "| right | 5 | 9 | – | – | 2,000,000 |",
        "- right: 8 s of wall time on NVIDIA H200, threads 2, 256 px, batches of 16, seed 0; libreyolo 1, torch 2",
        "| whole frame |",
        "| soma/val |",
        "- SomaNet: 0.000",
        "](images/yolo.png)",
    ):
        assert table in text
    assert (tmp_path / "images" / "yolo.png").read_bytes() == (output / "panels.png").read_bytes()
    with pytest.raises(SomaNetError, match="no place"):
        fill(text, {"nothing": ""})


def test_everything_from_predictions_that_are_there(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished training with existing predictions: libreyolo is not run, and all is scored."""
    output = tmp_path / "out"
    weights = output / "runs" / "yolox-n_seed0" / "weights" / "last.pt"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    write_json(output / "runs" / "yolox-n_seed0" / "training.json", {"parameters": 3, "wall_s": 9.0, "images": 16})
    wanted = sets.scored_sets(data)
    predictions(wanted, output / "predictions" / "yolox-n_seed0", lambda sides: sides)
    for file in (output / "predictions" / "yolox-n_seed0").glob("*.json"):
        write_json(file, {"made_by": sha256_file(weights), "processor_s": 1.0, "pixels": 1000})

    def somanet(model: Path, wanted: Any, folder: Path, *, threads: int) -> int:
        predictions(wanted, folder, lambda sides: sides, masks=True)
        return 4

    monkeypatch.setattr(stages, "predict_with_somanet", somanet)
    command = ["--data", str(data), "--output", str(output), "--skip-training", "--python", "none"]
    found = program.run(program.parse([*command, "--no-trackers"]))
    assert list(found["cost"]) == ["SomaNet", "yolox-n seed 0"]
    assert found["cost"]["yolox-n seed 0"]["processor_s"] > 1.0  # with the preparation of its images
    assert "| yolox-n | 3 | 9 |" in unpadded((output / "yolo.md").read_text(encoding="utf-8"))
    assert json.loads((output / "yolo.json").read_text())["detection"]["soma_val"]["yolox-n seed 0"][
        "ap"
    ] == pytest.approx(1)
    with pytest.raises(
        SomaNetError, match=r"There is no environment with libreyolo: none not found\. `make yolo` makes"
    ):
        program.run(program.parse(command))


def test_several_seeds_are_one_row(scored: tuple[dict[str, Any], Path]) -> None:
    """A system that is always right and one that never is, as two seeds of one network."""
    found, _ = scored
    renamed = {"SomaNet": "SomaNet", "right": "net seed 0", "wrong": "net seed 1"}
    detection = {name: {renamed[one]: s for one, s in some.items()} for name, some in found["detection"].items()}
    lines = unpadded(page.detection_table(detection)).splitlines()
    assert len(lines) == 2 + 2 * len(page.SET_NAMES)
    assert "| net |" in lines[3]
    assert "| 0.500 (0.00–1.00) |" in lines[3]
    assert "| −0.500 (−1.00–+0.00) |" in lines[3]
    tracking = {renamed[one]: kinds for one, kinds in found["tracking"].items()}
    rows = [line for line in unpadded(page.tracking_table(tracking)).splitlines() if "| net | boxes |" in line]
    assert len(rows) == 2
    assert rows[0].count("–1.00)") >= 1
    costs = {"net seed 0": {"training": {"wall_s": 10}}, "net seed 1": {"training": {"wall_s": 20}}}
    each = {"parameters": 7, "processor_s": 2.0, "pixels": 1000}
    text = unpadded(page.cost_table({name: each | one for name, one in costs.items()}))
    assert "| net | 7 | 15 (10–20) | – | – | 2,000,000 |" in text


def test_somanets_predictions_are_its_masks_boxes(data: Path, tmp_path: Path) -> None:
    """The bundled model on crops: one box with a confidence for every label."""
    wanted = {name: one for name, one in sets.scored_sets(data).items() if name == "soma_val"}
    assert stages.predict_with_somanet(ROOT / "somanet" / "model", wanted, tmp_path, threads=1) > 1e6
    table = read_table(tmp_path / "soma_val.csv", BOXES)
    for item in wanted["soma_val"]:
        labels = read_image(tmp_path / "soma_val" / f"{item.name}.tif")
        rows = table[table["image"] == item.name]
        np.testing.assert_array_equal(rows[["x0_px", "y0_px", "x1_px", "y1_px"]], boxes_of(labels))
        assert rows["score"].between(0.5, 1).all()
    before = (tmp_path / "soma_val.csv").stat().st_mtime_ns
    stages.predict_with_somanet(ROOT / "somanet" / "model", wanted, tmp_path, threads=1)
    assert (tmp_path / "soma_val.csv").stat().st_mtime_ns == before


def test_boxes_by_the_hundred_are_not_linked(
    scored: tuple[dict[str, Any], Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, output = scored
    monkeypatch.setattr(scoring, "MOST_LINKED", 1)
    system = scoring.System("right", output / "right")
    crowded = scoring.track_system(system, data / sets.MOVIE, tmp_path, cut=0.0)
    assert crowded == {"boxes_per_frame": len(system.boxes(sets.MOVIE)) / N_FRAMES}
    assert list(tmp_path.iterdir()) == []
    table = unpadded(page.tracking_table({"SomaNet": found["tracking"]["SomaNet"], "right": crowded}))
    assert "| right |" not in table
    assert "right finds" in table.splitlines()[-1]


def test_masks_are_scored_where_two_systems_have_them(scored: tuple[dict[str, Any], Path], data: Path) -> None:
    found, output = scored
    assert found["masks"] == {}
    assert "No network with masks" in page.mask_table(found["masks"])
    ground_truths = scoring.ground_truths_of(sets.scored_sets(data)["soma_val"])
    system = scoring.System("SomaNet", output / "SomaNet", "own")
    scores = scoring.score_masks(system, ground_truths, "soma_val", cut=0.0)
    assert (scores["iou"], scores["accuracy"], scores["mean_ap"]) == (1, 1, 1)
    lines = unpadded(page.mask_table({"soma_val": {"SomaNet": scores, "other": scores}})).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| soma/val | SomaNet | 1.000 [1.00, 1.00] |")


def test_a_cut_leaves_the_masks_of_the_surest(tmp_path: Path) -> None:
    """Labels are rows of the table: from 0.5 on there are two boxes in a, none in b."""
    table = pd.DataFrame(
        [("a", 0, 0, 2, 2, 0.9), ("a", 2, 0, 4, 2, 0.6), ("a", 4, 0, 6, 2, 0.2), ("b", 0, 0, 1, 1, 0.1)],
        columns=list(BOXES.names),
    )
    write_table(tmp_path / "some.csv", table, BOXES)
    for name, labels in (("a", [[1, 1, 2, 2, 3, 3]]), ("b", [[1, 0, 0, 0, 0, 0]])):
        write_image(tmp_path / "some" / f"{name}.png", np.array(labels, np.uint16))
    system = scoring.System("x", tmp_path, "ranked")
    assert [labels.tolist() for labels in system.labels("some", ["a", "b"], cut=0.5)] == [
        [[1, 1, 2, 2, 0, 0]],
        [[0, 0, 0, 0, 0, 0]],
    ]
    assert len(system.boxes("some", cut=0.5)) == 2
