"""`somanet label propose`, `suggest` and `agreement`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from somanet.cli.guarding import guarding
from somanet.cli.networks import open_for_files
from somanet.cli.options import (
    AnyModality,
    Axes,
    Binary,
    Channel,
    Device,
    Diameter,
    Engine,
    Models,
    Plane,
    Position,
    Rescale,
    with_options,
)
from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.core.typed import typed

if TYPE_CHECKING:
    from somanet.analysis.labelling.write import Proposed
    from somanet.segmentation.inference.input_files import Choice, Input
    from somanet.segmentation.inference.segmenter import Segmenter

app = typer.Typer(
    help="Label somas: crops with proposed masks to correct in Fiji, those that are worth it, agreement of two people.",
    no_args_is_help=True,
)


@dataclass(frozen=True)
class CropOptions:
    """Options shared by `propose` and `suggest`: the crops, the network, and its input from a file."""

    output: Annotated[Path, typer.Option(help="Folder for the crops: a data set, and a RoiSet.zip for each.")]
    count: Annotated[int, typer.Option(min=1, max=1000, help="Number of crops of movies and larger images.")] = 12
    size_px: Annotated[
        int, typer.Option(min=32, max=4096, help="Side of a crop in pixels; smaller images are taken whole.")
    ] = 256
    model: Models = None
    diameter: Diameter = None
    rescale: Rescale = None
    any_modality: AnyModality = False
    engine: Engine = "auto"
    device: Device = "auto"
    channel: Channel = None
    z: Plane = None
    axes: Axes = None
    position: Position = None

    @property
    def choice(self) -> Choice:
        """What to read of a file."""
        from somanet.segmentation.inference.input_files import Choice

        return Choice(self.channel, self.z, self.axes, self.position)

    def segmenter(self, found: Sequence[Input]) -> Segmenter:
        """The network, and a check that the inputs are what it is for."""
        from somanet.segmentation.inference.modality import ModalityInput, check_modality

        segmenter = open_for_files(
            self.model,
            found,
            engine=self.engine,
            device=self.device,
            rescale=self.rescale,
            diameter_px=self.diameter,
        )
        if not self.any_modality:
            check_modality([ModalityInput(str(one.path), one.images) for one in found], segmenter.intended_use)
        return segmenter


@app.command()
@guarding
@with_options(CropOptions)
def propose(
    options: CropOptions,
    *,
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Images, movies, data sets.")],
    crops: Annotated[
        Path | None, typer.Option(help="Or the same crops as in an earlier folder, for a second person or threshold.")
    ] = None,
    threshold: Annotated[
        int | None,
        typer.Option(help="Instead of a network: least value of a soma on 0 to 255, 35 to 135 as in the paper."),
    ] = None,
    opening_px: Annotated[
        int, typer.Option(min=0, max=50, help="With --threshold: radius of the opening that removes processes.")
    ] = 3,
) -> None:
    """Cut crops and propose one mask per soma, by the bundled network or a threshold, to be corrected in Fiji."""
    from somanet.analysis.labelling.crops import read_crops
    from somanet.analysis.labelling.proposals import Network, Threshold
    from somanet.analysis.labelling.propose import Proposer, choose_crops, named_as_movies
    from somanet.analysis.labelling.propose import propose as write
    from somanet.analysis.labelling.write import LABELLING, goes_aside
    from somanet.core.results import check_results
    from somanet.segmentation.inference.input_files import all_readable, find_inputs

    output = options.output
    if threshold is not None and (options.model or options.diameter is not None or options.rescale is not None):
        raise SomaNetError("--threshold proposes without a network: leave out --model, --diameter and --rescale.")
    proposer: Proposer | None = None if threshold is None else Threshold(threshold, opening_px)
    found = named_as_movies(all_readable(find_inputs(inputs, options.choice)))
    check_results(output, LABELLING, aside=goes_aside(output, _hashes_of(found)))
    if proposer is None:
        proposer = Network(options.segmenter(found))
    chosen = choose_crops(found, count=options.count, size_px=options.size_px) if crops is None else read_crops(crops)
    cut = sum(not one.whole for one in chosen)
    if crops is None and 0 < cut < options.count:
        typer.echo(
            f"note: only {counted(cut, 'crop')}: further ones would show the same places of the same frames", err=True
        )
    _tell(write(found, chosen, output, proposer=proposer), output)


@app.command()
@guarding
@with_options(CropOptions)
def suggest(
    options: CropOptions,
    *,
    path: Annotated[Path, typer.Argument(metavar="MOVIE_OR_RESULT", help="Movie, images, or results of `analyze`.")],
    movie: Annotated[
        Path | None, typer.Option(help="With results: their movie, if it lies neither beside them nor here.")
    ] = None,
) -> None:
    """Find the crops worth a person's time, spread over time and place, and propose masks on them.

    Doubts are somas of low confidence, of unusual size, or changed by test-time augmentation; and with results, tracks
    that begin, end, jump or have gaps. OUTPUT/crops.csv has the reasons of each crop.
    """
    from somanet.analysis.labelling.proposals import Network
    from somanet.analysis.labelling.propose import named_as_movies
    from somanet.analysis.labelling.propose import propose as write
    from somanet.analysis.labelling.suggest import examine, examine_result, is_result, movie_of_result, suggest_crops
    from somanet.analysis.labelling.write import LABELLING, goes_aside
    from somanet.core.guard import protect
    from somanet.core.results import check_results
    from somanet.segmentation.inference.input_files import Choice, all_readable, find_inputs

    output, count, choice = options.output, options.count, options.choice
    of_result = is_result(path)
    if of_result and choice != Choice():
        raise SomaNetError(f"{path}: results know their channel and plane; leave out {choice.options()}.")
    if movie is not None and not of_result:
        raise SomaNetError(f"{path}: --movie goes with results of `somanet analyze`, found none there. Leave it out.")
    if of_result:
        found = [movie_of_result(path, movie)]
    else:
        found = named_as_movies(all_readable(find_inputs([path], choice)))
    check_results(output, LABELLING, aside=goes_aside(output, _hashes_of(found)))
    for item in found:
        protect(item.path)
    segmenter = options.segmenter(found)
    if of_result:
        examined = [examine_result(path, found[0], segmenter, count=count)]
    else:
        examined = [examine(item, segmenter, count=count) for item in found]
    chosen = suggest_crops(examined, count=count, size_px=options.size_px)
    if len(chosen) < count:
        typer.echo(f"note: anything doubtful is in {counted(len(chosen), 'crop')} only", err=True)
    done = write(found, chosen, output, proposer=Network(segmenter))
    for one in done[:20]:
        typer.echo(f"  {one.crop.name}: {one.crop.reasons}")
    _tell(done, output)


@app.command()
@guarding
def agreement(
    truth: Annotated[Path, typer.Argument(metavar="A", help="Labelled data set or folder of label images.")],
    predictions: Annotated[Path, typer.Argument(metavar="B", help="Another labelling of the same images.")],
    output: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    per_image: Annotated[Path | None, typer.Option(help="Also write one row per image as CSV.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    binary: Binary = None,
) -> None:
    """Compare two labellings of the same crops: no score against one of them can be worth more than their agreement."""
    from somanet import __version__
    from somanet.analysis.labelling.agreement import SYMMETRIC, WORDS
    from somanet.analysis.labelling.agreement import agreement as compare
    from somanet.core.files import atomic_paths, check_outputs, write_json
    from somanet.core.hashing import sha256_tree
    from somanet.io.tables import write_table

    check_outputs(output, per_image)
    found = compare(truth, predictions, binary=binary, seed=seed)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    for name, words in WORDS.items():
        low, high = found.scores.intervals[name]
        typer.echo(f"{name:>10}  {found.scores.values[name]:.3f}  [{low:.3f}, {high:.3f}]  {words}")
    n_images = len(found.scores.per_image)
    typer.echo(
        f"{counted(n_images, 'image')}, {found.n_first} and {counted(found.n_second, 'object')}; intervals of 95 % "
        f"over images. {', '.join(SYMMETRIC)} are the same in either order."
    )
    wanted = [path for path in (output, per_image) if path is not None]
    with atomic_paths(*wanted) as temporary:
        places = dict(zip(wanted, temporary, strict=True))
        if output is not None:
            sources = {
                name: {"name": path.name, "sha256": sha256_tree(path)}
                for name, path in (("first", truth), ("second", predictions))
            }
            about = {"somanet": __version__, **sources}
            write_json(places[output], {**found.as_dict(), "provenance": about})
        if per_image is not None:
            write_table(places[per_image], found.scores.per_image)
    for path in wanted:
        typer.echo(f"Written: {path}")


def _hashes_of(inputs: Sequence[Input]) -> set[str]:
    """SHA-256 of the files that inputs come from."""
    from somanet.io.movies import sha256_movie

    return {sha256_movie(path) for path in {item.path for item in inputs}}


def _tell(done: Sequence[Proposed], output: Path) -> None:
    if low := [one.crop.name for one in done if one.background_too]:
        typer.echo(
            f"note: the threshold is below the background of {len(low)} of "
            f"{counted(len(done), 'crop')}, such as {low[0]!r}: the background was left out, and what it touches with "
            "it. Raise --threshold for these",
            err=True,
        )
    without = sum(not one.n_somas for one in done)
    if without:
        words = f"{without} of {counted(len(done), 'crop')}"
        typer.echo(f"note: no soma is proposed in {words}, where no RoiSet.zip is", err=True)
    masks = counted(sum(one.n_somas for one in done), "proposed mask")
    typer.echo(f"Written: {output} ({counted(len(done), 'crop')}, {masks})")
    typer.echo(
        f"Next: look at {output / 'crops.png'}; correct each RoiSet.zip in Fiji (ROI Manager); then\n"
        f"  {typed('data', 'rois', output, '--images', output, '--output', 'CORRECTED')}"
    )
