"""One rule for names that become part of a path, and one for those that become part of commands too."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from somanet.core.errors import SomaNetError
from somanet.core.names import InsidePath, Name, check_file_name, check_name, is_entry, is_inside, spelling

BAD_FILE_NAMES = {
    "": "it is empty",
    ".hidden": "begins with a dot",
    "..": "begins with a dot",
    "../evil": "begins with a dot",
    "a/b": "contains /",
    "a\\b": "contains \\",
    "C:evil": "contains :",
    "a\nb": "control character",
    "a\x1b[31m": "control character",
    "a\u202eb": "control character",
    "a ": "ends with a space",
    "a.": "ends with a space or a dot",
    "é" * 101: "longer than 200 bytes",
}


@pytest.mark.parametrize(("name", "why"), BAD_FILE_NAMES.items(), ids=map(ascii, BAD_FILE_NAMES))
def test_bad_file_names_are_one_printable_line(name: str, why: str) -> None:
    with pytest.raises(SomaNetError) as caught:
        check_file_name(name, "splits.csv, line 3")
    message = str(caught.value)
    assert message.startswith("splits.csv, line 3: ")
    assert why in message
    assert message.isprintable()


@pytest.mark.parametrize("name", ["a", "Zellkörper 3", "t000.ome", "x-y_z(1)", "é" * 100])
def test_usual_file_names_pass(name: str) -> None:
    assert check_file_name(name, "here") == name


@given(st.text(max_size=12))
def test_a_name_that_passes_lies_directly_in_the_folder(name: str) -> None:
    try:
        check_file_name(name, "here")
    except SomaNetError:
        return
    path = Path("/folder") / name
    assert path.parent == Path("/folder")
    assert path.name == name


@pytest.mark.parametrize("name", ["", "Tuned", "2nd", "a-b", "a b", "a\n", "é", "a;b", "-a", "../a"])
def test_names_of_somanet_are_plain(name: str) -> None:
    with pytest.raises(SomaNetError, match="lower-case letters"):
        check_name(name, "--write-back")
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(name)
    assert check_name("tuned_2", "--write-back") == TypeAdapter(Name).validate_python("tuned_2") == "tuned_2"


@pytest.mark.parametrize("path", ["", "..", "../a", "a/../../b", "/etc/passwd", "a\\..\\b", "\\a", "C:\\a", "C:a"])
def test_paths_in_a_data_folder_do_not_lead_out(path: str) -> None:
    assert not is_inside(path)
    with pytest.raises(ValidationError):
        TypeAdapter(InsidePath).validate_python(path)


def test_entries_of_a_folder() -> None:
    """In a record of results: of whatever name that this system allows, but never another folder's."""
    assert [name for name in ("a", "12:30.tif", ".b", "a b") if not is_entry(name)] == []
    assert [name for name in ("", ".", "..", "../a", "a/b", "/a", "a\0") if is_entry(name)] == []


@pytest.mark.parametrize("path", ["a", "soma/train", "a/b..c.tif", "./a"])
def test_paths_inside_pass(path: str) -> None:
    assert is_inside(path)


def test_names_are_found_however_their_accents_are_stored() -> None:
    """é as one character or as e and an accent; where both are known, each is its own."""
    one, two = "\xe9", "e\u0301"
    assert [spelling([one])(text) for text in (one, two, "e")] == [one, one, "e"]
    assert [spelling([one, two])(text) for text in (one, two)] == [one, two]
