"""Options that several commands have: which network, what of a file it sees, and how."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from somanet.segmentation.engines import EngineName

_NETWORK = "Checkpoint folder, run id, alias (champion) or URI; SomaNet's own unless told."

OneModel = Annotated[str | None, typer.Option("--model", help=_NETWORK)]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help=f"{_NETWORK} Given several times: the mean of their probabilities."),
]
Symmetries = Annotated[
    int,
    typer.Option(
        help="Ways that a network sees each image, answers averaged: 1 upright, 4 also mirrored, 8 also turned. Time "
        "grows likewise."
    ),
]
Channel = Annotated[
    str | None,
    typer.Option(help="Channel of the somas, where a file has several: its name, or its number from 0."),
]
Plane = Annotated[
    str | None,
    typer.Option("--z", help="Of a Z stack: a plane's number from 0, or max for each pixel's brightest plane."),
]
Diameter = Annotated[
    float | None,
    typer.Option(help="The somas' diameter in pixels, where they are much smaller or larger than a network knows."),
]
Rescale = Annotated[
    float | None,
    typer.Option(help="Instead of --diameter: show a network the image resized by this factor, 0.5 for half."),
]
AnyModality = Annotated[
    bool,
    typer.Option("--any-modality", help="Work also on what a network was not made for, such as bright field."),
]
Engine = Annotated[EngineName, typer.Option(help="What computes; auto is the fastest installed.")]


def with_options(kind: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of a dataclass as options, so that several commands share them.

    Args:
        kind: a dataclass whose fields typer knows how to read.

    Returns:
        A decorator of a function whose first argument is a `kind` and whose others are options of its own.
    """
    hints = get_type_hints(kind, include_extras=True)
    shared = {
        one.name: inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if one.default is MISSING else one.default,
            annotation=hints[one.name],
        )
        for one in fields(kind)
    }

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

        @wraps(command)
        def run(**values: Any) -> None:
            command(kind(**{name: values.pop(name) for name in shared}), **values)

        required = [one for one in shared.values() if one.default is inspect.Parameter.empty]
        parameters = [*required, *own, *(one for one in shared.values() if one not in required)]  # as --help lists them
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate
