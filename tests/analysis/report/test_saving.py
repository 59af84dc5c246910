"""What a reader takes from the page: the chosen cell's numbers, track and figure, and the command for napari."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from somanet.analysis.report import write_report
from somanet.migration.tables import CELL_NUMBERS
from tests.analysis.report import worlds
from tests.analysis.report.browser import Page, chromium

PROGRAM = chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium installed")
SVG = "{http://www.w3.org/2000/svg}"
TITLE = "well B3/µ, 2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results whose name a shell would divide."""
    return tmp_path_factory.mktemp("saving") / "Anna's 2 movies"


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Page]:
    assert PROGRAM is not None
    write_report(folder / "report.html", worlds.report(title=TITLE))
    with Page(PROGRAM, width=1400, dark=True) as opened:
        opened.save_to(folder)
        opened.open(folder / "report.html")
        yield opened
        assert opened.problems == []


def choose(page: Page, cell: int) -> None:
    number = [worlds.RESTING, worlds.JUMPING, worlds.BRIEF].index(cell)
    page.run(f"document.querySelectorAll('#cells tbody tr')[{number}].click()")
    assert page.text("#cell-title") == f"Cell {cell}"


def test_the_numbers_are_those_of_the_table_of_cells(page: Page, folder: Path) -> None:
    choose(page, worlds.JUMPING)
    rows = page.saved_rows("#save-numbers", folder / "well_B3_µ_2_cell2_numbers.csv")
    found = {row["number"]: row for row in rows}
    cells = worlds.report().measures.migration.cells.set_index("track_id").loc[worlds.JUMPING]
    for column in CELL_NUMBERS.columns[1:]:
        value = found[column.name]["value"]
        if cells[column.name] != cells[column.name]:
            assert value == ""
        else:
            assert float(value) == pytest.approx(float(cells[column.name]), rel=1e-4)
        assert (found[column.name]["unit"], found[column.name]["meaning"]) == (column.unit, column.meaning)
    assert float(found["net_um"]["value"]) == 48.0


def test_the_track_has_every_position_and_the_speed_of_every_step(page: Page, folder: Path) -> None:
    """The cell rests at column 10 until frame 8, and then moves 8 px of 2 µm in each of three steps of 10 min."""
    choose(page, worlds.JUMPING)
    rows = page.saved_rows("#save-track", folder / "well_B3_µ_2_cell2_track.csv")
    assert [int(row["frame"]) for row in rows] == list(range(worlds.N_FRAMES))
    assert rows[0]["speed_um_per_h"] == ""
    for frame, row in enumerate(rows):
        at = worlds.place(worlds.JUMPING, frame)
        assert at is not None
        assert (float(row["y_px"]), float(row["x_px"])) == at
        assert (float(row["y_um"]), float(row["x_um"])) == (at[0] * 2, at[1] * 2)
        assert float(row["x_from_start_um"]) == (at[1] - 10) * 2
        assert float(row["t_h"]) == pytest.approx(frame / 6, rel=1e-6)
        if frame:
            assert float(row["speed_um_per_h"]) == (96.0 if 8 < frame <= 11 else 0.0)
        assert row["saltating"] == ("1" if 8 < frame <= 11 else "0")


def test_the_figure_needs_nothing_but_itself_and_is_light_on_a_dark_page(page: Page, folder: Path) -> None:
    choose(page, worlds.JUMPING)
    text = page.saved("#save-figure", folder / "well_B3_µ_2_cell2_figure.svg").decode()
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    texts = ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]
    assert texts[0] == f"{TITLE}, cell {worlds.JUMPING}"
    assert {"time (h)", "µm/h", "48"} <= set(texts)
    assert not re.search(r"var\(|class=|url\(|href=|<script", text)
    paper = next(root.iter(f"{SVG}rect"))
    assert paper.get("fill") == "rgb(255, 255, 255)"
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 25)", "the page is still dark"
    assert len(root.findall(f"./{SVG}svg")) == 2, "speed and path"


def test_without_a_cell_nothing_can_be_saved(page: Page) -> None:
    page.run("document.getElementById('overlay').focus()")
    page.press("Escape")
    assert page.run("[...document.querySelectorAll('.saving button')].every((button) => button.disabled)")
    choose(page, worlds.RESTING)
    assert not page.run("[...document.querySelectorAll('.saving button')].some((button) => button.disabled)")


def test_the_command_names_the_folder_as_a_shell_takes_it(page: Page, folder: Path) -> None:
    page.run("document.querySelector('#napari summary').click()")
    command = page.text("#napari-command")
    assert shlex.split(command) == ["somanet", "napari", str(folder)]
    page.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    box = page.box("#copy-command")
    page.click(box["left"] + box["width"] / 2, box["top"] + box["height"] / 2)
    page.wait("document.getElementById('copy-command').textContent !== 'Copy'")
    assert page.text("#copy-command") == "Copied"
    assert page.run("navigator.clipboard.readText()") == command


@pytest.mark.parametrize("width", [1400, 390])
def test_nothing_sticks_out_with_the_command_open(folder: Path, width: int, page: Page) -> None:
    page.resize(width, 900)
    page.run("document.getElementById('napari').open = true")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    for selector in ("#save-numbers", "#save-track", "#save-figure", "#copy-command", "#napari-command"):
        box = page.box(selector)
        assert 0 <= box["left"] <= width - box["width"], selector
    page.resize(1400, 900)
