"""The page is used by keys alone, heard, and printed; what it shows can be saved."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest

from somanet.analysis.report import ReportInput, write_report
from somanet.migration.measures import measure_movie
from somanet.migration.pooling import UNITS
from tests.analysis.report import worlds
from tests.analysis.report.browser import Page, chromium

PROGRAM = chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium installed")
SVG = "{http://www.w3.org/2000/svg}"
N_PLOTS = 9
VIEW = (
    "(() => { const b = document.getElementById('stage').getBoundingClientRect();"
    "return {top: b.top, bottom: b.bottom, height: innerHeight}; })()"
)


def corrected() -> ReportInput:
    """The movie of the worlds, as if a person had corrected its tracks: 5 tracks of 70 points before."""
    numbers = measure_movie(worlds.tracks(), sigma_um=worlds.SIGMA_UM).summary.as_dict()["numbers"]
    return worlds.report(before={"n_tracks": 5, "n_points": 70, "numbers": numbers}, notes=("A note.",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reading")


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Page]:
    assert PROGRAM is not None
    write_report(folder / "report.html", corrected())
    with Page(PROGRAM, width=1400, height=700) as opened:
        opened.save_to(folder)
        opened.open(folder / "report.html")
        yield opened
        assert opened.problems == []


def zoomed(page: Page) -> bool:
    return bool(page.run("document.getElementById('stage').classList.contains('zoomed')"))


def bright(page: Page) -> np.ndarray:
    """The movie's picture as it is shown, without what is drawn in: 0 to 255."""
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    code = page.run("document.getElementById('image').toDataURL('image/png').split(',')[1]")
    return np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(code), np.uint8), cv2.IMREAD_GRAYSCALE))


def choose(page: Page, cell: int) -> None:
    number = [worlds.RESTING, worlds.JUMPING, worlds.BRIEF].index(cell)
    page.run(f"document.querySelectorAll('#cells tbody tr')[{number}].click()")
    assert page.text("#cell-title") == f"Cell {cell}"


