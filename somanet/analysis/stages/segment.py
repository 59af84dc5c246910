"""The stage `segment`: the somas in every frame."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from somanet.analysis import names
from somanet.analysis.source import MovieSource, check_intended_use
from somanet.analysis.stages.files import scale_of
from somanet.core.files import make_folder, write_json
from somanet.core.schema import SOMAS
from somanet.io.movies import Movie
from somanet.io.tables import write_table
from somanet.segmentation.inference.movie_labels import SegmentsElsewhere, label_movie
from somanet.segmentation.inference.record import record_of

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter


class Elsewhere(Protocol):
    """Other processes that may segment a movie's frames."""

    def too_small(self, movie: Movie) -> str | None:
        """Why this process does it as fast; None if they pay."""
        ...

    def begun(
        self, source: MovieSource, folder: Path
    ) -> AbstractContextManager[Callable[[MovieSource], SegmentsElsewhere]]:
        """Have them ready for a movie whose results are written to a folder, whichever frames of it are analysed."""
        ...


def segment_movie(
    source: MovieSource,
    segmenter: Segmenter,
    folder: Path,
    *,
    any_modality: bool = False,
    elsewhere: Elsewhere | None = None,
) -> dict[str, Any]:
    """Segment the somas in every frame: `movie.json`, `masks.tif`, `somas.csv` and `segmentation.json`.

    Args:
        source: the movie.
        segmenter: the network or networks.
        folder: the folder to write to.
        any_modality: also segment a movie outside the network's intended use.
        elsewhere: other processes that segment the frames; by default this one does.

    Returns:
        The content of `segmentation.json`.

    Raises:
        SomaNetError: the movie cannot be read, has no scale, or is outside the network's intended use.
    """
    from somanet.segmentation.inference.diameters import median_or_nan

    with source.keeping_frames(make_folder(folder)) as source:
        if not any_modality:
            check_intended_use([source], segmenter.intended_use)
        with nullcontext() if elsewhere is None else elsewhere.begun(source, folder) as others:
            metadata = source.describe()
            write_json(folder / names.MOVIE, metadata)
            analysed = source.using(metadata)
            found = label_movie(
                segmenter,
                analysed.open(),
                folder / names.MASKS,
                calibration=scale_of(metadata),
                skipped=tuple(metadata["repeated_frames"]),
                elsewhere=None if others is None else others(analysed),
            )
    write_table(folder / names.SOMAS, found.somas, SOMAS)
    median_px = median_or_nan(found.somas["diameter_px"].to_numpy(float))
    segmentation = {
        **record_of(segmenter),
        "rescale": found.rescale,
        "size": None if found.size is None else found.size.model_dump(mode="json"),
        "n_haze": found.n_haze,
        "second_look": found.second_look,
        "serves": segmenter.intended_use.model_dump(mode="json"),
        "any_modality": any_modality,
        "blank_frames": list(found.blank_frames),
        "inverted": found.inverted,
        "burnt_in": None if found.burnt_in is None else found.burnt_in.in_words,
        "burnt_in_boxes": [] if found.burnt_in is None else found.burnt_in.as_list(),
        "clipping": None if found.clipping is None else found.clipping.model_dump(mode="json"),
        "appearance": None if found.appearance is None else found.appearance.model_dump(mode="json"),
        "n_objects": sum(found.counts),
        "objects_per_frame": found.counts,
        "median_diameter_px": round(median_px, 2),
    }
    write_json(folder / names.SEGMENTATION, segmentation)
    return segmentation
