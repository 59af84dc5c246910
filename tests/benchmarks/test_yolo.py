"""SomaNet beside a YOLO detector: data, time and scores on simulated worlds, and libreyolo itself where it is there."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import benchmarks.yolo.__main__ as program
from benchmarks.yolo import answering, learning, page, scoring, sets, stages
from somanet.calibration import Calibration
from somanet.data.layouts import LabelledImage, open_dataset, write_kaggle
from somanet.data.yolo import write_yolo
from somanet.errors import SomaNetError
from somanet.evaluation.boxes import boxes_of
from somanet.files import sha256_file, write_json
from somanet.io.images import read_image, write_image, write_labels
from somanet.io.movies import write_movie
from somanet.io.tables import read_table, write_table
from somanet.schema import BOXES
from somanet.simulation import simulate_movie, simulate_nuclei
from somanet.trust.tables import fill

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "build" / "yolo" / "venv" / "bin" / "python"
NUCLEI = {"train": 6, "val": 3, "test": 5}
N_FRAMES = 12


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few and small simulated crops, few resamples."""
    monkeypatch.setattr(sets, "SIM_CROPS", 4)
    monkeypatch.setattr(sets, "VAL_CROPS", 2)
    monkeypatch.setattr(sets, "TILE_PX", 64)
    monkeypatch.setattr(scoring, "RESAMPLES", 20)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real data's folder, simulated: nuclei with a split, crops of a movie, and the movie."""
    folder = tmp_path_factory.mktemp("data")
    nuclei = simulate_nuclei(n_images=sum(NUCLEI.values()), shape_YX=(64, 96), seed=0)
    write_kaggle(folder / "dsb2018" / "stage1_train.zip", nuclei)
    parts = [part for part, count in NUCLEI.items() for _ in range(count)]
    rows = [f"{item.name},{part}" for item, part in zip(nuclei, parts, strict=True)]
    (folder / "dsb2018" / "split.csv").write_text("\n".join(["image_id,split", *rows]) + "\n")
    crops = sets.neuron_crops(n_crops=5, size_px=64, seed=1)
    write_kaggle(folder / "soma" / "train", crops[:3])
    write_kaggle(folder / "soma" / "val", crops[3:])
    scale = Calibration(1.28, 12.0)
    movie = simulate_movie(seed=2, n_frames=N_FRAMES, shape_YX=(96, 600), calibration=scale)
    (folder / sets.MOVIE).mkdir()
    write_movie(folder / sets.MOVIE / "cell_body.tif", movie.frames_TYX, scale)
    write_labels(folder / sets.MOVIE / "soma_labels.tif", movie.labels_TYX)
    truth = movie.tracks.rename(columns={"track_id": "track"})[["track", "frame", "y_px", "x_px"]]
    truth.to_csv(folder / sets.MOVIE / "tracks.csv", index=False)
    return folder


def names_of(part: str, data: Path) -> set[str]:
    rows = pd.read_csv(data / "dsb2018" / "split.csv")
    return set(rows.loc[rows["split"] == part, "image_id"])


# What is learnt from


def test_nothing_is_learnt_from_validation_or_test(data: Path, tmp_path: Path) -> None:
    items, _ = sets.training_items(data, seed=0)
    allowed = names_of("train", data) | set(open_dataset(data / "soma" / "train").names)
    made = {crop.name for crop in sets.neuron_crops(n_crops=4, size_px=64, seed=sets.SIM_SEED)}
    assert {item.name.split("_y0_x")[0] if "_y0_x" in item.name else item.name for item in items} == allowed | made
    yaml = sets.write_training_set(data, tmp_path / "set", outlines=False, seed=0)
    assert len((yaml.parent / "val.txt").read_text().split()) == 2


