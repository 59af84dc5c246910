"""The two sides of a pull request in git: the working tree, and the commit that it started from."""

from __future__ import annotations

import io
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.files import make_folder
from somanet.provenance.code import NO_RESULTS

RESULTS = ("params.yaml", "dvc.yaml", "dvc.lock", "reports")
"""A pipeline's results in git, and what they depend on."""


@dataclass(frozen=True)
class Head:
    """The working tree.

    Attributes:
        commit: its full hash.
        parents: the commit's parents; two for a merge, first the branch merged into.
        dirty: whether tracked files, without results, differ from the commit.
    """

    commit: str
    parents: tuple[str, ...]
    dirty: bool

    @property
    def words(self) -> str:
        """A description for readers; a pull request is checked out as its merge into the base."""
        dirty = " with uncommitted changes" if self.dirty else ""
        if len(self.parents) == 2:
            into, merged = self.parents
            return f"`{short(merged)}` merged into `{short(into)}`{dirty}"
        return f"`{short(self.commit)}`{dirty}"


def read_head(root: Path) -> Head:
    """The working tree at `root`.

    Raises:
        SomaNetError: there is no commit, or no git.
    """
    commit, *parents = _git(root, "rev-list", "--parents", "--max-count=1", "HEAD").split()
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *NO_RESULTS)
    return Head(commit, tuple(parents), bool(changed.strip()))


def base_commit(root: Path, name: str) -> str:
    """The merge base of the working tree and `name`: later commits of `name` are not this branch's.

    Args:
        root: the repository.
        name: branch, tag or commit.

    Raises:
        SomaNetError: there is no such revision, or the two have no commit in common.
    """
    try:
        wanted = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
    except SomaNetError:
        raise SomaNetError(
            f"There is no revision {name!r} to compare with. Expected a branch, tag or commit, such as "
            "BASE=origin/main; a shallow clone needs `git fetch --unshallow` first."
        ) from None
    try:
        return _git(root, "merge-base", "HEAD", wanted).strip()
    except SomaNetError:
        raise SomaNetError(
            f"HEAD and {name} have no commit in common, so there is nothing to compare with. Is the clone shallow? "
            "`git fetch --unshallow` fetches the whole history."
        ) from None


def export_results(root: Path, commit: str, folder: Path) -> None:
    """Write a commit's :data:`RESULTS` into a folder, as far as it has them."""
    tracked = _git(root, "ls-tree", "-r", "--name-only", "-z", commit, "--", *RESULTS).split("\0")
    make_folder(folder)
    paths = [path for path in tracked if path]
    if paths:
        archive = _run(root, "archive", "--format=zip", commit, "--", *paths)
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            opened.extractall(folder)  # drops absolute paths and `..`, and makes no links


def clone_at(root: Path, commit: str, folder: Path) -> None:
    """A clone of the repository at a commit, without a shared cache, index or branch.

    Raises:
        SomaNetError: git fails.
    """
    make_folder(folder.parent)
    _git(root, "clone", "--quiet", "--no-checkout", "--local", str(root), str(folder))
    _git(folder, "checkout", "--quiet", "--detach", commit)


def file_at(root: Path, commit: str, path: str) -> bytes | None:
    """A file's content at a commit; None if the commit has no such file."""
    try:
        return _run(root, "show", f"{commit}:{path}")
    except SomaNetError:
        return None


def same_file(root: Path, commit: str, path: str) -> bool:
    """Whether a file in the working tree equals that of the commit."""
    try:
        return file_at(root, commit, path) == (root / path).read_bytes()
    except OSError:
        return False


def commits_of(root: Path, *paths: str) -> list[str]:
    """The commits of the history that changed one of the paths, newest first; HEAD is always the first."""
    head = _git(root, "rev-parse", "HEAD").strip()
    return list(dict.fromkeys([head, *_git(root, "rev-list", "HEAD", "--", *paths).split()]))


def checkout_at(folder: Path, commit: str) -> None:
    """Bring a clone made by :func:`clone_at` to another commit."""
    _git(folder, "checkout", "--quiet", "--force", "--detach", commit)


def short(commit: str) -> str:
    """The short form of a hash."""
    return commit[:9]


def _git(folder: Path, *arguments: str) -> str:
    return _run(folder, *arguments).decode("utf-8", errors="replace")


def _run(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    except OSError as error:
        raise SomaNetError(f"git could not be started: {error}.") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", errors="replace").strip().splitlines() or ["no reason given"]
        raise SomaNetError(f"`git {arguments[0]}` failed in {folder}: {said[-1]}")
    return done.stdout
