"""What a file declares is read as its format defines it, and checked before anything is decoded."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Literal

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from somanet.core.limits import TABLE_ROWS
from somanet.core.problems import FileProblem
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.sources import _directory_bytes
from somanet.io.datasets.writers import write_pairs
from somanet.io.declared_size import check_decoded_size, jpeg_size, open_tiff, png_pixels, png_size
from somanet.io.images import write_labels
from somanet.io.movies import open_movie
from somanet.io.zarr_metadata import check_zarr
from tests.worlds import scene

Y, X = 23, 37
GREY = np.arange(Y * X, dtype=np.uint8).reshape(Y, X)
RGB = np.stack([GREY, GREY + 1, GREY + 2], axis=-1)


@pytest.mark.parametrize(
    "image", [GREY, RGB, RGB.astype(np.uint16), np.dstack([RGB, GREY])], ids=["grey", "RGB", "16", "A"]
)
def test_a_png_declares_its_decoded_size(image: np.ndarray) -> None:
    assert png_size(bytes(imagecodecs.png_encode(image))) == (Y, X, image.nbytes)


@pytest.mark.parametrize("image", [GREY, RGB], ids=["grey", "RGB"])
def test_a_jpeg_declares_its_decoded_size(image: np.ndarray) -> None:
    """Also behind a comment, and behind fill bytes."""
    data = bytes(imagecodecs.jpeg8_encode(image))
    comment = b"\xff\xff\xff\xfe" + struct.pack(">H", 2 + 3) + b"abc"
    for changed in (data, data[:2] + comment + data[2:]):
        assert jpeg_size(changed) == (Y, X, image.nbytes)


def test_texts_of_a_png_do_not_reach_the_decoder() -> None:
    data = bytes(imagecodecs.png_encode(RGB))
    text = b"Comment\0\0" + zlib.compress(b"x" * 1000)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    assert png_pixels(data[:33] + chunk + data[33:]) == data


def test_the_ratio_binds_above_64_mb_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """65 MB are 68,157,440 bytes: 1,099 times 62,000 of them, which zlib could reach, and 1,155 times 59,000."""
    monkeypatch.setenv("SOMANET_MAX_IMAGE_PIXELS", str(1 << 26))
    check_decoded_size(8192, 8192, 64 << 20, stored=1, source="a")
    check_decoded_size(8192, 8192, 65 << 20, stored=62_000, source="a")
    with pytest.raises(
        FileProblem, match=r"stored in 59000 bytes, has 1155 bytes per stored byte.*IMAGE_RATIO=1155"
    ) as error:
        check_decoded_size(8192, 8192, 65 << 20, stored=59_000, source="a")
    assert error.value.kind == "too large"
    with pytest.raises(FileProblem, match=r"declares 0 × 7 pixels"):
        check_decoded_size(0, 7, 0, stored=9, source="a")


def test_the_limit_of_pixels_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, GREY)
    data = buffer.getvalue()
    monkeypatch.setenv("SOMANET_MAX_IMAGE_PIXELS", str(Y * X - 1))
    with pytest.raises(FileProblem, match=f"SOMANET_MAX_IMAGE_PIXELS={Y * X}"):
        open_tiff(io.BytesIO(data), "a.tif")
    monkeypatch.setenv("SOMANET_MAX_IMAGE_PIXELS", str(Y * X))
    open_tiff(io.BytesIO(data), "a.tif").close()


def test_a_zip_declares_the_size_of_its_directory(tmp_path: Path) -> None:
    """Each of its entries has 46 bytes and its name, here of 5."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(7):
            archive.writestr(f"{number}.tif", b"x")
        archive.comment = b"a comment"
    assert _directory_bytes(path, path.stat().st_size) == 7 * (46 + 5)
    path.write_bytes(b"no zip")
    assert _directory_bytes(path, 6) == 0


