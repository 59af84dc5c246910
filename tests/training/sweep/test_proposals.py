"""The same seed proposes the same trials, however often the process was killed in between."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pytest

from somanet.training.sweep.proposals import complete_proposal, make_pruner, make_sampler, propose
from somanet.training.sweep.space import Dimension, Space
from somanet.training.sweep.trial_store import TrialStore, open_trial_store

RANGES = (Dimension("x", low=0.001, high=1.0, log=True), Dimension("y", low=1, high=9, step=2))
MIXED = (*RANGES, Dimension("z", choices=("a", "b", "c")))
GRID = (Dimension("x", choices=(1, 2)), Dimension("y", choices=("a", "b", "c")))
SPACES: dict[Any, Space] = {"tpe": MIXED, "random": MIXED, "cmaes": RANGES, "grid": GRID}
KINDS = list(SPACES)
TRIALS = 9  # the model of TPE starts at 6


class Killed(BaseException):
    pass


def store_in(folder: Path, kind: Any, seed: int = 0) -> TrialStore:
    trial_store = open_trial_store(folder, "key")
    trial_store.optuna.sampler = make_sampler(kind, SPACES[kind], seed=seed)
    return trial_store


def value(params: dict[str, Any]) -> float:
    return sum(ord(one) / 100 if isinstance(one, str) else one for one in params.values())


def search(folder: Path, kind: Any, *, seed: int = 0, new_process_each_time: bool = False) -> list[dict[str, Any]]:
    trial_store = store_in(folder, kind, seed)
    for _ in range(6 if kind == "grid" else TRIALS):
        if new_process_each_time:
            trial_store = store_in(folder, kind, seed)
        number = propose(trial_store, SPACES[kind])
        trial_store.optuna.tell(number, value(trial_store.trial(number).params))
    return [trial.params for trial in trial_store.trials()]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_trials(kind: Any, tmp_path: Path) -> None:
    first, second = search(tmp_path / "1", kind), search(tmp_path / "2", kind, new_process_each_time=True)
    assert first == second
    assert len({repr(params) for params in first}) > 1
    if kind != "grid":
        assert first != search(tmp_path / "3", kind, seed=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after", [0, 1])
def test_a_proposal_that_was_cut_is_completed_as_it_would_have_been(
    kind: Any, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process dies while its trial has none, or one, of its values; the next one completes it."""
    expected = search(tmp_path / "undisturbed", kind)
    folder = tmp_path / "killed"
    for number in range(len(expected)):
        with monkeypatch.context() as patch:
            trial_store = store_in(folder, kind)
            die_after(patch, trial_store, after)
            with pytest.raises(Killed):
                propose(trial_store, SPACES[kind])
        trial_store = store_in(folder, kind)
        assert len(trial_store.trial(number).params) == after
        complete_proposal(trial_store, number, SPACES[kind])
        trial_store.optuna.tell(number, value(trial_store.trial(number).params))
    assert [trial.params for trial in trial_store.trials()] == expected


def die_after(patch: pytest.MonkeyPatch, trial_store: TrialStore, n_params: int) -> None:
    written = trial_store.storage.set_trial_param
    count = 0

    def set_trial_param(*arguments: Any) -> None:
        nonlocal count
        if count == n_params:
            raise Killed
        count += 1
        written(*arguments)

    patch.setattr(trial_store.storage, "set_trial_param", set_trial_param)


def test_a_grid_visits_each_combination_once_also_with_workers_side_by_side(tmp_path: Path) -> None:
    """Six trials are begun before any of them ends."""
    trial_store = store_in(tmp_path, "grid")
    for _ in range(6):
        propose(trial_store, GRID)
    found = [(trial.params["x"], trial.params["y"]) for trial in trial_store.trials()]
    assert found == [(x, y) for x in (1, 2) for y in "abc"]


def test_tpe_learns(tmp_path: Path) -> None:
    """The value is x, and random draws have a mean log10(x) of -1.5: the later half is far above."""
    trial_store = store_in(tmp_path, "tpe")
    for _ in range(30):
        number = propose(trial_store, MIXED)
        trial_store.optuna.tell(number, trial_store.trial(number).params["x"])
    assert fmean(math.log10(trial.params["x"]) for trial in trial_store.trials()[15:]) > -1.0


@pytest.mark.parametrize("kind", ["none", "median", "hyperband"])
def test_a_pruner_stops_what_is_far_behind(kind: Any, tmp_path: Path) -> None:
    """Eight trials rise to 0.9 in 8 epochs, four are stuck at 0.1: only with a pruner are some of these stopped."""
    trial_store = store_in(tmp_path, "random")
    trial_store.optuna.pruner = make_pruner(kind, epochs=8)
    stopped = []
    for good in [True] * 8 + [False] * 4:
        number = propose(trial_store, MIXED)
        for epoch in range(1, 9):
            trial_store.storage.set_trial_intermediate_value(
                trial_store.trial_id(number), epoch, 0.1 * (epoch + 1) if good else 0.1
            )
            if trial_store.optuna.pruner.prune(trial_store.optuna, trial_store.trial(number)):
                stopped.append((good, epoch))
                trial_store.optuna.tell(number, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            trial_store.optuna.tell(number, 0.9 if good else 0.1)
    bad = [epoch for good, epoch in stopped if not good]
    assert bool(bad) == (kind != "none")
    assert all(epoch >= 2 for epoch in bad)  # none is stopped in the first quarter
