"""The base of all settings: frozen types that refuse unknown keys and impossible numbers, read from plain values."""

from __future__ import annotations

import difflib
import math
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from somanet.core.documents import parse_yaml
from somanet.core.errors import SomaNetError
from somanet.core.foreign import file_text
from somanet.core.limits import YAML_BYTES

Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]

SettingsT = TypeVar("SettingsT", bound="Settings")

_LARGEST_FLOAT = 3.4028234663852886e38
"""Of float32, in which networks and images are computed: anything larger would become infinite."""
_LARGEST_INT = 2**63 - 1
"""Of int64, with which arrays count."""
_LONGEST_SHOWN = 120


class Settings(BaseModel):
    """Base of every settings type: immutable; misspelt keys and absurdly large numbers are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _can_be_computed_with(cls, value: Any) -> Any:
        _check_numbers(value)
        return value


def _check_numbers(value: Any) -> None:
    """Refuse absurdly large numbers, also inside lists and mappings whose items have no declared type."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("Input should be a finite number")
        if abs(value) > _LARGEST_FLOAT:
            raise ValueError(
                f"Input should be at most {_LARGEST_FLOAT:.2g}, the largest number that networks compute with"
            )
    elif isinstance(value, int):
        if abs(value) > _LARGEST_INT:
            raise ValueError(f"Input should be at most {_LARGEST_INT:.2g}, the largest number that arrays count to")
    elif isinstance(value, list | tuple):
        for item in value:
            _check_numbers(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            _check_numbers(item)


def read_yaml(path: Path | str) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        SomaNetError: the file is missing, is not YAML, or holds something other than a mapping.
    """
    if not Path(path).exists():
        raise SomaNetError(f"{path} not found. Run from the project's folder, or name the file.")
    content = parse_yaml(file_text(path, "a YAML file", YAML_BYTES), path)
    if not isinstance(content, dict):
        raise SomaNetError(f"{path} must hold `key: value` lines, found {type(content).__name__}.")
    return content


def parse(kind: type[SettingsT], values: Mapping[str, Any], *, source: str) -> SettingsT:
    """Check values against a settings type.

    Raises:
        SomaNetError: naming the first problem, with the nearest known name for an unknown key.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SomaNetError(f"{source}: {_explain(kind, error)}") from error


def override(values: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Values with dotted assignments such as `training.epochs=3` applied; the right side is YAML.

    Raises:
        SomaNetError: an assignment without `=`.
    """
    result: dict[str, Any] = {**values}
    for assignment in assignments:
        dotted, equals, text = assignment.partition("=")
        if not equals or not all(dotted.split(".")):
            raise SomaNetError(f"Expected key=value such as training.epochs=3, found {_brief(assignment)}.")
        try:
            value = parse_yaml(text, dotted)
        except SomaNetError as error:
            raise SomaNetError(
                f"{_brief(assignment)}: {_brief(text)} is not valid YAML. Check brackets and quotes."
            ) from error
        result = with_setting(result, dotted, value)
    return result


def with_setting(values: Mapping[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    """A copy of nested values with one of them, named like `training.epochs`, changed.

    Raises:
        SomaNetError: a part of the name is a value, not a section.
    """
    first, _, rest = dotted.partition(".")
    if not rest:
        return {**values, first: value}
    section = values.get(first) or {}
    if not isinstance(section, Mapping):
        raise SomaNetError(f"{dotted!r}: {first!r} is {_brief(section)}, which has no settings of its own.")
    return {**values, first: with_setting(section, rest, value)}


def _explain(kind: type[BaseModel], error: ValidationError) -> str:
    problems = error.errors()
    # an unknown key explains a missing one, so it goes first
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    location = problem["loc"]
    # pydantic adds the names of a union's members, such as constrained-int, which are not keys
    parts = [str(part) for part in location if not str(part).startswith(("constrained-", "literal["))]
    dotted = ".".join(parts[:-1] if parts[-1:] in (["int"], ["float"]) else parts)
    if problem["type"] == "extra_forbidden":
        known = _keys(kind, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
        return f"unknown parameter {dotted!r}. {hint}"
    if problem["type"] == "missing":
        return f"parameter {dotted!r} is missing."
    if problem["type"] == "model_type":
        sections = _keys(kind, location)
        return (
            f"{dotted!r} is a section, found {_brief(problem['input'])}: set one of its parameters, such as "
            f"{dotted}.{sections[0]}. It has {', '.join(sections)}."
        )
    message = problem["msg"].removeprefix("Value error, ")
    more = f" ({len(problems) - 1} more problems)" if len(problems) > 1 else ""
    found = "" if isinstance(problem["input"], dict) else f", found {_brief(problem['input'])}"
    return f"{dotted or 'the file'}: {message}{found}{more}."


def _brief(value: Any) -> str:
    """A value for a message, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out a whole number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _keys(kind: Any, location: Sequence[int | str]) -> list[str]:
    """Field names of the settings type at a location inside another."""
    for part in location:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(part)].annotation
        else:
            kind = typing.get_args(kind)[-1]
        options = [arg for arg in typing.get_args(kind) if isinstance(arg, type) and issubclass(arg, BaseModel)]
        if options and typing.get_origin(kind) is not dict:
            kind = options[0]
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []
