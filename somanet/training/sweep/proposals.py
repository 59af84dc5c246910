"""Samplers and pruners: reproducible, whatever was killed in between."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, CmaEsSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from somanet.training.sweep.space import Space, grid_points
from somanet.training.sweep.trial_store import TrialStore

RANDOM_TRIALS = 6
"""Trials before TPE's model and the median pruner take effect."""


class RepeatableSampler(BaseSampler):
    """A sampler whose random numbers depend on the trial and the parameter, not on earlier draws.

    Optuna's samplers draw from one stream, which is lost when a process is killed. Here the trial that a process was
    about to begin gets the same values from the next process.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self._make = make
        self._seed = seed

    def _sampler(self, trial: FrozenTrial, name: str = "") -> BaseSampler:
        digest = hashlib.sha256(f"{self._seed} {trial.number} {name}".encode()).digest()
        return self._make(int.from_bytes(digest[:4], "big"))

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that are drawn together."""
        return self._sampler(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw the parameters that are drawn together."""
        return self._sampler(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw one parameter."""
        return self._sampler(trial, param_name).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Pass a finished trial to the sampler."""
        self._sampler(trial).after_trial(study, trial, state, values)


class GridPoints(RandomSampler):
    """Every combination once, in order: the next that no other trial has.

    Optuna's grid samplers keep no order (GridSampler shuffles, BruteForceSampler draws at random), and both end a
    study that runs by ask and tell with a RuntimeError.
    """

    def __init__(self, space: Space) -> None:
        super().__init__(seed=0)
        self._space = space

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The whole space."""
        return {one.name: one.distribution() for one in self._space}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next combination."""
        taken = [one.params for one in study.get_trials(deepcopy=False) if one.number != trial.number]
        return next((point for point in grid_points(self._space) if point not in taken), {})


def make_sampler(kind: Literal["tpe", "random", "grid", "cmaes"], space: Space, *, seed: int) -> BaseSampler:
    """The sampler with this name."""
    makers: dict[str, Callable[[int], BaseSampler]] = {
        # Running trials count as bad ones, so that parallel workers do not try the same values.
        "tpe": lambda s: TPESampler(n_startup_trials=RANDOM_TRIALS, multivariate=True, constant_liar=True, seed=s),
        "random": lambda s: RandomSampler(seed=s),
        "cmaes": lambda s: CmaEsSampler(seed=s, warn_independent_sampling=False),
        "grid": lambda _: GridPoints(space),
    }
    return RepeatableSampler(makers[kind], seed)


def make_pruner(kind: Literal["none", "median", "hyperband"], *, epochs: int) -> BasePruner:
    """The pruner with this name, for trainings of up to ``epochs``; it stops none in the first quarter of them."""
    if kind == "median":
        return MedianPruner(n_startup_trials=RANDOM_TRIALS, n_warmup_steps=max(1, epochs // 4))
    if kind == "hyperband":
        return HyperbandPruner(min_resource=max(1, epochs // 4), max_resource=epochs)
    return NopPruner()


def propose(trial_store: TrialStore, space: Space) -> int:
    """Begin a trial; return its number."""
    return _fill(trial_store.optuna.ask(), space)


def complete_proposal(trial_store: TrialStore, number: int, space: Space) -> None:
    """Propose the missing values of a trial whose process died during its proposal."""
    if set(trial_store.trial(number).params) != {one.name for one in space}:
        _fill(Trial(trial_store.optuna, trial_store.trial_id(number)), space)


def _fill(trial: Trial, space: Space) -> int:
    # not ask(fixed_distributions=…), which is for new trials only: an interrupted one has to be completed too
    for one in space:
        distribution = one.distribution()
        if isinstance(distribution, CategoricalDistribution):
            trial.suggest_categorical(one.name, distribution.choices)
        elif isinstance(distribution, IntDistribution):
            limits = distribution.low, distribution.high
            trial.suggest_int(one.name, *limits, step=distribution.step, log=distribution.log)
        elif isinstance(distribution, FloatDistribution):
            ends = distribution.low, distribution.high
            trial.suggest_float(one.name, *ends, step=distribution.step, log=distribution.log)
    return trial.number
