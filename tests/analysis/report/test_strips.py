"""Film strips and kymographs: geometry from a drawn cell whose way is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from somanet.analysis.report import strips
from somanet.analysis.report.display_range import DisplayRange
from somanet.core.calibration import Calibration
from tests.analysis.report import worlds

SHOWN = DisplayRange(500.0, 4000.0)


def read(jpeg: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)).astype(int)


def made() -> strips.Strip:
    (strip,) = strips.strips_of(worlds.report(), SHOWN)
    return strip


def test_the_strip_shows_the_frames_around_the_jump() -> None:
    strip = made()
    first, last = worlds.JUMP
    assert strip.track_id == worlds.JUMPING
    assert strip.panel_frames == tuple(range(first - 2, last + 3))
    n = len(strip.panel_frames)
    assert read(strip.film).shape == (strips.PANEL_PX, n * strips.PANEL_PX + (n - 1) * strips.GAP_PX, 3)


def test_the_cell_is_where_it_was_in_each_panel() -> None:
    """Brightest columns of a panel follow the cell: all panels show the same field, centred on the way's middle."""
    strip = made()
    film, um = read(strip.film), worlds.CALIBRATION.pixel_size_um
    places = [worlds.place(worlds.JUMPING, t) for t in strip.panel_frames]
    xs = np.array([place[1] for place in places if place])
    middle = (xs[0] + xs[-1]) / 2
    scale = strips.PANEL_PX / (strip.field_um / um)
    for number, x in enumerate(xs):
        left = number * (strips.PANEL_PX + strips.GAP_PX)
        # The middle rows, where only this cell is; its body is white.
        panel = film[strips.PANEL_PX // 3 : -strips.PANEL_PX // 3, left : left + strips.PANEL_PX].min(axis=2)
        columns = np.flatnonzero((panel > 200).sum(axis=0) >= 3)
        assert columns.mean() == pytest.approx((x - middle) * scale + strips.PANEL_PX / 2, abs=0.75 * scale)


def test_the_outline_is_orange_while_the_cell_saltates() -> None:
    strip = made()
    film = read(strip.film)
    orange = (film[..., 2] - film[..., 0]) > 90
    for number, t in enumerate(strip.panel_frames):
        left = number * (strips.PANEL_PX + strips.GAP_PX)
        found = bool(orange[:, left : left + strips.PANEL_PX].any())
        assert found == (worlds.JUMP[0] <= t <= worlds.JUMP[1])


def test_the_kymograph_is_two_upright_bands_joined_by_the_jump() -> None:
    """The jump of 48 µm lies between the bands; each frame is ROW_PX high."""
    strip = made()
    picture = read(strip.kymograph)
    first = worlds.JUMP[0] - strips.KYMOGRAPH_FRAMES_AROUND
    columns = []
    for t in (first, worlds.JUMP[1] + 2):
        row = picture[(t - first) * strips.ROW_PX + strips.ROW_PX // 2].min(axis=1)
        columns.append(float(np.flatnonzero(row > 180).mean()))
    scale = strips.KYMOGRAPH_PX / strip.span_um
    assert columns[1] - columns[0] == pytest.approx(48 * scale, abs=2 * scale)
    assert columns[0] == pytest.approx(strips.MARGIN_UM * scale, abs=2 * scale)
    assert picture.shape[0] == strips.ROW_PX * (worlds.JUMP[1] - worlds.JUMP[0] + 1 + 12)


def test_a_cell_at_the_border_is_padded() -> None:
    grey = np.full((7, 11), 9, np.uint8)
    cut = strips._cut(grey, np.array([-2, 8]), 5)
    assert cut.tolist() == [[0] * 5, [0] * 5] + [[9, 9, 9, 0, 0]] * 3
    assert not strips._cut(grey, np.array([20, 0]), 5).any()


TEN_MINUTES = Calibration(1.0, 10.0)


def test_many_saltations_are_thinned_evenly_and_it_is_said() -> None:
    found = strips.strips_of(worlds.report(), SHOWN)
    html = "".join(strips.strips_html(found, 5, TEN_MINUTES))
    assert "1 of 5 saltations" in html
    assert html.count("<figure") == 1
    assert strips.strips_of(worlds.report(), SHOWN, most=0) == []
    assert "No saltation" in "".join(strips.strips_html([], 0, TEN_MINUTES))


def test_the_size_is_counted_before_the_page_is_written() -> None:
    found = strips.strips_of(worlds.report(), SHOWN)
    size = len("".join(strips.strips_html(found, 1, TEN_MINUTES)))
    assert size <= strips.bytes_of(found) <= size + 1000


def test_without_label_images_the_position_is_marked() -> None:
    (strip,) = strips.strips_of(worlds.report(labels=None), SHOWN)
    film = read(strip.film)
    assert ((film[..., 2] - film[..., 0]) > 60).any()
