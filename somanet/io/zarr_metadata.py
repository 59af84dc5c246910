"""Zarr metadata, checked before a library reads them: sizes of arrays and chunks, and files that are none."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from somanet.core.documents import parse_json
from somanet.core.foreign import check_kind, file_bytes
from somanet.core.limits import ARCHIVE_FILES, CHUNK_BYTES, CHUNKS, FRAMES, JSON_BYTES, Limit
from somanet.core.problems import FileProblem
from somanet.io.bounded_decoding import BOUNDED

METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
_LARGEST_ITEM = 16
"""Bytes of a value whose data type is not one of NumPy's names."""
_MOST_AXES = 8
_CODECS = BOUNDED | {
    "adler32", "astype", "bitround", "bytes", "crc32", "crc32c", "delta", "endian", "fixedscaleoffset", "fletcher32",
    "jenkins_lookup3", "packbits", "quantize", "sharding_indexed", "shuffle", "transpose", "vlen-bytes", "vlen-utf8",
}  # fmt: skip
"""What may have made a chunk: nothing that runs code (pickle), or unpacks without a bound."""
_CHUNK = re.compile(r"(?:c\.)?\d+(?:\.\d+)*")
_SMALL_CHUNK = 1 << 16
"""Bytes of a stored chunk that unpack to little, whatever was declared."""


def check_zarr(folder: Path, *, longest_axis: Limit = FRAMES) -> None:
    """Refuse a zarr folder that declares more than can be read, or holds pipes or devices, on which zarr would wait.

    Args:
        folder: the zarr folder.
        longest_axis: the limit of each axis of its arrays.

    Raises:
        FileProblem: too many files, an axis or a chunk that is too large, metadata that are not JSON, or a folder that
            is a link.
    """
    n_files, sharded, decoded = 0, False, 0
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            if Path(place, name).is_symlink():
                what = "folder" if name in folders else "file"
                raise FileProblem(
                    f"{Path(place, name)}: expected a {what} of a zarr folder, found a link, which could lead "
                    f"anywhere. Copy the {what} there.",
                    "missing",
                )
        n_files += len(names)
        ARCHIVE_FILES.check(n_files, folder)
        for name in sorted(names, key=lambda name: name not in METADATA):  # what is declared first
            path = Path(place, name)
            check_kind(path, "a file of a zarr folder")
            if name in METADATA:
                text = file_bytes(path, "metadata of zarr", JSON_BYTES)
                for array in _arrays(parse_json(text, path, "metadata of zarr")):
                    _check_array(array, path, longest_axis)
                    sharded |= _inner_chunk(array) != grid_of(array)
                    decoded = max(decoded, math.prod(grid_of(array)) * max(_item_bytes(array), _LARGEST_ITEM))
            else:
                stored = path.stat().st_size
                if not sharded:  # of a shard, zarr reads parts
                    CHUNK_BYTES.check(stored, path, declared="a stored chunk")
                if decoded and _CHUNK.fullmatch(name) and stored > 1.1 * decoded + _SMALL_CHUNK:
                    raise FileProblem(
                        f"{path}: expected a chunk of up to {decoded} bytes, found {stored}. Is it damaged? Write the "
                        "array anew.",
                        "too large",
                    )


def _arrays(metadata: Any) -> Iterator[dict[str, Any]]:
    """Every declaration of an array, those in consolidated metadata included."""
    if isinstance(metadata, dict):
        if "shape" in metadata and ("chunks" in metadata or "chunk_grid" in metadata):
            yield metadata
        for value in metadata.values():
            yield from _arrays(value)


