"""Figures: the right panels, shapes, colours and labels."""

from __future__ import annotations

import io
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from somanet.core.plots import FALSE, HIT, MISSED, coloured_labels, curves, display, errors, outlines, panels

LABELS = np.zeros((20, 30), np.int32)
LABELS[3:9, 4:14], LABELS[12:18, 20:27] = 1, 2
IMAGE = (40 + 150 * (LABELS > 0)).astype(np.uint16)


def drawn(figure: object) -> bytes:
    """Drawing it is what shows missing letters and layouts that do not fit: both are warnings, so errors."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=50)  # type: ignore[attr-defined]
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (20, 30, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_every_image_can_be_shown(shape: tuple[int, ...], dtype: str) -> None:
    values = 200 * np.random.default_rng(0).random(shape)
    picture = display(values.astype(dtype))
    assert picture.shape == (20, 30, 3)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert picture.max() > 0.9


def test_a_flat_image_can_be_shown() -> None:
    assert np.isfinite(display(np.full((20, 30), 7, np.uint8))).all()


def test_dim_somas_are_lifted_by_a_root() -> None:
    """A ramp 0…1: a quarter of the range is displayed at half intensity."""
    picture = display(np.repeat(np.linspace(0, 1, 1001)[None], 9, axis=0))
    assert picture[0, 250, 0] == pytest.approx(0.5, abs=0.01)


@given(hnp.arrays(np.int32, (5, 7), elements=st.integers(0, 70_000)))
def test_objects_are_coloured_and_the_background_is_black(labels: np.ndarray) -> None:
    colours = coloured_labels(labels)
    assert colours.shape == (5, 7, 3)
    assert (colours[labels == 0] == 0).all()
    assert (colours[labels > 0].sum(axis=-1) > 0.5).all()
    assert colours.max(initial=0) <= 1


def test_neighbouring_numbers_have_different_colours() -> None:
    colours = coloured_labels(np.arange(1, 12)[None])[0]
    assert (abs(np.diff(colours, axis=0)).max(axis=1) > 0.3).all()


def test_errors_have_their_colours() -> None:
    pred = np.zeros_like(LABELS)
    pred[5:9, 4:14] = 7  # the upper rows of 1 are missed
    pred[0:2, 20:25] = 8  # invented
    picture = errors(LABELS, pred)
    np.testing.assert_allclose(picture[7, 8], HIT)
    np.testing.assert_allclose(picture[4, 8], MISSED)
    np.testing.assert_allclose(picture[14, 23], MISSED)
    np.testing.assert_allclose(picture[1, 22], FALSE)
    np.testing.assert_allclose(picture[3, 4], 1)  # a true outline
    np.testing.assert_allclose(picture[19, 0], 0)


def test_panels_show_four_pictures_per_example() -> None:
    long = "a_name_of_a_crop_that_is_much_too_long"
    figure = panels([("first", IMAGE, LABELS, LABELS * 0), (long, IMAGE, LABELS, LABELS)])
    axes = figure.get_axes()
    assert len(axes) == 8
    titles = [ax.get_title() for ax in axes]
    assert titles[:4] == ["first", "ground truth: 2", "prediction: 0", "green correct, blue missed, red false"]
    assert titles[4] == "a_name_of_…h_too_long"[:10] + "…" + long[-10:]
    assert titles[6] == "prediction: 2"
    assert all(ax.images[0].get_array().shape[:2] == (20, 30) for ax in axes)
    assert drawn(figure).startswith(b"\x89PNG")


def test_outlines_surround_every_object() -> None:
    figure = outlines(IMAGE, LABELS)
    [ax] = figure.get_axes()
    picture = np.asarray(ax.images[0].get_array())
    np.testing.assert_allclose(picture[2, 8], (1.0, 0.35, 0.1))
    assert not np.allclose(picture[6, 9], (1.0, 0.35, 0.1))
    width, height = figure.get_size_inches()
    assert height / width == pytest.approx(20 / 30)
    drawn(figure)


def history(*, seeds: tuple[int, ...] = ()) -> pd.DataFrame:
    one = pd.DataFrame(
        {
            "epoch": [1, 2, 3, 4],
            "train_loss": [0.9, 0.5, 0.4, 0.3],
            "val_loss": [math.nan, 0.6, math.nan, 0.5],
            "train_iou": [0.1, 0.4, 0.5, 0.6],
            "val_iou": [math.nan, 0.3, math.nan, 0.45],
        }
    )
    return pd.concat([one.assign(seed=seed) for seed in seeds]) if seeds else one


def test_curves_of_one_training() -> None:
    figure = curves(history())
    loss, iou = figure.get_axes()
    assert (loss.get_xlabel(), loss.get_ylabel()) == ("epoch", "loss")
    assert iou.get_ylabel() == "IoU of the foreground"
    train, val = iou.lines
    assert list(train.get_ydata()) == [0.1, 0.4, 0.5, 0.6]
    assert list(val.get_xdata()) == [2, 4]  # epochs that were not validated leave no gap in the line
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training", "validation"]
    drawn(figure)


def test_curves_of_several_seeds_have_one_legend() -> None:
    figure = curves(history(seeds=(0, 1, 2)))
    loss, _ = figure.get_axes()
    assert len(loss.lines) == 6
    assert len(loss.get_legend().get_texts()) == 2
    drawn(figure)


def test_figures_leave_pyplot_alone() -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    curves(history())
    assert plt.get_fignums() == before
