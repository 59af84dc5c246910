"""Protection shared by all commands: of their inputs, of files that a command did not write, and of the terminal."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import ParameterInfo

from somanet.cli.screen import safe_screen
from somanet.core.counting import listed
from somanet.core.file_state import real_path
from somanet.core.foreign import check_paths
from somanet.core.guard import Replaced, guarded

OUTPUTS = frozenset({"output", "destination", "per_image", "panels"})
"""Parameters that name outputs of commands; every other path is read."""

_SHOWN = 12
"""So many names of removed files are printed in one line."""

CONTEXT = "context_of_typer"
"""The parameter by which Typer says what was called; commands do not see it."""

Replace = Annotated[
    bool,
    typer.Option(
        "--replace", help="Let outputs replace files that this command did not write or that were changed since."
    ),
]


def guarding(
    command: Callable[..., None],
    *,
    extra_outputs: tuple[str, ...] = (),
    shallow: tuple[str, ...] = (),
    renewed: tuple[str, ...] = (),
) -> Callable[..., None]:
    """A command wrapped in :func:`somanet.core.guard.guarded`, with the option `--replace` if it has an output.

    Args:
        command: a typer command function.
        extra_outputs: suffixes of further outputs: `_report` for what is written to `<output>_report`.
        shallow: parameters that name folders of which only the files are read, so that outputs may lie in them.
        renewed: parameters that name folders of results which may be the output as well: the command takes over what
            it reads there.
    """
    signature = inspect.signature(command, eval_str=True)
    writes = bool(OUTPUTS & set(signature.parameters))

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        replace = values.pop("replace", False)
        values.update({name: _with_a_name(values[name]) for name in OUTPUTS & set(values)})
        outputs = [path for name in OUTPUTS & set(values) for path in _paths(values[name])]
        outputs += [path.parent / f"{path.name}{ending}" for path in list(outputs) for ending in extra_outputs]
        read = {name: list(_paths(value)) for name, value in values.items() if name not in OUTPUTS}
        places = set(map(real_path, outputs))
        for name in renewed:
            read[name] = [path for path in read[name] if real_path(path) not in places]
        folders = [path for name in shallow for path in read.pop(name, [])]
        inputs = [path for paths in read.values() for path in paths]
        check_paths(inputs=(*inputs, *folders), outputs=outputs)
        name = _name_of(values.pop(CONTEXT))
        with (
            safe_screen(),
            guarded(inputs=inputs, shallow=folders, outputs=outputs, replace=replace, command=name) as replaced,
        ):
            try:
                command(**values)
            finally:  # of several movies, one may be broken
                _tell(replaced)

    parameters = list(signature.parameters.values())
    for parameter in parameters:
        for about in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(about, ParameterInfo):
                about.readable = False  # what cannot be read is a one-line error like any other, not one of usage
    if writes:
        parameters.append(
            inspect.Parameter("replace", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Replace)
        )
    parameters.append(inspect.Parameter(CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))
    # Typer reads both.
    vars(wrapped)["__signature__"] = signature.replace(parameters=parameters)
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped


def _tell(replaced: Replaced) -> None:
    """Print what became of what was there before."""
    for path in replaced.kept:
        typer.echo(f"Kept the previous {'folder' if path.is_dir() else 'file'} as {_from_here(path)}")
    for folder, paths in groupby(replaced.removed, key=lambda path: path.parent):
        names = listed([path.name for path in paths], most=_SHOWN)
        typer.echo(f"Removed from {_from_here(folder)} (not written by this run): {names}")


def _with_a_name(value: Any) -> Any:
    """An output such as `.` by the name of that folder: other names are made from it."""
    return real_path(value) if isinstance(value, Path) and not value.name else value


def _from_here(path: Path) -> Path:
    """A place as it is reached from the current folder, if it lies in it."""
    here = real_path(Path())
    return path.relative_to(here) if path.is_relative_to(here) else path


def _name_of(context: typer.Context) -> str:
    """The command that the user gave, such as `data select`."""
    return context.command_path.removeprefix(context.find_root().command_path).strip()


def _paths(value: Any) -> Iterator[Path]:
    for one in value if isinstance(value, list | tuple) else (value,):
        if isinstance(one, Path):
            yield one
