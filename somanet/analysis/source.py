"""The movie to analyse: file, channel, scale, and whether it can be analysed at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import NDArray

from somanet.analysis.timing import INSTEAD, timing_of
from somanet.core.calibration import Calibration, usual_interval_min
from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file, sha256_together
from somanet.core.progress import counted
from somanet.io.frame_store import KeptMovie, keeping
from somanet.io.frame_times import SAME
from somanet.io.movie_selection import MovieSelection
from somanet.io.movies import Movie, open_movie, sha256_movie, sha256_of_each
from somanet.io.repeated_frames import find_repeats
from somanet.io.times_table import read_times

if TYPE_CHECKING:
    from somanet.segmentation.network.intended_use import IntendedUse

FEWEST_FRAMES = 2
UNNAMED = "The file does not name the axis of its pages; they were taken for time points. Planes of a stack need --z."


@dataclass(frozen=True)
class MovieSource:
    """One movie file.

    Attributes:
        path: file, zarr folder, or a folder or pattern of numbered images.
        name: name of its results; by default the file's name without suffix.
        channel: the one with the somas, if there are several.
        pixel_size_um, frame_interval_min: override the file's metadata; None takes the file's. Where a file stores
            frames twice, the interval is that of its frames, repeated ones included.
        allow_truncated: analyse the complete frames of a truncated file.
        z: the focal plane, from 0, if there are several, or `max` for their maximum projection.
        axes: what the file's axes mean, where it says otherwise.
        position: the stage position, scene or series, if there are several.
        times: a table of the times of all frames of the file, instead of the frame interval.
        stored_frames: the frames of the file that are analysed; None for all. See :meth:`using`.
        kept: the open movie, where its frames are kept. See :meth:`keeping_frames`.
    """

    path: Path
    name: str
    channel: str | None = None
    pixel_size_um: float | None = None
    frame_interval_min: float | None = None
    allow_truncated: bool = False
    z: str | None = None
    axes: str | None = None
    position: str | None = None
    times: Path | None = None
    stored_frames: tuple[int, ...] | None = None
    kept: KeptMovie | None = field(default=None, repr=False, compare=False)

    def using(self, metadata: Mapping[str, Any]) -> Self:
        """The same movie with the frames that `movie.json` says are analysed."""
        stored = metadata.get("stored_frames")
        return replace(self, stored_frames=None if stored is None else tuple(stored))

    @contextmanager
    def keeping_frames(self, folder: Path) -> Iterator[Self]:
        """The same movie, each frame of which is decoded once: then it is kept in a temporary file in this folder.

        Raises:
            SomaNetError: as for :meth:`open`.
        """
        if self.kept is not None:
            yield self
            return
        with keeping(self._opened(), folder) as kept:
            yield replace(self, kept=kept)

    def open(self) -> Movie:
        """Open the movie for reading.

        Raises:
            SomaNetError: it cannot be read, or is a still image.
        """
        movie = self._opened() if self.kept is None else self.kept
        return movie if self.stored_frames is None else MovieSelection(movie, self.stored_frames)

    def _opened(self) -> Movie:
        movie = open_movie(
            self.path,
            channel=self.channel,
            z=self.z,
            axes=self.axes,
            position=self.position,
            allow_truncated=self.allow_truncated,
        )
        if movie.n_frames < FEWEST_FRAMES:
            n_frames, n_channels, n_planes = movie.n_frames, movie.n_channels, movie.n_planes
            movie.close()
            if max(n_channels, n_planes) > 1:
                several = f"{n_channels} channels" if n_channels > 1 else f"{n_planes} planes"
                raise SomaNetError(
                    f"{self.path}: expected a movie of {FEWEST_FRAMES} frames or more, found {n_frames} of {several}. "
                    "If those are the time points, --axes says so: TYX for time, height and width. `somanet predict` "
                    "segments a still image."
                )
            raise SomaNetError(
                f"{self.path}: expected a movie of at least {FEWEST_FRAMES} frames, found {n_frames}. "
                "Is it a still image? `somanet predict` segments those. Frames that are stored one in a file need "
                "names that count them, such as t001.tif, t002.tif."
            )
        return movie

    def sample(self) -> list[NDArray[Any]]:
        """The first, the middle and the last frame."""
        from somanet.segmentation.inference.modality import sample_frames

        with self.open() as movie:
            return sample_frames(movie)

    def calibration(self, movie: Movie) -> Calibration:
        """The physical scale of the file's frames.

        Raises:
            SomaNetError: neither the file nor the caller gives it, or it is implausible; both an interval and times are
                given, or the times are not those of this movie.
        """
        times, interval_min = None, self.frame_interval_min
        if self.times is not None:
            if interval_min is not None:
                raise SomaNetError(
                    f"{self.times} and --frame-interval-min {interval_min:g} both say when frames were taken. Give one "
                    "of --times and --frame-interval-min."
                )
            times = read_times(self.times, movie.n_frames)
            interval_min = usual_interval_min(times)
            low, high = INTERVALS_MIN
            if not low <= interval_min <= high:
                raise SomaNetError(
                    f"{self.times}: frames that are usually {interval_min:g} min apart cannot be right; expected "
                    f"{low:g} to {high:g}. Is the unit of the times wrong? t_h is hours, t_min minutes."
                )
        try:
            scale = movie.file_calibration.complete(pixel_size_um=self.pixel_size_um, frame_interval_min=interval_min)
        except SomaNetError as error:
            raise SomaNetError(f"{self.path}: {error}") from error
        check_plausible(scale, str(self.path))
        return scale if times is None else replace(scale, times_h=times)

    def _overruled(self, movie: Movie) -> list[str]:
        """What the file says about its pixels that the caller's size replaces."""
        own, given = movie.file_calibration.pixel_size_um, self.pixel_size_um
        if movie.file_calibration.pixel_note:
            return [movie.file_calibration.pixel_note]
        if own is None or given is None or abs(given - own) <= SAME * own:
            return []
        return [f"The file says {own:.4g} µm per pixel; --pixel-size-um {given:g} was {INSTEAD}"]

    def describe(self) -> dict[str, Any]:
        """The content of `movie.json`: the file's hash and shape, the scale used, and the frames that are analysed.

        `files` has the hash of each file, of a movie that is spread over several.

        Raises:
            SomaNetError: as for :meth:`calibration`, or all frames are one picture.
        """
        with self.open() as movie:
            scale = self.calibration(movie)
            repeats = find_repeats(counted(movie, movie.n_frames, doing="comparing", unit="frame"))
            if len(repeats.distinct) < FEWEST_FRAMES:
                raise SomaNetError(
                    f"{self.path}: expected a movie, found {movie.n_frames} frames that are all the same picture. Was "
                    "a still image exported as a movie? `somanet predict` segments those."
                )
            timing = timing_of(
                scale,
                repeats,
                movie.file_calibration,
                given_min=self.frame_interval_min,
                times_from=None if self.times is None else self.times.name,
            )
            times = None if self.times is None else {"file": self.times.name, "sha256": sha256_file(self.times)}
            hashes = sha256_of_each(self.path)
            return {
                "movie": self.name,
                "file": self.path.name or self.path.resolve().name,
                "sha256": sha256_together(hashes) if hashes else sha256_movie(self.path),
                **({"files": hashes} if hashes else {}),
                "channel": self.channel,
                "z": self.z,
                "axes": self.axes,
                "position": movie.position,
                "n_frames": movie.n_frames if timing.stored_frames is None else len(timing.stored_frames),
                "shape_YX": list(movie.shape_YX),
                "dtype": movie.dtype.name,
                "truncated": movie.truncated,
                "notes": [*movie.notes, *([UNNAMED] if movie.unnamed else []), *self._overruled(movie)],
                **timing.as_dict(),
                "times": times,
            }


