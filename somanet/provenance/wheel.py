"""The running SomaNet as a wheel, for a model that must be loaded elsewhere: no package index has this version."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib import metadata
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.installation import PACKAGE

NOT_INCLUDED = ("model", "__pycache__")
"""The bundled network, which is larger than all code, and what Python compiles."""

_TIME = (1980, 1, 1, 0, 0, 0)  # the same code gives the same bytes


class NotInstalled(SomaNetError):
    """SomaNet runs from a folder and was never installed, so its requirements are unknown."""


def write_wheel(folder: Path) -> Path:
    """Write `somanet-VERSION-py3-none-any.whl` with the code that is running, without the bundled network.

    Args:
        folder: where to write it.

    Raises:
        NotInstalled: SomaNet runs from a folder and was never installed.
    """
    try:
        about = metadata.distribution("somanet")
    except metadata.PackageNotFoundError as error:
        raise NotInstalled(
            "SomaNet is not installed here, so what it requires is unknown. Install it: pip install -e ."
        ) from error
    files = {
        f"somanet/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes()
        for path in sorted(PACKAGE.rglob("*"))
        if path.is_file() and not set(NOT_INCLUDED) & set(path.relative_to(PACKAGE).parts)
    }
    info = f"somanet-{about.version}.dist-info"
    files[f"{info}/METADATA"] = (about.read_text("METADATA") or about.read_text("PKG-INFO") or "").encode()
    files[f"{info}/entry_points.txt"] = (about.read_text("entry_points.txt") or "").encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: somanet\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    rows = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    wheel = folder / f"somanet-{about.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), content, zipfile.ZIP_DEFLATED)
    return wheel


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
