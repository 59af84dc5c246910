"""One analysed movie as a page that needs only a browser, and as a video with the cells drawn in.

Names are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from somanet.analysis.report.content import ReportInput
    from somanet.analysis.report.overlay import overlay_pictures, write_overlay
    from somanet.analysis.report.page import write_report

__all__ = ["ReportInput", "overlay_pictures", "write_overlay", "write_report"]

_HOME = {
    "ReportInput": "content",
    "overlay_pictures": "overlay",
    "write_overlay": "overlay",
    "write_report": "page",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
