"""How often a place of doubt is an error, against reference labels: the second table of docs/labelling.md.

python -m benchmarks.doubts RESULT MOVIE LABELS                # 24 frames with test-time augmentation
python -m benchmarks.doubts RESULT MOVIE LABELS --count 0      # none: seconds

RESULT is a folder of `somanet analyze MOVIE`, LABELS a label movie. An error is an object without a match of IoU 0.5 in
LABELS, or one of LABELS without a match, at the place.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.analysis.labelling.doubts import Place
from somanet.evaluation.masks import Labels, overlap


def wrong_places(labels_YX: Labels, reference_YX: Labels) -> NDArray[np.bool_]:
    """The pixels of objects of either label image that have no match of IoU 0.5 in the other."""
    measured = overlap(labels_YX, reference_YX)
    matched = measured.matches(0.5)
    wrong = np.zeros(labels_YX.shape, bool)
    for labels, found in zip((labels_YX, reference_YX), matched, strict=True):
        ids = np.unique(labels[labels > 0])
        wrong |= np.isin(labels, np.delete(ids, found))
    return wrong


def table(places: Sequence[Place], labels_TYX: Sequence[Labels], reference_TYX: Sequence[Labels]) -> pd.DataFrame:
    """For each kind of doubt, the number of places and the share of errors; `all objects` for comparison."""
    found: dict[str, list[bool]] = defaultdict(list)
    of_frame: dict[int, list[Place]] = defaultdict(list)
    for one in places:
        of_frame[one.frame or 0].append(one)
    for t, (labels_YX, reference_YX) in enumerate(zip(labels_TYX, reference_TYX, strict=True)):
        wrong_YX = wrong_places(labels_YX, reference_YX)
        for number in np.unique(labels_YX[labels_YX > 0]):
            found["all objects"].append(bool(wrong_YX[labels_YX == number].mean() > 0.5))
        for one in of_frame[t]:
            y, x = (min(round(v), size - 1) for v, size in zip((one.y_px, one.x_px), wrong_YX.shape, strict=True))
            found[one.kind].append(bool(wrong_YX[y, x]))
    rows = [{"doubt": kind, "places": len(errors), "errors": np.mean(errors)} for kind, errors in found.items()]
    return pd.DataFrame(rows, columns=["doubt", "places", "errors"])


def main() -> None:
    """Print the table as Markdown."""
    from somanet.analysis.labelling.suggest import examine_result, movie_of_result
    from somanet.analysis.network import open_networks
    from somanet.analysis.stages.files import open_labels
    from somanet.io.label_checks import CheckedFrames
    from somanet.io.movies import open_movie

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("result", "movie", "labels"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--count", type=int, default=12, help="crops, for each of which two frames are segmented")
    given = parser.parse_args()
    item = movie_of_result(given.result, given.movie)
    examined = examine_result(given.result, item, open_networks(None).segmenter, count=given.count)
    with open_labels(given.result) as ours, open_movie(given.labels) as reference:
        assert ours is not None
        frames = [list(CheckedFrames(one, str(one.path))) for one in (ours, reference)]
    print(table(examined.places, *frames).to_markdown(index=False, floatfmt=".2f"))


if __name__ == "__main__":
    main()
