"""A trained network in MLflow: a traced graph (``pt2``) without pickle, usable at other image sizes.

The weights of record are the checkpoint's safetensors and config; the MLflow model is a copy for serving.
"""

from __future__ import annotations

import copy
import json
import tempfile
import warnings
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somanet.errors import SomaNetError
from somanet.mlops.spool import first_line, outage_errors

if TYPE_CHECKING:
    import numpy as np
    import torch
    from mlflow import MlflowClient

_EXAMPLE_SIDES_PX = (64, 96)
_REQUIREMENTS = ("mlflow", "numpy", "pandas", "torch")


class ExportFailed(Exception):
    """A network cannot be written as a traced graph of free image size; the text says why, in one line."""


def log_torch_model(
    client: MlflowClient,
    run_id: str,
    experiment_id: str,
    model: torch.nn.Module,
    example_NCHW: Any,
    *,
    name: str,
) -> str:
    """Log a network and return its ``models:/`` address.

    Batch size, height and width stay free, in multiples of the network's stride; the smallest image is
    larger than one stride.

    Raises:
        ExportFailed: torch cannot trace the network, or the trace fixed its image size.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    with tempfile.TemporaryDirectory(prefix="somanet-model-") as scratch:
        folder = Path(scratch) / "model"
        description = Model(artifact_path=name, run_id=run_id)
        _export(model, example_NCHW, folder, description)
        if fixed := fixed_axes(folder / "data" / "model.pt2"):
            raise ExportFailed(f"the trace fixed {', '.join(fixed)}, other sizes would be refused.")
        # Registered only now, so that a failed export leaves no empty model in the list.
        logged = client.create_logged_model(experiment_id, name=name, source_run_id=run_id)
        description.model_id = logged.model_id
        description.save(folder / "MLmodel")
        try:
            client.log_model_artifacts(logged.model_id, str(folder))
        except outage_errors():
            client.finalize_logged_model(logged.model_id, "FAILED")
            raise
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    return f"models:/{logged.model_id}"


def _export(model: torch.nn.Module, example_NCHW: Any, folder: Path, description: Any) -> None:
    import mlflow.pytorch
    import numpy as np
    import torch
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    # A copy on the CPU: an exported graph is tied to the device it was traced on, and MLflow refuses to move
    # it.
    plain = copy.deepcopy(model).cpu().eval().to(memory_format=torch.contiguous_format)
    example = small_example(example_NCHW)
    with torch.no_grad():
        n_outputs = int(plain(torch.from_numpy(example)).shape[1])
    free = {0, 2, 3}

    def spec(n_channels: int) -> Schema:
        shape = tuple(-1 if axis in free else n_channels for axis in range(4))
        return Schema([TensorSpec(np.dtype("float32"), shape)])  # unnamed: a named one is refused by pt2

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.pytorch.save_model(
                plain,
                str(folder),
                signature=ModelSignature(spec(example.shape[1]), spec(n_outputs)),
                input_example=example,
                mlflow_model=description,
                # Given, since inferring them takes 10 s in another process and misses packages.
                pip_requirements=[f"{package}=={_version(package)}" for package in _REQUIREMENTS],
                serialization_format="pt2",
            )
    except Exception as error:  # torch.export has no common base class for what it cannot trace
        raise ExportFailed(first_line(error)) from error


def _version(package: str) -> str:
    return metadata.version(package).split("+")[0]  # a local build tag such as +cu130 is on no package index


def small_example(example_NCHW: Any) -> np.ndarray:
    """A batch of two small images with unequal sides, with the caller's number of channels.

    Two, because torch fixes axes of length one; unequal, so that swapped axes show; small and with few
    digits, because MLflow stores it twice as JSON text. The values matter to nobody.
    """
    import numpy as np

    n_channels = int(example_NCHW.shape[1])
    values = np.random.default_rng(0).integers(0, 17, size=(2, n_channels, *_EXAMPLE_SIDES_PX)) / 16
    return values.astype(np.float32)


def fixed_axes(path: Path) -> list[str]:
    """Axes of the input that an exported graph cannot change, of batch size, height and width.

    MLflow leaves the choice to torch (``Dim.AUTO``), which fixes an axis without a word where the code
    demands it. Read from the archive's description: loading the graph would take seconds. Empty if torch
    wrote it otherwise.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("models/model.json"))
            module = json.loads(archive.read(name))["graph_module"]
        inputs = [spec["user_input"] for spec in module["signature"]["input_specs"] if "user_input" in spec]
        sizes = module["graph"]["tensor_values"][inputs[0]["arg"]["as_tensor"]["name"]]["sizes"]
        return [axis for axis, i in (("batch size", 0), ("height", 2), ("width", 3)) if "as_int" in sizes[i]]
    except (KeyError, IndexError, StopIteration, TypeError, ValueError, OSError, zipfile.BadZipFile):
        return []


def save_weights(model: torch.nn.Module, folder: Path) -> Path:
    """Weights as safetensors with a short config, for a network without export and without checkpoint."""
    from safetensors.torch import save_model

    folder.mkdir(parents=True)
    save_model(copy.deepcopy(model).cpu(), str(folder / "model.safetensors"))
    config = {"class": f"{type(model).__module__}.{type(model).__qualname__}", "format": "safetensors"}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return folder


def load_logged_model(uri: str, root: Path | str) -> torch.nn.Module:
    """Load a network that :meth:`TrackedRun.log_model` wrote.

    Args:
        uri: ``models:/<model id>``, ``runs:/<run id>/<name>``, or ``models:/<registered name>@<alias>``.
        root: the project.

    Raises:
        SomaNetError: the store has no such model.
    """
    from somanet.mlops.client import open_client

    client = open_client(root)
    try:
        location = _location(client, uri)
    except outage_errors() as error:
        raise SomaNetError(f"The model {uri} cannot be found: {first_line(error)}") from error
    from mlflow.artifacts import download_artifacts
    from mlflow.pytorch import load_model

    # Resolved here, since MLflow looks `models:/` up in its global store whatever store it is told, and
    # setting the global store writes MLFLOW_TRACKING_URI into the environment for the rest of the process.
    folder = download_artifacts(artifact_uri=location, tracking_uri=client.tracking_uri)
    model: torch.nn.Module = load_model(folder)  # type: ignore[no-untyped-call]
    return model


def _location(client: MlflowClient, uri: str) -> str:
    """Where the files of a model lie."""
    scheme, _, rest = uri.partition(":/")
    if scheme == "models" and "@" in rest:
        name, _, alias = rest.partition("@")
        return str(client.get_model_version_download_uri(name, client.get_model_version_by_alias(name, alias).version))
    if scheme == "models":
        return str(client.get_logged_model(rest).artifact_location)
    run_id, _, name = rest.partition("/")
    outputs = client.get_run(run_id).outputs
    for output in reversed(outputs.model_outputs if outputs else []):
        model = client.get_logged_model(output.model_id)
        if model.name == name:
            return str(model.artifact_location)
    raise SomaNetError(f"The run {run_id} has no model {name!r}. Was its export refused? Its log says so.")
