"""Errors that name a command's options, in the words of a Python call."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from somanet.core.errors import SomaNetError

P = ParamSpec("P")
R = TypeVar("R")

_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")
_OTHER_NAMES = {"diameter": "diameter_px", "set": "settings"}
"""Options that are called otherwise in Python."""


def in_python(function: Callable[P, R]) -> Callable[P, R]:
    """Let errors of a function name its arguments where they name options of the command: `--z 3` becomes `z 3`.

    Options that the function lacks stay as they are: they are the command's.
    """
    parameters = inspect.signature(function).parameters

    def spoken(option: re.Match[str]) -> str:
        name = _OTHER_NAMES.get(option[1], option[1].replace("-", "_"))
        if name not in parameters:
            return option[0]
        return f"{name}=True" if parameters[name].default is False else name

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except SomaNetError as error:
            error.args = (_OPTION.sub(spoken, str(error)),)
            raise

    return wrapped
