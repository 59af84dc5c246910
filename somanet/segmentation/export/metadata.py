"""Metadata in an exported network, for users who run it without SomaNet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from somanet.segmentation.inference.distance_watershed import SMOOTHING_PX

if TYPE_CHECKING:
    from somanet.segmentation.network.checkpoint import Checkpoint
    from somanet.segmentation.network.settings import ModelSpec

RANGE = (
    "8-bit images: divide by 255. Others: subtract the image's 0.1 percentile, divide by the distance from there to "
    "its 99.95 percentile, clip to 0..1. "
)
INTENSITY = (
    "Intensity v: the brightest channel; on a bright background the inverted mean. p1 and p99.9 are percentiles of v "
    "over the whole image. Channel 1: u = (v - p1) / (p99.9 - p1), clipped to 0..1. Channel 2: sqrt(u). Channel 3: "
)
PREPROCESSING = {
    "rgb": RANGE + "Three channels; a grey image is three equal ones.",
    "contrasts": RANGE + INTENSITY + "asinh(50 u) / asinh(50).",
    "background": RANGE
    + INTENSITY
    + "asinh(50 w) / asinh(50), where w = (v - b) / (p99.9 - b), clipped to -0.02..1, and b is the commonest intensity "
    "of the image's darker half.",
}
"""By `ModelSpec.input`; the code is :mod:`somanet.segmentation.network.inputs`."""


def checkpoint_metadata(checkpoint: Checkpoint, *, mlflow_run: str | None, opset: int) -> dict[str, Any]:
    """The origin of the weights, the input, the output, and how the output becomes labels."""
    from somanet import __version__

    spec = checkpoint.spec
    return {
        "somanet": __version__,
        "weights_sha256": checkpoint.sha256,
        "mlflow_run": mlflow_run,
        "network": spec.model_dump(mode="json"),
        "opset": opset,
        "input": {
            "axes": "NCHW",
            "dtype": "float32",
            "channels": spec.in_channels,
            "height_and_width": "any multiples of 32; pad other sizes by mirroring the edges",
            "kind": spec.input,
            "preprocessing": _preprocessing(spec),
        },
        "output": {
            "axes": "NCHW",
            "dtype": "float32",
            "channels": list(spec.outputs),
            "meaning": "logits: probability = 1 / (1 + exp(-x))",
            "postprocessing": postprocessing(spec),
        },
    }


def _preprocessing(spec: ModelSpec) -> str:
    words = PREPROCESSING[spec.input]
    return words if spec.in_channels == 3 else RANGE + "One channel: the mean of the image's."


def postprocessing(spec: ModelSpec) -> str:
    """How probabilities become labels, in words; the code is :mod:`somanet.segmentation.inference.instances`."""
    settings = spec.instances
    words = f"A pixel is soma if its probability is at least {settings.threshold:g}. "
    if "distance" in spec.outputs:
        words += (
            f"The distance map, smoothed with a Gaussian of {SMOOTHING_PX:g} px, is flooded from its peaks over the "
            f"soma pixels; basins are merged unless both peaks are {settings.peak_height:g} above the pass between."
        )
    elif "boundary" in spec.outputs:
        words += (
            f"Cores are connected pixels with soma x (1 - boundary) >= {settings.seed_threshold:g}, of at least "
            f"{settings.min_seed_px} px; a watershed of that product grows them over the soma pixels."
        )
    else:
        words += "Each connected component is one soma."
    if settings.min_area_px:
        words += f" Objects below {settings.min_area_px} px are dropped."
    if settings.refine is not None:
        words += (
            " SomaNet then moves each object's outline to where the image's intensity changes (morphological "
            "Chan-Vese); this step is no part of the exported network."
        )
    return words
