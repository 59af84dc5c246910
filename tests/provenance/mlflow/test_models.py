from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow.exceptions import MlflowException

from somanet.core.errors import SomaNetError
from somanet.provenance.mlflow import TrackedRun, load_logged_model, logged_checkpoint, read_run, track_run
from somanet.provenance.mlflow.client import open_client
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import load_checkpoint
from somanet.training.experiments import SERVING_CODE
from tests.worlds import save_bright_network


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A network whose somas are the bright pixels."""
    return save_bright_network(tmp_path / "paper")


def model_of(root: Path, run: TrackedRun, name: str = "model") -> str:
    """The address of the run's only whole network of that name."""
    models = open_client(root).search_logged_models([run.experiment_id], filter_string=f"name = '{name}'")
    [model] = [one for one in models if (one.source_run_id, one.status) == (run.run_id, "READY")]
    return f"models:/{model.model_id}"


def files_of(root: Path, run_id: str, folder: str | None = None) -> list[str]:
    return sorted(Path(entry.path).name for entry in open_client(root).list_artifacts(run_id, folder))


@pytest.fixture
def logged(root: Path, checkpoint: Path) -> str:
    """The address of that network as a logged model."""
    with track_run("a", experiment="e", root=root, system_metrics=False) as run:
        run.log_model(checkpoint, SERVING_CODE)
    return model_of(root, run)


def picture(*shape: int, dtype: str = "uint8") -> np.ndarray:
    """Noise over the type's whole range, so with somas."""
    top = np.iinfo(dtype).max if dtype != "float32" else 1
    return (np.random.default_rng(shape[0]).random(shape) * top).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(48, 80), (70, 50, 3), (33, 65, 1), (64, 40, 4)])
def test_a_logged_model_labels_an_image_as_stored(
    root: Path, checkpoint: Path, logged: str, shape: tuple[int, ...], dtype: str
) -> None:
    """Of any size, type and number of channels, as a segmenter labels it."""
    image = picture(*shape, dtype=dtype)
    expected = Segmenter((load_checkpoint(checkpoint),)).segment(image)
    found = load_logged_model(logged, root).predict(image)
    assert found["labels"].shape == image.shape[:2]
    assert found["labels"].dtype == np.int32
    np.testing.assert_array_equal(found["labels"], expected.labels_YX)
    np.testing.assert_array_equal(found["confidence"], expected.confidence)
    assert len(found["confidence"]) == found["labels"].max() > 0


def test_a_batch_gives_a_list_and_what_is_no_image_one_line(root: Path, checkpoint: Path, logged: str) -> None:
    model, segmenter = load_logged_model(logged, root), Segmenter((load_checkpoint(checkpoint),))
    for batch in (picture(2, 48, 80), picture(3, 48, 80, 3), picture(1, 48, 80, 1)):
        found = model.predict(batch)
        assert len(found) == len(batch)
        for one, image in zip(found, batch, strict=True):
            np.testing.assert_array_equal(one["labels"], segmenter.labels(image))
    for wrong in (picture(48), picture(2, 48, 80, 5), picture(2, 2, 48, 80, 3), np.zeros((0, 5), np.uint8)):
        with pytest.raises(MlflowException, match="Expected") as caught:
            model.predict(wrong)
        assert "\n" not in str(caught.value)


def test_a_batch_from_json_keeps_its_type_and_the_sizes_of_its_images(
    root: Path, checkpoint: Path, logged: str
) -> None:
    """As MLflow's server reads `instances`: Python's numbers in arrays of type object, of which some are ragged."""
    from mlflow.pyfunc.scoring_server import _split_data_and_params, infer_and_parse_data

    model, segmenter = load_logged_model(logged, root), Segmenter((load_checkpoint(checkpoint),))
    for dtype, sizes in {
        "uint8": [(48, 80)],
        "uint16": [(48, 80), (48, 80)],
        "float32": [(48, 80), (40, 33), (48, 64, 3)],
    }.items():
        images = [picture(*size, dtype=dtype) for size in sizes]
        sent = json.dumps({"instances": [image.tolist() for image in images], "params": {"dtype": dtype}})
        data, params = _split_data_and_params(sent)
        found = model.predict(infer_and_parse_data(data, model.metadata.get_input_schema()), params)
        for one, image in zip(found, images, strict=True):
            np.testing.assert_array_equal(one["labels"], segmenter.labels(image))
    bright = np.array([[[0, 256], [3, 4]]], object)
    for wrong, dtype, words in (
        (bright, "uint8", 'found values from 0 to 256. .*"params": {"dtype": "uint16"}'),
        (bright, "complex64", "such as uint16, found 'complex64'"),
        (bright, "pixels", "such as uint16, found 'pixels'"),
        (np.array([[0.5, 1.5]], object)[None], "uint16", "found values from 0.5 to 1.5"),
        (bright[0], "uint16", "a list of images"),
        (np.array([[[1, 2], [3]]], object), "uint8", "equally many numbers"),
    ):
        with pytest.raises(MlflowException, match=words) as caught:
            model.predict(wrong, {"dtype": dtype})
        assert "\n" not in str(caught.value)


