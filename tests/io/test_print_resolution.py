"""Resolution tags: a microscope's pixel size, a printer's resolution, or nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError
from somanet.io.movies import open_movie

FRAMES = np.random.default_rng(0).integers(0, 255, (3, 20, 30), dtype=np.uint8)


def calibration(path: Path, per_unit: float, unit: str, **kind: object) -> FileCalibration:
    options = {"metadata": None, "photometric": "minisblack"} | kind
    tifffile.imwrite(path, FRAMES, resolution=(per_unit, per_unit), resolutionunit=unit, **options)
    with open_movie(path) as movie:
        return movie.file_calibration


@pytest.mark.parametrize("dpi", [72, 96, 300, 600, 1200, 2400, 4800])
@pytest.mark.parametrize(("unit", "per_inch"), [("INCH", 1.0), ("CENTIMETER", 2.54)])
def test_a_printer_s_resolution_is_no_scale(tmp_path: Path, dpi: int, unit: str, per_inch: float) -> None:
    found = calibration(tmp_path / "a.tif", dpi / per_inch, unit)
    assert found.pixel_size_um is None
    assert f"{25400 / dpi:.4g} µm per pixel), as of a printer" in found.pixel_note
    with pytest.raises(SomaNetError, match=r"--pixel-size-um was not given\. .*as of a printer"):
        found.complete(frame_interval_min=10)


@pytest.mark.parametrize("um", [0.05, 0.1625, 0.65, 1.0, 1.28, 2.0, 3.45, 4.54, 5.0, 5.3, 6.45, 6.5, 7.4, 10.0, 16.0])
@pytest.mark.parametrize(("unit", "um_per_unit"), [("INCH", 25_400), ("CENTIMETER", 10_000)])
def test_a_microscope_s_is_one(tmp_path: Path, um: float, unit: str, um_per_unit: float) -> None:
    """Pixels of cameras and objectives."""
    found = calibration(tmp_path / "a.tif", um_per_unit / um, unit)
    assert found.pixel_size_um == pytest.approx(um, rel=1e-5)
    assert found.pixel_note == ""


def test_finer_than_light(tmp_path: Path) -> None:
    found = calibration(tmp_path / "a.tif", 1e7, "CENTIMETER")
    assert found.pixel_size_um is None
    assert "0.001 µm per pixel), finer than any microscope's" in found.pixel_note


def test_a_tag_that_nobody_set_is_not_worth_a_word(tmp_path: Path) -> None:
    assert calibration(tmp_path / "a.tif", 1, "INCH") == FileCalibration()


def test_a_unit_of_imagej_is_believed(tmp_path: Path) -> None:
    """Microns are no printer's unit, whatever the number; inches are."""
    imagej = {"imagej": True, "photometric": "minisblack"}
    microns = calibration(tmp_path / "a.tif", 1 / 10.58, "NONE", **imagej, metadata={"axes": "TYX", "unit": "um"})
    assert microns.pixel_size_um == pytest.approx(10.58)
    inches = calibration(tmp_path / "b.tif", 2400, "INCH", **imagej, metadata={"axes": "TYX", "unit": "inch"})
    assert inches.pixel_size_um is None
    assert "2400 pixels per inch" in inches.pixel_note
