"""`somanet analyze`: from movies to the migration of every cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from somanet.cli.cohort import (
    ConditionsFile,
    Paired,
    Reference,
    check_groups_of,
    question_of,
    write_and_print,
)
from somanet.cli.elsewhere import elsewhere_of, run_elsewhere
from somanet.cli.options import (
    AllowTruncated,
    AnyModality,
    Axes,
    Channel,
    Device,
    Diameter,
    Engine,
    Export,
    FrameInterval,
    KeepHaze,
    Models,
    PixelSize,
    Plane,
    Position,
    Preset,
    Rescale,
    Tta,
    set_option,
)
from somanet.core.errors import SomaNetError

if TYPE_CHECKING:
    from somanet.analysis.blocks import OnBlocks
    from somanet.analysis.cohort.write import Question
    from somanet.analysis.movie import AnalysisNetworks, Options
    from somanet.analysis.network import OpenedNetworks
    from somanet.analysis.source import MovieSource
    from somanet.analysis.workers import Workers
    from somanet.migration.intervals import Estimate
    from somanet.migration.measures import Measures


def analyze(
    movies: Annotated[
        list[Path],
        typer.Argument(metavar="MOVIE...", help="Movies, folders of movies or of numbered images, searched inside."),
    ],
    output: Annotated[Path, typer.Option(help="Folder for the results; with several movies, a subfolder for each.")],
    pixel_size_um: PixelSize = None,
    frame_interval_min: FrameInterval = None,
    times: Annotated[
        Path | None,
        typer.Option(help="Instead of a frame interval: CSV with frame and t_h or t_min, the time of every frame."),
    ] = None,
    channel: Channel = None,
    z: Plane = None,
    axes: Axes = None,
    position: Position = None,
    allow_truncated: AllowTruncated = False,
    model: Models = None,
    diameter: Diameter = None,
    rescale: Rescale = None,
    keep_haze: KeepHaze = False,
    tta: Tta = 1,
    any_modality: AnyModality = False,
    engine: Engine = "auto",
    device: Device = "auto",
    tracks: Annotated[
        Path | None,
        typer.Option(
            help="Instead of a network: tracks made elsewhere (CSV, TrackMate, napari, GEFF, CTC, DeepCell, a label "
            "TIFF, idtracker.ai). Of SomaNet's own, corrected there, the outlines stay if the results are near."
        ),
    ] = None,
    corrections: Annotated[
        Path | None, typer.Option(help="A person's corrections of these results (corrections.jsonl), to be applied.")
    ] = None,
    axis_deg: Annotated[float, typer.Option(help="The mean direction is counted from it: 0 right, 90 down.")] = 0.0,
    drift: Annotated[
        Literal["image", "cells", "none"],
        typer.Option(help="Drift to subtract: the stage's by the background, the resting cells', or none."),
    ] = "image",
    preset: Preset = None,
    assignments: Annotated[list[str] | None, set_option("track.max_step_um=30, migrate.sigma_um=0.5")] = None,
    conditions: ConditionsFile = None,
    reference: Reference = None,
    paired: Paired = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes here, or tasks at once on --cluster: a movie each; of one movie, blocks of it."
        ),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Where the workers are: a Dask scheduler (tls://host:8786), or slurm.yaml.")
    ] = None,
    tls_ca_file: Annotated[
        Path | None, typer.Option(help="Certificate (PEM) of the authority that signed the cluster's.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="This computer's certificate (PEM) for the cluster.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key (PEM) of that certificate.")] = None,
    unencrypted: Annotated[
        bool, typer.Option(help="Allow a --cluster on another computer without encryption: trust the whole network.")
    ] = False,
    export: Export = None,
    overlay: Annotated[bool, typer.Option(help="Write overlay.mp4.")] = True,
    style: Annotated[
        Literal["outlines", "somas"],
        typer.Option(help="Of overlay.mp4: the movie with outlines and trails, or only the somas, on black."),
    ] = "outlines",
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
) -> None:
    """Segment, track and measure every cell of a movie: tables, a report for the browser, a video."""
    from somanet.analysis.source import MovieSource
    from somanet.core.cluster import certificates_of
    from somanet.core.guard import protect
    from somanet.io.movie_files import name_at
    from somanet.io.movie_search import find_movies

    elsewhere = elsewhere_of(workers, cluster, certificates_of(tls_ca_file, tls_cert, tls_key), unencrypted=unencrypted)
    options = _options(
        {"axis_deg": axis_deg, "drift": drift} | ({} if preset is None else {"preset": preset}),
        assignments or [],
        export or [],
        report=report,
        overlay=overlay,
        style=style,
        any_modality=any_modality,
    )
    if style != "outlines" and not overlay:
        raise SomaNetError("--style is that of overlay.mp4, which --no-overlay leaves out. Give one of the two.")
    sources = [
        MovieSource(
            protect(path),
            name_at(name, position),
            channel,
            pixel_size_um,
            frame_interval_min,
            allow_truncated,
            z,
            axes,
            position,
            None if times is None else protect(times),
        )
        for path, name in find_movies(movies, leave_out=output)
    ]
    several = len(sources) > 1 or (len(movies) == 1 and sources[0].path != movies[0])
    if tracks is not None and several:
        raise SomaNetError("--tracks has the tracks of one movie: name only that movie.")
    if corrections is not None and several:
        raise SomaNetError("--corrections has the corrections of one movie: name only that movie.")
    if times is not None and several:
        raise SomaNetError("--times has the times of one movie: name only that movie.")
    if conditions is not None and not several:
        raise SomaNetError("--conditions compares several movies: name them, or their folder.")
    if (reference is not None or paired is not None) and conditions is None:
        raise SomaNetError("--reference and --paired are about the groups of --conditions: give that table too.")

    if elsewhere is not None and tracks is not None:
        raise SomaNetError("--workers and --cluster share the segmentation, which --tracks replaces: give one of them.")
    wanted = {
        "engine": engine,
        "device": device,
        "tta": tta,
        "rescale": rescale,
        "diameter_px": diameter,
        "keep_haze": keep_haze,
    }

    if several:
        question = question_of(conditions, reference, paired)
        _analyze_all(sources, output, question, options, model, wanted, elsewhere)
    else:
        opened = cache(lambda: _open(model, wanted))
        with _blocks(elsewhere, opened, wanted) as blocks:
            _analyze_one(sources[0], output, tracks, corrections, options, lambda: _networks(opened()), blocks)


def _analyze_one(
    source: MovieSource,
    output: Path,
    tracks: Path | None,
    corrections: Path | None,
    options: Options,
    network: Callable[[], AnalysisNetworks],
    blocks: OnBlocks | None,
) -> None:
    from somanet.analysis.single import analyze_single

    measures = analyze_single(
        source,
        output,
        network=network,
        tracks=tracks,
        corrections=corrections,
        options=options,
        say=lambda note: typer.echo(f"note: {note}", err=True),
        elsewhere=blocks,
    )
    print_summary(measures, output, source.path)


@contextmanager
def _blocks(
    elsewhere: Workers | None, opened: Callable[[], OpenedNetworks], wanted: dict[str, Any]
) -> Iterator[OnBlocks | None]:
    """Workers that share the frames of one movie; SIGTERM stops them, too."""
    if elsewhere is None:
        yield None
        return
    from somanet.analysis.asked import networks_to_open
    from somanet.analysis.blocks import OnBlocks
    from somanet.provenance.mlflow import sigterm_raises

    with sigterm_raises():
        yield OnBlocks(elsewhere, lambda: networks_to_open(opened(), {}, **wanted))


def _analyze_all(
    sources: list[MovieSource],
    output: Path,
    question: Question,
    options: Options,
    models: list[str] | None,
    wanted: dict[str, Any],
    elsewhere: Workers | None,
) -> None:
    from somanet.analysis.batch import Batch
    from somanet.analysis.names import COHORT, COHORT_FILES
    from somanet.core.one_of_many import some_left_out
    from somanet.core.results import check_results

    folders = {source.name: output / source.name for source in sources}
    batch = Batch(sources, folders, options)
    if question.conditions is not None:
        check_groups_of(question, batch.movies(output))
    if output.is_dir():
        check_results(output, COHORT, writes=COHORT_FILES)
    batch.check()
    opened = _open(models, wanted)
    networks = _networks(opened)
    batch.check_network(networks)
    paths = {output / source.name: source.path for source in sources}

    def ends(measures: Measures, folder: Path) -> None:
        print_summary(measures, folder, paths[folder])

    if elsewhere is None:
        batch.run(networks, begins=typer.echo, ends=ends)
    else:
        from somanet.analysis.asked import networks_to_open

        to_open = networks_to_open(opened, networks.about, **wanted)
        run_elsewhere(batch, output, to_open, elsewhere, ends=ends)
    if results := batch.results(output):
        write_and_print(results, output, question, notes=batch.notes(output), told=batch.missing(), paths=paths)
    if batch.problems:
        again = "mend these, and the same command takes up what is missing"
        raise some_left_out(batch.problems, len(sources), what="movie", done="analysed", next_step=again)


def _options(
    migrate: dict[str, Any],
    assignments: list[str],
    exports: list[str],
    *,
    report: bool,
    overlay: bool,
    style: Literal["outlines", "somas"],
    any_modality: bool,
) -> Options:
    from somanet.analysis.movie import Options, check_exports
    from somanet.analysis.settings import analysis_params

    check_exports(exports)
    chosen = analysis_params({"migrate": migrate}, assignments)
    return Options(
        chosen.track,
        chosen.migrate,
        report=report,
        overlay=overlay,
        style=style,
        exports=tuple(exports),
        any_modality=any_modality,
    )


def _open(models: list[str] | None, wanted: dict[str, Any]) -> OpenedNetworks:
    """The networks, opened as :func:`somanet.analysis.network.open_networks` is told."""
    from somanet.analysis.opening import open_for_movies

    opened = open_for_movies(models, **wanted)
    for note in opened.notes:
        typer.echo(f"note: {note}", err=True)
    return opened


def _networks(opened: OpenedNetworks) -> AnalysisNetworks:
    from somanet.analysis.movie import AnalysisNetworks
    from somanet.analysis.opening import about_opened

    return AnalysisNetworks(opened.segmenter, about_opened(opened))


def print_summary(measures: Measures, folder: Path, movie: Path | None = None) -> None:
    """Print the main numbers, the notes and warnings, and where to look next.

    Args:
        measures: of a movie.
        folder: of its results.
        movie: where it is, as far as it is known.
    """
    from somanet.analysis.names import MANIFEST
    from somanet.analysis.report.counts import saltation_counts
    from somanet.analysis.stages.files import read_metadata
    from somanet.cli.unapplied import note_unapplied
    from somanet.migration.requirements import rests_on_saltations

    numbers = measures.summary.numbers
    supported, modes = measures.support.saltations, measures.modes
    if not supported and modes is not None:
        for state, words in (("rest", "at rest"), ("creep", "creeping"), ("run", "running")):
            words = f"steps of {60 * modes.interval_h:.3g} min {words}"
            _print_number(words, modes.state_share[state], " %", factor=100.0)
        _print_number("RMS speed while running", modes.state_speed_um_per_h["run"], " µm/h")
        _print_number("velocity kept for", modes.run_persistence_h, " h")
    for name, words, unit in (
        ("frequency_corrected_per_h", "saltations per hour, corrected", ""),
        ("mean_length_corrected_um", "saltation length, corrected", " µm"),
        ("mobile_speed_corrected_um_per_h", "speed when mobile, corrected", " µm/h"),
        ("average_speed_corrected_um_per_h", "average speed, corrected", " µm/h"),
        ("rms_speed_1h_um_per_h", "net speed over an hour", " µm/h"),
    ):
        remark = measures.support.remark if rests_on_saltations(name) else ""
        _print_number(words, numbers[name], unit, remark=f"  {remark}" if remark else "")
    noise = measures.migration.noise
    if noise.bounded:
        typer.echo(f"{'localisation error':>30}  {noise.estimate.problem}")
    elif noise.given:
        typer.echo(f"{'localisation error':>30}  {noise.sigma_um:.3g} µm  given")
    else:
        _print_number("localisation error", noise.estimate, " µm")
    n_cells, n_short = measures.summary.n_cells, measures.summary.n_short
    typer.echo(f"cells observed long enough: {n_cells}, too briefly: {n_short}")
    typer.echo(saltation_counts(measures.migration).in_words())
    for note in (*read_metadata(folder / MANIFEST)["notes"], *measures.warnings):
        typer.echo(f"  note: {note}")
    note_unapplied(folder, movie=movie)
    typer.echo(f"Written: {folder} ({', '.join(sorted((MANIFEST, *read_metadata(folder / MANIFEST)['files'])))})")
    if (folder / "report.html").exists():
        typer.echo(f"Next: open {folder / 'report.html'} in a browser")


def _print_number(words: str, found: Estimate, unit: str, *, factor: float = 1.0, remark: str = "") -> None:
    """The number with its interval, or the reason why there is none: no number stands there as if it were sure."""
    from somanet.analysis.report.definitions import MISSING, rounded

    value, low, high = rounded(found, factor=factor)
    if found.problem or value == MISSING:
        said = f"not estimated: {found.problem}"
    else:
        said = f"{value}{unit}" + (f"  [{low}, {high}]" if low != MISSING else "") + remark
    typer.echo(f"{words:>30}  {said}")
