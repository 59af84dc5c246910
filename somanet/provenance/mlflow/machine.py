"""System metrics while a run is open: processor, memory, disk, network, graphics card.

MLflow's own thread for this stops for good at the first outage; this one uses the run's outbox.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from somanet.core.errors import SomaNetError, first_line
from somanet.provenance.mlflow.client import outage_errors
from somanet.provenance.mlflow.outbox import Outbox

SAMPLE_EVERY_S = 5.0
SAMPLES_PER_POINT = 3
"""One point per 15 s. A tiny run gets a few, and a day-long run stays below 100,000 rows."""

PREFIX = "system/"
"""MLflow's page puts names with this prefix on a separate tab."""

_log = logging.getLogger(__name__)


@contextmanager
def machine_metrics(outbox: Outbox, *, first_step: int) -> Iterator[None]:
    """Record the machine's load in a thread while a block runs, at our interval unless MLflow's variables set another.

    Args:
        outbox: the run's outbox.
        first_step: number of the first point; a resumed run continues counting.
    """
    stop = threading.Event()
    thread: threading.Thread | None = None
    try:
        every_s = float(os.environ.get("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL") or SAMPLE_EVERY_S)
        n_samples = int(os.environ.get("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING") or SAMPLES_PER_POINT)
        arguments = (_monitors(), outbox, first_step, stop, every_s, n_samples)
        thread = threading.Thread(target=_watch, args=arguments, name="machine-metrics", daemon=True)
        thread.start()
    except Exception as error:  # optional metrics must not stop the work; psutil fails in many ways in odd containers
        _log.warning("System metrics are not recorded: %s", first_line(error))
    try:
        yield
    finally:
        stop.set()
        if thread is not None and thread.is_alive():
            thread.join()


def _monitors() -> list[Any]:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
    from mlflow.system_metrics.metrics.rocm_monitor import ROCMMonitor

    kinds: list[Any] = [CPUMonitor, DiskMonitor, NetworkMonitor]
    monitors = [kind() for kind in kinds]
    cards: list[Any] = [GPUMonitor, ROCMMonitor]
    for card in cards:
        try:
            monitors.append(card())
            break
        except Exception as error:  # no such card, or no library to read it: each raises its own exception
            _log.debug("%s: %s", card.__name__, first_line(error))
    return monitors


def _watch(
    monitors: list[Any], outbox: Outbox, step: int, stop: threading.Event, every_s: float, n_samples: int
) -> None:
    try:
        while True:
            for _ in range(n_samples):
                for monitor in monitors:
                    monitor.collect_metrics()
                if stop.wait(every_s):
                    return
            values = {name: value for monitor in monitors for name, value in monitor.aggregate_metrics().items()}
            for monitor in monitors:
                monitor.clear_metrics()
            now_ms = int(time.time() * 1000)
            rows = [[PREFIX + name, float(value), now_ms, step] for name, value in values.items()]
            outbox.deliver({"kind": "metrics", "rows": rows})
            step += 1
    except outage_errors(SomaNetError) as error:
        _log.warning("System metrics are no longer recorded: %s", first_line(error))
