"""Files that are not what their names say: the real reason, and a way out."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.core.problems import FileProblem
from somanet.io.file_kinds import describe_kind
from somanet.io.images import read_image
from somanet.io.movies import open_movie

PIXELS = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)


def written(kind: str) -> bytes:
    """A small file of a kind, written by the library that everybody uses for it."""
    import gzip
    import zipfile

    import cv2
    import h5py
    import scipy.io

    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a.tif", "pixels")
    elif kind == "npy":
        np.save(buffer, PIXELS)
    elif kind == "mat":
        scipy.io.savemat(buffer, {"a": PIXELS})
    elif kind == "h5":
        with h5py.File(buffer, "w") as file:
            file["a"] = PIXELS
    elif kind == "gz":
        return gzip.compress(b"pixels")
    else:
        return cv2.imencode(f".{kind}", PIXELS)[1].tobytes()
    return buffer.getvalue()


KINDS = [
    (b"<!DOCTYPE html>\n<html><head>", "a web page. Its address led to a page"),
    (b"\xef\xbb\xbf  <!-- saved -->\n<HTML lang='de'>", "a web page"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "a Git LFS pointer, .*git lfs pull"),
    (b"frame,t_h\n0,0\n1,0.2\n", "a text that starts with 'frame,t_h'"),
    ("Größe in µm: 0,65\n".encode(), "a text that starts with 'Größe"),
    (b"<?xml version='1.0'?><OME/>", "an XML text"),
    (bytes(600), "zeros alone.*interrupted"),
    (b"\x00\x01\x02\x99" * 200, r"a file that starts with b'\\x00\\x01"),
    *((kind, words) for kind, words in (("zip", "a zip archive"), ("npy", "a NumPy array"), ("mat", "a MATLAB file"))),
    *((kind, words) for kind, words in (("h5", "an HDF5 file"), ("gz", "a gzip archive"), ("bmp", "a Windows bitmap"))),
]


@pytest.mark.parametrize(("content", "words"), KINDS)
def test_what_is_called_a_tiff(tmp_path: Path, content: bytes | str, words: str) -> None:
    for name in ("a.tif", "a.stk"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else written(content))
        with pytest.raises(FileProblem, match=rf"expected a TIFF, found {words}") as caught:
            open_movie(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileProblem, match=rf"expected a PNG, TIFF or JPEG image, found {words}"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(("kind", "suffix"), [("png", ".png"), ("jpg", ".jpg")])
def test_an_image_by_a_wrong_name_opens_by_the_right_one(tmp_path: Path, kind: str, suffix: str) -> None:
    (tmp_path / "a.tif").write_bytes(written(kind))
    with pytest.raises(FileProblem, match=rf"Give it the suffix \{suffix}"):
        open_movie(tmp_path / "a.tif")
    (tmp_path / "a.tif").rename(tmp_path / f"a{suffix}")
    assert read_image(tmp_path / f"a{suffix}").shape == PIXELS.shape


@pytest.mark.parametrize("suffix", [".nd2", ".czi", ".lif", ".avi", ".mp4", ".mov", ".mkv"])
def test_a_web_page_by_a_microscope_s_name(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(b"<html><body>Please log in</body></html>")
    with pytest.raises(SomaNetError, match=f"expected {suffix[1:].upper()}, found a web page"):
        open_movie(tmp_path / f"a{suffix}")


def test_pixels_are_no_text() -> None:
    assert describe_kind(np.random.default_rng(0).integers(0, 255, 520, dtype=np.uint8).tobytes()) is None
    assert describe_kind(b"") is None
