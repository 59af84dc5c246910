"""Environment variables that libraries read at their import, where a wrong value would end in a traceback."""

from __future__ import annotations

import os

from somanet.core.errors import SomaNetError

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
