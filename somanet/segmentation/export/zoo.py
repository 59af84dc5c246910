"""A checkpoint as a package of the BioImage Model Zoo, for Fiji (deepImageJ), QuPath, ilastik and others."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from somanet.core.errors import SomaNetError
from somanet.core.extras import require
from somanet.core.files import atomic_path
from somanet.segmentation.engines.graph import INPUT, OPSET, check_agreement, to_onnx
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
from somanet.segmentation.export.card import Card
from somanet.segmentation.export.metadata import postprocessing
from somanet.segmentation.network.checkpoint import Checkpoint, load_checkpoint

if TYPE_CHECKING:
    from bioimageio.spec.model.v0_5 import InputTensorDescr, ModelDescr, OutputTensorDescr

    from somanet.segmentation.network.settings import ModelSpec

OUTPUT = "probabilities"
SMALLEST_PX, STEP_PX, HALO_PX = 192, 32, 64
"""Image sides are 192, 224, 256 … px; 64 px at each edge of a tile are predicted better by its neighbours."""
TEST_SHAPE_YX = (224, 288)


def export_bioimageio(checkpoint: Path, output: Path, *, card: Card, mlflow_run: str | None = None) -> float:
    """Write a checkpoint as one zip: ONNX with the preprocessing inside, test input and output, documentation.

    Raw images go in; probabilities come out, one channel each. The post-processing of
    :mod:`somanet.segmentation.inference.instances` is left to the program and described in the documentation.

    Args:
        checkpoint: the folder of a trained network.
        output: zip to write.
        card: its model card.
        mlflow_run: id of the run that trained it.

    Returns:
        The largest difference of a probability between the written network, run by ONNX Runtime, and torch.

    Raises:
        SomaNetError: the checkpoint is damaged, the network cannot be exported faithfully, the card breaks a rule of
            the zoo, the output does not end in .zip or cannot be written, or the packages are not installed.
    """
    if output.suffix != ".zip":
        raise SomaNetError(f"--output {output}: a bioimage.io package is one file; give a name that ends in .zip.")
    require("bioimageio", purpose="--format bioimageio")
    from somanet.segmentation.export.preprocessed_network import PreprocessedNetwork

    loaded = load_checkpoint(checkpoint)
    may_invert = loaded.intended_use.modality is None
    network = PreprocessedNetwork(loaded.model, loaded.spec, may_invert=may_invert).eval()
    channels = image_channels(loaded.spec)
    content = to_onnx(network, channels, output=OUTPUT)
    with tempfile.TemporaryDirectory() as name, atomic_path(output) as temporary:
        folder = Path(name)
        (folder / "network.onnx").write_bytes(content)
        engine = OnnxRuntimeEngine((folder / "network.onnx").read_bytes())
        difference = check_agreement(engine.logits, network, channels, "The network with its preprocessing")
        _write_examples(folder, network, channels)
        (folder / "README.md").write_text(_documentation(card, loaded), encoding="utf-8", newline="\n")
        _save_package(folder, temporary, card, loaded, mlflow_run)
    return difference


def image_channels(spec: ModelSpec) -> int:
    """Channels of the images that a package takes: one intensity, or the colours if the network uses them."""
    return spec.in_channels if spec.input == "rgb" else 1


def _write_examples(folder: Path, network: Any, channels: int) -> None:
    """A simulated image and torch's output, as arrays NCYX and as a picture side by side."""
    import torch

    from somanet.core.calibration import Calibration
    from somanet.io.images import write_image
    from somanet.simulation import simulate_movie

    movie = simulate_movie(seed=0, n_frames=2, shape_YX=TEST_SHAPE_YX, calibration=Calibration(1.28, 12.0))
    image_YX = movie.frames_TYX[0].astype(np.float32)
    shown = np.clip(image_YX / np.percentile(image_YX, 99.9), 0, 1)
    values = shown * 255 if network.kind == "rgb" else image_YX
    images = np.repeat(values[None, None], channels, axis=1).astype(np.float32)
    with torch.inference_mode():
        output: NDArray[np.float32] = network(torch.from_numpy(images)).numpy()
    np.save(folder / "test_input.npy", images)
    np.save(folder / "test_output.npy", output)
    write_image(folder / "cover.png", (np.hstack([shown, output[0, 0]]) * 255).astype(np.uint8))


