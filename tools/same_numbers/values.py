"""The numbers in a result file as named arrays, their hashes, and their differences."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray
from safetensors.numpy import load_file

Values = NDArray[Any]

TIMES = re.compile(r"seconds|_per_s$")
"""JSON keys that differ between any two runs."""


def read_parts(path: Path) -> dict[str, Values]:
    """Every named array of a file: columns, tensors, the pixels, the members of an archive, the numbers of a JSON file.

    A column is numeric if each of its cells is a number or empty, else text. In JSON only numbers count, as its text is
    messages, names and hashes; lists of numbers are one array, other keys are joined by dots.

    Raises:
        ValueError: the suffix is unknown.
    """
    if path.suffix == ".csv":
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
        return {str(name): _column(table[name]) for name in table.columns}
    if path.suffix == ".json":
        return dict(_numbers(json.loads(path.read_text(encoding="utf-8")), ""))
    if path.suffix == ".safetensors":
        return dict(load_file(path))
    if path.suffix == ".tif":
        return {"pixels": np.asarray(tifffile.imread(path))}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return {name: np.frombuffer(archive.read(name), np.uint8) for name in archive.namelist()}
    raise ValueError(f"{path}: files of this kind hold no numbers that can be read")


def digest(values: Values) -> str:
    """SHA-256 of an array's type, shape and content; every NaN counts as the same."""
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)
    content = json.dumps(values.tolist()).encode() if values.dtype.kind == "O" else values.tobytes()
    return hashlib.sha256(f"{values.dtype.str} {values.shape} ".encode() + content).hexdigest()


def describe(before: Values, after: Values) -> str:
    """The difference between two arrays of different hashes, as text."""
    if before.shape != after.shape:
        return f"{_size(before)} → {_size(after)}"
    if before.dtype != after.dtype:
        return f"{_kind(before)} → {_kind(after)}"
    differs = before != after
    if before.dtype.kind == "f":
        differs &= ~(np.isnan(before) & np.isnan(after))
    if not differs.any():
        return "the same values in other bits, as -0 and 0 are"
    distances = distance(before, after)
    place = np.unravel_index(int(np.argmax(distances)), before.shape)
    change = _change(before[place], after[place])
    if before.ndim == 0:
        return change
    where = f"row {place[0]}" if before.ndim == 1 else f"place {', '.join(map(str, place))}"
    return f"{int(differs.sum())} of {differs.size} differ, most at {where}: {change}"


def distance(before: Values, after: Values) -> NDArray[np.float64]:
    """Absolute difference of each pair of values; infinite where only one is a number, or where texts differ."""
    if before.dtype.kind not in "biuf":
        return np.where(before != after, np.inf, 0.0)
    one, other = before.astype(np.float64), after.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.where(one == other, 0.0, np.abs(one - other))
    return np.where(np.isnan(one) & np.isnan(other), 0.0, np.where(np.isnan(apart), np.inf, apart))


def _column(cells: pd.Series) -> Values:
    numbers = pd.to_numeric(cells.where(cells != "", "nan"), errors="coerce")
    if (numbers.isna() & ~cells.str.lower().isin(["", "nan"])).any():
        return cells.to_numpy(object)
    return numbers.to_numpy(np.float64)


def _numbers(value: Any, name: str) -> Iterator[tuple[str, Values]]:
    if TIMES.search(name):
        return
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _numbers(one, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        if value and all(_is_number(one) for one in value):
            yield name, np.array(value, np.float64)
        else:
            for index, one in enumerate(value):
                yield from _numbers(one, f"{name}.{index}")
    elif _is_number(value):
        yield name, np.array(value, np.float64)


def _is_number(value: Any) -> bool:
    """Whether a JSON value is a number, a boolean, or the null that stands for NaN."""
    return value is None or isinstance(value, int | float)


def _size(values: Values) -> str:
    return " × ".join(map(str, values.shape)) + " values" if values.ndim else "one value"


def _kind(values: Values) -> str:
    return "text" if values.dtype.kind == "O" else str(values.dtype)


def _change(before: Any, after: Any) -> str:
    """Two values that differ: nine digits of each, or all digits where nine look alike."""
    if isinstance(before, str):
        return f"{before!r} → {after!r}"
    short, now = f"{before:.9g}", f"{after:.9g}"
    return f"{short} → {now}" if short != now else f"{before!s} → {after!s}"
