"""How a result was made, for its record: networks, engines and inference settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from somanet.segmentation.engines.choice import engine_of

if TYPE_CHECKING:
    from somanet.segmentation.inference.segmenter import Segmenter
    from somanet.segmentation.network.checkpoint import Checkpoint


def record_of(segmenter: Segmenter) -> dict[str, Any]:
    """`model_sha256`, `model`, `engine` and `temperature` of the first network; `symmetries`, `rescale` and `haze`.

    Of a network for which it was fitted, also `confidence`. `rescale` is None where it is estimated from the images.

    For an ensemble, `ensemble` has what each network has, in order, including the first.
    """
    record = {**_network(segmenter.first), "symmetries": segmenter.tta, "rescale": segmenter.rescale}
    record["haze"] = None if segmenter.haze is None else segmenter.haze.model_dump(mode="json")
    if len(segmenter.networks) > 1:
        record["ensemble"] = [_network(network) for network in segmenter.networks]
    return record


def _network(checkpoint: Checkpoint) -> dict[str, Any]:
    fitted = checkpoint.object_confidence
    return {
        "model_sha256": checkpoint.sha256,
        "model": checkpoint.spec.model_dump(mode="json"),
        "engine": engine_of(checkpoint.model),
        "temperature": checkpoint.temperature,
        **({} if fitted is None else {"confidence": fitted.model_dump(mode="json")}),
    }
