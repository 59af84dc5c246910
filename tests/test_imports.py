"""What starting costs: the libraries that a command loads, counted, and those that an analysis does without."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from somanet.core.hashing import sha256_tree
from tests.analysis.worlds import save_movie
from tests.worlds import make_project, save_bright_network

ROOT = Path(__file__).resolve().parents[1]

RUN = """
import json, sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from somanet import cli

class Broken(MetaPathFinder, Loader):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return ModuleSpec(name, self) if name.partition(".")[0] in broken else None

    def exec_module(self, module):
        raise ImportError(f"{module.__name__} is broken here")

broken, absent = map(set, json.loads(sys.argv[1]))
sys.meta_path.insert(0, Broken())
sys.argv = ["somanet", *sys.argv[2:]]
try:
    cli.main()
except SystemExit as end:
    code = end.code
print("LOADED " + json.dumps([code, sorted(sys.modules)]))
"""
"""Runs the command line as the script does, with libraries that fail or are absent, and lists what it loads."""

FOR_THE_SCREEN = {
    *("annotated_doc", "attr", "colorama", "filelock", "markdown_it", "mdurl", "pygments", "rich", "shellingham"),
    *("typer", "typing_extensions"),
    *("annotated_types", "pydantic", "pydantic_core", "typing_inspection"),  # typer's own, for arguments
}
"""Besides the standard library and SomaNet's own modules, all that a command line without work may load."""
MOST_MODULES = 560
"""Of a command line without work, those of the standard library included; `somanet --help` loads about 430."""

OF_RECORDS = {"dvc", "dvc_data", "mlflow", "sqlalchemy"}
NEEDLESS = {
    *OF_RECORDS,
    *("accelerate", "albumentations", "matplotlib", "onnx", "pycocotools", "roifile", "segmentation_models_pytorch"),
    *("statsmodels", "tabulate", "timm", "torch", "torchvision", "tqdm"),
}
"""Dependencies that the analysis of a movie does not touch, by the names of their modules."""
OF_EXTRAS = {
    *("cmaes", "dask", "dask_jobqueue", "distributed", "geff", "h5py", "laptrack", "liffile", "napari", "nd2"),
    *("openvino", "optuna", "psycopg", "pylibCZIrw", "qtpy", "sklearn", "traccuracy"),
}
ANALYSIS = {
    *("av", "filelock", "imagecodecs", "numcodecs", "numpy", "onnxruntime", "opencv-python-headless", "packaging"),
    *("pandas", "pillow", "psutil", "pydantic", "pyyaml", "safetensors", "scikit-image", "scipy", "tifffile"),
    *("typer", "zarr"),
}
"""Dependencies of which `somanet analyze MOVIE` loads modules."""


def run(
    *arguments: object,
    broken: set[str] | None = None,
    absent: set[str] | None = None,
    cwd: Path,
    code: object = None,
) -> tuple[set[str], list[str], str]:
    """Top-level modules and all modules that a command loads in a process of its own, and what it says on stderr."""
    words = [json.dumps([sorted(broken or ()), sorted(absent or ())]), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert "\nLOADED " in f"\n{done.stdout}", done.stderr
    ended, modules = json.loads(done.stdout.rpartition("LOADED ")[2])
    assert (ended or None) == code, (ended, done.stderr)
    return {name.partition(".")[0] for name in modules}, modules, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--help"], ["analyze", "--help"], ["analyze"]])
def test_a_command_line_without_work_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    """`analyze` without a movie is a mistake, which is found before anything is loaded."""
    found, modules, _ = run(*arguments, cwd=tmp_path, code=2 if arguments == ["analyze"] else None)
    of_python = {*sys.stdlib_module_names, "pywin32_bootstrap", "sitecustomize", "usercustomize"}
    third = {name for name in found - of_python - {"somanet"} if name[0] != "_"}
    assert third - FOR_THE_SCREEN == set()
    assert len(modules) < MOST_MODULES


def test_a_missing_movie_is_refused_without_the_network_s_libraries(tmp_path: Path) -> None:
    found, _, _ = run("analyze", "none.tif", "--output", "out", cwd=tmp_path, code=_missing("none.tif"))
    assert found & {"torch", "onnxruntime", "segmentation_models_pytorch", "timm", "mlflow"} == set()


def test_an_analysis_begins_without_the_libraries_of_its_later_stages(tmp_path: Path) -> None:
    """Networks are opened and frames segmented before statistics, label movies and videos are needed."""
    modules = "somanet.analysis.opening, somanet.analysis.single, somanet.analysis.worker_task, somanet.cli.analyze"
    code = f"import {modules}, sys; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    later = {"av", "scipy.stats", "skimage", "somanet.migration.measures", "torch", "zarr"}
    assert {"scipy.ndimage", "somanet.analysis.movie"} <= set(done.stdout.split())
    assert later & set(done.stdout.split()) == set()


def _missing(name: str) -> str:
    return f"error: {name}: no such file or folder. Check the path."


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str], list[str]]:
    """A movie that was analysed with everything at hand, and the modules that were loaded for it."""
    folder = tmp_path_factory.mktemp("whole")
    save_movie(folder / "movie.ome.tif")
    found, modules, _ = run("analyze", "movie.ome.tif", "--output", "out", cwd=folder)
    return folder / "out", found, modules


