"""Checks of this installation, machine and project: one line each; of what is wrong why it matters, and the command.

What is wrong is worded in :mod:`somanet.core.mending` and :mod:`somanet.core.extras`, as by the command that fails.
"""

from __future__ import annotations

import configparser
import importlib
import os
import platform
import shutil
import sys
import tempfile
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError, first_line
from somanet.core.extras import SERVES, command, missing
from somanet.core.extras import trouble as extra_trouble
from somanet.core.mending import (
    Trouble,
    library_trouble,
    pip_trouble,
    python_doubt,
    python_trouble,
    remote_trouble,
    space_trouble,
    writing_trouble,
)
from somanet.io.codecs import missing_codec
from somanet.provenance.code import project_root
from somanet.provenance.mlflow.database import check_database
from somanet.provenance.mlflow.spool import pending_runs
from somanet.provenance.mlflow.store import (
    check_address,
    database_path,
    is_database_server,
    public_uri,
    tracking_uri,
    unreachable,
)
from somanet.segmentation.engines.choice import EXTRAS, FASTEST_FIRST

Status = Literal["ok", "warn", "missing"]

SERVER_WAIT_S = 3.0
_GB = 1e9


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: what was checked.
        status: ``ok``; ``warn``: works with limits; ``missing``: required but missing.
        detail: what was found.
        matters: what needs it, where something is wrong.
        remedy: the command that mends it; empty if nothing is needed.
    """

    name: str
    status: Status
    detail: str
    matters: str = ""
    remedy: str = ""

    @property
    def line(self) -> str:
        """All of it in one line."""
        if self.matters:
            return Trouble(self.matters, self.detail, self.remedy).line
        return f"{self.detail} → {self.remedy}" if self.remedy else self.detail


def _of(name: str, status: Status, trouble: Trouble) -> Check:
    """A check that found something."""
    return Check(name, status, trouble.found, trouble.matters, trouble.command)


def diagnose(root: Path | str | None = None) -> list[Check]:
    """Check the installation, the bundled network, the machine and the project; never raises.

    Only the device check takes time, as it imports torch (2 to 3 s).
    """
    project = Path(root).resolve() if root is not None else project_root()
    parts: list[tuple[str, Callable[[], list[Check]]]] = [
        ("python", lambda: [_python()]),
        ("pip", lambda: [_pip()]),
        ("packages", lambda: _packages(project)),
        ("device", lambda: [_device()]),
        ("engines", lambda: [_engines()]),
        ("bundled network", lambda: [_bundled()]),
        ("codecs", lambda: [_codecs()]),
        ("dvc", lambda: [_dvc(project)]),
        ("dvc remote", lambda: _remote(project)),
        ("mlflow store", lambda: [_store(project)]),
        ("data", lambda: [_data(project)]),
        ("folders", lambda: [_folders(project)]),
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
    if trouble := python_trouble(tuple(sys.version_info[:3])):
        return _of("python", "missing", trouble)
    if doubt := python_doubt(tuple(sys.version_info[:3])):
        return _of("python", "warn", doubt)
    return Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _pip() -> Check:
    try:
        version = metadata.version("pip")
    except metadata.PackageNotFoundError:
        return Check("pip", "ok", "none here, as in environments of uv; `uv pip install` takes its place")
    trouble = pip_trouble(version)
    return _of("pip", "warn", trouble) if trouble else Check("pip", "ok", version)


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
                remedy="`pip install -e .`",
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
    install = f"`pip install '{name}{specifier}'`" if extra is None else f"`{command(extra)}`"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        if extra is None:
            return Check(label, "missing", "not installed", f"SomaNet needs {name}", install)
        trouble = extra_trouble(extra, purpose=SERVES.get(extra, f"The extra {extra}"), lacking=(name,))
        assert trouble is not None
        return _of(label, "warn", trouble)
    if SpecifierSet(specifier).contains(version, prereleases=True):
        return Check(label, "ok", version)
    return Check(label, "warn", f"this is {version}", f"SomaNet is tested with {name} {specifier}", install)


def _device() -> Check:
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:  # OSError: a shared library is missing
        if trouble := library_trouble(error, "torch"):
            return _of("device", "missing", trouble)
        found = f"which cannot be imported ({first_line(error).removesuffix('.')})"
        remedy = "`pip install --force-reinstall torch torchvision`"
        return Check("device", "missing", found, "Segmenting and training need torch", remedy)
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / _GB
        return Check("device", "ok", f"cuda: {torch.cuda.get_device_name(0)}, {memory:.0f} GB")
    if torch.backends.mps.is_available():
        return Check("device", "ok", "mps: Apple graphics")
    if shutil.which("nvidia-smi"):
        remedy = "is the driver too old for this torch? `python -m torch.utils.collect_env` shows"
        found = "which torch does not see, so that it computes on the processor"
        return Check("device", "warn", found, "This computer has an NVIDIA driver", remedy)
    return Check("device", "ok", f"cpu with {counted(torch.get_num_threads(), 'thread')}")


def _engines() -> Check:
    """The inference engines, and the one that `--engine auto` takes."""
    lacking = {name: missing(EXTRAS[name]) for name in FASTEST_FIRST}
    usable = [name for name in FASTEST_FIRST if not lacking[name]]
    there = [name for name in FASTEST_FIRST if name not in lacking[name]]  # engines are named after their packages
    parts = [_version(name) + (f" without {', '.join(lacking[name])}" if lacking[name] else "") for name in there]
    detail = ", ".join([*parts, _version("torch")])
    if not usable:
        extra = EXTRAS[FASTEST_FIRST[0]]
        return Check("engines", "warn", f"found {detail}; auto takes torch", SERVES[extra], f"`{command(extra)}`")
    for name in there:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:
            trouble = library_trouble(error, name)
            if trouble is None:
                found = f"which cannot be imported ({first_line(error).removesuffix('.')})"
                trouble = Trouble(f"The engine {name} needs its package", found, f"`{command(EXTRAS[name])}`")
            return _of("engines", "warn", trouble)
    return Check("engines", "ok", f"{detail}; auto takes {usable[0]} where it agrees with torch")


def _version(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:  # distributed under another name, such as onnxruntime-gpu
        return name


def _bundled() -> Check:
    """The files of the bundled network: whether they belong together, and ONNX Runtime computes what it should."""
    from somanet.analysis.network import AGAIN, BUNDLED
    from somanet.segmentation.engines import EIGHT_BITS
    from somanet.segmentation.engines.stored_graph import open_stored

    name = "bundled network"
    try:
        digest = open_stored(BUNDLED).sha256[:12]
        open_stored(BUNDLED, eight_bits=True)
        return Check(name, "ok", f"weights {digest}, begins without torch, in 8 bits too (--engine {EIGHT_BITS})")
    except SomaNetError as error:
        matters = "Analyses begin without torch, and compute in 8 bits, by files that belong together"
        return Check(name, "warn", str(error).removesuffix("."), matters, AGAIN)


def _codecs() -> Check:
    """What videos and compressed TIFF files need, inside the packages that read and write them."""
    if trouble := missing_codec():
        return _of("codecs", "warn", trouble)
    return Check("codecs", "ok", f"av {metadata.version('av')}, imagecodecs {metadata.version('imagecodecs')}")


def _dvc(root: Path) -> Check:
    if not (root / ".dvc").is_dir():
        remedy = "change to a checkout of the project, or `dvc init` starts one; analysing movies needs neither"
        return Check("dvc", "warn", "this folder is not a DVC project", "`dvc repro` and experiments need one", remedy)
    lock = root / ".dvc" / "tmp" / "rwlock"
    if not (root / "dvc.lock").is_file():
        return Check(
            "dvc",
            "warn",
            "there is no dvc.lock",
            "The results of the pipeline are recorded by `dvc repro`",
            "`dvc repro`",
        )
    if _git_conflict(root / "dvc.lock"):
        remedy = "`git checkout --theirs dvc.lock` (or --ours), then `dvc repro`"
        return Check("dvc", "missing", "which has a merge conflict", "Every DVC command reads dvc.lock", remedy)
    busy = lock.is_file() and lock.read_text(encoding="utf-8", errors="replace").strip() not in ("", "{}")
    return Check("dvc", "ok", "project with dvc.lock" + (", a dvc command is running" if busy else ""))


def _remote(root: Path) -> list[Check]:
    """The default remote, from DVC's own files; nothing where there is no project."""
    if not (root / ".dvc").is_dir():
        return []
    settings = configparser.ConfigParser(interpolation=None)
    settings.read([root / ".dvc" / name for name in ("config", "config.local")], encoding="utf-8")
    remotes = [one for one in settings.sections() if one.strip("'").startswith('remote "')]
    name = settings.get("core", "remote", fallback=remotes[0].split('"')[1] if len(remotes) == 1 else "")
    section = next((one for one in remotes if one.split('"')[1] == name), None)
    if section is None:
        return [_of("dvc remote", "warn", remote_trouble())]
    url = settings.get(section, "url", fallback="")
    place = root / ".dvc" / url  # a relative address is one from the file that names it
    if "://" not in url and not place.is_dir():
        found = f"the folder {url} of the remote {name} is not there"
        remedy = f"mount or create it, or `dvc remote modify {name} url PATH`"
        return [Check("dvc remote", "warn", found, "`dvc pull` and `dvc push` need a place for the data", remedy)]
    return [Check("dvc remote", "ok", f"{name}: {url.rpartition('@')[2]}")]


