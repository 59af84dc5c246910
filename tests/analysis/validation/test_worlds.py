"""The second simulator: its tracks and true numbers follow from what a world is said to be."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from somanet.analysis.validation.world_paths import simulate_paths
from somanet.analysis.validation.world_tracks import simulate_world
from somanet.analysis.validation.world_truth import true_numbers
from somanet.analysis.validation.worlds import BASE, WORLDS, random_world
from somanet.core.schema import check_tracks

STILL = replace(BASE, name="still", resting_share=1.0, noise_um=0.0)


def test_true_numbers_of_the_base_are_those_of_a_renewal_process() -> None:
    """A cycle is a pause of 1.5 h and 25 µm at 75 µm/h, whose mean inverse is 1/(75·(1 - 0.04)); 85 % of cells jump."""
    true, jump_h = true_numbers(BASE), 25 / (75 * (1 - 0.04))
    assert true["frequency_per_h"] == pytest.approx(0.85 / (1.5 + jump_h), rel=0.03)
    assert true["length_um"] == pytest.approx(25.0, rel=0.02)
    assert true["speed_um_per_h"] == pytest.approx(25 / jump_h, rel=0.02)
    assert true["pause_fraction"] == pytest.approx(1 - 0.85 * jump_h / (1.5 + jump_h), rel=0.02)
    assert true["average_speed_um_per_h"] == pytest.approx(0.85 * 25 / (1.5 + jump_h), rel=0.03)


def test_an_arc_is_longer_than_its_chord() -> None:
    """A jump that bends by θ covers θ/2 over sin(θ/2) of its chord; with θ even between ± 2 rad that is 1.060."""
    bends = np.linspace(1e-9, 1, 20001)
    longer = float((bends / np.sin(bends)).mean())
    bent, straight = (
        true_numbers(replace(BASE, arc_deg=angle, length_cv=0.2, turn_sd_deg=0.0)) for angle in (math.degrees(2.0), 0.0)
    )
    assert bent["length_um"] == pytest.approx(straight["length_um"], rel=1e-9)
    assert bent["average_speed_um_per_h"] / straight["average_speed_um_per_h"] == pytest.approx(longer, rel=0.01)


def test_acceleration_changes_no_jump_but_its_course() -> None:
    uneven = replace(BASE, rise=1.4, fall=3.0)
    times = np.linspace(0, 12, 1441)
    even, changed = (
        simulate_paths(world, np.random.default_rng(4), n_cells=9, times_h=times) for world in (BASE, uneven)
    )
    assert np.array_equal(even.start_h, changed.start_h)
    assert np.array_equal(even.length_um, changed.length_um)
    fastest = [np.hypot(*np.diff(p.place_yx_um, axis=1).transpose(2, 0, 1)).max() for p in (even, changed)]
    assert fastest[1] > 1.3 * fastest[0]


@pytest.mark.parametrize("memory_h", [0.0, 0.25])
def test_errors_have_the_spread_and_the_memory_they_should(memory_h: float) -> None:
    """Steps of a motionless cell have the variance 2σ²(1 - ρ) per axis, with ρ = exp(-Δt/memory)."""
    world = replace(STILL, noise_um=0.7, noise_memory_h=memory_h, n_cells=60)
    tracks, _ = simulate_world(world, seed=2)
    kept = math.exp(-(10 / 60) / memory_h) if memory_h else 0.0
    steps = tracks.groupby("track_id")[["y_um", "x_um"]].diff().to_numpy()
    assert np.nanvar(steps) == pytest.approx(2 * 0.49 * (1 - kept), rel=0.05)
    places = tracks.groupby("track_id")[["y_um", "x_um"]].transform(lambda values: values - values.mean())
    assert places.to_numpy().std() == pytest.approx(0.7, rel=0.06)


def test_the_scene_turns_by_the_angle_it_should() -> None:
    tracks, _ = simulate_world(replace(STILL, rotation_deg_per_h=2.0, n_cells=7), seed=3)
    centred = tracks.assign(angle=np.degrees(np.arctan2(tracks["y_um"] - 450, tracks["x_um"] - 450)))
    ends = centred.groupby("track_id")["angle"].agg(["first", "last"])
    turned = (ends["last"] - ends["first"] + 180) % 360 - 180
    assert np.allclose(np.abs(turned), 24.0)


def test_breaks_lose_a_frame_and_begin_a_new_track_and_swaps_exchange_a_pair() -> None:
    tracks, _ = simulate_world(replace(STILL, breaks_per_h=0.5, n_cells=40), seed=5)
    lost = 40 * 73 - len(tracks)
    assert lost == pytest.approx(40 * 12.17 * 0.5, rel=0.2)
    assert 40 < tracks["track_id"].nunique() <= 40 + lost
    swapped, _ = simulate_world(replace(STILL, swaps_per_h=0.3, n_cells=10), seed=5)
    moved = np.hypot(*swapped.groupby("track_id")[["y_um", "x_um"]].diff().to_numpy().T)
    assert np.allclose(moved[moved > 0], 18.0)
    assert (moved > 0).sum() > 10


def test_creep_covers_its_speed_and_walks_never_jump() -> None:
    crept = true_numbers(replace(STILL, creep_um_per_h=10.0))
    assert crept["average_speed_um_per_h"] == pytest.approx(5.0, rel=0.05)
    assert crept["straightness"] == pytest.approx(1)
    walking = true_numbers(next(world for world in WORLDS if world.name == "none rests"))
    assert walking["frequency_per_h"] == 0
    assert math.isnan(walking["length_um"])
    assert walking["average_speed_um_per_h"] == pytest.approx(25 * math.exp(0.5**2 / 2), rel=0.03)


def test_every_world_gives_tracks_and_the_same_ones_for_a_seed() -> None:
    rng = np.random.default_rng(8)
    for world in (*WORLDS, *(random_world(rng) for _ in range(8))):
        tracks, jumps = simulate_world(world, seed=11)
        check_tracks(tracks, "The tracks")
        again, _ = simulate_world(world, seed=11)
        assert tracks.equals(again)
        assert (jumps["length_um"] >= 5).all()
        assert jumps["track_id"].between(1, world.n_cells).all()
