"""What libraries read at their import: environment variables, and files in the current folder."""

from __future__ import annotations

import importlib
import os

from somanet.core.errors import SomaNetError

_SETTINGS = "matplotlibrc"
_LAST_SECOND = 253402300799
"""Of the year 9999, the last that dates have."""


def check_environment() -> None:
    """Refuse values that libraries could not read.

    Raises:
        SomaNetError: naming the variable.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return
    if not (text.isascii() and text.isdecimal() and len(text) <= 12 and int(text) <= _LAST_SECOND):
        raise SomaNetError(
            f"The environment variable SOURCE_DATE_EPOCH is {text[:40]!r}; expected the date of a build in whole "
            "seconds since 1970. Correct it, or `unset SOURCE_DATE_EPOCH`."
        )


def ignore_settings_here() -> None:
    """Import matplotlib without the settings in the current folder, which it would prefer to the user's own.

    That folder may hold data of others: such a file decides how large figures are and whether LaTeX runs, and on a pipe
    the import waits for ever.
    """
    if not os.path.lexists(_SETTINGS):
        return
    here = os.getcwd()  # noqa: PTH109 - as it is, to return to
    os.chdir(os.path.abspath(os.sep))  # noqa: PTH100 - the drive's root
    try:
        importlib.import_module("matplotlib")
    finally:
        os.chdir(here)
