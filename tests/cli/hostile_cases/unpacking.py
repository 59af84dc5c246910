"""A few kilobytes that unpack to gigabytes, with a declared size that is small."""

from __future__ import annotations

import bz2
import json
import lzma
import os
import pickle
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import geff
import h5py
import imagecodecs
import numcodecs
import numpy as np

from tests.cli.hostile import page, tiff_pages, zarr_array
from tests.cli.hostile_cases.base import CONVERT, PREDICT, Cases, case

CASES: Cases = {}
MEASURE = "tracks measure t.h5 --output out --pixel-size-um 1 --frame-interval-min 5"
_BYTES = 3 << 30
"""What each unpacks to, or more."""
_PIECE = 1 << 24


def deflate() -> bytes:
    """Blocks that begin anew, so that one of them can be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(bytes(_PIECE)) + packer.flush(zlib.Z_FULL_FLUSH)) * (_BYTES // _PIECE)


def zstandard() -> bytes:
    """A frame without its size (RFC 8878, 3.1.1): blocks that repeat one byte 131072 times, in 4 bytes each."""
    block = struct.pack("<I", (1 << 17) << 3 | 1 << 1)[:3] + b"\0"
    return b"\x28\xb5\x2f\xfd\0\x58" + block * (_BYTES >> 17)


_PACKERS: dict[str, Callable[[], bytes]] = {
    "zlib": lambda: b"\x78\x9c" + deflate(),
    "gzip": lambda: b"\x1f\x8b\x08" + bytes(7) + deflate(),
    "bz2": lambda: bz2.compress(bytes(_PIECE)) * (_BYTES // _PIECE),
    "lzma": lambda: lzma.compress(bytes(1 << 28)) * (_BYTES >> 28),
    "zstd": zstandard,
    "lz4": lambda: struct.pack("<I", 2**31 - 1) + imagecodecs.lz4_encode(bytes(1 << 28)),
    "blosc": lambda: numcodecs.blosc.compress(bytes(1 << 28), b"zstd", 9),
}
"""By numcodecs' name of the codec."""


@cache
def packed(codec: str) -> bytes:
    return _PACKERS[codec]()


WORDS = r"m\.zarr: frame 0 of 3 cannot be decoded \(compressed data unpack to more"
LARGE = (3, 1024, 1024)
"""So that the stored bytes are within what such an array may have."""


def zarr_two(folder: Path, codec: str, *, as_filter: bool = False) -> None:
    how = {"filters": [{"id": codec}], "compressor": None} if as_filter else {"compressor": {"id": codec}}
    (zarr_array(folder / "m.zarr", shape=list(LARGE), chunks=list(LARGE), **how) / "0.0.0").write_bytes(packed(codec))


def zarr_three(folder: Path, codec: str, *, shard: bool = False) -> None:
    named = codec if codec in ("gzip", "zstd", "blosc") else f"numcodecs.{codec}"
    packing: list[dict[str, Any]] = [{"name": "bytes"}, {"name": named, "configuration": SETTINGS.get(codec, {})}]
    data = packed(codec)
    if shard:  # three inner chunks, of which the index at the end has offsets and lengths; each is the same bytes
        index = struct.pack("<6Q", *[0, len(data)] * 3)
        data += index
        inner = {"chunk_shape": [1, *LARGE[1:]], "codecs": packing, "index_codecs": [{"name": "bytes"}]}
        packing = [{"name": "sharding_indexed", "configuration": inner}]
    array = {
        "zarr_format": 3, "node_type": "array", "shape": LARGE, "data_type": "uint8", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": LARGE}}, "attributes": {},
        "codecs": packing,
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    }  # fmt: skip
    place = folder / "m.zarr" / "c" / "0" / "0" / "0"
    place.parent.mkdir(parents=True)
    place.write_bytes(data)
    (folder / "m.zarr" / "zarr.json").write_text(json.dumps(array))


SETTINGS: dict[str, dict[str, object]] = {
    "gzip": {"level": 1},
    "zstd": {"level": 1, "checksum": False},
    "blosc": {"typesize": 1, "cname": "zstd", "clevel": 5, "shuffle": "noshuffle", "blocksize": 0},
}
for codec in _PACKERS:
    CASES[f"a chunk of zarr 2 that unpacks to gigabytes: {codec}"] = (
        (lambda folder, codec=codec: zarr_two(folder, codec)), PREDICT.format("m.zarr"), WORDS,
    )  # fmt: skip
    CASES[f"a chunk of zarr 3 that unpacks to gigabytes: {codec}"] = (
        (lambda folder, codec=codec: zarr_three(folder, codec)), PREDICT.format("m.zarr"), WORDS,
    )  # fmt: skip
