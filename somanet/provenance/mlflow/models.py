"""A trained network in MLflow: its checkpoint and the code that serves it, no pickle, images of any size as stored.

The authoritative weights are the checkpoint's safetensors and config; the MLflow model contains a copy of that folder.
A traced graph (`pt2`) was tried first: with size-dependent padding (TensorFlow's encoders) torch's symbolic shapes ran
for minutes without end, and other graphs silently fixed an axis.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from somanet.core.errors import SomaNetError, first_line
from somanet.provenance.mlflow.client import open_client, outage_errors, reaching_files

if TYPE_CHECKING:
    import numpy as np
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import PyFuncModel
    from numpy.typing import NDArray

_REQUIREMENTS = (
    "mlflow",
    "numpy",
    "opencv-python-headless",
    "safetensors",
    "scikit-image",
    "scipy",
    "segmentation-models-pytorch",
    "timm",
    "torch",
    "torchvision",
)
"""What decides the labels, in the versions of the training; the wheel of SomaNet names the rest itself."""
CHECKPOINT = "checkpoint"
"""Name of the checkpoint folder among the model's artifacts."""


class NotSaved(SomaNetError):
    """A network that cannot be stored as an MLflow model."""


@dataclass(frozen=True)
class ServedModel:
    """What MLflow needs to serve a network.

    Attributes:
        checkpoint: folder with safetensors and config.
        code: Python file that calls `mlflow.models.set_model` on a model reading that folder.
        package: wheel of the SomaNet that it imports.
    """

    checkpoint: Path
    code: Path
    package: Path


def log_served_model(client: MlflowClient, run_id: str, experiment_id: str, served: ServedModel, *, name: str) -> None:
    """Log a network, unless the run has it already.

    A model left incomplete by a killed process is deleted.

    Raises:
        NotSaved: the network cannot be stored as an MLflow model; the store was not contacted.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    ready = None
    for model in (one for one in _models_of(client, run_id, experiment_id) if one.name == name):
        if ready is None and _is_ready(model):
            ready = str(model.model_id)
        else:
            client.delete_logged_model(model.model_id)
    if ready is None:
        with tempfile.TemporaryDirectory(prefix="somanet-model-") as scratch:
            folder = Path(scratch) / "model"
            description = Model(artifact_path=name, run_id=run_id)
            try:
                _save(served, folder, description)
            except outage_errors() as error:
                raise NotSaved(f"The network was not logged as an MLflow model: {first_line(error)}") from error
            # Created only now, so that a failed save leaves no empty model in the list.
            params = client.get_run(run_id).data.params  # for the model's own page
            ready = client.create_logged_model(experiment_id, name=name, source_run_id=run_id, params=params).model_id
            description.model_id = ready
            description.save(folder / "MLmodel")
            client.log_model_artifacts(ready, str(folder))
        client.finalize_logged_model(ready, "READY")
    if ready not in _outputs(client, run_id):
        client.log_outputs(run_id, [LoggedModelOutput(ready, 0)])


def logged_model_of(client: MlflowClient, run_id: str, experiment_id: str) -> str | None:
    """The ``models:/`` address of a run's logged network, if it has one and the store responds."""
    try:
        models = _models_of(client, run_id, experiment_id)
    except outage_errors():
        return None
    return next((f"models:/{model.model_id}" for model in models if _is_ready(model)), None)


def _models_of(client: MlflowClient, run_id: str, experiment_id: str) -> Sequence[LoggedModel]:
    found: Sequence[LoggedModel] = client.search_logged_models(
        [experiment_id], filter_string=f"source_run_id = '{run_id}'"
    )
    return found


def _is_ready(model: LoggedModel) -> bool:
    from mlflow.entities import LoggedModelStatus

    return bool(model.status == LoggedModelStatus.READY)


def _outputs(client: MlflowClient, run_id: str) -> list[str]:
    outputs = client.get_run(run_id).outputs
    return [output.model_id for output in (outputs.model_outputs if outputs else [])]


def _save(served: ServedModel, folder: Path, description: Any) -> None:
    with _quiet_pyfunc() as pyfunc:
        pyfunc.save_model(
            str(folder),
            python_model=str(served.code),
            artifacts={CHECKPOINT: str(served.checkpoint)},
            signature=_signature(),
            input_example=_example(),
            mlflow_model=description,
            code_paths=[str(served.package)],
            # Listed explicitly: inferring them takes 10 s in another process and misses packages. A path is relative to
            # the model's folder, in which MLflow runs pip.
            pip_requirements=[
                f"code/{served.package.name}",
                *(f"{package}=={_version(package)}" for package in _REQUIREMENTS),
            ],
        )


