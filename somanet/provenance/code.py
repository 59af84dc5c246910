"""What produced a result: the code, the parameters, the hashes of the data, the packages and the machine.

Everything here is read from files and package metadata. Nothing heavy is imported, so that every command can
afford it (importing torch only for its version costs 2.4 s and 500 MB).
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file
from somanet.core.machine import available_processors

PACKAGES = (
    "somanet",
    "torch",
    "torchvision",
    "segmentation-models-pytorch",
    "timm",
    "albumentations",
    "numpy",
    "scipy",
    "pandas",
    "scikit-image",
    "opencv-python-headless",
    "statsmodels",
    "tifffile",
    "imagecodecs",
    "zarr",
    "av",
    "onnxruntime",
    "openvino",
    "accelerate",
    "mlflow",
    "dvc",
)
"""Distributions whose version can change a number; ``python`` is recorded as well."""

_STATUS = ("git", "-c", "core.fsmonitor=false", "status", "--porcelain=v2", "--branch", "--untracked-files=no")
"""Without the program that a repository's own configuration may name, to be asked which files have changed."""
NO_RESULTS = tuple(f":(exclude,top,glob)**/{name}" for name in ("dvc.lock", "reports/**", ".gitignore"))
"""Git path specs that exclude what a running pipeline rewrites itself. Otherwise every stage but the first would count
as dirty, and the flag would carry no information about code and parameters."""

_GIT_TIMEOUT_S = 20


@dataclass(frozen=True)
class Provenance:
    """The provenance of a result. ``None`` means unknown; ``notes`` gives the reasons.

    Attributes:
        git_commit: full commit hash of the working tree in use.
        git_branch: branch name; ``None`` on a detached head.
        git_dirty: tracked files differ from the commit (untracked files and a pipeline's results do not count).
        dvc_stage: the stage that DVC is running, from ``DVC_STAGE``.
        dvc_experiment: the experiment's name, from ``DVC_EXP_NAME``; only under ``dvc exp run``.
        dvc_lock_sha256: digest of ``dvc.lock``: the state of every input and output.
        params_sha256: digest of ``params.yaml``.
        versions: package name to version, ``None`` for a package that is not installed.
        platform: operating system, machine and C library in one line.
        n_cpus: processors that this process may use.
        device: the device used for computing; known only once torch is loaded or if the caller passes it.
        notes: why values are unknown.
    """

    git_commit: str | None
    git_branch: str | None
    git_dirty: bool | None
    dvc_stage: str | None
    dvc_experiment: str | None
    dvc_lock_sha256: str | None
    params_sha256: str | None
    versions: Mapping[str, str | None]
    platform: str
    n_cpus: int
    device: str | None
    notes: tuple[str, ...] = field(default=())

    def record(self) -> dict[str, Any]:
        """What a manifest says of the code: commit, versions, platform, and why something is unknown."""
        return {
            "commit": self.git_commit,
            "uncommitted_changes": self.git_dirty,
            "versions": dict(self.versions),
            "platform": self.platform,
            "notes": list(self.notes),
        }

    def record_of_stage(self) -> dict[str, Any]:
        """The same for an output of a DVC stage: what is equal wherever and whenever equal code and libraries make it.

        The commit is that of the `dvc.lock` with the output's hash; its MLflow run has it too, and the machine.
        """
        return {"versions": dict(self.versions), "notes": []}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"versions": dict(self.versions), "notes": list(self.notes)}


PROFILES = "profiles"
"""The folder with a project's profiles: each runs the project's graph with parameters, and on data, of its own."""


def profile_owner(folder: Path) -> Path | None:
    """The project of a profile, ``PROJECT/profiles/NAME``; None for any other folder.

    To DVC a profile is a project of its own, with its own ``.dvc``, lock, cache and remote. Code and MLflow's runs are
    those of the project around it.
    """
    owner = folder.parent.parent
    return owner if folder.parent.name == PROFILES and (owner / ".dvc").is_dir() else None


