"""The search space: checked against the settings' own types before any training, and passed to Optuna."""

from __future__ import annotations

import difflib
import itertools
import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from somanet.core.errors import SomaNetError
from somanet.core.settings import parse, with_setting
from somanet.training.settings import FinetuneParams
from somanet.training.sweep.settings import SEED, Axis, SweepParams

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Scalar = bool | int | float | str | None

_CHECK_AT_MOST = 1000
"""Maximum number of a stepped range's values to check against the settings' type; of more, the ends and the middle."""


@dataclass(frozen=True)
class Dimension:
    """One setting and its possible values, as parsed by the settings' type.

    Attributes:
        name: dotted name of a variant's setting, or `seed`.
        choices: the values; None for a range.
        low, high, step, log: definition of a range.
    """

    name: str
    choices: tuple[Any, ...] | None = None
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False

    @property
    def integer(self) -> bool:
        """Whether a range consists of integers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def labels(self) -> tuple[Scalar, ...]:
        """The choices for Optuna: values that are not plain become JSON."""
        return tuple(_label(choice) for choice in self.choices or ())

    def distribution(self) -> BaseDistribution:
        """As an Optuna distribution."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.choices is not None:
            return CategoricalDistribution(self.labels())
        if self.integer:
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def value_of(self, proposed: Any) -> Any:
        """The setting's value for Optuna's proposal."""
        if self.choices is None:
            return proposed
        return self.choices[self.labels().index(proposed)]

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON and for the name of the Optuna study."""
        if self.choices is not None:
            return {"choices": list(self.choices)}
        return {"low": self.low, "high": self.high, "step": self.step, "log": self.log}


def _label(choice: Any) -> Scalar:
    return choice if choice is None or isinstance(choice, bool | int | float | str) else json.dumps(choice)


Space = tuple[Dimension, ...]


def read_space(sweep: SweepParams, base: Mapping[str, Any], *, source: str) -> Space:
    """The dimensions of a sweep, with every value accepted by the settings' type.

    Args:
        sweep: its settings.
        base: the variant that the trials change, as plain values.
        source: where the sweep is defined, for messages.

    Raises:
        SomaNetError: a name is unknown, or a value of a list or range is refused.
    """
    known = [SEED, *setting_names()]
    for name in sweep.space:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else "Use names as in a finetune variant: training.epochs, …."
            raise SomaNetError(f"{source}: unknown parameter {name!r}. {hint}")
    space = tuple(_dimension(name, axis, base, source) for name, axis in sweep.space.items())
    if sweep.sampler == "grid":
        space = tuple(Dimension(d.name, d.choices if d.choices is not None else _steps(d)) for d in space)
    return space


def setting_names(kind: type[BaseModel] = FinetuneParams, prefix: str = "") -> list[str]:
    """The dotted names of all settings of a variant."""
    names = []
    for name, field in kind.model_fields.items():
        options = (field.annotation, *typing.get_args(field.annotation))
        below = [one for one in options if isinstance(one, type) and issubclass(one, BaseModel)]
        names += setting_names(below[0], f"{prefix}{name}.") if below else [f"{prefix}{name}"]
    return names


def with_values(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A variant with some settings, by dotted names, changed; a seed is not a setting and is left out."""
    result = {**base}
    for dotted, value in values.items():
        if dotted != SEED:
            result = with_setting(result, dotted, value)
    return result


def values_of(space: Space, proposed: Mapping[str, Any]) -> dict[str, Any]:
    """Setting -> value, from a trial's proposed parameters."""
    return {one.name: one.value_of(proposed[one.name]) for one in space}


def grid_points(space: Space) -> Iterator[dict[str, Any]]:
    """Every combination of a grid, in Optuna's form, the last dimension fastest."""
    for labels in itertools.product(*(one.labels() for one in space)):
        yield {one.name: label for one, label in zip(space, labels, strict=True)}


def _dimension(name: str, axis: Axis, base: Mapping[str, Any], source: str) -> Dimension:
    def read(value: Any) -> Any:
        return _read(name, value, base, source)

    if axis.choices is not None:
        choices = tuple(read(choice) for choice in axis.choices)
        if len({repr(choice) for choice in choices}) != len(choices):
            raise SomaNetError(f"{source}: {name} lists a value twice: {list(axis.choices)}.")
        return Dimension(name, choices)
    low, high, step = read(axis.low), read(axis.high), axis.step
    if isinstance(low, int) and isinstance(high, int) and step is not None and int(step) == step:
        step = int(step)
    if step is not None:
        high = low + int((high - low) / step + 1e-9) * step  # the last value that the steps reach
    dimension = Dimension(name, low=low, high=high, step=step, log=axis.log)
    for value in _samples(dimension):
        read(value)
    return dimension


def _read(name: str, value: Any, base: Mapping[str, Any], source: str) -> Any:
    """A value as parsed by the settings' type."""
    if name == SEED:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise SomaNetError(f"{source}: seed must be a whole number from 0, found {value!r}.")
        return value
    read: Any = parse(FinetuneParams, with_values(base, {name: value}), source=source).model_dump(mode="json")
    for part in name.split("."):
        read = read[part]
    return read


def _steps(dimension: Dimension) -> tuple[Any, ...]:
    step = dimension.step or 1
    count = round((dimension.high - dimension.low) / step) + 1
    return tuple(dimension.low + i * step for i in range(count))


def _samples(dimension: Dimension) -> Sequence[Any]:
    if dimension.step is not None or dimension.integer:
        count = (dimension.high - dimension.low) / (dimension.step or 1) + 1
        if count <= _CHECK_AT_MOST:
            return _steps(dimension)
    middle = (dimension.low + dimension.high) / 2
    return (int(middle),) if dimension.integer else (middle,)
