"""A movie from Python: what `somanet analyze MOVIE` does."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal, get_args

from somanet.analysis.movie import AnalysisNetworks, Options, check_exports
from somanet.analysis.settings import analysis_params
from somanet.analysis.single import analyze_single
from somanet.analysis.source import MovieSource
from somanet.api.model import Model, load_for_movies
from somanet.api.results import Analysis
from somanet.api.wording import as_path, checked_settings, in_python
from somanet.core.errors import SomaNetError
from somanet.core.foreign import check_paths
from somanet.core.guard import guarded
from somanet.core.settings import with_setting
from somanet.io.movie_files import name_at
from somanet.io.movie_search import find_movies

_SAVE_IT = "Save frames in memory as a TIFF first, for example with tifffile.imwrite."
_Style = Literal["outlines", "somas"]


@in_python
def analyze(
    movie: str | PathLike[str],
    output: str | PathLike[str],
    *,
    model: Model | str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    pixel_size_um: float | None = None,
    frame_interval_min: float | None = None,
    times: str | PathLike[str] | None = None,
    channel: str | int | None = None,
    z: str | int | None = None,
    axes: str | None = None,
    position: str | int | None = None,
    allow_truncated: bool = False,
    any_modality: bool = False,
    tracks: str | PathLike[str] | None = None,
    corrections: str | PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    export: str | Sequence[str] = (),
    report: bool = True,
    overlay: bool = True,
    style: _Style = "outlines",
    replace: bool = False,
) -> Analysis:
    """Segment, track and measure every cell of a movie; the same files as `somanet analyze` writes.

    The folder appears whole or not at all. The movie is never written to, and files that SomaNet did not write are
    never replaced unless `replace` says so.

    Args:
        movie: a file, a zarr folder, a folder of numbered images, or a folder with one movie.
        output: the folder for the results. Results of an earlier analysis are replaced; other files in it stay.
        model: a network of :func:`somanet.load_model`, or what names one there; None for the bundled one.
        pixel_size_um: width of a pixel in µm, if the file lacks it; overrules the file's.
        frame_interval_min: minutes from frame to frame, if the file lacks it; overrules the file's.
        times: instead of it: a CSV table with `frame` and `t_h` or `t_min`, the time of every frame.
        channel: the channel of the somas, if the file has several: its name, or its number from 0.
        z: of Z stacks: the plane's number from 0, or `max` for a maximum projection.
        axes: what the file's axes mean, in its order, if it says otherwise, such as `TYX`.
        position: the stage position, scene or series, if the file has several: its name, or its number from 0.
        allow_truncated: analyse the complete frames of a truncated TIFF or zarr.
        any_modality: also analyse microscopy outside the network's intended use, such as bright field.
        tracks: instead of a network: a file of tracks that were made or corrected elsewhere; those that come from
            SomaNet's own results of this movie become corrections of these, which a warning says.
        corrections: a person's corrections of these results (`corrections.jsonl`), to be applied.
        settings: any setting of tracking and measurement, such as `{"migrate.sigma_um": 0.5, "track.max_step_um": 30}`
            or `{"migrate": {"drift": "cells"}}`; :class:`somanet.tracking.settings.TrackSettings` and
            :class:`somanet.migration.settings.MigrateSettings` list them.
        export: also write the tracks as `csv`, `napari`, `ctc`, `geff`, `trackmate` or `deepcell`: one, or several.
        report: write `report.html`.
        overlay: write `overlay.mp4`.
        style: of `overlay.mp4`: `outlines` on the movie, or only the `somas` on black.
        replace: let results replace files that SomaNet did not write or that were changed since; they are kept under
            other names (`Analysis.kept`).

    Raises:
        SomaNetError: the movie cannot be read or has no scale, an argument is wrong, or the output cannot be written;
            nothing is changed then.
    """
    exports = (export,) if isinstance(export, str) else tuple(export)
    check_exports(exports)
    chosen = analysis_params(_nested(checked_settings(settings)))
    if style not in get_args(_Style):
        raise SomaNetError(f"Unknown style {style!r} of overlay.mp4; there are {', '.join(get_args(_Style))}.")
    if style != "outlines" and not overlay:
        raise SomaNetError("style is that of overlay.mp4, which overlay=False leaves out. Give one of the two.")
    options = Options(
        chosen.track,
        chosen.migrate,
        report=report,
        overlay=overlay,
        style=style,
        exports=exports,
        any_modality=any_modality,
    )
    place, folder = as_path(movie, "movie", instead=_SAVE_IT), as_path(output, "output")
    optional = {"times": times, "tracks": tracks, "corrections": corrections}
    given = {name: None if path is None else as_path(path, name) for name, path in optional.items()}
    read = [path for path in given.values() if path is not None]
    check_paths(inputs=[place, *read], outputs=[folder])
    networks = model.folders if isinstance(model, Model) else ()

    def network() -> AnalysisNetworks:
        return model.for_movies if isinstance(model, Model) else load_for_movies(model)

    with guarded(
        inputs=[*read, *networks], shallow=[place], outputs=[folder], replace=replace, command="analyze"
    ) as replaced:
        found = find_movies([place], leave_out=folder)
        if len(found) > 1:
            listed = ", ".join(name for _, name in found[:3])
            raise SomaNetError(
                f"{place}: expected one movie, found {len(found)} ({listed}, …). Analyse them one by one, each into a "
                "folder of its own."
            )
        path, name = found[0]
        source = MovieSource(
            path,
            name_at(name, position),
            _text(channel),
            pixel_size_um,
            frame_interval_min,
            allow_truncated,
            _text(z),
            axes,
            _text(position),
            given["times"],
        )
        analyze_single(
            source,
            folder,
            network=network,
            tracks=given["tracks"],
            corrections=given["corrections"],
            options=options,
            say=warnings.warn,
        )
    return Analysis(folder, tuple(replaced.kept))


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with dotted names as sections.

    Raises:
        SomaNetError: as for :func:`somanet.core.settings.with_setting`.
    """
    values: dict[str, Any] = {}
    for name, value in settings.items():
        values = with_setting(values, name, value)
    return values
