"""Optional packages: which extra of the installation brings them, and whether they are there."""

from __future__ import annotations

import importlib.util

from somanet.core.errors import SomaNetError

PACKAGES = {
    "onnx": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino"),
    "bioimageio": ("bioimageio.spec", "onnx", "onnxruntime"),
    "sweeps": ("optuna",),
    "cluster": ("distributed",),
}
"""Extra of `pyproject.toml` → the packages of it that nothing of it works without."""


def missing(extra: str) -> tuple[str, ...]:
    """The packages of an extra that are not installed; nothing is imported."""
    return tuple(name for name in PACKAGES[extra] if not _found(name))


def require(extra: str, *, purpose: str, otherwise: str = "") -> None:
    """Refuse before the work what an optional package is missing for.

    Args:
        extra: that brings the packages.
        purpose: what needs them, as the user asked for it.
        otherwise: what the user can do instead of installing them, such as ``, or use --engine torch``.

    Raises:
        SomaNetError: it names the packages and the extra to install.
    """
    if lacking := missing(extra):
        raise SomaNetError(
            f"{purpose} needs {' and '.join(lacking)}, not found here: pip install 'somanet[{extra}]'{otherwise}."
        )


def _found(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package that it would be part of
        return False
