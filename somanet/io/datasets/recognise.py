"""Recognise the layout of a data set from its file names, and from JSON where names say nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal

from somanet.core.errors import SomaNetError
from somanet.core.names import spelling
from somanet.core.problems import FileProblem
from somanet.io.datasets.challenge import challenge_files
from somanet.io.datasets.coco import CocoImage, read_coco
from somanet.io.datasets.sources import Source
from somanet.io.file_kinds import is_zipped_zarr, zipped_zarr
from somanet.io.images import IMAGE_SUFFIXES
from somanet.io.label_names import PICKLE_ENDING, bare_name, image_name, sort_out

Layout = Literal["kaggle", "pairs", "folders", "coco", "labelme", "challenge"]
_IMAGE, _LABELS = ("image", "img"), ("mask", "masks", "label", "labels")
"""Names of the two files of a folder that holds one image."""
IGNORE = "ignore"
"""Folder of masks of pixels that are neither object nor background."""


@dataclass(frozen=True)
class Entry:
    """The files of one image: labels in one of four forms, or (all None) no labels.

    Attributes:
        image: the image's file.
        label: a label image.
        masks: files of one mask per object.
        labelme: Labelme's JSON.
        coco: the image's outlines in a COCO file.
        ignored: masks of pixels that are neither object nor background.
    """

    image: str
    label: str | None = None
    masks: tuple[str, ...] | None = None
    labelme: str | None = None
    coco: CocoImage | None = None
    ignored: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        """Whether it has labels, perhaps of no object."""
        return any(labels is not None for labels in (self.label, self.masks, self.labelme, self.coco))


@dataclass(frozen=True)
class Listing:
    """The content of a data set.

    Attributes:
        layout: how it is laid out.
        entries: images by name.
        unlabelled: images that lack labels, unlike others; among ``broken``, too.
        broken: names whose files do not form one image, with the reason.
        hint: why labels may be missing, and how to get them.
    """

    layout: Layout
    entries: dict[str, Entry]
    unlabelled: dict[str, Entry] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    hint: str = ""


def recognise(source: Source) -> Listing:
    """Find the layout by content.

    Raises:
        SomaNetError: no images, label images alone, several data sets in one, or two images with the same name.
    """
    files = [PurePosixPath(name) for name in source.files]
    files = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise _no_images(source)
    if listing := _challenge(source, files):
        return listing
    in_images = [file for file in files if file.parent.name == "images"]
    kaggle_roots = {file.parent.parent.parent for file in in_images if file.parent.parent.name == file.stem}
    if kaggle_roots:
        return _kaggle(source, files, _only(kaggle_roots, source))
    if in_images:
        root = _only({file.parent.parent for file in in_images}, source)
        labels = [file for file in files if file.parent in (root / "labels", root / "masks")]
        has_labels = bool(labels) or bool({str(root / "labels"), str(root / "masks")} & source.folders)
        stems = {file.stem for file in in_images}
        names = {file: file.stem if file.stem in stems else bare_name(file.stem) for file in labels}
        listing = _pairs(source, root, in_images, names, has_labels)
        return _with_ignored(listing, [file for file in files if file.parent == root / IGNORE])
    if folders := _one_per_folder(source, files):
        return folders
    root = _only({file.parent for file in files}, source)
    images, names = sort_out(files)
    if not images:
        raise SomaNetError(
            f"{source.path}: expected images, found label images alone, such as {next(iter(names))}. Put the images "
            "beside them."
        )
    return _pairs(source, root, images, names, bool(names))


def label_images(source: Source) -> dict[str, str]:
    """The files of a folder of label images alone by the name of the image that each belongs to, sorted.

    Raises:
        SomaNetError: two files for one image.
    """
    files = [PurePosixPath(name) for name in source.files]
    files = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    images, labels = sort_out(files)
    return {name: str(file) for name, file in sorted(_by_name(labels, source).items())} if not images else {}


class SeveralSets(SomaNetError):
    """Images lie in several folders, and nothing tells that they belong together."""


def _no_images(source: Source) -> SomaNetError:
    documents = [name for name in source.files if name.lower().endswith(".json")]
    if is_zipped_zarr(source.path, documents):
        return zipped_zarr(source.path)
    if not documents:
        found, next_step = f"{len(source.files)} other files", "Is this the folder you meant?"
    else:
        found = f"{len(documents)} JSON files, such as {documents[0]}, without their images"
        next_step = (
            "Put the images beside them, under the names that the JSON gives; those that Labelme stored in the JSON "
            "alone, its command labelme_export_json writes."
        )
    return SomaNetError(f"{source.path}: expected images (.png or .tif), found {found}. {next_step}")


def _with_ignored(listing: Listing, files: list[PurePosixPath]) -> Listing:
    """The listing with each mask of ignored pixels at its image; one without an image breaks the layout."""
    masks = {file.stem: str(file) for file in files}
    entries = {
        name: replace(entry, ignored=(masks[name],)) if name in masks else entry
        for name, entry in listing.entries.items()
    }
    known = listing.entries.keys() | listing.unlabelled.keys()
    alone = {
        name: f"the mask of ignored pixels {file} has no image" for name, file in masks.items() if name not in known
    }
    return replace(listing, entries=entries, broken=dict(sorted({**alone, **listing.broken}.items())))


def _only(roots: set[PurePosixPath], source: Source) -> PurePosixPath:
    if len(roots) > 1:
        listed = ", ".join(sorted(map(str, roots))[:5])
        raise SeveralSets(
            f"{source.path}: expected one data set, found several: {listed} (. is the folder itself). Give one "
            "of these folders by name."
        )
    return next(iter(roots))


def _by_name(names: Mapping[PurePosixPath, str], source: Source) -> dict[str, PurePosixPath]:
    found: dict[str, PurePosixPath] = {}
    for file, name in names.items():
        if name in found:
            raise SomaNetError(
                f"{source.path}: '{found[name]}' and '{file}' have the same name. Remove or rename one of them."
            )
        found[name] = file
    return found


def _challenge(source: Source, files: list[PurePosixPath]) -> Listing | None:
    """The Cell Tracking Challenge's folders, where only some images of a sequence have labels."""
    found = challenge_files(files)
    if found is None:
        return None
    entries = {name: Entry(str(image), label=str(label)) for name, (image, label) in found.items() if image and label}
    without = {name: Entry(str(image)) for name, (image, label) in found.items() if image and not label}
    broken = {name: f"the label image {label} has no image" for name, (image, label) in found.items() if not image}
    if not entries:
        return Listing("challenge", without, broken=broken)
    return Listing("challenge", entries, without, broken)


