"""Build the training sets of the bundled network from a folder of data, each as a folder OUTPUT/NAME.

python -m tools.training_sets ../shared/data --output build/bundled/sets
python -m tools.training_sets --card build/bundled/seed0/neurons      # what a network was trained on, as Markdown
python -m tools.training_sets --catalogue                             # every set, its use and licence, as Markdown

Only sets that `somanet/model/sets.yaml` names for training are built; where the files of one are absent, it is left out
with a note. `simulated` and `varied` are written by `somanet simulate`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import typer

from somanet.core.files import make_folder
from somanet.core.markdown import table
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.manifest import pack_dataset
from somanet.io.datasets.regions import read_regions
from somanet.io.datasets.splits import read_part
from somanet.io.datasets.writers import write_pairs
from somanet.io.images import read_image
from somanet.segmentation.network.checkpoint import read_config
from somanet.training.experiments import describe_set
from tools.command_line import run
from tools.training_sets.by_contrast import ContrastRules, label_by_contrast
from tools.training_sets.catalogue import card_table, catalogue_table, check_trained_on, read_catalogue

REGIONS = Path(__file__).parents[1] / "unlabelled" / "soma.json"


def dsb2018(data: Path, output: Path) -> None:
    """The training part of the nuclei."""
    folder = data / "dsb2018"
    archive = folder / "stage1_train.zip"
    names = read_part(folder / "split.csv", "train", names=open_dataset(archive).names)
    pack_dataset(archive, output, names=names)


def nuclei32(data: Path, output: Path) -> None:
    """Every fourteenth of the nuclei's training images, for a mix that is mostly somas."""
    folder = data / "dsb2018"
    archive = folder / "stage1_train.zip"
    names = sorted(read_part(folder / "split.csv", "train", names=open_dataset(archive).names))
    pack_dataset(archive, output, names=names[::14][:32])


def somas(data: Path, output: Path) -> None:
    """The crops of the movie, without the cells that nobody labelled."""
    pack_dataset(data / "soma" / "train", output, regions=read_regions(REGIONS))


def drosophila_h2b(data: Path, output: Path) -> None:
    """Frames of the embryo, with nuclei outlined by contrast."""
    write_pairs(output, _embryo(data / "wild" / "movies" / "drosophila_h2b"))


def _embryo(folder: Path) -> Iterator[LabelledImage]:
    for file in sorted(folder.glob("*.tif")):
        yield label_by_contrast(file.stem, read_image(file), ContrastRules())


SETS: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "dsb2018": ("dsb2018/stage1_train.zip", dsb2018),
    "nuclei32": ("dsb2018/stage1_train.zip", nuclei32),
    "somas": ("soma/train", somas),
    "drosophila_h2b": ("wild/movies/drosophila_h2b", drosophila_h2b),
}
"""Name → what it needs of the data folder, and the function that builds it."""


def build(data: Path, output: Path) -> Sequence[tuple[str, ...]]:
    """Build every set whose files are there; a row of the table for each."""
    known = read_catalogue()
    rows = []
    for name, (needed, function) in SETS.items():
        if known[name].use != "train":
            continue
        if not (data / needed).exists():
            typer.echo(f"note: {name} is left out: there is no {data / needed}", err=True)
            continue
        function(data, make_folder(output) / name)
        about = describe_set(name, list(open_dataset(output / name)))
        low, high = about["diameter_px"] or (0, 0)
        counts = (str(about["images"]), str(about["objects"]), f"{low:g}–{high:g}", str(about["ignored_px"]))
        rows.append((name, *counts, known[name].licence))
    return rows


def main() -> None:
    """Build, or print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.training_sets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, nargs="?", help="folder with dsb2018/, soma/ and wild/")
    parser.add_argument("--output", type=Path, default=Path("build/bundled/sets"))
    parser.add_argument("--card", type=Path, metavar="CHECKPOINT", help="print what a network was trained on")
    parser.add_argument("--catalogue", action="store_true", help="print every set with its licence")
    given = parser.parse_args()
    known = read_catalogue()
    if given.catalogue:
        typer.echo(catalogue_table(known))
    if given.card is not None:
        trained_on = read_config(given.card).get("trained_on", [])
        check_trained_on(trained_on, known)
        typer.echo(card_table(trained_on, known))
    if given.data is not None:
        rows = build(given.data, given.output)
        typer.echo(table(("set", "images", "objects", "diameter (px)", "ignored px", "licence"), rows))
        typer.echo(f"Written: {given.output}")
    elif given.card is None and not given.catalogue:
        parser.error("give a folder of data, --card or --catalogue")


if __name__ == "__main__":
    run(main)
