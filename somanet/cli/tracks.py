"""`somanet tracks convert` and `somanet tracks score`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from somanet.cli.guarding import guarding
from somanet.cli.options import FrameInterval, PixelSize
from somanet.core.errors import SomaNetError

if TYPE_CHECKING:
    from somanet.core.calibration import Calibration
    from somanet.evaluation.tracks import Matches
    from somanet.evaluation.windows import Window

app = typer.Typer(
    help="Convert tracks to and from other programs; score them against a reference.", no_args_is_help=True
)

MovieFile = Annotated[Path | None, typer.Option("--movie", help="Or the movie, to read the scale from.")]

NEXT = {
    "csv": "somanet analyze MOVIE --tracks {path} --output OUT",
    "napari": "in napari: viewer.add_tracks(pandas.read_csv('{path}')), on top of the movie",
    "ctc": "any program that reads the Cell Tracking Challenge's folders",
    "geff": "any program that reads GEFF; then somanet analyze MOVIE --tracks CORRECTED --output OUT",
    "trackmate": "in Fiji: Plugins > Tracking > Load a TrackMate file; correct, save, and then "
    "somanet analyze MOVIE --tracks {path} --output OUT",
}
COUNTS = ("identity_switches",)


@app.command("convert")
@guarding
def convert(
    source: Annotated[
        Path, typer.Argument(help="Tracks: CSV, TrackMate XML, GEFF, or a Cell Tracking Challenge folder.")
    ],
    destination: Annotated[
        Path, typer.Argument(help=".csv, .xml (TrackMate), .geff, or a folder (Cell Tracking Challenge).")
    ],
    to: Annotated[str | None, typer.Option(help="csv, napari, ctc, geff or trackmate; overrides the suffix.")] = None,
    pixel_size_um: PixelSize = None,
    frame_interval_min: FrameInterval = None,
    movie: MovieFile = None,
    labels: Annotated[Path | None, typer.Option(help="For ctc: the label movie, value = track id.")] = None,
) -> None:
    """Write tracks in the format of another program. SOURCE's format is recognised by its content."""
    from somanet.io.movies import open_movie
    from somanet.tracking.formats import format_by_name, read_tracks, write_tracks

    kind = to or format_by_name(destination)
    if labels is not None and kind != "ctc":
        raise SomaNetError(
            f"--labels is for the format ctc only; {destination} becomes {kind}. Leave --labels out, or give --to ctc."
        )
    scale, shape_YX = _scale([source], pixel_size_um, frame_interval_min, movie)
    tracks = read_tracks(source, scale)
    with contextlib.ExitStack() as stack:
        frames = stack.enter_context(open_movie(labels)) if labels else None
        write_tracks(destination, tracks, scale, kind=kind, labels=frames, shape_YX=shape_YX, movie=movie)
    typer.echo(f"Written: {destination} ({kind}), {len(tracks)} points of {tracks['track_id'].nunique()} tracks")
    typer.echo(f"Next: {NEXT[kind].format(path=destination)}")


