"""Arguments of Python calls, and errors in their words where they name a command's options."""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import re
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from somanet.core.errors import SomaNetError, WrongType, WrongValue

P = ParamSpec("P")
R = TypeVar("R")

_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")
_OTHER_NAMES = {"diameter": "diameter_px", "set": "settings"}
"""Options that are called otherwise in Python."""


def in_python(function: Callable[P, R]) -> Callable[P, R]:
    """Let errors of a function name its arguments where they name options of the command: `--z 3` becomes `z 3`.

    Options that the function lacks stay as they are: they are the command's.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except SomaNetError as error:
            error.args = (spoken(str(error), function),)
            raise

    return wrapped


def spoken(words: str, *functions: Callable[..., Any]) -> str:
    """A message that names arguments of functions where it names options of the command."""
    parameters = {name: parameter for one in functions for name, parameter in inspect.signature(one).parameters.items()}

    def argument(option: re.Match[str]) -> str:
        name = _OTHER_NAMES.get(option[1], option[1].replace("-", "_"))
        if name not in parameters:
            return option[0]
        return f"{name}=True" if parameters[name].default is False else name

    return _OPTION.sub(argument, words)


def checked_settings(settings: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Settings by name; none for None.

    Raises:
        WrongType: they are no mapping.
    """
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise WrongType(
            f'Expected settings as a dictionary, such as {{"migrate": {{"sigma_um": 0.5}}}}, found {settings!r}. '
            "Each has a name and a value."
        )
    return settings


def as_path(value: object, argument: str, *, instead: str = "") -> Path:
    """An argument that names a file or folder.

    Args:
        value: the argument.
        argument: its name.
        instead: what to do with a value in memory, as a sentence.

    Raises:
        WrongType: it is no path.
    """
    if isinstance(value, str) or (isinstance(value, PathLike) and isinstance(value.__fspath__(), str)):
        return Path(value)
    found = "None" if value is None else type(value).__name__
    raise WrongType(
        f"{argument}: expected a path (text or pathlib.Path), found {found}. {instead or 'Name the file or folder.'}"
    )


def check_positive(**values: object) -> None:
    """Refuse numbers that are not positive and finite; None, for a number that is not given, passes.

    Raises:
        WrongType: no number.
        WrongValue: zero, negative, infinite or NaN.
    """
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise WrongType(f"{name}: expected a number, found {value!r}. Leave it out to have it estimated.")
        if not 0 < float(value) < math.inf:
            raise WrongValue(f"{name}: expected a positive number, found {value}. Leave it out to have it estimated.")
