"""Notes and warnings about what was found: of files by the commands, of an image from Python."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from somanet.core.counting import counted
from somanet.segmentation.inference.appearance import note_on_appearance
from somanet.segmentation.inference.clipping import note_on_clipping
from somanet.segmentation.inference.diameters import median_or_nan, size_note, size_warning
from somanet.segmentation.inference.found import Found
from somanet.segmentation.inference.haze import note_on_haze
from somanet.segmentation.inference.input_files import Input
from somanet.segmentation.inference.movie_labels import listed

if TYPE_CHECKING:
    from somanet.segmentation.network.intended_use import IntendedUse


def warnings_for(segmented: Sequence[tuple[Input, Found]], intended_use: IntendedUse) -> Iterator[str]:
    """Warnings, a sentence or two each: what was assumed, what got no labels, and pictures that cannot be segmented.

    Args:
        segmented: everything that was segmented.
        intended_use: the network's intended use.
    """
    items = [item for item, _ in segmented]
    if movies := [item for item in items if item.unnamed]:
        yield (
            f"{movies[0].path}{_and_others(movies)}: the file does not name the axis of its pages; they were taken for "
            "time points. If they are focal planes, give --z max or --z 0."
        )
    for sentence in dict.fromkeys(note for item in items for note in item.notes):
        noted = [item for item in items if sentence in item.notes]
        yield f"{noted[0].path}{_and_others(noted)}: {sentence}"
    if blank := [(item, found) for item, found in segmented if found.blank_frames]:
        item, found = blank[0]
        yield (
            f"{item.path}{_and_others(blank)}: {counted(len(found.blank_frames), 'blank frame')} got no labels "
            f"({listed(found.blank_frames)}, counted from 0)."
        )
    if inverted := [item for item, found in segmented if found.inverted]:
        yield (
            f"{inverted[0].path}{_and_others(inverted)}: taken for dark objects on a bright background, and "
            "inverted for the network. If it is fluorescence, use a network for fluorescence, which never inverts."
        )
    if covered := [(item, found) for item, found in segmented if found.burnt_in]:
        item, found = covered[0]
        yield (
            f"{item.path}{_and_others(covered)}: a scale bar or a time stamp is burnt into the frames "
            f"({found.burnt_in}); nothing there gets a label."
        )
    n_haze = sum(found.n_haze for _, found in segmented)
    if note := note_on_haze(n_haze, sum(found.n_objects for _, found in segmented)):
        yield note
    for note_of in (_clipping_note, _appearance_note):
        noted_too = [(item, note) for item, found in segmented if (note := note_of(found))]
        if noted_too:
            item, note = noted_too[0]
            few = len(segmented) == 1
            yield note if few else f"{len(noted_too)} of {len(segmented)} inputs, such as {item.name!r}: {note}"
    none_found = not any(found.n_objects for _, found in segmented)
    # a single image without somas among others is not worth a warning
    checked = [(item, found) for item, found in segmented if found.n_objects or none_found]
    for told in (_size_note, _size_warning):
        odd = [(item, found, note) for item, found in checked if (note := told(found, intended_use))]
        if odd:
            item, found, note = max(odd, key=lambda one: abs(math.log(one[1].rescale)))
            several = len(segmented) > 1 and not none_found
            yield f"{len(odd)} of {len(segmented)} inputs, such as {item.name!r}: {note}" if several else note


def _clipping_note(found: Found) -> str | None:
    return note_on_clipping(found.clipping)


def _appearance_note(found: Found) -> str | None:
    return note_on_appearance(found.appearance)


def _size_note(found: Found, intended_use: IntendedUse) -> str | None:
    return size_note(found.size, intended_use) if found.n_objects else None


def _size_warning(found: Found, intended_use: IntendedUse) -> str | None:
    median_px = median_or_nan(found.diameters_px)
    return size_warning(median_px, intended_use, factor=found.rescale, estimate=found.size)


def _and_others(items: Sequence[object]) -> str:
    return f" and {len(items) - 1} more" if len(items) > 1 else ""
