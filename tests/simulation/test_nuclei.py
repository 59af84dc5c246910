"""Nucleus images: seeded, one mask per nucleus, in five looks."""

import numpy as np
import pytest
from scipy import ndimage

from somanet.core.errors import SomaNetError
from somanet.simulation import simulate_nuclei
from somanet.simulation.nuclei import LOOKS
from somanet.simulation.shapes import Blob, coverage, outline


@pytest.fixture(scope="module")
def images():
    return simulate_nuclei(n_images=8, shape_YX=(120, 150), seed=2)


def test_images_are_well_formed(images) -> None:
    assert len({item.name for item in images}) == 8
    for item in images:
        assert item.image.shape == (120, 150, 3)
        assert item.image.dtype == np.uint8
        assert item.labels.shape == (120, 150)
        assert item.labels.dtype == np.int32
        assert np.unique(item.labels).tolist() == list(range(item.labels.max() + 1))
        assert item.labels.max() >= 1


def test_every_look_is_shown(images) -> None:
    assert {item.name.split("_")[2] for item in images[:5]} == {look.name for look in LOOKS}


def test_nuclei_stand_out_bright_on_black_and_dark_on_bright(images) -> None:
    for item in images:
        inside, outside = item.image[item.labels > 0].mean(), item.image[item.labels == 0].mean()
        assert (inside < outside) if item.name.endswith("stained") else (inside > outside), item.name
        is_grey = (item.image == item.image[..., :1]).all()
        assert is_grey != item.name.endswith("stained")


def test_some_nuclei_touch() -> None:
    (tissue,) = [i for i in simulate_nuclei(n_images=5, shape_YX=(120, 150), seed=2) if i.name.endswith("tissue")]
    _, components = ndimage.label(tissue.labels > 0)
    assert components < tissue.labels.max()


def test_seed_decides_and_images_do_not_depend_on_their_number(images) -> None:
    fewer = simulate_nuclei(n_images=3, shape_YX=(120, 150), seed=2)
    other = simulate_nuclei(n_images=3, shape_YX=(120, 150), seed=3)
    for a, b, c in zip(images[:3], fewer, other, strict=True):
        assert a.image.tobytes() == b.image.tobytes()
        assert a.labels.tobytes() == b.labels.tobytes()
        assert a.image.tobytes() != c.image.tobytes()


def test_outline_is_centred_and_coverage_has_its_area() -> None:
    """An ellipse of radius 10 and aspect 2 has area 100π and half axes 14.1 and 7.1; angle π/2 is along y."""
    body = outline(Blob(aspect=2.0), radius=10.0, angle=np.pi / 2)
    assert np.abs(body[:, 0]).max() == pytest.approx(10 * 2**0.5)
    assert np.abs(body[:, 1]).max() == pytest.approx(10 / 2**0.5)
    covered = coverage([body + np.array([20.25, 15.5])], (42, 33))
    assert covered.sum() == pytest.approx(100 * np.pi, rel=0.03)
    y, x = ndimage.center_of_mass(covered)
    assert (y, x) == pytest.approx((20.25, 15.5), abs=0.05)


@pytest.mark.parametrize("wrong", [{"n_images": -1}, {"shape_YX": (4, 40)}, {"seed": -3}])
def test_invalid_arguments_raise(wrong: dict[str, object]) -> None:
    with pytest.raises(SomaNetError):
        simulate_nuclei(**({"n_images": 1, "shape_YX": (40, 48), "seed": 0} | wrong))
