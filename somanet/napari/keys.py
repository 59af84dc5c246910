"""The keys of the plug-in."""

from __future__ import annotations

KEYS: dict[str, tuple[str, str]] = {
    "next_place": (".", "next suspicious place"),
    "previous_place": (",", "previous suspicious place"),
    "dismiss_place": ("K", "this place is right: leave it out of the list"),
    "new_soma": ("N", "new soma: the network draws it at the next click"),
    "paint_new": ("A", "paint a new soma"),
    "merge": ("M", "merge the selected somas of this frame"),
    "split": ("L", "split by a line: drag it across the soma"),
    "delete": ("D", "delete the selected soma in this frame"),
    "join": ("J", "join the two selected tracks"),
    "cut": ("C", "cut the selected track: from this frame on it is another cell"),
    "swap": ("S", "swap the two selected identities from this frame on"),
    "delete_track": ("Shift-D", "delete the selected track in all frames"),
    "not_a_soma": ("Shift-S", "not a soma: delete the track, and say so"),
    "undo": ("Control-Z", "undo"),
    "redo": ("Control-Shift-Z", "redo"),
    "escape": ("Escape", "no tool, nothing selected"),
}
"""Action → its key and what it does. Besides, napari's own: P paints, E erases, F fills, Z moves the picture."""
