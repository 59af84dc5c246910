"""Arguments of Python calls, and errors in their words where they name a command's options."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

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


def checked_settings(settings: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Settings by name; none for None.

    Raises:
        SomaNetError: they are no mapping.
    """
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise SomaNetError(
            f'Expected settings as a dictionary, such as {{"migrate": {{"sigma_um": 0.5}}}}, found {settings!r}. '
            "Each has a name and a value."
        )
    return settings
