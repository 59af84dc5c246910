"""The boundary for foreign input: one line for whatever a parser raises; limits, and their table in the docs."""

from __future__ import annotations

import json
import os
import re
import struct
import warnings
import zlib
from pathlib import Path

import pytest

from somanet.core import limits
from somanet.core.documents import parse_json, parse_xml, parse_yaml, parsed_once, xml_root_tag
from somanet.core.errors import SomaNetError
from somanet.core.foreign import check_home, check_kind, check_name, file_bytes, file_text, parsing, quiet_libraries
from somanet.core.problems import FileProblem

ROOT = Path(__file__).resolve().parents[2]
SMALL = limits.Limit("TEST_BYTES", 10, "bytes", "a file of a test")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (struct.error("unpack requires 4 bytes"), "cannot be read (unpack requires 4 bytes)"),
        (IndexError("list index out of range"), "list index out of range"),
        (KeyError("x"), "'x' is missing"),
        (zlib.error("Error -3\nwhile decompressing"), "(Error -3)"),
        (OverflowError(), "(OverflowError)"),
        (MemoryError(), "the memory does not suffice"),
        (RecursionError(), "nested too deeply"),
        (PermissionError(13, "Permission denied"), "cannot be read (Permission denied)"),
        (FileNotFoundError(2, "No such file"), "no such file"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "invalid start byte"),
        (Exception("x" * 5000), "x" * 300),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_parser_raises_is_one_line_with_the_name(error: Exception, words: str) -> None:
    with pytest.raises(FileProblem) as found, parsing("a.tif", "a movie"):
        raise error
    assert words in str(found.value)
    assert str(found.value).startswith("a.tif")
    assert "a movie" in str(found.value)
    assert len(str(found.value)) < 500
    assert "\n" not in str(found.value)
    assert found.value.__cause__ is error


def test_an_error_of_somanet_passes_as_it_is() -> None:
    with pytest.raises(SomaNetError) as found, parsing("a.tif", "a movie"):
        raise SomaNetError("frame 3 is blank")
    assert str(found.value) == "frame 3 is blank"
    with pytest.raises(KeyboardInterrupt), parsing("a.tif", "a movie"):
        raise KeyboardInterrupt


