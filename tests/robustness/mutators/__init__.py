"""What is done to an input: each mutator changes one file in place, decided by a random generator alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.robustness.mutators import binary, images, names, tables, texts, zarrs, zips
from tests.robustness.mutators.base import Unfit

Mutator = Callable[[Path, Random], Path | None]
"""Returns the new path if it renamed the input, else None. Raises `Unfit` if the file has nothing for it."""

ANY = {
    "bits": binary.flip_bits, "cut": binary.cut, "zeros": binary.zeros, "noise": binary.noise,
    "repeat": binary.repeat_block, "empty": binary.empty, "number": binary.extreme_number, "append": binary.append,
    "text-number": texts.number, "sparse": binary.sparse, "other-kind": binary.other_kind,
}  # fmt: skip
TEXT = {
    "text-number": texts.number, "line": texts.line, "encoding": texts.encoding, "bytes": texts.bad_bytes,
    "word": texts.word, "long-line": texts.long_line, "many-lines": texts.many_lines,
}  # fmt: skip
NAMES = {
    "fifo": names.fifo, "folder": names.folder_instead, "loop": names.loop, "dangling": names.dangling,
    "unreadable": names.unreadable, "rename": names.rename, "remove": names.remove, "device": names.device,
}  # fmt: skip
FOLDER = {
    "file-instead": names.file_instead, "cycle": names.cycle, "deep": names.deep, "hostile-file": names.hostile_file,
    "rename": names.rename, "unreadable": names.unreadable, "folder-empty": names.emptied,
    "dangling": names.dangling, "loop": names.loop,
}  # fmt: skip
JSON = {"json-value": texts.json_value, "json-key": texts.json_key, "json-whole": texts.json_whole}
YAML = {"yaml-value": texts.yaml_value, "yaml-whole": texts.yaml_whole}
XML = {"xml-attribute": texts.xml_attribute, "xml-element": texts.xml_element, "xml-whole": texts.xml_whole}
CSV = {"csv-cell": tables.cell, "csv-column": tables.column, "csv-rows": tables.rows, "csv-whole": tables.whole}
TIFF = {"tiff-tag": images.tiff_tag, "tiff-entry": images.tiff_entry, "tiff-text": images.tiff_text,
        "tiff-offset": images.tiff_offset, "tiff-bomb": images.tiff_bomb}  # fmt: skip
PNG = {"png-header": images.png_header, "png-chunk": images.png_chunk}
JPEG = {"jpeg-size": images.jpeg_size}
ZIP = {"zip-field": zips.field, "zip-entry": zips.entry, "zip-bomb": zips.bomb}
ZARR = {"zarr-value": zarrs.value, "zarr-shape": zarrs.shape}
WEIGHTS = {"weights-header": zarrs.weights_header, "weights-values": zarrs.weights_values}

BY_SUFFIX: dict[str, tuple[dict[str, Mutator], ...]] = {
    ".json": (JSON, TEXT), ".jsonl": (TEXT,), ".yaml": (YAML, TEXT), ".lock": (YAML, TEXT), ".csv": (CSV, TEXT),
    ".xml": (XML, TEXT), ".tif": (TIFF,), ".png": (PNG,), ".jpg": (JPEG,), ".zip": (ZIP,), ".txt": (CSV, TEXT),
    ".safetensors": (WEIGHTS,), ".zattrs": (ZARR, JSON, TEXT), ".zarray": (ZARR, JSON, TEXT), ".zgroup": (JSON, TEXT),
}  # fmt: skip
ALL: dict[str, Mutator] = {
    name: mutator
    for group in (ANY, TEXT, NAMES, FOLDER, JSON, YAML, XML, CSV, TIFF, PNG, JPEG, ZIP, ZARR, WEIGHTS)
    for name, mutator in group.items()
}


def fitting(path: Path) -> list[dict[str, Mutator]]:
    """The groups of mutators for a file or folder, the most specific first."""
    if path.is_dir():
        return [FOLDER]
    kind = path.name if path.name.startswith(".z") else path.suffix
    specific = list(BY_SUFFIX.get(kind, ()))
    if path.name == "zarr.json":
        specific.insert(0, ZARR)
    return [*specific, ANY, NAMES]


__all__ = ["ALL", "FOLDER", "NAMES", "Mutator", "Unfit", "fitting"]
