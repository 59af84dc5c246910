"""docs/napari.md: its commands are accepted, its links lead somewhere, and its keys are the plug-in's."""

from __future__ import annotations

import re
from pathlib import Path

from somanet.napari.keys import KEYS
from tests.test_readme import ROOT, commands, local_links, problem_with, somanet_arguments

PAGE = (ROOT / "docs" / "napari.md").read_text(encoding="utf-8")


def test_every_command_is_accepted() -> None:
    given = {command: somanet_arguments(command) for command in commands(PAGE)}
    assert sum(arguments is not None for arguments in given.values()) == 3
    refused = {line: problem_with(words) for line, words in given.items() if words is not None}
    assert not {line: problem for line, problem in refused.items() if problem}


def test_links_lead_somewhere() -> None:
    for link in local_links(PAGE):
        assert (ROOT / "docs" / Path(link.split("#")[0])).exists(), link


def test_its_keys_are_those_of_the_plug_in() -> None:
    """Each row names its keys; of several, what they do is in their order."""
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|$", PAGE, flags=re.MULTILINE)
    named = {tuple(re.findall(r"`(.*?)`", keys)): words for keys, words in rows}
    known = dict(KEYS.values())
    alone = {keys[0]: words for keys, words in named.items() if len(keys) == 1}
    assert alone == {key: known[key] for key in alone}
    together = {key for keys in named if len(keys) > 1 for key in keys} - {"P", "E", "F"}
    assert together | set(alone) == set(known)
    assert known["."] == "next suspicious place"
    assert known[","] == "previous suspicious place"
    assert (known["Control-Z"], known["Control-Shift-Z"]) == ("undo", "redo")


def test_no_key_is_used_twice() -> None:
    keys = [key for key, _ in KEYS.values()]
    assert len(set(keys)) == len(keys)
    assert not {"P", "E", "F", "Z"} & set(keys)  # napari's own, which stay as they are