def test_an_analysis_loads_no_library_of_trainings_or_records(analysed: tuple[Path, set[str], list[str]]) -> None:
    _, found, modules = analysed
    assert found & (NEEDLESS | OF_EXTRAS) == set()
    assert [name for name in modules if name.startswith("somanet.training")] == []


def test_an_analysis_in_8_bits_loads_no_more(analysed: tuple[Path, set[str], list[str]], tmp_path: Path) -> None:
    save_movie(tmp_path / "movie.ome.tif")
    quick = ("--no-report", "--no-overlay", "--engine", "onnxruntime-int8")
    found, modules, _ = run("analyze", "movie.ome.tif", "--output", "out", *quick, cwd=tmp_path)
    assert found - analysed[1] == set()
    assert [name for name in modules if name.startswith(("somanet.training", "somanet.segmentation.export"))] == []
    told = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))["model"]["engine"]
    assert (told["name"], told["precision"], told["device"]) == ("onnxruntime-int8", "float32+int8", "cpu")


def test_an_analysis_gives_the_same_files_where_these_libraries_are_broken(
    analysed: tuple[Path, set[str], list[str]], tmp_path: Path
) -> None:
    """Report and video included, and torch among the broken; page and manifest name what is installed, by version."""
    whole, _, _ = analysed
    save_movie(tmp_path / "movie.ome.tif")
    run("analyze", "movie.ome.tif", "--output", "out", broken=NEEDLESS | OF_EXTRAS, cwd=tmp_path)
    names = {path.name for path in whole.iterdir()}
    assert {"report.html", "overlay.mp4", "migration.csv", "summary.json"} <= names
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert [name for name in sorted(names) if sha256_tree(whole / name) != sha256_tree(tmp_path / "out" / name)] == []


def test_a_store_without_mlflow_is_a_note(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In a project, an own network's run is looked up; the bundled one's is not, and needs no store."""
    project = make_project(tmp_path / "project", tmp_path_factory.getbasetemp())
    save_bright_network(project / "model")
    save_movie(project / "movie.ome.tif")
    quick = ("movie.ome.tif", "--no-report", "--no-overlay", "--output")
    _, _, said = run("analyze", *quick, "own", "--model", "model", broken=OF_RECORDS, cwd=project)
    assert said.count("note: The run that trained the network is not looked up: ") == 1
    assert "mlflow" in said
    found, _, said = run("analyze", *quick, "bundled", cwd=project)
    assert "looked up" not in said
    assert found & NEEDLESS == set()


def test_the_dependencies_of_an_analysis_are_known(analysed: tuple[Path, set[str], list[str]]) -> None:
    """Of the declared dependencies, those that an analysis loads and those that it does not, with none between."""
    _, found, _ = analysed
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[^\w.-]", line)[0].lower() for line in project["dependencies"]}
    homes = packages_distributions()
    loaded = {home.lower().replace("_", "-") for name in found for home in homes.get(name, ())}
    assert loaded & declared == ANALYSIS
    spared = {home.lower().replace("_", "-") for name in NEEDLESS for home in homes.get(name, ())}
    assert declared - ANALYSIS == spared & declared


def test_a_needless_library_is_noticed(tmp_path: Path) -> None:
    """The check sees what a command does load: `compare` draws with matplotlib and broken libraries are said to be."""
    found, _, _ = run("analyze", "none.tif", "--output", "out", cwd=tmp_path, code=_missing("none.tif"))
    assert "numpy" in found
    broken = {"tifffile"}
    save_movie(tmp_path / "movie.ome.tif")
    _, _, said = run("analyze", "none.tif", "--output", "out", broken=broken, cwd=tmp_path, code=_BROKEN)
    assert said == ""


def test_a_library_that_is_not_installed_is_named(tmp_path: Path) -> None:
    """As in docs/install.md: analyses alone are installed, and another engine is wanted."""
    save_movie(tmp_path / "movie.ome.tif")
    wanted = ("analyze", "movie.ome.tif", "--output", "out", "--engine", "torch")
    run(*wanted, absent={"torch"}, cwd=tmp_path, code=_ABSENT)
    assert not (tmp_path / "out").exists()


_ABSENT = (
    "error: This command needs torch, which is not installed here: `somanet doctor` names each library that is "
    "missing, with the command that installs it."
)
_BROKEN = (
    "error: A library cannot be loaded (tifffile is broken here). Does the memory suffice (`ulimit -v`)? If so, the "
    "installation is damaged: install somanet again, and check it with `somanet doctor`."
)
