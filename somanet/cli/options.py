"""Options that several commands have: which network, what of a file it sees, and how."""

from __future__ import annotations

from typing import Annotated

import typer

from somanet.engines import EngineName

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