def test_crops_are_listed_in_the_shares_of_somanets_training(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two passes of 6 nuclei, then 3 of 16 samples: 12 + 12 nuclei, 24 real, 12 simulated.

    The set has 12 tiles of nuclei (6 images of 64 x 96, 2 squares each): each stands for 2 samples, so of the 3 real
    crops with 8 samples each every one is listed 4 times, and of the 4 simulated with 3 each 1 or 2 times.
    """
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "pretrain: {nuclei: {training: {epochs: 2}}}\n"
        "finetune: {neurons: {training: {epochs: 3, samples_per_epoch: 16}}}\n"
    )
    assert sets.samples_seen(recipe, 6) == (24, 24, 12)
    monkeypatch.setattr(sets, "BUNDLED", tmp_path)
    items, repeats = sets.training_items(data, seed=0)
    assert len(items) == 12 + 3 + 4
    assert Counter(repeats.values()) == {4: 3, 2: 4}
    assert sets.samples_of_somanet(data) == 60
    recipe.write_text(recipe.read_text().replace("{epochs: 2}", "{epochs: 2, samples_per_epoch: 40}"))
    assert sets.samples_seen(recipe, 6) == (24 + 80 - 12, 24, 12)


def test_the_bundled_recipe_says_how_much_was_learnt_from() -> None:
    """The file that `make bundled-model` follows has the parts that are counted here."""
    assert min(sets.samples_seen(ROOT / "somanet" / "model" / "recipe.yaml", 462)) > 0


def test_large_images_give_four_tiles_at_most(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "TILE_PX", 64)
    monkeypatch.setattr(sets, "cut_tiles", lambda item, size_px: iter([item] * 9))
    items, _ = sets.training_items(data, seed=0)
    assert len(items) == 6 * 4 + 3 + 4


def test_pictures_are_what_somanet_sees(data: Path, tmp_path: Path) -> None:
    wanted = sets.scored_sets(data)
    sets.write_pictures(wanted[sets.MOVIE], tmp_path / "movie")
    picture = read_image(tmp_path / "movie" / "0003.png")
    assert (picture.shape, picture.dtype) == ((96, 600, 3), np.uint8)
    assert (picture[..., 1] >= picture[..., 0]).all()  # the square root of a share lies above it
    labels = next(item.labels for item in wanted[sets.MOVIE] if item.name == "0003")
    assert picture[labels > 0, 2].mean() > 2 * picture[labels == 0, 2].mean()
    assert json.loads((tmp_path / "movie.json").read_text())["pixels"] == N_FRAMES * 96 * 600
    assert {item.name for item in wanted["dsb2018_test"]} == names_of("test", data)
    assert {item.name for item in wanted["nuclei_val"]} == names_of("val", data)


# The time


def test_the_schedule_follows_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget of 40 s, of which 10 were spent before; libreyolo's schedule has 1000 steps."""
    now = 100.0
    monkeypatch.setattr(learning.time, "perf_counter", lambda: now)
    clock = learning.Clock(40.0, "wall", {"wall_s": 10.0, "processor_s": 0.0})
    schedule = learning.ByTime(SimpleNamespace(total_iters=1000, update_lr=lambda step: step / 10), clock)
    assert schedule.update_lr(77) == 25.0  # nothing runs yet
    clock.start()
    now = 115.0
    assert clock.share() == 25 / 40
    assert schedule.update_lr(77) == 62.5
    assert schedule.update_momentum(77) is None
    now = 1000.0
    assert schedule.update_lr(77) == 100.0  # not beyond the end


def test_batches_end_with_the_budget_and_mosaics_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch takes 3 s of 30: the tenth is the last; at 27 s, before it, the mosaics go."""
    now = 0.0
    monkeypatch.setattr(learning.time, "perf_counter", lambda: now)
    events: list[str] = []
    loader = learning.UntilSpent(
        [([0] * 4,)] * 99,
        learning.Clock(30.0, "wall", {}),
        lambda n: events.append(f"{n}"),
        lambda: events.append("calm"),
    )
    assert len(loader) == 99
    for _ in loader:
        now += 3
    assert events == ["4"] * 9 + ["calm", "4"]
    assert list(loader) == []


def test_a_training_is_repeated_only_if_it_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.txt").write_text("a.png\n")
    run = tmp_path / "runs" / "yolo9-t"
    asked: list[str] = []

    def trained(python: Path, *arguments: str, threads: int) -> None:
        asked.append(arguments[arguments.index("--budget-s") + 1])
        write_json(run / "training.json", {})

    monkeypatch.setattr(stages, "run_apart", trained)
    for budget_s in (5.0, 5.0, 6.0):
        training = stages.Training("yolo9-t", budget_s, "wall", 1, 16, 256, 0, ())
        stages.train(PYTHON, tmp_path / "data.yaml", training, run)
    assert asked == ["5.0", "6.0"]


def test_without_the_environment_a_line_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match="make yolo"):
        stages.run_apart(tmp_path / "python", "learning", threads=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--skip-training"], "no finished training"),
        ([], "How long"),
        (["--somanet-training", "told.json"], "does not say how long"),
        (["--skip-training", "--network", "yolo9-t", "--model", "models/x"], "NAME=FOLDER"),
    ],
)
def test_what_cannot_be_done_is_said_before_it_is_tried(
    data: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    write_json(tmp_path / "told.json", {"seconds": 3})
    options = [str(tmp_path / word) if word == "told.json" else word for word in options]
    with pytest.raises(SomaNetError, match=words):
        program.run(program.parse(["--data", str(data), "--output", str(tmp_path / "out"), *options]))


def test_the_budget_is_somanets_unless_told(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trainings of 100 and 20 s make 120."""
    asked: list[float] = []
    monkeypatch.setattr(stages, "train", lambda python, yaml, training, run: asked.append(training.budget_s))
    monkeypatch.setattr(sets, "write_training_set", lambda *arguments, **options: None)
    for number, seconds in enumerate((100.0, 20.0)):
        write_json(tmp_path / f"{number}.json", {"seconds_per_seed": seconds})
    told = ["--somanet-training", str(tmp_path / "0.json"), str(tmp_path / "1.json")]
    for options in (told, [*told, "--budget-s", "7"]):
        program.train_networks(program.parse(["--data", str(data), *options]), PYTHON, tmp_path)
    assert asked == [120.0, 7.0]


# The scores


def answers(
    wanted: dict[str, sets.ScoredSet], folder: Path, change: Callable[[np.ndarray], np.ndarray], *, masks: bool = False
) -> None:
    """Answers made of the truth, changed."""
    for name, images in wanted.items():
        if images.answers == name:
            rows = [BOXES.frame([])]
            for item in images:
                sides = change(boxes_of(item.labels))
                table = pd.DataFrame(sides, columns=["x0_px", "y0_px", "x1_px", "y1_px"])
                rows.append(table.assign(image=item.name, score=np.linspace(0.9, 0.5, len(sides))))
                if masks:
                    write_labels(folder / name / f"{item.name}.tif", item.labels)
            write_table(folder / f"{name}.csv", pd.concat([row for row in rows if len(row)] or rows), BOXES)
            write_json(folder / f"{name}.json", {"made_by": "x", "wall_s": 1, "processor_s": 2.0, "pixels": 1000})


@pytest.fixture(scope="module")
def scored(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Three systems: the truth with its masks, the truth as boxes, and boxes far from anything."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("SIM_CROPS", 4), ("VAL_CROPS", 2), ("TILE_PX", 64)):
            patch.setattr(sets, name, value)
        patch.setattr(scoring, "RESAMPLES", 20)
        output = tmp_path_factory.mktemp("scored")
        wanted = sets.scored_sets(data)
        answers(wanted, output / "SomaNet", lambda sides: sides, masks=True)
        answers(wanted, output / "right", lambda sides: sides)
        answers(wanted, output / "wrong", lambda sides: sides[:, [0, 1, 0, 1]] + np.array([0, 0, 1, 1]))
        systems = [
            scoring.System("SomaNet", output / "SomaNet", "own"),
            scoring.System("right", output / "right"),
            scoring.System("wrong", output / "wrong"),
        ]
        return stages.score(systems, wanted, data / sets.MOVIE, output), output


def test_right_boxes_score_1_and_wrong_ones_0(scored: tuple[dict[str, Any], Path]) -> None:
    found, _ = scored
    assert set(found["detection"]) == set(page.SET_NAMES)
    for name, systems in found["detection"].items():
        for system in ("SomaNet", "right"):
            assert (systems[system]["precision"], systems[system]["recall"], systems[system]["ap"]) == (1, 1, 1), name
        assert (systems["wrong"]["recall"], systems["wrong"]["ap"]) == (0, 0)
        assert systems["right"]["ap_minus_reference"] == 0
        assert systems["wrong"]["ap_minus_reference"] == -1
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
    lines = page.detection_table(found["detection"]).splitlines()
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
    training["settings"] = {"imgsz": 256, "batch": 16, "seed": 0}
    answering = {"parameters": 5, "processor_s": 2.0, "pixels": 1000}
    cost = {
        "SomaNet": {**answering, "training": {"wall_s": None, "images": 7}},
        "right": {**answering, "training": training},
    }
    program.write_page({**found, "cost": cost, "machine": {"processors": 2, "kind": "x"}}, output, tmp_path)
    text = (tmp_path / "yolo.md").read_text(encoding="utf-8")
    for table in (
        "| SomaNet | 5 | – | – | 7 | 2,000,000 |",
        "| right | 5 | 9 | – | – | 2,000,000 |",
        "- right: 8 s of wall time, threads 2, 256 px, batches of 16, seed 0; libreyolo 1, torch 2",
        "| whole frame |",
        "| soma/val |",
        "- SomaNet: 0.000",
        "](images/yolo.png)",
    ):
        assert table in text
    assert (tmp_path / "images" / "yolo.png").read_bytes() == (output / "panels.png").read_bytes()
    with pytest.raises(SomaNetError, match="no place"):
        fill(text, {"nothing": ""})


def test_everything_from_answers_that_are_there(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished training whose weights have answered: nothing is asked of libreyolo, and all is scored."""
    output = tmp_path / "out"
    weights = output / "runs" / "yolox-n" / "weights" / "last.pt"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    write_json(output / "runs" / "yolox-n" / "training.json", {"parameters": 3, "wall_s": 9.0, "images": 16})
    wanted = sets.scored_sets(data)
    answers(wanted, output / "answers" / "yolox-n", lambda sides: sides)
    for file in (output / "answers" / "yolox-n").glob("*.json"):
        write_json(file, {"made_by": sha256_file(weights), "processor_s": 1.0, "pixels": 1000})

    def somanet(model: Path, wanted: Any, folder: Path, *, threads: int) -> int:
        answers(wanted, folder, lambda sides: sides, masks=True)
        return 4

    monkeypatch.setattr(stages, "predict_with_somanet", somanet)
    found = program.run(
        program.parse(["--data", str(data), "--output", str(output), "--skip-training", "--python", "none"])
    )
    assert set(found["cost"]) == {"SomaNet", "yolox-n"}
    assert found["cost"]["yolox-n"]["processor_s"] > 1.0  # with the preparation of its pictures
    assert "| yolox-n | 3 | 9 |" in (output / "yolo.md").read_text(encoding="utf-8")
    assert json.loads((output / "yolo.json").read_text())["detection"]["soma_val"]["yolox-n"]["ap"] == 1


def test_somanets_answers_are_its_masks_boxes(data: Path, tmp_path: Path) -> None:
    """The network that comes along, on crops: one box with a confidence for every label."""
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


# libreyolo itself


@pytest.mark.slow
@pytest.mark.parametrize("network", sorted(learning.NETWORKS))
def test_libreyolo_trains_for_a_time_goes_on_and_answers(network: str, tmp_path: Path) -> None:
    """Three seconds, then five more of the same training; then boxes, and masks where it has them, in the picture."""
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
        training = stages.Training(network, budget_s, "processor", 1, 2, size_px, 0, (f"lr0={rate}",))
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
    stages.predict(PYTHON, tmp_path / "run", tmp_path / "pictures", tmp_path / "answers", threads=1, min_score=0)
    table = read_table(tmp_path / "answers" / "some.csv", BOXES)
    assert set(table["image"]) == {"i0", "i1"}
    assert (table["x1_px"] > table["x0_px"]).all()
    assert (table["x1_px"] <= 96).all()
    assert (table["y1_px"] <= 64).all()
    for _, rows in table.groupby("image"):
        assert rows["score"].is_monotonic_decreasing
    weights = sha256_file(tmp_path / "run" / "weights" / "last.pt")
    assert json.loads((tmp_path / "answers" / "some.json").read_text())["made_by"] == weights
    system = scoring.System(network, tmp_path / "answers", "ranked" if masked else None)
    if masked:
        [labels] = system.labels("some", ["i0"], cut=0.0)
        assert labels.shape == (64, 96)
        assert 0 < labels.max() <= (table["image"] == "i0").sum()


def test_what_runs_apart_needs_nothing_of_somanet() -> None:
    """Its environment has libreyolo's libraries and not SomaNet."""
    for module in (learning, answering):
        names = {
            alias.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert "torch" in names
        assert not [name for name in names if name and name.startswith("somanet")]


@pytest.mark.parametrize(("length", "n"), [(40, 1), (256, 1), (257, 2), (448, 2), (449, 3), (1040, 6)])
def test_tiles_of_an_answer_cover_everything_once(length: int, n: int) -> None:
    """Tiles of 256 px that overlap by 64 at least; every point belongs to one, and lies 32 px inside it."""
    found = answering.tiles(length, 256)
    assert len(found) == n
    for point in np.linspace(0, length, 50):
        [start] = [start for start, low, high in found if low <= point < high]
        assert start <= point <= start + 256
        margin = min(point - start if start else 99, start + 256 - point if start + 256 < length else 99)
        assert margin >= 32


def test_a_network_of_one_size_answers_in_tiles() -> None:
    """A network that finds one bright square of 10 px wherever it is, in a picture of 64 x 150 with tiles of 96.

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

    boxes, scores, masks = answering.in_tiles(Model(), image, {})
    assert boxes.tolist() == [[20, 5, 30, 15], [80, 30, 90, 40]]
    assert scores.tolist() == [0.5, 0.5]
    assert masks is not None
    assert [(y, x, int(mask.sum())) for y, x, mask in masks] == [(0, 0, 100), (0, 27, 100)]


def test_a_cut_leaves_the_masks_of_the_surest(tmp_path: Path) -> None:
    """Labels are places in the table: from 0.5 on there are two boxes in a, none in b."""
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


def test_boxes_by_the_hundred_are_not_linked(
    scored: tuple[dict[str, Any], Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, output = scored
    monkeypatch.setattr(scoring, "MOST_LINKED", 1)
    system = scoring.System("right", output / "right")
    crowded = scoring.track_system(system, data / sets.MOVIE, tmp_path, cut=0.0)
    assert crowded == {"boxes_per_frame": len(system.boxes(sets.MOVIE)) / N_FRAMES}
    assert list(tmp_path.iterdir()) == []
    table = page.tracking_table({"SomaNet": found["tracking"]["SomaNet"], "right": crowded})
    assert "| right |" not in table
    assert "right finds" in table.splitlines()[-1]


def test_masks_are_scored_where_two_systems_have_them(scored: tuple[dict[str, Any], Path], data: Path) -> None:
    found, output = scored
    assert found["masks"] == {}
    assert "No network" in page.mask_table(found["masks"])
    truths = scoring.truths_of(sets.scored_sets(data)["soma_val"])
    system = scoring.System("SomaNet", output / "SomaNet", "own")
    scores = scoring.score_masks(system, truths, "soma_val", cut=0.0)
    assert (scores["iou"], scores["accuracy"], scores["mean_ap"]) == (1, 1, 1)
    lines = page.mask_table({"soma_val": {"SomaNet": scores, "other": scores}}).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| soma/val | SomaNet | 1.000 [1.00, 1.00] |")