for codec in ("gzip", "zstd"):
    CASES[f"a chunk in a shard that unpacks to gigabytes: {codec}"] = (
        (lambda folder, codec=codec: zarr_three(folder, codec, shard=True)), PREDICT.format("m.zarr"), WORDS,
    )  # fmt: skip
    CASES[f"a filter of zarr 2 that unpacks to gigabytes: {codec}"] = (
        (lambda folder, codec=codec: zarr_two(folder, codec, as_filter=True)), PREDICT.format("m.zarr"), WORDS,
    )  # fmt: skip


@case(CASES, "an OME-Zarr with a chunk that unpacks to gigabytes", PREDICT.format("m.zarr"), WORDS)
def _(folder: Path) -> None:
    zarr_three(folder, "zstd")
    (folder / "m.zarr").rename(folder / "0")
    (folder / "m.zarr").mkdir()
    (folder / "0").rename(folder / "m.zarr" / "0")
    axes = [{"name": name, "type": "time" if name == "t" else "space"} for name in "tyx"]
    scales = [{"type": "scale", "scale": [1, 1, 1]}]
    image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scales}]}
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"version": "0.5", "multiscales": [image]}}}
    (folder / "m.zarr" / "zarr.json").write_text(json.dumps(group))


@case(CASES, "a zarr whose chunks are Python objects", PREDICT.format("m.zarr"), "found 'pickle', which is not read")
def _(folder: Path) -> None:
    zarr_array(folder / "m.zarr", dtype="|O", compressor=None, filters=[{"id": "vlen-utf8"}, {"id": "pickle"}])
    (folder / "m.zarr" / "0.0.0").write_bytes(pickle.dumps(3))


@case(
    CASES, "a GEFF with a chunk that unpacks to gigabytes", CONVERT.format("t.geff"), r"t\.geff: .*unpack to more than"
)
def _(folder: Path) -> None:
    names = ("t", "y", "x")
    units = {"t": {"type": "time", "unit": "minute"}}
    axes = [{"name": name, **units.get(name, {"type": "space", "unit": "micrometer"})} for name in names]
    about = geff.GeffMetadata(directed=True, axes=axes, node_props_metadata={}, edge_props_metadata={})
    values = {name: {"values": np.arange(3.0), "missing": None} for name in names}
    nodes, edges = np.arange(3, dtype=np.uint64), np.array([[0, 1], [1, 2]], np.uint64)
    geff.core_io.write_arrays(folder / "t.geff", nodes, values, edges, {}, about, zarr_format=2)
    place = folder / "t.geff" / "nodes" / "props" / "y" / "values"
    array = json.loads((place / ".zarray").read_text(encoding="utf-8"))
    (place / ".zarray").write_text(json.dumps(array | {"compressor": {"id": "zstd"}, "filters": None}))
    (place / "0").write_bytes(zstandard()[: 1 << 16])


@case(CASES, "HDF5 with a chunk that unpacks to gigabytes", MEASURE, r"t\.h5: .*unpack to more than")
def _(folder: Path) -> None:
    with h5py.File(folder / "t.h5", "w") as table:
        shape = (1000, 3)
        array = table.create_dataset("tracks/obj_type_1/tracks", shape, "<i4", chunks=shape, compression="gzip")
        array.id.write_direct_chunk((0, 0), packed("zlib"))
        for name in ("map", "LBEPR"):
            table[f"tracks/obj_type_1/{name}"] = np.zeros((1, 6), np.int32)
        table["objects/obj_type_1/coords"] = np.zeros((1, 5))


def btrack(folder: Path, *, bounds: list[list[int]], points: int = 3) -> None:
    """Tracks as btrack writes them: a track is a range of a list of points."""
    with h5py.File(folder / "t.h5", "w") as table:
        of_tracks = {"tracks": np.arange(points), "map": np.array(bounds), "LBEPR": np.zeros((len(bounds), 6), int)}
        for name, array in of_tracks.items():
            table.create_dataset(f"tracks/obj_type_1/{name}", data=array, chunks=array.shape, compression="gzip")
        table["objects/obj_type_1/coords"] = np.arange(5.0 * points).reshape(points, 5)


