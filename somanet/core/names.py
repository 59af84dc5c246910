"""Names that become part of a path or of a command: one rule for each, used wherever a file or a person gives one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from somanet.core.errors import SomaNetError
from somanet.core.text import is_control, printable

NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
"""A name that somebody chooses for something of SomaNet: a network, a variant, a sweep, a recorded evaluation."""

Name = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
"""Such a name in a settings type: it becomes part of commands and paths, so only plain characters are allowed."""

LONGEST_BYTES = 200
"""Of a file's name without its suffix; file systems allow 255 bytes with it, and temporary names need some."""

_NOT_IN_FILE_NAMES = frozenset('/\\:*?"<>|')
"""Separators, and what Windows does not allow."""


_DEVICES = frozenset({"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³")})
"""Names that Windows has for devices, with any suffix: no file can have one."""


def spelling(known: Iterable[str]) -> Callable[[str], str]:
    """A function that gives the known name that a text is but for the code of its accents; others as they are.

    macOS stores an é of a file's name as an e and an accent, other systems as one character; the two look the same.

    Args:
        known: names of images or files.
    """
    names = set(known)
    composed = {unicodedata.normalize("NFC", name): name for name in sorted(names)}
    return lambda text: text if text in names else composed.get(unicodedata.normalize("NFC", text), text)


def check_name(name: str, where: str) -> str:
    """The name, if it is a :data:`Name`.

    Args:
        name: what was given.
        where: what gave it, such as `--write-back`.

    Raises:
        SomaNetError: it is not.
    """
    if not NAME.fullmatch(name):
        raise SomaNetError(f"{where} is {name!r}; expected lower-case letters, digits and _, such as tuned.")
    return name


def check_file_name(name: str, where: str) -> str:
    """The name, if it names a file or folder directly inside the folder it is written to, on every system.

    Args:
        name: the name of an image, of a part of a split, … as read from a file.
        where: what has it: `splits.csv, line 3`.

    Raises:
        SomaNetError: it is empty, hidden, `..`, contains a separator, control characters, or what Windows does not
            allow, or is too long.
    """
    if problem := _problem(name):
        raise SomaNetError(
            f"{where}: '{printable(name[:80])}' is not a valid file name: {problem}. Use letters, digits, '_' and '-'."
        )
    return name


def is_entry(name: str) -> bool:
    """Whether a name is that of an entry of a folder on this system: for records, which may be damaged or foreign."""
    return bool(name) and Path(name).name == name and name != ".." and "\0" not in name


def is_inside(path: str) -> bool:
    """Whether a relative path stays inside the folder that it is relative to."""
    parts = path.replace("\\", "/").split("/")
    return bool(path) and ".." not in parts and parts[0] != "" and not re.match(r"[A-Za-z]:", path)


def _stays_inside(path: str) -> str:
    if not is_inside(path):
        raise ValueError("expected a path inside the data folder, without .. and not beginning with /")
    return path


InsidePath = Annotated[str, AfterValidator(_stays_inside)]
"""A path in a settings type that cannot lead out of the folder that it is relative to."""


def _problem(name: str) -> str | None:
    if not name:
        return "it is empty"
    if name.startswith("."):
        return "it begins with a dot"
    if name.endswith((" ", ".")):
        return "it ends with a space or a dot"
    if name.partition(".")[0].rstrip(" ").upper() in _DEVICES:
        return "Windows keeps that name for a device"
    if odd := sorted(_NOT_IN_FILE_NAMES & set(name)):
        return f"it contains {odd[0]}"
    if any(is_control(character) for character in name):
        return "it contains a control character"
    if len(name.encode("utf-8")) > LONGEST_BYTES:
        return f"it is longer than {LONGEST_BYTES} bytes"
    return None
