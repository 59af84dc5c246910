"""What is wrong with the locks of a project and its profiles."""

from __future__ import annotations

from pathlib import Path

from tools.locks.locked import LOCK, differences, moves_without_a_run, projects
from tools.locks.proofs import is_proven, read_proofs
from tools.pull_request.revisions import base_commit

SHOWN = 3
"""Differences of a stage that are named."""


def problems(root: Path, *, base: str) -> list[str]:
    """One line for each stage whose entry in a lock is not what a run left.

    Args:
        root: the repository.
        base: branch, tag or commit; moved hashes are those since the merge base.

    Raises:
        SomaNetError: DVC or git cannot read the project, or the proofs are no proofs.
    """
    commit = base_commit(root, base)
    return [line for folder in projects(root) for line in _of(folder, root, commit)]


def _of(folder: Path, root: Path, commit: str) -> list[str]:
    lock = (folder / LOCK).relative_to(root)
    stages: dict[str, list[str]] = {}
    for one in differences(folder):
        stages.setdefault(one.stage, []).append(one.what)
    where = "" if folder == root else f" PROFILE={folder.relative_to(root)}"
    way = f"Run it (`make repro`); after a change of code that alters no output `make bless{where}` can prove that"
    lines = [
        f"{lock}: {name} has not run with this tree: {', '.join(whats[:SHOWN])}"
        f"{f' and {len(whats) - SHOWN} more' if len(whats) > SHOWN else ''}. {way}."
        for name, whats in stages.items()
    ]
    proofs = read_proofs(folder)
    moved: dict[str, list[str]] = {}
    for move in moves_without_a_run(folder, root, commit):
        if not is_proven(move, proofs):
            moved.setdefault(move.stage, []).append(move.path)
    return lines + [
        f"{lock}: {name} has other hashes of {', '.join(paths)} than at {commit[:9]}, but the same outputs: it did "
        f"not run, or that is not proven. Was the lock edited? `git checkout {commit[:9]} -- {lock}`. {way}."
        for name, paths in moved.items()
    ]