def _git_conflict(path: Path) -> bool:
    return any(line.startswith("<<<<<<< ") for line in path.read_text(encoding="utf-8").splitlines())


def _store(root: Path) -> Check:
    shown = public_uri(tracking_uri(root), root)
    database = database_path(root)
    try:
        if database is None:
            check_address(root)
            return Check("mlflow store", "ok", f"{shown}, set by MLFLOW_TRACKING_URI ({_answer(root)})")
        if not database.exists():
            if trouble := writing_trouble(database.parent, "MLflow's store"):
                return _of("mlflow store", "missing", trouble)
            return Check("mlflow store", "ok", f"{shown}, created by the first run")
        check_database(database, wait_s=1.0)
    except SomaNetError as error:
        return Check("mlflow store", "missing", str(error))
    if waiting := pending_runs(root):
        found = f"records of {counted(len(waiting), 'run')} wait to be sent to {shown}"
        return Check("mlflow store", "warn", found, "MLflow shows runs that are in its store", "`somanet sync`")
    return Check("mlflow store", "ok", f"{shown}, {database.stat().st_size / 1e6:.1f} MB")


def _answer(root: Path) -> str:
    """What a server says; a database was asked by :func:`check_address`.

    Raises:
        SomaNetError: it does not respond, in the words of the command that needs it.
    """
    uri = tracking_uri(root)
    if is_database_server(uri):
        return "it answers"
    if not uri.startswith(("http://", "https://")):
        return "not contacted"
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=SERVER_WAIT_S):  # noqa: S310 - http only
            return "it answers"
    except urllib.error.HTTPError:  # it asks for a password, which is an answer
        return "it answers"
    except (OSError, ValueError) as error:
        raise unreachable(root, error) from error


