"""Optional packages: which extra installs them, and whether they are present."""

from __future__ import annotations

import importlib.util

from somanet.core.errors import SomaNetError

PACKAGES = {
    "onnx": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino"),
    "bioimageio": ("bioimageio.spec", "onnx", "onnxruntime"),
    "sweeps": ("optuna",),
    "cluster": ("distributed",),
    "nd2": ("nd2",),
    "czi": ("pylibCZIrw",),
    "lif": ("liffile",),
    "napari": ("napari", "qtpy"),
    "track-files": ("h5py", "python_calamine"),
}
"""Extra of `pyproject.toml` → its indispensable packages."""


def missing(extra: str) -> tuple[str, ...]:
    """The packages of an extra that are not installed; nothing is imported."""
    return tuple(name for name in PACKAGES[extra] if not _found(name))


def require(extra: str, *, purpose: str, otherwise: str = "", also: tuple[str, ...] = ()) -> None:
    """Fail before any work is done if an optional package is missing.

    Args:
        extra: the extra that installs the packages.
        purpose: what needs them, in the user's terms.
        otherwise: what the user can do instead of installing them, such as ``, or use --engine torch``.
        also: further packages of the extra that this purpose needs.

    Raises:
        SomaNetError: packages are missing; the message names them and the extra to install.
    """
    if lacking := (*missing(extra), *(name for name in also if not _found(name))):
        raise SomaNetError(
            f"{purpose} needs {' and '.join(lacking)}, not found here: pip install 'somanet[{extra}]'{otherwise}."
        )


def _found(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False
