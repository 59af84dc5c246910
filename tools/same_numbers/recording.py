"""A checkout's commands run in a scratch folder, and their numbers kept with hashes."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

import typer
import yaml

from tools.same_numbers.values import digest, read_parts

NUMBERS, FILES = "numbers.json", "files"
READ = (".csv", ".json", ".safetensors", ".tif", ".zip")
"""Files with numbers; pages, images and videos only repeat them."""
NO_RESULTS = ("manifest.json", "predictions.json", "config.json", "mlflow_run.json", "seed*.json")
"""Files with provenance."""
VERSIONS = ("numpy", "scipy", "torch", "onnxruntime", "openvino")
"""Packages whose version can change a number by itself."""


def fail(message: str) -> NoReturn:
    """End with one line on stderr and status 1."""
    sys.exit(f"error: {message}")


@dataclass
class RecordingRun:
    """One recording while it runs.

    Attributes:
        checkout: the tree whose code runs.
        scratch: the folder in which it runs.
        data: real data, if any.
        left_out: what could not be recorded for lack of data.
    """

    checkout: Path
    scratch: Path
    data: Path | None
    left_out: list[str] = field(default_factory=list)

    def python(self, *arguments: str | Path) -> str:
        """Run the interpreter in the scratch folder; return its output, and exit if it fails."""
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(
            command, cwd=self.scratch, env=self._environment(), capture_output=True, encoding="utf-8", check=False
        )
        if done.returncode:
            output = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            fail(f"this command failed, so its numbers cannot be recorded: {shlex.join(command)}\n{output}")
        return done.stdout

    def run(self, title: str, *arguments: str | Path) -> None:
        """Run the interpreter and print its time."""
        start = time.perf_counter()
        self.python(*arguments)
        typer.echo(f"{time.perf_counter() - start:7.1f} s  {title}")

    def somanet(self, *arguments: str | Path) -> None:
        """Run a command of SomaNet."""
        output = arguments[arguments.index("--output") + 1]
        self.run(f"somanet {arguments[0]} → {output}", "-m", "somanet", *arguments)

    def real(self, name: str) -> Path | None:
        """A file or folder of the real data; a missing one is noted as left out."""
        if self.data is not None and (self.data / name).exists():
            return (self.data / name).resolve()
        self.left_out.append(f"{name} is not in {self.data}" if self.data else f"{name}, as there is no --data")
        return None

    def check_code(self) -> None:
        """Refuse to record code other than the checkout's, such as that of an editable installation."""
        found = Path(self.python("-c", "import somanet; print(somanet.__file__)").strip())
        if not found.is_relative_to(self.checkout):
            fail(f"expected the code of {self.checkout}, found {found}. Does --checkout name a checkout of SomaNet?")

    def bundled(self) -> Path:
        """The folder of the bundled model, from the profile for real data."""
        profile = self.checkout / "profiles" / "real"
        model = str(read_yaml(profile / "params.yaml")["segment"]["model"])
        return (profile / model).resolve()

    def keep(self, folder: Path) -> None:
        """Copy every result file from the scratch folder, without the rest."""
        for path in sorted(self.scratch.rglob("*")):
            name = path.relative_to(self.scratch)
            passed = name.parts[0] == "mlruns" or any(part.startswith(".") for part in name.parts)
            if passed or path.suffix not in READ or not path.is_file():
                continue
            if not any(fnmatchcase(path.name, pattern) for pattern in NO_RESULTS):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / name)

    def _environment(self) -> dict[str, str]:
        """Environment of the commands: the checkout's code, two threads, no outside store or stage."""
        outside = ("MLFLOW_", "DVC_", "PYTHON")
        own = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "NO_ALBUMENTATIONS_UPDATE": "1", "MPLBACKEND": "Agg"}
        code = {"PYTHONPATH": str(self.checkout), "PYTHONDONTWRITEBYTECODE": "1"}
        # The number of threads determines the order of summation; waiting threads yield the processor.
        processor = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
        return {**own, **quiet, **code, **processor}


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file with a mapping."""
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def write_numbers(output: Path, *, left_out: Sequence[str] = ()) -> int:
    """Write `numbers.json`: the hash of every recorded file and of every part of it; return the number of files.

    JSON files have no hash of their bytes: times and messages in them may change.
    """
    kept = output / FILES
    files = {
        path.relative_to(kept).as_posix(): {
            "bytes": None if path.suffix == ".json" else hashlib.sha256(path.read_bytes()).hexdigest(),
            "parts": {name: digest(values) for name, values in read_parts(path).items()},
        }
        for path in sorted(kept.rglob("*"))
        if path.is_file()
    }
    about = {"cpus": os.cpu_count(), "python": sys.version.split()[0], **{name: _version(name) for name in VERSIONS}}
    text = json.dumps({"about": about, "left_out": list(left_out), "files": files}, indent=1)
    (output / NUMBERS).write_text(text + "\n", encoding="utf-8", newline="\n")
    return len(files)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