def test_of_a_shard_the_inner_chunk_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of 4 × 23 × 37 bytes, chunks of 23 × 37: the latter are decoded."""
    monkeypatch.setenv("SOMANET_MAX_CHUNK_BYTES", str(Y * X))
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(8, Y, X), chunks=(1, Y, X), shards=(4, Y, X), dtype="uint8")[
        :
    ] = 1
    check_zarr(tmp_path / "a.zarr")
    zarr.create_array(str(tmp_path / "b.zarr"), shape=(8, Y, X), chunks=(2, Y, X), dtype="uint8")
    with pytest.raises(FileProblem, match=f"a chunk of zarr has {2 * Y * X} bytes"):
        check_zarr(tmp_path / "b.zarr")


def test_the_length_of_an_axis_is_bounded_by_what_it_counts(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(100_001,), chunks=(10,), dtype="uint8")
    with pytest.raises(FileProblem, match="100001 frames, more than the 100000 allowed"):
        check_zarr(tmp_path / "a.zarr")
    check_zarr(tmp_path / "a.zarr", longest_axis=TABLE_ROWS)
    metadata = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text(encoding="utf-8"))
    (tmp_path / "a.zarr" / "zarr.json").write_text(json.dumps(metadata | {"shape": "x"}))
    with pytest.raises(FileProblem, match="expected the shape of an array"):
        check_zarr(tmp_path / "a.zarr")


def test_ids_up_to_the_largest_are_counted(tmp_path: Path) -> None:
    """Ids of 2³¹ − 1 and less become 1, 2, … in their order; small ones stay as they are."""
    item = scene("a")
    write_pairs(tmp_path / "set", [item])
    large = np.where(item.labels > 0, 2**31 - 3 + item.labels.astype(np.int64), 0)
    write_labels(tmp_path / "set" / "labels" / "a.tif", large)
    np.testing.assert_array_equal(open_dataset(tmp_path / "set").load("a").labels, item.labels)
    write_labels(tmp_path / "set" / "labels" / "a.tif", item.labels * 1000)
    np.testing.assert_array_equal(open_dataset(tmp_path / "set").load("a").labels, item.labels * 1000)


def shared_strip(path: Path, n_pages: int, side: int, n_bytes: int) -> None:
    """Pages of ``side`` × ``side`` grey levels that all point to one compressed strip."""
    strip = zlib.compress(bytes(side * side), 9).ljust(n_bytes, b"\0")
    tags = ((256, side), (257, side), (258, 8), (259, 8), (262, 1), (273, 8), (277, 1), (278, side), (279, n_bytes))
    offset, pages = 8 + n_bytes, []
    for number in range(n_pages):
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        after = offset + 2 + len(entries) + 4
        pages.append(struct.pack("<H", len(tags)) + entries + struct.pack("<I", after if number < n_pages - 1 else 0))
        offset = after
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + n_bytes) + strip + b"".join(pages))


def test_pages_that_share_one_strip_are_counted_as_a_movie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 pages of 64 MiB, each in 66 kB: every page is possible, all of them are not in one such strip."""
    monkeypatch.setenv("SOMANET_MAX_IMAGE_PIXELS", str(1 << 26))
    shared_strip(tmp_path / "m.tif", 20, 8192, 66_000)
    size = (tmp_path / "m.tif").stat().st_size
    ratio = 20 * 8192**2 // size
    with pytest.raises(FileProblem, match=rf"1\.3 GB, stored in {size} bytes, .*MOVIE_RATIO={ratio}") as caught:
        open_movie(tmp_path / "m.tif")
    assert caught.value.kind == "too large"
    monkeypatch.setenv("SOMANET_MAX_MOVIE_RATIO", str(ratio))
    with open_movie(tmp_path / "m.tif") as movie:
        assert len(movie) == 20
    shared_strip(tmp_path / "few.tif", 16, 8192, 66_000)
    monkeypatch.delenv("SOMANET_MAX_MOVIE_RATIO")
    with open_movie(tmp_path / "few.tif") as movie:  # 1 GiB: nothing to be afraid of
        assert len(movie) == 16


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_array_of_missing_chunks_is_counted(tmp_path: Path, zarr_format: int) -> None:
    array = zarr.create_array(
        str(tmp_path / "m.zarr"), shape=(90_000, 4000, 4000), chunks=(1, 4000, 4000), dtype="uint8",
        zarr_format=zarr_format,
    )  # fmt: skip
    with pytest.raises(FileProblem, match="none of its 90000 chunks is stored"):
        open_movie(tmp_path / "m.zarr")
    with pytest.raises(FileProblem, match=r"1440\.0 GB, stored in \d+ bytes, .*MOVIE_RATIO"):
        open_movie(tmp_path / "m.zarr", labels=True)
    array[:1] = 1
    array[-1:] = 1
    with pytest.raises(FileProblem, match="MOVIE_RATIO"):
        open_movie(tmp_path / "m.zarr")


def test_a_sparse_label_movie_is_no_bomb(tmp_path: Path) -> None:
    """One object in every frame: 70 chunks of 16 MiB, stored in a few hundred bytes each, that count 4 kB: 4096:1."""
    array = zarr.create_array(
        str(tmp_path / "m.zarr"), shape=(70, 2048, 2048), chunks=(1, 2048, 2048), dtype="int32"
    )  # fmt: skip
    for t in range(70):
        array[t, :9, :9] = 1 + t
    with open_movie(tmp_path / "m.zarr") as movie:
        assert len(movie) == 70


