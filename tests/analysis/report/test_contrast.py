"""Text and marks can be read: contrasts by WCAG 2.2, in both themes; success criteria 1.4.3 (AA) and 1.4.11."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from somanet.analysis.report import write_report
from tests.analysis.report import worlds
from tests.analysis.report.browser import Page, chromium

STYLE = resources.files("somanet.analysis.report").joinpath("style.css").read_text(encoding="utf-8")
PROGRAM = chromium()
TEXT, MARK = 4.5, 3.0
GROUNDS = ("ground", "paper", "faint", "caution", "note", "chosen")

# Of every visible text: its colour, what lies behind it, and whether it counts as large (24 px, or 18.66 px and bold).
SEEN = """
(() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = ([r, g, b, a], below) => [r, g, b].map((v, i) => v * a + below[i] * (1 - a)).concat(1);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || node.closest("script, style, noscript, .unseen, .skip")) continue;
    if (!node.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (node.closest(":disabled, option, select")) continue;
    const chain = [];
    for (let e = node; e; e = e.parentElement) chain.push(e);
    let ground = parse(getComputedStyle(document.body).backgroundColor), alpha = 1;
    for (const e of chain.reverse()) {
      const style = getComputedStyle(e);
      ground = over(parse(style.backgroundColor), ground);
      alpha *= Number(style.opacity);
    }
    const style = getComputedStyle(node), drawn = node.namespaceURI.endsWith("svg");
    const paint = parse(drawn ? style.fill : style.color);
    const colour = over([...paint.slice(0, 3), paint[3] * alpha], ground);
    const size = parseFloat(style.fontSize);
    found.push([walker.currentNode.textContent.trim().slice(0, 40), colour.slice(0, 3), ground.slice(0, 3), size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700)]);
  }
  return found;
})()
"""  # noqa: E501


def luminance(rgb: tuple[float, ...]) -> float:
    """Relative luminance of sRGB values from 0 to 255 (WCAG 2.2)."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (part / 255 for part in rgb)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def colours(theme: str) -> dict[str, tuple[float, ...]]:
    """The style's variables that are opaque colours; the dark theme replaces some of the light one's."""
    light, dark = re.findall(r":root[^{]*\{(.*?)\n? *\}", STYLE, re.DOTALL)[:2]
    found = {}
    for block in (light, dark) if theme == "dark" else (light,):
        for name, code in re.findall(r"--([\w-]+): #([0-9a-f]{6});", block):
            found[name] = tuple(int(code[i : i + 2], 16) for i in (0, 2, 4))
    return found


def test_the_ratio_is_that_of_the_standard() -> None:
    """Black on white is 21; #767676 is the lightest grey with 4.5 on white, as WebAIM's and others' checkers say."""
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((0x76,) * 3, (255,) * 3) >= TEXT > contrast((0x77,) * 3, (255,) * 3)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_of_the_style(theme: str) -> None:
    found = colours(theme)
    pairs = [(text, ground, TEXT) for text in ("ink", "muted") for ground in GROUNDS]
    pairs += [("jump-ink", "paper", TEXT), ("accent", "paper", TEXT), ("accent", "ground", TEXT)]
    pairs += [("accent-ink", "accent", TEXT), ("paper", "ink", TEXT)]
    pairs += [(mark, ground, MARK) for mark in ("rest", "jump", "focus") for ground in ("paper", "ground")]
    low = {
        (text, ground): round(contrast(found[text], found[ground]), 2)
        for text, ground, least in pairs
        if contrast(found[text], found[ground]) < least
    }
    assert low == {}


def test_the_key_of_the_selected_cell_is_seen_on_paper() -> None:
    """It is white on white, and print has no shadows: an outline is what is seen."""
    assert "* { print-color-adjust: exact; -webkit-print-color-adjust: exact; box-shadow: none !important; }" in STYLE
    [rule] = re.findall(r"^\.key\.chosen \{(.*)\}", STYLE, re.MULTILINE)
    assert "outline: 1px solid" in rule
    assert "box-shadow" not in rule


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("contrast") / "report.html"
    write_report(path, worlds.report(notes=("A note.",)))
    return path


@pytest.mark.skipif(PROGRAM is None, reason="no chromium installed")
@pytest.mark.parametrize("dark", [False, True])
def test_every_text_of_the_page_as_it_is_shown(path: Path, dark: bool) -> None:
    assert PROGRAM is not None
    with Page(PROGRAM, width=1400, dark=dark) as page:
        page.open(path)
        page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        page.run("document.getElementById('keys').show()")
        seen = page.run(SEEN)
    assert len(seen) > 200
    assert dark is (luminance(tuple(seen[0][2])) < 0.2)
    assert list(too_faint(seen)) == []


def too_faint(seen: list[tuple[str, list[float], list[float], bool]]) -> Iterator[tuple[str, float]]:
    for text, colour, ground, large in seen:
        ratio = contrast(tuple(colour), tuple(ground))
        if ratio < (MARK if large else TEXT):
            yield text, round(ratio, 2)


@pytest.mark.skipif(PROGRAM is None, reason="no chromium installed")
def test_faint_text_is_noticed(tmp_path: Path) -> None:
    assert PROGRAM is not None
    path = tmp_path / "faint.html"
    path.write_text(
        "<!doctype html><html data-ready='true'><body style='background: #fff'><p style='color: #777'>faint</p>"
        "<div style='opacity: 0.5'><p style='color: #000'>half</p></div><p style='color: #767676'>read</p>"
        "<h1 style='color: #888; font-size: 30px'>large</h1>"
    )
    with Page(PROGRAM) as page:
        page.open(path)
        assert [text for text, _ in too_faint(page.run(SEEN))] == ["faint", "half"]
