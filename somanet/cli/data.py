"""`somanet simulate` and `somanet data …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from somanet.cli.guarding import guarding
from somanet.cli.options import Axes, Binary, Channel, OnlyClass, Part, Plane, Position, Split
from somanet.core.errors import SomaNetError

if TYPE_CHECKING:
    from somanet.core.calibration import Calibration
    from somanet.simulation import CohortMovie

app = typer.Typer(help="Check and prepare data sets and movies.", no_args_is_help=True)


_PIXEL_SIZES_UM, _FRAME_INTERVALS_MIN = (0.05, 10.0), (0.1, 240.0)
"""Of simulated movies: the number of cells grows with the area, and that of steps with the time."""
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
    from somanet.core.files import make_folder
    from somanet.core.guard import check_write
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
        of_movie = ("conditions.csv", "truth.csv", "movies", "truth")
    parts = ((nuclei, ("nuclei.zip",)), (crops, ("crops.zip",)), (frames, of_movie))
    for name in (name for number, names in parts if number for name in names):
        check_write(output / name)  # all, before the first is written
    make_folder(output)
    if nuclei:
        write_kaggle(output / "nuclei.zip", simulate_nuclei(n_images=nuclei, shape_YX=(256, 256), seed=seed))
        typer.echo(f"{output / 'nuclei.zip'}: {nuclei} images, Kaggle layout")
    if crops:
        looks: dict[str, Any] = {"n_movies": crops, "variety": Variety()} if varied else {}
        write_kaggle(output / "crops.zip", neuron_crops(n_crops=crops, size_px=256, seed=seed, **looks))
        typer.echo(f"{output / 'crops.zip'}: {crops} labelled crops, Kaggle layout")
    if frames and plan:
        _write_cohort(output, plan, frames=frames, size_px=size_px, calibration=calibration)
        typer.echo(f"{output / 'movies'}: {len(plan)} movies of {len(effects)} groups; ground truth in truth")
        typer.echo(
            f"Next: somanet analyze {output / 'movies'} --output STUDY --conditions {output / 'conditions.csv'} "
            f"--reference {plan[0].group}"
        )
        return
    if frames:
        movie = simulate_movie(seed=seed, n_frames=frames, shape_YX=(size_px, size_px), calibration=calibration)
        write_movie(output / "movie.ome.tif", movie.frames_TYX, calibration)
        write_labels(output / "movie_truth_labels.tif", movie.labels_TYX)
        write_table(output / "movie_truth_tracks.csv", movie.tracks, TRACKS)
        write_table(output / "movie_truth_saltations.csv", movie.saltations, SALTATIONS)
        save_figure(plots.outlines(movie.frames_TYX[0], movie.labels_TYX[0]), output / "movie_first_frame.png")
        typer.echo(
            f"{output / 'movie.ome.tif'}: {frames} frames, {movie.tracks['track_id'].nunique()} cells, "
            f"{len(movie.saltations)} saltations; ground truth in movie_truth_*, preview in movie_first_frame.png"
        )
    typer.echo(f"Next: somanet data check {output / 'crops.zip'}")


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

    from somanet.core.files import make_folder
    from somanet.core.progress import counted
    from somanet.core.schema import SALTATIONS, TRACKS
    from somanet.io.images import write_labels
    from somanet.io.movies import write_movie
    from somanet.io.tables import write_table
    from somanet.simulation import simulate_movie

    make_folder(output / "movies")
    for one in counted(plan, len(plan), doing="simulating", unit="movie"):
        movie = simulate_movie(
            seed=one.seed, n_frames=frames, shape_YX=(size_px, size_px), calibration=calibration, settings=one.settings
        )
        write_movie(output / "movies" / f"{one.name}.ome.tif", movie.frames_TYX, calibration)
        truth = make_folder(output / "truth" / one.name)
        write_labels(truth / "labels.tif", movie.labels_TYX)
        write_table(truth / "tracks.csv", movie.tracks, TRACKS)
        write_table(truth / "saltations.csv", movie.saltations, SALTATIONS)
    rows = [{"movie": f"{one.name}.ome.tif", "donor": one.donor, "group": one.group} for one in plan]
    write_table(output / "conditions.csv", pd.DataFrame(rows))
    settings = [{**row, **vars(one.settings)} for row, one in zip(rows, plan, strict=True)]
    write_table(output / "truth.csv", pd.DataFrame(settings))


@app.command()
@guarding
def check(
    path: Annotated[
        Path, typer.Argument(help="Data set (folder or zip), movie, folder of movies, or numbered images of one movie.")
    ],
    output: Annotated[Path | None, typer.Option(help="Write the manifest as CSV.")] = None,
    strict: Annotated[bool, typer.Option(help="Exit with status 1 if anything was rejected.")] = False,
    channel: Channel = None,
    z: Plane = None,
    axes: Axes = None,
    position: Position = None,
    binary: Binary = None,
    only_class: OnlyClass = None,
) -> None:
    """Decode everything, count objects and frames, and list what cannot be used and why."""
    from somanet.io.datasets.manifest import check_dataset, describe_manifest
    from somanet.io.datasets.movie_manifest import check_movies
    from somanet.io.datasets.movie_or_set import are_movies
    from somanet.io.movie_layout import Wanted
    from somanet.io.tables import write_table

    wanted = Wanted(channel, z, axes, position)
    movies = are_movies(path)
    if not movies and wanted != Wanted():
        raise SomaNetError(
            f"{path}: --channel, --z, --axes and --position are about movies, found a data set. Leave them out."
        )
    if movies and (binary, only_class) != (None, None):
        raise SomaNetError(
            f"{path}: --binary, --no-binary and --class are about label images, found movies. Leave them out."
        )
    if movies:
        manifest = check_movies(path, wanted)
    else:
        manifest = check_dataset(path, binary=binary, only_class=only_class, progress=True)
    typer.echo(describe_manifest(manifest))
    rejected = manifest[manifest["status"] == "rejected"]
    for row in rejected.head(20).to_dict("records"):
        typer.echo(f"  {row['name']}: {row['note'] or row['reason']}")
    if output is not None:
        write_table(output, manifest)
        typer.echo(f"Written: {output}")
    if len(rejected) == len(manifest) or (strict and len(rejected)):
        raise SomaNetError(f"{path}: {len(rejected)} of {len(manifest)} were rejected, for the reasons above.")


@app.command()
@guarding
def select(
    path: Annotated[Path, typer.Argument(help="Data set (folder or zip).")],
    output: Annotated[Path, typer.Option(help="Folder for the selected images.")],
    count: Annotated[int | None, typer.Option(min=1, help="Number of images; default: all.")] = None,
    split: Split = None,
    part: Part = "train",
    ignore: Annotated[
        Path | None,
        typer.Option(metavar="JSON", help="Outlines of cells that nobody labelled: neither soma nor background."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same images.")] = 0,
    binary: Binary = None,
    only_class: OnlyClass = None,
) -> None:
    """Select images of a data set at random, for example to mix them into another training."""
    import numpy as np

    from somanet.io.datasets.layouts import open_dataset
    from somanet.io.datasets.manifest import describe_manifest, pack_dataset
    from somanet.io.datasets.regions import read_regions
    from somanet.io.datasets.splits import read_part

    regions = None if ignore is None else read_regions(ignore)
    names = open_dataset(path).names
    if split is not None:
        names = read_part(split, part, names=names)
    count = len(names) if count is None else count
    if len(names) < count:
        raise SomaNetError(
            f"{path}: expected at least {count} images to select from, found {len(names)}. Lower --count."
        )
    chosen = np.random.default_rng(seed).choice(sorted(names), count, replace=False)
    packed = pack_dataset(
        path, output, names=sorted(chosen.tolist()), regions=regions, binary=binary, only_class=only_class
    )
    typer.echo(describe_manifest(packed))
    typer.echo(f"Written: {output}\nNext: somanet train {output} --output MODEL")


@app.command()
@guarding
def yolo(
    path: Annotated[Path, typer.Argument(help="Labelled data set (folder or zip).")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    split: Annotated[
        Path | None, typer.Option(help="CSV image_id,split; default: a random tenth for validation.")
    ] = None,
    tile_px: Annotated[
        int | None,
        typer.Option(
            min=32, help="Cut larger images into square patches of this side (px), so that objects keep their size."
        ),
    ] = None,
    outlines: Annotated[bool, typer.Option("--outlines", help="Polygons, for programs that train on masks.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed for drawing the tenth.")] = 0,
    binary: Binary = None,
    only_class: OnlyClass = None,
) -> None:
    """Write a data set for YOLO detectors: 8-bit images, a text file of boxes for each, and data.yaml."""
    from collections.abc import Iterable, Iterator

    import numpy as np

    from somanet.io.datasets.layouts import LabelledImage, open_dataset
    from somanet.io.datasets.splits import describe_left_out, make_split, read_split
    from somanet.io.datasets.yolo import cut_tiles, write_yolo
    from somanet.io.label_checks import describe_doubts
    from somanet.segmentation.network.inputs import to_unit

    dataset = open_dataset(path, binary=binary, only_class=only_class)
    doubts: dict[str, tuple[str, ...]] = {}
    if split is not None:
        parts = read_split(split, names=dataset.names)
        for note in describe_left_out(split, parts, dataset.names):
            typer.echo(f"note: {note}", err=True)
    else:
        parts = make_split(dataset.names, fractions={"train": 0.9, "val": 0.1}, seed=seed)

    def pictures(names: Iterable[str]) -> Iterator[LabelledImage]:
        for name in names:
            item = dataset.load(name)
            doubts[name] = item.doubts
            unit = to_unit(item.image)
            image = unit if unit.dtype == np.uint8 else (unit * 255).round().astype(np.uint8)
            eight_bit = LabelledImage(name, image, item.labels)
            yield from [eight_bit] if tile_px is None else cut_tiles(eight_bit, size_px=tile_px)

    written = write_yolo(output, {part: pictures(names) for part, names in parts.items()}, outlines=outlines)
    for note in describe_doubts(doubts):
        typer.echo(f"note: {note}", err=True)
    counts = ", ".join(f"{len(names)} {part}" for part, names in parts.items())
    typer.echo(f"Written: {output} ({counts} images)\nNext: libreyolo train --model yolo9-t --data {written}")
