"""DeepCell's tracks (`.trk`): a tar archive of the images, the masks and the lineages of one movie.

The format, as deepcell-tracking writes it: `raw.npy` (TYXC), `tracked.npy` (TYX1, value = track) and `lineage.json`, an
object with one entry per track: ``label``, ``frames``, ``parent``, ``daughters``, ``frame_div``, ``capped``. A `.trks`
has several movies and `lineages.json`. Neither DeepCell's code nor its weights are used.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from somanet.core.calibration import Calibration
from somanet.core.documents import parse_json
from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.core.limits import FRAMES, HARMLESS_MOVIE_BYTES, JSON_BYTES, MOVIE_RATIO
from somanet.core.problems import FileProblem
from somanet.core.schema import PARENT, check_tracks
from somanet.io.declared_size import check_pixels
from somanet.io.decoding import as_labels
from somanet.io.npy_members import Header, copy_numbers, npy_bytes, read_header
from somanet.io.tar_members import tar_members
from somanet.tracking.ctc import complete_labels
from somanet.tracking.detections import Labels, detect_cells
from somanet.tracking.linking import as_tracks
from somanet.tracking.raw import Given, ImageFacts, TracksFile, check_same_movie
from somanet.tracking.relabel import relabel_movie

EXPECTED = "a .trk file of DeepCell (raw.npy, tracked.npy, lineage.json)"
RAW, MASKS, LINEAGE, LINEAGES = "raw.npy", "tracked.npy", "lineage.json", "lineages.json"
_WHOLE = 10
"""Digits of a track's number."""


class TrkMasks(Sequence[NDArray[np.int32]]):
    """The masks of a `.trk` file, read on demand: a sequence of YX int32, value = track."""

    def __init__(self, array_TYX: NDArray[np.generic], source: Path) -> None:
        """Take the masks as stored."""
        self._array, self._source = array_TYX, source

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, t):  # type: ignore[no-untyped-def]
        """Frame ``t``."""
        return as_labels(np.asarray(self._array[t]), f"{self._source}, frame {t}")


@dataclass(frozen=True)
class TrkFile:
    """One movie of DeepCell.

    Attributes:
        masks: YX label images, value = track.
        lineage: what the file says of each track.
        shape_YX: of a frame.
    """

    masks: TrkMasks
    lineage: dict[int, dict[str, Any]]
    shape_YX: tuple[int, int]


@contextmanager
def open_trk(path: Path) -> Iterator[TrkFile]:
    """Open a `.trk` file; its masks lie in a temporary file until the block ends.

    Raises:
        SomaNetError: another archive, one with several movies, with links or places outside of itself, with Python
            objects, or with arrays of other axes or sizes than it declares.
    """
    with TemporaryDirectory(prefix="somanet-trk-") as folder:
        headers, array, lineage = _unpacked(path, Path(folder))
        n_frames, shape = _check_axes(headers[MASKS], path, MASKS)
        if _check_axes(headers[RAW], path, RAW) != (n_frames, shape):
            raise FileProblem(
                f"{path}: the images are {headers[RAW].shape}, the masks {headers[MASKS].shape}; expected the same "
                "frames (TYXC and TYX1). Are both of one movie?"
            )
        masks = TrkMasks(array.reshape(n_frames, *shape), path)
        try:
            yield TrkFile(masks, _lineage(lineage, path), shape)
        finally:
            del masks, array  # Windows deletes no file that is mapped