def test_what_is_no_file_of_a_possible_size_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 bytes are allowed; the file of 11 is read once the variable named by the message allows it."""
    (tmp_path / "ten").write_bytes(bytes(10))
    (tmp_path / "eleven").write_bytes(bytes(11))
    os.mkfifo(tmp_path / "pipe")
    assert file_bytes(tmp_path / "ten", "a test", SMALL) == bytes(10)
    for name, kind, words in (
        ("eleven", "too large", r"11 bytes, more than the 10 allowed.*SOMANET_MAX_TEST_BYTES=11"),
        ("pipe", "unreadable", "is a device or a pipe"),
        (".", "not an image", "found a folder"),
        ("none", "missing", "no such file"),
        ("n" * 256, "missing", "a name of over 255 bytes"),
        ("µ" * 128, "missing", "a name of over 255 bytes"),
        ("a\0b", "missing", "NUL"),
        (os.fsdecode(b"\xff"), "unreadable", "not UTF-8"),
    ):
        with pytest.raises(FileProblem, match=words) as found:
            file_bytes(tmp_path / name, "a test", SMALL)
        assert found.value.kind == kind
    check_name(tmp_path / ("n" * 255))
    check_kind(tmp_path / "none")  # what is missing is named by its reader
    monkeypatch.setenv("SOMANET_MAX_TEST_BYTES", "11")
    assert file_bytes(tmp_path / "eleven", "a test", SMALL) == bytes(11)


@pytest.mark.parametrize("value", ["", "0", "-1", "1e9", "²", "9" * 30])
def test_a_limit_is_a_positive_whole_number(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMANET_MAX_TEST_BYTES", value)
    with pytest.raises(SomaNetError, match=r"SOMANET_MAX_TEST_BYTES is .* expected a positive whole number"):
        SMALL.check(1, "a")


def test_a_text_is_utf_8_with_or_without_its_mark(tmp_path: Path) -> None:
    for content in ("µ\n".encode(), b"\xef\xbb\xbf" + "µ\n".encode()):
        (tmp_path / "a").write_bytes(content)
        assert file_text(tmp_path / "a", "a test", SMALL) == "µ\n"
    (tmp_path / "a").write_bytes("µ".encode("latin-1"))
    with pytest.raises(FileProblem, match="expected a test in UTF-8"):
        file_text(tmp_path / "a", "a test", SMALL)


def nested(depth: int, kind: str) -> str:
    return {"json": "[" * depth + "]" * depth, "yaml": "[" * depth + "]" * depth,
            "xml": "<a>" * depth + "</a>" * depth}[kind]  # fmt: skip


@pytest.mark.parametrize("kind", ["json", "yaml", "xml"])
def test_nesting_is_bounded_at_100(kind: str) -> None:
    parse = {"json": parse_json, "yaml": parse_yaml, "xml": parse_xml}[kind]
    parse(nested(100, kind), "a", "a test")
    with pytest.raises(FileProblem, match="101 levels, more than the 100 allowed"):
        parse(nested(101, kind), "a", "a test")


def test_values_of_aliases_are_counted_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """b holds three times the three values of a and its own list: 1 + 3 × 4 = 13; with the mapping and keys 20."""
    text = "a: &a [1, 2, 3]\nb: [*a, *a, *a]\n"
    assert parse_yaml(text, "a")["b"] == [[1, 2, 3]] * 3
    monkeypatch.setenv("SOMANET_MAX_YAML_VALUES", "20")
    parse_yaml(text, "a")
    monkeypatch.setenv("SOMANET_MAX_YAML_VALUES", "19")
    with pytest.raises(FileProblem, match="20 values, more than the 19 allowed"):
        parse_yaml(text, "a")


def test_merged_keys_and_plain_types_are_read() -> None:
    text = "base: &b {x: 1, y: [a, 0.5]}\nmore: {<<: *b, x: 2}\nday: 2024-02-29\n"
    found = parse_yaml(text, "a")
    assert found["more"] == {"x": 2, "y": ["a", 0.5]}
    assert str(found["day"]) == "2024-02-29"


def test_xml_loses_its_namespaces_and_nothing_else() -> None:
    root = parse_xml('<o:OME xmlns:o="http://x/y" k="µ">a<o:P n="1"/>b</o:OME>'.encode(), "a", "XML")
    assert (root.tag, root.attrib, root.text, root[0].tag, root[0].tail) == ("OME", {"k": "µ"}, "a", "P", "b")
    assert xml_root_tag(b'<?xml version="1.0"?>\n<!-- x --><TrackMate a="1"><Mod', "a", "XML") == "TrackMate"
    for text in ("", "<a", "<a></b>", "<a>&x;</a>", "<!DOCTYPE a><a/>", "\0"):
        with pytest.raises(FileProblem) as error:
            parse_xml(text, "a.xml", "XML")
        assert str(error.value).startswith("a.xml")


@pytest.mark.parametrize(
    "text", ["a: !!int x", "a: 2001-13-45", "a: !!timestamp x", "? [a]\n: b", "a: &a [*a]", "a: [1", "\0"]
)
def test_yaml_that_is_none_is_one_line(text: str) -> None:
    with pytest.raises(FileProblem) as error:
        parse_yaml(text, "a.yaml")
    assert str(error.value).startswith("a.yaml")
    assert "\n" not in str(error.value)


def test_notes_of_libraries_stay_off_the_screen_unless_warnings_are_errors() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        quiet_libraries()
        warnings.warn("of a library", UserWarning, stacklevel=1)
    assert not caught
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet_libraries()
        with pytest.raises(UserWarning):
            warnings.warn("in a test", UserWarning, stacklevel=1)


def test_the_table_of_limits_in_the_docs_is_that_of_the_module() -> None:
    """Each row: the variable, the number, what it applies to."""
    lines = (ROOT / "docs" / "resilience.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `SOMANET_MAX_")]
    assert rows == [f"| `{one.variable}` | {one.default} | {one.meaning} |" for one in limits.ALL.values()]


def test_json_is_read_as_json_reads_it() -> None:
    text = '{"z": {"µ": [1, null, 0.1]}}'
    assert parse_json(text.encode(), "a", "JSON") == json.loads(text)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc")
def test_what_the_system_makes_up_is_not_read(tmp_path: Path) -> None:
    """Some of these files wait for ever; an empty file on a disk is a file."""
    with pytest.raises(FileProblem, match="made up by the system"):
        check_kind("/proc/self/cmdline", "a movie")
    (tmp_path / "empty").touch()
    check_kind(tmp_path / "empty")


def test_a_tilde_that_the_shell_left_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(FileProblem, match=re.escape(f"Write {tmp_path / 'home' / 'x'}; or ./~/x for that name")):
        check_home(Path("~/x"))
    for path in (Path("./~x"), Path("a/~/x"), tmp_path / "~", Path("~of nobody")):
        check_home(path)
    (tmp_path / "~").mkdir()
    check_home(Path("~/x"))


@pytest.mark.parametrize("encoding", ["zlib_codec", "hex", "base64", "undefined", "rot13", "no-such"])
def test_xml_in_an_encoding_that_is_none_is_one_line(encoding: str) -> None:
    data = f'<?xml version="1.0" encoding="{encoding}"?><TrackMate/>'.encode()
    for read in (xml_root_tag, parse_xml):
        with pytest.raises(FileProblem, match="a file: expected tracks"):
            read(data, "a file", "tracks")


def test_within_a_block_xml_is_parsed_once() -> None:
    text = '<a xmlns="u:x"><b c="1"/></a>'
    with parsed_once():
        assert parse_xml(text, "a", "XML") is parse_xml(text, "a", "XML")
        assert parse_xml("<d/>", "a", "XML").tag == "d"
    assert parse_xml(text, "a", "XML") is not parse_xml(text, "a", "XML")
    assert parse_xml(text, "a", "XML").find("b").attrib == {"c": "1"}


@pytest.mark.parametrize("path", ["d/" * 2040 + "a.csv", ("d" * 200 + "/") * 18 + "a.csv"])
def test_a_path_of_too_many_folders_is_one_short_line(path: str) -> None:
    with pytest.raises(FileProblem, match="Choose a shorter path") as caught:
        check_name(path)
    assert len(str(caught.value)) < 300