def test_a_logged_model_says_what_it_needs_takes_and_gives(root: Path, logged: str, tmp_path: Path) -> None:
    [description] = (root / "mlruns").rglob("MLmodel")
    folder, model = description.parent, load_logged_model(logged, root)
    signature = model.metadata.signature
    assert [output.name for output in signature.outputs.inputs] == ["labels", "confidence"]
    assert [param.name for param in signature.params.params] == ["dtype"]
    [found] = model.predict(model.input_example)
    assert found["labels"].shape == (48, 64)
    stored = [path.suffix for path in folder.rglob("*") if path.is_file()]
    assert not {".pkl", ".pt", ".pt2", ".pth"} & set(stored)  # nothing that needs unpickling
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"

    requirements = (folder / "requirements.txt").read_text().splitlines()
    wheel = next(line for line in requirements if line.endswith(".whl"))
    assert {"torch", "timm", "numpy"} <= {line.partition("==")[0] for line in requirements}
    # as MLflow installs it, in the model's folder, and then loads the model without the checkout
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--target", str(tmp_path / "site"), wheel], cwd=folder, check=True)
    load = (
        "import sys, somanet, mlflow.pyfunc\n"
        "assert somanet.__file__.startswith(sys.argv[2]), somanet.__file__\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "print(model.predict(model.input_example)[0]['labels'].sum())"
    )
    done = subprocess.run(
        [sys.executable, "-c", load, str(folder), str(tmp_path / "site")],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) == found["labels"].sum()


def test_a_logged_model_is_found_by_run_and_by_alias(root: Path, checkpoint: Path) -> None:
    with track_run("a", experiment="e", root=root, system_metrics=False) as run:
        run.log_model(checkpoint, SERVING_CODE)
    uri = model_of(root, run)
    client = open_client(root)
    client.create_registered_model("soma")
    logged = client.get_logged_model(uri.removeprefix("models:/"))
    client.create_model_version("soma", logged.artifact_location, run.run_id)
    client.set_registered_model_alias("soma", "champion", "1")
    expected = load_checkpoint(checkpoint).sha256
    for name in (uri, f"runs:/{run.run_id}/model", "models:/soma@champion"):
        assert load_checkpoint(logged_checkpoint(name, root)).sha256 == expected
    for name in ("models:/m-0", f"runs:/{run.run_id}/other"):
        with pytest.raises(SomaNetError):
            load_logged_model(name, root)
    assert "MLFLOW_TRACKING_URI" not in os.environ  # loading leaves no trace


def test_a_model_is_logged_once_and_one_that_was_cut_short_is_replaced(root: Path, checkpoint: Path) -> None:
    """Killed while its files were stored, then after it was complete; logging again leaves one complete model."""
    client = open_client(root)
    with track_run("a", experiment="e", root=root, system_metrics=False) as run:
        client.create_logged_model(run.experiment_id, name="model", source_run_id=run.run_id)
        run.log_model(checkpoint, SERVING_CODE)
        first = model_of(root, run)
        run.log_model(checkpoint, SERVING_CODE)
        run.log_model(checkpoint, SERVING_CODE, name="other")
    assert model_of(root, run) == first
    other = model_of(root, run, "other")
    models = client.search_logged_models([run.experiment_id])
    assert {f"models:/{model.model_id}" for model in models} == {first, other}
    assert {model.status for model in models} == {"READY"}
    outputs = client.get_run(run.run_id).outputs.model_outputs
    assert sorted(f"models:/{output.model_id}" for output in outputs) == sorted([first, other])  # in no order


def test_a_model_that_cannot_be_logged_is_one_warning_and_keeps_its_checkpoint(
    root: Path, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), track_run("a", experiment="e", root=root, system_metrics=False) as run:
        run.log_model(checkpoint, SERVING_CODE.with_name("no_such_file.py"))
    [warning] = [record for record in caplog.records if record.name.startswith("somanet")]
    assert "was not logged as an MLflow model" in warning.message
    assert "\n" not in warning.message
    assert read_run(run.run_id, root=root).status == "FINISHED"
    assert files_of(root, run.run_id, "checkpoint/paper") == ["config.json", "model.safetensors"]
    assert open_client(root).search_logged_models([run.experiment_id]) == []
