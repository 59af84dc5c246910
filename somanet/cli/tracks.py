"""`somanet tracks convert`, `measure` and `score`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from somanet.cli.guarding import guarding
from somanet.cli.options import Channel, FrameInterval, PixelSize, Preset, set_option
from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.typed import quoted

if TYPE_CHECKING:
    from somanet.core.calibration import Calibration
    from somanet.evaluation.tracks import Matches
    from somanet.evaluation.windows import Window
    from somanet.tracking.formats import Given

app = typer.Typer(
    help="Convert tracks to and from other programs; measure them; score them against a reference.",
    no_args_is_help=True,
)


class PositionWords(StrEnum):
    """Units of positions."""

    PX = "px"
    UM = "um"


class TimeWords(StrEnum):
    """Units of times."""

    FRAME = "frame"
    S = "s"
    MIN = "min"
    H = "h"


PositionUnit = Annotated[
    PositionWords | None, typer.Option(help="Unit of the positions, if the file does not state it: px or um.")
]
TimeUnit = Annotated[
    TimeWords | None, typer.Option(help="Unit of the times, if the file does not state it: frame, s, min or h.")
]
MovieFile = Annotated[Path | None, typer.Option("--movie", help="Or the movie, to read the scale from.")]

_ANALYZE = "somanet analyze MOVIE --tracks {path} --output OUT"
_CORRECT = "somanet correct RESULT --from {path} --output OUT"
NEXT = {
    "csv": f"{_ANALYZE}; or, of corrected results, {_CORRECT}",
    "napari": "in napari: viewer.add_tracks(pandas.read_csv({text})), on top of the movie",
    "ctc": "any program that reads the Cell Tracking Challenge's folders",
    "deepcell": f"DeepCell Label, or load_trks of deepcell-tracking; then {_ANALYZE}",
    "labels": "any program that reads label images; somanet tracks score TRACKS REFERENCE --result-labels {path}",
    "geff": "any program that reads GEFF; then somanet analyze MOVIE --tracks CORRECTED --output OUT",
    "trackmate": f"in Fiji: Plugins > Tracking > Load a TrackMate file; correct, save, and then {_CORRECT}",
}
COUNTS = ("identity_switches",)


@app.command("convert")
@guarding
def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="Tracks of SomaNet or another program: a table, TrackMate XML, GEFF, .trk, masks, a folder."
        ),
    ],
    destination: Annotated[
        Path, typer.Argument(help=".csv, .xml (TrackMate), .geff, .trk (DeepCell), .tif (masks), or a folder (CTC).")
    ],
    to: Annotated[
        str | None, typer.Option(help="csv, napari, ctc, geff, trackmate, deepcell or labels; overrides the suffix.")
    ] = None,
    pixel_size_um: PixelSize = None,
    frame_interval_min: FrameInterval = None,
    movie: MovieFile = None,
    position_unit: PositionUnit = None,
    time_unit: TimeUnit = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="For formats of masks (ctc, deepcell, labels): the label movie, value = track id."),
    ] = None,
    channel: Channel = None,
) -> None:
    """Write tracks in the format of another program. SOURCE's format is recognised by its content."""
    from somanet.io.label_movies import open_label_movie
    from somanet.io.movies import open_movie
    from somanet.tracking.formats import WITH_MASKS, format_by_name, open_masks, open_tracks, write_tracks

    kind = to or format_by_name(destination)
    if labels is not None and kind not in WITH_MASKS:
        raise SomaNetError(
            f"--labels is for formats of masks only; {destination} becomes {kind}. Leave --labels out, or give --to "
            f"one of {', '.join(WITH_MASKS)}."
        )
    if channel is not None and (kind != "deepcell" or movie is None):
        raise SomaNetError(
            f"--channel is that of the --movie whose images become part of a .trk; {destination} becomes {kind}. Leave "
            "it out, or give --to deepcell --movie MOVIE."
        )
    given = _given(pixel_size_um, frame_interval_min, movie, position_unit, time_unit)
    found = open_tracks(source, given)
    tracks = found.tracks
    with contextlib.ExitStack() as stack:
        shape_YX, n_frames = given.shape_YX or found.image.shape_YX, given.n_frames or found.image.n_frames
        masks: Iterable[Any] | None = None
        if labels is not None:
            masks = opened = stack.enter_context(open_label_movie(labels))
            shape_YX, n_frames = shape_YX or opened.shape_YX, n_frames or opened.n_frames
        elif kind in WITH_MASKS:
            masks = stack.enter_context(open_masks(source, found.kind, tracks))
        frames = None
        if kind == "deepcell" and movie is not None:
            frames = stack.enter_context(open_movie(movie, channel=channel))
        write_tracks(
            destination,
            tracks,
            found.scale,
            kind=kind,
            labels=masks,
            shape_YX=shape_YX,
            n_frames=n_frames,
            movie=movie,
            frames=frames,
        )
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    of_tracks = counted(tracks["track_id"].nunique(), "track")
    typer.echo(f"Written: {destination} ({kind}), {counted(len(tracks), 'point')} of {of_tracks}")
    typer.echo(f"Next: {NEXT[kind].format(path=quoted(destination), text=repr(str(destination)))}")


