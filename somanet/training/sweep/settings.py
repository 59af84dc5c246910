"""The settings of a sweep: what varies and over which range, sampler, pruner, and length."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from somanet.core.settings import PositiveFloat, PositiveInt, Settings

SEED = "seed"
"""The one name in a space that is not a setting of a variant: the seed of a training."""

Metric = Literal["val_iou", "iou", "f1", "accuracy", "mean_ap"]
"""Ranks trials, on the held-out neurons: the best epoch's IoU, or a score of the resulting network's labels."""


class Axis(Settings):
    """The values that one setting may take: a list, or a range from `low` to `high`, both included."""

    choices: tuple[Any, ...] | None = None
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    """Log scale: for learning rates and the like."""
    step: Annotated[int | float, Field(gt=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return {"choices": value} if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _possible(self) -> Axis:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log or self.step is not None:
                raise ValueError("a list of choices has no low, high, log or step")
            if not self.choices or len({repr(choice) for choice in self.choices}) != len(self.choices):
                raise ValueError("choices must have at least one value, each only once")
            return self
        if self.low is None or self.high is None:
            raise ValueError("expected a list of values, or a range with low and high")
        if self.low >= self.high:
            raise ValueError(f"low must be below high, found low {self.low:g} and high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a range with log must lie above 0, found low {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other")
        if self.step is not None and self.step > self.high - self.low:
            raise ValueError(f"step {self.step:g} is longer than the range from {self.low:g} to {self.high:g}")
        return self


class SweepParams(Settings):
    """A named sweep: `somanet sweep NAME`."""

    base: str
    """The variant of the `finetune` section that the trials change."""
    sampler: Literal["tpe", "random", "grid", "cmaes"] = "tpe"
    """Proposes values: a model of the good trials so far, at random, every combination, or an evolution strategy."""
    pruner: Literal["none", "median", "hyperband"] = "none"
    """Stops poor trials by their validation IoU so far."""
    trials: PositiveInt | None = None
    """Total number of trials, over all starts of the command."""
    minutes: PositiveFloat | None = None
    """No trial is started after the command has run for this many minutes."""
    holdout: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share of the training neurons used for scoring trials, so that the validation neurons stay unseen."""
    metric: Metric = "val_iou"
    seeds_per_trial: PositiveInt = 1
    """Trainings per trial; their mean counts."""
    space: dict[str, Axis] = Field(min_length=1)
    """Dotted name of a variant's setting, or `seed` -> its possible values."""

    @model_validator(mode="after")
    def _consistent(self) -> SweepParams:
        if self.sampler == "grid":
            endless = [name for name, axis in self.space.items() if axis.choices is None and axis.step is None]
            if endless:
                raise ValueError(f"a grid needs lists or ranges with a step; {endless[0]!r} is neither")
        elif self.trials is None and self.minutes is None:
            raise ValueError("a sweep needs trials or minutes, or it would never end")
        if self.sampler == "cmaes":
            listed = [name for name, axis in self.space.items() if axis.choices is not None]
            if listed:
                raise ValueError(f"cmaes needs ranges; {listed[0]!r} is a list: use tpe")
            if len(self.space) < 2:
                raise ValueError("cmaes needs at least two settings: use tpe")
        if SEED in self.space and self.seeds_per_trial > 1:
            raise ValueError("seed is in the space, so seeds_per_trial must be 1")
        return self
