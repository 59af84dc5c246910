"""The label-efficiency curve: the crops of a training, its summary rows, and that no training is repeated."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.few_labels import __main__ as command
from benchmarks.few_labels import trainings
from benchmarks.few_labels.page import draw, markdown, summarise
from benchmarks.few_labels.plan import (
    METHODS,
    SEEDS,
    SIZES,
    PlannedTraining,
    World,
    content_of,
    key_of,
    planned_trainings,
    recipe,
)
from benchmarks.few_labels.trainings import expected_seconds, train_and_score
from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError
from somanet.core.settings import read_yaml
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.writers import write_pairs
from somanet.io.movies import write_movie
from tests.markdown_tables import unpadded
from tests.worlds import save_bright_network, scene

ROOT = Path(__file__).resolve().parents[2]
PLAIN, SIMULATED, TEACHER, BOTH = METHODS
VARIANT = {"start": "paper", "weights": "pretrained", "training": {"ema_decay": 0.5, "device": "cpu"}}
QUICK = ("training.epochs=1", "training.samples_per_epoch=4", "training.batch_size=2", "training.size_px=32")


def crop(name: str) -> LabelledImage:
    return LabelledImage(name, np.full((4, 6), ord(name[-1]), np.uint8), np.zeros((4, 6), np.int32))


def world(**changes: Any) -> World:
    fixed: dict[str, Any] = {
        "labelled": [crop(f"crop{letter}") for letter in "abcdefgh"],
        "held_out": [crop("val")],
        "simulated": [crop(f"sim{letter}") for letter in "abcdef"],
        "unlabelled": [np.zeros((5, 7), np.uint16)],
        "start": Path("nowhere"),
        "start_sha256": "0",
    }
    return World(**{**fixed, **changes})


# What a training gets


def test_the_whole_plan_is_sixty_trainings_seed_after_seed() -> None:
    plan = planned_trainings(METHODS, SIZES, SEEDS)
    assert len(plan) == len(set(plan)) == 60
    assert [planned.seed for planned in plan] == [0] * 20 + [1] * 20 + [2] * 20


@pytest.mark.parametrize("seed", range(3))
def test_more_crops_are_the_same_ones_and_others_and_all_methods_have_the_same(seed: int) -> None:
    names = {
        (method.name, crops): {item.name for item in world().train_items(PlannedTraining(method, crops, seed))}
        for method in METHODS
        for crops in (2, 4, 8)
    }
    assert names["plain", 2] < names["plain", 4] < names["plain", 8]
    for crops in (2, 4, 8):
        assert names["teacher", crops] == names["plain", crops]
        assert (
            names["simulated", crops]
            == names["both", crops]
            == names["plain", crops] | {f"sim{letter}" for letter in "abcdef"}
        )


@pytest.mark.parametrize(("crops", "times"), [(2, 3), (3, 2), (4, 1), (8, 1)])
def test_simulated_crops_are_about_half(crops: int, times: int) -> None:
    """Six simulated: 2 crops three times, 3 twice, 4 and more once."""
    items = world().train_items(PlannedTraining(SIMULATED, crops, 0))
    assert sum(item.name.startswith("crop") for item in items) == crops * times
    assert sum(item.name.startswith("sim") for item in items) == 6


def test_frames_are_for_the_teacher() -> None:
    assert [len(world().frames(PlannedTraining(method, 2, 0))) for method in METHODS] == [0, 0, 1, 1]


def test_the_recipe_keeps_to_the_budget_and_only_teachers_have_unlabelled_images() -> None:
    variant = {**VARIANT, "images": 1, "training": {**VARIANT["training"], "epochs": 99, "learning_rate": 0.5}}
    for method in METHODS:
        settings = recipe(variant, ["training.weight_decay=0.25"], method)
        training = settings.training
        assert (training.epochs * training.samples_per_epoch / training.batch_size, settings.images) == (100, None)
        assert (training.learning_rate, training.weight_decay) == (0.5, 0.25)
        assert training.validate_every == training.epochs
        assert (training.unlabelled is not None) == method.unlabelled


def test_the_default_recipe_can_have_a_teacher() -> None:
    variant = read_yaml(ROOT / "profiles/real/params.yaml")["finetune"]["lite0_all"]
    assert recipe(variant, (), TEACHER).training.unlabelled is not None


def test_a_training_is_named_by_all_that_decides_it() -> None:
    settings = recipe(VARIANT, (), PLAIN)
    base = key_of(PlannedTraining(PLAIN, 2, 0), settings, content_of(world()))
    others = [
        key_of(PlannedTraining(SIMULATED, 2, 0), settings, content_of(world())),
        key_of(PlannedTraining(PLAIN, 4, 0), settings, content_of(world())),
        key_of(PlannedTraining(PLAIN, 2, 1), settings, content_of(world())),
        key_of(
            PlannedTraining(PLAIN, 2, 0), recipe(VARIANT, ["training.learning_rate=0.5"], PLAIN), content_of(world())
        ),
        key_of(PlannedTraining(PLAIN, 2, 0), settings, content_of(world(start_sha256="1"))),
        key_of(PlannedTraining(PLAIN, 2, 0), settings, content_of(world(labelled=[crop("cropz")]))),
        key_of(PlannedTraining(PLAIN, 2, 0), settings, content_of(world(unlabelled=[np.ones((5, 7), np.uint16)]))),
    ]
    assert len({base, *others}) == len(others) + 1
    assert key_of(PlannedTraining(PLAIN, 2, 0), settings, content_of(world())) == base


# What the rows add up to


def rows(method: str, seed: int, ious: tuple[float, float], tp: tuple[int, int], fp: int = 0) -> pd.DataFrame:
    """Two crops of 4 true objects each, the same in both parts."""
    one = pd.DataFrame(
        {
            "name": ["a", "b"], "iou": ious, "n_true": 4, "noise_objects": 0,
            "tp_0.5": tp, "fp_0.5": [fp, 0], "fn_0.5": [4 - tp[0], 4 - tp[1]], "seconds": 1.0,
            "key": f"{method}{seed}", "method": method, "crops": 2, "seed": seed,
        }
    )  # fmt: skip
    return pd.concat([one.assign(part=part) for part in trainings.PARTS], ignore_index=True)


def test_means_are_over_seeds_and_gains_over_equal_seeds() -> None:
    """plain: seeds of mean IoU 0.5 and 0.7, 6 and 8 of 8 objects found, 2 false ones in the first.

    Mean 0.6, spread sqrt(2 x 0.1²) = 0.1414; precision (6/8 + 1)/2, accuracy (6/10 + 1)/2. Teacher has seed 1 only:
    0.1 better in crop a and 0.2 in b.
    """
    table = pd.concat(
        [
            rows("teacher", 1, (0.7, 1.0), (4, 4)),
            rows("plain", 1, (0.6, 0.8), (4, 4)),
            rows("plain", 0, (0.4, 0.6), (2, 4), fp=2),
        ]
    )
    found = [row for row in summarise(table) if row["part"] == "everything"]
    assert [row["method"] for row in found] == ["plain", "teacher"]
    plain, teacher = found
    assert plain["iou"] == pytest.approx(0.6)
    assert plain["spread_over_seeds"]["iou"] == pytest.approx(np.sqrt(0.02))
    assert plain["precision"] == pytest.approx((6 / 8 + 1) / 2)
    assert plain["accuracy"] == pytest.approx((6 / 10 + 1) / 2)
    assert (plain["n_seeds"], teacher["n_seeds"]) == (2, 1)
    assert "gain" not in plain
    assert teacher["gain"] == pytest.approx((0.15, 0.1, 0.2))  # two crops: the interval ends at one of them


def test_putative_labels_are_compared_with_the_teacher() -> None:
    """0.1 less in crop a and 0.2 more in b than the teacher's."""
    table = pd.concat(
        [
            rows("teacher", 0, (0.6, 0.6), (4, 4)),
            rows("putative", 0, (0.5, 0.8), (4, 4)),
            rows("plain", 0, (0.4, 0.4), (4, 4)),
        ]
    )
    summary = summarise(table)
    found = {row["method"]: row for row in summary if row["part"] == "everything"}
    assert found["putative"]["over_teacher"] == pytest.approx((0.05, -0.1, 0.2))
    assert found["putative"]["gain"] == pytest.approx((0.25, 0.1, 0.4))
    assert "over_teacher" not in found["teacher"]
    assert "putative labels − mean teacher: 2 crops +0.050 [−0.100, +0.200]." in markdown(summary, ["Measured."])


