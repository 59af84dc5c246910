"""Which axis of a file is time, focal plane, channel, height and width; and what is read of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from somanet.core.problems import FileProblem
from somanet.io.movie_choices import choose_channel, choose_planes, numbered

AXES = {"T": "time", "Z": "focal plane", "C": "channel", "Y": "height", "X": "width", "S": "colour"}
"""The letters of `--axes`."""
_COLOURS = ("red", "green", "blue", "alpha")
_UNNAMED = "IQ"
"""The two letters that tifffile gives to pages in an unnamed order."""


@dataclass(frozen=True)
class Wanted:
    """What to read of a file that holds more than one movie of one channel.

    Attributes:
        channel: its name, or its number from 0.
        z: a focal plane from 0, or `max` for the maximum projection.
        axes: what the file's axes mean, one letter of ``AXES`` each, in the file's order: `TYX` where time is stored
            as planes or channels. None as the file names them.
        position: stage position, scene or series of the file: its name, or its number from 0.
    """

    channel: int | str | None = None
    z: int | str | None = None
    axes: str | None = None
    position: int | str | None = None


@dataclass(frozen=True)
class Layout:
    """The axes of a file, and what is read along each.

    Attributes:
        axes: a letter per axis, in the file's order.
        shape: their sizes.
        planes: focal planes that make a frame; several for a projection.
        channel: the channel that is read; 0 without a channel axis.
        colour: the colour that is read; 0 without a colour axis.
        unnamed: the file does not name the axis that was taken for time.
        n_channels: channels or colours in the file.
        stored: which of the file's axes these are; those left out have one element.
        n_stored: the number of the file's axes.
    """

    axes: str
    shape: tuple[int, ...]
    planes: range
    stored: tuple[int, ...]
    n_stored: int
    channel: int = 0
    colour: int = 0
    unnamed: bool = False
    n_channels: int = 1

    @property
    def sizes(self) -> dict[str, int]:
        """Size by axis."""
        return dict(zip(self.axes, self.shape, strict=True))

    @property
    def n_frames(self) -> int:
        """Time points."""
        return self.sizes.get("T", 1)

    @property
    def shape_YX(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.sizes["Y"], self.sizes["X"]

    def at(self, t: int, z: int) -> dict[str, int]:
        """Where the chosen channel of one time point and plane lies: an index for each axis but height and width."""
        position = {"T": t, "Z": z, "C": self.channel, "S": self.colour}
        return {axis: position.get(axis, 0) for axis in self.axes if axis not in "YX"}

    def index(self, t: int, z: int) -> tuple[int | slice, ...]:
        """The same as an index of an array with all the file's axes: what it takes is one plane."""
        at = self.at(t, z)
        index: list[int | slice] = [0] * self.n_stored
        for axis, stored in zip(self.axes, self.stored, strict=True):
            index[stored] = at.get(axis, slice(None))
        return tuple(index)


def find_layout(
    axes: str,
    shape: Sequence[int],
    wanted: Wanted,
    source: str,
    *,
    channels: Sequence[str] = (),
) -> Layout:
    """Decide what every axis of a file means, and what is read of it.

    Args:
        axes: a letter per axis in the file's order: those of ``AXES``, I or Q for pages in an unnamed order.
        shape: their sizes.
        wanted: the channel, plane and meaning of axes that were asked for.
        source: the file, for messages.
        channels: the channels' names; their numbers if there are none, or not as many as channels.

    Raises:
        StackProblem: several planes and no choice.
        FileProblem: axes that are no movie's, several channels and no choice, or a choice that the file lacks.
    """
    described = describe_axes(axes, shape)
    unnamed = False
    stored, n_stored = tuple(range(len(axes))), len(axes)
    if wanted.axes is not None:
        axes, stored = _rename(axes, shape, wanted.axes, source)
        shape = [shape[i] for i in stored]
    elif "T" not in axes and sum(axis in _UNNAMED for axis in axes) == 1:
        as_planes = wanted.z is not None and "Z" not in axes
        axes = "".join(("Z" if as_planes else "T") if axis in _UNNAMED else axis for axis in axes)
        unnamed = not as_planes
    if set(axes) - set(AXES) or not {"Y", "X"} <= set(axes) or len(set(axes)) < len(axes):
        raise FileProblem(
            f"{source}: expected time, height and width, found axes {described}. Name their meaning in this order with "
            "--axes: T time, Z plane, C channel, S colour, Y height, X width; or save it as a TIFF with one time axis.",
            "wrong shape",
        )
    if not all(shape):
        raise FileProblem(f"{source}: it declares no pixels ({described}). Fetch it again.", "wrong shape")
    sizes = dict(zip(axes, shape, strict=True))
    alone = sizes.get("T", 1) == 1 and wanted.axes is None
    planes = choose_planes(
        sizes.get("Z", 1), wanted.z, source, described=described, as_time=_as_time(sizes, "Z") if alone else None
    )
    if sizes.get("S", 1) > 1 and sizes.get("C", 1) > 1:
        raise FileProblem(
            f"{source}: expected channels or colours, found both ({described}). Save the channel of the somas as TIFF "
            "(Fiji: Image > Color > Split Channels).",
            "wrong shape",
        )
    channel = colour = 0
    as_time = _as_time(sizes, "C") if alone else None
    if (n_channels := sizes.get("S", 1)) > 1:
        names = _COLOURS[:n_channels] if n_channels <= len(_COLOURS) else tuple(map(str, range(n_channels)))
        if n_channels > len(_COLOURS) and alone:
            as_time = _as_time(sizes, "S")
        colour = choose_channel(names, wanted.channel, source, as_time=as_time)
    else:
        n_channels = sizes.get("C", 1)
        names = tuple(channels) if len(channels) == n_channels else tuple(map(str, range(n_channels)))
        channel = choose_channel(names, wanted.channel, source, as_time=as_time)
    return Layout(axes, tuple(shape), planes, stored, n_stored, channel, colour, unnamed, n_channels)