def _kaggle(source: Source, files: Iterable[PurePosixPath], root: PurePosixPath) -> Listing:
    images: dict[str, list[str]] = defaultdict(list)
    masks: dict[str, list[str]] = defaultdict(list)
    ignored: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if file.parent.parent.parent == root and len(file.parts) == len(root.parts) + 3:
            if file.parent.name == "images":
                images[file.parent.parent.name].append(str(file))
            elif file.parent.name == "masks":
                masks[file.parent.parent.name].append(str(file))
            elif file.parent.name == IGNORE:
                ignored[file.parent.parent.name].append(str(file))
    entries, broken = {}, {}
    for name in sorted(images.keys() | masks.keys()):
        if len(images[name]) == 1:
            # An empty masks folder means that there are no objects; without a folder the image is unlabelled.
            labelled = str(root / name / "masks") in source.folders
            entries[name] = Entry(
                images[name][0],
                masks=tuple(sorted(masks[name])) if labelled else None,
                ignored=tuple(sorted(ignored[name])),
            )
        else:
            broken[name] = f"expected one file in {name}/images, found {len(images[name])}"
    return Listing("kaggle", entries, broken=broken)


def _one_per_folder(source: Source, files: Iterable[PurePosixPath]) -> Listing | None:
    """`<name>/image.png` and `<name>/mask.png`, if the data set has this layout."""
    images = {file.parent: file for file in files if file.stem.lower() in _IMAGE}
    labels = {file.parent: file for file in files if file.stem.lower() in _LABELS}
    if not images.keys() & labels.keys():
        return None
    if len({folder.parent for folder in images}) > 1:
        _only({folder.parent for folder in images}, source)
    entries, unlabelled, broken = {}, {}, {}
    for folder in sorted(images.keys() | labels.keys()):
        name = folder.name or source.path.stem
        if folder in images and folder in labels:
            entries[name] = Entry(str(images[folder]), label=str(labels[folder]))
        else:
            broken[name] = f"expected an image and a mask in {folder}, found one of the two"
            if folder in images:
                unlabelled[name] = Entry(str(images[folder]))
    return Listing("folders", entries, unlabelled, broken)


