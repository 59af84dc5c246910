"""Results that take their places file by file, in a folder that cannot be swapped as a whole, and across a kill.

The complete results lie under a hidden name in the folder; their files move from there, and the next start moves what a
kill has left. The plan that says so is believed only where it was made: in this folder of this disk, by this user.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from somanet.core import guard
from somanet.core.errors import SomaNetError
from somanet.core.file_state import user_number
from somanet.core.files import json_object, write_json
from somanet.core.hashing import sha256_tree
from somanet.core.names import is_entry
from somanet.core.result_records import Kind, entry_in, more_in, recorded_in
from somanet.core.swapping import free_name, remove
from somanet.core.writable import check_replaceable

_INCOMING, _PLAN = ".somanet-incoming", ".plan.json"
_PRIVATE, _WRITABLE_BY_OTHERS = 0o700, 0o022


def exchange_files(folder: Path, place: Path, kind: Kind) -> None:
    """Put new results into a folder that stays; what was there under their names goes, what a person keeps stays.

    Raises:
        SomaNetError: one of the places cannot be taken; nothing was moved.
    """
    recorded = recorded_in(place, kind) or {}
    goes = {name: said for name, said in recorded.items() if is_entry(name) and os.path.lexists(place / name)}
    if (place / kind.record).exists():
        goes[kind.record] = sha256_tree(place / kind.record)
    comes = sorted(path.name for path in folder.iterdir())
    _check_places(place, (*goes, *comes, _INCOMING))
    folder.chmod(_PRIVATE)
    write_json(folder / _PLAN, {"goes": goes, "comes": comes, "made": _identity(place, folder)})
    folder.rename(place / _INCOMING)
    finish_exchange(place, kind)


def finish_exchange(place: Path, kind: Kind) -> None:
    """Move results that are complete under :data:`_INCOMING` to where they belong, now or after a kill.

    What they replace goes only as long as it is what the plan says and the record there says of it, too; anything else
    is kept under another name. The record moves last, so that until then both records can be read.

    Raises:
        SomaNetError: what is under that name is no such exchange, one of the files that it replaces is an input, or
            one of the places cannot be taken. Nothing was moved then.
    """
    incoming = place / _INCOMING
    if not os.path.lexists(incoming / _PLAN):  # a person's, or an exchange that was killed as its last folder went
        with suppress(OSError):
            incoming.rmdir()
        return
    goes, comes = _plan_of(place, kind)
    if read := [path for path in guard.inputs_in(place) if entry_in(path, place) in (*goes, *comes, _INCOMING)]:
        raise SomaNetError(
            f"{read[0]} is an input, and results that a stopped command left in {incoming} would replace it. Choose "
            "another --output."
        )
    _check_places(place, (*goes, *comes, _INCOMING))
    recorded = recorded_in(place, kind) or {}
    names = sorted({*goes, *comes}, key=lambda name: (name == kind.record, name))
    try:
        for name in names:
            target, waits = place / name, os.path.lexists(incoming / name)
            if name in comes and not waits:  # moved in before the kill
                continue
            said = goes.get(name)
            ours = bool(recorded) if name == kind.record else said is not None and recorded.get(name) == said
            if target.exists() and ours and sha256_tree(target) == said and more_in(target) is None:
                remove(target)
                if name not in comes:
                    guard.drop(target)
            elif os.path.lexists(target):
                target.rename(guard.keep(free_name(target, "before")))
            if waits:
                (incoming / name).replace(target)
    except FileNotFoundError:  # another process moves the same results in
        return
    remove(incoming)


def _check_places(place: Path, names: Iterable[str]) -> None:
    for name in names:
        if os.path.lexists(place / name):
            check_replaceable(place / name)


def _identity(place: Path, incoming: Path) -> list[int]:
    """What no copy has, of whatever origin: the numbers of both folders in the file system, and the user's."""
    return [place.stat().st_ino, incoming.lstat().st_ino, user_number()]


def _is_own(place: Path, incoming: Path) -> bool:
    """Whether a folder is the user's alone, on the disk of the folder that it lies in, and so is its plan."""
    around, states = place.stat(), (incoming.lstat(), (incoming / _PLAN).lstat())
    return (
        all(state.st_uid == user_number() and state.st_dev == around.st_dev for state in states)
        and (os.name != "posix" or not states[0].st_mode & _WRITABLE_BY_OTHERS)  # Windows knows no such modes
        and stat.S_ISREG(states[1].st_mode)
    )


def _plan_of(place: Path, kind: Kind) -> tuple[dict[str, str], list[str]]:
    """What an unfinished exchange replaces, with hashes, and what it brings.

    Raises:
        SomaNetError: it is not one that SomaNet began, or its results were changed since.
    """
    incoming = place / _INCOMING
    foreign = SomaNetError(
        f"{incoming} is not what a stopped command leaves: complete results, unchanged, begun in this folder by "
        "this user. Did it come with "
        "the folder from elsewhere? Move it away, or choose another --output."
    )
    if incoming.is_symlink() or not incoming.is_dir() or not _is_own(place, incoming):
        raise foreign
    plan = json_object(incoming / _PLAN)
    goes, comes = plan.get("goes"), plan.get("comes")
    if not isinstance(goes, dict) or not isinstance(comes, list) or plan.get("made") != _identity(place, incoming):
        raise foreign
    names = [str(name) for name in (*goes, *comes)]
    waiting = {path.name for path in incoming.iterdir()} - {_PLAN}
    if not all(is_entry(name) and name[0] != "." for name in names) or not waiting <= set(map(str, comes)):
        raise foreign
    if waiting:
        recorded = recorded_in(incoming, kind) or {}
        for path in (incoming / name for name in waiting):
            inside = [path, *path.rglob("*")] if path.is_dir() else [path]
            if any(one.is_symlink() for one in inside):
                raise foreign
            if path.name != kind.record and recorded.get(path.name) != sha256_tree(path):
                raise foreign
    return {str(name): str(digest) for name, digest in goes.items()}, [str(name) for name in comes]
