"""Where the running SomaNet is installed."""

from __future__ import annotations

from pathlib import Path

import somanet

PACKAGE = Path(somanet.__file__).resolve().parent
"""The folder of the package."""
CODE = PACKAGE.parent
"""Root of the running code, whatever the working folder: its commit is the one that produced the numbers."""