def test_a_file_with_a_gap_of_gigabytes_is_not_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "m.tif", np.ones((2, 5, 7), np.uint8))
    with (tmp_path / "m.tif").open("r+b") as file:
        file.truncate(2 << 30)
    ratio = (2 << 30) // (2 * 5 * 7)
    with pytest.raises(FileProblem, match=rf"a movie of 70 bytes, in files of 2\.1 GB.*STORED_RATIO={ratio}"):
        open_movie(tmp_path / "m.tif")
    monkeypatch.setenv("SOMANET_MAX_STORED_RATIO", str(ratio))
    with open_movie(tmp_path / "m.tif") as movie:
        assert len(movie) == 2


@pytest.mark.parametrize("shards", [None, (2, 400, 300)])
def test_a_frame_of_single_pixels_is_refused(tmp_path: Path, shards: tuple[int, ...] | None) -> None:
    """120,000 chunks of a frame, none of them stored; 240,000 of a shard."""
    array = zarr.create_array(
        str(tmp_path / "m.zarr"), shape=(2, 400, 300), chunks=(1, 1, 1), shards=shards, dtype="uint8"
    )
    assert array.shape == (2, 400, 300)
    number, what = (240_000, "a shard of zarr") if shards else (120_000, "a frame")
    with pytest.raises(FileProblem, match=rf"{what} has {number} chunks.*MAX_CHUNKS={number}"):
        open_movie(tmp_path / "m.zarr")


def test_shards_in_shards_are_refused(tmp_path: Path) -> None:
    inner = zarr.codecs.ShardingCodec(chunk_shape=(1, 5, 7))
    outer = zarr.codecs.ShardingCodec(chunk_shape=(1, 5, 7), codecs=[inner])
    zarr.create(store=str(tmp_path / "m.zarr"), shape=(2, 5, 7), chunks=(2, 5, 7), dtype="uint8", codecs=[outer])
    with pytest.raises(FileProblem, match="expected chunks in the shards of a zarr array, found shards"):
        open_movie(tmp_path / "m.zarr")


def test_pixels_beyond_float32_are_refused(tmp_path: Path) -> None:
    """Infinite as what networks take; sums of their squares overflow, too."""
    frames = np.ones((2, 5, 7))
    frames[1, 2, 3] = -1e300
    tifffile.imwrite(tmp_path / "m.tif", frames)
    with open_movie(tmp_path / "m.tif") as movie:
        assert movie.frame(0).shape == (5, 7)
        with pytest.raises(FileProblem, match=r"frame 1: expected pixels up to 3\.4e\+38, found larger ones, 1 of 35"):
            movie.frame(1)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_chunk_that_holds_far_more_than_declared_is_not_unpacked(tmp_path: Path, zarr_format: int) -> None:
    frames = np.arange(70, dtype=np.uint8).reshape(2, 5, 7)
    array = zarr.create_array(
        str(tmp_path / "m.zarr"), shape=frames.shape, chunks=(1, 5, 7), dtype="uint8", zarr_format=zarr_format
    )
    array[:] = frames
    with open_movie(tmp_path / "m.zarr") as movie:
        assert np.array_equal(movie.frame(1), frames[1])
    chunk = tmp_path / "m.zarr" / ("1.0.0" if zarr_format == 2 else "c/1/0/0")
    chunk.write_bytes(zlib.compress(bytes(1 << 28), 9))  # 261 kB of 256 MB
    with pytest.raises(FileProblem, match="expected a chunk of up to 560 bytes, found 2"):
        open_movie(tmp_path / "m.zarr")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_that_is_compressed_twice_or_leads_elsewhere(tmp_path: Path, zarr_format: Literal[2, 3]) -> None:
    """Compression of what is compressed makes kilobytes of gigabytes; a link is a file of somewhere else."""
    whole = tmp_path / "whole.zarr"
    array = zarr.create_array(whole, shape=(3, 8, 9), chunks=(1, 8, 9), dtype="uint16", zarr_format=zarr_format)
    array[:] = np.arange(216).reshape(3, 8, 9)
    check_zarr(whole)
    metadata = whole / ("zarr.json" if zarr_format == 3 else ".zarray")
    text = metadata.read_text()
    about = json.loads(text)
    if zarr_format == 3:
        about["codecs"] += [{"name": "gzip", "configuration": {"level": 9}}] * 2
    else:
        about["filters"] = [{"id": "gzip", "level": 9}, {"id": "bz2", "level": 9}]
    metadata.write_text(json.dumps(about))
    with pytest.raises(FileProblem, match="expected chunks that are compressed once"):
        check_zarr(whole)
    metadata.write_text(text)
    [chunk, *_] = (
        path for path in sorted(whole.rglob("*")) if path.is_file() and path != metadata and path.name[0] != "."
    )
    chunk.rename(tmp_path / "elsewhere")
    chunk.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileProblem, match="expected a file of a zarr folder, found a link"):
        check_zarr(whole)