def _pairs(
    source: Source,
    root: PurePosixPath,
    images: list[PurePosixPath],
    labels: dict[PurePosixPath, str],
    has_labels: bool,
) -> Listing:
    """Images with label images, or with outlines in JSON, or without labels."""
    spelt = spelling(name for file in images for name in (file.stem, image_name(file.stem)))
    of_label = _by_name({file: spelt(name) for file, name in labels.items()}, source)
    named = {file: file.stem if file.stem in of_label else image_name(file.stem) for file in images}
    named = {file: name if name in of_label else file.stem for file, name in named.items()}
    of_image = dict(sorted(_by_name(named, source).items()))
    hint = ""
    if not has_labels:
        outlined, hint = _outlined(source, root, of_image)
        if outlined is not None:
            return outlined
    entries = {name: Entry(str(of_image[name]), label=str(of_label[name])) for name in of_image if name in of_label}
    without = {name: Entry(str(file)) for name, file in of_image.items() if name not in of_label}
    if not has_labels:
        return Listing("pairs", without, hint=hint or _hint(source))
    unread = {
        spelt(file.stem): file
        for file in map(PurePosixPath, source.files)
        if file.parent in (root / "labels", root / "masks") and file.suffix.lower() not in IMAGE_SUFFIXES
    }
    broken = {
        name: f"the labels {unread[name]} are no image: save them as TIFF"
        if name in unread
        else f"the image {entry.image} has no label image, unlike others"
        for name, entry in without.items()
    }
    broken |= {name: f"the label image {file} has no image" for name, file in of_label.items() if name not in of_image}
    return Listing("pairs", entries, without, dict(sorted(broken.items())), _hint(source))


def _hint(source: Source) -> str:
    pickles = [name for name in source.files if name.endswith(PICKLE_ENDING)]
    if not pickles:
        return ""
    return (
        f"Cellpose's {PurePosixPath(pickles[0]).name} is not read, as such a file can run programs: save the masks in "
        "Cellpose (File > Save masks as PNG/tif)"
    )


def _outlined(source: Source, root: PurePosixPath, images: Mapping[str, PurePosixPath]) -> tuple[Listing | None, str]:
    """Images with outlines in Labelme's or COCO's JSON; None if there are none, perhaps with the reason."""
    documents = [file for file in map(PurePosixPath, source.files) if file.suffix.lower() == ".json"]
    spelt = spelling(images)
    named = {spelt(file.stem): file for file in documents if spelt(file.stem) in images}
    if named:
        entries = {name: Entry(str(file), labelme=str(named[name])) for name, file in images.items() if name in named}
        without = {name: Entry(str(file)) for name, file in images.items() if name not in named}
        broken = {
            name: f"the image {entry.image} has no JSON of outlines, unlike others" for name, entry in without.items()
        }
        return Listing("labelme", entries, without, broken), ""
    tables: dict[PurePosixPath, dict[str, CocoImage]] = {}
    hint = ""
    for file in documents:
        try:
            if (found := read_coco(source, str(file))) is not None:
                tables[file] = found
        except FileProblem as problem:
            if problem.kind == "wrong type":
                raise
            hint = str(problem).removesuffix(".")  # any program's JSON: it matters only where labels are needed
    if not tables:
        return None, hint
    spelt = spelling(file.name for file in images.values())
    table = {spelt(name): outlines for name, outlines in tables[_only(set(tables), source)].items()}
    place = next(iter(tables))
    entries = {name: Entry(str(file), coco=table[file.name]) for name, file in images.items() if file.name in table}
    without = {name: Entry(str(file)) for name, file in images.items() if name not in entries}
    broken = {name: f"the image {entry.image} is not in the COCO file {place}" for name, entry in without.items()}
    surplus = set(table) - {file.name for file in images.values()}
    broken |= {PurePosixPath(name).stem: f"{name}, named in {place}, is not in {root}" for name in surplus}
    return Listing("coco", entries, without, dict(sorted(broken.items()))), ""
