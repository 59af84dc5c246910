"""A folder of results: written beside its destination, then swapped with the old folder as a whole.

A failure or a kill leaves the old results or the new, never a mixture. What a person keeps in the folder stays through
every swap: files that SomaNet did not write, and those of its own that were changed since, which are kept under
another name. A folder that cannot be swapped (a mount point or one that holds one, the current folder, a folder in a
locked one, one with other users' files, one around other results) receives the complete results under a hidden name,
and their files move from there; what a kill leaves, the next start moves.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from somanet.core import guard
from somanet.core.errors import SomaNetError, explain
from somanet.core.files import json_object, make_folder, write_json
from somanet.core.hashing import sha256_tree
from somanet.core.names import is_entry
from somanet.core.swapping import free_name, holds_mounts, remove, remove_leftovers, replace_folder, temporary_path
from somanet.core.writable import check_stored, check_writable

_INCOMING, _PLAN = ".somanet-incoming", ".plan.json"


@dataclass(frozen=True)
class Kind:
    """A kind of results.

    Attributes:
        record: the JSON file that every such folder has; its `files` maps the name of each other file, or folder, to
            its SHA-256.
        what: its name in messages.
        around: the record of other results that may lie in folders inside, such as those of a cohort's movies. Such a
            folder is never swapped: another process may be writing there.
    """

    record: str
    what: str
    around: str = ""


def hashes_of(folder: Path, kind: Kind) -> dict[str, str]:
    """SHA-256 of every file and folder of results, by name, for the record; without the record itself."""
    return {
        path.name: sha256_tree(path)
        for path in sorted(folder.iterdir())
        if path.name[0] != "." and path.name != kind.record
    }


def check_results(output: Path, kind: Kind, *, writes: Collection[str] = ()) -> None:
    """Refuse an output folder where results would do damage, before the work rather than after it.

    Args:
        output: the folder.
        kind: the kind of results.
        writes: names that will be written, as far as they are known.

    Raises:
        SomaNetError: it is a file, cannot be written, contains other files but no results, or contains edited results
            or a foreign file under a name that will be written.
    """
    guard.check_not_read(output)
    check_writable(output)
    if output.exists() and not output.is_dir():
        raise SomaNetError(
            f"Cannot write {output}: a file is in the way of the results folder. Choose another --output."
        )
    if not output.is_dir():
        return
    remove_leftovers(output)
    _move_in(output, kind)
    if not any(output.iterdir()):
        return
    recorded = _recorded(output, kind)
    if locked := _unreadable(output):
        raise SomaNetError(
            f"{locked} cannot be read, and could not be kept among new results. Make it readable, move it away, or "
            "choose another --output."
        )
    if recorded is None and not guard.replacing() and not _holds_others(output, kind):
        raise SomaNetError(
            f"{output} contains files other than {kind.what}, which could be overwritten. Choose a new or empty folder "
            "for --output; or give --replace, which keeps what is there and adds the results."
        )
    known = set(_unchanged(output, recorded or {}))
    names = {*(recorded or {}), *writes, kind.record}
    if read := [path for path in guard.inputs_in(output) if _name_in(path, output) in names]:
        raise SomaNetError(
            f"{read[0]} is an input, and new results would replace it. Choose another --output, or rename the file "
            "first."
        )
    for path in output.iterdir():
        if path.name in names:
            check_stored(path)
    changed = sorted(path.name for path in output.iterdir() if path.name in names - known - {kind.record})
    if changed and not guard.replacing():
        why = "was changed since SomaNet wrote it" if changed[0] in (recorded or {}) else "was not written by SomaNet"
        raise SomaNetError(
            f"{output / changed[0]} {why}, and new results would replace it. Choose another --output; or give "
            "--replace, which keeps it as "
            f"{free_name(output / changed[0], 'before').name}."
        )


@contextmanager
def result_folder(output: Path, kind: Kind, *, writes: Collection[str] = ()) -> Iterator[Path]:
    """Yield a folder to write results into; when the block succeeds, it replaces ``output`` in one step.

    The block writes the record last, with :func:`hashes_of`. If it fails, nothing changes.

    Args:
        output, kind, writes: as for :func:`check_results`.

    Raises:
        SomaNetError: as for :func:`check_results`, or the folder cannot be written.
    """
    check_results(output, kind, writes=writes)
    place = Path(os.path.realpath(output))
    make_folder(place.parent)
    whole = not place.is_dir() or (not kind.around and _can_be_swapped(place))
    if whole:
        remove_leftovers(place.parent)
    folder = make_folder(temporary_path(place if whole else place / "results"))
    try:
        yield folder
        for path in folder.iterdir():
            if path.name[0] == ".":
                remove(path)  # records of this run's own writing
        try:
            (_take_place if whole else _fill)(folder, place, kind)
        except OSError as error:
            raise explain(error, output) from error
    except SomaNetError as error:  # of a file inside: the user knows the folder by its own name
        raise SomaNetError(str(error).replace(str(folder), str(output))) from error
    finally:
        remove(folder)


def _take_place(folder: Path, place: Path, kind: Kind) -> None:
    """Swap old results for new; other files of the old folder are in both throughout the swap."""
    if not place.is_dir():
        replace_folder(folder, place)
        return
    shutil.copymode(place, folder)
    new = {path.name for path in folder.iterdir()}
    known = _unchanged(place, _recorded(place, kind) or {})
    kept = _carry(place, folder, new, known, kind)
    old = replace_folder(folder, place)
    if old is None:
        return
    for name, state in known.items():  # what was corrected after it was found to be as SomaNet wrote it
        if (old / name).exists() and _state(old / name) != state:
            (old / name).rename(guard.keep(free_name(place / name, "before")))
    for name, there in kept.items():  # what was saved there in the meantime
        if (old / name).exists() and _state(old / name) != _state(place / there):
            remove(place / there)
            (old / name).rename(place / there)
    for path in old.iterdir():
        if path.name not in kept and not (place / path.name).exists() and path.name not in _recorded_names(old, kind):
            path.rename(place / path.name)
    remove(old)


def _holds_others(output: Path, kind: Kind) -> bool:
    """Whether the folders inside have the results that this kind lies around."""
    return bool(kind.around) and any(path.parent != output for path in output.rglob(kind.around))


def _can_be_swapped(place: Path) -> bool:
    """Whether a folder can be swapped: no mount points, current folder, locked parent or files of other users."""
    here = Path(os.path.realpath(Path.cwd()))
    if place == here or place in here.parents or not os.access(place.parent, os.W_OK) or holds_mounts(place):
        return False
    me = os.getuid() if hasattr(os, "getuid") else 0
    return me == 0 or all(path.lstat().st_uid == me for path in place.rglob("*"))


def _fill(folder: Path, place: Path, kind: Kind) -> None:
    """Put new results into a folder that stays; what was there under their names goes, what a person keeps stays."""
    known = _unchanged(place, _recorded(place, kind) or {})
    goes = {name: sha256_tree(place / name) for name in known}
    if (place / kind.record).exists():
        goes[kind.record] = sha256_tree(place / kind.record)
    write_json(folder / _PLAN, {"goes": goes, "comes": sorted(path.name for path in folder.iterdir())})
    folder.rename(place / _INCOMING)
    _move_in(place, kind)


def _move_in(place: Path, kind: Kind) -> None:
    """Move results that are complete under :data:`_INCOMING` to where they belong, now or after a kill.

    What they replace goes only as long as it is what the plan says and the record there says of it, too; anything else
    is kept under another name. The record moves last, so that until then both records can be read.

    Raises:
        SomaNetError: what is under that name is no such exchange, or one of the files that it replaces is an input.
    """
    incoming = place / _INCOMING
    if not os.path.lexists(incoming / _PLAN):  # a person's, or an exchange that was killed as its last folder went
        with suppress(OSError):
            incoming.rmdir()
        return
    goes, comes = _plan_of(incoming, kind)
    if read := [path for path in guard.inputs_in(place) if _name_in(path, place) in (*goes, *comes, _INCOMING)]:
        raise SomaNetError(
            f"{read[0]} is an input, and results that a stopped command left in {incoming} would replace it. Choose "
            "another --output."
        )
    recorded = _recorded(place, kind) or {}
    names = sorted({*goes, *comes}, key=lambda name: (name == kind.record, name))
    try:
        for name in names:
            target, waits = place / name, os.path.lexists(incoming / name)
            if name in comes and not waits:  # moved in before the kill
                continue
            said = goes.get(name)
            ours = bool(recorded) if name == kind.record else said is not None and recorded.get(name) == said
            if target.exists() and ours and sha256_tree(target) == said:
                remove(target)
            elif waits and os.path.lexists(target):
                target.rename(guard.keep(free_name(target, "before")))
            if waits:
                (incoming / name).replace(target)
    except FileNotFoundError:  # another process moves the same results in
        return
    remove(incoming)


def _plan_of(incoming: Path, kind: Kind) -> tuple[dict[str, str], list[str]]:
    """What an unfinished exchange replaces, with hashes, and what it brings.

    Raises:
        SomaNetError: it is not one that SomaNet began, or its results were changed since.
    """
    foreign = SomaNetError(
        f"{incoming} is not what a stopped command leaves: results that are complete and unchanged. Did it come with "
        "the folder from elsewhere? Move it away, or choose another --output."
    )
    if incoming.is_symlink() or not incoming.is_dir():
        raise foreign
    plan = json_object(incoming / _PLAN)
    goes, comes = plan.get("goes"), plan.get("comes")
    if not isinstance(goes, dict) or not isinstance(comes, list):
        raise foreign
    names = [str(name) for name in (*goes, *comes)]
    waiting = {path.name for path in incoming.iterdir()} - {_PLAN}
    if not all(is_entry(name) and name[0] != "." for name in names) or not waiting <= set(map(str, comes)):
        raise foreign
    if waiting:
        recorded = _recorded(incoming, kind) or {}
        for path in (incoming / name for name in waiting):
            inside = [path, *path.rglob("*")] if path.is_dir() else [path]
            if any(one.is_symlink() for one in inside):
                raise foreign
            if path.name != kind.record and recorded.get(path.name) != sha256_tree(path):
                raise foreign
    return {str(name): str(digest) for name, digest in goes.items()}, [str(name) for name in comes]


def _carry(place: Path, folder: Path, new: Collection[str], known: Collection[str], kind: Kind) -> dict[str, str]:
    """Link what a person keeps among results into the folder of new ones; gives its names there and here."""
    recorded = _recorded(place, kind) or {}
    kept = {}
    for path in place.iterdir():
        if path.name in known or path.name == kind.record:
            continue
        target = folder / path.name
        if path.name in recorded or path.name in new:
            target = folder / guard.keep(free_name(path, "before")).name
        _link(path, target)
        kept[path.name] = target.name
    return kept


def _link(source: Path, target: Path) -> None:
    """Put the same content under another name, without a copy if the file system supports it."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir()
        shutil.copymode(source, target)
        for path in source.iterdir():
            _link(path, target / path.name)
    else:
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            shutil.copy2(source, target)


