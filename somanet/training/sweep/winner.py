"""The best trial's settings as a named variant in `params.yaml`: lines are added, and every other byte stays.

By line numbers and not by ruamel.yaml's round trip, which does not keep the file: it pulls up braces that stand on the
line below their name, loses Windows line ends and unusual indents, and attaches the comment above a section to the
variant before it, so that a new variant lands below that comment and a replaced one removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path
from somanet.core.settings import read_yaml
from somanet.training.sweep.report import Report
from somanet.training.sweep.settings import SEED
from somanet.training.sweep.space import Space, with_values

_SECTION = "finetune"


def winning_variant(base: Mapping[str, Any], report: Report, space: Space) -> dict[str, Any]:
    """The base variant with the best settings.

    Raises:
        SomaNetError: no trial is complete, or only seeds were varied.
    """
    if report.best is None:
        raise SomaNetError("There is no winner to write back: no trial is complete.")
    if all(one.name == SEED for one in space):
        raise SomaNetError(
            "There is no winner among seeds: they show the spread of one variant. Nothing was written back."
        )
    return with_values(base, report.best.values)


def write_variant(
    params: Path,
    name: str,
    variant: Mapping[str, Any],
    *,
    comment: str,
    check: Callable[[Path], object],
    force: bool = False,
) -> bool:
    """Add a variant to the `finetune` section of a parameter file; return whether the file changed.

    Text is added and nothing is rewritten, so comments and layout stay. The new file is read and checked as a whole
    before it replaces the old one.

    Args:
        params: the file.
        name: the variant's name.
        variant: its settings, as plain values.
        comment: one line to put above its settings.
        check: reads a whole parameter file and refuses one that would not load.
        force: replace another variant with that name.

    Raises:
        SomaNetError: another variant has that name, the section is not written in lines, or the result would not load.
    """
    before = read_yaml(params)
    old = before.get(_SECTION) or {}
    if old.get(name) == variant:
        return False
    if name in old and not force:
        raise SomaNetError(
            f"{params} already has another variant {_SECTION}.{name}. Choose another name, or --force to replace it."
        )
    text = params.read_bytes().decode("utf-8")  # keeping its line ends
    lines = text.splitlines(keepends=True)
    section = _section_of(text, params)
    indent = " " * section.start_mark.column
    first, last = _place(section, name, lines)
    block = _block(name, variant, comment, indent)
    if first and not lines[first - 1].endswith("\n"):
        block = "\n" + block
    if "\r\n" in text:
        block = block.replace("\n", "\r\n")
    changed = "".join([*lines[:first], block, *lines[last:]])
    expected = {**before, _SECTION: {**old, name: dict(variant)}}
    if _content(changed) != expected:
        raise SomaNetError(
            f"{params}: the variant cannot be added without changing something else (an anchor in {_SECTION}.{name}?). "
            f"Add it by hand: {dict(variant)}"
        )
    with atomic_path(params, updates=True) as temporary:
        temporary.write_text(changed, encoding="utf-8", newline="")
        check(temporary)
    return True


def _content(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:  # an anchor was removed that is used below
        return None


def _section_of(text: str, params: Path) -> yaml.MappingNode:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)  # read_yaml has checked it
    for key, value in root.value:
        if key.value == _SECTION and isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
            return value
    raise SomaNetError(f"{params} has no {_SECTION} section in block style, one variant below the other. Write it so.")


def _place(section: yaml.MappingNode, name: str, lines: list[str]) -> tuple[int, int]:
    """First and last line (exclusive) to replace: those of the variant, or none after the section's last one."""
    for key, value in section.value:
        if key.value == name:
            return key.start_mark.line, _end_of(value, lines)
    end = _end_of(section.value[-1][1], lines)
    return end, end


def _end_of(node: yaml.Node, lines: list[str]) -> int:
    """The line after a value, without the comments and blank lines that belong to what follows."""
    # A block's end mark is the start of what follows; that of a scalar or of braces is on its own last line.
    end = node.end_mark.line + (1 if node.end_mark.column > 0 and not _is_block(node) else 0)
    end = min(max(end, node.start_mark.line + 1), len(lines))
    while end > node.start_mark.line + 1 and lines[end - 1].split("#")[0].strip() == "":
        end -= 1
    return end


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


class _Dumper(yaml.SafeDumper):
    """Settings one below the other, lists on one line, no references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    list, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def _block(name: str, variant: Mapping[str, Any], comment: str, indent: str) -> str:
    body = yaml.dump(dict(variant), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096)
    inner = "".join(f"{indent}  {line}\n" for line in body.splitlines())
    return f"{indent}{name}:\n{indent}  # {comment}\n{inner}"
