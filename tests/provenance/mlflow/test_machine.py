"""System metrics: sent through the outbox, numbered consecutively, and never a reason to fail."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import machine
from somanet.provenance.mlflow.machine import machine_metrics


class Box:
    def __init__(self, error: Exception | None = None) -> None:
        self.rows: list[Any] = []
        self._error = error

    def deliver(self, record: dict[str, Any]) -> str:
        self.rows += record["rows"]
        if self._error:
            raise self._error
        return "kept"


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.02")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", "1")


def until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_points_go_on_from_where_they_were_also_during_an_outage() -> None:
    box = Box()
    with machine_metrics(box, first_step=7):
        until(lambda: {row[3] for row in box.rows} >= {7, 8, 9})
    names = {row[0] for row in box.rows}
    assert "system/cpu_utilization_percentage" in names
    assert all(name.startswith("system/") for name in names)
    n = len(box.rows)
    time.sleep(0.1)
    assert len(box.rows) == n  # it has stopped


def test_a_refused_point_ends_the_points_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), machine_metrics(Box(SomaNetError("impossible")), first_step=0):
        until(lambda: caplog.records)
    assert caplog.records[0].message == "System metrics are no longer recorded: impossible."


def test_a_machine_that_cannot_be_watched_is_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise FileNotFoundError("/proc/stat")

    monkeypatch.setattr(machine, "_monitors", fail)
    with caplog.at_level(logging.WARNING), machine_metrics(Box(), first_step=0):
        pass
    assert [record.message for record in caplog.records] == ["System metrics are not recorded: /proc/stat."]
