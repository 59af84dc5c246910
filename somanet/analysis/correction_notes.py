"""What the reader of corrected results is told about the corrections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from somanet.analysis import names
from somanet.core.counting import counted

NOUNS = {
    "new": "somas added", "paint": "outlines painted", "erase": "outlines erased", "merge": "somas merged",
    "split": "somas split", "delete": "somas removed from a frame", "join": "tracks joined", "cut": "tracks cut",
    "swap": "identities exchanged", "relink": "links changed", "delete_track": "tracks removed",
    "not_a_soma": "tracks that are no somas", "place": "positions given without outline",
}  # fmt: skip
"""Kinds of edits, and what one of them did."""


def notes_on_corrections(found: Mapping[str, Any]) -> list[str]:
    """What the reader of a report has to know of corrections."""
    kinds = ", ".join(f"{NOUNS[kind]}: {count}" for kind, count in found["applied"].items())
    edits = counted(found["n_applied"], "edit")
    listed = f" ({kinds})" if kinds else ""
    first = (
        f"A person corrected these results by {edits}{listed}; edited outlines, measured anew: "
        f"{found['n_edited_masks']}. The edits are in {names.EDITS}, the automatic results in {names.AUTOMATIC}/."
    )
    notes = [first]
    if found["n_unfit"]:
        unfit = counted(found["n_unfit"], "edit does", "edits do")
        more = "" if found["n_unfit"] <= len(found["unfit"]) else f" … all are in {names.EDITS}."
        notes.append(f"{unfit} not fit these results: {' '.join(found['unfit'])}{more}")
    if found.get("incomplete_last_line"):
        notes.append(
            f"The last line of {found['file']} is incomplete, as after a crash or of a copy that was cut short: it is "
            "left out. Take the file from a copy, if there is one that has more."
        )
    if not found["made_on_these_results"]:
        notes.append(
            "The corrections were made on other automatic results of this movie, such as another network's: somas were "
            "found again by their outlines and places."
        )
    return notes
