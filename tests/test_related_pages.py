"""The commands of the pages about other programs exist as written, and their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from somanet.analysis.idtracker import SETTINGS, VIDEO
from somanet.tracking.formats import FORMATS
from tests.test_readme import ROOT, commands, local_links, make_targets, problem_with, slug, somanet_arguments

PAGES = ("ec2", "idtracker", "processes", "related", "tracks")


def text_of(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def headings(page: Path) -> set[str]:
    return {slug(found) for found in re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)}


@pytest.mark.parametrize("name", PAGES)
def test_commands_are_accepted(name: str) -> None:
    """In blocks, and in code within the text."""
    found = commands(text_of(name)) + re.findall(r"`(somanet [a-z-]+ [^`]*--[^`]*)`", text_of(name))
    given = {command: arguments for command in found if (arguments := somanet_arguments(command))}
    problems = {
        command: problem
        for command, arguments in given.items()
        if "=" not in arguments[0] and (problem := problem_with(arguments)) and "Missing" not in problem
    }
    assert problems == {}


@pytest.mark.parametrize("name", PAGES)
def test_make_targets_exist(name: str) -> None:
    words = [shlex.split(command) for command in commands(text_of(name))]
    named = {w for line in words if line and line[0] == "make" for w in line[1:] if re.fullmatch(r"[a-z][a-z-]*", w)}
    named |= set(re.findall(r"`make ([a-z][a-z-]*)", text_of(name)))
    assert named - make_targets() == set()


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / "docs" / f"{name}.md"
    missing = []
    for link in local_links(text_of(name)):
        path, _, anchor = link.partition("#")
        place = page.parent / path if path else page
        if not place.exists() or (anchor and anchor not in headings(place)):
            missing.append(link)
    assert missing == []


def test_pages_name_what_is_written() -> None:
    for word in (VIDEO, SETTINGS):
        assert word in text_of("idtracker")
    rows = re.findall(r"^\| `(\w+)` \|", text_of("tracks").partition("\n## DeepCell")[0], flags=re.MULTILINE)
    assert sorted(rows) == sorted(FORMATS)