def project_root(start: Path | None = None) -> Path:
    """The folder that holds ``mlruns/``: ``DVC_ROOT``, else the nearest parent with ``.dvc`` or ``.git``.

    A profile belongs to the project around it (:func:`profile_owner`). Without either, it is the nearest parent with
    ``dvc.yaml``, else the folder itself.

    ``dvc exp run --temp`` and ``--queue`` run in a copy that is deleted afterwards, and set ``DVC_ROOT`` to
    the real project; a store derived from the working folder would vanish with the copy.
    """
    if root := os.environ.get("DVC_ROOT"):
        folder = Path(root).resolve()
        return profile_owner(folder) or folder
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if owner := profile_owner(folder):
            return owner
        if (folder / ".dvc").is_dir() or (folder / ".git").exists():
            return folder
    return _nearest_project(start)


def working_tree(root: Path) -> Path:
    """The folder whose code and parameters are in use: ``root``, or the copy that a DVC experiment runs in."""
    return _nearest_project(Path.cwd()) if os.environ.get("DVC_ROOT") else root


def _nearest_project(start: Path) -> Path:
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file() or (folder / ".git").exists():
            return folder
    return start


def collect(root: Path | str, *, device: str | None = None) -> Provenance:
    """Describe the code, parameters and environment at ``root``; never fails.

    Args:
        root: the working tree in use (see :func:`working_tree`).
        device: the caller's device; by default torch's, if torch is already loaded.
    """
    root = Path(root)
    git, note = _git_state(root)
    return Provenance(
        git_commit=git.get("commit"),
        git_branch=git.get("branch"),
        git_dirty=git["dirty"] == "true" if "dirty" in git else None,
        dvc_stage=os.environ.get("DVC_STAGE") or None,
        dvc_experiment=os.environ.get("DVC_EXP_NAME") or None,
        dvc_lock_sha256=_digest(root / "dvc.lock"),
        params_sha256=_digest(root / "params.yaml"),
        versions=dict(versions()),
        platform=platform.platform(),
        n_cpus=available_processors(),
        device=device or _loaded_torch_device(),
        notes=(note,) if note else (),
    )


@cache
def code_digest(package: Path) -> str:
    """SHA-256 of a package's Python files: of uncommitted changes too, and of nothing else in the repository."""
    digest = hashlib.sha256()
    files = {file.relative_to(package): file for file in package.rglob("*.py")}
    for name in sorted(files, key=lambda path: path.parts):  # as on every system; Windows' paths know no case
        digest.update(name.as_posix().encode() + b"\0" + sha256_file(files[name]).encode() + b"\n")
    return digest.hexdigest()


def _git_state(root: Path) -> tuple[dict[str, str], str | None]:
    """Commit, branch and dirty flag with one git call, and a note if git fails."""
    try:
        done = subprocess.run(
            [*_STATUS, "--", ".", *NO_RESULTS],
            cwd=profile_owner(root.resolve()) or root,  # a profile runs the code of its project
            # Read-only: otherwise status takes the index lock and can disturb a concurrent git command.
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {}, f"git could not be run: {error}"
    if done.returncode:
        return {}, f"git: {(done.stderr.strip().splitlines() or ['unknown error'])[0]}"
    state = {"dirty": "false"}
    note = None
    for line in done.stdout.splitlines():
        if line.startswith("# branch.oid "):
            commit = line.rsplit(" ", 1)[1]
            if commit == "(initial)":
                note = "git: no commit yet"
            else:
                state["commit"] = commit
        elif line.startswith("# branch.head "):
            branch = line.rsplit(" ", 1)[1]
            if branch != "(detached)":
                state["branch"] = branch
        elif not line.startswith("#"):
            state["dirty"] = "true"
    return state, note


def _digest(path: Path) -> str | None:
    try:
        return sha256_file(path)
    except (OSError, SomaNetError):
        return None


@cache
def versions() -> tuple[tuple[str, str | None], ...]:
    """Versions from package metadata; read once per process, as an installation does not change meanwhile."""
    from importlib import metadata  # takes 25 ms, which importing this module should not cost

    found: list[tuple[str, str | None]] = [("python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append((name, _own_version() if name == "somanet" else None))
    return tuple(found)


def _own_version() -> str:
    """SomaNet's version when it runs from a checkout that is not installed."""
    from somanet import __version__

    return __version__


def _loaded_torch_device() -> str | None:
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    try:
        if torch.cuda.is_available():
            return f"cuda: {torch.cuda.get_device_name(0)}"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    except (AttributeError, RuntimeError):  # torch half imported, or a driver that does not respond
        return None
