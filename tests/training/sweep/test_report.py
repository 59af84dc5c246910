"""A sweep's report on its trials: the best settings, the table, and figures that can be drawn."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import FrozenTrial, TrialState

from somanet.training.sweep import figures
from somanet.training.sweep.report import best_of, importances, trials_table
from somanet.training.sweep.space import Dimension, Space
from somanet.training.sweep.trial import REASON, RUNS, SCORES
from somanet.training.sweep.trial_store import TrialStore, open_trial_store

SPACE = (
    Dimension("training.learning_rate", low=1e-4, high=1e-2, log=True),
    Dimension("training.augment.scale_range", choices=([0.8, 1.25], [0.5, 2.0])),
    Dimension("input", choices=(None, "contrasts")),
)
SEEDS = (Dimension("training.epochs", choices=(2, 4)), Dimension("seed", choices=(0, 1)))


def add(trial_store: TrialStore, space: Space, labels: list[object], value: float | None, **notes: object) -> None:
    """A trial with these proposals; without a value it failed."""
    trial = trial_store.optuna.ask()
    for one, label in zip(space, labels, strict=True):
        if one.choices is None:
            trial.suggest_float(one.name, one.low, one.high, log=one.log)
        else:
            trial.storage.set_trial_param(
                trial_store.trial_id(trial.number), one.name, one.labels().index(label), one.distribution()
            )
    for name, note in notes.items():
        trial_store.note(trial.number, name, note)
    trial_store.optuna.tell(trial.number, value, state=None if value is not None else TrialState.FAIL)


def seeds_store(folder: Path, rows: list[tuple[int, int, float | None]]) -> list[FrozenTrial]:
    trial_store = open_trial_store(folder, "key")
    for epochs, seed, value in rows:
        add(trial_store, SEEDS, [epochs, seed], value)
    return trial_store.trials()


def test_the_best_trial_wins(tmp_path: Path) -> None:
    space = (Dimension("training.epochs", choices=(2, 4)),)
    trial_store = open_trial_store(tmp_path, "key")
    for epochs, value in ((2, 0.3), (4, 0.7), (4, 0.5), (2, None)):
        add(trial_store, space, [epochs], value)
    best = best_of(trial_store.trials(), space)
    assert best is not None
    assert (best.trials, best.value, best.spread, best.values) == ((1,), 0.7, None, {"training.epochs": 4})


def test_over_seeds_the_mean_wins_and_not_a_lucky_seed(tmp_path: Path) -> None:
    """2 epochs: 0.9 and 0.1, mean 0.5; 4 epochs: 0.7 and 0.6, mean 0.65, standard deviation 0.1/√2."""
    best = best_of(seeds_store(tmp_path, [(2, 0, 0.9), (2, 1, 0.1), (4, 0, 0.7), (4, 1, 0.6)]), SEEDS)
    assert best is not None
    assert best.trials == (2, 3)
    assert best.value == pytest.approx(0.65)
    assert best.spread == pytest.approx(0.1 / math.sqrt(2))
    assert best.values == {"training.epochs": 4}


def test_settings_with_fewer_seeds_do_not_compete(tmp_path: Path) -> None:
    best = best_of(seeds_store(tmp_path, [(2, 0, 0.9), (2, 1, None), (4, 0, 0.7), (4, 1, 0.6)]), SEEDS)
    assert best is not None
    assert best.trials == (2, 3)


def test_no_complete_trial_is_no_winner(tmp_path: Path) -> None:
    assert best_of(seeds_store(tmp_path, [(2, 0, None)]), SEEDS) is None


def test_the_table_has_the_values_behind_the_proposals(tmp_path: Path) -> None:
    trial_store = open_trial_store(tmp_path, "key")
    add(trial_store, SPACE, [None, "[0.5, 2.0]", None], 0.5, **{SCORES: {"iou": 0.25}, RUNS: ["a", "b"]})
    add(trial_store, SPACE, [None, "[0.8, 1.25]", "contrasts"], None, **{REASON: "out of memory"})
    rows = trials_table(trial_store.trials(), SPACE, "val_iou").to_dict("records")
    assert [row["state"] for row in rows] == ["complete", "failed"]
    assert rows[0]["training.augment.scale_range"] == [0.5, 2.0]
    assert [row["input"] for row in rows] == [None, "contrasts"]
    assert (rows[0]["val_iou"], rows[0]["iou"], rows[0]["mlflow_runs"]) == (0.5, 0.25, "a b")
    assert (rows[1]["reason"], rows[1]["mlflow_runs"]) == ("out of memory", "")
    assert math.isnan(rows[1]["val_iou"])


def rated_store(folder: Path, values: list[float]) -> TrialStore:
    """Trials whose value equals their first setting, whatever the second."""
    space = (Dimension("a", choices=(0, 1)), Dimension("b", choices=(0, 1)))
    trial_store = open_trial_store(folder, "key")
    for number, value in enumerate(values):
        add(trial_store, space, [int(value), number // 2 % 2], value)
    return trial_store


def test_importances_name_what_matters(tmp_path: Path) -> None:
    shares = importances(rated_store(tmp_path, [0, 1, 0, 1, 0, 1, 0, 1]))
    assert shares is not None
    assert shares["a"] > 0.9
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("values", [[0, 1, 0], [1, 1, 1, 1]])
def test_too_few_or_equal_trials_have_no_importances(values: list[float], tmp_path: Path) -> None:
    assert importances(rated_store(tmp_path, values)) is None


def table(states: list[str]) -> pd.DataFrame:
    rows = [
        {
            "trial": number,
            "state": state,
            "val_iou": 0.1 * number if state == "complete" else None,
            "training.learning_rate": 10 ** -(2 + number / 5),
            "training.augment.scale_range": [0.5, 2.0],
            "input": None if number % 2 else "contrasts",
        }
        for number, state in enumerate(states)
    ]
    return pd.DataFrame(rows, dtype=object).astype({"trial": int, "val_iou": float})


@pytest.mark.parametrize("states", [["complete"] * 6, ["complete", "pruned", "failed", "running"], ["failed"]])
def test_the_pictures_can_be_drawn(states: list[str]) -> None:
    """Drawing warns about missing glyphs and layouts that do not fit, and warnings are errors."""
    drawn = [figures.history(table(states), "val_iou"), figures.slices(table(states), SPACE, "val_iou")]
    for figure in (*drawn, figures.importance({"training.learning_rate": 0.7, "input": 0.3})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=40)
        assert len(buffer.getvalue()) > 2000


def test_the_history_shows_what_each_trial_was() -> None:
    [ax] = figures.history(table(["complete", "pruned", "complete", "failed"]), "val_iou").axes
    lines = {line.get_label(): [list(map(float, axis)) for axis in line.get_data()] for line in ax.get_lines()}
    assert lines["complete"] == [[0, 2], [0, 0.2]]
    assert lines["best so far"][1] == [0, 0.2]
    assert lines["pruned (no value)"][0] == [1]
    assert lines["failed (no value)"][0] == [3]
    assert ax.get_ylabel() == "IoU, held-out neurons"
