"""`somanet data …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from somanet.cli.guarding import guarding
from somanet.cli.options import Axes, Binary, Channel, OnlyClass, Part, Plane, Position, Split
from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.typed import quoted, typed

app = typer.Typer(help="Check and prepare data sets and movies.", no_args_is_help=True)


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
    typer.echo(f"Written: {output}\nNext: {typed('train', output, '--output', 'MODEL')}")


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
    background: list[str] = []
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
            background.extend([name] if item.ignored is not None else [])
            unit = to_unit(item.image)
            image = unit if unit.dtype == np.uint8 else (unit * 255).round().astype(np.uint8)
            eight_bit = LabelledImage(name, image, item.labels)
            yield from [eight_bit] if tile_px is None else cut_tiles(eight_bit, size_px=tile_px)

    written = write_yolo(output, {part: pictures(names) for part, names in parts.items()}, outlines=outlines)
    for note in describe_doubts(doubts):
        typer.echo(f"note: {note}", err=True)
    if background:
        typer.echo(
            f"note: YOLO's format has no ignored pixels: they become background in "
            f"{counted(len(background), 'image')}, such as {background[0]!r}",
            err=True,
        )
    counts = ", ".join(f"{len(names)} {part}" for part, names in parts.items())
    train = ("libreyolo", "train", "--model", "yolo9-t", "--data")
    typer.echo(f"Written: {output} ({counts} images)\nNext: {quoted(*train, written)}")


@app.command()
@guarding
def rois(
    path: Annotated[
        Path,
        typer.Argument(
            help="A data set, label image or label movie. With --images: selections (.zip, .roi), or a folder of them."
        ),
    ],
    output: Annotated[
        Path, typer.Option(help="Folder of a data set, .zip of selections, or .tif or .zarr for the labels of a movie.")
    ],
    images: Annotated[
        Path | None, typer.Option(help="What the selections of PATH were drawn on: an image, data set or movie.")
    ] = None,
    channel: Channel = None,
    z: Plane = None,
    axes: Axes = None,
    position: Position = None,
    binary: Binary = None,
) -> None:
    """Convert labels to ImageJ's selections (ROI Manager), pixel by pixel; with --images, selections to labels."""
    from somanet.io.movie_layout import Wanted
    from somanet.io.rois.sets import (
        check_selections,
        holds_rois,
        labels_to_rois,
        open_if_movie,
        rois_to_dataset,
        rois_to_movie,
    )

    if images is None:
        if holds_rois(path):
            raise SomaNetError(
                f"{path} has ImageJ's selections; expected labels to convert to them. To convert selections to labels, "
                "give --images with what they were drawn on."
            )
        written = labels_to_rois(path, output, binary=binary)
        what = "selections"
    else:
        check_selections(path, images)
        movie = open_if_movie(images, Wanted(channel, z, axes, position))
        if movie is None:
            written = rois_to_dataset(path, images, output)
        else:
            with movie:
                written = rois_to_movie(path, movie, output)
        what = "somas"
    for note in written.notes:
        typer.echo(f"note: {note}", err=True)
    frames = counted(written.n_images, "image or frame", "images or frames")
    typer.echo(f"Written: {output} ({written.n_objects} {what}, {frames})")
