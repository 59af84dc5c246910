"""Changes to text, and to JSON, YAML and XML by their structure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.robustness.mutators.base import INTEGERS, NUMBERS, WORDS, Unfit, hostile_value

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9]*")
_YAML_VALUE = re.compile(rb"(?<=: )[^\n#{}\[\],]+")
_ATTRIBUTE = re.compile(rb'="[^"]*"')
_ELEMENT = re.compile(rb"<[^<>]*>")
DEPTH = 100_000


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _replace_one(path: Path, rng: Random, pattern: re.Pattern[bytes], new: bytes) -> None:
    data = path.read_bytes()
    found = list(pattern.finditer(data))
    if not found:
        raise Unfit
    one = rng.choice(found)
    path.write_bytes(data[: one.start()] + new + data[one.end() :])


def number(path: Path, rng: Random) -> None:
    _replace_one(path, rng, _NUMBER, _encoded(rng.choice((*NUMBERS, *map(str, INTEGERS)))))


def word(path: Path, rng: Random) -> None:
    _replace_one(path, rng, _WORD, _encoded(rng.choice(WORDS)))


def line(path: Path, rng: Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    if not lines:
        raise Unfit
    n = rng.randrange(len(lines))
    lines[n : n + 1] = rng.choice(
        ([], [lines[n]] * 2, [b"\n"], [rng.choice(lines)], [lines[n].strip()], [lines[n] + b" "])
    )
    path.write_bytes(b"".join(lines))


def encoding(path: Path, rng: Random) -> None:
    text = path.read_bytes().decode("utf-8", "replace")
    name = rng.choice(("utf-16", "utf-32", "utf-8-sig", "utf-16-be", "cp1252", "utf-7", "cp037"))
    path.write_bytes(("µ" + text if rng.random() < 0.3 else text).encode(name, "replace"))


def bad_bytes(path: Path, rng: Random) -> None:
    data = path.read_bytes()
    start = rng.randrange(len(data) + 1)
    new = rng.choice(
        (
            b"\x00",
            b"\xff",
            b"\xc3\x28",
            b"\xed\xa0\x80",
            b"\xf0\x9f",
            b"\x1a",
            b"\x1b[2J",
            b"\r",
            b"\x85",
            b"\xe2\x80\xa8",
        )
    )
    path.write_bytes(data[:start] + new * rng.choice((1, 1, 100)) + data[start:])


def long_line(path: Path, rng: Random) -> None:
    data = path.read_bytes()
    start = rng.randrange(len(data) + 1)
    path.write_bytes(
        data[:start] + rng.choice((b"a", b"9", b",", b" ", b'"')) * rng.choice((10**5, 2 * 10**7)) + data[start:]
    )


def many_lines(path: Path, rng: Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    if not lines:
        raise Unfit
    n = rng.randrange(len(lines))
    path.write_bytes(b"".join((*lines[:n], lines[n] * rng.choice((100, 200_000)), *lines[n:])))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise Unfit from error


def _write_json(path: Path, value: Any) -> None:
    path.write_bytes(json.dumps(value, indent=1).encode("utf-8", "surrogatepass"))


def json_value(path: Path, rng: Random) -> None:
    content = _json(path)
    places = list(_places(content))
    if not places:
        raise Unfit
    holder, key = rng.choice(places)
    holder[key] = hostile_value(rng)
    _write_json(path, content)


def json_key(path: Path, rng: Random) -> None:
    """A key is gone, or has another name, or there is another one."""
    content = _json(path)
    places = [(holder, key) for holder, key in _places(content) if isinstance(holder, dict)]
    if not places:
        raise Unfit
    holder, key = rng.choice(places)
    how = rng.randrange(3)
    value = holder[key] if how == 2 else holder.pop(key)
    if how:
        holder[rng.choice(WORDS)] = value
    _write_json(path, content)


def json_whole(path: Path, rng: Random) -> None:
    text = path.read_text("utf-8", "replace")
    path.write_bytes(_encoded(rng.choice((
        "[]", "{}", "null", "1", '"x"', "[{}]", "{", text + text, text[:-2], text.replace('"', "'"), text + "x", "NaN",
        "[" * DEPTH, '{"a":' * DEPTH + "1" + "}" * DEPTH, '{"a": ' + "9" * 5000 + "}", text.replace(":", "="),
        "[" + "0," * 10**6 + "0]", json.dumps({str(i): i for i in range(10**5)}), '{"a": 1e999999}', '"\\ud800"',
    ))))  # fmt: skip


def yaml_value(path: Path, rng: Random) -> None:
    value = rng.choice((
        "2001-13-45", "2001-01-01", "!!int x", "!!float x", "!!python/object/apply:os.system ['touch pwned']",
        "!!binary |\n  ////", "!!timestamp x", "*none", "&a [*a]", "[" * 2000, "{a: " * 500, ".inf", "-.inf", ".nan",
        "1e300",
        "0o17", "1:30", "~", "[]", "{}", "'", '"', "|", ">-", "? x", "!x y", "!!set {a, b}", "!!omap [a: 1]", "<<: 1",
        "@x", "%x",
        "yes", "9" * 5000, "1" * 50 + ":59" * 50, "!!null x", "!!bool 3", "[1, 2]", "{x: 1}", "-1", "0", "'0'", "a: b",
        "\t",
    ))  # fmt: skip
    _replace_one(path, rng, _YAML_VALUE, _encoded(value))


def yaml_whole(path: Path, rng: Random) -> None:
    text = path.read_text("utf-8", "replace")
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    merge = "m0: &m0 {k: 1}\n" + "".join(
        f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}]}}\n" for i in range(1, 9)
    )
    path.write_bytes(_encoded(rng.choice((
        "", "[]", "- a\n- b\n", "x", "a: 1\na: 2\n", "---\na: 1\n---\nb: 2\n", text + bomb, bomb, text + merge, merge,
        text + "deep: " + "[" * 10_000, text + "deep: " + "[" * 500 + "]" * 500, text + "deep: " + "{a: " * 10_000,
        "? ? ? ?\n",
        text + "? [a, b]\n: 1\n", text + "? {a: 1}\n: 1\n", text + "1: 2\n", text + "null: 2\n", text + "true: 1\n",
        text + "2001-01-01: 1\n",
        text.replace("  ", "\t"), text.replace(":", ""), "&a\n*a", "a: &a\n  b: *a\n", "%TAG ! x:\n---\na: !b 1\n",
        text + "\x07",
        text + "".join(f"k{i}: {i}\n" for i in range(10**5)), "!!python/name:os.system", "- " * 3000 + "x",
    ))))  # fmt: skip


def xml_attribute(path: Path, rng: Random) -> None:
    value = rng.choice(
        (*NUMBERS, "x", "", "a" * 70000, "&lt;", "&#x0;", "&unknown;", "é", "-5", "1e5", "10000000", "1 2")
    )
    _replace_one(path, rng, _ATTRIBUTE, b'="' + _encoded(value) + b'"')


def xml_element(path: Path, rng: Random) -> None:
    """An element is gone, doubled, renamed or not closed."""
    data = path.read_bytes()
    found = list(_ELEMENT.finditer(data))
    if not found:
        raise Unfit
    one = rng.choice(found)
    new = rng.choice(
        (b"", one[0] * 2, one[0][:-1], b"<x/>", b"<!-- -->", b"<![CDATA[x]]>", b"</x>", _NUMBER.sub(b"", one[0]))
    )
    path.write_bytes(data[: one.start()] + new + data[one.end() :])


def xml_whole(path: Path, rng: Random) -> None:
    data = path.read_bytes()
    body = re.sub(rb"^<\?xml[^>]*>", b"", data)
    laughs = (
        b'<!DOCTYPE x [<!ENTITY a0 "lol">'
        + b"".join(b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 10))
        + b"]>"
    )
    outside = b'<!DOCTYPE x [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>'
    using = re.sub(rb'name="[^"]*"', b'name="&a9;"', body) if b'name="' in body else b"<TrackMate>&a9;</TrackMate>"
    path.write_bytes(rng.choice((
        laughs + using, laughs + b"<TrackMate>&a9;</TrackMate>", outside + using, b"<TrackMate/>",
        b"<TrackMate><Model/></TrackMate>",
        b"<a>" * 10**5, b"<TrackMate>" + b"<a>" * 10**5 + b"</a>" * 10**5 + b"</TrackMate>", b"<html></html>",
        b"<Tracks/>",
        b'<?xml version="1.0" encoding="x-none"?>' + body, b'<?xml version="1.0" encoding="utf-16"?>' + body,
        data + data,
        b'<?xml version="2.0"?>' + body, body.replace(b"Spot ", b"Spots "), body.replace(b"<Edge", b"<Edges"), b"<" ,
        b"<TrackMate",
    )))  # fmt: skip