def check_intended_use(sources: Sequence[MovieSource], intended_use: IntendedUse) -> None:
    """Refuse movies outside a network's intended use, before any work.

    Raises:
        SomaNetError: naming the first one, what was found in it, and what to do.
    """
    from somanet.segmentation.inference.modality import ModalityInput, check_modality

    check_modality([ModalityInput(str(source.path), source.sample) for source in sources], intended_use)


PIXELS_UM = (0.02, 20.0)
INTERVALS_MIN = (0.05, 240.0)


def check_plausible(calibration: Calibration, source: str) -> None:
    """Refuse a scale at which soma migration could not be observed: most likely a wrong unit.

    Raises:
        SomaNetError: pixels outside 0.02 to 20 µm, or intervals outside 3 s to 4 h.
    """
    for value, (low, high), what, hint in (
        (calibration.pixel_size_um, PIXELS_UM, "a pixel size of {} µm", "--pixel-size-um"),
        (calibration.frame_interval_min, INTERVALS_MIN, "a frame interval of {} min", "--frame-interval-min"),
    ):
        if not low <= value <= high:
            raise SomaNetError(
                f"{source}: {what.format(f'{value:g}')} cannot be right; expected {low:g} to {high:g}. "
                f"Is the unit wrong, or the file's metadata? Give {hint}."
            )
