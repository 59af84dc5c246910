"""A stage as a process: its input, its progress lines, its errors."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from somanet.core.ending import end_with
from somanet.core.foreign import quiet_libraries
from somanet.core.last_words import in_one_line
from somanet.io.datasets.layouts import LabelledImage

THREADS = 2
"""Threads of a stage that runs a network: with another number a training ends with other bits, so that outputs would
depend on the machine's cores. OMP_NUM_THREADS takes precedence."""


def stage(main: Callable[..., None], *arguments: str, network: bool = False) -> None:
    """Run a pipeline stage: an error the user can fix becomes one line on stderr and exit status 1.

    Args:
        main: the stage.
        arguments: for it.
        network: whether it runs a network, with :data:`THREADS` on every machine.
    """

    def run() -> None:
        if network and not os.environ.get("OMP_NUM_THREADS"):
            import torch

            torch.set_num_threads(THREADS)
        main(*arguments)

    quiet_libraries()
    end_with(lambda: in_one_line(run))


def echo(line: str) -> None:
    """Print a line of progress without breaking a progress bar."""
    from tqdm import tqdm

    tqdm.write(line)


def load_items(path: Path, *, split: Path | None = None, part: str = "train") -> list[LabelledImage]:
    """The images of a packed data set, or of one part of its split."""
    from somanet.io.datasets.layouts import open_dataset
    from somanet.io.datasets.splits import read_split

    dataset = open_dataset(path)
    names = dataset.names if split is None else read_split(split, names=dataset.names).get(part, ())
    return [dataset.load(name) for name in names]
