"""The stage, from images whose stage is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from somanet.tracking.drift import StageDrift, measure_drift
from somanet.tracking.movie import track_masks
from tests.tracking.scenes import HEIGHT, N_FRAMES, SCALE, WIDTH, Scene, scene, wandering


def measured(made: Scene, **options) -> StageDrift:
    return measure_drift(made.frames, SCALE, masks=made.labels, **options)


def shift_of(drift: StageDrift) -> np.ndarray:
    return drift.table[["shift_y_px", "shift_x_px"]].to_numpy()


def error_of(drift: StageDrift, made: Scene) -> float:
    """Root mean square per axis, px."""
    return float(np.sqrt(((shift_of(drift) - made.stage) ** 2).mean()))


def moving_right(n_cells: int, *, step_px: float, seed: int = 0) -> np.ndarray:
    """(T, N, 2) cells on a grid that all move right, each in half of the frames, at times of its own."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(n_cells)))
    start = np.array([(30 + i // side * 190 / side, 15 + i % side * 200 / side) for i in range(n_cells)])
    moves = rng.random((N_FRAMES, n_cells)) < 0.5
    moves[0] = False
    x = start[:, 1] + step_px * np.cumsum(moves, axis=0)
    return np.stack([np.broadcast_to(start[:, 0], x.shape), x], axis=-1)


def test_a_stage_that_wanders_and_jumps_is_followed_and_cuts_no_track() -> None:
    """Bleaching, photon noise, cells that all move right, and a background that is renewed by a twelfth per frame."""
    made = scene(seed=1, stage=wandering(2), cells=20 + moving_right(6, step_px=2.0))
    tracked = track_masks(list(made.labels), list(made.frames), SCALE)
    assert tracked.drift.verdict == "moved"
    assert error_of(tracked.drift, made) < 0.15
    seen = np.array([((at > 8) & (at < (HEIGHT - 8, WIDTH - 8))).all() for at in np.swapaxes(made.places, 0, 1)])
    whole = tracked.tracks.groupby("track_id").size()
    assert seen.sum() >= 3
    assert (whole == N_FRAMES).sum() >= seen.sum()
    for number in 1 + np.flatnonzero(seen):  # one id from the first to the last frame
        y, x = made.places[:, number - 1].T
        ids = [relabelled[round(a), round(b)] for relabelled, a, b in zip(tracked.labels(), y, x, strict=True)]
        assert len(set(ids)) == 1
    assert np.allclose(tracked.tracks["y_um"], tracked.tracks["y_px"] * SCALE.pixel_size_um)


def test_cells_that_all_migrate_are_not_taken_for_the_stage() -> None:
    """Thirty cells, a tenth of the field, that all move right, 24 px on average; with and without their masks."""
    still = np.zeros((N_FRAMES, 2))
    assert not measured(scene(seed=3, stage=still, cells=moving_right(30, step_px=3.0))).removed_yx_px.any()
    unchanging = scene(seed=3, stage=still, cells=moving_right(30, step_px=3.0), renewed=0)
    assert np.abs(measure_drift(unchanging.frames, SCALE).removed_yx_px).max() < 0.3


def test_a_stage_that_stands_still_gets_no_motion() -> None:
    drift = measured(scene(seed=4, stage=np.zeros((N_FRAMES, 2))))
    assert drift.verdict == "still"
    assert not drift.removed_yx_px.any()
    assert not drift.table["applied"].any()
    assert "stood still" in drift.reason


@pytest.mark.parametrize("shape_YX", [(2, 64), (8, 8), (31, 33), (20, 200)])
def test_frames_too_small_for_tiles_show_no_stage(shape_YX: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).normal(200, 30, (10, *shape_YX))
    for masks in (None, np.zeros(frames.shape, np.int32)):
        found = measure_drift(frames, SCALE, masks=masks)
        assert found.verdict == "nothing to register"
        assert (found.table[["shift_y_um", "shift_x_um"]] == 0).all(axis=None)


def test_noise_shows_no_stage() -> None:
    frames = np.random.default_rng(5).poisson(200, (7, HEIGHT, WIDTH)).astype(np.uint16)
    drift = measure_drift(frames, SCALE)
    assert drift.verdict == "nothing to register"
    assert "could not be measured" in drift.reason
    assert not drift.removed_yx_px.any()
    assert not shift_of(drift).any()


@pytest.mark.parametrize("value", [0, 700])
def test_identical_constant_frames_show_no_stage(value: int) -> None:
    assert measure_drift(np.full((5, 40, 60), value, np.uint16), SCALE).verdict == "nothing to register"


def test_a_movie_in_which_everything_moves_on_its_own_moves_no_stage() -> None:
    """Ninety unlabelled blobs that each walk by 3 px per frame, 8.5 px in all: their mean goes 1 px at most."""
    rng = np.random.default_rng(6)
    place = rng.uniform(0, (HEIGHT, WIDTH), (90, 2))
    frames = []
    for _ in range(9):
        place = place + rng.normal(0, 3.0, place.shape)
        spots = np.zeros((HEIGHT, WIDTH))
        inside = place[((place >= 0) & (place < (HEIGHT, WIDTH))).all(axis=1)].astype(int)
        spots[inside[:, 0], inside[:, 1]] = 1
        frames.append(rng.poisson(200 + 9000 * ndimage.gaussian_filter(spots, 4.0)).astype(np.uint16))
    drift = measure_drift(frames, SCALE)
    assert np.abs(drift.removed_yx_px).max() < 2.5


def test_what_sits_on_the_camera_does_not_hold_the_stage_back() -> None:
    """A scale bar, a hair, hot and dead pixels, dust: on every frame at the same place."""
    made = scene(seed=7, stage=wandering(8))
    frames = made.frames.copy()
    frames[:, 220:228, 20:120] = 4000
    frames[:, 100:102, :] //= 3
    frames[:, 5::31, 7::29] = 60000
    frames[:, 11::37, 3::41] = 0
    frames[:, 60:75, 200:215] //= 2
    drift = measure_drift(frames, SCALE, masks=made.labels)
    assert error_of(drift, made) < 0.25


def test_a_pattern_all_over_the_camera_does_not_hide_a_jump() -> None:
    """Fixed noise as strong as the neurites: without it in mind the stage would seem to stand still."""
    made = scene(seed=9, stage=wandering(10), photons=400.0)
    pattern = ndimage.gaussian_filter(np.random.default_rng(11).standard_normal((HEIGHT, WIDTH)), 1.2)
    frames = (made.frames * (1 + 0.25 * pattern / pattern.std())).clip(0).astype(np.uint16)
    drift = measure_drift(frames, SCALE, masks=made.labels)
    assert np.abs(shift_of(drift) - made.stage).max() < 1.5


def test_frames_that_show_nothing_are_passed_over() -> None:
    """Blank frames, one that the caller knows and one that is found to match nothing, before and after the jump."""
    made = scene(seed=12, stage=wandering(13))
    frames = made.frames.copy()
    frames[[0, 5]] = 0
    frames[11] = np.random.default_rng(14).poisson(5, frames[11].shape)
    drift = measured(Scene(frames, made.labels, made.stage, made.places), blank_frames=(0, 5))
    known = drift.table["measured"].to_numpy() == 1
    assert known.sum() == N_FRAMES - 3
    assert np.isnan(drift.table["quality"].to_numpy()[[0, 5, 11]]).all()
    error = shift_of(drift) - (made.stage - made.stage[1])
    assert np.sqrt((error[known] ** 2).mean()) < 0.15
    assert "1 of 15 frames" in drift.warnings[0]


def test_rotation_is_reported() -> None:
    made = scene(seed=15, stage=np.zeros((N_FRAMES, 2)), rotation_deg=1.0)
    drift = measured(made)
    assert drift.table["rotation_deg"].iloc[-1] == pytest.approx(1.0, abs=0.05)
    assert np.abs(shift_of(drift)).max() < 0.2
    assert "The scene rotates by up to" in drift.warnings[-1]


def test_the_error_holds_and_the_tables_units_agree() -> None:
    """Of 16 independent frames × 2 axes, 3 standard errors hold nearly all; the summary is of the table."""
    stage = np.random.default_rng(17).normal(0, 2, (N_FRAMES, 2))
    made = scene(seed=16, stage=stage - stage[0], renewed=0)
    drift = measured(made)
    table = drift.table
    assert np.allclose(table["shift_y_um"], table["shift_y_px"] * SCALE.pixel_size_um)
    misses = np.abs(shift_of(drift) - made.stage)[1:] * SCALE.pixel_size_um > 3 * table[["error_um"]].to_numpy()[1:]
    assert misses.mean() < 0.15
    assert drift.summary()["max_um"] == pytest.approx(np.hypot(table["shift_y_um"], table["shift_x_um"]).max())


def test_memory_does_not_grow_with_the_movie() -> None:
    """A sample of twelve frames is read first, then all others in order; each of them once, besides its size."""
    asked: list[int] = []

    class Counted(list):
        def __getitem__(self, t):  # type: ignore[no-untyped-def]
            asked.append(t)
            return super().__getitem__(t)

    frames = Counted(np.random.default_rng(18).poisson(90, (60, 40, 60)).astype(np.uint16))
    measure_drift(frames, SCALE, masks=np.zeros((60, 40, 60), np.int32))
    assert asked[0] == 0  # the size of frames
    sampled, rest = asked[1:13], asked[13:]
    assert (sampled[0], sampled[-1]) == (0, 59)
    assert rest == [t for t in range(60) if t not in sampled]


def test_the_error_holds_where_the_background_is_renewed() -> None:
    """A twelfth of the neurites is replaced per frame: of 5 movies, 3 standard errors hold 19 in 20."""
    misses = []
    for seed in range(40, 45):
        made = scene(seed=seed, stage=wandering(seed + 1), cells=20 + moving_right(6, step_px=2.0))
        drift = measured(made)
        error_px = drift.table[["error_um"]].to_numpy()[1:] / SCALE.pixel_size_um
        assert (error_px < 0.5).all()
        misses.append(np.abs(shift_of(drift) - made.stage)[1:] > 3 * error_px)
    assert np.mean(misses) < 0.05


def walkers(seed: int, *, step_px: float, n_frames: int) -> np.ndarray:
    """Frames TYX of ninety blobs, 2.5 px wide, that each walk by ``step_px`` per frame and axis: nothing rests."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(0, (HEIGHT, WIDTH), (90, 2))
    frames = []
    for _ in range(n_frames):
        place = (place + rng.normal(0, step_px, place.shape)) % (HEIGHT, WIDTH)
        spots = np.zeros((HEIGHT, WIDTH))
        spots[tuple(place.astype(int).T)] = 1
        frames.append(rng.poisson(200 + 4000 * ndimage.gaussian_filter(spots, 2.5, mode="wrap")))
    return np.stack(frames).astype(np.uint16)


def test_where_nothing_persists_there_is_no_background_to_register_on() -> None:
    """Neighbouring frames look alike, frames at a distance do not; the same blobs at rest are a background."""
    nothing = np.zeros((20, HEIGHT, WIDTH), np.int32)
    moving = measure_drift(walkers(31, step_px=3.0, n_frames=20), SCALE, masks=nothing)
    assert moving.table["measured"].mean() > 0.5
    assert moving.verdict == "nothing to register"
    assert "hardly any part of the picture stays the same" in moving.reason
    assert not moving.removed_yx_px.any()
    assert measure_drift(walkers(31, step_px=0.0, n_frames=20), SCALE, masks=nothing).verdict == "still"


def test_a_stage_that_jumps_and_returns_leaves_no_twin() -> None:
    """In most frames the scene is at one place, so that their median shows it: it is not the camera's."""
    stage = np.zeros((N_FRAMES, 2))
    stage[6:11] = (-22.0, 18.0)
    made = scene(seed=32, stage=stage, contrast=2.0, photons=400.0, renewed=0)
    frames = made.frames.copy()
    frames[:, 220:228, 200:280] = 4000
    drift = measure_drift(frames, SCALE, masks=made.labels)
    assert drift.verdict == "moved"
    assert np.abs(shift_of(drift) - stage).max() < 0.5


def test_a_jump_is_removed_where_nothing_persists_and_nothing_else_is() -> None:
    """What moves on its own gives no stage, but the whole picture moves 24 px at once only if the stage does."""
    frames = walkers(31, step_px=3.0, n_frames=20)
    frames[10:] = np.roll(frames[10:], (14, -20), axis=(1, 2))
    frames = frames[:, 24:-24, 24:-24]
    found = measure_drift(frames, SCALE, masks=np.zeros(frames.shape, np.int32))
    assert found.verdict == "jumped"
    assert "at frame 10" in found.reason
    np.testing.assert_array_equal(shift_of(found)[:10], 0)
    np.testing.assert_allclose(shift_of(found)[10:], np.tile([14.0, -20.0], (10, 1)), atol=1.5)


def test_without_outlines_cells_that_move_together_are_no_background() -> None:
    """Bright cells over a dark field with photon noise, each to the right half of the time: they agree a little."""
    y, x = np.indices((HEIGHT, WIDTH))
    rng = np.random.default_rng(5)
    start = rng.uniform((20, 20), (HEIGHT - 20, WIDTH - 80), (24, 2))
    moved = np.cumsum(4.0 * (rng.random((24, 24)) < 0.5), axis=0)
    frames = []
    for t in range(24):
        light = np.full((HEIGHT, WIDTH), 4.0)
        for (cy, x0), right in zip(start, moved[t], strict=True):
            cx = x0 + right
            light += 60 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 60) + 15 * np.exp(
                -((y - cy) ** 2) / 4 - ((x - cx - 12) ** 2) / 120
            )
        frames.append(rng.poisson(light).astype(np.uint16))
    found = measure_drift(np.array(frames), SCALE)
    assert found.verdict == "nothing to register"
    assert not found.removed_yx_px.any()
