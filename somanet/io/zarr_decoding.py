"""Zarr arrays of which no chunk decodes to more than it declares."""

from __future__ import annotations

import asyncio
import math
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import zarr
from numcodecs.abc import Codec as Numcodec
from zarr.abc.codec import BytesBytesCodec
from zarr.codecs import ShardingCodec
from zarr.errors import ZarrUserWarning

from somanet.core.limits import TABLE_BYTES
from somanet.io.bounded_decoding import BOUNDED, decode_bounded

_SLACK = 1 << 16
"""Bytes for checksums and the like beside the values of a chunk."""
_WIDEST_ITEM = 16
"""Bytes per value that a filter of zarr 2 may store, whatever the array's data type."""


def bounded(array: zarr.Array[Any]) -> zarr.Array[Any]:
    """The same array, of which a chunk, or a chunk in a shard, that unpacks to more than it declares is an error.

    Args:
        array: of zarr 2 or 3, opened for reading.
    """
    metadata: Any = array.metadata
    if metadata.zarr_format == 2:
        limit = _limit(metadata.chunks, _WIDEST_ITEM if metadata.filters else _item_bytes(metadata.dtype))
        compressor, *filters = (
            _BoundedTwo(codec, limit) if codec is not None and codec.codec_id in BOUNDED else codec
            for codec in (metadata.compressor, *(metadata.filters or ()))
        )
        metadata = replace(metadata, compressor=compressor, filters=filters or None)
    else:
        metadata = replace(metadata, codecs=tuple(map(_bounded_codec, metadata.codecs)))
    return zarr.Array(zarr.AsyncArray(metadata, array.store_path))


def check_chunks(folder: Path) -> None:
    """Decode every chunk of every array of a zarr folder once, for a library that will do it without a bound.

    Raises:
        FileProblem: an array of more bytes than a table may have.
        Exception: whatever zarr raises on damaged data; a chunk that unpacks to more than it declares.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZarrUserWarning)  # of files that are no part of it, such as a record
        members = list(zarr.open_group(str(folder), mode="r").members(max_depth=None))
    for name, array in members:
        if isinstance(array, zarr.Array):
            TABLE_BYTES.check(array.nbytes, folder, declared=name)
            if array.dtype.kind in "biuf":
                bounded(array)[...]


def _bounded_codec(codec: Any) -> Any:
    if isinstance(codec, ShardingCodec):
        return replace(codec, codecs=tuple(map(_bounded_codec, codec.codecs)))
    return _BoundedThree(codec) if isinstance(codec, BytesBytesCodec) and _name(codec) in BOUNDED else codec


def _name(codec: BytesBytesCodec) -> str:
    return str(codec.to_dict()["name"]).removeprefix("numcodecs.")


def _limit(shape: tuple[int, ...], item_bytes: int) -> int:
    return math.prod(shape) * item_bytes + _SLACK


def _item_bytes(dtype: Any) -> int:
    """Bytes per value of zarr's description of a data type."""
    return int(getattr(dtype, "item_size", _WIDEST_ITEM))


@dataclass(frozen=True)
class _BoundedThree(BytesBytesCodec):
    """A compressor of zarr 3; decoding alone is needed."""

    codec: BytesBytesCodec
    is_fixed_size = False

    def to_dict(self) -> Any:
        return self.codec.to_dict()

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        return self.codec.compute_encoded_size(input_byte_length, chunk_spec)

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        limit = _limit(chunk_spec.shape, _item_bytes(chunk_spec.dtype))
        options: Any = self.codec.to_dict().get("configuration")
        data = await asyncio.to_thread(decode_bounded, _name(self.codec), chunk_bytes.to_bytes(), limit, options)
        return chunk_spec.prototype.buffer.from_bytes(data)


class _BoundedTwo(Numcodec):  # type: ignore[misc]
    """A compressor of zarr 2; decoding alone is needed."""

    codec_id = "bounded"

    def __init__(self, codec: Numcodec, limit: int) -> None:
        self.codec_id, self._options, self._limit = codec.codec_id, codec.get_config(), limit

    def encode(self, buf: Any) -> Any:
        raise NotImplementedError

    def decode(self, buf: Any, out: Any = None) -> bytes:
        return decode_bounded(self.codec_id, bytes(buf), self._limit, self._options)

    def get_config(self) -> Any:
        return self._options
