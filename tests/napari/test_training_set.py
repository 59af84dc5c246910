from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.origins import Origin, read_origins
from somanet.napari.training_set import add_crop, crop_of

IMAGE = np.arange(300 * 400, dtype=np.uint32).reshape(300, 400).astype(np.uint16)
LABELS = np.zeros((300, 400), np.int32)
LABELS[10:20, 5:15], LABELS[280:290, 380:395], LABELS[100:130, 190:210] = 40, 7, 12


@pytest.mark.parametrize(
    ("at", "top", "left", "n"),
    [((0.0, 0.0), 0, 0, 2), ((299.0, 399.0), 44, 144, 2), ((150.0, 200.0), 22, 72, 1)],
)
def test_a_crop_lies_inside_the_picture(at: tuple[float, float], top: int, left: int, n: int) -> None:
    """256 × 256 around the place, moved inward at the edges; somas are numbered from 1 by their ids' order."""
    item, origin = crop_of(IMAGE, LABELS, at, movie="m", t=3)
    assert (item.name, origin) == (f"m_t03_y{top:03d}_x{left:03d}", Origin("m", top, left))
    np.testing.assert_array_equal(item.image, IMAGE[top : top + 256, left : left + 256])
    np.testing.assert_array_equal(item.labels > 0, LABELS[top : top + 256, left : left + 256] > 0)
    assert np.unique(item.labels).tolist() == list(range(n + 1))


def test_a_smaller_picture_is_taken_whole() -> None:
    item, _ = crop_of(IMAGE[:100, :80], LABELS[:100, :80], (90.0, 10.0), movie="m", t=0)
    assert item.image.shape == (100, 80)


def test_a_crop_without_somas_is_refused() -> None:
    with pytest.raises(SomaNetError, match="no soma in this crop"):
        crop_of(IMAGE, np.zeros_like(LABELS), (0.0, 0.0), movie="m", t=0)


def test_crops_are_added_one_by_one_and_replaced_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    assert add_crop(folder, crop_of(IMAGE, LABELS, (0.0, 0.0), movie="m", t=0)) == 1
    assert add_crop(folder, crop_of(IMAGE, LABELS, (0.0, 0.0), movie="other", t=5)) == 2
    corrected = LABELS.copy()
    corrected[LABELS == 40] = 0
    assert add_crop(folder, crop_of(IMAGE, corrected, (0.0, 0.0), movie="m", t=0)) == 2
    dataset = open_dataset(folder)
    assert dataset.names == ("m_t00_y000_x000", "other_t05_y000_x000")
    assert [int(dataset.load(name).labels.max()) for name in dataset.names] == [1, 2]
    assert read_origins(folder) == {dataset.names[0]: Origin("m", 0, 0), dataset.names[1]: Origin("other", 0, 0)}


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SomaNetError):
        add_crop(tmp_path, crop_of(IMAGE, LABELS, (0.0, 0.0), movie="m", t=0))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