def _unpacked(path: Path, folder: Path) -> tuple[dict[str, Header], NDArray[np.generic], Any]:
    """The headers of both arrays, the masks in a file of this folder, and the lineage as it stands there."""
    headers: dict[str, Header] = {}
    array: NDArray[np.generic] | None = None
    lineage: Any = None
    with tar_members(path, EXPECTED) as members:
        stored = path.stat().st_size
        for member in members:
            name = LINEAGE if member.name == LINEAGES else member.name
            if name in headers or (name == LINEAGE and lineage is not None):
                raise FileProblem(f"{path}: expected {EXPECTED}, found two members {member.name}. Which one is right?")
            if name == LINEAGE:
                JSON_BYTES.check(member.size, path, declared=member.name)
                lineage = parse_json(member.read(member.size), f"{path}, {member.name}", "the lineages of DeepCell")
            elif name in (RAW, MASKS):
                headers[name] = header = read_header(member, path)
                if header.n_bytes > HARMLESS_MOVIE_BYTES:
                    declared = f"{member.name} of {header.n_bytes / 1e9:.1f} GB, in a file of {stored} bytes,"
                    MOVIE_RATIO.check(header.n_bytes // max(stored, 1), path, declared=declared)
                if name == MASKS:
                    _check_axes(header, path, MASKS)
                    array = copy_numbers(member, header, folder / MASKS)
    if lacking := [name for name in (RAW, MASKS) if name not in headers] + [LINEAGE] * (lineage is None):
        raise FileProblem(f"{path}: expected {EXPECTED}, found none of {lacking}. Is it another archive?")
    assert array is not None
    return headers, array, lineage


def _check_axes(header: Header, path: Path, name: str) -> tuple[int, tuple[int, int]]:
    """Frames, and the shape of one, of an array TYXC, TYX, or BTYXC with a single movie."""
    shape = header.shape
    several = len(shape) == 5
    if several and shape[0] != 1:
        raise FileProblem(
            f"{path}: expected the .trk of one movie, found {shape[0]} movies in {name} (BTYXC). Save each as a .trk "
            "of its own."
        )
    axes = shape[1:] if several else shape
    usual = len(axes) == 4 and (name == RAW or axes[3] == 1)
    if not (usual or (len(axes) == 3 and axes[2] > 1)):
        wanted = "TYX1" if name == MASKS else "TYXC"
        raise FileProblem(
            f"{path}: expected {name} with the axes {wanted}, found the shape {shape}. Is it an image, or are its axes "
            "in another order?"
        )
    FRAMES.check(axes[0], path, declared=name)
    check_pixels(axes[1], axes[2], path)
    if not axes[0]:
        raise FileProblem(f"{path}: expected a movie, found no frames in {name}. Is it complete?")
    return axes[0], (axes[1], axes[2])


def _lineage(content: Any, path: Path) -> dict[int, dict[str, Any]]:
    """The entries of the tracks by number, each checked for its types."""
    if isinstance(content, list):
        if len(content) != 1:
            raise FileProblem(
                f"{path}: expected the lineages of one movie, found those of {len(content)}. Save each movie as a .trk "
                "of its own."
            )
        content = content[0]
    if not isinstance(content, dict):
        raise FileProblem(f"{path}: expected an object of tracks in {LINEAGE}, found {type(content).__name__}.")
    found: dict[int, dict[str, Any]] = {}
    for key, entry in content.items():
        lists = [entry.get(name, []) for name in ("frames", "daughters")] if isinstance(entry, dict) else [None]
        parent = entry.get("parent") if isinstance(entry, dict) else None
        whole = all(isinstance(one, list) and all(map(_is_number, one)) for one in lists)
        whole = whole and (parent is None or _is_number(parent))
        label = entry.get("label", int(key) if _is_digits(key) else None) if isinstance(entry, dict) else None
        if not (whole and _is_digits(key) and _is_number(label) and label == int(key)):
            raise FileProblem(
                f"{path}: expected the track {str(key)[:20]!r} in {LINEAGE} with its label, frames, daughters and "
                f"parent as whole numbers, found {str(entry)[:60]}. Was it edited?"
            )
        found[int(key)] = entry
    return found


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _WHOLE


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**_WHOLE


def read_trk(path: Path, calibration: Calibration, given: Given) -> TracksFile:
    """Read the tracks of a `.trk` file.

    Positions are those of the masks; the lineages give the mothers, and must agree with the masks.

    Returns:
        Tracks as from :func:`somanet.tracking.linking.link_cells`, without intensities; ``label`` is the value in the
        masks.

    Raises:
        SomaNetError: as for :func:`open_trk`, lineages that contradict the masks or themselves, or another movie than
            the one given.
    """
    with open_trk(path) as opened:
        image = ImageFacts(len(opened.masks), opened.shape_YX)
        check_same_movie(image, given, str(path))
        detections = detect_cells(opened.masks)
        lineage = opened.lineage
    seen = {int(str(label)): set(rows["frame"].tolist()) for label, rows in detections.groupby("label")}
    for label in sorted(set(seen) | set(lineage)):
        masks, listed = seen.get(label, set()), set(lineage.get(label, {}).get("frames", ()))
        if differs := sorted(masks ^ listed):
            where = "in the masks, not in the lineage" if differs[0] in masks else "in the lineage, not in the masks"
            raise SomaNetError(f"{path}: track {label} of frame {differs[0]} is {where}. Do they belong together?")
    mothers = {}
    for label, entry in lineage.items():
        mother = entry.get("parent")
        if not mother or not seen.get(label):
            continue
        if mother == label or not seen.get(mother) or max(seen[mother]) >= min(seen[label]):
            raise SomaNetError(
                f"{path}: track {label} has the parent {mother}, which does not end before it. Correct the lineage."
            )
        if label not in lineage[mother].get("daughters", ()):
            raise SomaNetError(
                f"{path}: track {label} has the parent {mother}, of whose daughters it is none. Correct the lineage."
            )
        mothers[label] = mother
    for label, entry in lineage.items():
        for daughter in entry.get("daughters", ()):
            if mothers.get(daughter) != label:
                raise SomaNetError(
                    f"{path}: track {label} has the daughter {daughter}, whose parent it is not. Correct the lineage."
                )
    tracks = as_tracks(detections, detections["label"].to_numpy(np.int64), calibration)
    if mothers:
        tracks[PARENT.name] = tracks["track_id"].map(mothers).astype("Int64")
    return TracksFile(check_tracks(tracks, str(path)), calibration, "deepcell", image)


def write_trk(
    path: Path | str, frames: Sequence[NDArray[np.generic]], labels: Iterable[Labels], tracks: pd.DataFrame
) -> None:
    """Write a `.trk` file; the same content gives the same bytes, and one frame is in memory at a time.

    Args:
        path: ends in .trk.
        frames: YX images of the movie.
        labels: YX label images, value = track id, one at a time.
        tracks: ``schema.TRACKS`` columns.

    Raises:
        SomaNetError: frames, labels and tracks do not belong together, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".trk":
        raise SomaNetError(f"Cannot write {path}: expected the suffix .trk, by which DeepCell knows its files.")
    rows = check_tracks(tracks, "The tracks")
    first = np.asarray(frames[0])
    shape = (len(frames), *first.shape, 1)
    dtype = first.dtype.newbyteorder("<") if first.dtype.kind in "uif" else np.dtype("<f4")
    masks = _of_shape(relabel_movie(complete_labels(labels, rows), rows.assign(label=rows["track_id"])), shape, path)
    images = _of_shape((np.asarray(frames[t]) for t in range(len(frames))), shape, path)
    with (
        atomic_path(path) as temporary,
        temporary.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        text = json.dumps(_lineage_of(rows), indent=4).encode()
        _add(archive, LINEAGE, len(text), iter([text]))
        _add(archive, RAW, *npy_bytes(images, shape, dtype))
        _add(archive, MASKS, *npy_bytes(masks, shape, np.dtype("<i4")))
        next(masks, None)  # a surplus frame is refused here


def _lineage_of(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    frames = {int(str(cell)): sorted(own["frame"].tolist()) for cell, own in rows.groupby("track_id")}
    mothers: dict[int, int] = {}
    if PARENT.name in rows:
        born = rows.dropna(subset=[PARENT.name]).drop_duplicates("track_id")
        mothers = dict(zip(born["track_id"].astype(int), born[PARENT.name].astype(int), strict=True))
    daughters = {
        cell: sorted(one for one, mother in mothers.items() if mother == cell) for cell in set(mothers.values())
    }
    return {
        str(cell): {
            "label": cell,
            "frames": frames[cell],
            "parent": mothers.get(cell),
            "daughters": daughters.get(cell, []),
            "frame_div": min((frames[one][0] for one in daughters.get(cell, ())), default=None),
            "capped": cell in daughters,
        }
        for cell in sorted(frames)
    }


def _of_shape(images: Iterable[np.ndarray], shape: tuple[int, ...], path: Path) -> Iterator[np.ndarray]:
    count = 0
    for image in images:
        if count == shape[0] or image.shape != shape[1:3]:
            raise SomaNetError(
                f"Cannot write {path}: expected {shape[0]} frames of {shape[1]} × {shape[2]} px, found frame {count} "
                f"of {' × '.join(map(str, image.shape))}. Are movie and labels of the same cells?"
            )
        count += 1
        yield image
    if count < shape[0]:
        raise SomaNetError(f"Cannot write {path}: expected labels of {shape[0]} frames, found {count}. Are they cut?")


def _add(archive: tarfile.TarFile, name: str, size: int, parts: Iterator[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    archive.addfile(info, io.BufferedReader(_Parts(parts)))


class _Parts(io.RawIOBase):
    """Pieces of bytes as a file that is read once."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        super().__init__()
        self._parts, self._rest = parts, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the next piece goes."""
        while not len(self._rest):
            part = next(self._parts, None)
            if part is None:
                return 0
            self._rest = memoryview(part)
        n_bytes = min(len(buffer), len(self._rest))
        buffer[:n_bytes], self._rest = self._rest[:n_bytes], self._rest[n_bytes:]
        return n_bytes
