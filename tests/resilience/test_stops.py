"""The moments at which the tests of this folder stop a process are named by functions that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.resilience.child import find

CLIENT = "mlflow.MlflowClient"
STOP = re.compile(r'\bStop\(\s*f?"([^"]+)"')


def named() -> set[str]:
    """The dotted name of each stop in the tests."""
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    return {name.replace("{CLIENT}", CLIENT) for text in texts for name in STOP.findall(text)}


@pytest.mark.parametrize("function", sorted(named()))
def test_every_stop_is_at_a_function(function: str) -> None:
    holder, attribute = find(function)
    assert callable(getattr(holder, attribute))


def test_all_stops_are_found() -> None:
    assert {f"{CLIENT}.log_batch", "os.fsync", "somanet.provenance.mlflow.tracked.TrackedRun.log_model"} <= named()


@pytest.mark.parametrize(
    "function", ["somanet.provenance.mlflow.tracked.TrackedRun.log_network", "somanet.provenance.mlflow.NoSuchRun.end"]
)
def test_a_function_that_is_gone_is_noticed(function: str) -> None:
    with pytest.raises(AttributeError):
        find(function)
