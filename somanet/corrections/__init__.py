"""Corrections of a person as data: recorded edit by edit, applied to automatic results as a pure function.

The circle: *automatic results* (label movie with value = track id, and `tracks.csv`) and `corrections.jsonl` beside
them → :func:`apply` → corrected labels and tracks → measures. Automatic results and recorded edits are never changed.

Record::

    from somanet.corrections import Header, Recorder, making
    header = Header(movie, movie_sha256, labels_sha256, tracks_sha256, network_sha256)
    with Recorder(result / NAME, header) as recorder:        # lock: one program at a time
        edit = recorder.append(making.paint(frame, track_id, before, after))   # on the disk when it returns
        recorder.append(making.undo(edit))                   # undo; undo the undo to do it again

Read and apply::

    found = read(result / NAME, movie_sha256=…)              # Corrections: header, edits, sha256, torn
    corrected = apply(labels, tracks, found.edits)           # labels: a sequence of YX frames, read when needed
    corrected[t]                                             # YX int32 of frame t; iterate for all, one at a time
    corrected.points()                                       # track_id, frame, y_px, x_px, row, drawn
    corrected.misfits                                        # edits that do not fit, each with its reason
    tracks = measure(corrected, tracks, calibration, movie)  # the table, edited masks measured anew

A :class:`Mask` is one soma in one frame: ``Mask.of_label(labels_YX, id)``, ``mask.paint(labels_YX, id)``.
Kinds of edits, and what :mod:`somanet.corrections.making` needs for each:

==================  ====================================================================================================
``new``             a soma that was missed: frame, id (new, or of a track that lacks it there), mask
``paint, erase``    another outline: frame, id, mask before and after. Pixels of other somas are taken from them
``delete``          no soma in this frame: frame, id, mask
``merge``           somas of a frame are one, of the first id: frame, ids, masks before, mask after
``split``           one soma is several: frame, ids (the first is its own), mask before, masks after
``join``            track ``other`` becomes ``track``
``cut``             from a frame on, a track is a new one
``swap``            two tracks exchange identities from a frame on
``relink``          from a frame on ``track`` goes on as ``other``; what was left of it becomes a new track
``delete_track``    removed from all frames; ``not_a_soma``: likewise, and it never was one
``place``           a position without an outline, from programs that know no masks
``undo``            an earlier edit no longer counts
==================  ====================================================================================================
"""

from somanet.corrections.applying import apply
from somanet.corrections.corrected import Corrected, Misfit
from somanet.corrections.edits import KINDS, MASK_KINDS, TRACK_KINDS, Edit, Point
from somanet.corrections.masks import Mask
from somanet.corrections.measuring import EDITED, measure
from somanet.corrections.record import NAME, TORN, Corrections, Header, Recorder, append, read

__all__ = [
    "EDITED",
    "KINDS",
    "MASK_KINDS",
    "NAME",
    "TORN",
    "TRACK_KINDS",
    "Corrected",
    "Corrections",
    "Edit",
    "Header",
    "Mask",
    "Misfit",
    "Point",
    "Recorder",
    "append",
    "apply",
    "measure",
    "read",
]
