"""docs/labelling.md: its commands exist, and run in the order of the page on a simulated movie."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from somanet.io.datasets.layouts import open_dataset
from tests.test_readme import commands, problem_with, somanet_arguments
from tests.worlds import somanet

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "labelling.md").read_text(encoding="utf-8")


def test_every_command_of_the_page_is_accepted() -> None:
    given = {command: somanet_arguments(command) for command in commands(PAGE)}
    assert len(given) >= 8
    assert {command: words and problem_with(words) for command, words in given.items()} == dict.fromkeys(given)


def test_the_page_names_the_tests_and_files_that_there_are() -> None:
    from somanet.analysis.labelling.write import LABELLING, SHEET
    from somanet.io.datasets.origins import ORIGINS_FILE
    from somanet.io.rois.sets import ROI_SET

    for name in re.findall(r"`(tests/[\w/.]+)`", PAGE):
        assert (Path(__file__).resolve().parents[2] / name).is_file()
    written = PAGE[PAGE.index("## What is written") :]
    for name in (LABELLING.record, SHEET, ORIGINS_FILE, f"{ROI_SET}.zip"):
        assert f"`{name}`" in written or f"/{name}`" in written


@pytest.mark.slow
@pytest.mark.e2e
def test_the_commands_run_in_the_order_of_the_page(tmp_path: Path) -> None:
    """With the bundled network, on eight frames of 300 × 300 px, of which each has room for hardly more than a crop."""
    simulate = "simulate --output sim --nuclei 0 --crops 0 --frames 8 --size-px 300 --seed 4"
    assert somanet(*shlex.split(simulate), cwd=tmp_path) is None
    movie = next((tmp_path / "sim").rglob("*movie*.tif"))
    movie.rename(tmp_path / "movie.tif")
    analyze = "analyze movie.tif --output results --no-overlay --no-report"
    assert somanet(*shlex.split(analyze), cwd=tmp_path) is None
    for command in commands(PAGE):
        words = somanet_arguments(command)
        assert words is not None
        assert somanet(*words, cwd=tmp_path) is None, command
    assert len(open_dataset(tmp_path / "corrected")) <= len(open_dataset(tmp_path / "crops")) <= 12
    assert 8 <= len(open_dataset(tmp_path / "typical")) <= 12
    assert (tmp_path / "corrected_labels.tif").is_file()