def test_the_table_and_the_picture_show_what_is_there() -> None:
    summary = summarise(
        pd.concat(
            [
                rows("plain", 0, (0.4, 0.6), (2, 4)),
                rows("both", 0, (0.3, 0.6), (2, 4)),
                rows("both", 1, (0.5, 0.6), (2, 4)),
            ]
        )
    )
    text = unpadded(markdown(summary, ["Measured."]))
    assert text.startswith("Measured.\n")
    assert "| 2 | labelled crops only | 0.500 [0.400, 0.600] | 1.000 [1.000, 1.000] | 0.750 [" in text
    assert "| −0.050 [−0.100, +0.000] | 2 |" in text
    figure = draw(summary)
    assert [ax.get_ylabel() for ax in figure.axes] == ["IoU", "precision", "accuracy"]
    [legend] = figure.legends  # outside the panels, where it would hide bars
    assert [text.get_text() for text in legend.get_texts()] == ["labelled crops only", "+ both"]


# The command


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "data/soma/train", [scene(name) for name in "abc"])
    write_pairs(tmp_path / "data/soma/val", [scene("v"), scene("w")])
    frames = np.random.default_rng(0).integers(100, 4000, (3, 40, 50)).astype(np.uint16)
    (tmp_path / "data/neuritetracker").mkdir()
    write_movie(tmp_path / "data/neuritetracker/cell_body.tif", frames, FileCalibration())
    save_bright_network(tmp_path / "model")
    (tmp_path / "params.yaml").write_text(json.dumps({"finetune": {"tiny": VARIANT}}))
    write_pairs(tmp_path / "out/simulated_2", [scene("s1"), scene("s2")])  # a simulated movie takes seconds
    return tmp_path


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    arguments = [
        *("--data", folder / "data", "--start", folder / "model", "--output", folder / "out", "--threads", 1),
        *("--params", folder / "params.yaml", "--variant", "tiny", "--simulated", 2, "--frames", 2),
        *("--columns", 0, 40, "--sizes", 2, "--seeds", 0, 1, *options, "--set", *QUICK),
    ]
    monkeypatch.setattr(sys, "argv", ["few_labels", *map(str, arguments)])
    command.main()