def _check_array(array: dict[str, Any], path: Path, longest_axis: Limit) -> None:
    shape = _sizes(array["shape"], path)
    for size in shape:
        longest_axis.check(size, path, declared="an array of zarr")
    grid = _sizes(grid_of(array), path)
    chunk = _sizes(_inner_chunk(array), path)
    if len(chunk) != len(shape):
        raise FileProblem(f"{path}: the chunks have {len(chunk)} axes, the array {len(shape)}. Is it damaged?")
    CHUNK_BYTES.check(math.prod(chunk) * _item_bytes(array), path, declared="a chunk of zarr")
    sharding = _sharding(array.get("codecs"))
    names = _codec_names(array)
    if unknown := sorted({name for name in names if name not in _CODECS}):
        raise FileProblem(
            f"{path}: expected chunks compressed by {', '.join(sorted(BOUNDED))}, found {', '.join(unknown)[:80]!r}, "
            "which is not read. Write the array anew with one of those.",
        )
    if len(compressors := [name for name in names if name in BOUNDED]) > 1:
        raise FileProblem(
            f"{path}: expected chunks that are compressed once, found {', '.join(compressors)[:80]}, which could "
            "unpack to any size. Write the array anew.",
            "too large",
        )
    if sharding is not None and _sharding(sharding.get("codecs")) is not None:
        raise FileProblem(f"{path}: expected chunks in the shards of a zarr array, found shards. Write it anew.")
    if grid != chunk:
        CHUNKS.check(n_chunks(grid, chunk), path, declared="a shard of zarr")
    if len(shape) <= 2:  # of more axes, the movie knows which are those of a frame
        CHUNKS.check(n_chunks(shape, chunk), path, declared="an array of zarr")


def n_chunks(shape: Sequence[int], chunk: Sequence[int]) -> int:
    """The number of chunks that a part of an array has, stored or not: each is looked for when it is read."""
    return math.prod(-(-size // max(length, 1)) for size, length in zip(shape, chunk, strict=False))


def grid_of(array: dict[str, Any]) -> Any:
    """The shape of the stored chunks, or shards."""
    if "chunks" in array:
        return array["chunks"]
    grid = array["chunk_grid"]
    configuration = grid.get("configuration") if isinstance(grid, dict) else None
    return configuration.get("chunk_shape") if isinstance(configuration, dict) else None


def _inner_chunk(array: dict[str, Any]) -> Any:
    """The shape of what is decoded at once: of a shard, its inner chunks."""
    sharding = _sharding(array.get("codecs"))
    return grid_of(array) if sharding is None else sharding.get("chunk_shape")


def _sharding(codecs: Any) -> dict[str, Any] | None:
    """The configuration of shards, if the codecs make some."""
    for codec in codecs if isinstance(codecs, list) else ():
        if isinstance(codec, dict) and codec.get("name") == "sharding_indexed":
            configuration = codec.get("configuration")
            return configuration if isinstance(configuration, dict) else {}
    return None


def _codec_names(array: dict[str, Any]) -> list[str]:
    """The names of all that made a chunk: zarr 2's filters and compressor, zarr 3's codecs, and those in shards."""
    sharding = _sharding(array.get("codecs")) or {}
    parts = [array.get("filters"), [array.get("compressor")], array.get("codecs")]
    parts += [sharding.get("codecs"), sharding.get("index_codecs")]
    codecs = [codec for part in parts if isinstance(part, list) for codec in part if codec is not None]
    named = [codec.get("id", codec.get("name")) if isinstance(codec, dict) else codec for codec in codecs]
    return [str(name).removeprefix("numcodecs.") for name in named]


def _sizes(values: Any, path: Path) -> list[int]:
    if (
        not isinstance(values, list)
        or len(values) > _MOST_AXES
        or not all(isinstance(value, int) and value >= 0 for value in values)
    ):
        raise FileProblem(
            f"{path}: expected the shape of an array and of its chunks, up to {_MOST_AXES} whole numbers each, found "
            f"{str(values)[:80]}. Is it damaged?"
        )
    return values


def _item_bytes(array: dict[str, Any]) -> int:
    try:
        return max(int(np.dtype(array.get("data_type", array.get("dtype"))).itemsize), 1)
    except (TypeError, ValueError, SyntaxError):
        return _LARGEST_ITEM
