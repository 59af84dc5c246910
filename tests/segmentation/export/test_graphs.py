"""ONNX and OpenVINO files: their metadata, and outputs equal to the checkpoint's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file
from somanet.segmentation.engines.eager import EagerEngine
from somanet.segmentation.export import export_onnx, export_openvino, graphs
from somanet.segmentation.network.checkpoint import load_checkpoint
from tests.worlds import save_bright_network, somanet

OPEN = {"onnx": (export_onnx, "network.onnx"), "openvino": (export_openvino, "folder")}


@pytest.fixture(params=list(OPEN))
def kind(request: pytest.FixtureRequest) -> str:
    for package in {"onnx": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}[request.param]:
        pytest.importorskip(package)
    return str(request.param)


def metadata_in(kind: str, path: Path) -> dict[str, Any]:
    """The file's metadata."""
    if kind == "onnx":
        import onnx

        model = onnx.load(path)
        assert [entry.version for entry in model.opset_import] == [17]
        told = {entry.key: entry.value for entry in model.metadata_props}
        assert told["weights_sha256"] == json.loads(told["somanet"])["weights_sha256"]
        return json.loads(told["somanet"])
    from somanet.segmentation.engines.openvino_engine import import_openvino

    model = import_openvino().Core().read_model(path / "network.xml")
    metadata = json.loads(model.get_rt_info(["somanet"]).astype(str))
    assert metadata == json.loads((path / "somanet.json").read_text(encoding="utf-8"))
    return metadata


def run(kind: str, path: Path, images: np.ndarray) -> np.ndarray:
    """Run the file without SomaNet."""
    if kind == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        [name] = [entry.name for entry in session.get_inputs()]
        return session.run(None, {name: images})[0]
    from somanet.segmentation.engines.openvino_engine import import_openvino

    compiled = import_openvino().compile_model(path / "network.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([images])[0]


def test_the_file_has_the_checkpoints_outputs(tmp_path: Path, kind: str) -> None:
    source = save_bright_network(tmp_path / "model")
    export, name = OPEN[kind]
    assert 0 <= export(source, tmp_path / name, mlflow_run="abc") < 1e-4
    for shape in ((2, 3, 32, 96), (1, 3, 160, 64)):
        images = np.random.default_rng(0).random(shape, dtype=np.float32)
        expected = EagerEngine(load_checkpoint(source).model).logits(images)
        np.testing.assert_allclose(run(kind, tmp_path / name, images), expected, rtol=1e-4, atol=1e-4)
    metadata = metadata_in(kind, tmp_path / name)
    assert metadata["weights_sha256"] == sha256_file(source / "model.safetensors")
    assert metadata["mlflow_run"] == "abc"
    assert metadata["input"]["kind"] == "rgb"
    assert metadata["output"]["channels"] == ["soma"]
    assert "its probability is at least 0.5" in metadata["output"]["postprocessing"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["model", name])


def test_a_file_with_other_outputs_is_not_kept(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is swapped for one with other weights before it is written; the check after writing must notice."""
    import torch

    source = save_bright_network(tmp_path / "model")
    right = graphs.to_onnx

    def wrong(model: torch.nn.Module, channels: int) -> bytes:
        with torch.no_grad():
            bias = model.get_parameter("head.bias")
            bias += 0.01
            content = right(model, channels)
            bias -= 0.01
        return content

    monkeypatch.setattr(graphs, "to_onnx", wrong)
    export, name = OPEN[kind]
    with pytest.raises(SomaNetError, match=r"read again, does not agree with torch .*found 0\.01"):
        export(source, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_damaged_checkpoint_is_not_exported(tmp_path: Path, kind: str) -> None:
    source = save_bright_network(tmp_path / "model")
    weights = source / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    export, name = OPEN[kind]
    with pytest.raises(SomaNetError, match="expected sha256"):
        export(source, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_an_onnx_file_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match=r"ends in \.onnx"):
        export_onnx(tmp_path / "model", tmp_path / "network")


def test_a_folder_of_other_things_stays(tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "thesis.doc").write_text("years of work")
    with pytest.raises(SomaNetError, match="contains files other than an OpenVINO network"):
        export_openvino(tmp_path / "model", tmp_path / "album")
    assert (tmp_path / "album" / "thesis.doc").exists()


def test_an_openvino_network_is_exported_again_and_others_files_are_kept(tmp_path: Path) -> None:
    """Its hidden notes are none of the others' files; what a person put there is refused, and kept with --replace."""
    pytest.importorskip("openvino")
    save_bright_network(tmp_path / "model")
    export = ("export", "model", "--format", "openvino", "--output", "out/b")
    assert [somanet(*export, cwd=tmp_path) for _ in range(2)] == [None, None]
    (tmp_path / "out/b/thesis.doc").write_text("years of work")
    error = somanet(*export, cwd=tmp_path)
    assert error is not None
    assert "contains files that SomaNet did not write" in error
    assert "--replace" in error
    assert somanet(*export, "--replace", cwd=tmp_path) is None
    assert (tmp_path / "out/b.before/thesis.doc").read_text() == "years of work"
    assert not (tmp_path / "out/b/thesis.doc").exists()
