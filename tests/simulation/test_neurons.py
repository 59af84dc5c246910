"""Simulated movies: seeded, true to their tables, and each effect does what its name says."""

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy import ndimage

from somanet.core.calibration import Calibration
from somanet.core.errors import SomaNetError
from somanet.simulation import NeuronSettings, SimulatedMovie, simulate_movie

SCALE = Calibration(pixel_size_um=1.25, frame_interval_min=10.0)
SHAPE_YX = (96, 128)
N_FRAMES = 7
CROWDED = NeuronSettings(somas_per_mm2=250.0)
# Nothing moves, nothing is noisy, nothing is in the way: only the cells' light.
STILL = NeuronSettings(
    somas_per_mm2=150,
    motile_fraction=0,
    pause_jitter_um=0,
    swelling_sd=0,
    wobble_sd_deg=0,
    process_length_um=0,
    neighbours_per_mm2=0,
    ghosts_per_mm2=0,
    debris_per_mm2=0,
    drift_um_per_h=0,
    bleaching_per_h=0,
    counts_per_photon=0,
    read_noise_counts=0,
)


def movie(seed: int = 4, settings: NeuronSettings = CROWDED, n_frames: int = N_FRAMES) -> SimulatedMovie:
    return simulate_movie(seed=seed, n_frames=n_frames, shape_YX=SHAPE_YX, calibration=SCALE, settings=settings)


@pytest.fixture(scope="module")
def crowded() -> SimulatedMovie:
    return movie()


def test_shapes_and_types(crowded: SimulatedMovie) -> None:
    for stack, dtype in (
        (crowded.frames_TYX, np.uint16),
        (crowded.labels_TYX, np.int32),
        (crowded.nucleus_TYX, np.uint16),
    ):
        assert stack.shape == (N_FRAMES, *SHAPE_YX)
        assert stack.dtype == dtype
    assert list(crowded.tracks) == ["track_id", "frame", "t_h", "y_px", "x_px", "y_um", "x_um"]
    assert list(crowded.saltations) == ["track_id", "start_h", "end_h", "length_um", "speed_um_per_h"]


def test_same_seed_same_bytes_whatever_numpys_global_state(crowded: SimulatedMovie) -> None:
    np.random.seed(99)  # noqa: NPY002 - the point: the global state must not matter
    again = movie()
    for name in ("frames_TYX", "labels_TYX", "nucleus_TYX"):
        assert getattr(again, name).tobytes() == getattr(crowded, name).tobytes()
    assert again.tracks.equals(crowded.tracks)
    assert again.saltations.equals(crowded.saltations)


def test_other_seed_other_movie(crowded: SimulatedMovie) -> None:
    assert (movie(seed=5).labels_TYX != crowded.labels_TYX).any()


def test_labels_and_tracks_tell_of_the_same_cells(crowded: SimulatedMovie) -> None:
    drawn = {(int(i), t) for t, frame in enumerate(crowded.labels_TYX) for i in np.unique(frame) if i}
    listed = set(zip(crowded.tracks["track_id"], crowded.tracks["frame"], strict=True))
    assert drawn == listed
    assert {i for i, _ in drawn} == set(range(1, crowded.labels_TYX.max() + 1))


def test_units_of_the_tracks(crowded: SimulatedMovie) -> None:
    tracks = crowded.tracks
    np.testing.assert_allclose(tracks[["y_um", "x_um"]], tracks[["y_px", "x_px"]] * 1.25)
    np.testing.assert_allclose(tracks["t_h"], tracks["frame"] / 6)


def test_mask_centroids_are_the_track_positions() -> None:
    """Cells apart from each other and from the border: within 0.3 px, in pauses and in jumps alike."""
    settings = replace(CROWDED, somas_per_mm2=60.0, touching_fraction=0.0, pause_mean_h=0.3)
    checked = jumping = 0
    for seed in range(10):
        made = movie(seed, settings)
        for row in made.tracks.itertuples():
            frame = made.labels_TYX[row.frame]
            mask = frame == row.track_id
            ys, xs = np.nonzero(mask)
            grown = ndimage.binary_dilation(mask, iterations=3)
            by_border = ys.min() == 0 or xs.min() == 0 or ys.max() == 95 or xs.max() == 127
            if by_border or np.setdiff1d(frame[grown], [0, row.track_id]).size:
                continue
            assert np.hypot(ys.mean() - row.y_px, xs.mean() - row.x_px) < 0.3
            mine = made.saltations[made.saltations["track_id"] == row.track_id]
            jumping += int(((mine["start_h"] < row.t_h) & (mine["end_h"] > row.t_h)).any())
            checked += 1
    assert checked > 30
    assert jumping > 5


