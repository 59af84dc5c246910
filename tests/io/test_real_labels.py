"""Labels that people and programs made of real images pass the check; spoilt as labs spoil them, they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from somanet.core.problems import FileProblem
from somanet.io.datasets.layouts import open_dataset
from somanet.io.label_checks import check_labels

WILD = (
    "celldetective/labels_effectors/0003.tif",
    "celldetective/sample_labelled.tif",
    "laptrack_hela/example_label.tif",
    "microglia_2p/M1_1d/crop_mask_000.tif",
    "microglia_2p/M1_1d/crop_mask_007.tif",
)


@pytest.fixture(scope="module")
def crops(data_root: Path) -> list[np.ndarray]:
    """Of the transfer-learning set, and of every 40th nucleus image, those of three objects or more."""
    sets = [open_dataset(data_root / name) for name in ("soma/train", "soma/val", "dsb2018/stage1_train.zip")]
    items = [one.load(name) for one in sets for name in one.names[:: 40 if len(one) > 100 else 1]]
    assert {item.doubts for item in items} == {()}
    return [item.labels for item in items if len(np.unique(item.labels)) > 3]


@pytest.mark.parametrize("file", WILD)
def test_labels_of_other_labs_give_no_false_warning(data_root: Path, file: str) -> None:
    path = data_root / "wild" / "movies" / file
    if not path.exists():
        pytest.skip(f"{path} is absent")
    frames = tifffile.imread(path).astype(np.int32)
    for labels in frames.reshape(-1, *frames.shape[-2:]):
        assert check_labels(labels, file).doubts == ()


def test_real_labels_that_were_spoilt_are_refused(crops: list[np.ndarray]) -> None:
    assert len(crops) > 30
    for labels in crops:
        resized = np.round(ndimage.zoom(labels.astype(np.float32), 1.5, order=1)).astype(np.int32)
        for spoilt, kind in (
            ((labels > 0).astype(np.int32), "in pieces"),
            (labels + 1, "inverted"),
            (resized, "interpolated"),
        ):
            with pytest.raises(FileProblem) as caught:
                check_labels(spoilt, "x.tif")
            assert caught.value.kind == kind
        assert check_labels(ndimage.zoom(labels, 1.5, order=0), "x.tif").doubts == ()
