"""The film strip of a page: where it looks, and that its picture keeps what it shows."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from somanet.core.errors import SomaNetError
from tools.strip import coloured, darkened, frame_numbers, liveliest, middle_third, panel, png

ORANGE, BLUE = (255, 176, 0), (86, 180, 233)


def tracks(**ways: list[tuple[float, float]]) -> pd.DataFrame:
    """Cells by their positions (y, x) in frames 0, 1, …"""
    rows = [(int(name[1:]), t, y, x) for name, way in ways.items() for t, (y, x) in enumerate(way)]
    return pd.DataFrame(rows, columns=["track_id", "frame", "y_px", "x_px"])


def test_frames_are_of_the_middle_third() -> None:
    assert middle_third(64, 5) == [21, 26, 32, 37, 42]
    assert middle_third(6, 3) == [0, 2, 5]
    assert frame_numbers("3,9") == [3, 9]


def test_the_place_is_where_most_is_moved() -> None:
    """Frame of 100 × 140. Cell 1 goes 30 px, cells 2 and 3 go 20 px each, nearby each other and far from cell 1."""
    moving = tracks(
        c1=[(80.0, 10.0), (80.0, 25.0), (80.0, 40.0)],
        c2=[(20.0, 100.0), (20.0, 110.0), (20.0, 120.0)],
        c3=[(30.0, 105.0), (30.0, 115.0), (30.0, 125.0)],
    )
    rows, columns = liveliest(moving, [0, 1, 2], 40, (100, 140))
    assert (rows.start, rows.stop, columns.start, columns.stop) == (0, 40, 90, 130)
    alone = moving[moving["track_id"] != 3]
    rows, columns = liveliest(alone, [0, 1, 2], 40, (100, 140))
    assert (rows.start, rows.stop, columns.start, columns.stop) == (60, 100, 5, 45)


def test_a_cell_that_leaves_the_view_counts_nothing() -> None:
    """Cell 1 goes 60 px, farther than the square is wide."""
    moving = tracks(c1=[(20.0, 10.0), (20.0, 70.0)], c2=[(80.0, 100.0), (80.0, 105.0)])
    rows, columns = liveliest(moving, [0, 1], 30, (100, 140))
    assert rows.start <= 80 < rows.stop
    assert columns.start <= 100 < columns.stop


def test_without_a_cell_in_all_frames_it_says_so() -> None:
    with pytest.raises(SomaNetError, match="seen in the frames 0, 7, found none"):
        liveliest(tracks(c1=[(20.0, 10.0)]), [0, 7], 30, (100, 140))


def test_a_panel_is_the_place_at_its_own_size() -> None:
    """The picture is twice the movie's size: rows 10 to 30 of the movie are rows 20 to 60 of the picture."""
    picture = np.zeros((80, 120, 3), np.uint8)
    picture[20:60, 40:80] = ORANGE
    assert (panel(picture, (slice(10, 30), slice(20, 40)), 2.0) == ORANGE).all()


def test_lines_keep_their_colours_and_grey_stays_grey() -> None:
    rng = np.random.default_rng(2)
    picture = np.repeat(rng.integers(60, 255, (48, 64, 1)).astype(np.uint8), 3, axis=-1)
    picture[5:9, 10:50], picture[30:34, 10:50] = ORANGE, BLUE
    dark = darkened(picture, 60.0)
    assert (dark[5:9, 10:50] == ORANGE).all()
    assert dark[~coloured(picture)].min() == 0
    with Image.open(io.BytesIO(png(dark))) as opened:
        shown = np.asarray(opened.convert("RGB"))
    assert (np.abs(shown[6, 20].astype(int) - ORANGE) <= 4).all()
    assert (np.abs(shown[31, 20].astype(int) - BLUE) <= 4).all()
    grey = shown[~coloured(picture)]
    assert (grey == grey[:, :1]).all()
    assert np.abs(grey[:, 0].astype(int) - dark[~coloured(picture)][:, 0]).max() <= 5
