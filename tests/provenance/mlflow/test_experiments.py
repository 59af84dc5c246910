"""What `somanet/provenance/mlflow/experiments.py` makes MLflow's page show."""

from __future__ import annotations

import logging
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from mlflow.exceptions import MlflowException

from somanet.evaluation.scores import score_dataset
from somanet.migration.pooling import UNITS
from somanet.provenance.mlflow import experiments, score_name, track_run
from somanet.provenance.mlflow.client import open_client
from somanet.provenance.mlflow.experiments import DESCRIPTION, PAGES, describe_experiment, describe_experiments
from somanet.provenance.mlflow.params import flatten
from somanet.provenance.mlflow.views import TAG
from somanet.segmentation.network.settings import ModelSpec
from somanet.training.experiments import NETWORK
from somanet.training.loop.settings import TrainSettings
from somanet.training.loop.training import Epoch


def tags_of(root: Path, name: str) -> dict[str, str]:
    experiment = open_client(root).get_experiment_by_name(name)
    assert experiment is not None
    return dict(experiment.tags)


def new_run(root: Path, experiment: str) -> None:
    with track_run("a", experiment=experiment, root=root, system_metrics=False):
        pass


def test_an_experiment_is_described_when_its_first_run_starts(root: Path) -> None:
    new_run(root, "finetune")
    tags = tags_of(root, "finetune")
    experiment = open_client(root).get_experiment_by_name("finetune")
    page = PAGES["finetune"]
    assert tags[DESCRIPTION].startswith(page.title)
    assert sum(key.startswith(TAG) for key in tags) == len(page.views)
    for view in page.views:
        assert view.link(experiment.experiment_id) in tags[DESCRIPTION]
        assert f"{TAG}{view.key}" in tags


def test_what_people_change_or_delete_stays_so(root: Path) -> None:
    new_run(root, "finetune")
    client = open_client(root)
    experiment_id = client.get_experiment_by_name("finetune").experiment_id
    key = f"{TAG}{PAGES['finetune'].views[0].key}"
    client.set_experiment_tag(experiment_id, DESCRIPTION, "mine")
    client.delete_experiment_tag(experiment_id, key)
    new_run(root, "finetune")
    describe_experiments(root)
    tags = tags_of(root, "finetune")
    assert tags[DESCRIPTION] == "mine"
    assert key not in tags


def test_an_older_store_gains_the_views_and_keeps_a_description_of_its_own(root: Path) -> None:
    client = open_client(root)
    client.create_experiment("pretrain", tags={DESCRIPTION: "mine"})
    client.create_experiment("sweep")
    describe_experiments(root)
    assert tags_of(root, "pretrain")[DESCRIPTION] == "mine"
    assert f"{TAG}{PAGES['pretrain'].views[0].key}" in tags_of(root, "pretrain")
    assert tags_of(root, "sweep")[DESCRIPTION].startswith(PAGES["sweep"].title)


@pytest.mark.parametrize("edited", [False, True])
def test_a_later_version_replaces_its_own_description_only(
    root: Path, monkeypatch: pytest.MonkeyPatch, edited: bool
) -> None:
    page = PAGES["sweep"]
    with monkeypatch.context() as older:
        older.setattr(experiments, "PAGES", {"sweep": replace(page, title="An older title.")})
        new_run(root, "sweep")
    if edited:
        client = open_client(root)
        client.set_experiment_tag(client.get_experiment_by_name("sweep").experiment_id, DESCRIPTION, "mine")
    describe_experiments(root)
    assert tags_of(root, "sweep")[DESCRIPTION].startswith("mine" if edited else page.title)


def test_simulated_data_have_the_same_page_and_their_own_experiment(root: Path) -> None:
    for name in ("finetune", "finetune-simulated"):
        new_run(root, name)
    real, simulated = (tags_of(root, name) for name in ("finetune", "finetune-simulated"))
    assert simulated[DESCRIPTION].startswith(PAGES["finetune"].title)
    assert set(real) == set(simulated)


def test_experiments_of_other_names_are_left_alone(root: Path) -> None:
    new_run(root, "my own")
    assert tags_of(root, "my own") == {}


def test_a_store_that_refuses_is_one_warning(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = open_client(root)
    experiment_id = client.create_experiment("finetune")

    class Refusing:
        def set_experiment_tag(self, *_: str) -> None:
            raise MlflowException("Permission denied\nwith details")

    with caplog.at_level(logging.WARNING):
        describe_experiment(Refusing(), "finetune", experiment_id)  # type: ignore[arg-type]
    [record] = caplog.records
    assert record.getMessage() == "The experiment finetune got no description in MLflow: Permission denied."
    assert tags_of(root, "finetune") == {}


def test_the_page_shows_what_runs_record() -> None:
    """A renamed metric or parameter would leave an empty column."""
    image = np.zeros((4, 4), np.int32)
    image[1:3, 1:3] = 1
    scores = score_dataset([("a", image, image)]).values
    metrics = {score_name(score, on) for on in (None, "nuclei", "neurons") for score in scores}
    metrics |= {field.name for field in fields(Epoch)} | {"best_epoch", "train_seconds"}
    metrics |= {f"migration_{name}" for name in (*UNITS, "n_cells", "n_events")}
    params = set(flatten({"model": ModelSpec().model_dump(), "training": TrainSettings().model_dump(), "seed": 0}))
    params |= {"pixel_size_um", "frame_interval_min", "variant", "profile"}
    shown_metrics, shown_params = set(), set()
    for page in PAGES.values():
        for view in page.views:
            shown_metrics |= {*view.metrics, *(metric for part in view.sections for metric in part.metrics)}
            shown_params |= {*view.parameters, *(name for part in view.sections for name in part.parameters)}
    assert {view.group_by for page in PAGES.values() for view in page.views} == {None, NETWORK}
    assert shown_metrics - metrics == set()
    assert shown_params - params == set()
    assert {"iou", "training.learning_rate"} <= shown_metrics | shown_params


def test_axes_of_parallel_coordinates_are_numbers() -> None:
    """The page leaves out a run that has none there, such as one that trains all blocks."""
    settings = TrainSettings().model_dump()
    axes = {
        name for page in PAGES.values() for view in page.views for part in view.sections for name in part.parameters
    }
    assert axes
    for name in axes:
        section, _, key = name.partition(".")
        assert section == "training"
        assert isinstance(settings[key], int | float), name


def test_the_unfolded_line_fits() -> None:
    """The page shows one line of a description, about 130 characters on a common screen."""
    for name, page in PAGES.items():
        line = f"{page.title} Look at: {' · '.join(view.name for view in page.views)}"
        assert len(line) < 130, name
