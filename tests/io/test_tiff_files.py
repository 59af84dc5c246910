"""A movie of several files: all are read, hashed and protected, and none is looked for outside its folder."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from somanet.analysis.source import MovieSource
from somanet.core.errors import SomaNetError
from somanet.core.guard import guarded
from somanet.core.hashing import sha256_file
from somanet.core.problems import FileProblem
from somanet.io.movies import movie_files, movies_in, open_movie, sha256_movie
from tests.cli.hostile import run_limited

T, Y, X = 4, 23, 37
FRAMES = np.arange(T * Y * X, dtype=np.uint16).reshape(T, Y, X)
OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:0-first">
<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="{x}" SizeY="{y}" SizeC="1"
SizeZ="1" SizeT="4"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>
<TiffData FirstT="0" IFD="0" PlaneCount="2"><UUID FileName="{own}">urn:uuid:0-first</UUID></TiffData>
<TiffData FirstT="2" IFD="0" PlaneCount="2"><UUID FileName="{other}">urn:uuid:0-second</UUID></TiffData>
</Pixels></Image></OME>"""


def write_set(folder: Path, other: str = "b.ome.tif") -> Path:
    """Frames 0 and 1 in `a.ome.tif`, 2 and 3 in the file that its metadata name; that is written by the caller."""
    folder.mkdir(exist_ok=True)
    first = folder / "a.ome.tif"
    xml = OME.format(x=X, y=Y, own=first.name, other=other)
    tifffile.imwrite(first, FRAMES[:2], description=xml, metadata=None, photometric="minisblack")
    return first


def write_second(path: Path) -> None:
    tifffile.imwrite(path, FRAMES[2:], metadata=None, photometric="minisblack")


def test_all_files_are_read_hashed_and_protected(tmp_path: Path) -> None:
    first = write_set(tmp_path)
    write_second(tmp_path / "b.ome.tif")
    with guarded(outputs=[tmp_path / "out.csv"]), open_movie(first) as movie:
        np.testing.assert_array_equal(np.stack(list(movie)), FRAMES)
        assert movie.files == (first, tmp_path / "b.ome.tif")
    with (
        guarded(inputs=[first], outputs=[tmp_path / "b.ome.tif"], replace=True),
        pytest.raises(SomaNetError, match=r"b\.ome\.tif is an input of this command"),
    ):
        open_movie(first)
    digest = hashlib.sha256()
    for name in ("a.ome.tif", "b.ome.tif"):
        digest.update(f"{name}\0{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}\n".encode())
    assert sha256_movie(first) == digest.hexdigest()
    assert MovieSource(first, "a", pixel_size_um=1, frame_interval_min=10).describe()["files"] == {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a.ome.tif", "b.ome.tif")
    }
    tifffile.imwrite(tmp_path / "b.ome.tif", FRAMES[2:] + 1, metadata=None, photometric="minisblack")
    assert sha256_movie(first) != digest.hexdigest()


def test_one_file_keeps_its_own_hash(tmp_path: Path) -> None:
    """Also renamed beside a file of its old name: by its identifier, it is the named one itself."""
    tifffile.imwrite(tmp_path / "old.ome.tif", FRAMES, metadata={"axes": "TYX"})
    renamed = shutil.copy(tmp_path / "old.ome.tif", tmp_path / "new.ome.tif")
    assert movie_files(renamed) == (renamed,)
    assert sha256_movie(renamed) == sha256_file(renamed)
    assert "files" not in MovieSource(renamed, "new", pixel_size_um=1, frame_interval_min=10).describe()
    (tmp_path / "no.tif").write_bytes(b"II*\0 no TIFF")
    assert sha256_movie(tmp_path / "no.tif") == sha256_file(tmp_path / "no.tif")


@pytest.mark.parametrize("other", ["{elsewhere}", "../b.ome.tif", "in/b.ome.tif", "..\\b.ome.tif", ".."])
def test_no_file_outside_the_folder_is_opened(tmp_path: Path, other: str) -> None:
    for folder in (tmp_path, tmp_path / "set/in"):
        folder.mkdir(parents=True, exist_ok=True)
        write_second(folder / "b.ome.tif")
    first = write_set(tmp_path / "set", other.format(elsewhere=tmp_path / "b.ome.tif"))
    with pytest.raises(FileProblem, match="expected further files of the movie in its own folder, found one named"):
        open_movie(first)


def test_a_pipe_is_refused_by_every_command(tmp_path: Path) -> None:
    """Reading it would wait for ever."""
    first = write_set(tmp_path / "set")
    os.mkfifo(first.with_name("b.ome.tif"))
    for command in (["predict", str(first), "--output", "out"], ["analyze", str(first), "--output", "out"]):
        done = run_limited(command, tmp_path)
        assert (done.code, done.stdout) == (1, "")
        assert "b.ome.tif is a device or a pipe; expected a further file of the movie" in " ".join(done.stderr.split())
    done = run_limited(["data", "check", "set"], tmp_path)
    assert done.code == 1
    assert "is a device or a pipe" in done.stdout + done.stderr


def test_a_companion_may_be_as_large_as_a_movie_and_no_larger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_set(tmp_path)
    tifffile.imwrite(tmp_path / "b.ome.tif", np.zeros((2, 64, 64), np.uint16), metadata=None, photometric="minisblack")
    monkeypatch.setenv("SOMANET_MAX_IMAGE_PIXELS", "2000")
    with pytest.raises(FileProblem, match=r"b\.ome\.tif: an image of 64 × 64"):
        open_movie(first)


@pytest.mark.parametrize("inside", ["../other", "a/../../other", "/other"])
def test_zarr_metadata_do_not_lead_out_of_the_store(tmp_path: Path, inside: str) -> None:
    zarr.create_array(str(tmp_path / "other"), data=FRAMES, chunks=(1, Y, X))
    scales = [{"axes": [{"name": a} for a in "tyx"], "datasets": [{"path": inside}]}]
    zarr.create_group(str(tmp_path / "m.zarr"), attributes={"ome": {"version": "0.5", "multiscales": scales}})
    with pytest.raises(FileProblem, match="expected an array within the zarr folder, found the path"):
        open_movie(tmp_path / "m.zarr")


def test_a_link_does_not_lead_out_of_the_store(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "other"), data=FRAMES, chunks=(1, Y, X))
    scales = [{"axes": [{"name": a} for a in "tyx"], "datasets": [{"path": "0"}]}]
    zarr.create_group(str(tmp_path / "m.zarr"), attributes={"ome": {"version": "0.5", "multiscales": scales}})
    (tmp_path / "m.zarr/0").symlink_to(tmp_path / "other")
    with pytest.raises(FileProblem, match="found a link"):
        open_movie(tmp_path / "m.zarr")


def test_a_set_in_a_relative_folder_is_one_movie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_second(write_set(tmp_path / "set").with_name("b.ome.tif"))
    monkeypatch.chdir(tmp_path)
    assert movies_in(Path("set")) == [Path("set/a.ome.tif")]


def test_a_missing_file_of_a_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"expected the 2 files .* found b\.ome\.tif missing"):
        open_movie(write_set(tmp_path))
