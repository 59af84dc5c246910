"""One movie in several OME-TIFF files: with the metadata in a companion, and in a folder of many such files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.core.problems import FileProblem
from somanet.io.movies import movie_files, movies_in, open_movie, sha256_movie

T, C, Y, X = 13, 2, 23, 37
PIXELS = np.random.default_rng(0).permutation(T * C * Y * X).reshape(T, C, Y, X).astype(np.uint16)
NAMESPACE = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


def write(folder: Path, *, companion: bool, order: str = "XYZCT", lost: int | None = None) -> list[Path]:
    """A file of both channels for every time point."""
    folder.mkdir()
    files = [folder / f"run_{t:02}.ome.tif" for t in range(T)]
    blocks = "".join(
        f'<TiffData FirstT="{t}" IFD="0" PlaneCount="{C if order == "XYZCT" else 1}">'
        f'<UUID FileName="{file.name}">urn:uuid:{t}</UUID></TiffData>'
        + (
            f'<TiffData FirstT="{t}" FirstC="1" IFD="1" PlaneCount="1"><UUID FileName="{file.name}">urn:uuid:{t}</UUID>'
            "</TiffData>"
            if order != "XYZCT"
            else ""
        )
        for t, file in enumerate(files)
        if t != lost
    )
    image = (
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="{order}" Type="uint16" SizeX="{X}" SizeY="{Y}" '
        f'SizeC="{C}" SizeZ="1" SizeT="{T}" PhysicalSizeX="0.65" PhysicalSizeY="0.65" TimeIncrement="600">'
        f'<Channel ID="Channel:0:0" Name="DAPI"/><Channel ID="Channel:0:1" Name="GFP"/>{blocks}</Pixels></Image>'
    )
    if companion:
        (folder / "run.companion.ome").write_text(f"<OME {NAMESPACE}>{image}</OME>")
    for t, file in enumerate(files):
        inside = '<BinaryOnly MetadataFile="run.companion.ome" UUID="urn:uuid:c"/>' if companion else image
        xml = f'<?xml version="1.0" encoding="UTF-8"?><OME {NAMESPACE} UUID="urn:uuid:{t}">{inside}</OME>'
        tifffile.imwrite(file, PIXELS[t], description=xml, metadata=None, photometric="minisblack")
    return files


@pytest.mark.parametrize("order", ["XYZCT", "XYTCZ"])
def test_a_companion_and_each_of_its_files(tmp_path: Path, order: str) -> None:
    files = write(tmp_path / "set", companion=True, order=order)
    companion = tmp_path / "set/run.companion.ome"
    for path in (companion, files[0], files[7]):
        with open_movie(path, channel="GFP") as movie:
            assert (movie.n_frames, movie.shape_YX, movie.n_channels) == (T, (Y, X), C)
            np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[:, 1])
            scale = movie.file_calibration
            assert (scale.pixel_size_um, scale.frame_interval_min) == (0.65, 10)
            assert set(movie.files) == {companion, *files} == set(movie_files(path))
    assert len({sha256_movie(path) for path in (companion, *files)}) == 1
    before = sha256_movie(companion)
    tifffile.imwrite(files[5], PIXELS[0], photometric="minisblack")
    assert sha256_movie(companion) != before


@pytest.mark.parametrize("companion", [False, True])
def test_a_folder_of_thirteen_files_is_one_movie(tmp_path: Path, companion: bool) -> None:
    files = write(tmp_path / "set", companion=companion)
    (found,) = movies_in(tmp_path / "set")
    assert set(movie_files(found)) >= set(files)
    with open_movie(found, channel=0) as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[:, 0])


def test_what_is_missing(tmp_path: Path) -> None:
    files = write(tmp_path / "a", companion=True, lost=4)
    with pytest.raises(FileProblem, match=r"files of all 26 planes \(13 time points, 2 channels, 1 planes\), found 24"):
        open_movie(files[0])
    files = write(tmp_path / "b", companion=True)
    files[3].unlink()
    with pytest.raises(
        FileProblem, match=r"run_03\.ome\.tif: no such file; expected a file of the movie run\.companion"
    ):
        open_movie(files[0])
    (tmp_path / "b/run.companion.ome").unlink()
    with pytest.raises(FileProblem, match=r"metadata are in run\.companion\.ome, which is missing"):
        open_movie(files[0])


@pytest.mark.parametrize("name", ["../secret.tif", "/etc/passwd", "", ".."])
def test_no_file_outside_the_folder_is_opened(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a", companion=True)
    companion = tmp_path / "a/run.companion.ome"
    companion.write_text(companion.read_text().replace("run_03.ome.tif", name))
    with pytest.raises(FileProblem, match="in its own folder, found one named"):
        open_movie(companion)


def test_pixels_within_the_xml(tmp_path: Path) -> None:
    pixels = '<Pixels SizeX="2" SizeY="2" SizeC="1" SizeT="1" SizeZ="1"><BinData/></Pixels>'
    xml = f'<OME {NAMESPACE}><Image ID="I:0">{pixels}</Image></OME>'
    (tmp_path / "a.ome.xml").write_text(xml)
    with pytest.raises(FileProblem, match=r"pixels within the XML.*Bio-Formats"):
        open_movie(tmp_path / "a.ome.xml")


def test_positions_of_one_file(tmp_path: Path) -> None:
    """Each has its own size, channels and scale, by its name or its number."""
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for name, pixels, um in (("A1", PIXELS[:, 0], 0.5), ("B2", PIXELS[:4, :, 1:], 0.65)):
            axes = "TYX" if pixels.ndim == 3 else "TCYX"
            scale = {"PhysicalSizeX": um, "PhysicalSizeY": um, "PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
            named = {} if axes == "TYX" else {"Channel": {"Name": ["DAPI", "GFP"]}}
            tiff.write(pixels, photometric="minisblack", metadata={"axes": axes, "Name": name, **scale, **named})
    with pytest.raises(FileProblem, match=r"2 positions or series: 0 \(A1\), 1 \(B2\)\. .*--position"):
        open_movie(path)
    for chosen in ("B2", "1", 1):  # by its name or number, it is the same one
        with open_movie(path, position=chosen, channel="GFP") as movie:
            assert movie.position == "B2"
    with open_movie(path, position="A1") as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[:, 0])
        assert movie.file_calibration.pixel_size_um == 0.5
    with open_movie(path, position=1, channel="GFP") as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), PIXELS[:4, 1, 1:])
        assert movie.file_calibration.pixel_size_um == 0.65
