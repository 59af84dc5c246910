"""The page in a browser: playback, selecting cells everywhere, seeking in time, and no errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from somanet.analysis.report import write_report
from tests.analysis.report import worlds
from tests.analysis.report.browser import Page, chromium

PROGRAM = chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert PROGRAM is not None
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, worlds.report())
    with Page(PROGRAM) as opened:
        opened.open(path)
        yield opened
        assert opened.problems == []
        assert opened.requests == [path.resolve().as_uri()]


def frame(page: Page) -> int:
    return int(page.run("document.getElementById('scrub').value"))


def seek(page: Page, t: int) -> None:
    slider = "document.getElementById('scrub')"
    page.run(f"{slider}.value = {t}; {slider}.dispatchEvent(new Event('input'))")
    assert frame(page) == t


def click_at(page: Page, cell: int, t: int, away: tuple[int, int] = (0, 0)) -> None:
    """A click on the pixel of the movie that lies ``away`` from a cell's centre."""
    centre = worlds.place(cell, t)
    assert centre is not None
    at = (centre[0] + away[0], centre[1] + away[1])
    box = page.box("#overlay")
    page.click(
        box["left"] + (at[1] + 0.5) / worlds.COLUMNS * box["width"],
        box["top"] + (at[0] + 0.5) / worlds.ROWS * box["height"],
    )


def test_it_begins_with_the_liveliest_cell(page: Page) -> None:
    assert page.text("#cell-title") == f"Cell {worlds.JUMPING}"


def test_it_plays_and_pauses(page: Page) -> None:
    seek(page, 0)
    page.run("document.getElementById('play').click()")
    page.wait("Number(document.getElementById('scrub').value) >= 3")
    page.run("document.getElementById('play').click()")
    assert page.run("document.getElementById('play').getAttribute('aria-label')") == "Play"
    stopped = frame(page)
    page.run("new Promise((done) => setTimeout(done, 250))")
    assert frame(page) == stopped
    assert f"frame {stopped + 1} of {worlds.N_FRAMES}" in page.text("#clock")


def test_a_click_on_a_cell_chooses_it_everywhere(page: Page) -> None:
    seek(page, 4)
    click_at(page, worlds.BRIEF, 4)
    assert page.text("#cell-title") == f"Cell {worlds.BRIEF}"
    assert "too short" in page.text("#cell-summary")
    click_at(page, worlds.JUMPING, 4)
    assert page.text("#cell-title") == f"Cell {worlds.JUMPING}"
    assert page.text("#cells tr[aria-current] th") == str(worlds.JUMPING)
    assert page.run("document.querySelectorAll('#trace .band').length") == 1
    assert "48.0 µm" in page.text("#cell-numbers")
    click = json.dumps("#cells tbody tr:first-child")
    page.run(f"document.querySelector({click}).click()")
    assert page.text("#cell-title") == f"Cell {worlds.RESTING}"


@pytest.mark.parametrize(
    ("away", "chosen"), [((2, 2), True), ((-2, -2), True), ((2, -2), True), ((4, 4), False), ((-4, 0), False)]
)
def test_outlines_lie_where_the_cells_are(page: Page, away: tuple[int, int], chosen: bool) -> None:
    """A cell's square reaches 2 px from its centre; beyond 14 px of the screen only its outline catches a click."""
    seek(page, 4)
    click_at(page, worlds.RESTING, 4, away)
    assert page.text("#cell-title") == (f"Cell {worlds.RESTING}" if chosen else "No cell selected")


def test_a_click_on_the_trace_goes_to_its_time(page: Page) -> None:
    """The axis runs from 46 px to 12 px before the end; its middle is half of the movie."""
    seek(page, 0)
    box = page.box("#trace")
    page.click(box["left"] + 46 + (box["width"] - 58) * 20 / (worlds.N_FRAMES - 1), box["top"] + 100)
    assert frame(page) == 20


def test_keys_step_choose_and_zoom(page: Page) -> None:
    seek(page, 6)
    page.box("#overlay")
    page.run("document.getElementById('overlay').focus()")
    page.press("ArrowRight")
    assert frame(page) == 7
    page.press("ArrowLeft")
    page.press("ArrowLeft")
    assert frame(page) == 5
    page.press("Escape")
    assert page.text("#cell-title") == "No cell selected"
    page.press("]")
    assert page.text("#cell-title") != "No cell selected"
    page.press("+")
    assert page.run("document.getElementById('stage').classList.contains('zoomed')")
    page.press("0")
    assert not page.run("document.getElementById('stage').classList.contains('zoomed')")


def test_the_table_sorts(page: Page) -> None:
    header = "document.querySelector('#cells th[data-column=net_um]')"
    first = "document.querySelector('#cells tbody tr th button').firstChild.textContent"
    page.run(f"{header}.querySelector('button').click()")
    assert page.run(first) == str(worlds.JUMPING)
    assert page.run(f"{header}.getAttribute('aria-sort')") == "descending"
    page.run(f"{header}.querySelector('button').click()")
    assert page.run(first) != str(worlds.JUMPING)


def test_meanings_appear_at_a_tap(page: Page) -> None:
    box = page.box(".card button.tip")
    page.click(box["left"] + 5, box["top"] + 5)
    meaning = page.run("document.querySelector('.card button.tip').dataset.tip")
    assert len(meaning) > 30
    assert page.text("#tip") == meaning
    assert not page.run("document.getElementById('tip').hidden")


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
def test_a_page_without_cells_and_one_without_labels_work(tmp_path: Path, dark: bool) -> None:
    assert PROGRAM is not None
    title = "</script><script>document.title = 'broken'</script>"
    with Page(PROGRAM, width=420, dark=dark) as opened:
        for report in (worlds.empty_report(title=title), worlds.report(labels=None, title=title)):
            path = tmp_path / "report.html"
            write_report(path, report)
            opened.open(path)
            assert opened.text("h1") == title
            assert opened.run("document.title") == f"{title} – SomaNet"
            opened.run("document.getElementById('play').click()")
            opened.wait("Number(document.getElementById('scrub').value) >= 2")
            # nothing sticks out to the side
            assert opened.run("document.documentElement.scrollWidth <= innerWidth")
        assert opened.problems == []


def test_problems_are_noticed(tmp_path: Path) -> None:
    assert PROGRAM is not None
    path = tmp_path / "bad.html"
    script = "console.error('seen'); throw new Error('thrown')"
    path.write_text(f"<!doctype html><html data-ready='true'><script>{script}</script></html>")
    with Page(PROGRAM) as opened:
        opened.open(path)
        opened.wait("true")
        assert any("seen" in problem for problem in opened.problems)
        assert any("thrown" in problem for problem in opened.problems)
