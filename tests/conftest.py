"""Shared by all tests: quiet libraries, a clean environment, and the path to the real data."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

os.environ["MPLBACKEND"] = "Agg"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
os.environ["DVC_NO_ANALYTICS"] = "1"
# A test started from a DVC stage, or with a tracking server configured, must not write into either.
for _name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME"):
    os.environ.pop(_name, None)

# A shell starts what runs in the background with Ctrl-C ignored, and every process of a test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

import cv2  # noqa: E402 - after the environment is set
from hypothesis import settings  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]

# OpenCV's threads would compete with torch's for the same cores.
cv2.setNumThreads(0)

# No deadline: the first example often pays for an import. The same examples every time, so that no test fails by
# chance; `make test-wild`, every night, draws others and more of them.
settings.register_profile("same", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("wild", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("wild" if os.environ.get("SOMANET_WILD") else "same")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data: ``SOMANET_DATA``, else ``../shared/data`` beside the checkout; else a skip."""
    given = os.environ.get("SOMANET_DATA")
    path = Path(given) if given else ROOT.parent / "shared" / "data"
    if not path.is_dir():
        if given:
            pytest.fail(f"SOMANET_DATA names no folder: {given}")
        pytest.skip("no real data: set SOMANET_DATA to its folder")
    return path.resolve()