def test_a_saltation_moves_its_track_by_its_length() -> None:
    """Without jitter and drift a soma rests at the frames around a jump: they differ by it."""
    settings = NeuronSettings(
        somas_per_mm2=150.0, motile_fraction=1, pause_mean_h=2.0, pause_jitter_um=0, drift_um_per_h=0
    )
    made = movie(2, settings, n_frames=30)
    last_h = 29 / 6
    checked = 0
    for row in made.saltations.itertuples():
        mine = made.saltations[made.saltations["track_id"] == row.track_id]
        before, after = np.floor(row.start_h * 6) / 6, np.ceil(row.end_h * 6) / 6
        alone = ((mine["start_h"] < after) & (mine["end_h"] > before)).sum() == 1
        track = made.tracks[made.tracks["track_id"] == row.track_id].set_index("frame")
        ends = [round(before * 6), round(after * 6)]
        if before < 0 or after > last_h or not alone or not set(ends) <= set(track.index):
            continue
        step = track.loc[ends[1], ["y_um", "x_um"]] - track.loc[ends[0], ["y_um", "x_um"]]
        assert np.hypot(*step) == pytest.approx(row.length_um, abs=1e-6)
        assert row.speed_um_per_h == pytest.approx(row.length_um / (row.end_h - row.start_h))
        checked += 1
    assert checked >= 5


def test_still_scene_is_still_and_each_motion_stirs_it() -> None:
    frames = movie(settings=STILL).frames_TYX
    assert (frames == frames[0]).all()
    for stirring in (
        {"drift_um_per_h": 5.0},
        {"pause_jitter_um": 2.0},
        {"swelling_sd": 0.2},
        {"wobble_sd_deg": 30.0},
    ):
        frames = movie(settings=replace(STILL, **stirring)).frames_TYX
        assert (frames != frames[0]).any(), stirring


def test_drift_is_in_the_tracks_and_reported() -> None:
    made = movie(settings=replace(STILL, drift_um_per_h=5.0))
    for _, track in made.tracks.groupby("track_id"):
        moved = track[["y_um", "x_um"]].to_numpy() - made.drift_yx_um[track["frame"]]
        np.testing.assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=1e-9)


def test_bleaching_is_exponential() -> None:
    """0.2 per h over 1 h: exp(-0.2) = 0.819 of every pixel's light, up to rounding; saturation off."""
    settings = replace(STILL, bleaching_per_h=0.2, soma_brightness_log_sd=0.3, saturation_counts=65535)
    frames = movie(settings=settings).frames_TYX.astype(float)
    np.testing.assert_allclose(frames[6] / frames[0], np.exp(-0.2), rtol=2e-3)


def test_saturation_clips() -> None:
    bright = replace(STILL, soma_brightness_counts=30000.0, soma_brightness_log_sd=0.0)
    free = movie(settings=replace(bright, saturation_counts=65535)).frames_TYX
    clipped = movie(settings=replace(bright, saturation_counts=9000)).frames_TYX
    assert free.max() > 20000
    np.testing.assert_array_equal(clipped, np.minimum(free, 9000))


def test_illumination_falls_off_by_the_asked_share() -> None:
    """Background 10000, 30 % lost at the worst corner: 7000 there, 10000 at the best spot."""
    settings = replace(STILL, illumination_falloff=0.3, background_counts=10000.0, soma_brightness_counts=1e-3)
    frame = movie(settings=settings, n_frames=1).frames_TYX[0]
    assert frame.max() == pytest.approx(10000, rel=1e-3)
    assert min(frame[0, 0], frame[0, -1], frame[-1, 0], frame[-1, -1]) == pytest.approx(7000, rel=0.02)


def test_noise_has_the_variance_of_photons_and_camera() -> None:
    """Gain 0.5 at 5000 counts: variance 2500; read noise 30: 900. Together sd = sqrt(3400) = 58.3."""
    settings = replace(
        STILL,
        illumination_falloff=0,
        background_counts=5000.0,
        soma_brightness_counts=1e-3,
        counts_per_photon=0.5,
        read_noise_counts=30.0,
    )
    assert movie(settings=settings).frames_TYX.std() == pytest.approx(3400**0.5, rel=0.02)


