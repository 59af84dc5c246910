"""`somanet simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.typed import typed

if TYPE_CHECKING:
    from somanet.core.calibration import Calibration
    from somanet.simulation import CohortMovie

_PIXEL_SIZES_UM, _FRAME_INTERVALS_MIN = (0.05, 10.0), (0.1, 240.0)
"""Of simulated movies: the number of cells grows with the area, and that of steps with the time."""
_COHORT = ("conditions.csv", "truth.csv", "movies", "truth")
_TRUTHS = ("labels.tif", "tracks.csv", "saltations.csv")


def simulate(
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    nuclei: Annotated[int, typer.Option(min=0, help="Number of nucleus images.")] = 16,
    crops: Annotated[int, typer.Option(min=0, help="Number of labelled neuron crops of 256 px.")] = 8,
    frames: Annotated[int, typer.Option(min=0, help="Number of frames of the neuron movie; 0 = no movie.")] = 64,
    size_px: Annotated[int, typer.Option(min=64, help="Height and width of the movie.")] = 512,
    pixel_size_um: Annotated[float, typer.Option(help="Micrometres per pixel of the movie.")] = 1.28,
    frame_interval_min: Annotated[float, typer.Option(help="Minutes per frame of the movie.")] = 12.0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same data.")] = 0,
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="NAME[:SETTING=VALUE,...]",
            help="Instead of one movie, movies of a group's donors; repeat for each group: control, "
            "patient:jump_length_um=15,pause_mean_h=3.",
        ),
    ] = None,
    donors: Annotated[int, typer.Option(min=1, help="Donors of each group.")] = 3,
    movies: Annotated[int, typer.Option(min=1, help="Movies of each donor.")] = 1,
    donor_spread: Annotated[
        float, typer.Option(min=0, max=1, help="How much donors of a group differ: sd of the log of pause and length.")
    ] = 0.1,
    varied: Annotated[
        bool,
        typer.Option(
            "--varied", help="Crops of many looks: 8 to 90 px, haze, vignettes, bleaching, dim beside bright."
        ),
    ] = False,
) -> None:
    """Write simulated nuclei, neuron crops and a neuron movie with ground truth labels, tracks and saltations."""
    from somanet.core import plots
    from somanet.core.calibration import Calibration
    from somanet.core.files import check_outputs, make_folder
    from somanet.core.plots import save_figure
    from somanet.core.schema import SALTATIONS, TRACKS
    from somanet.io.datasets.writers import write_kaggle
    from somanet.io.images import write_labels
    from somanet.io.movies import write_movie
    from somanet.io.tables import write_table
    from somanet.simulation import Variety, cohort_movies, group_settings, neuron_crops, simulate_movie, simulate_nuclei

    calibration = Calibration(pixel_size_um, frame_interval_min)
    for option, value, (low, high) in (
        ("--pixel-size-um", pixel_size_um, _PIXEL_SIZES_UM),
        ("--frame-interval-min", frame_interval_min, _FRAME_INTERVALS_MIN),
    ):
        if not low <= value <= high:
            raise SomaNetError(f"{option} is {value:g}; expected {low:g} to {high:g}: the simulated cells are neurons.")
    of_movie = ("movie.ome.tif", "movie_first_frame.png", *(f"movie_truth_{name}" for name in _TRUTHS))
    effects = dict(map(_group, groups or []))
    plan = list(
        cohort_movies(
            {name: group_settings(changes) for name, changes in effects.items()},
            donors=donors,
            movies_per_donor=movies,
            donor_spread=donor_spread,
            seed=seed,
        )
    )
    if plan:
        of_movie = _COHORT
    parts = ((nuclei, ("nuclei.zip",)), (crops, ("crops.zip",)), (frames, of_movie))
    check_outputs(*(output / name for number, names in parts if number for name in names))
    make_folder(output)
    if nuclei:
        write_kaggle(output / "nuclei.zip", simulate_nuclei(n_images=nuclei, shape_YX=(256, 256), seed=seed))
        typer.echo(f"{output / 'nuclei.zip'}: {counted(nuclei, 'image')}, Kaggle layout")
    if crops:
        looks: dict[str, Any] = {"n_movies": crops, "variety": Variety()} if varied else {}
        write_kaggle(output / "crops.zip", neuron_crops(n_crops=crops, size_px=256, seed=seed, **looks))
        typer.echo(f"{output / 'crops.zip'}: {counted(crops, 'labelled crop')}, Kaggle layout")
    if frames and plan:
        _write_cohort(output, plan, frames=frames, size_px=size_px, calibration=calibration)
        written = f"{counted(len(plan), 'movie')} of {counted(len(effects), 'group')}"
        typer.echo(f"{output / 'movies'}: {written}; ground truth in truth")
        question = ("--conditions", output / "conditions.csv", "--reference", plan[0].group)
        typer.echo(f"Next: {typed('analyze', output / 'movies', '--output', 'STUDY', *question)}")
        return
    if frames:
        movie = simulate_movie(seed=seed, n_frames=frames, shape_YX=(size_px, size_px), calibration=calibration)
        write_movie(output / "movie.ome.tif", movie.frames_TYX, calibration)
        write_labels(output / "movie_truth_labels.tif", movie.labels_TYX)
        write_table(output / "movie_truth_tracks.csv", movie.tracks, TRACKS)
        write_table(output / "movie_truth_saltations.csv", movie.saltations, SALTATIONS)
        save_figure(plots.outlines(movie.frames_TYX[0], movie.labels_TYX[0]), output / "movie_first_frame.png")
        typer.echo(
            f"{output / 'movie.ome.tif'}: {counted(frames, 'frame')}, "
            f"{counted(movie.tracks['track_id'].nunique(), 'cell')}, "
            f"{counted(len(movie.saltations), 'saltation')}; ground truth in movie_truth_*, preview in "
            "movie_first_frame.png"
        )
    if crops or nuclei:
        typer.echo(f"Next: {typed('data', 'check', output / ('crops.zip' if crops else 'nuclei.zip'))}")
    elif frames:
        typer.echo(f"Next: {typed('analyze', output / 'movie.ome.tif', '--output', 'results')}")


def _group(text: str) -> tuple[str, dict[str, float]]:
    """`patient:jump_length_um=15` as a name and its effects."""
    from somanet.core.names import is_entry

    name, _, rest = text.partition(":")
    effects = {}
    for one in filter(None, rest.split(",")):
        setting, _, value = one.partition("=")
        try:
            effects[setting.strip()] = float(value)
        except ValueError as error:
            raise SomaNetError(f"--group {text}: expected SETTING=NUMBER after the colon, found {one!r}.") from error
    if not is_entry(name) or name[0] == ".":
        raise SomaNetError(f"--group {text}: expected a name before the colon that can be part of a file's.")
    return name, effects


def _write_cohort(
    output: Path, plan: list[CohortMovie], *, frames: int, size_px: int, calibration: Calibration
) -> None:
    """Movies, their ground truth, whose they are, and the true settings of each donor."""
    import pandas as pd

    from somanet.core.files import atomic_paths, make_folder
    from somanet.core.progress import counted
    from somanet.core.schema import SALTATIONS, TRACKS
    from somanet.io.images import write_labels
    from somanet.io.movies import write_movie
    from somanet.io.tables import write_table
    from somanet.simulation import simulate_movie

    # All or nothing: of a larger cohort before it no movie is left among these.
    with atomic_paths(*(output / name for name in _COHORT)) as (conditions, settings, movies, truths):
        make_folder(movies)
        for one in counted(plan, len(plan), doing="simulating", unit="movie"):
            movie = simulate_movie(
                seed=one.seed,
                n_frames=frames,
                shape_YX=(size_px, size_px),
                calibration=calibration,
                settings=one.settings,
            )
            write_movie(movies / f"{one.name}.ome.tif", movie.frames_TYX, calibration)
            truth = make_folder(truths / one.name)
            write_labels(truth / "labels.tif", movie.labels_TYX)
            write_table(truth / "tracks.csv", movie.tracks, TRACKS)
            write_table(truth / "saltations.csv", movie.saltations, SALTATIONS)
        rows = [{"movie": f"{one.name}.ome.tif", "donor": one.donor, "group": one.group} for one in plan]
        write_table(conditions, pd.DataFrame(rows))
        true = [{**row, **vars(one.settings)} for row, one in zip(rows, plan, strict=True)]
        write_table(settings, pd.DataFrame(true))
