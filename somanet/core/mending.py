"""What may be wrong with an installation or a machine, each as one line: why it matters, what was found, the command.

`somanet doctor` looks for these before they matter, and the command that fails prints the same line. Optional packages
are in :mod:`somanet.core.extras`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
"""Python versions that SomaNet is tested with; later ones may lack packages."""
OLDEST_PIP = (21, 3)
"""The first that installs a checkout of a project without `setup.py` (PEP 660)."""
FREE_DISK_GB = 5.0


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong.

    Attributes:
        matters: what needs it, as the beginning of a sentence.
        found: what there is instead.
        command: what mends it: a command where there is one.
    """

    matters: str
    found: str
    command: str

    @property
    def line(self) -> str:
        """All of it in one line."""
        return f"{self.matters}, {self.found}: {self.command}."


def python_trouble(version: tuple[int, ...] | None = None) -> Trouble | None:
    """A Python that is too old; None if it is not. This runs on any Python 3."""
    found = tuple(sys.version_info[:3]) if version is None else version
    if found[:2] >= OLDEST_PYTHON:
        return None
    return Trouble(
        f"SomaNet needs Python {_dotted(OLDEST_PYTHON)} or later",
        f"this is {_dotted(found)}",
        f"`uv python install {_dotted(NEWEST_PYTHON)}`, or install it from https://www.python.org/downloads, then "
        "install somanet with it",
    )


def python_doubt(version: tuple[int, ...] | None = None) -> Trouble | None:
    """A Python that SomaNet was not tested with, as it is newer; None if it was."""
    found = tuple(sys.version_info[:3]) if version is None else version
    if found[:2] <= NEWEST_PYTHON:
        return None
    return Trouble(
        f"SomaNet is tested with Python {_dotted(OLDEST_PYTHON)} to {_dotted(NEWEST_PYTHON)}",
        f"this is {_dotted(found)}, for which packages may be missing",
        f"if one is, `uv python install {_dotted(NEWEST_PYTHON)}`",
    )


def pip_trouble(version: str) -> Trouble | None:
    """A pip that cannot install SomaNet; None if it can."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers >= OLDEST_PIP:
        return None
    return Trouble(
        f"Installing SomaNet and its extras needs pip {_dotted(OLDEST_PIP)} or later",
        f"this is {version}",
        "`python -m pip install --upgrade pip`",
    )


SPACE = "`pip cache purge` empties the cache of pip, and `dvc gc --workspace` a project's of what it no longer uses"


def space_trouble(folder: Path, free_gb: float) -> Trouble | None:
    """Little space on the disk of a folder; None if it suffices."""
    if free_gb >= FREE_DISK_GB:
        return None
    return Trouble(
        f"Results, caches and installations need {FREE_DISK_GB:.0f} GB",
        f"{free_gb:.1f} GB are free on the disk of {folder}",
        f"free some space: {SPACE}",
    )


def writing_trouble(folder: Path, purpose: str) -> Trouble | None:
    """A folder of this project that cannot be written; None if it can, or could be made.

    Args:
        folder: it need not exist.
        purpose: what needs it, as the beginning of a sentence.
    """
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return None
    if not there.is_dir():
        return Trouble(f"{purpose} needs the folder {folder}", f"{there} is a file", f"move {there} away")
    if not hasattr(os, "getuid"):
        command = f'`icacls "{there}" /grant "%USERNAME%":(OI)(CI)M /T`'
    elif there.stat().st_uid != os.getuid():
        command = f'`sudo chown -R "$USER" "{there}"`'
    else:
        command = f'`chmod -R u+rwX "{there}"`'
    return Trouble(f"{purpose} needs to write into {folder}", f"{there} is read-only for you", command)


def codec_trouble(purpose: str, codec: str, library: str) -> Trouble:
    """A codec that a library was built without."""
    return Trouble(
        f"{purpose} needs the codec {codec}",
        f"which this build of {library} lacks",
        f"`pip install --force-reinstall --only-binary :all: {library}`",
    )


_LIBRARIES = (
    (("libomp",), "OpenMP (libomp)", "`brew install libomp`"),
    (("libgomp", "libiomp"), "OpenMP (libgomp)", "`sudo apt install libgomp1`, or your system's package of that name"),
    (
        ("libGL.so", "libgthread", "libglib"),
        "a display library that only OpenCV's version with windows loads",
        "`pip uninstall opencv-python`, then `pip install --force-reinstall opencv-python-headless`",
    ),
    (("GLIBC_", "GLIBCXX_"), "a newer C library", "a Linux with glibc 2.28 or later, such as Ubuntu 20.04"),
    (
        ("DLL load failed", "WinError 126", "WinError 1114"),
        "Microsoft's Visual C++ libraries",
        "`winget install Microsoft.VCRedist.2015+.x64`",
    ),
)
"""How systems word that a library of the system is missing; what it is, and what brings it."""


def library_trouble(error: BaseException, package: str = "") -> Trouble | None:
    """A library of the system that a package needs; None if the error says nothing of one.

    Args:
        error: of the import.
        package: what was imported, where it is known.
    """
    text = str(error)
    for marks, what, command in _LIBRARIES:
        if mark := next((mark for mark in marks if mark in text), None):
            name = package or getattr(error, "name", None) or "A library"
            return Trouble(f"{name} needs {what}", f"not found on this machine ({mark})", command)
    return None


def missing_library(error: ImportError) -> Trouble | None:
    """A dependency that is not installed, as where SomaNet is without all of them; None if it is there and fails."""
    name = (error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or not name or name == "somanet":
        return None
    remedy = "`somanet doctor` names each library that is missing, with the command that installs it"
    return Trouble(f"This command needs {name}", "which is not installed here", remedy)


def remote_trouble() -> Trouble:
    """A project without a DVC remote."""
    return Trouble(
        "`dvc pull` and `dvc push` need a place for the data",
        "this project has no DVC remote",
        "`dvc remote add --default storage PATH`, with a folder, or an address such as ssh://host/folder",
    )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