def _data(root: Path) -> Check:
    folder = Path(os.environ.get("SOMANET_DATA") or root / "data")
    where = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else str(folder)
    if folder.is_dir() and any(folder.iterdir()):
        return Check("data", "ok", f"{where}: {counted(sum(1 for _ in folder.iterdir()), 'entry', 'entries')}")
    return Check(
        "data",
        "warn",
        f"{where} is missing or empty",
        "Trainings need data",
        "`dvc repro` simulates some, `dvc pull` fetches that of the project",
    )


def _folders(root: Path) -> Check:
    """What commands write into: the temporary folder, and of a project DVC's cache and the records of runs."""
    places = [(Path(tempfile.gettempdir()), "Every command")]
    if (root / ".dvc").is_dir():
        places += [(root / ".dvc" / "cache", "DVC's cache"), (root / ".dvc" / "tmp", "DVC")]
        places += [(root / "mlruns", "The record of runs")]
    for folder, purpose in places:
        if trouble := writing_trouble(folder, purpose):
            return _of("folders", "missing", trouble)
    return Check("folders", "ok", "can be written")


def _disk(root: Path) -> Check:
    free = {folder: shutil.disk_usage(folder).free / _GB for folder in (root, Path(tempfile.gettempdir()))}
    for folder, free_gb in free.items():
        if trouble := space_trouble(folder, free_gb):
            return _of("disk", "warn", trouble)
    return Check("disk", "ok", f"{free[root]:.0f} GB free")
