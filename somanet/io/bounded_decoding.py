"""Decompression that stops at the declared size: a few stored kilobytes may unpack to gigabytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import imagecodecs

_DICTIONARY_BYTES = 1 << 28
"""Of LZMA, which takes them before it decodes; its strongest preset has 64 MB."""
_BLOSC_HEADER, _LZ4_HEADER = struct.Struct("<4xIII"), struct.Struct("<I")


class TooLargeError(ValueError):
    """Compressed data unpack to more than was declared."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"compressed data unpack to more than the {limit} bytes declared")


def decode_bounded(codec: str, data: bytes, limit: int, options: Mapping[str, Any] | None = None) -> bytes:
    """Decompress data.

    Args:
        codec: one of :data:`BOUNDED`.
        data: as numcodecs stores them.
        limit: the most bytes that they may unpack to.
        options: how they were compressed, as numcodecs names it; only LZMA needs it.

    Raises:
        TooLargeError: they unpack to more; no more memory than about twice the limit is taken to find out.
        Exception: whatever the library raises on damaged data.
    """
    return _DECODERS[codec](data, limit, options or {})


def _at_most(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise TooLargeError(limit)
    return data


def _zlib(data: bytes, limit: int, _options: Mapping[str, Any]) -> bytes:
    stream = zlib.decompressobj()
    found = _at_most(stream.decompress(data, limit + 1), limit)
    if not stream.eof:
        raise EOFError("the compressed data are cut")
    return found


def _gzip(data: bytes, limit: int, _options: Mapping[str, Any]) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        return _at_most(file.read(limit + 1), limit)


def _bz2(data: bytes, limit: int, _options: Mapping[str, Any]) -> bytes:
    with bz2.BZ2File(io.BytesIO(data)) as file:
        return _at_most(file.read(limit + 1), limit)


def _lzma(data: bytes, limit: int, options: Mapping[str, Any]) -> bytes:
    layout, filters = int(options.get("format", lzma.FORMAT_XZ)), options.get("filters")
    if layout == lzma.FORMAT_RAW:
        if any(int(one.get("dict_size", 0)) > _DICTIONARY_BYTES for one in filters or ()):
            raise TooLargeError(_DICTIONARY_BYTES)
        stream = lzma.LZMADecompressor(layout, filters=filters)
    else:
        stream = lzma.LZMADecompressor(layout, memlimit=_DICTIONARY_BYTES)
    found = _at_most(stream.decompress(data, limit + 1), limit)
    if not stream.eof:
        raise EOFError("the compressed data are cut")
    return found


def _zstd(data: bytes, limit: int, _options: Mapping[str, Any]) -> bytes:
    try:
        return bytes(imagecodecs.zstd_decode(data, out=limit))
    except imagecodecs.ZstdError as error:
        if "too small" in str(error):  # the room for what they unpack to
            raise TooLargeError(limit) from error
        raise


def _blosc(data: bytes, limit: int, _options: Mapping[str, Any]) -> bytes:
    from numcodecs import blosc

    n_bytes, block, _stored = _BLOSC_HEADER.unpack_from(data)
    if max(n_bytes, block) > limit:
        raise TooLargeError(limit)
    return bytes(blosc.decompress(data))


def _lz4(data: bytes, limit: int, _options: Mapping[str, Any]) -> bytes:
    from numcodecs import lz4

    if _LZ4_HEADER.unpack_from(data)[0] > limit:
        raise TooLargeError(limit)
    return bytes(lz4.decompress(data))


_DECODERS: dict[str, Callable[[bytes, int, Mapping[str, Any]], bytes]] = {
    "blosc": _blosc, "bz2": _bz2, "gzip": _gzip, "lz4": _lz4, "lzma": _lzma, "zlib": _zlib, "zstd": _zstd,
}  # fmt: skip
BOUNDED = frozenset(_DECODERS)
"""The codecs that :func:`decode_bounded` knows."""
