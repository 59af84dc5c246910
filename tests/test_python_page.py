"""The code of docs/python.md runs as written, in the order of the page, and its numbers and links are right."""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import somanet
from somanet.io.images import write_image
from tests.analysis.worlds import frames_TYX, save_movie
from tests.test_imports import ANALYSIS
from tests.test_readme import ROOT, local_links

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_code_of_the_page_runs(tmp_path: Path) -> None:
    """With the bundled network: two squares of 22 µm in a movie, and its first frame as an image."""
    save_movie(tmp_path / "movie.ome.tif")
    write_image(tmp_path / "image.tif", frames_TYX()[0])
    namespace: dict[str, Any] = {}
    printed = []
    assert len(BLOCKS) == 6
    with contextlib.chdir(tmp_path):
        for block in BLOCKS:
            with contextlib.redirect_stdout(io.StringIO()) as said:
                exec(compile(block, "docs/python.md", "exec"), namespace)
            printed.append(said.getvalue())
    assert "not_estimated" not in printed[0]
    assert "frequency_corrected_per_h" in printed[0]
    assert namespace["labels"].dtype == np.int32
    assert namespace["labels"].shape == frames_TYX().shape[1:]
    assert "confidence" in printed[1]
    assert "and it takes 20 to describe them" in printed[2]
    assert printed[5].startswith("missing.csv: no such file")
    assert printed[5].count("\n") == 1
    assert isinstance(namespace["measured"], somanet.Measurement)


def test_the_page_names_every_name() -> None:
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))
    shown = {"Analysis", "Measurement", "Model", "Segmentation"}  # as results
    assert [name for name in somanet.__all__ if f"`{name}" not in table] == []
    assert shown <= set(somanet.__all__)


def test_the_page_counts_the_dependencies() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert f"An analysis uses {len(ANALYSIS)} of the {len(declared)} dependencies" in " ".join(PAGE.split())


def test_links_lead_somewhere() -> None:
    for link in local_links(PAGE):
        assert (ROOT / "docs" / Path(link.split("#")[0])).exists(), link
