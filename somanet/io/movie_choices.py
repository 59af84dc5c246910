"""Which channel and which focal planes of a file are read."""

from __future__ import annotations

from collections.abc import Sequence

from somanet.core.problems import ChannelProblem, FileProblem, StackProblem

_SHOWN = 16
"""Channels or positions that a message lists."""


def numbered(names: Sequence[str]) -> str:
    """Names of channels or positions with their numbers from 0, for a message."""
    listed = ", ".join(name if name == str(i) else f"{i} ({name[:80]})" for i, name in enumerate(names[:_SHOWN]))
    return f"{listed}, …" if len(names) > _SHOWN else listed


def choose_channel(
    names: tuple[str, ...], channel: int | str | None, source: str, *, as_time: str | None = None
) -> int:
    """The index of the wanted channel.

    Args:
        names: the file's channels in order.
        channel: a name (case-insensitive; `GFP` for `2GFP`, where MetaMorph puts the channel's number before it), an
            index from 0, or None if there is only one.
        source: the file, for messages.
        as_time: the value of `--axes` that makes time points of the channels; None if they cannot be.

    Raises:
        ChannelProblem: several channels and no choice.
        FileProblem: a channel that the file lacks.
    """
    listed = numbered(names)
    if channel is None:
        if len(names) == 1:
            return 0
        raise ChannelProblem(
            f"{source}: expected one channel, found {len(names)}: {listed}. Choose that of the somas with --channel."
            + ("" if as_time is None else f" If they are time points: --axes {as_time}")
        )
    by_name = {name.lower(): index for index, name in enumerate(names)}
    asked = str(channel).strip().lower()
    index = by_name.get(asked)
    if index is None and asked:
        unnumbered = [i for i, name in enumerate(names) if name.lower().lstrip("0123456789") == asked]
        index = unnumbered[0] if len(unnumbered) == 1 else None
    if index is None and asked.isdecimal():
        index = int(asked)
    if index is None or not 0 <= index < len(names):
        raise FileProblem(f"{source}: there is no channel {channel}; the file has {listed}.", "wrong shape")
    return index


def choose_planes(
    n_planes: int, z: int | str | None, source: str, *, described: str, as_time: str | None = None
) -> range:
    """Which focal planes make a frame: one, or all for a projection.

    Args:
        n_planes: the file's planes; 1 where it has no Z axis.
        z: a plane's number from 0; `max` for all of them; None if there is only one.
        source: the file, for messages.
        described: its axes, for messages.
        as_time: the value of `--axes` that makes time points of the planes; None if they cannot be.

    Raises:
        StackProblem: several planes and no choice.
        FileProblem: a plane that the file lacks.
    """
    if z is None:
        if n_planes == 1:
            return range(1)
        raise StackProblem(
            f"{source}: expected a 2-D image or movie, found a Z stack of {n_planes} planes ({described}). `somanet "
            "predict`, `analyze` and `data check` take --z max (each pixel's brightest plane) or --z 0 (one plane, "
            "counted from 0)." + ("" if as_time is None else f" If the planes are time points: --axes {as_time}")
        )
    wanted = str(z).strip().lower()
    if wanted == "max":
        return range(n_planes)
    if not wanted.isdecimal():
        raise FileProblem(f"{source}: expected --z max or a plane's number from 0, found {z!r}.", "wrong shape")
    if int(wanted) >= n_planes:
        there = f"planes 0 to {n_planes - 1}" if n_planes > 1 else "no Z axis, only plane 0"
        raise FileProblem(f"{source}: there is no plane {wanted}; the file has {there} ({described}).", "wrong shape")
    return range(int(wanted), int(wanted) + 1)