def _documentation(card: Card, loaded: Checkpoint) -> str:
    takes = "three channels from 0 to 255" if image_channels(loaded.spec) == 3 else "one channel, in any unit"
    if loaded.spec.input == "rgb" and loaded.spec.in_channels == 1:
        takes = "one channel from 0 to 255"
    return f"""{card.text.rstrip()}

## In other programs

Images: {takes}, sides of {SMALLEST_PX} px or more and multiples of {STEP_PX}. The preprocessing is inside the network:
do not normalise. Intensities are measured on the image as given; if a program cuts it into tiles, use large ones.

Output: probabilities, channels {", ".join(loaded.spec.outputs)}. {postprocessing(loaded.spec)}

Weights SHA-256 of the SomaNet checkpoint: `{loaded.sha256}`.
"""


def _save_package(folder: Path, output: Path, card: Card, loaded: Checkpoint, mlflow_run: str | None) -> None:
    """Describe the files of a folder and pack them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the zoo's advice, such as a longer documentation
        from bioimageio.spec import ValidationContext, save_bioimageio_package

        # checks the files without running the network
        with ValidationContext(root=folder, perform_io_checks=True, disable_cache=True):
            description = _describe(folder, card, loaded, mlflow_run)
            save_bioimageio_package(description, output_path=output)


def _describe(folder: Path, card: Card, loaded: Checkpoint, mlflow_run: str | None) -> ModelDescr:
    from bioimageio.spec.common import FileDescr
    from bioimageio.spec.generic.v0_3 import Author
    from bioimageio.spec.model import v0_5
    from pydantic import ValidationError

    from somanet import __version__

    made_from = {
        "version": __version__,
        "weights_sha256": loaded.sha256,
        "mlflow_run": mlflow_run,
        "network": loaded.spec.model_dump(mode="json"),
    }
    try:
        return v0_5.ModelDescr(
            name=card.name,
            description=card.description,
            authors=[Author(name=name) for name in card.authors],
            license=card.licence,
            documentation=FileDescr(source=folder / "README.md"),
            covers=[FileDescr(source=folder / "cover.png")],
            tags=["2d", "fluorescence-light-microscopy", "neuron", "nucleus", "segmentation", "unet"],
            inputs=[_input(folder, loaded.spec)],
            outputs=[_output(folder, loaded.spec)],
            weights=v0_5.WeightsDescr(onnx=v0_5.OnnxWeightsDescr(source=folder / "network.onnx", opset_version=OPSET)),
            config=v0_5.Config(somanet=made_from),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SomaNetError(f"The zoo's rules do not allow this package: {where}: {first['msg']}.") from error


def _input(folder: Path, spec: ModelSpec) -> InputTensorDescr:
    from bioimageio.spec.common import FileDescr
    from bioimageio.spec.model import v0_5

    size = v0_5.ParameterizedSize(min=SMALLEST_PX, step=STEP_PX)
    names = ["red", "green", "blue"] if image_channels(spec) == 3 else ["intensity"]
    return v0_5.InputTensorDescr(
        id=v0_5.TensorId(INPUT),
        description="raw microscope images",
        axes=[
            v0_5.BatchAxis(),
            v0_5.ChannelAxis(channel_names=[v0_5.Identifier(name) for name in names]),
            *(v0_5.SpaceInputAxis(id=v0_5.AxisId(axis), size=size) for axis in "yx"),
        ],
        data=v0_5.IntervalOrRatioDataDescr(type="float32"),
        test_tensor=FileDescr(source=folder / "test_input.npy"),
    )


def _output(folder: Path, spec: ModelSpec) -> OutputTensorDescr:
    from bioimageio.spec.common import FileDescr
    from bioimageio.spec.model import v0_5

    def same(axis: str) -> Any:
        reference = v0_5.SizeReference(tensor_id=v0_5.TensorId(INPUT), axis_id=v0_5.AxisId(axis))
        return v0_5.SpaceOutputAxisWithHalo(id=v0_5.AxisId(axis), size=reference, halo=HALO_PX)

    return v0_5.OutputTensorDescr(
        id=v0_5.TensorId(OUTPUT),
        description="probability of each output at each pixel",
        axes=[
            v0_5.BatchAxis(),
            v0_5.ChannelAxis(channel_names=[v0_5.Identifier(name) for name in spec.outputs]),
            same("y"),
            same("x"),
        ],
        data=v0_5.IntervalOrRatioDataDescr(type="float32", range=(0.0, 1.0)),
        test_tensor=FileDescr(source=folder / "test_output.npy"),
    )
