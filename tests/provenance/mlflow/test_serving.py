"""docs/serving.md as written: a logged network in a notebook, and behind MLflow's own server on this computer."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from somanet.provenance.mlflow import track_run
from somanet.provenance.mlflow.client import open_client
from somanet.segmentation.inference.segmenter import Segmenter
from somanet.segmentation.network.checkpoint import load_checkpoint
from somanet.training.experiments import SERVING_CODE
from tests.servers import serving
from tests.worlds import save_bright_network

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
NOTEBOOK, CLIENT = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
[SERVE] = re.findall(r"^```bash\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a champion and an image."""
    project = tmp_path_factory.mktemp("serving") / "project"
    shutil.copytree(template, project)
    save_bright_network(project / "net")
    with track_run("a", experiment="e", root=project, system_metrics=False) as run:
        run.log_model(project / "net", SERVING_CODE)
    client = open_client(project)
    [logged] = client.search_logged_models([run.experiment_id])
    client.create_registered_model("somanet")
    client.create_model_version("somanet", logged.artifact_location, run.run_id)
    client.set_registered_model_alias("somanet", "champion", "1")
    image = np.random.default_rng(0).integers(0, 4000, (70, 90)).astype(np.uint16)
    tifffile.imwrite(project / "cells.tif", image)
    return project


def environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **more,
    }


def python(code: str, project: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


def expected(project: Path) -> list[object]:
    found = Segmenter((load_checkpoint(project / "net"),)).segment(tifffile.imread(project / "cells.tif"))
    assert found.labels_YX.any()
    return [found.labels_YX.tolist(), found.confidence.tolist()]


def test_the_notebook_of_the_page(project: Path) -> None:
    shown = "\nimport json\nprint(json.dumps([found['labels'].tolist(), found['confidence'].tolist()]))"
    assert json.loads(python(NOTEBOOK + shown, project)) == expected(project)


@pytest.fixture
def server(project: Path) -> Iterator[str]:
    """The address of the page's server."""
    export, serve = SERVE.splitlines()
    name, _, address = export.removeprefix("export ").partition("=")
    with serving(serve, project, environment(**{name: address})) as url:
        yield url


def test_the_server_and_the_client_of_the_page(project: Path, server: str) -> None:
    shown = "\nprint(json.dumps([labels.tolist(), found['confidence']]))"
    client = CLIENT.replace("http://127.0.0.1:5001", server)
    assert client != CLIENT
    assert json.loads(python(client + shown, project)) == expected(project)

    forgotten = json.dumps({"instances": [tifffile.imread(project / "cells.tif").tolist()]}).encode()
    url, kind = f"{server}/invocations", {"Content-Type": "application/json"}
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, forgotten, kind), timeout=60)
    assert refused.value.code == 400
    assert "Expected pixels of type uint8, found values from 0 to 39" in json.load(refused.value)["message"]