def test_interrupted_it_goes_on_and_ends_with_the_same_table(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed in the third of four trainings; then two are left, and all four have the scores of an undisturbed run."""
    began: list[PlannedTraining] = []

    def third_fails(planned: PlannedTraining, *rest: Any) -> pd.DataFrame:
        began.append(planned)
        if len(began) == 3:
            raise KeyboardInterrupt
        return train_and_score(planned, *rest)

    monkeypatch.setattr(command, "train_and_score", third_fails)
    methods = ("--methods", "plain", "both")
    with pytest.raises(KeyboardInterrupt):
        run(data, monkeypatch, *methods)
    assert pd.read_csv(data / "out/results.csv")["key"].nunique() == 2
    run(data, monkeypatch, *methods)
    assert "4 trainings, 2 of them finished" in capsys.readouterr().out
    assert [(planned.method.name, planned.seed) for planned in began] == [
        ("plain", 0), ("both", 0), ("plain", 1), ("plain", 1), ("both", 1),
    ]  # fmt: skip
    interrupted = pd.read_csv(data / "out/results.csv")
    assert (data / "out/few_labels.png").stat().st_size > 1000
    assert unpadded((data / "out/few_labels.md").read_text(encoding="utf-8")).count("| 2 | + both |") == 2

    run(data, monkeypatch, *methods)  # nothing is left
    assert len(began) == 5
    (data / "out/results.csv").unlink()
    run(data, monkeypatch, *methods)
    pd.testing.assert_frame_equal(
        pd.read_csv(data / "out/results.csv").drop(columns="seconds"), interrupted.drop(columns="seconds")
    )


def test_a_dry_run_says_how_long_and_writes_no_result(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(data, monkeypatch, "--methods", "plain", "--dry-run")
    said = capsys.readouterr().out
    assert "plain: 2 trainings of " in said
    assert re.search(r"all: \d+ min with 1 threads", said)
    assert not (data / "out/results.csv").exists()


def test_the_expected_time_is_a_line_through_two_measured_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """3 s and 0.5 s a step: 3 + 100 x 0.5."""
    monkeypatch.setattr(trainings, "_seconds", lambda planned, world, settings, steps: 3 + 0.5 * steps)
    assert expected_seconds(PlannedTraining(PLAIN, 2, 0), world(), recipe(VARIANT, (), PLAIN)) == pytest.approx(53)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--draw"], "has none of these trainings"),
        (["--variant", "tinny"], "has no finetune.tinny; it has tiny"),
        (["--sizes", "99", "--methods", "plain"], "asks for 99 training images, but there are 3"),
        (["--columns", "0", "60"], "found 0:60"),
    ],
)
def test_what_cannot_be(data: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str) -> None:
    with pytest.raises(SomaNetError) as error:
        run(data, monkeypatch, *options)
    assert words in str(error.value)