@app.command("score")
@guarding
def score(
    result: Annotated[Path, typer.Argument(help="Tracks in any format.")],
    reference: Annotated[
        Path, typer.Argument(help="Ground truth: tracks in any format, or a CSV track,frame,y_px,x_px.")
    ],
    result_labels: Annotated[Path | None, typer.Option(help="Label movie of RESULT, value = track id.")] = None,
    reference_labels: Annotated[Path | None, typer.Option(help="Label movie of REFERENCE.")] = None,
    max_distance_um: Annotated[float, typer.Option(help="Points further apart do not match.")] = 8.0,
    min_reference_frames: Annotated[int, typer.Option(min=1, help="Shorter reference tracks are ignored.")] = 10,
    x_from: Annotated[float, typer.Option(help="Score only columns (px) from this one on.")] = 0.0,
    x_to: Annotated[float | None, typer.Option(help="Score only columns (px) below this one.")] = None,
    lineages: Annotated[bool, typer.Option("--lineages", help="Also CHOTA, whole tracks and divisions.")] = False,
    pixel_size_um: PixelSize = None,
    frame_interval_min: FrameInterval = None,
    movie: MovieFile = None,
    output: Annotated[Path | None, typer.Option(help="JSON file with every number.")] = None,
) -> None:
    """Score tracks by their points and, with both label movies, by their masks."""
    from somanet.core.files import write_json
    from somanet.evaluation.lineages import lineage_scores
    from somanet.evaluation.tracks import match_points, track_scores
    from somanet.evaluation.windows import Window, confine
    from somanet.io.label_checks import CheckedFrames, describe_doubts
    from somanet.io.movies import open_movie
    from somanet.tracking.challenge import CtcCells
    from somanet.tracking.formats import read_tracks, recognise

    if (result_labels is None) != (reference_labels is None):
        raise SomaNetError("Give both --result-labels and --reference-labels, or neither.")
    window = Window(x_from, math.inf if x_to is None else x_to)
    scale, _ = _scale([result, reference], pixel_size_um, frame_interval_min, movie)
    folders = {recognise(path) for path in (result, reference)} == {"ctc"}
    found: dict[str, tuple[Matches, Mapping[int, int], Mapping[int, int]]] = {}
    if folders:
        true_cells, pred_cells = CtcCells(reference, scale), CtcCells(result, scale)
        true, pred = true_cells.tracks, pred_cells.tracks
        found["masks"] = _match_masks(true_cells, pred_cells, window), true_cells.mothers, pred_cells.mothers
    else:
        true, pred = read_tracks(reference, scale), read_tracks(result, scale)
    if scale is not None or not folders:
        matches = match_points(true, pred, max_distance_um=max_distance_um, min_reference_frames=min_reference_frames)
        found["points"] = confine(matches, window.points(true), window.points(pred)), {}, {}
    if result_labels is not None and reference_labels is not None:
        with open_movie(reference_labels) as true_labels, open_movie(result_labels) as pred_labels:
            checked_true = CheckedFrames(true_labels, str(reference_labels))
            checked_pred = CheckedFrames(pred_labels, str(result_labels))
            found["masks"] = _match_masks(checked_true, checked_pred, window), {}, {}
        for one in (checked_true, checked_pred):
            for note in describe_doubts(one.doubts):
                typer.echo(f"note: {one.source}: {note}", err=True)
    scores: dict[str, dict[str, float]] = {}
    for name, (matches, mothers_true, mothers_pred) in found.items():
        scores[name] = track_scores(matches)
        if lineages:
            scores[name] |= lineage_scores(matches, mothers_true=mothers_true, mothers_pred=mothers_pred)
    if folders and window == Window():
        scores |= _challenge_scores(result, reference)
    typer.echo("\n".join(_table(scores)))
    if output is not None:
        settings = {"max_distance_um": max_distance_um, "min_reference_frames": min_reference_frames}
        settings |= {"x_from_px": window.x_from_px, "x_to_px": window.x_to_px}
        write_json(output, {"result": result.name, "reference": reference.name, "settings": settings, **scores})
        typer.echo(f"Written: {output}")


def _scale(
    tables: Iterable[Path], pixel_size_um: float | None, frame_interval_min: float | None, movie: Path | None
) -> tuple[Calibration | None, tuple[int, int] | None]:
    """The scale, as given, or from a movie or one of SomaNet's tables; and the size of the movie's frames."""
    from somanet.core.calibration import Calibration, FileCalibration
    from somanet.io.movies import open_movie
    from somanet.tracking.formats import scale_in_file

    if movie is not None:
        # Any channel will do: all have the same scale.
        with open_movie(movie, channel=0) as opened:
            file, shape_YX = opened.file_calibration, opened.shape_YX
        return file.complete(pixel_size_um=pixel_size_um, frame_interval_min=frame_interval_min), shape_YX
    if pixel_size_um is not None or frame_interval_min is not None:
        given = FileCalibration(pixel_size_um, frame_interval_min)
        return given.complete(), None
    for path in tables:
        own = scale_in_file(path)
        if own.pixel_size_um is not None and own.frame_interval_min is not None:
            return Calibration(own.pixel_size_um, own.frame_interval_min, own.times_h), None
    return None, None


def _match_masks(true_labels: Iterable[Any], pred_labels: Iterable[Any], window: Window) -> Matches:
    from somanet.evaluation.tracks import match_masks
    from somanet.evaluation.windows import confine

    return confine(match_masks(true_labels, pred_labels), window.objects(true_labels), window.objects(pred_labels))


def _challenge_scores(result: Path, reference: Path) -> dict[str, dict[str, float]]:
    """The Cell Tracking Challenge's own scores, if the reference has its layout."""
    from somanet.evaluation.tracks import METRICS, score_ctc_folders

    root = reference.parent if reference.name == "TRA" else reference
    if not (root / "TRA" / "man_track.txt").is_file():
        return {}
    metrics = [name for name in METRICS if name != "SEG" or (root / "SEG").is_dir()]
    return {"challenge": score_ctc_folders(result, root, metrics)}


def _table(scores: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    names = list(dict.fromkeys(name for column in scores.values() for name in column))
    width = max(map(len, names))
    yield " " * width + "".join(f"{column:>11}" for column in scores)
    for name in names:
        yield f"{name:<{width}}" + "".join(
            f"{_cell(name, column.get(name, math.nan)):>11}" for column in scores.values()
        )


def _cell(name: str, value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if name.startswith("n_") or name in COUNTS else f"{value:.3f}"
