"""How many trainings at once a tracking store bears: writers log metrics without a pause, and each call is timed.

python benchmarks/tracking_stores.py --writers 1 4 16 --postgres postgresql+psycopg://mlflow:PASSWORD@127.0.0.1:5432/bench

Without --postgres only SQLite is measured: its file as every process opens it, which is a project's own store, and
behind a server. A call is what a training sends after an epoch, here ten metrics. Real trainings pause for seconds
between their calls: the number of calls per second is what the store bears, the slowest call is what a training waits
for. The database of --postgres should be an empty one: the runs stay in it.
"""

import argparse
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

METRICS = 10
CONTEXT = get_context("fork")  # MLflow is imported once; no writer inherits a connection


@dataclass(frozen=True)
class Measured:
    """What the writers of one store met.

    Attributes:
        seconds: of every call that succeeded.
        failed: how many calls raised an error, and the first of those.
        took_s: from the first call to the end of the last.
    """

    seconds: list[float]
    failed: int
    error: str
    took_s: float


def write(address: str, experiment: str, calls: int, ready: Any, results: Any) -> None:
    """One writer: a run of its own, and calls without a pause once all writers are ready."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(address)
    run_id = client.create_run(experiment).info.run_id
    ready.wait()
    seconds, errors, began = [], [], time.monotonic()
    for step in range(calls):
        start = time.perf_counter()
        now = int(time.time() * 1000)
        try:
            client.log_batch(run_id, metrics=[Metric(f"metric_{i}", float(step), now, step) for i in range(METRICS)])
            seconds.append(time.perf_counter() - start)
        except Exception as error:  # whatever it is, the training would have met it
            errors.append(f"{type(error).__name__}: {str(error).splitlines()[0][:150]}")
    results.put((seconds, errors, began, time.monotonic()))


def measure(address: str, experiment: str, writers: int, calls: int) -> Measured:
    """Start the writers, wait for them, join what they met."""
    ready, results = CONTEXT.Barrier(writers), CONTEXT.Queue()
    arguments = (address, experiment, calls, ready, results)
    processes = [CONTEXT.Process(target=write, args=arguments) for _ in range(writers)]
    for process in processes:
        process.start()
    found = [results.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    errors = [error for one in found for error in one[1]]
    seconds = [second for one in found for second in one[0]]
    took_s = max(one[3] for one in found) - min(one[2] for one in found)
    return Measured(seconds, len(errors), errors[0] if errors else "", took_s)


@contextmanager
def served(folder: Path, address: str | None) -> Iterator[str]:
    """A server on the database at this address, or on an SQLite file in the folder."""
    from somanet.provenance.mlflow.ui import running_ui

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if address is not None:
        os.environ["MLFLOW_TRACKING_URI"] = address
    try:
        with running_ui(folder, port=port) as (url, _):
            os.environ.pop("MLFLOW_TRACKING_URI", None)
            yield url
    finally:
        os.environ.pop("MLFLOW_TRACKING_URI", None)


def rows(address: str, name: str, writers: list[int], calls: int) -> Iterator[str]:
    """A line of the table for each number of writers."""
    for n in writers:
        # In a process of its own: a forked writer must not inherit a connection to the database.
        with CONTEXT.Pool(1) as pool:
            experiment = pool.apply(_new_experiment, (address, f"bench {time.time_ns()}"))
        found = measure(address, experiment, n, calls)
        median, slow, slowest = 1000 * np.quantile(found.seconds, [0.5, 0.95, 1.0])
        rate = len(found.seconds) / found.took_s
        yield f"| {name} | {n} | {rate:.0f} | {median:.0f} | {slow:.0f} | {slowest:.0f} | {found.failed} |"
        if found.failed:
            print(f"{name}, {n} writers: {found.error}", file=sys.stderr)


def _new_experiment(address: str, name: str) -> str:
    from mlflow import MlflowClient

    return str(MlflowClient(address).create_experiment(name))


def main() -> None:
    """Measure every store and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 4, 16], help="numbers of processes at once")
    parser.add_argument("--calls", type=int, default=50, help="calls of each writer")
    parser.add_argument("--postgres", help="address of an empty database: postgresql+psycopg://USER:PASSWORD@HOST/NAME")
    options = parser.parse_args()
    from somanet.provenance.mlflow import ensure_store
    from somanet.provenance.mlflow.environment import load_mlflow

    os.environ.pop("MLFLOW_TRACKING_URI", None)
    load_mlflow()
    print("| store | writers | calls per second | median, ms | 95 %, ms | slowest, ms | failed |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="somanet-stores-") as scratch:
        folder = Path(scratch)
        with CONTEXT.Pool(1) as pool:
            file = pool.apply(ensure_store, (folder,))
        for line in rows(file, "SQLite file, opened by each process", options.writers, options.calls):
            print(line, flush=True)
        stores = [("server on SQLite", None)]
        stores += [("server on PostgreSQL", options.postgres)] if options.postgres else []
        for name, address in stores:
            with served(folder, address) as url:
                for line in rows(url, name, options.writers, options.calls):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
