"""Let a lock follow the code without a run, where both codes are shown to compute the same."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.provenance.dvc_guard import LINKED
from somanet.provenance.trace.hashes import Hashes
from tools.locks.computing import NOT_COMPARED, record_stages
from tools.locks.locked import LOCK, differences, md5s, stages_of
from tools.locks.proofs import PROOFS, Proof, add_proof, read_proofs
from tools.pull_request.revisions import checkout_at, clone_at, commits_of, read_head, short
from tools.same_numbers.comparing import RecordedNumbers
from tools.same_numbers.comparing import differences as different_numbers

Moved = dict[str, list[str]]
"""Stage → its dependencies of code whose content the lock does not have."""
SHOWN = 10
"""Differences that are named."""


def bless_lock(root: Path, folder: Path, *, echo: Callable[[str], None]) -> list[str]:
    """Compute the stages whose code changed with the code that the lock records and with the present one.

    If every number is the same, the hashes of the code in the lock become the present ones, and the proof is
    written beside it. Outputs, parameters and all else stay.

    Args:
        root: the repository.
        folder: the project or a profile in it.
        echo: called with lines about the progress.

    Returns:
        What was done, in lines.

    Raises:
        SomaNetError: something differs; more than code changed; the code that the lock records is not found; or there
            is nothing to bless. Then nothing is written.
    """
    if not (folder / LOCK).is_file():
        raise SomaNetError(f"{folder / LOCK} not found: there is no lock to bless. `make repro` writes one.")
    head = read_head(root)
    if head.dirty:
        raise SomaNetError("There are uncommitted changes: a proof names the commits of both codes. Commit them first.")
    read_proofs(folder)
    moved, left = _moved(folder)
    with tempfile.TemporaryDirectory(prefix="somanet-") as scratch:
        place = Path(scratch).resolve()
        clone = place / "before"
        before = _commit_of_lock(root, folder, moved, clone)
        echo(f"The lock has the code of {short(before)}. Computing {', '.join(moved)} with both:")
        profile = folder.relative_to(root)
        sides = []
        for name, checkout in (("before", clone), ("after", root)):
            echo(f"{name}: {short(before if checkout == clone else head.commit)}")
            (place / f"{name}_run").mkdir()
            wanted = {stage.split("@")[0] for stage in moved}
            sides.append(
                record_stages(checkout, root / profile, place / f"{name}_run", place / f"{name}_numbers", wanted=wanted)
            )
        compared = _same(*sides)
    now = Hashes(root)
    add_proof(folder, Proof(before, head.commit, _changes(folder, moved, now), compared, sides[1].about))
    _follow(folder, moved, now)
    done = [f"{len(compared)} files are the same. Written: {folder / LOCK}, {folder / PROOFS}. Commit both."]
    return done + ([f"Not compared, to be run: {', '.join(left)} (`make repro`)."] if left else [])


def _moved(folder: Path) -> tuple[Moved, list[str]]:
    """The stages to bless, and those whose code changed as well and which must run."""
    moved: Moved = {}
    left: dict[str, None] = {}
    for one in differences(folder):
        if one.stage.split("@")[0] in NOT_COMPARED:
            left[one.stage] = None
        elif one.code:
            moved.setdefault(one.stage, []).append(one.path)
        else:
            raise SomaNetError(
                f"{folder / LOCK}: {one.stage} differs in more than its code: {one.what}. That may alter outputs, so "
                "the stage must run: `make repro`."
            )
    if not moved:
        more = f"; {', '.join(left)} must run (`make repro`)" if left else ""
        raise SomaNetError(f"{folder / LOCK} has the present code: there is nothing to bless{more}.")
    return moved, list(left)


def _commit_of_lock(root: Path, folder: Path, moved: Moved, clone: Path) -> str:
    """The newest commit with the code that the lock records; the clone is left there."""
    stages = stages_of((folder / LOCK).read_bytes())
    recorded = {(path, md5s(stages[name], "deps").get(path)) for name, paths in moved.items() for path in paths}
    profile = folder.relative_to(root)
    clone_at(root, read_head(root).commit, clone)
    for commit in commits_of(root, *LINKED, (profile / LOCK).as_posix()):
        checkout_at(clone, commit)
        hashes = Hashes(clone)
        if all(_md5(hashes, clone / profile / path) == md5 for path, md5 in recorded):
            return commit
    raise SomaNetError(
        f"{folder / LOCK}: no commit of this branch has the code that it records, so there is nothing to compare the "
        "present code with. The stages must run: `make repro`."
    )


def _md5(hashes: Hashes, path: Path) -> str | None:
    try:
        return hashes.md5(path)
    except OSError:
        return None


def _same(before: RecordedNumbers, after: RecordedNumbers) -> dict[str, str]:
    """File → SHA-256 of all that was compared.

    Raises:
        SomaNetError: something differs, or nothing was computed.
    """
    found = [f"{one.place}: {one.text}" for one in different_numbers(before, after)]
    if found:
        lines = "".join(f"\n  {line}" for line in found[:SHOWN])
        more = f"\n  and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise SomaNetError(
            f"The lock is not blessed: the change alters outputs. The stages must run (`make repro`).{lines}{more}"
        )
    if not any(file["parts"] for file in after.files.values()):
        raise SomaNetError(
            "The lock is not blessed: the stages left no number to compare. They must run: `make repro`."
        )
    return dict(_digests(after))


def _digests(numbers: RecordedNumbers) -> Iterator[tuple[str, str]]:
    for name, file in numbers.files.items():
        parts: Mapping[str, str] = file["parts"]
        yield name, file["bytes"] or hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _changes(folder: Path, moved: Moved, hashes: Hashes) -> dict[str, dict[str, dict[str, str | None]]]:
    stages = stages_of((folder / LOCK).read_bytes())
    return {
        name: {path: {"before": md5s(stages[name], "deps")[path], "after": hashes.md5(folder / path)} for path in paths}
        for name, paths in moved.items()
    }


def _follow(folder: Path, moved: Moved, hashes: Hashes) -> None:
    """Write the present hashes of the code into the lock, as DVC would."""
    from dvc.utils.serialize import modify_yaml

    with atomic_path(folder / LOCK, updates=True) as new:
        shutil.copyfile(folder / LOCK, new)
        with modify_yaml(str(new)) as content:
            for name, paths in moved.items():
                for entry in content["stages"][name]["deps"]:
                    if (path := entry["path"]) in paths:
                        entry["md5"] = hashes.md5(folder / path)
                        files = list(hashes.files(folder / path)) if (folder / path).is_dir() else [folder / path]
                        entry["size"] = sum(file.stat().st_size for file in files)
                        if "nfiles" in entry:
                            entry["nfiles"] = len(files)
