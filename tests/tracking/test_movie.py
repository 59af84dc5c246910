"""Masks to cells: noise removed by physical size, short tracks left out, cells followed through blank frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from pydantic import ValidationError

from somanet.core.calibration import Calibration
from somanet.tracking.detections import Labels, detect_cells
from somanet.tracking.linking import link_cells
from somanet.tracking.movie import LEAST_SOMA_UM2, track_masks
from somanet.tracking.settings import TrackSettings

SCALE = Calibration(2.0, 10.0)  # a pixel is 4 µm²
HEIGHT, WIDTH = 40, 60


def cells(*centres: tuple[int, int], side: int = 5) -> np.ndarray:
    """Squares of ``side`` px around centres, numbered in order."""
    labels = np.zeros((HEIGHT, WIDTH), np.int32)
    half = side // 2
    for number, (y, x) in enumerate(centres, start=1):
        labels[y - half : y + half + 1, x - half : x + half + 1] = number
    return labels


def walk(n_frames: int, *, speck: bool = False) -> list[np.ndarray]:
    """Two cells, 25 px = 100 µm² each, one moving 2 px = 4 µm a frame; perhaps a speck of one pixel."""
    frames = []
    for t in range(n_frames):
        labels = cells((10, 10 + 2 * t), (30, 40))
        if speck:
            labels[20, 50] = 3
        frames.append(labels)
    return frames


def images_of(masks: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [np.where(labels > 0, 900, 100).astype(np.uint16) for labels in masks]


def test_cells_get_an_identity_and_labels_carry_it() -> None:
    masks = walk(8)
    found = track_masks(masks, images_of(masks), SCALE)
    assert found.tracks.groupby("track_id").size().to_dict() == {1: 8, 2: 8}
    first = found.tracks[found.tracks["track_id"] == 1]
    np.testing.assert_allclose(first["x_um"], 20 + 4 * np.arange(8))
    np.testing.assert_allclose(first["t_h"], np.arange(8) / 6)
    for labels, mask in zip(found.labels(), masks, strict=True):
        np.testing.assert_array_equal(labels > 0, mask > 0)
    assert (found.n_noise, found.n_short) == (0, 0)


def test_specks_are_noise_by_their_physical_size() -> None:
    """One pixel is 4 µm², below 20 µm²; with pixels of 5 µm it would be 25 µm², and a fifth of 625 is 125."""
    masks = walk(8, speck=True)
    found = track_masks(masks, images_of(masks), SCALE)
    assert found.n_noise == 8
    assert found.settings.min_soma_area_um2 == LEAST_SOMA_UM2
    assert found.tracks["track_id"].nunique() == 2
    coarse = track_masks(masks, images_of(masks), Calibration(5.0, 10.0))
    assert coarse.settings.min_soma_area_um2 == pytest.approx(125)
    kept = track_masks(masks, images_of(masks), SCALE, settings=TrackSettings(min_soma_area_um2=0))
    assert kept.tracks["track_id"].nunique() == 3


def test_tracks_that_are_seen_too_briefly_are_noise() -> None:
    """Half an hour at 10 min is 3 frames."""
    masks = walk(8)
    for t in (3, 4):
        masks[t][18:23, 20:25] = 3
    found = track_masks(masks, images_of(masks), SCALE)
    assert found.tracks["track_id"].nunique() == 2
    assert found.n_short == 2
    asked = track_masks(masks, images_of(masks), SCALE, settings=TrackSettings(min_track_h=0.3))
    assert asked.tracks["track_id"].nunique() == 3


@pytest.mark.parametrize("n_blank", [1, 9])
def test_cells_are_followed_through_any_number_of_blank_frames(n_blank: int) -> None:
    masks = walk(4 + n_blank + 4)
    blank = range(4, 4 + n_blank)
    for t in blank:
        masks[t][:] = 0
    found = track_masks(masks, images_of(masks), SCALE, blank_frames=blank)
    assert found.tracks.groupby("track_id").size().to_dict() == {1: 8, 2: 8}
    assert not set(blank) & set(found.tracks["frame"])


def test_frames_that_are_not_blank_count_as_missed() -> None:
    """Nine frames without a mask are more than the 36 minutes for which a cell may be missed."""
    masks = walk(17)
    for t in range(4, 13):
        masks[t][:] = 0
    assert track_masks(masks, images_of(masks), SCALE).tracks["track_id"].nunique() == 4
    longer = TrackSettings(max_gap_h=1.5)
    assert track_masks(masks, images_of(masks), SCALE, settings=longer).tracks["track_id"].nunique() == 2


def test_linking_alone_knows_blank_frames() -> None:
    masks = walk(12)
    for t in range(3, 9):
        masks[t][:] = 0
    detections = detect_cells(masks)
    options = {"max_step_um": 12.0, "max_gap_frames": 1}
    assert link_cells(detections, SCALE, **options)["track_id"].nunique() == 4  # type: ignore[arg-type]
    linked = link_cells(detections, SCALE, **options, blank_frames=range(3, 9))  # type: ignore[arg-type]
    assert linked["track_id"].nunique() == 2


def test_the_linked_masks_go_where_they_are_told() -> None:
    """Once in each analysis, whether they are separated or not."""
    masks = walk(5)
    seen: list[int] = []

    def keep(frames: Iterable[Labels]) -> Sequence[Labels]:
        kept = list(frames)
        seen.append(len(kept))
        return kept

    track_masks(masks, images_of(masks), SCALE, keep=keep)
    assert seen == [5]
    track_masks(masks, images_of(masks), SCALE, keep=keep, settings=TrackSettings(separate_touching=False))
    assert seen == [5, 5]


def test_masks_keep_their_type_where_noise_is_removed() -> None:
    """A speck in frame 2 only, in masks of 16 bits that are not separated."""
    masks = [labels.astype(np.uint16) for labels in walk(5)]
    masks[2][20, 50] = 3
    found = track_masks(masks, images_of(masks), SCALE, settings=TrackSettings(separate_touching=False))
    assert found.n_noise == 1
    assert {labels.dtype.name for labels in found.masks} == {"uint16"}
    assert [int(labels.max()) for labels in found.masks] == [2] * 5


def test_a_movie_without_objects_has_no_tracks() -> None:
    masks = [np.zeros((HEIGHT, WIDTH), np.int32)] * 3
    found = track_masks(masks, images_of(masks), SCALE)
    assert found.tracks.empty
    assert {"track_id", "frame", "x_um", "area_um2"} <= set(found.tracks.columns)
    assert [int(labels.max()) for labels in found.labels()] == [0, 0, 0]


@pytest.mark.parametrize("wrong", [{"max_step_um": 0}, {"min_track_h": -1}, {"max_steps": 3}])
def test_a_wrong_setting_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        TrackSettings(**wrong)  # type: ignore[arg-type]
