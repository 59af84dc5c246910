"""The committed outlines are what the tool finds in the real movie, and touch no labelled soma."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from somanet.io.datasets.regions import draw_regions, read_regions
from tools.unlabelled.__main__ import RECORD, LabelledMovie, crops_of, regions_of_crop, window_of
from tools.unlabelled.finding import Rules


def test_the_record_is_of_crops_by_their_frame_and_place() -> None:
    images = read_regions(RECORD).values()
    assert len(images) == 37
    for image in images:
        t, (rows, columns) = window_of(image.name, (256, 256))
        assert 0 <= t < 64
        assert rows.stop <= 520
        assert columns.stop <= 696
        assert {region.reason for region in image.regions} <= {"nucleus", "soma", "track", "gap"}


@pytest.mark.real
@pytest.mark.slow
def test_the_record_is_found_again(data_root: Path) -> None:
    known, movie = read_regions(RECORD), LabelledMovie(data_root / "neuritetracker")
    for _, crops in crops_of(data_root):
        for crop in islice(crops, 2):
            found = regions_of_crop(crop, movie, Rules())
            assert known[found.pixels_sha256] == found
            mask = draw_regions(found.regions, (crop.labels.shape[0], crop.labels.shape[1]))
            assert not (mask & (crop.labels > 0)).any()
