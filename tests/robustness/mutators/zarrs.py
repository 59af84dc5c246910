"""Changes to the metadata of zarr arrays, and to weights whose hash is made to fit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.robustness.mutators.base import INTEGERS, WORDS, Unfit, hostile_value
from tests.robustness.mutators.texts import _json, _places, _write_json

KEYS = {"shape", "chunk_shape", "chunks", "data_type", "dtype", "fill_value", "codecs", "compressor", "filters",
        "dimension_names",
        "scale", "axes", "datasets", "path", "multiscales", "unit", "name", "chunk_grid", "order", "zarr_format",
        "node_type", "attributes",
        "_ARRAY_DIMENSIONS", "separator", "configuration", "chunk_key_encoding", "geff", "directed", "min",
        "max"}  # fmt: skip


def value(path: Path, rng: Random) -> None:
    """What zarr and OME-Zarr give a meaning becomes something else."""
    content = _json(path)
    places = [(holder, key) for holder, key in _places(content) if key in KEYS]
    if not places:
        raise Unfit
    holder, key = rng.choice(places)
    holder[key] = rng.choice((
        lambda: hostile_value(rng), lambda: ["t", "y"], lambda: ["t", "c", "z", "y", "x", "q"], lambda: ["x"] * 3,
        lambda: "../../..",
        lambda: "float64", lambda: "complex128", lambda: "object", lambda: "|S5", lambda: "bool", lambda: "int64",
        lambda: [{"name": "y"}] * 3,
        lambda: [{"name": "zstd"}], lambda: {"id": "blosc", "cname": "x"}, lambda: [1e308, 1e308, 1e308], lambda: [0,
        0, 0], lambda: [-1.0] * 3,
        lambda: "meter", lambda: rng.choice(WORDS),
    ))()  # fmt: skip
    _write_json(path, content)


def shape(path: Path, rng: Random) -> None:
    """Another shape, or chunks of another size; sometimes the names of another number of axes."""
    content = _json(path)
    if not isinstance(content, dict) or "shape" not in content:
        raise Unfit
    sizes = content["shape"]
    if not isinstance(sizes, list) or not sizes:
        raise Unfit
    where: Any = sizes
    if rng.random() < 0.4:
        where = (
            content.get("chunks") or content.get("chunk_grid", {}).get("configuration", {}).get("chunk_shape") or sizes
        )
    if not isinstance(where, list) or not where:
        raise Unfit
    where[rng.randrange(len(where))] = rng.choice((*INTEGERS, 10**6, 10**10, 1.5, "5"))
    if rng.random() < 0.2:
        where.append(rng.choice((0, 1, 5)))
    if rng.random() < 0.2:
        attributes = content.setdefault("attributes", {})
        if isinstance(attributes, dict):
            attributes["_ARRAY_DIMENSIONS"] = rng.choice(
                (["y", "x"], [], ["t", "y", "x", "x"], "tyx", 3, ["y", "y", "y"])
            )
    _write_json(path, content)


def _header(data: bytes) -> tuple[dict[str, Any], bytes]:
    size = int.from_bytes(data[:8], "little")
    try:
        return json.loads(data[8 : 8 + size]), data[8 + size :]
    except ValueError as error:
        raise Unfit from error


def _write_weights(path: Path, data: bytes) -> None:
    """With the hash that the checkpoint's config.json records, as a forger would."""
    path.write_bytes(data)
    config = path.with_name("config.json")
    if config.is_file():
        content = _json(config)
        if isinstance(content, dict) and isinstance(content.get("weights"), dict):
            content["weights"]["sha256"] = hashlib.sha256(data).hexdigest()
            _write_json(config, content)


def weights_header(path: Path, rng: Random) -> None:
    """The header's length, its JSON, or the type, shape or place of a tensor."""
    data = path.read_bytes()
    header, body = _header(data)
    how = rng.randrange(4)
    if how == 0:
        data = (rng.choice(INTEGERS) & (2**64 - 1)).to_bytes(8, "little") + data[8:]
    elif how == 1:
        text = rng.choice((b"{}", b"[]", b"x", b"", b"{" * 1000, b'{"a": 1}', b"null", rng.randbytes(100)))
        data = len(text).to_bytes(8, "little") + text + body
    elif how == 2:
        data = rng.choice(
            (data[:100], b"", data[: 8 + int.from_bytes(data[:8], "little")], b"\x80\x04" + data, body, data + b"x")
        )
    else:
        names = [name for name in header if isinstance(header[name], dict) and "shape" in header[name]]
        if not names:
            raise Unfit
        one = header[rng.choice(names)]
        key = rng.choice(("dtype", "shape", "data_offsets"))
        one[key] = rng.choice(
            ("F64", "I8", "BF16", "X", [], [0], [2**40], [0, 2**40], [5, 1], [1, 1, 1, 1], "x", None, 3)
        )
        text = json.dumps(header).encode()
        data = len(text).to_bytes(8, "little") + text + body
    _write_weights(path, data)


def weights_values(path: Path, rng: Random) -> None:
    """One weight or all of them NaN, infinite or huge, in a valid file."""
    data = bytearray(path.read_bytes())
    _header(bytes(data))
    start = 8 + int.from_bytes(data[:8], "little")
    values = np.frombuffer(bytes(data[start:]), "<f4").copy() if (len(data) - start) % 4 == 0 else None
    if values is None or not values.size:
        raise Unfit
    new = rng.choice((np.nan, np.inf, -np.inf, 3e38))
    if rng.random() < 0.3:
        values[:] = new
    else:
        values[[rng.randrange(values.size) for _ in range(rng.choice((1, 1000)))]] = new
    _write_weights(path, bytes(data[:start]) + values.tobytes())