def test_plus_brings_the_chosen_cell_to_the_middle_and_0_the_whole_field(page: Page) -> None:
    """The resting cell lies at row 12 of 48: in the upper half of the field, and in the middle once zoomed."""
    choose(page, worlds.RESTING)
    page.press("0")
    assert not zoomed(page)
    whole = bright(page)
    page.press("+")
    assert zoomed(page)
    page.press("+")
    page.press("+")
    close = bright(page)
    middle = tuple(slice(size * 45 // 100, size * 55 // 100) for size in close.shape)
    assert close[middle].mean() > 200 > 100 > whole[middle].mean()
    for _ in range(8):
        page.press("-")
    assert not zoomed(page)
    assert np.array_equal(bright(page), whole)


def test_without_a_cell_plus_zooms_into_the_middle(page: Page) -> None:
    page.press("Escape")
    page.press("+")
    assert zoomed(page)
    page.press("0")
    assert not zoomed(page)


@pytest.mark.parametrize("by", ["click", "Enter"])
def test_a_row_leads_to_the_movie_and_chooses_its_cell(page: Page, by: str) -> None:
    choose(page, worlds.RESTING)
    box = page.box("#cells tbody tr:nth-child(2) th button")
    assert page.run(VIEW)["bottom"] < 0 or page.run(VIEW)["top"] > 0
    page.run("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
    box = page.box("#cells tbody tr:nth-child(2) th button")
    if by == "click":
        page.click(box["left"] + box["width"] + 200, box["top"] + box["height"] / 2)
    else:
        page.run("document.querySelector('#cells tbody tr:nth-child(2) th button').focus()")
        page.send(
            "Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13
        )
        page.send("Input.dispatchKeyEvent", type="keyUp", key="Enter", code="Enter", windowsVirtualKeyCode=13)
    assert page.text("#cell-title") == f"Cell {worlds.JUMPING}"
    view = page.run(VIEW)
    assert 0 <= view["top"] < 60
    assert view["bottom"] <= view["height"] + 1
    assert page.run("document.activeElement.id") == "overlay", "its keys work at once"
    page.run("document.getElementById('to-row').click()")
    assert page.run("document.activeElement.closest('tr')?.getAttribute('aria-current')") == "true"


def test_the_question_mark_lists_every_key_that_works(page: Page, folder: Path) -> None:
    page.run("document.getElementById('overlay').focus()")
    page.press("?")
    assert page.run("document.getElementById('keys').open")
    listed = set(page.run("[...document.querySelectorAll('#keys kbd')].map((one) => one.textContent)"))
    script = (folder / "report.html").read_text(encoding="utf-8")
    block = re.findall(r"const KEYS = \{(.*?)\n\};", script, re.DOTALL)[0]
    handled = set(re.findall(r'(?:^|, |\n)\s*"?([^\s":,]+|\s)"?: (?:\(|zoomIn|fit)', block))
    names = {" ": "Space", "ArrowLeft": "←", "ArrowRight": "→", "-": "−", "=": "+"}
    assert len(handled) >= 15
    assert {names.get(key, key.upper() if len(key) == 1 else key) for key in handled} | {"Enter"} == listed
    before = page.run("document.getElementById('scrub').value")
    page.press("ArrowRight")
    assert page.run("document.getElementById('scrub').value") == before, "the list has the keys"
    page.run("document.getElementById('hide-keys').click()")
    assert not page.run("document.getElementById('keys').open")


def test_a_frame_is_spoken_when_it_is_chosen_and_not_while_the_movie_plays(page: Page) -> None:
    clock = "document.getElementById('clock')"
    page.run("document.getElementById('overlay').focus()")
    page.press("Home")
    page.press("ArrowRight")
    assert page.run(f"{clock}.getAttribute('aria-live')") == "polite"
    assert "frame 2 of 30" in page.text("#clock")
    page.run("document.getElementById('play').click()")
    page.wait("Number(document.getElementById('scrub').value) >= 4")
    assert page.run(f"{clock}.getAttribute('aria-live')") == "off"
    page.run("document.getElementById('play').click()")
    page.run("document.getElementById('scrub').focus()")
    page.press("ArrowLeft")
    assert page.run("document.getElementById('scrub').getAttribute('aria-valuetext')")


def test_everything_has_a_name_and_tables_have_headers(page: Page) -> None:
    """By the browser's own tree of accessibility: no nameless control, region or picture; no table without headers."""
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    named = {"button", "link", "slider", "checkbox", "combobox", "region", "img", "image", "table", "navigation"}
    seen: dict[str, list[str]] = {}
    for node in nodes:
        role = node.get("role", {}).get("value", "")
        if not node.get("ignored") and role in named | {"application", "status", "dialog", "main", "caption"}:
            seen.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    assert {role: texts for role, texts in seen.items() if role in named and not all(texts)} == {}
    assert seen["application"] == ["Movie with the cells drawn in"]
    assert "main" in seen
    assert len(seen["table"]) >= 4
    heads = (
        "[...document.querySelectorAll('th')].every((th) => ['col', 'row', 'colgroup'].includes(th.scope))"
        " && [...document.querySelectorAll('tbody tr')].every((tr) => tr.querySelector('th[scope=row]'))"
    )
    assert page.run(heads)
    levels = page.run("[...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_plot_is_saved_as_a_drawing_that_needs_nothing(page: Page, folder: Path) -> None:
    titles = page.run(
        "[...document.querySelectorAll('.plot')].map((one) => one.querySelector('figcaption').textContent)"
    )
    buttons = page.run("[...document.querySelectorAll('.plot')].map((one) => !!one.querySelector('.save'))")
    shown = page.run("[...document.querySelectorAll('.plot')].map((one) => !one.querySelector('.nothing-to-show'))")
    assert len(titles) == N_PLOTS
    assert buttons == shown
    for number, (title, has) in enumerate(zip(titles, buttons, strict=True), 1):
        if not has:
            continue
        name = f"well_B3_{title.lower().replace(' ', '_')}.svg"
        text = page.saved(f".plot:nth-child({number}) .save", folder / name).decode()
        root = ET.fromstring(text)
        texts = ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]
        assert texts[0] == f"well B3: {title}"
        assert not re.search(r"var\(|class=|url\(|href=|<script", text)
        marks = [one for kind in ("path", "rect", "circle") for one in root.iter(f"{SVG}{kind}")]
        assert len(marks) >= 2, title
    paths = ET.fromstring((folder / "well_B3_paths_from_a_common_start.svg").read_text(encoding="utf-8"))
    [jump] = [one for one in paths.iter(f"{SVG}path") if one.get("stroke") == "rgb(213, 94, 0)"]
    x = [float(v) for v in re.findall(r"[ML]([\d.]+) ", jump.get("d", ""))]
    # 48 µm to the right, of 1.08 · 48 µm that are 200 px.
    assert max(x) - min(x) == pytest.approx(200 / 1.08, abs=0.2)


def test_tables_are_saved_as_they_are_computed(page: Page, folder: Path) -> None:
    report = corrected()
    cells = page.saved_rows("#save-cells", folder / "well_B3_cells.csv")
    assert [int(row["track_id"]) for row in cells] == [worlds.RESTING, worlds.JUMPING, worlds.BRIEF]
    assert [row["n_found"] for row in cells] == ["0", "1", "0"]
    assert float(cells[1]["net_um"]) == 48.0
    page.run("document.getElementById('strips').open = true")
    [event] = page.saved_rows("#save-saltations", folder / "well_B3_saltations.csv")
    found = report.measures.migration.saltations.events.iloc[0]
    assert (event["track_id"], event["censored"]) == ("2", "")
    for column in ("start_h", "end_h", "length_um", "speed_um_per_h", "direction_deg"):
        assert float(event[column]) == pytest.approx(float(found[column]), rel=1e-4)
    detectors = page.saved_rows("a[download$='detectors.csv']", folder / "well_B3_detectors.csv")
    assert [row["number"] for row in detectors] == list(UNITS)
    for row in detectors:
        estimate = report.measures.summary.numbers[row["number"]]
        assert row["rule_not_estimated"] == estimate.problem
        if row["rule"]:
            assert float(row["rule"]) == pytest.approx(estimate.value, rel=1e-5)
    changed = page.saved_rows("a[download$='corrections.csv']", folder / "well_B3_corrections.csv")
    assert (changed[0]["number"], changed[0]["automatic"], changed[0]["corrected"]) == ("n_tracks", "5", "3")


def test_pictures_are_saved(page: Page, folder: Path) -> None:
    page.run("document.getElementById('overlay').focus()")
    page.press("Home")
    content = page.saved("#save-picture", folder / "well_B3_frame1.png")
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    stage = page.box("#stage")
    assert picture.shape[:2] == (round(stage["height"]), round(stage["width"]))
    y, x = (int((at + 0.5) / of * size) for at, of, size in zip((12, 20), (48, 80), picture.shape[:2], strict=True))
    assert picture[y, x].min() > 150
    page.run("document.getElementById('strips').open = true")
    page.wait("!!document.querySelector('.strip .save')")
    root = ET.fromstring(page.saved(".strip .save", folder / "well_B3_saltation1.svg").decode())
    images = list(root.iter(f"{SVG}image"))
    assert len(images) == 2
    assert all(str(one.get("href")).startswith("data:image/jpeg;base64,") for one in images)


def test_on_paper_there_are_no_controls_and_nothing_is_cut(page: Page) -> None:
    """A4, as a browser in the dark theme prints it: light, definitions open, no box beyond the paper."""
    page.send("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = false; })")
    page.run("dispatchEvent(new Event('beforeprint'))")
    page.resize(718, 1000)
    hidden = (".controls", ".timeline", ".zoom", ".save", ".steppers", ".skip", "#keys", ".take")
    for selector in hidden:
        assert not page.run(
            f"[...document.querySelectorAll({json.dumps(selector)})].some((one) => one.checkVisibility())"
        )
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run("document.querySelector('#definitions').open && document.querySelector('#provenance').open")
    wide = page.run(
        "[...document.querySelectorAll('main *')].filter((one) => one.checkVisibility() && !one.closest('.unseen') && "
        "(one.getBoundingClientRect().right > 719 || one.scrollWidth > one.clientWidth + 1 && "
        "getComputedStyle(one).overflowX !== 'visible')).map((one) => one.outerHTML.slice(0, 80))"
    )
    assert wide == []
    page.run("dispatchEvent(new Event('afterprint'))")
    assert not page.run("document.querySelector('#definitions').open")
    page.resize(1400, 700)
    page.send("Emulation.setEmulatedMedia", media="", features=[])
    pdf = base64.b64decode(page.send("Page.printToPDF", printBackground=True)["data"])
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 3


@pytest.mark.parametrize("width", [1400, 800, 390])
def test_nothing_sticks_out_at_any_width(page: Page, width: int) -> None:
    page.resize(width, 900)
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    gap = page.run(
        "(() => { const s = document.querySelector('.summary').getBoundingClientRect();"
        "return [...document.querySelectorAll('.summary > .panel')].map((one) => s.width - one.getBoundingClientRect()"
        ".width).concat(s.right - Math.max(...[...document.querySelectorAll('.summary .card')].map((one) => "
        "one.getBoundingClientRect().right))); })()"
    )
    assert max(gap) < 1, "cards and cautions fill the width"
    page.resize(1400, 700)
