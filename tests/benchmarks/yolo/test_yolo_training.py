"""The time of a detector's training, and errors before it starts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import benchmarks.yolo.__main__ as program
from benchmarks.yolo import from_scratch, learning, sets, stages
from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.segmentation.network.checkpoint import load_checkpoint
from tests.benchmarks.yolo.worlds import PYTHON


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
        training = stages.Training("yolo9-t", budget_s, "wall", 1, 16, 256, 0, "cpu", ())
        stages.train(PYTHON, tmp_path / "data.yaml", training, run)
    assert asked == ["5.0", "6.0"]


def test_without_the_environment_a_line_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match="make yolo"):
        stages.run_apart(tmp_path / "python", "learning", threads=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--skip-training"], "no finished training"),
        ([], "The training needs a time"),
        (["--somanet-training", "told.json"], "lacks the time of a training"),
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


def test_every_network_has_every_seed(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SomaNet's network from random weights is trained in this environment, the detector in its own, for as long."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(stages, "run_apart", lambda python, module, *told, threads: asked.append((module, *told)))
    monkeypatch.setattr(sets, "write_training_set", lambda data, folder, **options: (folder / "train.txt").touch())
    (tmp_path / "boxes").mkdir()
    options = ["--budget-s", "7", "--clock", "processor", "--network", "yolo9-t", "somanet", "--seeds", "3", "5"]
    arguments = program.parse(["--data", str(data), *options])
    names = ["yolo9-t_seed3", "yolo9-t_seed5", "somanet_seed3", "somanet_seed5"]
    assert [run.name for run in program.train_networks(arguments, PYTHON, tmp_path)] == names
    assert [one[0] for one in asked] == ["learning", "learning", "from_scratch", "from_scratch"]
    for one, seed in zip(asked, ("3", "5", "3", "5"), strict=True):
        assert (one[one.index("--budget-s") + 1], one[one.index("--clock") + 1]) == ("7.0", "processor")
        assert one[one.index("--seed") + 1] == seed
    for name in names[1:3]:
        write_json(tmp_path / "runs" / name / "training.json", {})
    found = program.train_networks(program.parse(["--skip-training"]), PYTHON, tmp_path)
    assert [(run.name, program.network_of(run)) for run in found] == [
        ("somanet_seed3", "somanet"),
        ("yolo9-t_seed5", "yolo9-t"),
    ]


def test_whole_epochs_fill_the_budget() -> None:
    """A part is left for the last validation: 100 s hold three epochs of 30 s, 90 s only two."""
    assert [from_scratch.epochs_for(budget_s, 30.0) for budget_s in (100.0, 90.0)] == [3, 2]
    with pytest.raises(SomaNetError, match="One epoch takes 30 s"):
        from_scratch.epochs_for(30.0, 30.0)


def test_somanet_learns_from_random_weights(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two epochs fit the budget; other seeds begin with other weights, and none with those of ImageNet."""
    spec, settings = from_scratch.settings_of()
    assert spec.encoder_weights is None
    assert (spec.input, settings.batch_size, settings.early_stopping_epochs) == ("background", 4, None)
    small = settings.model_copy(update={"samples_per_epoch": 4, "size_px": 64})
    monkeypatch.setattr(from_scratch, "settings_of", lambda: (spec, small))
    monkeypatch.setattr(from_scratch, "epochs_for", lambda budget_s, seconds: 2)
    told: Any = {"budget_s": 9.0, "clock": "processor", "threads": 1}
    records = [from_scratch.learn(data, tmp_path / f"{seed}", seed=seed, **told) for seed in (0, 1)]
    for seed, record in enumerate(records):
        assert record["settings"] == {"imgsz": 64, "batch": 4, "seed": seed}
        assert (record["epochs"], record["clock"], record["budget_s"]) == (2, "processor", 9.0)
        assert record["processor_s"] > 0
    one, other = (load_checkpoint(tmp_path / f"{seed}") for seed in (0, 1))
    assert one.sha256 != other.sha256
    assert sum(weight.numel() for weight in one.model.parameters()) == records[0]["parameters"]
