"""Environments of other programs, one each under `build/peers`, since their requirements conflict.

Each also has the packages of SomaNet's environment, after its own: torch is installed once, and all use the
same torch.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.contenders import HERE

PACKAGES = {
    "stardist": ("stardist>=0.9,<1", "tensorflow>=2.16,<3"),
    "cellpose3": ("cellpose>=3.1,<4",),
    "cellpose4": ("cellpose>=4,<5",),
}
_REASON = "why-not.txt"


@dataclass(frozen=True)
class Environment:
    """Where a contender can run.

    Attributes:
        python: its interpreter; none if there is no such environment.
        reason: why there is none.
    """

    python: Path | None
    reason: str = ""


def find(name: str, folder: Path) -> Environment:
    """The environment of a name as it is on this machine."""
    if name == HERE:
        return Environment(Path(sys.executable))
    reason = folder / name / _REASON
    if reason.exists():
        return Environment(None, reason.read_text(encoding="utf-8").strip())
    python = _python(folder / name)
    return Environment(python) if python.exists() else Environment(None, "not installed here: `make peers` installs it")


def install(name: str, folder: Path) -> None:
    """Create an environment if it is missing; if that fails, record the reason instead."""
    if find(name, folder).python is not None:
        return
    place = folder / name
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(place)],
        [str(_python(place)), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *PACKAGES[name]],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
            place.mkdir(parents=True, exist_ok=True)
            (place / _REASON).write_text(f"cannot be installed: {(lines or ['no reason given'])[-1]}\n")
            return
        if command is commands[0]:
            _add_our_packages(place)


def _python(place: Path) -> Path:
    return place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _add_our_packages(place: Path) -> None:
    """Let an environment find SomaNet's packages after its own."""
    command = [str(_python(place)), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    theirs = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    ours = sysconfig.get_path("purelib")
    (theirs / "somanet_packages.pth").write_text(f"import site; site.addsitedir({ours!r})\n", encoding="utf-8")
