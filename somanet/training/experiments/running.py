"""A stage as a process: its input, its progress lines, its errors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from somanet.core.ending import end_with
from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage


def stage(main: Callable[..., None], *arguments: str) -> None:
    """Run a pipeline stage: an error the user can fix becomes one line on stderr and exit status 1."""

    def run() -> None:
        try:
            main(*arguments)
        except SomaNetError as error:
            sys.exit(f"error: {error}")

    end_with(run)


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
