"""Find cells without a label in the crops of `soma/`, in the movie they were cut from.

python -m tools.unlabelled ../shared/data                                # tools/unlabelled/soma.json
python -m tools.unlabelled ../shared/data --picture docs/images/ignored.png

The rules are those of tools/unlabelled/finding.py: a nucleus outside every label, a compact dim patch over a weak
nucleus, a position of a track without a label, a label that is there before and after. `somanet data select … --ignore`
adds the outlines to a data set.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.plots import save_figure
from somanet.io.datasets.layouts import Dataset, LabelledImage, open_dataset
from somanet.io.datasets.regions import ImageRegions, pixels_sha256, regions_of, with_regions, write_regions
from somanet.io.movies import open_movie
from tools.command_line import run
from tools.unlabelled.finding import Found, Rules, unlabelled_cells
from tools.unlabelled.picture import draw

RECORD = Path(__file__).parent / "soma.json"
LEAST_PX = 30
"""A smaller piece at a crop's edge, or between two labels, is not worth an outline."""


class LabelledMovie:
    """The movie's two channels, its labels and its tracks, whole in memory."""

    def __init__(self, folder: Path) -> None:
        def frames(name: str) -> NDArray[np.integer]:
            with open_movie(folder / name) as movie:
                return np.stack(list(movie))

        self.body_TYX, self.nucleus_TYX = frames("cell_body.tif"), frames("nucleus.tif")
        self.labels_TYX = frames("soma_labels.tif")
        self.tracks = pd.read_csv(folder / "tracks.csv")

    @cache  # noqa: B019 - one movie lives as long as the tool
    def found(self, t: int, rules: Rules) -> tuple[Found, ...]:
        """The cells without a label in frame ``t``."""
        return tuple(unlabelled_cells(self.body_TYX, self.nucleus_TYX, self.labels_TYX, self.tracks, t, rules))

    def ignored(self, t: int, rules: Rules) -> NDArray[np.bool_]:
        """The pixels of these cells, YX; none has a label."""
        ignored = np.zeros(self.labels_TYX.shape[1:], bool)
        for cell in self.found(t, rules):
            ignored |= cell.pixels
        ignored[self.labels_TYX[t] > 0] = False
        return ignored


def window_of(name: str, shape_YX: tuple[int, ...]) -> tuple[int, tuple[slice, slice]]:
    """Frame and place of a crop by its name, such as t03_y006_x133.

    Raises:
        SomaNetError: the name says neither.
    """
    match = re.fullmatch(r"t(\d+)_y(\d+)_x(\d+)", name)
    if match is None:
        raise SomaNetError(f"Expected a crop named after its frame and place, such as t03_y006_x133, found {name!r}.")
    t, y, x = map(int, match.groups())
    return t, (slice(y, y + shape_YX[0]), slice(x, x + shape_YX[1]))


def regions_of_crop(crop: LabelledImage, movie: LabelledMovie, rules: Rules) -> ImageRegions:
    """The cells without a label in one crop. Where two rules found a cell, the first one's name counts.

    Raises:
        SomaNetError: the crop's labels are not those of the movie at its place.
    """
    t, window = window_of(crop.name, crop.labels.shape)
    if ((movie.labels_TYX[t][window] > 0) != (crop.labels > 0)).mean() > 0.02:
        raise SomaNetError(f"{crop.name}: its labels are not the movie's at that place. Is it a crop of this movie?")
    regions, taken = [], crop.labels > 0
    for cell in movie.found(t, rules):
        piece = cell.pixels[window] & ~taken
        if piece.sum() >= LEAST_PX:
            regions += [one for one in regions_of(piece, cell.rule) if len(one.outline_yx) > 2]
            taken = taken | piece
    return ImageRegions(crop.name, pixels_sha256(crop.image), tuple(regions))


def crops_of(data: Path) -> Iterator[tuple[str, Dataset]]:
    """The sets of crops by name."""
    yield from ((part, open_dataset(data / "soma" / part)) for part in ("train", "val"))


def main() -> None:
    """Find, write, say how many."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.unlabelled", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with soma/ and neuritetracker/")
    parser.add_argument("--output", type=Path, default=RECORD)
    parser.add_argument("--picture", type=Path, help="draw some of the crops")
    given = parser.parse_args()
    rules, movie = Rules(), LabelledMovie(given.data / "neuritetracker")
    images: list[ImageRegions] = []
    shown: list[LabelledImage] = []
    for part, crops in crops_of(given.data):
        found = [regions_of_crop(crop, movie, rules) for crop in crops]
        by_hash = {one.pixels_sha256: one for one in found}
        items = list(with_regions(crops, by_hash))
        ignored = sum(int(item.ignored.sum()) for item in items if item.ignored is not None)
        total = sum(item.labels.size for item in items)
        reasons = Counter(region.reason for one in found for region in one.regions)
        typer.echo(
            f"soma/{part}: {sum(reasons.values())} regions in {sum(bool(one.regions) for one in found)} of "
            f"{len(items)} crops, {ignored} of {total} px ({ignored / total:.1%}): "
            + ", ".join(f"{number} by {reason}" for reason, number in sorted(reasons.items()))
        )
        images += found
        shown += items if part == "train" else []
    about = {"found_by": "python -m tools.unlabelled", "rules_px": asdict(rules)}
    write_regions(given.output, images, about, updates=given.output == RECORD)
    typer.echo(f"Written: {given.output}")
    if given.picture is not None:
        most = sorted(shown, key=lambda item: -(0 if item.ignored is None else int(item.ignored.sum())))[:3]
        save_figure(draw(most), given.picture)
        typer.echo(f"Written: {given.picture}")


if __name__ == "__main__":
    run(main)
