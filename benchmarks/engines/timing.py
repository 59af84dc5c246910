"""The machine, and how calls are timed: interleaved, and the best of several rounds counts."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from somanet.core.machine import available_processors

CORES = available_processors()
ROUNDS = 3
Row = dict[str, Any]


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and processor seconds of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def best_of_rounds(calls: dict[Any, Callable[[], object]], rounds: int) -> dict[Any, tuple[float, float]]:
    """The minimum seconds and processor seconds of each call, with all calls in turn in each round."""
    for call in calls.values():
        call()  # the first call chooses kernels
    found: dict[Any, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(timed(call))
    return {name: (min(w for w, _ in pairs), min(c for _, c in pairs)) for name, pairs in found.items()}


def with_threads(threads: int, call: Callable[[], object]) -> Callable[[], object]:
    """The call, with torch set to a number of threads."""

    def run() -> object:
        torch.set_num_threads(threads)
        return call()

    return run


def peak_gflops() -> dict[int, float]:
    """Float32 operations per second of a large matrix product, by threads."""
    a = torch.rand(2048, 2048)
    calls = {threads: with_threads(threads, lambda: a @ a) for threads in sorted({1, CORES})}
    return {threads: 2 * 2048**3 / seconds(best, threads) / 1e9 for threads, best in best_of_rounds(calls, 5).items()}


def seconds(best: tuple[float, float], threads: int) -> float:
    """The time base of a rate: processor seconds for one thread, which other load does not lengthen."""
    return best[1] if threads == 1 else best[0]


def machine() -> Row:
    """The machine."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = {line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")}
    flags = next((line for line in lines if line.startswith("flags")), "")
    return {
        "processor": ", ".join(sorted(names)) or platform.processor() or platform.machine(),
        "widest_instructions": next((f for f in ("avx512f", "avx2") if f" {f}" in flags), platform.machine()),
        "cores": CORES,
        "versions": {name: version(name) for name in ("torch", "onnxruntime", "openvino")},
    }
