"""Labelled crops and where they come from, divided into parts that share no movie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage, open_dataset
from somanet.io.datasets.origins import Origin, read_origins
from somanet.io.datasets.regions import pixels_sha256
from somanet.io.datasets.splits import make_split

DIGEST_DIGITS = 20
SECTION = "crops"
"""Of a fine-tuned checkpoint's configuration: part → digests of its images, those of earlier fine-tunings included."""
TEST_SHARE, VAL_SHARE = 0.25, 0.2
"""Of all images, and of those that remain."""
LEAST_UNITS = 6
"""Movies, or crops of one movie, below which no difference can have p ≤ 0.05: with five it is at least 2/2^5. So many
are held out where at least twice as many exist."""

UnitKind = Literal["movie", "place", "crop"]


@dataclass(frozen=True)
class Crop:
    """A labelled crop.

    Attributes:
        source: its data set.
        item: image and labels.
        origin: where it was cut out; None where no record says so.
    """

    source: Path
    item: LabelledImage
    origin: Origin | None = None

    @cached_property
    def digest(self) -> str:
        """Of its pixels: the same image is the same crop, whatever its name and labels."""
        return pixels_sha256(self.item.image)[:DIGEST_DIGITS]


@dataclass(frozen=True)
class Units:
    """What is held out, drawn and exchanged as a whole, because its crops resemble each other.

    Attributes:
        kind: `movie` where every crop's movie is known and there are several; `place` where all are of one movie and
            some show the same part of its frames; `crop` otherwise.
        of: digest of a crop → its unit.
        notes: what a comparison does not show, for the user.
    """

    kind: UnitKind
    of: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parts:
    """The crops of a fine-tuning.

    Attributes:
        train: learned from.
        val: choose the epoch and calibrate the network.
        test: only compare the networks at the end; may be empty.
        notes: lines for the user about the division.
    """

    train: tuple[Crop, ...]
    val: tuple[Crop, ...]
    test: tuple[Crop, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def units(self) -> Units:
        """What varies between the crops of all parts."""
        return units_of((*self.train, *self.val, *self.test))

    def of(self, part: Literal["train", "val", "test"]) -> list[tuple[Path, list[LabelledImage]]]:
        """The images of a part by data set; those of a set that is given twice, to be drawn twice as often, once."""
        sets: dict[Path, dict[str, LabelledImage]] = {}
        for crop in getattr(self, part):
            sets.setdefault(crop.source, {})[crop.item.name] = crop.item
        return [(source, list(items.values())) for source, items in sets.items()]

    def digests(self) -> dict[str, list[str]]:
        """Part → digests of its images, sorted."""
        return {part: sorted({crop.digest for crop in getattr(self, part)}) for part in ("train", "val", "test")}


def read_crops(paths: Iterable[Path], *, binary: bool | None = None, only_class: str | None = None) -> list[Crop]:
    """The labelled images of data sets in any layout, with their origins where `crops.csv` names them.

    Raises:
        SomaNetError: a set or its record cannot be read.
    """
    found = []
    for path in paths:
        origins = read_origins(path)
        dataset = open_dataset(path, binary=binary, only_class=only_class)
        found += [Crop(path, dataset.load(name), origins.get(name)) for name in dataset.names]
    return found


def divide(
    crops: Sequence[Crop], *, seed: int, test_share: float = TEST_SHARE, before: Mapping[str, Any] | None = None
) -> Parts:
    """Divide crops into training, validation and test, and a movie never between test and the others.

    Where every crop's movie is known and there are several, movies are divided. Crops of a single movie are divided by
    place, so that those that show the same part of the frame at different times stay together. Otherwise each image is
    divided by itself, which a note says. A quarter of the crops are held out, and at least six movies (or crops of one
    movie) where there are twelve. Training and validation are divided in the same way where that is possible.

    A crop keeps its part from one fine-tuning to the next: what the starting network was trained on never becomes test,
    and what it was tested on stays test.

    Args:
        crops: at least two.
        seed: of the draw.
        test_share: share of the crops to hold out, from 0 (none) to below 1.
        before: section :data:`SECTION` of the starting network's configuration.

    Raises:
        SomaNetError: fewer than two crops, or a share out of range.
    """
    if not 0 <= test_share < 1:
        raise SomaNetError(f"The share of crops to hold out must be from 0 to below 1, found {test_share:g}.")
    if len(crops) < 2:
        raise SomaNetError(
            f"Found {len(crops)} labelled images, expected at least two: one to train on and one to choose the epoch. "
            "Label more, or name validation images with --val."
        )
    units = units_of(crops)
    part_of = _parts_before(units.of, before or {})
    every = sorted(set(units.of.values()))
    if test_share > 0:
        wanted = max(1, round(test_share * len(every)), LEAST_UNITS if len(every) >= 2 * LEAST_UNITS else 0)
        _draw("test", min(wanted, len(every) - 1), every, part_of, seed)
    rest = [unit for unit in every if part_of.get(unit) != "test"]
    if len(rest) > 1:
        _draw("val", max(1, round(VAL_SHARE * len(rest))), rest, part_of, seed)
    parts: dict[str, list[Crop]] = {"train": [], "val": [], "test": []}
    for crop in crops:
        parts[part_of.get(units.of[crop.digest], "train")].append(crop)
    notes = units.notes
    if not parts["val"] or not parts["train"]:
        _divide_rest(parts, seed)
        if units.kind != "crop":
            notes = (*notes, f"too few {units.kind}s to choose the epoch on others than are trained on")
    return Parts(tuple(parts["train"]), tuple(parts["val"]), tuple(parts["test"]), notes)


def check_apart(parts: Parts) -> None:
    """Refuse test images that are trained on or that choose the epoch.

    Raises:
        SomaNetError: naming one.
    """
    seen = {crop.digest: crop for crop in (*parts.train, *parts.val)}
    if both := [crop for crop in parts.test if crop.digest in seen]:
        other = seen[both[0].digest]
        raise SomaNetError(
            f"{len(both)} of {len(parts.test)} test images are also training or validation images, such as "
            f"{both[0].source}: {both[0].item.name} ({other.source}: {other.item.name}); expected images that the "
            "network never sees. Leave them out of one of the sets."
        )


def units_of(crops: Sequence[Crop]) -> Units:
    """What varies between these crops."""
    origins = {crop.digest: crop.origin for crop in crops}
    movies = {digest: origin.movie for digest, origin in origins.items() if origin is not None}
    single = {digest: digest for digest in origins}
    if len(movies) < len(origins):
        note = (
            f"no record names the movie of {len(origins) - len(movies)} of {len(origins)} crops, so single crops are "
            "held out: the comparison says nothing about movies of which none was trained on"
        )
        return Units("crop", single, (note,))
    if len(set(movies.values())) > 1:
        return Units("movie", movies)
    alone = "all crops are of one movie, so the comparison says nothing about other movies"
    places = _places(crops)
    if places is None or len(set(places.values())) == len(places):
        return Units("crop", single, (alone,))
    if len(set(places.values())) > 2:
        return Units("place", places, (alone,))
    overlap = "crops of different times show the same part of its frames, so held-out crops have cells trained on"
    return Units("crop", single, (alone, overlap))


def _places(crops: Sequence[Crop]) -> dict[str, str] | None:
    """Digest → one digest of all crops that overlap it, directly or through others; None where a place is unknown."""
    boxes: dict[str, tuple[int, int, int, int]] = {}
    for crop in crops:
        if crop.origin is None or crop.origin.top_px is None or crop.origin.left_px is None:
            return None
        height, width = crop.item.labels.shape
        top, left = crop.origin.top_px, crop.origin.left_px
        boxes[crop.digest] = (top, left, top + height, left + width)
    place = {digest: digest for digest in boxes}
    for one, (top, left, bottom, right) in boxes.items():
        for other, box in boxes.items():
            if top < box[2] and box[0] < bottom and left < box[3] and box[1] < right and place[one] != place[other]:
                old, new = place[other], place[one]
                place = {digest: new if where == old else where for digest, where in place.items()}
    return place


def _parts_before(units: Mapping[str, str], before: Mapping[str, Any]) -> dict[str, str]:
    """Unit → the part that its crops had in earlier fine-tunings; trained wins over validated over tested."""
    part_of: dict[str, str] = {}
    for part in ("test", "val", "train"):
        known = before.get(part)
        digests = set(known) if isinstance(known, list) else set()
        part_of |= {unit: part for digest, unit in units.items() if digest in digests}
    return part_of


def _draw(part: str, wanted: int, units: Sequence[str], part_of: dict[str, str], seed: int) -> None:
    """Draw units for a part until it has as many as wanted, as far as there are units without a part."""
    free = [unit for unit in units if unit not in part_of]
    n = min(wanted - sum(part_of.get(unit) == part for unit in units), len(free))
    if 0 < n < len(free):
        shares = {"drawn": n / len(free), "rest": 1 - n / len(free)}
        free = list(make_split(free, fractions=shares, seed=seed)["drawn"])
    if n > 0:
        part_of |= dict.fromkeys(free, part)


def _divide_rest(parts: dict[str, list[Crop]], seed: int) -> None:
    """Divide training and validation images by image, where their units leave one of them empty."""
    rest = parts["train"] + parts["val"]
    if len(rest) < 2:  # one image beside the test images
        rest, parts["test"] = rest + parts["test"], []
    keys = [f"{number}" if len({crop.digest for crop in rest}) < 2 else crop.digest for number, crop in enumerate(rest)]
    of = make_split(set(keys), fractions={"train": 1 - VAL_SHARE, "val": VAL_SHARE}, seed=seed)
    for part in ("train", "val"):
        parts[part] = [crop for key, crop in zip(keys, rest, strict=True) if key in of[part]]


def with_earlier(digests: Mapping[str, list[str]], earlier: Any) -> dict[str, list[str]]:
    """Digests by part with those of earlier fine-tunings: what one of them trained on stays trained on.

    Args:
        digests: see :meth:`Parts.digests`.
        earlier: section :data:`SECTION` of the starting network's configuration, if it has one.
    """
    before = earlier if isinstance(earlier, dict) else {}
    taken: set[str] = set()
    found = {}
    for part in ("train", "val", "test"):
        known = before.get(part)
        both = {*digests[part], *(map(str, known) if isinstance(known, list) else ())}
        found[part] = sorted(both - taken)
        taken |= both
    return found
