"""Open a movie, whatever it is stored in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from somanet.core.documents import parsed_once
from somanet.core.errors import SomaNetError
from somanet.core.extras import require
from somanet.core.foreign import check_kind, parsing
from somanet.core.guard import protect
from somanet.core.limits import FRAMES
from somanet.core.problems import FileProblem
from somanet.io.declared_size import check_movie_size, check_pixels
from somanet.io.file_kinds import READ_BYTES, describe_kind, is_zipped_zarr, zipped_zarr
from somanet.io.images import IMAGE_SUFFIXES
from somanet.io.movie_base import Movie, whole_frames
from somanet.io.movie_layout import Wanted

IMAGE_TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")
"""TIFF that may also be a single image."""
TIFF_SUFFIXES = (*IMAGE_TIFF_SUFFIXES, ".lsm", ".stk")
VIDEO_SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv")
VENDOR_SUFFIXES = {".nd2": "nd2", ".czi": "czi", ".lif": "lif"}
"""Microscopes' own formats → the extra that reads them."""
OME_SUFFIXES = (".ome",)
MOVIE_SUFFIXES = (*TIFF_SUFFIXES, *VIDEO_SUFFIXES, *VENDOR_SUFFIXES, *OME_SUFFIXES, ".zarr")

OTHER_FORMATS = {
    ".ics": "ICS",
    ".ids": "ICS",
    ".ims": "Imaris",
    ".oib": "Olympus OIB",
    ".oif": "Olympus OIF",
    ".oir": "Olympus OIR",
    ".vsi": "Olympus/Evident VSI",
    ".dv": "DeltaVision",
    ".r3d": "DeltaVision",
    ".sld": "SlideBook",
    ".sldy": "SlideBook",
    ".mrc": "MRC",
    ".zvi": "Zeiss ZVI",
    ".lof": "Leica LOF",
    ".xlef": "Leica XLEF",
    ".nd": "MetaMorph's list of files",
    ".gif": "GIF",
    ".wmv": "Windows Media",
    ".webm": "WebM",
}
"""Formats that are not read but by Fiji, by name."""
ARRAYS = {".h5": "HDF5", ".hdf5": "HDF5", ".npy": "NumPy array", ".npz": "NumPy array", ".mat": "MATLAB"}
"""The same of formats that hold arrays without the meaning of their axes."""


def open_movie(
    path: Path | str,
    *,
    channel: int | str | None = None,
    z: int | str | None = None,
    axes: str | None = None,
    position: int | str | None = None,
    allow_truncated: bool = False,
    labels: bool = False,
) -> Movie:
    """Open a movie for reading one frame at a time.

    Args:
        path: a TIFF (plain, ImageJ, OME, Micro-Manager, LSM, STK), AVI, MP4, ND2, CZI or LIF file; a companion OME
            file; a zarr folder (TYX array or OME-Zarr image); a folder of numbered images, or a pattern of their names
            (`folder/img_t*.tif`).
        channel: name or index (from 0) of the channel; required if there are several, RGB included. For a video, red,
            green or blue; without it the grey value.
        z: focal plane (from 0) of a Z stack, or `max` for its maximum projection. Unnamed pages, or an unnamed first
            axis of a bare zarr array, are planes if this is given, else time points.
        axes: what the file's axes mean, where it says otherwise: see :class:`~somanet.io.movie_layout.Wanted`.
        position: name or index (from 0) of the stage position, scene or series, if there are several.
        allow_truncated: also open a truncated TIFF or zarr, as the frames before the cut; the movie is then marked
            ``truncated``.
        labels: the frames are label images, of which a zarr may leave out chunks of background.

    Returns:
        The movie, a context manager. ``file_calibration`` has the scale in the file's metadata.

    Raises:
        FileProblem: missing, truncated or unreadable file; several channels or positions and no choice.
        StackProblem: a Z stack and no choice.
        SomaNetError: the package that reads the format is not installed.
    """
    from somanet.io.movie_series import is_pattern

    path = Path(path)
    check_kind(path, "a movie")
    if not path.exists() and not is_pattern(path):
        raise FileProblem(f"{path}: no such file. Check the path.", "missing")
    wanted = Wanted(channel, z, axes, position)
    with parsing(path, "a movie", remedy="Is it damaged, or another format? Fetch it again."), parsed_once():
        try:
            movie = _open(path, wanted, allow_truncated, labels)
        except FileProblem as problem:
            if problem.kind != "truncated" or not path.is_file():
                raise
            raise FileProblem(f"{problem}{_before_the_cut(path, wanted, labels)}", problem.kind) from problem
    try:
        height, width = movie.shape_YX
        check_pixels(height, width, path)
        FRAMES.check(movie.n_frames, path)
        decoded = movie.n_frames * movie.n_planes * height * width * movie.dtype.itemsize
        check_movie_size(decoded, movie.files, source=path)
        for file in movie.files:
            if file != path:
                protect(file)
    except BaseException:
        movie.close()
        raise
    return movie