for kind, ranges in (
    ("backwards", [[0, -1]] * 2000),
    ("over 2⁶³ points", [[-(2**62), 2**62]] * 4),
    ("beyond the end", [[0, 9]]),
):
    CASES[f"HDF5 whose tracks lie {kind}"] = (
        (lambda folder, ranges=ranges: btrack(folder, bounds=ranges, points=200_000 if len(ranges) > 1 else 3)),
        MEASURE, "expected tracks that lie within the",
    )  # fmt: skip


@case(CASES, "HDF5 of which a group leads to a pipe", MEASURE, "expected btrack's array objects/obj_type_1/coords")
def _(folder: Path) -> None:
    btrack(folder, bounds=[[0, 3]])
    os.mkfifo(folder / "pipe.h5")
    with h5py.File(folder / "t.h5", "a") as table:
        del table["objects"]
        table["objects"] = h5py.ExternalLink("pipe.h5", "/objects")


@case(CASES, "HDF5 of which tracks lie in another file", MEASURE, "expected btrack.s array tracks")
def _(folder: Path) -> None:
    btrack(folder, bounds=[[0, 3]])
    (folder / "t.h5").rename(folder / "other.h5")
    with h5py.File(folder / "t.h5", "w") as table:
        table.create_group("tracks")["obj_type_1"] = h5py.ExternalLink("other.h5", "/tracks/obj_type_1")


# TIFF


def tiff(compression: int, data: bytes) -> bytes:
    """A page of 64 × 96 whose one strip is these bytes."""

    def head(offset: int) -> bytes:
        return tiff_pages(page(compression=compression, t273=(4, [offset]), t279=(4, [len(data)])))

    return head(len(head(0))) + data


SMALL = np.zeros((64, 96), np.uint8)
_HUGE = struct.pack(">II", 150_000, 150_000)
"""The size that pictures declare, in place of what they were made with."""


def declared(data: bytes, place: int, size: bytes = _HUGE) -> bytes:
    return data[:place] + size + data[place + len(size) :]


def jpeg() -> bytes:
    data = imagecodecs.jpeg8_encode(SMALL)
    return declared(data, data.index(b"\xff\xc0") + 5, b"\xff\xdc\xff\xdc")


def jpeg_2000() -> bytes:
    data = imagecodecs.jpeg2k_encode(SMALL)
    return declared(data, data.index(b"\xff\x4f\xff\x51") + 8)


def jpeg_xr() -> bytes:
    data = imagecodecs.jpegxr_encode(SMALL)
    start = data.index(b"WMPHOTO\0")
    short = data[start + 10] & 0x80
    return declared(data, start + 12, struct.pack(">HH" if short else ">II", 60000, 60000))


for name, compression, make, words in (
    ("Deflate", 8, lambda: packed("zlib"), r"a\.tif"),
    ("Zstandard", 50000, lambda: packed("zstd"), r"a\.tif"),
    ("LZMA", 34925, lambda: packed("lzma"), ""),
    ("PackBits", 32773, lambda: b"\x81\0" * (1 << 20), r"a\.tif"),
    ("PNG", 34933, lambda: declared(imagecodecs.png_encode(SMALL), 16), "declares 150000 × 150000"),
    ("JPEG", 7, jpeg, "declares 65500 × 65500"),
    ("JPEG 2000", 34712, jpeg_2000, "declares 150000 × 150000"),
    ("JPEG XR", 34934, jpeg_xr, "declares 60001 × 60001"),
    (
        "WebP", 50001, lambda: imagecodecs.webp_encode(np.zeros((12000, 12000, 3), np.uint8)),
        "declares 12000 × 12000",
    ),
    ("JPEG XL", 50002, lambda: imagecodecs.jpegxl_encode(SMALL), "found JPEGXL"),
    ("LERC", 34887, lambda: declared(imagecodecs.lerc_encode(SMALL), 14, struct.pack("<ii", 60000, 60000)), "60000"),
    ("LERC without a header", 34887, lambda: b"Lerc1", r"a\.tif"),
):  # fmt: skip

    def _(folder: Path, compression: int = compression, make: Callable[[], bytes] = make) -> None:
        (folder / "a.tif").write_bytes(tiff(compression, make()))

    CASES[f"a TIFF with a strip of {name} that unpacks to gigabytes"] = _, PREDICT.format("a.tif"), words
