"""A checkpoint as an ONNX or OpenVINO file that runs without SomaNet and torch, checked to give the same outputs."""

from __future__ import annotations

import json
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.extras import require
from somanet.core.files import atomic_path, check_replaced, write_json
from somanet.segmentation.engines.graph import OPSET, check_agreement, to_onnx
from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine
from somanet.segmentation.engines.openvino_engine import OpenVinoEngine, import_openvino
from somanet.segmentation.export.metadata import checkpoint_metadata
from somanet.segmentation.network.checkpoint import load_checkpoint


def export_onnx(checkpoint: Path, output: Path, *, mlflow_run: str | None = None) -> float:
    """Write a checkpoint as one ONNX file: images NCHW to logits, free batch, height and width.

    The file's metadata describe its input, how its output becomes labels, and which weights it holds.

    Args:
        checkpoint: the folder of a trained network.
        output: file to write.
        mlflow_run: id of the run that trained it.

    Returns:
        The largest difference of a logit between the written file, run by ONNX Runtime, and torch.

    Raises:
        SomaNetError: the checkpoint is damaged, the network cannot be exported faithfully, the output does not end in
            .onnx or cannot be written, or the packages are not installed.
    """
    if output.suffix != ".onnx":
        raise SomaNetError(f"--output {output}: an ONNX network is one file; give a name that ends in .onnx.")
    require("onnx", purpose="--format onnx")
    import onnx

    loaded = load_checkpoint(checkpoint)
    metadata = checkpoint_metadata(loaded, mlflow_run=mlflow_run, opset=OPSET)
    model = onnx.load_model_from_string(to_onnx(loaded.model, loaded.spec.in_channels))
    model.producer_name, model.producer_version = "SomaNet", metadata["somanet"]
    model.graph.name = "somanet"
    model.doc_string = f"{metadata['input']['preprocessing']} Output: {metadata['output']['meaning']}."
    plain = {"somanet": json.dumps(metadata), "weights_sha256": loaded.sha256, "mlflow_run": mlflow_run or ""}
    onnx.helper.set_model_props(model, plain)
    onnx.checker.check_model(model, full_check=True)
    with atomic_path(output) as temporary:
        temporary.write_bytes(model.SerializeToString())
        engine = OnnxRuntimeEngine(temporary.read_bytes())
        return check_agreement(engine.logits, loaded.model, loaded.spec.in_channels, f"{output.name}, read again,")


def export_openvino(checkpoint: Path, output: Path, *, mlflow_run: str | None = None) -> float:
    """Write a checkpoint as a folder for OpenVINO: `network.xml`, `network.bin` in float32, and `somanet.json`.

    Arguments, result and errors as for :func:`export_onnx`; the output must be a new folder or an older export.
    """
    names = {"network.xml", "network.bin", "somanet.json"}
    check_replaced(output, lambda child: child.name in names, what="an OpenVINO network")
    require("openvino", purpose="--format openvino")
    openvino = import_openvino()

    loaded = load_checkpoint(checkpoint)
    metadata = checkpoint_metadata(loaded, mlflow_run=mlflow_run, opset=OPSET)
    core = openvino.Core()
    model = core.read_model(to_onnx(loaded.model, loaded.spec.in_channels))
    model.set_rt_info(json.dumps(metadata), ["somanet"])
    with atomic_path(output) as temporary:
        temporary.mkdir()
        openvino.save_model(model, temporary / "network.xml", compress_to_fp16=False)
        write_json(temporary / "somanet.json", metadata)
        engine = OpenVinoEngine(core.read_model(temporary / "network.xml"))
        return check_agreement(engine.logits, loaded.model, loaded.spec.in_channels, f"{output.name}, read again,")
