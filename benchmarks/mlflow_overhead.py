"""How much of a training's time goes into recording it: every call to MLflow is timed, in one training as users run it.

python benchmarks/mlflow_overhead.py --epochs 10 --images 40 --size-px 256

Calls are timed, rather than two trainings, one recorded and one not: on a loaded computer, two trainings differ
by more than the overhead. Processor time is given next to wall time, since waiting for other processes is not a cost
of MLflow. The creation of the store, once per project, is not counted; importing MLflow is.
"""

import argparse
import functools
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CALLS = ("log_epoch", "log_epochs", "set_tags", "log_metrics", "log_table", "log_figure", "log_model")


class Watch:
    """Seconds by name: wall time, and processor time of this thread."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0])

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Add a block's time."""
        clock, processor = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            row = self.seconds[name]
            row[0] += time.perf_counter() - clock
            row[1] += time.thread_time() - processor
            row[2] += 1

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time added."""

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            with self.running(name):
                return function(*arguments, **options)

        return call


def watch_mlflow() -> Watch:
    """Time everything that a training does for MLflow."""
    from somanet.provenance.mlflow import machine
    from somanet.provenance.mlflow.tracked import TrackedRun
    from somanet.training.experiments import training

    watch = Watch()
    for name in CALLS:
        setattr(TrackedRun, name, watch.timed(name, getattr(TrackedRun, name)))
    training.interrupted_run = watch.timed("look for an interrupted run", training.interrupted_run)
    training.write_run_file = watch.timed("note the run", training.write_run_file)
    machine.Outbox.deliver = watch.timed("send (part of the above, and system metrics)", machine.Outbox.deliver)
    original = training.track_run

    @contextmanager
    def track_run(*arguments: Any, **options: Any) -> Iterator[Any]:
        context = original(*arguments, **options)
        with watch.running("start the run"):
            run = context.__enter__()
        yield run
        with watch.running("end the run"):
            context.__exit__(None, None, None)

    training.track_run = track_run
    return watch


def main() -> None:
    """Train once on simulated nuclei and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--size-px", type=int, default=256)
    arguments = parser.parse_args()
    print(f"load of the computer at the start: {os.getloadavg()[0]:.1f}", file=sys.stderr)

    from somanet.simulation.nuclei import simulate_nuclei

    size = arguments.size_px
    items = simulate_nuclei(n_images=arguments.images + 4, shape_YX=(size, size), seed=0)
    with tempfile.TemporaryDirectory(prefix="somanet-overhead-") as folder:
        import subprocess

        root = Path(folder)
        # In its own process, so that the import of MLflow is still timed here.
        code = "import sys; from somanet.provenance.mlflow import ensure_store; ensure_store(sys.argv[1])"
        subprocess.run([sys.executable, "-c", code, folder], check=True, capture_output=True)
        total_s, processor_s, training_s, watch = train(items, arguments.epochs, size, root)
    report(total_s, processor_s, training_s, watch, arguments.epochs)


def train(items: Any, epochs: int, size_px: int, root: Path) -> tuple[float, float, float, Watch]:
    """One recorded training: its seconds by the clock and of the processor, those of its epochs, and MLflow's."""
    from somanet.segmentation.network.settings import ModelSpec
    from somanet.training.experiments import Recording, run_training, several_trainings
    from somanet.training.loop.settings import TrainSettings
    from somanet.training.loop.start import start_network
    from somanet.training.loop.task import TrainingTask

    settings = TrainSettings(epochs=epochs, size_px=size_px, batch_size=8)
    model, spec, _ = start_network(ModelSpec(), seed=0)
    watch = watch_mlflow()
    clock, processor = time.perf_counter(), time.thread_time()
    with several_trainings(at_exit=False) as trainings:
        result = run_training(
            TrainingTask(model, spec, items[4:], items[:4], settings, seed=0),
            checkpoint=root / "model",
            run_file=root / "report" / "mlflow_run.json",
            recording=Recording(root, "overhead", "overhead"),
            trainings=trainings,
        )
    return time.perf_counter() - clock, time.thread_time() - processor, result.seconds, watch


def report(total_s: float, processor_s: float, training_s: float, watch: Watch, epochs: int) -> None:
    """Print each part's time and share."""
    print(f"\n{'':44}{'calls':>6}{'clock s':>10}{'processor s':>13}")
    for name, (clock, processor, n) in sorted(watch.seconds.items(), key=lambda item: -item[1][0]):
        print(f"{name:44}{n:6.0f}{clock:10.2f}{processor:13.2f}")
    own = {name: row for name, row in watch.seconds.items() if not name.startswith("send")}
    clock, processor = (sum(row[i] for row in own.values()) for i in (0, 1))
    per_epoch = watch.seconds["log_epoch"][0] / epochs
    print(f"{'MLflow, all of it':44}{'':6}{clock:10.2f}{processor:13.2f}")
    print(f"{'the whole training':44}{'':6}{total_s:10.2f}{processor_s:13.2f}")
    print(f"\nepochs of {training_s / epochs:.1f} s; MLflow {1000 * per_epoch:.0f} ms per epoch", end="")
    print(f" ({per_epoch / (training_s / epochs):.2%}) and {clock - per_epoch * epochs:.1f} s once per training.")
    print(f"Share of MLflow: {clock / total_s:.2%} of the clock, {processor / processor_s:.2%} of the processor.")


if __name__ == "__main__":
    main()