def _open(path: Path, wanted: Wanted, allow_truncated: bool, labels: bool) -> Movie:
    # The readers are imported here: PyAV and zarr take a second, which TIFF users are spared.
    if not path.is_file():
        return _open_several(path, wanted, allow_truncated, labels)
    suffix = path.suffix.lower()
    if suffix in (*VIDEO_SUFFIXES, *VENDOR_SUFFIXES):
        _check_kind_of(path, suffix)
    if suffix in VIDEO_SUFFIXES:
        from somanet.io.movie_video import VideoMovie

        return VideoMovie(path, wanted)
    if suffix in VENDOR_SUFFIXES:
        return _vendor(VENDOR_SUFFIXES[suffix], path)(path, wanted)
    if path.name.lower().endswith((*OME_SUFFIXES, ".ome.xml")):
        from somanet.io.movie_ome_set import OmeSetMovie

        return OmeSetMovie(path, wanted)
    if suffix in TIFF_SUFFIXES:
        from somanet.io.movie_tiff import TiffMovie

        if allow_truncated:
            from somanet.io.movie_cut_tiff import CutTiffMovie, is_cut

            if is_cut(path):
                return CutTiffMovie(path, wanted)
        movie = TiffMovie(path, wanted, allow_truncated=allow_truncated)
        if movie.companion is None:
            return movie
        from somanet.io.movie_ome_set import OmeSetMovie

        movie.close()
        return OmeSetMovie(movie.companion, wanted)
    raise _not_read(path)


def _before_the_cut(path: Path, wanted: Wanted, labels: bool) -> str:
    """What can be read of a truncated file, as a sentence with a space before it; empty if nothing can."""
    try:
        with parsing(path, "a movie"), _open(path, wanted, True, labels) as movie:
            return f" {whole_frames(movie.n_frames)}" if movie.truncated else ""
    except SomaNetError:
        return ""


def _open_several(path: Path, wanted: Wanted, allow_truncated: bool, labels: bool) -> Movie:
    """A folder, or a pattern of names."""
    if path.is_dir():
        from somanet.io.zarr_metadata import METADATA

        if path.suffix == ".zarr" or any((path / marker).exists() for marker in METADATA):
            from somanet.io.movie_zarr import ZarrMovie

            return ZarrMovie(path, wanted, allow_truncated=allow_truncated, labels=labels)
    from somanet.io.movie_series import SeriesMovie

    return SeriesMovie(path, wanted)


def _check_kind_of(path: Path, suffix: str) -> None:
    """Refuse a file whose first bytes are those of something else, such as a web page: packages do not say so."""
    with path.open("rb") as handle:
        known = describe_kind(handle.read(READ_BYTES))
    own = "video" if suffix in VIDEO_SUFFIXES else suffix.lstrip(".").upper()
    if known is not None and own not in known[0]:
        raise FileProblem(
            f"{path}: expected {suffix.lstrip('.').upper()}, found {known[0]}. {known[1]}", "not an image"
        )


def _vendor(extra: str, path: Path) -> Callable[[Path, Wanted], Movie]:
    require(
        extra,
        purpose=f"Reading {path.name}",
        otherwise=", or save the movie as TIFF (Fiji: File > Import > Bio-Formats, then File > Save As > Tiff)",
    )
    if extra == "nd2":
        from somanet.io.movie_nd2 import Nd2Movie

        return Nd2Movie
    if extra == "czi":
        from somanet.io.movie_czi import CziMovie

        return CziMovie
    from somanet.io.movie_lif import LifMovie

    return LifMovie


def _not_read(path: Path) -> FileProblem:
    """Why a file is not read, and the way out."""
    if is_zipped_zarr(path):
        return zipped_zarr(path)
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return FileProblem(
            f"{path}: expected a movie, found a single {suffix.lstrip('.').upper()} image, which "
            "`somanet predict` segments. If it is one of many, name their folder, or all by a pattern in quotes, such "
            "as 'img_*.png'.",
            "not an image",
        )
    name = ARRAYS.get(suffix)
    if name is not None:
        return FileProblem(
            f"{path}: {name} files are not read. Save the array as TIFF, in Python with tifffile.imwrite('movie.tif', "
            "array, imagej=True, metadata={'axes': 'TYX'}).",
            "not an image",
        )
    name = OTHER_FORMATS.get(suffix)
    if name is not None:
        pixels = " Its pixels lie in the .ids file beside it." if suffix == ".ics" else ""
        return FileProblem(
            f"{path}: {name} files are not read.{pixels} Save it as TIFF: in Fiji, File > Import > Bio-Formats (or "
            "File > Open), then File > Save As > Tiff.",
            "not an image",
        )
    return FileProblem(
        f"{path}: expected a movie ({', '.join(MOVIE_SUFFIXES)}) or a folder of numbered images, found the suffix "
        f"'{path.suffix}'. Export it as TIFF (Fiji: File > Save As > Tiff).",
        "not an image",
    )
