"""JSON, YAML and XML of foreign origin as values: nesting, aliases and entities are bounded before they are built."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat

import yaml

from somanet.core.errors import first_line
from somanet.core.foreign import parsing
from somanet.core.limits import NESTING, TABLE_ROWS, YAML_VALUES
from somanet.core.problems import FileProblem

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C loader is ten times faster."""
_kept: ContextVar[dict[bytes | str, ET.Element] | None] = ContextVar("kept", default=None)
"""XML that is parsed already, within :func:`parsed_once`."""


REBUILT = "Write it again: `dvc repro` rebuilds pipeline outputs."


def parse_json(data: bytes | str, source: object, expected: str, *, remedy: str = REBUILT) -> Any:
    """The value of JSON in UTF-8.

    Args:
        data: the text.
        source: where it is from, for the message.
        expected: what should be there.
        remedy: the next step, a sentence.

    Raises:
        FileProblem: not UTF-8, not JSON, or nested too deeply.
    """
    try:
        value = json.loads(data if isinstance(data, str) else data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else first_line(error).removesuffix(".")
        raise FileProblem(
            f"{source} is not JSON ({why}); expected {expected}. Was it edited or cut short? {remedy}"
        ) from error
    _check_depth(value, str(source))
    return value


def _check_depth(value: Any, source: str) -> None:
    layer, depth = [value], 0
    while layer:
        depth += 1
        NESTING.check(depth, source, declared="the file")
        layer = [item for one in layer for item in _inside(one) if isinstance(item, dict | list)]


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def parse_yaml(text: str, source: object, expected: str = "YAML") -> Any:
    """The value of YAML text: plain values only, no objects of other types.

    Raises:
        FileProblem: not YAML, nested too deeply, or aliases that multiply its size.
    """
    with parsing(str(source), expected, remedy="Check brackets, quotes and indentation."):
        try:
            _check_events(text, str(source))
            return yaml.load(text, Loader=_LOADER)  # noqa: S506 - both loaders are the safe one
        except yaml.MarkedYAMLError as error:
            place = error.problem_mark or error.context_mark
            where = f", line {place.line + 1}, column {place.column + 1}" if place else ""
            raise FileProblem(
                f"{source}: expected {expected}, but it cannot be read{where}: {error.problem or error.context}. Check "
                "brackets, quotes and indentation."
            ) from error


def _check_events(text: str, source: str) -> None:
    """Count levels, and values with every alias written out, from the parser's events: nothing is built."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # the anchor of each open node, and the size inside it so far
    total = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, 1))
            NESTING.check(len(open_nodes), source, declared="the YAML")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_nodes.pop()
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise FileProblem(f"{source}: the YAML alias *{event.anchor} lies within what it refers to. Remove it.")
            anchor, size = None, sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        else:
            continue
        YAML_VALUES.check(size, source, declared="the YAML, with every alias written out,")
        if anchor is not None:
            sizes[anchor] = size
        if open_nodes:
            outer, inside = open_nodes[-1]
            open_nodes[-1] = (outer, inside + size)
        total += size


def parse_xml(data: bytes | str, source: object, expected: str) -> ET.Element:
    """The root of XML, tags and attributes without namespaces.

    Raises:
        FileProblem: not XML, nested too deeply, too many elements, or with entities or a document type: no microscope
            writes those, and attacks do.
    """
    kept = _kept.get()
    if kept is not None and (root := kept.get(data)) is not None:
        return root
    builder = _Builder(str(source))
    with parsing(str(source), expected, remedy="Save it again."):
        try:
            builder.parser.Parse(data, True)
        except expat.ExpatError as error:
            raise FileProblem(
                f"{source}: expected {expected}, but it cannot be read as XML ({error}). Save it again."
            ) from error
        root = builder.builder.close()
    if kept is not None:
        kept[data] = root
    return root


@contextmanager
def parsed_once() -> Iterator[None]:
    """Within the block, the same XML is parsed only once; nobody may change it."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def xml_root_tag(head: bytes, source: object, expected: str) -> str:
    """The tag of the root of XML, without its namespace, from the beginning of the file.

    Raises:
        FileProblem: not XML, or no element in these bytes.
    """
    tags: list[str] = []
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = lambda tag, _attributes: tags.append(tag)
    try:
        parser.Parse(head, False)
    except Exception as error:  # expat's, and of what the file declares as its encoding; damage later may wait
        if not tags:
            raise FileProblem(
                f"{source}: expected {expected}, but it cannot be read as XML ({error}). Save it again."
            ) from error
    if not tags:
        raise FileProblem(f"{source}: expected {expected}, found XML without an element. Save it again.")
    return _local(tags[0])


class _Names(dict[str, str]):
    """Names without their namespaces, each found only once: a file has few, millions of times."""

    def __missing__(self, name: str) -> str:
        self[name] = _local(name)
        return self[name]


class _Builder:
    """An expat parser that fills an ElementTree and counts."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.builder = ET.TreeBuilder()
        self.depth = self.n_elements = 0
        self.names = _Names()
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.builder.data
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.depth += 1
        self.n_elements += 1
        if self.depth > NESTING.default:
            NESTING.check(self.depth, self.source, declared="the XML")
        if self.n_elements > TABLE_ROWS.default:
            TABLE_ROWS.check(self.n_elements, self.source, declared="the XML")
        names = self.names
        self.builder.start(names[tag], {names[name]: value for name, value in attributes.items()})

    def _end(self, tag: str) -> None:
        self.depth -= 1
        self.builder.end(self.names[tag])

    def _refuse(self, *_declaration: object) -> None:
        raise FileProblem(
            f"{self.source}: the XML defines a document type or entities, which no microscope or tracking program "
            "writes. Export the file again."
        )


def _local(name: str) -> str:
    return name.rpartition("}")[2]
