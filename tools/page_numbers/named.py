"""What pages name in code: `make` targets and options of commands must exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from somanet.core.errors import SomaNetError

_FENCED = re.compile(r"^[ ]*```[^\n]*\n(.*?)^[ ]*```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
_OWN = re.compile(
    r"^(?:\S+/)?somanet\b|\bpython (?:-m )?(?:somanet|benchmarks|tools|pipelines|tests)\b|^make\b|^--[a-z]"
)
"""Code that runs a program of the project, or names an option alone."""
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_TARGET = re.compile(r"(?:^|[\s;&|(])make((?:[ \t]+[^\s;&|#<>()`]+)+)")
_DEFINED = re.compile(r"""["'`\s(\[](--[a-z][a-z0-9-]*)""")
_CODE = ("benchmarks", "tools", "tests/robustness", "tests/resilience", "tests/napari", "pipelines", "examples")


def options_of(command: Sequence[str]) -> Mapping[str, Any]:
    """The options of a command of SomaNet with their defaults.

    Raises:
        SomaNetError: there is no such command.
    """
    found = _commands().get(tuple(command))
    if found is None:
        raise SomaNetError(f"`somanet {' '.join(command)}` is no command. Correct docs/numbers.yaml.")
    return found


def complaints(name: str, raw: str, root: Path, foreign: Mapping[str, str]) -> list[str]:
    """Targets and options that a page names and that do not exist, one line each.

    Args:
        name: the page's path.
        raw: its Markdown.
        root: the checkout.
        foreign: options of other programs, with the program that has each.

    Options of `somanet COMMAND` are held against that command's, options of other programs of the project, and those
    that stand alone, against all.
    """
    targets, options = _targets(root), _options(root) | frozenset(foreign)
    found = []
    for line, code in _code(raw):
        command = code.strip().removeprefix("$ ").partition(" #")[0]
        found += [
            f"{name}:{line}: `make {word}`: the Makefile has no such target."
            for call in _TARGET.findall(_QUOTED.sub("", command))
            for word in call.split()
            if re.fullmatch(r"[a-z][a-z-]*", word) and word not in targets
        ]
        if (known := _known_options(command, options)) is not None:
            named = [one for one in _OPTION.findall(command) if one not in known]
            found += [f"{name}:{line}: `{one}`: no such option." for one in named]
    return found


def _known_options(code: str, options: frozenset[str]) -> frozenset[str] | None:
    """The options that a line of code may have; None if it runs another program."""
    words = code.split()
    if words[:1] == ["somanet"] and len(words) > 1 and not {"&&", "|", ";"} & set(words):
        commands = _commands()
        command = max((names for names in commands if tuple(words[1 : len(names) + 1]) == names), key=len)
        if command:
            return frozenset(commands[command])
    return options if _OWN.search(code) else None


def _code(raw: str) -> Iterator[tuple[int, str]]:
    """The lines of code of a page, with their numbers."""
    fenced = [match.span(1) for match in _FENCED.finditer(raw)]
    for first, last in fenced:
        start = raw.count("\n", 0, first) + 1
        yield from enumerate(raw[first:last].splitlines(), start)
    for match in _INLINE.finditer(raw):
        if not any(first <= match.start() < last for first, last in fenced):
            yield raw.count("\n", 0, match.start()) + 1, match[1]


@cache
def _targets(root: Path) -> frozenset[str]:
    return frozenset(
        re.findall(r"^([a-z][a-z-]*):(?!=)", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )


@cache
def _options(root: Path) -> frozenset[str]:
    """Those of SomaNet's commands, of the project's other programs, and of the commands that the Makefile runs."""
    found = {option for options in _commands().values() for option in options}
    files = [path for folder in _CODE for path in (root / folder).rglob("*.py")]
    for path in [*files, root / "Makefile"]:
        found.update(_DEFINED.findall(path.read_text(encoding="utf-8")))
        found.update(_parameters(path) if path.suffix == ".py" else ())
    return frozenset(found)


def _parameters(path: Path) -> Iterator[str]:
    """Typer makes options of parameters: `--data` of `data: Annotated[Path, typer.Option(…)]`."""
    for name in re.findall(r"^\s+(\w+): Annotated\[", path.read_text(encoding="utf-8"), re.MULTILINE):
        yield f"--{name.replace('_', '-')}"
        yield f"--no-{name.replace('_', '-')}"


@cache
def _commands() -> dict[tuple[str, ...], dict[str, Any]]:
    import typer

    from somanet.cli import app

    found: dict[tuple[str, ...], dict[str, Any]] = {}

    def walk(command: Any, names: tuple[str, ...]) -> None:
        found[names] = {
            option: parameter.default
            for parameter in command.params
            for option in (*parameter.opts, *parameter.secondary_opts)
            if option.startswith("--")
        } | {"--help": None}
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*names, name))

    walk(typer.main.get_command(app), ())
    return found
