"""The chain on small movies: perfect masks give the true values, damaged ones are noticed, and the scores add up."""

import numpy as np
import pandas as pd
import pytest

from somanet.analysis.validation.conditions import MovieCondition, movie_factors, movie_intervals
from somanet.analysis.validation.movies import (
    SOURCES,
    TRACK_SCORES,
    chain_scores,
    run_chain,
    score_movies,
    simulate,
    true_ids,
    true_masks,
)
from somanet.core.errors import SomaNetError
from somanet.evaluation.tracks import Matches
from somanet.simulation.settings import NeuronSettings

SMALL = MovieCondition(
    n_frames=16,
    side_px=120,
    pixel_size_um=2.0,
    settings=NeuronSettings(somas_per_mm2=130, touching_fraction=0, pause_mean_h=0.75, process_length_um=0),
)


@pytest.fixture(scope="module")
def movie():
    return simulate(SMALL, seed=3)


@pytest.fixture(scope="module")
def perfect(movie):
    return run_chain(movie, true_masks(movie))


def test_true_masks_are_the_truth_without_its_names(movie) -> None:
    masks = list(true_masks(movie)(list(movie.frames_TYX)))
    for labels_YX, true_YX in zip(masks, movie.labels_TYX, strict=True):
        np.testing.assert_array_equal(labels_YX > 0, true_YX > 0)
        pairs = np.unique(np.stack([labels_YX, true_YX]).reshape(2, -1), axis=1)
        assert pairs.shape[1] == len(np.unique(true_YX))
    # An id that identified the cell would make tracking trivial.
    assert any((a != b).any() for a, b in zip(masks, movie.labels_TYX, strict=True))


def test_perfect_masks_give_nearly_the_truth(perfect) -> None:
    assert perfect.tracking["precision"] == 1
    assert perfect.tracking["recall"] > 0.9
    assert perfect.tracking["TRA"] > 0.9
    chain, true = perfect.found["chain"], perfect.found["perfect"]
    assert true.n_true == chain.n_true > 5
    assert abs(chain.n_matched - true.n_matched) <= 2


def test_a_missed_half_of_the_picture_is_seen(movie, perfect) -> None:
    def blind(frames):
        for labels_YX in true_masks(movie)(frames):
            labels_YX = labels_YX.copy()
            labels_YX[:, : labels_YX.shape[1] // 2] = 0
            yield labels_YX

    spoilt = run_chain(movie, blind)
    assert spoilt.tracking["recall"] < 0.75 * perfect.tracking["recall"]
    assert spoilt.found["chain"].n_matched < perfect.found["chain"].n_matched
    assert spoilt.found["perfect"].n_matched == perfect.found["perfect"].n_matched
    assert spoilt.in_view_h == perfect.in_view_h


def test_a_segmentation_must_label_every_frame(movie) -> None:
    with pytest.raises(SomaNetError, match="15 label images for 16 frames"):
        run_chain(movie, lambda frames: list(true_masks(movie)(frames))[1:])


def test_the_cell_of_a_track_is_the_one_of_most_frames() -> None:
    """Track 7 is on cell 1 in two of three frames; track 8 on cell 2 in one of two: not more than half."""
    matches = Matches(
        reference=[[1, 2]] * 3, predicted=[[7, 8], [7, 8], [7]], pairs=[[(1, 7), (2, 8)], [(1, 7)], [(2, 7)]], iou=[]
    )
    assert true_ids(matches) == {7: 1}


def test_scores_of_movies_add_up(perfect) -> None:
    """The same movie twice has the scores of one; its counts double."""
    one, two = chain_scores([perfect]), chain_scores([perfect, perfect])
    assert two.pop("n_jumps") == 2 * one.pop("n_jumps")
    assert one == pytest.approx(two, nan_ok=True)
    assert set(TRACK_SCORES) <= set(one)
    for source in SOURCES:
        assert one[f"{source}_frequency_raw_bias"] < 0.1
        assert 0 < one[f"{source}_recall"] <= 1


def test_a_condition_has_a_row_per_movie_and_one_of_all() -> None:
    table = score_movies(SMALL, None, movies=1, seed=3)
    assert table["movie"].tolist() == ["3", "all"]
    pd.testing.assert_series_equal(table.loc[0], table.loc[1].replace("all", "3"), check_names=False)
    assert table["interval_min"].tolist() == [10, 10]


def test_movies_differ_in_one_thing() -> None:
    base = MovieCondition()
    assert [c.interval_min for c in movie_intervals(base, intervals_min=(5, 20))] == [5, 20]
    for condition in movie_factors(base):
        assert condition.interval_min == base.interval_min
        changed = {k for k, v in vars(condition.settings).items() if v != getattr(base.settings, k)}
        assert len(changed) == 1, condition
    height, width = base.shape_YX
    assert height != width