def _signature() -> ModelSignature:
    """What goes in and comes out.

    MLflow's type for arrays of one fixed pixel type would refuse every other; `object` of length -1 is its word for any
    array.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import DataType, ParamSchema, ParamSpec, Schema, TensorSpec

    labels = TensorSpec(np.dtype("int32"), (-1, -1), "labels")
    confidence = TensorSpec(np.dtype("float64"), (-1,), "confidence")
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("O"), (-1,))]),
        outputs=Schema([labels, confidence]),
        params=ParamSchema([ParamSpec("dtype", DataType.string, "uint8")]),
    )


def _example() -> NDArray[np.uint8]:
    """A batch of one image NYX: two discs on a dark background."""
    import numpy as np

    y, x = np.mgrid[:48, :64]
    discs = ((y - 20) ** 2 + (x - 18) ** 2 < 64) | ((y - 30) ** 2 + (x - 45) ** 2 < 81)
    return np.where(discs, 180, 20).astype(np.uint8)[None]


@contextmanager
def _quiet_pyfunc() -> Iterator[Any]:
    """`mlflow.pyfunc` without its advice on type hints and examples, which the tensor signature replaces."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc

        yield mlflow.pyfunc


def _version(package: str) -> str:
    return metadata.version(package).split("+")[0]  # a local build tag such as +cu130 is on no package index


def load_logged_model(uri: str, root: Path | str) -> PyFuncModel:
    """Load a network that :meth:`TrackedRun.log_model` wrote; ``predict(image)`` gives its labels and confidence.

    Args:
        uri: ``models:/<model id>``, ``runs:/<run id>/<name>``, ``models:/<registered name>@<alias>`` or
            ``models:/<registered name>/<version>``.
        root: the project.

    Raises:
        SomaNetError: the store has no such model.
    """
    with _quiet_pyfunc() as pyfunc:
        model: PyFuncModel = pyfunc.load_model(str(_download(uri, root)))
    return model


def logged_checkpoint(uri: str, root: Path | str) -> Path:
    """The checkpoint folder of a logged model, for access to the network itself; errors as above."""
    return checkpoint_within(_download(uri, root), uri)


def checkpoint_within(folder: Path, model: str) -> Path:
    """The checkpoint among a model's files: MLflow keeps the folder's own name, below `artifacts/`.

    Raises:
        SomaNetError: there is none.
    """
    for config in (*folder.glob("config.json"), *folder.glob("*/config.json"), *folder.glob("artifacts/*/config.json")):
        return config.parent
    raise SomaNetError(f"The model {model} contains no SomaNet checkpoint. Was it logged by another program?")


def _download(uri: str, root: Path | str) -> Path:
    client = open_client(root)
    try:
        location = _location(client, uri)
    except outage_errors() as error:
        raise SomaNetError(f"The model {uri} cannot be found: {first_line(error)}") from error
    # Resolved here, since MLflow looks up `models:/` in its global store whatever store it is given, and
    # setting the global store writes MLFLOW_TRACKING_URI into the environment for the rest of the process.
    return fetch(location, client)


def fetch(location: str, client: MlflowClient) -> Path:
    """Files of the store as a local folder: in place if that is local, else a temporary copy until Python exits."""
    from mlflow.artifacts import download_artifacts

    local = urlparse(location).scheme in ("", "file")
    place = None if local else tempfile.mkdtemp(prefix="somanet-model-")
    if place is not None:
        atexit.register(shutil.rmtree, place, ignore_errors=True)
    with reaching_files("The files of a model cannot be read from the store"):
        found = download_artifacts(artifact_uri=location, tracking_uri=client.tracking_uri, dst_path=place)
    return Path(found)


def _location(client: MlflowClient, uri: str) -> str:
    """Location of a model's files."""
    scheme, _, rest = uri.partition(":/")
    if scheme == "models" and "@" in rest:
        name, _, alias = rest.partition("@")
        return str(client.get_model_version_download_uri(name, client.get_model_version_by_alias(name, alias).version))
    if scheme == "models" and "/" in rest:
        name, _, version = rest.rpartition("/")
        return str(client.get_model_version_download_uri(name, version))
    if scheme == "models":
        return str(client.get_logged_model(rest).artifact_location)
    run_id, _, name = rest.partition("/")
    outputs = client.get_run(run_id).outputs
    models = [client.get_logged_model(one.model_id) for one in reversed(outputs.model_outputs if outputs else [])]
    for model in models:
        if model.name == name:
            return str(model.artifact_location)
    has = f"it has {', '.join(sorted({model.name for model in models}))}" if models else "was it killed before the end?"
    raise SomaNetError(f"The run {run_id} has no model {name!r}: {has}")
