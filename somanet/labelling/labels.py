"""A network's label images of files, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from somanet.files import make_folder, sha256_tree, write_json
from somanet.io.images import write_labels
from somanet.labelling.inputs import Input

if TYPE_CHECKING:
    from somanet.segmentation.checkpoint import Checkpoint


class Labelled(NamedTuple):
    """An input whose label image is written.

    Attributes:
        item: the input.
        diameters_px: of its somas, in its own pixels; of a movie, of all frames.
        again_px: of somas that are found when it is seen smaller, see
            :func:`somanet.segmentation.diameters.look_again`; NaN if there are none or this was not asked.
    """

    item: Input
    diameters_px: NDArray[np.float64]
    again_px: float = float("nan")

    @property
    def n_objects(self) -> int:
        """Somas, of all frames."""
        return len(self.diameters_px)


def predict_files(
    checkpoint: Checkpoint,
    inputs: Sequence[Input],
    output: Path,
    *,
    rescale: float = 1.0,
    any_modality: bool = False,
) -> Iterator[Labelled]:
    """Label inputs one by one as `<output>/<name>.tif`.

    Afterwards `<output>/predictions.json` says which network and inputs the labels came from.

    Args:
        checkpoint: the network.
        inputs: what to label.
        output: folder to write into.
        rescale: factor by which the network sees images resized; labels have the images' own size.
        any_modality: label also what the network was not made for.

    Raises:
        SomaNetError: the network was not made for some input (nothing is written then), an input cannot be read, or
            the output cannot be written. Labels written before stay.
    """
    from somanet.segmentation.diameters import diameters_px, look_again, median_or_nan
    from somanet.segmentation.modality import Shown, check_modality, sampled
    from somanet.segmentation.rescaling import predict_labels_rescaled

    def label(image: NDArray[Any], factor: float = rescale) -> NDArray[np.int32]:
        return predict_labels_rescaled(checkpoint.model, image, checkpoint.spec, factor=factor)

    if not any_modality:
        check_modality([Shown(_named(item), item.images) for item in inputs], checkpoint.serves)
    written = []
    seen: list[tuple[NDArray[Any], NDArray[Any]]]
    looked_at = sampled(len(inputs)) if checkpoint.serves.diameter_px is not None else ()
    for number, item in enumerate(inputs):
        if item.read is not None:
            image = item.read()
            labels = label(image)
            diameters = diameters_px(labels)
            seen = [(image, labels)]
        else:
            with item.choice.open(item.path) as movie:
                frames = [label(frame).astype(np.uint16) for frame in movie]
                seen = [(movie[t], frames[t]) for t in sampled(len(frames))]
            labels = np.stack(frames).astype(np.int32)
            diameters = np.concatenate([diameters_px(frame) for frame in frames])
        again = look_again(label, seen, factor=rescale) if number in looked_at else float("nan")
        make_folder(output)  # not before there is something to write
        write_labels(output / f"{item.name}.tif", labels)
        median = median_or_nan(diameters)
        written.append(
            {
                "file": f"{item.name}.tif",
                "input": item.path.name,
                "channel": item.choice.channel,
                "z": item.choice.z,
                "n_objects": len(diameters),
                "median_diameter_px": round(median, 2) if median == median else None,
            }
        )
        yield Labelled(item, diameters, again)
    sources = {path.name: sha256_tree(path) for path in dict.fromkeys(item.path for item in inputs)}
    from somanet import __version__
    from somanet.engines import engine_of

    write_json(
        output / "predictions.json",
        {
            "somanet": __version__,
            "model_sha256": checkpoint.sha256,
            "model": checkpoint.spec.model_dump(mode="json"),
            "engine": engine_of(checkpoint.model),
            "rescale": rescale,
            "any_modality": any_modality,
            "inputs_sha256": sources,
            "labels": written,
        },
    )


def _named(item: Input) -> str:
    """An input in a message: its path, and which image of a data set it is."""
    return str(item.path) if item.path.stem == item.name else f"{item.name!r} of {item.path}"
