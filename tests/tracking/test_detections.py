"""Detections: the table of objects that are drawn here."""

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.tracking.detections import DETECTION_COLUMNS, LARGEST_COUNTED_ID, detect_cells, objects_of
from tests.tracking.worlds import draw

# T = 2, Y = 4, X = 6: a 2x3 block, and in frame 1 one pixel in the corner.
WORLD = draw("""
......  .....5
.777..  ......
.777..  ......
......  ......
""")


def test_the_world_is_as_drawn() -> None:
    assert WORLD.shape == (2, 4, 6)


def test_place_size_and_intensity() -> None:
    """Rows 1-2, columns 1-3: centre (1.5, 2), area 6; intensity y + 10 x: mean 21.5, max 32, sum 129."""
    y, x = np.indices((4, 6))
    image = (y + 10 * x).astype(np.uint16)
    table = detect_cells(WORLD, [image, image])
    assert tuple(table.columns) == DETECTION_COLUMNS
    first, second = table.to_dict("records")
    expected = {"frame": 0, "label": 7, "y_px": 1.5, "x_px": 2.0, "area_px": 6.0, "solidity": 1.0, "touches_edge": 0}
    expected |= {"top_px": 1, "left_px": 1, "bottom_px": 3, "right_px": 4}
    expected |= {"mean_intensity": 21.5, "max_intensity": 32.0, "sum_intensity": 129.0}
    assert {name: first[name] for name in expected} == pytest.approx(expected)
    assert first["major_axis_px"] > first["minor_axis_px"] > 0
    assert (second["frame"], second["label"], second["y_px"], second["x_px"]) == (1, 5, 0, 5)
    assert second["touches_edge"] == 1


def test_ids_may_be_large_and_objects_in_parts() -> None:
    labels = np.zeros((5, 7), np.int32)
    labels[1, 1] = labels[1, 5] = 2_000_000_000
    labels[3, 3] = 4
    table = detect_cells([labels])
    assert table["label"].tolist() == [4, 2_000_000_000]
    assert table["area_px"].tolist() == [1, 2]
    assert table.loc[1, ["y_px", "x_px"]].tolist() == [1, 3]
    assert table["mean_intensity"].isna().all()


def test_an_image_without_background() -> None:
    assert detect_cells([np.full((3, 5), 9)])["area_px"].tolist() == [15]


@pytest.mark.parametrize("n_frames", [0, 3])
def test_nothing_is_an_empty_table_with_types(n_frames: int) -> None:
    table = detect_cells(np.zeros((n_frames, 4, 6), np.uint16))
    assert tuple(table.columns) == DETECTION_COLUMNS
    assert table.empty
    assert table["frame"].dtype == "int64"
    assert table["y_px"].dtype == "float64"


def test_frames_are_asked_for_one_at_a_time() -> None:
    """A generator that records how far it was read before each frame was measured."""
    alive = []

    def frames():
        for frame in WORLD:
            alive.append(1)
            yield frame

    assert len(detect_cells(frames(), iter(WORLD))) == 2
    assert len(alive) == 2


@pytest.mark.parametrize(
    ("labels", "frames", "words"),
    [
        (np.ones((2, 4, 6)), None, "integers"),
        (-WORLD, None, "integers"),
        (WORLD[0], None, "YX image"),
        (WORLD, np.zeros((2, 6, 4)), "equal shapes"),
        (WORLD, np.zeros((1, 4, 6)), "frames end after 1"),
        (WORLD, np.zeros((3, 4, 6)), "labels end after 2"),
    ],
)
def test_bad_input_gets_one_line(labels: np.ndarray, frames: np.ndarray | None, words: str) -> None:
    with pytest.raises(SomaNetError, match=words) as caught:
        detect_cells(labels, frames)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("offset", [0, 1, LARGEST_COUNTED_ID])
def test_objects_are_counted_as_numpy_does(offset: int) -> None:
    """Also without background, and with ids too large to count by."""
    labels = np.random.default_rng(0).integers(0, 9, (7, 11)).astype(np.int64) * 3 + offset
    ids, index, areas = objects_of(labels)
    expected, counts = np.unique(labels, return_counts=True)
    np.testing.assert_array_equal(ids, expected)
    np.testing.assert_array_equal(areas, counts)
    np.testing.assert_array_equal(ids[index], labels)
