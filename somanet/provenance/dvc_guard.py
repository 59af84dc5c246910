"""A check of what DVC would run: a value of `params.yaml` must not become shell text.

DVC replaces `${…}` in a stage's `cmd` by a value of the parameter file, and a shell runs the result; the keys of a
`foreach` section are such values. A parameter file from elsewhere could so run any command before SomaNet reads it.
A profile runs the code of its project through links, which must lead to the code that is running.
The first stage of the graph, `names`, makes the check, and all others depend on it; every command of the project that
starts DVC does so first: `python -m somanet.provenance.dvc_guard dvc.yaml`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from somanet.core.errors import SomaNetError, first_line
from somanet.core.foreign import file_text
from somanet.core.installation import CODE
from somanet.core.limits import YAML_BYTES
from somanet.core.problems import FileProblem
from somanet.core.text import printable

CHECKED = Path("reports/names.json")
"""Written by the stage `names` in the pipeline's folder; the same bytes whenever the names are plain."""

LINKED = ("somanet", "pipelines")
"""The packages that stages run: beside a project's `dvc.yaml`, and linked into a profile's folder."""

_EXPRESSION = re.compile(r"\$\{\s*([^}]*?)\s*\}")
_WORD = re.compile(r"(?!-)[A-Za-z0-9_./-]+", re.ASCII)
"""One word to every shell, and no option; enough for relative paths."""
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*", re.ASCII)
"""A `foreach` key is a part of paths as well, so without separators and dots."""
_KINDS = {
    _WORD: "letters, digits and . / _ -, no leading -",
    _KEY: "letters, digits, _ and -",
}


def check_pipeline(pipeline: Path, *, code: Path | None = None) -> None:
    """Refuse a pipeline of which a parameter would not stay a plain word in a command, or would run other code.

    Args:
        pipeline: its `dvc.yaml`, which is trusted, as it is code; the parameter files that it names are not.
        code: the folder of :data:`LINKED`, the packages that its stages may run; None is :data:`CODE`.

    Raises:
        SomaNetError: naming the file, the parameter and the stage; the packages beside it are others; or a file
            cannot be read.
    """
    code = (CODE if code is None else code).resolve()
    graph = _read(pipeline)
    named = [name.partition(":")[0] for name in graph.get("vars") or [] if isinstance(name, str)]
    usual = ["params.yaml"] if (pipeline.parent / "params.yaml").exists() else []  # DVC reads it unasked
    files = list(dict.fromkeys([*usual, *named]))
    values: dict[str, Any] = {}
    for source in files:
        values |= _read(pipeline.parent / source)
    where = str(pipeline.parent / ", ".join(files))
    stages = graph.get("stages")
    for name, stage in (stages if isinstance(stages, Mapping) else {}).items():
        for what, value, allowed in _values_of_commands(stage, values):
            if isinstance(value, bool) or not isinstance(value, str | int | float) or not allowed.fullmatch(str(value)):
                kind = _KINDS[allowed]
                raise SomaNetError(
                    f"{where}: {printable(what)} is {printable(repr(value)[:80])}, and DVC makes it part of the "
                    f"command of stage {name}, which a shell runs; expected {kind}. Did you write it? Rename it; or "
                    "discard the file."
                )
    _check_code(pipeline.parent, code)


def _check_code(folder: Path, code: Path) -> None:
    for name in LINKED:
        package = folder / name
        if package.resolve() != code / name:
            found = "nothing" if not package.exists() else "a file" if package.is_file() else package.resolve()
            raise SomaNetError(
                f"{package}: expected the running code, {code / name}, found {found}. In a profile, `make profiles` "
                "links it (on Windows git needs `core.symlinks`); elsewhere run the pipeline in its own checkout, or "
                "with PYTHONPATH set to that."
            )


def check_overridable(params: Path) -> None:
    """Refuse a parameter file of which `dvc exp run -S` could not set every value.

    DVC writes overrides through a parsed copy, in which two sections that share a mapping by a YAML alias are one
    object: the old value can come back over the new one, and the experiment runs with it.

    Args:
        params: a parameter file.

    Raises:
        SomaNetError: naming the two places that share a value; or the file cannot be read.
    """
    places: dict[int, str] = {}
    waiting: list[tuple[str, object]] = [("", _read(params))]
    while waiting:
        place, value = waiting.pop()
        if not isinstance(value, Mapping | list) or not value:
            continue
        if (other := places.setdefault(id(value), place)) != place:
            first, second = sorted((other, place))
            raise SomaNetError(
                f"{params}: {printable(first)} and {printable(second)} are one mapping, by a YAML alias (&x, *x); "
                "`dvc exp run -S` may write the old value back over yours. Write the mapping out in both places."
            )
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        waiting += [(f"{place}.{key}" if place else str(key), one) for key, one in items]


def _values_of_commands(stage: Any, values: Mapping[str, Any]) -> Iterator[tuple[str, object, re.Pattern[str]]]:
    """Every value that enters a stage's commands: its name, the value, and what it may consist of."""
    if not isinstance(stage, Mapping):
        return
    items: list[tuple[object, object]] = [(None, None)]
    if "foreach" in stage:
        over, section = stage["foreach"], ""
        if isinstance(over, str) and (found := _EXPRESSION.fullmatch(over)):
            section = found[1]
            over = _look_up(section, values)
        if isinstance(over, Mapping):
            items = list(over.items())
            yield from ((f"a key of {section}", key, _KEY) for key in over)
        elif isinstance(over, list):
            items = list(enumerate(over))
        stage = stage.get("do") or {}
    commands = stage.get("cmd") or []
    for command in [commands] if isinstance(commands, str) else commands:
        for expression in _EXPRESSION.finditer(str(command)):
            for key, item in items:
                yield expression[1], _look_up(expression[1], {**values, "key": key, "item": item}), _WORD


def _look_up(expression: str, values: Mapping[str, Any]) -> object:
    found: object = values
    for part in re.findall(r"[^.\[\]]+", expression):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found


def _read(path: Path) -> Mapping[str, Any]:
    """A YAML file as DVC reads it: its parser knows YAML 1.2, PyYAML 1.1, and what differs could slip through."""
    from dvc.utils.serialize import ParseError, parse_yaml

    try:
        text = file_text(path, "a file of parameters or stages", YAML_BYTES)
    except FileProblem as problem:
        if problem.kind != "missing":
            raise
        raise SomaNetError(f"{path} not found. Run in the pipeline's folder, or name its dvc.yaml.") from problem
    try:
        content = parse_yaml(text, str(path))
    except (ParseError, ValueError, RecursionError) as error:
        raise SomaNetError(f"{path} cannot be read as YAML: {printable(first_line(error))}") from error
    if not isinstance(content, Mapping):
        raise SomaNetError(f"{path} must hold `key: value` lines, found {type(content).__name__}.")
    return content


def main(arguments: list[str]) -> None:
    """Check the pipelines that are named."""
    for path in arguments:
        check_pipeline(Path(path))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SomaNetError as problem:
        sys.exit(f"error: {problem}")
