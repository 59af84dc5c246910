"""`somanet.load_model` and its labels, of a network of which each pixel's answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import somanet
from somanet.io.images import read_labels, write_image
from tests import worlds
from tests.worlds import scene


def test_somas_are_the_drawn_ones(model: somanet.Model) -> None:
    """Two rectangles of 3 × 3 and 2 × 4 squares of 8 px: 576 and 512 px², around (20, 20) and (24, 72) px."""
    found = model.describe(scene().image)
    np.testing.assert_array_equal(found.labels_YX > 0, scene().labels > 0)
    assert found.labels_YX.dtype == np.int32
    assert found.labels_YX.shape == (64, 96)
    objects = found.objects.sort_values("x_px")
    assert objects["area_px"].tolist() == [576, 512]
    np.testing.assert_allclose(objects[["y_px", "x_px"]], [[19.5, 19.5], [23.5, 71.5]])
    np.testing.assert_allclose(objects["diameter_px"], np.sqrt(np.array([576, 512]) * 4 / np.pi))
    assert objects["confidence"].between(0.99, 1).all()
    np.testing.assert_array_equal(model.segment(scene().image), found.labels_YX)


def test_labels_are_those_of_the_command(model: somanet.Model, bright: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "scene.png", scene().image)
    assert worlds.somanet("predict", "scene.png", "--output", "out", "--model", bright, cwd=tmp_path) is None
    found = model.describe(scene().image)
    np.testing.assert_array_equal(found.labels_YX, read_labels(tmp_path / "out" / "scene.tif"))
    table = pd.read_csv(tmp_path / "out" / "objects.csv").drop(columns=["image", "frame"])
    pd.testing.assert_frame_equal(found.objects, table, check_dtype=False, rtol=1e-6)


def test_intensities_need_no_scale(model: somanet.Model) -> None:
    """The same picture with 16 bits, as a list, and with NaN at its border, as registration leaves it."""
    image = scene().image
    expected = model.segment(image)
    as_float = image.astype(np.float32)
    as_float[:, 95] = np.nan
    for other in (image.astype(np.uint16) * 100, image.tolist(), as_float, image[..., None]):
        np.testing.assert_array_equal(model.segment(other) > 0, expected > 0)


def test_a_given_diameter_replaces_the_estimate(model: somanet.Model, bright: Path) -> None:
    """Somas of 48 px in an image are twice as large as a network expects that was trained on 24 px: half the size."""
    low, high = (18.0, 32.0)
    assert model.describe(scene().image).rescale == 1.0
    sized = worlds.bright_network()
    folder = bright.parent / "sized"
    if not folder.exists():
        from somanet.segmentation.network.checkpoint import save_checkpoint
        from somanet.segmentation.network.settings import ModelSpec

        save_checkpoint(folder, sized, ModelSpec(), {"intended_use": {"diameter_px": [low, high]}})
    opened = somanet.load_model(folder)
    found = opened.describe(scene().image, diameter_px=48.0)
    assert found.rescale == pytest.approx(0.5)
    assert found.labels_YX.shape == (64, 96)
    assert somanet.load_model(folder, diameter_px=48.0).describe(scene().image).rescale == pytest.approx(0.5)


def test_it_says_what_it_is(model: somanet.Model, bright: Path) -> None:
    assert model.engine in ("onnxruntime", "openvino", "torch")
    assert model.folders == (bright,)
    assert len(model.sha256) == 1
    assert model.sha256[0][:12] in repr(model)
    assert model.notes == ()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((5, 64, 96), np.uint8), "Expected one image"),
        (np.zeros((0, 3)), "Expected one image"),
        (np.zeros(7), "Expected one image"),
        ("movie.tif", "Read a file first"),
        ([[1j, 2]], "array of real numbers"),
        (None, "array of real numbers"),
        ([[1, 2], [3]], "rows of different lengths"),
        (np.full((64, 96), np.nan), "expected finite pixels, found 6144 NaN or infinite of 6144"),
        (np.where(np.arange(6144).reshape(64, 96) == 3000, np.nan, scene().image), "expected finite pixels, found 1 "),
        (np.where(np.arange(6144).reshape(64, 96) == 0, np.inf, scene().image), "expected finite pixels, found 1 "),
        (scene().labels, "expected microscope images"),
    ],
)
def test_what_is_no_image_is_refused(image: object, words: str, model: somanet.Model) -> None:
    with pytest.raises(somanet.SomaNetError, match=words) as caught:
        model.segment(image)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "nowhere/model"}, "No checkpoint at nowhere/model"),
        ({"model": []}, r"Expected a network's name, or several as a list, found \[\]"),
        ({"model": ""}, "Expected a network's name"),
        ({"model": None}, "Expected a network's name"),
        ({"model": 3}, "Expected a network's name"),
        ({"engine": "jax"}, "Unknown engine 'jax'"),
        ({"device": "tpu"}, "Unknown device 'tpu'"),
        ({"tta": 3}, "Expected 1, 4"),
        ({"diameter_px": -1.0}, "diameter_px"),
    ],
)
def test_a_network_that_cannot_be_opened_is_refused(
    arguments: dict[str, object], words: str, bright: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(somanet.SomaNetError, match=words) as caught:
        somanet.load_model(**{"model": bright, **arguments})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_an_ensemble_is_named_by_a_list(bright: Path) -> None:
    with pytest.raises(somanet.SomaNetError, match="has the same weights"):
        somanet.load_model([bright, bright])


def test_an_image_carries_the_notes_of_the_command(
    bright: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somas of 27.1 and 25.5 px, of a network for 60 to 80 px, typically √(60·80) = 69: 69.3 / 26.3 = 2.6 times.

    Of the two ways out, Python names its arguments.
    """
    from somanet.segmentation.network.checkpoint import save_checkpoint
    from somanet.segmentation.network.settings import ModelSpec

    use = {"diameter_px": [60.0, 80.0]}
    save_checkpoint(tmp_path / "model", worlds.bright_network(), ModelSpec(), {"intended_use": use})
    image = scene().image
    write_image(tmp_path / "scene.png", image)
    arguments = ("predict", "scene.png", "--output", "out", "--model", "model", "--rescale", 1)
    assert worlds.somanet(*arguments, cwd=tmp_path) is None
    told = [line.removeprefix("note: ") for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    found = somanet.load_model(tmp_path / "model", rescale=1).describe(image)
    assert len(found.notes) == len(told) == 1
    assert "--rescale 2.6 (or --diameter 26) brings them to" in told[0]
    assert found.notes[0] == told[0].replace("--rescale", "rescale").replace("--diameter", "diameter_px")


def test_pictures_that_cannot_be_segmented_are_told() -> None:
    """Blurred noise: objects of which the bundled network is unsure. A saturated slab, 60 of 200 columns wide."""
    from scipy import ndimage

    rng = np.random.default_rng(1)
    noise = ndimage.gaussian_filter(rng.standard_normal((160, 200)), 4, mode="wrap")
    model = somanet.load_model(rescale=1)
    found = model.describe(np.rint(1000 + 200 * noise / noise.std() + rng.normal(0, 15, noise.shape)).astype(np.uint16))
    assert found.appearance is not None
    assert found.appearance.like_noise
    assert [note for note in found.notes if "look like those that this network draws where there are no somas" in note]
    slab = rng.integers(10, 30, (160, 200)).astype(np.uint8)
    slab[:, :60] = 255
    found = model.describe(slab, any_modality=True)
    assert found.clipping is not None
    assert found.clipping.share == pytest.approx(0.3)
    assert found.clipping.merges_somas
    assert [note for note in found.notes if "% of the pixels are at the ceiling of 255" in note]