def _state(path: Path) -> tuple[object, ...]:
    """A state that changes whenever a file, or a file of a folder, is saved again."""
    if path.is_dir() and not path.is_symlink():
        return tuple((p.relative_to(path), *_state(p)) for p in sorted(path.rglob("*")) if not p.is_dir())
    found = path.lstat()
    return found.st_size, found.st_mtime_ns


def _recorded(output: Path, kind: Kind) -> Mapping[str, str] | None:
    """The names and hashes in a folder's record; None if there is no record, empty if it is damaged or lacks them."""
    path = output / kind.record
    if not path.is_file():
        return None
    files = json_object(path).get("files")
    return {str(name): str(digest) for name, digest in files.items()} if isinstance(files, dict) else {}


def _recorded_names(output: Path, kind: Kind) -> set[str]:
    return {*(_recorded(output, kind) or {}), kind.record}


def _unchanged(output: Path, recorded: Mapping[str, str]) -> dict[str, tuple[object, ...]]:
    """Which of the recorded files are as SomaNet wrote them, each with a state that reveals later changes."""
    found = {}
    for name, digest in recorded.items():
        path = output / name
        if is_entry(name) and path.exists():
            state = _state(path)  # before its bytes: a change in between is one
            if sha256_tree(path) == digest:
                found[name] = state
    return found


def _unreadable(output: Path) -> Path | None:
    """An entry of a folder of results that cannot be linked or copied, such as another user's private file."""
    if hasattr(os, "getuid") and os.getuid() != 0:
        for path in output.rglob("*"):
            if path.is_file() and path.stat().st_uid != os.getuid() and not os.access(path, os.R_OK):
                return path
    return None


def _name_in(path: Path, folder: Path) -> str:
    """The entry of a folder that a path is, or lies in."""
    inside = Path(os.path.realpath(path)).relative_to(os.path.realpath(folder))
    return inside.parts[0]
