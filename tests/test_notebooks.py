"""The notebooks of examples/ run from top to bottom, and what is kept in them is what their cells give."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from somanet.core.errors import SomaNetError
from tests.test_house import MACHINE_PATH
from tools.notebooks import code_of, run_cells, run_file

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
LARGEST_PICTURE = 60_000
"""Bytes of a kept picture."""


def read(path: Path) -> list[dict[str, Any]]:
    """The code cells."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def shape_of(cell: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """What a cell gives: kinds of outputs and of data, not the numbers, which libraries may change."""
    return [(one["output_type"], sorted(one.get("data", ()))) for one in cell["outputs"]]


def test_these_are_the_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS] == ["groups.ipynb", "movie.ipynb", "own_crops.ipynb"]


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tools.notebooks", path, "--output", tmp_path]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    fresh, kept = read(tmp_path / path.name), read(path)
    assert [code_of(cell) for cell in fresh] == [code_of(cell) for cell in kept]
    assert [shape_of(cell) for cell in fresh] == [shape_of(cell) for cell in kept]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_kept_is_whole_and_small(path: Path) -> None:
    """Every cell was run, in order; each notebook has a picture; no picture is large, and no path is of a machine."""
    cells = read(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [one for cell in cells for one in cell["outputs"]]
    pictures = [base64.b64decode(one["data"]["image/png"]) for one in outputs if "image/png" in one.get("data", {})]
    assert pictures
    assert max(map(len, pictures)) < LARGEST_PICTURE
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    text = json.dumps([{**one, "data": {"text": one.get("data", {}).get("text/plain")}} for one in outputs])
    assert not MACHINE_PATH.search(text)
    assert "/tmp" not in text
    assert "Traceback" not in text


def cell(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": [{"old": 1}], "metadata": {}}


def test_outputs_are_those_of_the_cells() -> None:
    """Printed text, the value of the last line, a figure; names live on from cell to cell."""
    drawing = (
        "import matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt\n_ = plt.figure().add_subplot()"
    )
    note = {"cell_type": "markdown", "source": "text"}
    done = run_cells({"cells": [cell("a = 2\nprint('one')\na * 21"), note, cell("b = a"), cell(drawing)]}, name="n")
    first, second, third, fourth = done["cells"]
    assert [one["output_type"] for one in first["outputs"]] == ["stream", "execute_result"]
    assert first["outputs"][0]["text"] == ["one\n"]
    assert first["outputs"][1]["data"] == {"text/plain": ["42"]}
    assert (first["execution_count"], third["execution_count"], fourth["execution_count"]) == (1, 2, 3)
    assert second == note
    assert third["outputs"] == []
    assert base64.b64decode(fourth["outputs"][0]["data"]["image/png"]).startswith(b"\x89PNG")


def test_a_cell_that_fails_ends_the_run() -> None:
    with pytest.raises(ZeroDivisionError):
        run_cells({"cells": [cell("1 / 0")]}, name="n")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cells": [], "nbformat": 3}'])
def test_what_is_no_notebook_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "a.ipynb"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SomaNetError, match=r"a\.ipynb: expected a"):
        run_file(file, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()
