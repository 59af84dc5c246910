"""Options that several commands share: the network, its input from a file, and inference."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from somanet.segmentation.engines import EngineName

_NETWORK = "Checkpoint folder, run id, alias (champion) or URI; default: the bundled model."

OneModel = Annotated[str | None, typer.Option("--model", help=_NETWORK)]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help=f"{_NETWORK} Repeat for an ensemble: the mean of their probabilities."),
]
Tta = Annotated[
    int,
    typer.Option(
        "--tta",
        "--symmetries",
        help="Test-time augmentation: the mean prediction over 1 (none), 4 (mirrored) or 8 (mirrored and rotated) "
        "views of each image; takes 4 or 8 times as long. --symmetries is the old name, for this version only.",
    ),
]
Channel = Annotated[
    str | None,
    typer.Option(help="Channel of the somas, if a file has several: its name, or its number from 0."),
]
Plane = Annotated[
    str | None,
    typer.Option("--z", help="Z stacks: plane number (from 0), or max for a maximum projection."),
]
Axes = Annotated[
    str | None,
    typer.Option(
        help="What the file's axes mean, in its order, if it says otherwise: TYX for time stored as planes or channels."
    ),
]
Position = Annotated[
    str | None,
    typer.Option(help="Stage position, scene or series, if a file has several: its name, or its number from 0."),
]
AllowTruncated = Annotated[
    bool,
    typer.Option("--allow-truncated", help="Take the whole frames of a truncated TIFF or zarr."),
]
Diameter = Annotated[
    float | None,
    typer.Option(help="Soma diameter in pixels: images are resized to the network's. Default: estimated from them."),
]
Rescale = Annotated[
    float | None,
    typer.Option(help="Instead of --diameter: resize images by this factor for the network, 0.5 for half."),
]
KeepHaze = Annotated[
    bool,
    typer.Option("--keep-haze", help="Keep objects that hardly stand out and of which the network is unsure."),
]
AnyModality = Annotated[
    bool,
    typer.Option(
        "--any-modality", help="Also process microscopy outside a network's intended use, such as bright field."
    ),
]
PixelSize = Annotated[float | None, typer.Option(help="Micrometres per pixel, if the file lacks it.")]
FrameInterval = Annotated[float | None, typer.Option(help="Minutes per frame, if the file lacks it.")]
ParameterFile = Annotated[Path, typer.Option("--params", help="Parameter file of the project.")]
PARAMETER_FILE = Path("params.yaml")
Binary = Annotated[
    bool | None,
    typer.Option(
        "--binary/--no-binary",
        help="Label images with a single value are masks: each separate piece is an object; or: the pieces are one.",
    ),
]
OnlyClass = Annotated[
    str | None,
    typer.Option("--class", help="Of outlines of several classes (COCO, Labelme): use the objects of this one."),
]
Split = Annotated[Path | None, typer.Option(help="CSV image_id,split of the data set, to use only one part.")]
Part = Annotated[str, typer.Option(help="Part of --split to use.")]
Preset = Annotated[
    str | None, typer.Option(help="A published definition of rest and motion: somanet (the default) or vaswani2019.")
]
Engine = Annotated[
    EngineName,
    typer.Option(
        help="Inference engine; auto is the fastest installed in 32 bits. onnxruntime-int8 is faster; outlines differ "
        "a little."
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="Where the network computes: auto (a CUDA graphics processor if there is one), cpu, cuda, cuda:1, mps."
    ),
]
Export = Annotated[
    list[str] | None,
    typer.Option("--export", help="Also write the tracks as napari, ctc, geff, trackmate or deepcell. Repeatable."),
]


def set_option(examples: str) -> Any:
    """The option `--set KEY=VALUE`, for a list of settings.

    Args:
        examples: settings of the command, for its help.
    """
    return typer.Option("--set", metavar="KEY=VALUE", help=f"Any setting: {examples}, …")


def with_options(kind: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of a dataclass as options, so that several commands share them.

    Args:
        kind: a dataclass whose fields typer can read.

    Returns:
        A decorator for a function whose first argument is a `kind` and whose others are its own options.
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
        parameters = [
            *required,
            *own,
            *(one for one in shared.values() if one not in required),
        ]  # in the order of --help
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate
