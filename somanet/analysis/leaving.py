"""What a person made outlives new results: the record of corrections, and corrected tracks that others replace.

So does what of a network's work belongs to these tracks: their labels, and what the new results do not have.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from somanet.analysis import names
from somanet.analysis.manifest import changed_in, is_corrected, tracks_are_edited, tracks_are_given
from somanet.core.errors import SomaNetError, explain
from somanet.core.files import json_object
from somanet.core.guard import keep
from somanet.core.hashing import sha256_tree
from somanet.core.swapping import free_name, remove, temporary_path
from somanet.corrections import read

_APPLIED = Path(names.AUTOMATIC, names.CORRECTIONS)
"""The corrections as they were applied, in a folder of corrected results."""
_TRACKS_AND_LABELS = (names.TRACKS, names.LABELS_TIFF, names.LABELS_ZARR)


def leave_corrections(output: Path | None, folder: Path) -> None:
    """Let corrections outlive new results: they are the user's, lie beside them, and are in no record.

    The record beside results is that of these results, or the same with further edits; another one that was there is
    kept under another name.

    Args:
        output: where the results are going; may have older ones. None if what is there goes aside as a whole.
        folder: the new results, complete.
    """
    place = output if output is not None and output.is_dir() else folder
    beside, applied, old = place / names.CORRECTIONS, folder / _APPLIED, place / _APPLIED
    outliving = [beside, applied]
    if applied.is_file() and not (beside.is_file() and _grew_from(applied, beside)):
        if beside.is_file() and not _has(applied, beside):
            outliving.append(beside.rename(keep(free_name(beside, "before"))))
        _put(applied, beside)
    if old.is_file() and not any(path.is_file() and _has(path, old) for path in outliving):
        _put(old, keep(free_name(beside, "before")))


def keep_tracks(output: Path, folder: Path) -> None:
    """Keep what new results replace of those that a person corrected, applied or in place, if it is other.

    That is the tracks and labels, and of a network's work also what the new results do not have: tracks that replace it
    have no outlines. A record of corrections that only grew, applied to the same automatic results, has the earlier
    tracks in it: nothing is kept then. A table edited in place is kept as the new results take its place.

    Args:
        output: where the results are going; may have older ones, which a person corrected.
        folder: the new results, complete.
    """
    before = json_object(output / names.MANIFEST)
    if not tracks_are_given(before) and not is_corrected(before) and not tracks_are_edited(output):
        return
    old, new = output / _APPLIED, folder / _APPLIED
    grew = old.is_file() and new.is_file() and _has(new, old)
    if grew and all(_same(name, old.parent, new.parent) for name in _TRACKS_AND_LABELS):
        return
    gone = [name for name in names.OF_NETWORK if name in before["files"] and not (folder / name).exists()]
    for name in dict.fromkeys((*_TRACKS_AND_LABELS, *gone)):
        old, new = output / name, folder / name
        if changed_in(output, before, [name]):  # which is kept as new results take their place
            continue
        if old.exists() and not _same(name, output, folder):
            _put(old, keep(free_name(old, "before"), of=old))


def _same(name: str, one: Path, other: Path) -> bool:
    """Whether two folders have the same under a name, or neither has it."""
    first, second = one / name, other / name
    if not (first.exists() and second.exists()):
        return first.exists() == second.exists()
    return sha256_tree(first) == sha256_tree(second)


def _grew_from(applied: Path, beside: Path) -> bool:
    """Whether a record beside results is the applied one, and perhaps grew; what a crash left of a line may be gone."""
    content = applied.read_bytes()
    return beside.read_bytes().startswith(content[: content.rfind(b"\n") + 1])


def _has(record: Path, other: Path) -> bool:
    """Whether a record begins with all that is in another one: its bytes, or the same edits taken back again later."""
    if record.read_bytes().startswith(other.read_bytes()):
        return True
    try:
        ours, theirs = read(record), read(other)
    except SomaNetError:  # a person's file may hold anything
        return False
    edits, others = ([replace(edit, time="") for edit in found.edits] for found in (ours, theirs))
    return ours.header == theirs.header and edits[: len(others)] == others


def _put(source: Path, path: Path) -> None:
    """Copy a file or folder, all at once, as one that SomaNet did not write: no command replaces it."""
    temporary = temporary_path(path)
    try:
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, temporary)
        temporary.replace(path)
    except OSError as error:
        raise explain(error, path) from error
    finally:
        remove(temporary)