def describe_axes(axes: str, shape: Sequence[int]) -> str:
    """Axes and sizes in words: `Z=5, Y=24, X=18`."""
    return ", ".join(f"{axis}={size}" for axis, size in zip(axes, shape, strict=True))


def choose_position(names: Sequence[str], position: int | str | None, source: str) -> int:
    """The index of the wanted position, scene or series of a file.

    Args:
        names: the file's, in order.
        position: a name, a number from 0, or None if there is only one.
        source: the file, for messages.

    Raises:
        FileProblem: several and no choice, or one that the file lacks.
    """
    listed = numbered(names)
    if position is None:
        if len(names) == 1:
            return 0
        raise FileProblem(
            f"{source}: expected one movie, found {len(names)} positions or series: {listed}. Choose one with "
            "--position, and analyse each into a folder of its own.",
            "wrong shape",
        )
    text = str(position).strip()
    if list(names).count(text) == 1:
        return list(names).index(text)
    if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < len(names):
        return int(text)
    raise FileProblem(f"{source}: there is no position {text[:80]}; the file has {listed}.", "wrong shape")


def name_of_position(names: Sequence[str], number: int) -> str:
    """What chooses a position in :func:`choose_position`: its name if no other has it, else its number."""
    name = names[number]
    return name if list(names).count(name.strip()) == 1 and name == name.strip() else str(number)


def _as_time(sizes: dict[str, int], stored: str) -> str | None:
    """The value of `--axes` that makes time of a stored axis; None if there is no such axis to speak of."""
    if sizes.get(stored, 1) == 1:
        return None
    return "".join("T" if axis == stored else axis for axis, size in sizes.items() if axis in "YX" or size > 1)


def _rename(axes: str, shape: Sequence[int], wanted: str, source: str) -> tuple[str, tuple[int, ...]]:
    """The axes' names that were asked for, and which of the file's axes these are; those of size 1 may be left out."""
    asked = wanted.strip().upper()
    kept = [i for i, (axis, size) in enumerate(zip(axes, shape, strict=True)) if size > 1 or axis in "YX"]
    if len(asked) == len(axes):
        kept = list(range(len(axes)))
    stored = "".join(axes[i] for i in kept)
    described = describe_axes(stored, [shape[i] for i in kept])
    if set(asked) - set(AXES) or len(set(asked)) < len(asked) or not {"Y", "X"} <= set(asked):
        raise FileProblem(
            f"{source}: --axes is {wanted[:20]!r}; expected one letter for each of the file's axes, {described}, in "
            "this order: T time, Z plane, C channel, S colour, Y height, X width, such as --axes TYX.",
            "wrong shape",
        )
    if len(asked) != len(stored) or any(asked.index(axis) != stored.find(axis) for axis in "YX"):
        raise FileProblem(
            f"{source}: --axes {asked} does not fit the file's axes: {described}. Give {len(stored)} letters, with Y "
            "and X where the file has them.",
            "wrong shape",
        )
    return asked, tuple(kept)


def flat_index(axes: str, sizes: dict[str, int], at: dict[str, int]) -> int:
    """Index of a page or block of pages that run over some axes, the last one fastest."""
    index = 0
    for axis in axes:
        index = index * sizes[axis] + at[axis]
    return index


def split_axes(layout: Layout, n_pages: int) -> tuple[str, str] | None:
    """The axes over a file's pages, and those within a page; None if the pages do not fit the axes."""
    for cut in range(len(layout.axes) + 1):
        if set(layout.axes[:cut]) & set("YX"):
            break
        if math.prod(layout.shape[:cut]) == n_pages and all(axis in layout.axes[cut:] for axis in "YX"):
            rest = cut
            while layout.shape[rest] == 1 and layout.axes[rest] not in "YX":
                rest += 1  # an axis of one element lies between pages
            return layout.axes[:rest], layout.axes[rest:]
    return None
