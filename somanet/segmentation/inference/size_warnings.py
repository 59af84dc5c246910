"""Warnings about freshly predicted label images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from somanet.segmentation.inference.appearance import note_on_appearance
from somanet.segmentation.inference.clipping import note_on_clipping
from somanet.segmentation.inference.haze import note_on_haze
from somanet.segmentation.inference.label_files import Labelled
from somanet.segmentation.inference.movie_labels import listed

if TYPE_CHECKING:
    from somanet.segmentation.network.intended_use import IntendedUse


def warnings_for(labelled: Sequence[Labelled], intended_use: IntendedUse) -> Iterator[str]:
    """Warnings, a sentence or two each: what was assumed, what got no labels, and pictures that cannot be segmented.

    Args:
        labelled: everything that was segmented.
        intended_use: the network's intended use.
    """
    if movies := [one.item for one in labelled if one.item.unnamed]:
        yield (
            f"{movies[0].path}{_and_others(movies)}: the file does not name the axis of its pages; they were taken for "
            "time points. If they are focal planes, give --z max or --z 0."
        )
    for sentence in dict.fromkeys(note for one in labelled for note in one.item.notes):
        noted = [one.item for one in labelled if sentence in one.item.notes]
        yield f"{noted[0].path}{_and_others(noted)}: {sentence}"
    if blank := [one for one in labelled if one.blank_frames]:
        frames = blank[0].blank_frames
        yield (
            f"{blank[0].item.path}{_and_others(blank)}: {len(frames)} blank frames got no labels "
            f"({listed(frames)}, counted from 0)."
        )
    if inverted := [one for one in labelled if one.inverted]:
        yield (
            f"{inverted[0].item.path}{_and_others(inverted)}: taken for dark objects on a bright background, and "
            "inverted for the network. If it is fluorescence, use a network for fluorescence, which never inverts."
        )
    if covered := [one for one in labelled if one.burnt_in]:
        yield (
            f"{covered[0].item.path}{_and_others(covered)}: a scale bar or a time stamp is burnt into the frames "
            f"({covered[0].burnt_in}); nothing there gets a label."
        )
    n_haze = sum(one.n_haze for one in labelled)
    if note := note_on_haze(n_haze, sum(one.n_objects for one in labelled)):
        yield note
    for note_of in (_clipping_note, _appearance_note):
        noted_too = [(one, note) for one in labelled if (note := note_of(one))]
        if noted_too:
            one, note = noted_too[0]
            few = len(labelled) == 1
            yield note if few else f"{len(noted_too)} of {len(labelled)} inputs, such as {one.item.name!r}: {note}"
    none_found = not any(one.n_objects for one in labelled)
    # a single image without somas among others is not worth a warning
    checked = [one for one in labelled if one.n_objects or none_found]
    for told in (_size_note, _size_warning):
        odd = [(one, note) for one in checked if (note := told(one, intended_use))]
        if odd:
            one, note = max(odd, key=lambda pair: abs(math.log(pair[0].rescale)))
            several = len(labelled) > 1 and not none_found
            yield f"{len(odd)} of {len(labelled)} inputs, such as {one.item.name!r}: {note}" if several else note


def _clipping_note(one: Labelled) -> str | None:
    return note_on_clipping(one.clipping)


def _appearance_note(one: Labelled) -> str | None:
    return note_on_appearance(one.appearance)


def _size_note(one: Labelled, intended_use: IntendedUse) -> str | None:
    from somanet.segmentation.inference.diameters import size_note

    return size_note(one.size, intended_use) if one.n_objects else None


def _size_warning(one: Labelled, intended_use: IntendedUse) -> str | None:
    from somanet.segmentation.inference.diameters import median_or_nan, size_warning

    return size_warning(median_or_nan(one.diameters_px), intended_use, factor=one.rescale)


def _and_others(items: Sequence[object]) -> str:
    return f" and {len(items) - 1} more" if len(items) > 1 else ""
