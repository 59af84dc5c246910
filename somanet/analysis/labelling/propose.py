"""Propose masks on crops of images and movies, for a person to correct."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from somanet.analysis.labelling.crops import Crop, choose_window, spread_frames, whole_image
from somanet.analysis.labelling.proposals import Network, Threshold
from somanet.analysis.labelling.write import Proposed, write_labelling
from somanet.core.errors import SomaNetError
from somanet.core.guard import reading
from somanet.core.unchanged import unchanged
from somanet.io.movie_files import movie_files, movie_name
from somanet.io.movies import sha256_movie
from somanet.segmentation.inference.input_files import Input

Proposer = Threshold | Network


def named_as_movies(inputs: Sequence[Input]) -> list[Input]:
    """Inputs of which movies have the names that their analysis has, so that crops of one movie are known as such.

    Crops that the napari plug-in adds are named so, too; fine-tuning holds out whole movies, by their names. A name
    that another input has is left as it is.
    """
    taken = Counter(item.name for item in inputs)
    wanted = [movie_name(item.path) if item.read is None else item.name for item in inputs]
    n_wanted = Counter(wanted)
    return [
        replace(item, name=name) if n_wanted[name] == 1 and (name == item.name or not taken[name]) else item
        for item, name in zip(inputs, wanted, strict=True)
    ]


def propose(inputs: Sequence[Input], crops: Sequence[Crop], output: Path, *, proposer: Proposer) -> list[Proposed]:
    """Write crops with proposed masks (see :func:`somanet.analysis.labelling.write.write_labelling`).

    Args:
        inputs: the images and movies.
        crops: of these, see :func:`choose_crops`.
        output: the folder.
        proposer: what proposes the masks, on whole images: a crop's own edge is none of the image's.

    Raises:
        SomaNetError: a crop of another input or beyond its image, an input that cannot be read, or as there.
    """
    paths = list(dict.fromkeys(item.path for item in inputs))
    with reading(*paths), unchanged(*(file for path in paths for file in movie_files(path))):
        hashes = {path: sha256_movie(path) for path in paths}
        about = {
            item.name: {
                "file": item.path.name,
                "sha256": hashes[item.path],
                "channel": item.choice.channel,
                "z": item.choice.z,
                "axes": item.choice.axes,
                "position": item.choice.position,
            }
            for item in inputs
        }
        return write_labelling(output, _proposed(inputs, crops, proposer), by=proposer.record(), inputs=about)


def _proposed(inputs: Sequence[Input], crops: Sequence[Crop], proposer: Proposer) -> Iterator[Proposed]:
    """The crops in the order of inputs and frames; every frame is read and labelled once."""
    by_input: dict[str, dict[int | None, list[Crop]]] = defaultdict(lambda: defaultdict(list))
    for crop in crops:
        by_input[crop.source][crop.frame].append(crop)
    known = {item.name: item for item in inputs}
    if strange := sorted(set(by_input) - set(known)):
        raise SomaNetError(
            f"The crops are of {strange[0]!r}, which is none of the inputs ({', '.join(list(known)[:3])}). Name the "
            "images or movies that they were cut from."
        )
    for name, of_frames in by_input.items():
        item = known[name]
        propose_on = proposer.on(item)
        with ExitStack() as stack:
            movie = None if item.read is not None else stack.enter_context(item.choice.open(item.path))
            for frame, here in sorted(of_frames.items(), key=lambda pair: -1 if pair[0] is None else pair[0]):
                image = _image(item, movie, frame)
                proposal = propose_on(image)
                for crop in here:
                    if crop.y_px + crop.height_px > image.shape[0] or crop.x_px + crop.width_px > image.shape[1]:
                        raise SomaNetError(
                            f"The crop {crop.name!r} reaches beyond {item.path} ({image.shape[0]} × {image.shape[1]} "
                            "px). Was it cut from another image?"
                        )
                    labels_YX = proposal.labels_YX[crop.place].copy()
                    yield Proposed(crop, image[crop.place].copy(), labels_YX, proposal.background_too)


def _image(item: Input, movie: Any, frame: int | None) -> NDArray[Any]:
    if movie is None and item.read is not None and frame is None:
        return item.read()
    n_frames = 1 if movie is None else movie.n_frames
    if movie is None or frame is None or frame >= n_frames:
        raise SomaNetError(
            f"{item.path}: expected frame {frame} of a movie, found {n_frames} frames. Were the crops cut from another "
            "file?"
        )
    image: NDArray[Any] = movie[frame]
    return image


def choose_crops(inputs: Sequence[Input], *, count: int, size_px: int) -> list[Crop]:
    """Crops of images and movies: small images whole, and ``count`` crops of the others, spread over time and place.

    The choice rests on the images, not on a proposal: two labellings of the same inputs get the same crops.

    Args:
        inputs: the images and movies.
        count: number of crops of movies and of images that are larger than a crop, in all.
        size_px: side of a crop.
    """
    crops: list[Crop] = []
    large: list[Input] = []
    for item in inputs:
        if item.read is not None and max(shape := item.read().shape[:2]) <= size_px:
            crops.append(whole_image(item.name, (shape[0], shape[1])))
        else:
            large.append(item)
    turns = Counter(large[n % len(large)].name for n in range(count)) if large else Counter()
    for item in large:
        crops += _of_large(item, turns[item.name], size_px)
    return crops


def _of_large(item: Input, count: int, size_px: int) -> list[Crop]:
    if not count:
        return []
    found: list[Crop] = []
    if item.read is not None:
        image = item.read()
        for _ in range(count):
            crop = choose_window(image, item.name, None, found, size_px=size_px)
            if crop in found:  # no more places
                break
            found.append(crop)
        return found
    with item.choice.open(item.path) as movie:
        frames = spread_frames(movie.n_frames, count)
        for n in range(count):
            frame = frames[n % len(frames)]
            crop = choose_window(movie[frame], item.name, frame, found, size_px=size_px)
            if crop in found:
                break
            found.append(crop)
    return found
