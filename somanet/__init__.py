"""SomaNet: from a raw microscope movie to the migration statistics of every neuron.

The names of :data:`__all__` are what programs and notebooks build on (docs/python.md); they stay. Each is loaded when
it is first used, so that `import somanet` costs nothing. Their types are in `__init__.pyi`: to the contracts of
`pyproject.toml`, rooms that import the version from here import no other room.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Analysis": "api.results",
    "Calibration": "core.calibration",
    "Measurement": "api.tracks",
    "Model": "api.model",
    "Segmentation": "api.model",
    "SomaNetError": "core.errors",
    "analyze": "api.analysis",
    "load_model": "api.model",
    "measure": "api.tracks",
    "open_analysis": "api.results",
    "read_tracks": "api.tracks",
}

__all__ = tuple(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *__all__})