def test_processes_are_light_without_mask() -> None:
    without = movie(settings=STILL)
    grown = movie(settings=replace(STILL, process_length_um=45.0))
    np.testing.assert_array_equal(grown.labels_TYX, without.labels_TYX)
    outside = without.labels_TYX == 0
    brighter = grown.frames_TYX.astype(int) - without.frames_TYX
    assert (brighter[outside] > 500).sum() > 200


@pytest.mark.parametrize("effect", ["neighbours_per_mm2", "ghosts_per_mm2", "debris_per_mm2"])
def test_scenery_changes_the_light_and_not_the_masks(effect: str) -> None:
    plain = movie(settings=STILL)
    busy = movie(settings=replace(STILL, **{effect: 300.0}))
    np.testing.assert_array_equal(busy.labels_TYX, plain.labels_TYX)
    assert (busy.frames_TYX[0] != plain.frames_TYX[0]).mean() > 0.02


def test_cells_keep_their_physical_size_at_any_pixel_size() -> None:
    """Median diameter 20 µm, no spread: 314 µm², whatever the pixel; outlines add or take a tenth."""
    settings = replace(STILL, soma_diameter_um=20.0, soma_diameter_cv=0.0, touching_fraction=0.0, somas_per_mm2=40)
    for pixel_um in (0.8, 1.6):
        scale = Calibration(pixel_size_um=pixel_um, frame_interval_min=10.0)
        made = simulate_movie(seed=1, n_frames=1, shape_YX=(330, 350), calibration=scale, settings=settings)
        areas = np.bincount(made.labels_TYX.ravel())[1:] * scale.pixel_area_um2
        assert np.median(areas) == pytest.approx(np.pi * 100, rel=0.2)


def test_nucleus_separates_from_the_soma_in_jumps_only() -> None:
    """Slow jumps of 40 µm: the nucleus trails by up to 12 µm, inside the cell's one mask."""
    settings = replace(
        STILL,
        somas_per_mm2=20,
        motile_fraction=1,
        pause_mean_h=0.5,
        jump_length_um=40.0,
        jump_speed_um_per_h=60.0,
        nucleus_lag_um=12.0,
        nucleus_brightness_counts=2000.0,
    )
    in_jumps, in_pauses = [], []
    for seed in range(8):
        made = movie(seed, settings, n_frames=9)
        for row in made.tracks.itertuples():
            mask = made.labels_TYX[row.frame] == row.track_id
            alone = made.labels_TYX[row.frame].max() == made.labels_TYX[row.frame][mask].min()
            if not (25 < row.y_px < 71 and 25 < row.x_px < 103 and alone):
                continue
            nucleus = made.nucleus_TYX[row.frame].astype(float) * mask
            peak = np.unravel_index(nucleus.argmax(), mask.shape)
            away = float(np.hypot(peak[0] - row.y_px, peak[1] - row.x_px)) * SCALE.pixel_size_um
            mine = made.saltations[made.saltations["track_id"] == row.track_id]
            is_jump = ((mine["start_h"] < row.t_h) & (mine["end_h"] > row.t_h)).any()
            (in_jumps if is_jump else in_pauses).append(away)
    assert len(in_jumps) >= 3
    assert len(in_pauses) >= 3
    assert np.median(in_pauses) < 3
    assert max(in_jumps) > 8


def test_invalid_settings_raise() -> None:
    for item in fields(NeuronSettings):
        for nonsense in (float("nan"), float("inf"), -1e6, "much", None, True):
            with pytest.raises(SomaNetError, match=item.name):
                NeuronSettings(**{item.name: nonsense})
    with pytest.raises(SomaNetError, match="at most 1"):
        NeuronSettings(motile_fraction=1.2)
    with pytest.raises(SomaNetError, match="above 0"):
        NeuronSettings(pause_mean_h=0)


@pytest.mark.parametrize(
    "wrong",
    [{"seed": -1}, {"seed": 1.5}, {"n_frames": 0}, {"shape_YX": (8, 40)}, {"shape_YX": (40,)}],
)
def test_invalid_arguments_raise(wrong: dict[str, object]) -> None:
    good = {"seed": 0, "n_frames": 1, "shape_YX": (40, 48), "calibration": SCALE}
    with pytest.raises(SomaNetError):
        simulate_movie(**(good | wrong))


def test_every_setting_has_a_line_of_meaning() -> None:
    assert all(len(doc) > 20 and doc.endswith(".") for doc in NeuronSettings.describe().values())
