"""`somanet analyze`: from movies to the migration of every cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from somanet.cli.options import (
    AnyModality,
    Channel,
    Diameter,
    Engine,
    FrameInterval,
    Models,
    PixelSize,
    Plane,
    Rescale,
    Tta,
    set_option,
)
from somanet.core.errors import SomaNetError
from somanet.segmentation.engines import EngineName

if TYPE_CHECKING:
    from somanet.analysis.movie import AnalysisNetworks, Options
    from somanet.analysis.source import MovieSource
    from somanet.migration.measures import Measures


def analyze(
    movies: Annotated[list[Path], typer.Argument(metavar="MOVIE...", help="Movies, or folders of movies.")],
    output: Annotated[Path, typer.Option(help="Folder for the results; with several movies, a subfolder for each.")],
    pixel_size_um: PixelSize = None,
    frame_interval_min: FrameInterval = None,
    channel: Channel = None,
    z: Plane = None,
    allow_truncated: Annotated[
        bool, typer.Option("--allow-truncated", help="Analyse the complete frames of a truncated TIFF.")
    ] = False,
    model: Models = None,
    diameter: Diameter = None,
    rescale: Rescale = None,
    tta: Tta = 1,
    any_modality: AnyModality = False,
    engine: Engine = "auto",
    tracks: Annotated[
        Path | None,
        typer.Option(
            help="Instead of a network: tracks made or corrected elsewhere (CSV, TrackMate, napari, GEFF, CTC)."
        ),
    ] = None,
    axis_deg: Annotated[float, typer.Option(help="Direction from which angles are measured: 0 right, 90 down.")] = 0.0,
    drift: Annotated[
        Literal["image", "cells", "none"],
        typer.Option(help="Drift to subtract: the stage's by the background, the resting cells', or none."),
    ] = "image",
    assignments: Annotated[list[str] | None, set_option("track.max_step_um=30, migrate.sigma_um=0.5")] = None,
    conditions: Annotated[
        Path | None, typer.Option(help="CSV movie,donor,group for several movies, for comparisons.")
    ] = None,
    reference: Annotated[str | None, typer.Option(help="The group that the others are compared with.")] = None,
    export: Annotated[
        list[str] | None, typer.Option(help="Also write the tracks as napari, ctc, geff or trackmate.")
    ] = None,
    overlay: Annotated[bool, typer.Option(help="Write overlay.mp4.")] = True,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
) -> None:
    """Segment, track and measure every cell of a movie: tables, a report for the browser, a video."""
    from somanet.analysis.names import RESULTS
    from somanet.analysis.source import MovieSource, check_intended_use, find_movies
    from somanet.core.results import check_results

    options = _options(
        {"axis_deg": axis_deg, "drift": drift},
        assignments or [],
        export or [],
        report=report,
        overlay=overlay,
        any_modality=any_modality,
    )
    sources = [
        MovieSource(path, name, channel, pixel_size_um, frame_interval_min, allow_truncated, z)
        for path, name in find_movies(movies)
    ]
    several = len(sources) > 1 or sources[0].path != movies[0]
    if tracks is not None and several:
        raise SomaNetError("--tracks has the tracks of one movie: name only that movie.")
    if conditions is not None and not several:
        raise SomaNetError("--conditions compares several movies: name them, or their folder.")
    if reference is not None and conditions is None:
        raise SomaNetError("--reference names a group of --conditions: give that table too.")
    table = _conditions(conditions, sources)
    folders = {source.name: output / source.name if several else output for source in sources}
    for source in sources:  # checked before hours of work, not after
        check_results(folders[source.name], RESULTS, writes=options.files())
        with source.open() as movie:
            source.calibration(movie)
    network = None
    if tracks is None:
        network = _network(model, engine, tta, rescale=rescale, diameter_px=diameter)
        if not any_modality:
            check_intended_use(sources, network.segmenter.intended_use)
    from somanet.analysis.movie import analyze_movie

    for source in sources:
        if several:
            typer.echo(f"{source.name}:")
        folder = folders[source.name]
        measures = analyze_movie(source, folder, network=network, tracks_file=tracks, options=options)
        _print_summary(measures, folder)
    if several:
        _cohort(folders, table, reference, output)


def _options(
    migrate: dict[str, Any],
    assignments: list[str],
    exports: list[str],
    *,
    report: bool,
    overlay: bool,
    any_modality: bool,
) -> Options:
    from somanet.analysis.movie import Options
    from somanet.config import AnalysisParams
    from somanet.core.settings import override, parse
    from somanet.tracking.formats import FORMATS

    if unknown := sorted(set(exports) - set(FORMATS)):
        raise SomaNetError(f"Unknown export format {unknown[0]!r}. Use one of {', '.join(FORMATS)}.")
    values: dict[str, Any] = {"track": {}, "migrate": migrate}
    chosen = parse(AnalysisParams, override(values, assignments), source="settings")
    return Options(
        chosen.track,
        chosen.migrate,
        report=report,
        overlay=overlay,
        exports=tuple(exports),
        any_modality=any_modality,
    )


def _conditions(path: Path | None, sources: list[MovieSource]) -> Any:
    from somanet.analysis.cohort import read_conditions

    return None if path is None else read_conditions(path, [source.name for source in sources])


def _network(
    models: list[str] | None,
    engine: EngineName,
    tta: int,
    *,
    rescale: float | None,
    diameter_px: float | None,
) -> AnalysisNetworks:
    from somanet.analysis.movie import AnalysisNetworks
    from somanet.analysis.network import about_networks, open_networks
    from somanet.provenance.code import project_root
    from somanet.segmentation.inference.video import usual_workers

    opened = open_networks(
        models,
        engine=engine,
        tta=tta,
        rescale=rescale,
        diameter_px=diameter_px,
        at_once=usual_workers(),
    )
    for note in opened.notes:
        typer.echo(f"note: {note}", err=True)
    return AnalysisNetworks(opened.segmenter, about_networks(opened, project_root()))


def _print_summary(measures: Measures, folder: Path) -> None:
    """Print the main numbers, the notes and warnings, and where to look next."""
    from somanet.analysis.names import MANIFEST
    from somanet.analysis.stages.files import read_metadata

    numbers = measures.summary.numbers
    for name, words, unit in (
        ("frequency_corrected_per_h", "saltations per hour, corrected", ""),
        ("mean_length_corrected_um", "saltation length, corrected", " µm"),
        ("mobile_speed_corrected_um_per_h", "speed when mobile, corrected", " µm/h"),
        ("average_speed_corrected_um_per_h", "average speed, corrected", " µm/h"),
        ("rms_speed_1h_um_per_h", "net displacement in an hour", " µm/h"),
    ):
        found = numbers[name]
        if found.value == found.value:
            interval = f"  interval not estimated: {found.problem}" if found.problem else ""
            interval = interval or f"  [{found.low:.3g}, {found.high:.3g}]"
            typer.echo(f"{words:>30}  {found.value:.3g}{unit}{interval}")
    n_cells, n_short = measures.summary.n_cells, measures.summary.n_short
    n_events = measures.summary.n_events
    typer.echo(f"cells observed long enough: {n_cells}, too briefly: {n_short}; saltations: {n_events}")
    for note in (*read_metadata(folder / MANIFEST)["notes"], *measures.warnings):
        typer.echo(f"  note: {note}")
    typer.echo(f"Written: {folder} ({', '.join(sorted(read_metadata(folder / MANIFEST)['files']))})")
    if (folder / "report.html").exists():
        typer.echo(f"Next: open {folder / 'report.html'} in a browser")


def _cohort(folders: dict[str, Path], conditions: Any, reference: str | None, output: Path) -> None:
    from somanet.analysis.cohort import comparison_table, gather_cohort, write_cohort

    cohort = gather_cohort(folders, conditions, reference=reference)
    written = write_cohort(cohort, output)
    for row in comparison_table(cohort.comparisons).to_dict("records"):
        verdict = row["problem"] or (
            f"{row['difference']:+.3g} {row['unit']} [{row['low']:.3g}, {row['high']:.3g}], "
            f"Hedges' g {row['hedges_g']:.2g}, adjusted p {row['p_adjusted']:.2g}"
        )
        typer.echo(f"{row['number']}, {row['group']} against {row['reference']}: {verdict}")
    for warning in cohort.summaries["all"].warnings:
        typer.echo(f"  note: {warning}")
    typer.echo(f"Written: {', '.join(str(path) for path in written)}")
