"""Commands in messages, as they work when they are typed: names may have spaces and any other characters."""

from __future__ import annotations

import os
import shlex


def typed(*words: object) -> str:
    """A command of SomaNet in one line: `typed("correct", "my results")` is `somanet correct 'my results'`."""
    return quoted("somanet", *words)


def quoted(*words: object) -> str:
    """Words as the shell takes them for those words."""
    text = [str(word) for word in words]
    if os.name == "posix":
        return shlex.join(text)
    from subprocess import list2cmdline  # of Windows only

    return list2cmdline(text)
