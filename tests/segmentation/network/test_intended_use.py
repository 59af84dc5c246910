"""The intended use of a network, and the factor that brings other somas to its size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from somanet.core.errors import SomaNetError
from somanet.segmentation.inference.rescaling import rescaling_factor
from somanet.segmentation.network.checkpoint import load_checkpoint, read_config, save_checkpoint
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.segmentation.network.settings import ModelSpec
from tests.worlds import bright_network

NUCLEI = IntendedUse(modality="fluorescence", diameter_px=(8, 50))
OTHER = IntendedUse(diameter_px=(20, 90))


def test_the_typical_size_is_the_middle_by_ratio() -> None:
    """8 · 2.5 = 20 and 20 · 2.5 = 50."""
    assert NUCLEI.typical_px == pytest.approx(20)
    assert IntendedUse().typical_px is None


@pytest.mark.parametrize("diameter_px", [(8, 8), (50, 8), (0, 8), (-1, 8), (8,)])
def test_a_range_is_a_range(diameter_px: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        IntendedUse.model_validate({"diameter_px": diameter_px})


def test_a_checkpoint_names_its_intended_use(tmp_path: Path) -> None:
    save_checkpoint(
        tmp_path / "said", bright_network(), ModelSpec(), {"intended_use": NUCLEI.model_dump(mode="json"), "a": 1}
    )
    loaded = load_checkpoint(tmp_path / "said")
    assert loaded.intended_use == NUCLEI
    assert loaded.metadata == {"a": 1}


def test_a_checkpoint_without_intended_use_takes_every_image(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model", bright_network(), ModelSpec(), {})
    assert load_checkpoint(tmp_path / "model").intended_use == IntendedUse()


@pytest.mark.parametrize(("sections", "expected"), [(("serves",), NUCLEI), (("serves", "intended_use"), OTHER)])
def test_the_older_name_of_the_section_is_read_and_yields_to_the_new_one(
    tmp_path: Path, sections: tuple[str, ...], expected: IntendedUse
) -> None:
    values = dict(zip(sections, (NUCLEI, OTHER), strict=False))
    dumped = {name: value.model_dump(mode="json") for name, value in values.items()}
    save_checkpoint(tmp_path / "older", bright_network(), ModelSpec(), {**dumped, "a": 1})
    loaded = load_checkpoint(tmp_path / "older")
    assert loaded.intended_use == expected
    assert loaded.metadata == {"a": 1}
    assert "serves" not in read_config(tmp_path / "older")


@pytest.mark.parametrize(
    ("section", "where"),
    [
        ({"modality": "x-ray"}, "intended_use.modality"),
        ({"modalities": "fluorescence"}, "intended_use.modalities"),
        ({"diameter_px": [50, 8]}, "expected the intended use of its network in intended_use"),
        ("everything", "expected the intended use of its network in intended_use"),
    ],
)
def test_a_section_of_another_kind_is_refused(tmp_path: Path, section: object, where: str) -> None:
    save_checkpoint(tmp_path / "model", bright_network(), ModelSpec(), {})
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps({**config, "intended_use": section}))
    with pytest.raises(SomaNetError, match=where) as caught:
        load_checkpoint(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_the_factor_is_given_or_follows_from_the_diameter() -> None:
    """Somas of 60 px are three times as large as the typical 20 px."""
    assert rescaling_factor(NUCLEI, rescale=None, diameter_px=None) is None  # to be estimated
    assert rescaling_factor(NUCLEI, rescale=0.4, diameter_px=None) == 0.4
    assert rescaling_factor(NUCLEI, rescale=None, diameter_px=60) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("intended_use", "rescale", "diameter_px", "words"),
    [
        (NUCLEI, 0.5, 40.0, "--rescale or --diameter, not both"),
        (IntendedUse(), None, 40.0, "give --rescale FACTOR"),
        (NUCLEI, 0.0, None, r"--rescale 0: expected to rescale images by 0\.05 to 8, found 0\."),
        (NUCLEI, -1.0, None, "found -1"),
        (NUCLEI, 9.0, None, "found 9"),
        (NUCLEI, float("nan"), None, "found nan"),
        (NUCLEI, None, 0.0, "--diameter 0: "),
        (NUCLEI, None, 1000.0, r"found 1000, a factor of 0\.02\."),
    ],
)
def test_a_factor_that_makes_no_sense(
    intended_use: IntendedUse, rescale: float | None, diameter_px: float | None, words: str
) -> None:
    with pytest.raises(SomaNetError, match=words):
        rescaling_factor(intended_use, rescale=rescale, diameter_px=diameter_px)