@app.command("measure")
@guarding
def measure(
    source: Annotated[Path, typer.Argument(help="Tracks of any program, without their movie.")],
    output: Annotated[Path, typer.Option(help="Folder for the results.")],
    pixel_size_um: PixelSize = None,
    frame_interval_min: FrameInterval = None,
    position_unit: PositionUnit = None,
    time_unit: TimeUnit = None,
    name: Annotated[str | None, typer.Option(help="Name of the movie in tables; by default the file's.")] = None,
    axis_deg: Annotated[float, typer.Option(help="The mean direction is counted from it: 0 right, 90 down.")] = 0.0,
    drift: Annotated[
        Literal["cells", "none"], typer.Option(help="Drift to subtract: the resting cells' median step, or none.")
    ] = "none",
    preset: Preset = None,
    assignments: Annotated[list[str] | None, set_option("migrate.sigma_um=0.5, migrate.min_track_h=2")] = None,
) -> None:
    """Measure migration from tracks alone: the tables of `somanet analyze` that need no images."""
    from somanet.analysis.movie import tracks_to_take
    from somanet.analysis.replacing import check_output
    from somanet.analysis.settings import analysis_params
    from somanet.analysis.tracks_alone import measure_tracks
    from somanet.cli.analyze import print_summary
    from somanet.io.movies import movie_name

    migrate = {"axis_deg": axis_deg, "drift": drift} | ({} if preset is None else {"preset": preset})
    settings = analysis_params({"migrate": migrate}, assignments or []).migrate
    called = name or movie_name(source)
    check_output(output, movie=called, automatic=False)
    given = _given(pixel_size_um, frame_interval_min, None, position_unit, time_unit)
    with tracks_to_take(source, output) as taken:
        assert taken is not None
        measures = measure_tracks(taken, output, name=called, given=given, settings=settings)
    print_summary(measures, output)
    typer.echo(f"Next: somanet cohort STUDY, with folders like {output} inside, compares groups of them")


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
    from somanet.evaluation.tracks import match_points, note_on_short, track_scores
    from somanet.evaluation.windows import Window, confine
    from somanet.io.label_checks import CheckedFrames, describe_doubts
    from somanet.io.label_movies import open_label_movie
    from somanet.tracking.challenge import CtcCells
    from somanet.tracking.formats import Given, open_tracks, recognise

    if (result_labels is None) != (reference_labels is None):
        raise SomaNetError("Give both --result-labels and --reference-labels, or neither.")
    window = Window(x_from, math.inf if x_to is None else x_to)
    scale = _scale([result, reference], pixel_size_um, frame_interval_min, movie)
    folders = {recognise(path).kind for path in (result, reference)} == {"ctc"}
    found: dict[str, tuple[Matches, Mapping[int, int], Mapping[int, int]]] = {}
    if folders:
        true_cells, pred_cells = CtcCells(reference, scale), CtcCells(result, scale)
        true, pred = true_cells.tracks, pred_cells.tracks
        found["masks"] = _match_masks(true_cells, pred_cells, window), true_cells.mothers, pred_cells.mothers
    else:
        read = [open_tracks(path, Given.of(scale)) for path in (reference, result)]
        for note in [
            f"{path}: {note}" for path, one in zip((reference, result), read, strict=True) for note in one.notes
        ]:
            typer.echo(f"note: {note}", err=True)
        true, pred = (one.tracks for one in read)
    if scale is not None or not folders:
        matches = match_points(true, pred, max_distance_um=max_distance_um, min_reference_frames=min_reference_frames)
        if too_short := note_on_short(true, min_reference_frames):
            typer.echo(f"note: {reference}: {too_short}", err=True)
        found["points"] = confine(matches, window.points(true), window.points(pred)), {}, {}
    if result_labels is not None and reference_labels is not None:
        with open_label_movie(reference_labels) as true_labels, open_label_movie(result_labels) as pred_labels:
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


def _given(
    pixel_size_um: float | None,
    frame_interval_min: float | None,
    movie: Path | None,
    position_unit: PositionWords | None,
    time_unit: TimeWords | None,
) -> Given:
    """What the command says of a file of tracks; a movie's scale is overridden by numbers."""
    from somanet.core.calibration import FileCalibration
    from somanet.io.movies import open_movie
    from somanet.tracking.formats import Given

    position = None if position_unit is None else position_unit.value
    time = None if time_unit is None else time_unit.value
    if movie is None:
        return Given(FileCalibration.given(pixel_size_um, frame_interval_min), position, time)
    # Any channel will do: all have the same scale.
    with open_movie(movie, channel=0) as opened:
        scale = opened.file_calibration.complete(pixel_size_um=pixel_size_um, frame_interval_min=frame_interval_min)
        n_frames, shape_YX = opened.n_frames, opened.shape_YX
    return Given(Given.of(scale).scale, position, time, n_frames, shape_YX)


def _scale(
    tables: Iterable[Path], pixel_size_um: float | None, frame_interval_min: float | None, movie: Path | None
) -> Calibration | None:
    """The scale, as given, or from a movie or the first table that has it."""
    from somanet.core.calibration import Calibration
    from somanet.tracking.formats import scale_in_file

    if movie is not None or pixel_size_um is not None or frame_interval_min is not None:
        return _given(pixel_size_um, frame_interval_min, movie, None, None).scale.complete()
    for path in tables:
        own = scale_in_file(path)
        if own.pixel_size_um is not None and own.frame_interval_min is not None:
            return Calibration(own.pixel_size_um, own.frame_interval_min, own.times_h)
    return None


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
