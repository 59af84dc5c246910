"""Checks of this installation, machine and project: one line each, with a remedy if needed."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from somanet.core.errors import SomaNetError
from somanet.core.extras import missing
from somanet.provenance.code import project_root
from somanet.provenance.mlflow.database import check_database
from somanet.provenance.mlflow.spool import pending_runs
from somanet.provenance.mlflow.store import check_address, database_path, is_database_server, public_uri, tracking_uri
from somanet.segmentation.engines.choice import EXTRAS, FASTEST_FIRST

Status = Literal["ok", "warn", "missing"]

MIN_PYTHON = (3, 11)
FREE_DISK_GB = 5.0
_GB = 1e9


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: what was checked.
        status: ``ok``; ``warn``: works with limits; ``missing``: required but missing.
        detail: what was found.
        remedy: what to do; empty if nothing is needed.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""


def diagnose(root: Path | str | None = None) -> list[Check]:
    """Check Python, packages, device, engines, DVC, the MLflow store, the data and the disk; never raises.

    Only the device check takes time, as it imports torch (2 to 3 s).
    """
    project = Path(root).resolve() if root is not None else project_root()
    parts: list[tuple[str, Callable[[], list[Check]]]] = [
        ("python", lambda: [_python()]),
        ("packages", lambda: _packages(project)),
        ("device", lambda: [_device()]),
        ("engines", lambda: [_engines()]),
        ("dvc", lambda: [_dvc(project)]),
        ("mlflow store", lambda: [_store(project)]),
        ("data", lambda: [_data(project)]),
        ("disk", lambda: [_disk(project)]),
    ]
    found: list[Check] = []
    for name, look in parts:
        try:
            found += look()
        except Exception as error:  # the doctor must not crash on the problems it looks for
            found.append(Check(name, "warn", f"could not be checked: {type(error).__name__}: {error}"))
    return found


def _python() -> Check:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info >= MIN_PYTHON:
        return Check("python", "ok", detail)
    wanted = ".".join(map(str, MIN_PYTHON))
    return Check("python", "missing", f"{detail}, needs {wanted} or later", f"Install Python {wanted} or later.")


def requirements(root: Path) -> list[str]:
    """SomaNet's requirements: from the installed package, else from the checkout's ``pyproject.toml``."""
    try:
        if declared := metadata.requires("somanet"):
            return declared
    except metadata.PackageNotFoundError:
        pass
    path = next((p for p in (Path(__file__).parents[2], root) if (p / "pyproject.toml").is_file()), None)
    if path is None:
        return []
    project = tomllib.loads((path / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    extras = project.get("optional-dependencies", {})
    return [
        *project.get("dependencies", []),
        *(f"{line.split(';')[0]}; extra == '{extra}'" for extra, lines in extras.items() for line in lines),
    ]


def _packages(root: Path) -> list[Check]:
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in requirements(root)]
    if not wanted:
        return [
            Check(
                "packages",
                "warn",
                "SomaNet is not installed, so its requirements are unknown",
                "`pip install -e .`",
            )
        ]
    checks: list[Check] = []
    for requirement in wanted:
        if requirement.name == "somanet":  # an extra that is others together
            continue
        extra = _extra(str(requirement.marker or ""))
        if extra is None and (requirement.marker is None or requirement.marker.evaluate()):
            checks.append(_package(requirement.name, str(requirement.specifier), None))
        elif extra is not None and extra != "dev":
            checks.append(_package(requirement.name, str(requirement.specifier), extra))
    return checks


def _extra(marker: str) -> str | None:
    """The extra that a requirement belongs to, from a marker such as ``extra == "imagenet"``."""
    _, found, rest = marker.partition("extra == ")
    return rest.strip("'\" )").split("'")[0].split('"')[0] if found else None


def _package(name: str, specifier: str, extra: str | None) -> Check:
    from packaging.specifiers import SpecifierSet

    label = f"package {name}" if extra is None else f"optional {name} ({extra})"
    install = f"`pip install '{name}{specifier}'`" if extra is None else f"`pip install 'somanet[{extra}]'`"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(label, "missing" if extra is None else "warn", "not installed", install)
    if SpecifierSet(specifier).contains(version, prereleases=True):
        return Check(label, "ok", version)
    return Check(label, "warn", f"{version}, but SomaNet is tested with {specifier}", install)


def _device() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library is missing
        return Check("device", "missing", f"torch cannot be imported: {error}", "`pip install --force-reinstall torch`")
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / _GB
        return Check("device", "ok", f"cuda: {torch.cuda.get_device_name(0)}, {memory:.0f} GB")
    if torch.backends.mps.is_available():
        return Check("device", "ok", "mps: Apple graphics")
    if shutil.which("nvidia-smi"):
        remedy = "Is the driver too old for this torch? `python -m torch.utils.collect_env` shows."
        return Check("device", "warn", "cpu, although an NVIDIA driver is installed", remedy)
    return Check("device", "ok", f"cpu with {torch.get_num_threads()} threads")


def _engines() -> Check:
    """The inference engines, and the one that `--engine auto` takes."""
    lacking = {name: missing(EXTRAS[name]) for name in FASTEST_FIRST}
    usable = [name for name in FASTEST_FIRST if not lacking[name]]
    there = [name for name in FASTEST_FIRST if name not in lacking[name]]  # engines are named after their packages
    parts = [_version(name) + (f" without {', '.join(lacking[name])}" if lacking[name] else "") for name in there]
    detail = ", ".join([*parts, _version("torch")])
    if not usable:
        remedy = f"`pip install 'somanet[{EXTRAS[FASTEST_FIRST[0]]}]'` brings a faster one."
        return Check("engines", "warn", f"{detail}; auto takes torch", remedy)
    return Check("engines", "ok", f"{detail}; auto takes {usable[0]} where it agrees with torch")


def _version(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:  # distributed under another name, such as onnxruntime-gpu
        return name


def _dvc(root: Path) -> Check:
    if not (root / ".dvc").is_dir():
        remedy = "Run this in a checkout of the project; `dvc init` starts a new one. Prediction needs neither."
        return Check("dvc", "warn", "this folder is not a DVC project", remedy)
    lock = root / ".dvc" / "tmp" / "rwlock"
    if not (root / "dvc.lock").is_file():
        return Check("dvc", "warn", "no dvc.lock: the pipeline has not run here", "`dvc repro`")
    if _git_conflict(root / "dvc.lock"):
        remedy = "`git checkout --theirs dvc.lock` (or --ours), then `dvc repro`."
        return Check("dvc", "missing", "dvc.lock has a merge conflict", remedy)
    busy = lock.is_file() and lock.read_text(encoding="utf-8", errors="replace").strip() not in ("", "{}")
    return Check("dvc", "ok", "project with dvc.lock" + (", a dvc command is running" if busy else ""))


def _git_conflict(path: Path) -> bool:
    return any(line.startswith("<<<<<<< ") for line in path.read_text(encoding="utf-8").splitlines())


def _store(root: Path) -> Check:
    shown = public_uri(tracking_uri(root), root)
    database = database_path(root)
    if database is None:
        try:
            check_address(root)
        except SomaNetError as error:
            return Check("mlflow store", "missing", str(error))
        contacted = "it answers" if is_database_server(tracking_uri(root)) else "not contacted"
        return Check("mlflow store", "ok", f"{shown}, set by MLFLOW_TRACKING_URI ({contacted})")
    try:
        if not database.exists():
            folder = next(parent for parent in database.parents if parent.exists())
            if not os.access(folder, os.W_OK):
                return Check(
                    "mlflow store", "missing", f"{folder} is read-only", "Set MLFLOW_TRACKING_URI to another store."
                )
            return Check("mlflow store", "ok", f"{shown}, created by the first run")
        check_database(database, wait_s=1.0)
    except SomaNetError as error:
        return Check("mlflow store", "missing", str(error))
    if waiting := pending_runs(root):
        return Check(
            "mlflow store", "warn", f"{shown}; records of {len(waiting)} runs are waiting", "`somanet sync` sends them."
        )
    return Check("mlflow store", "ok", f"{shown}, {database.stat().st_size / 1e6:.1f} MB")


def _data(root: Path) -> Check:
    folder = Path(os.environ.get("SOMANET_DATA") or root / "data")
    where = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else str(folder)
    if folder.is_dir() and any(folder.iterdir()):
        return Check("data", "ok", f"{where}: {sum(1 for _ in folder.iterdir())} entries")
    return Check(
        "data",
        "warn",
        f"{where} is missing or empty",
        "`dvc repro` simulates data, `dvc pull` fetches real data.",
    )


def _disk(root: Path) -> Check:
    free = shutil.disk_usage(root).free / _GB
    if free >= FREE_DISK_GB:
        return Check("disk", "ok", f"{free:.0f} GB free")
    remedy = "Free some space: `dvc gc --workspace` removes cached files that the workspace does not use."
    return Check("disk", "warn", f"only {free:.1f} GB free, {FREE_DISK_GB:.0f} GB is recommended", remedy)
