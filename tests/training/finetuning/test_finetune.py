"""A whole fine-tuning: files, the record in MLflow, cancelling, and verdicts where the truth is known."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file
from somanet.io.datasets.writers import write_pairs
from somanet.io.images import read_image
from somanet.provenance.mlflow import read_run
from somanet.segmentation.network.checkpoint import load_checkpoint, read_config
from somanet.training.finetuning import Cancelled, Finetuned, Parts, Progress, Start, divide, finetune_network
from tests.training.experiments.worlds import artifacts
from tests.training.finetuning.worlds import (
    CALIBRATION,
    CONFIDENCE,
    INTENDED,
    SHORT,
    add_sections,
    inverted_labels,
    noisy,
    params,
)
from tests.worlds import make_project, mlflow_may_warn, save_bright_network

N_MOVIES = 14


@pytest.fixture(autouse=True)
def _mlflow_may_warn() -> Iterator[None]:
    with mlflow_may_warn():
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project that is the working folder, with the crops' data set in it."""
    folder = make_project(tmp_path_factory.mktemp("finetuning") / "project", tmp_path_factory.getbasetemp())
    save_bright_network(folder / "start")
    add_sections(folder / "start", intended_use=INTENDED, calibration=CALIBRATION, confidence=CONFIDENCE)
    write_pairs(folder / "crops", [noisy(number).item for number in range(N_MOVIES)])
    with contextlib.chdir(folder):
        yield folder


def start(project: Path) -> Start:
    return Start(project / "start", "mine")


@pytest.fixture(scope="module")
def parts() -> Parts:
    return divide([noisy(number, movie=f"movie{number}") for number in range(N_MOVIES)], seed=0)


@pytest.fixture(scope="module")
def unchanged(project: Path, parts: Parts) -> tuple[Finetuned, list[Progress]]:
    """The network trained at a learning rate that moves no weight: as good as no training."""
    heard: list[Progress] = []
    before = {path.name: sha256_file(path) for path in (project / "start").iterdir()}
    with mlflow_may_warn():
        done = finetune_network(
            start(project), parts, params(), output=project / "same", root=project, on_progress=heard.append
        )
    assert {path.name: sha256_file(path) for path in (project / "start").iterdir()} == before
    assert done is not None
    return done, heard


def test_a_network_that_did_not_change_is_not_better(unchanged: tuple[Finetuned, list[Progress]]) -> None:
    verdict = unchanged[0].verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.unit, verdict.n_units, verdict.n_better) == ("not better", "movie", 6, 0)
    assert verdict.sentence == (
        "not better on 6 held-out crops of 6 movies: IoU +0.000 (95 % interval +0.000 to +0.000); keep the network mine"
    )


def test_the_report_has_the_numbers_and_a_picture(unchanged: tuple[Finetuned, list[Progress]]) -> None:
    done = unchanged[0]
    said = json.loads((done.report / "comparison.json").read_text())
    assert done.verdict is not None
    assert (said["start"], said["outcome"], said["sentence"]) == ("mine", "not better", done.verdict.sentence)
    assert said["differences"]["iou"]["value"] == 0.0
    table = pd.read_csv(done.report / "test_per_image.csv")
    assert table.groupby("network")["name"].nunique().to_dict() == {"fine-tuned": 6, "start": 6}
    picture = read_image(done.report / "before_after.png")
    assert picture.shape[0] > picture.shape[1], "six rows of three"


def test_the_checkpoint_says_what_it_may(unchanged: tuple[Finetuned, list[Progress]], parts: Parts) -> None:
    done = unchanged[0]
    config = read_config(done.checkpoint)
    assert config["intended_use"] == INTENDED
    assert done.sections["intended_use"] == "kept"
    assert ("calibration" in config) == done.sections["calibration"].startswith("fitted anew")
    assert config.get("calibration") != CALIBRATION
    assert "confidence" not in config, "a handful of validation crops has too few objects"
    assert config["crops"] == parts.digests()
    assert [one["images"] for one in config["trained_on"]] == [len(parts.train)], "no test image among them"
    assert config["started_from"]["network"] == "mine"
    load_checkpoint(done.checkpoint)


def test_the_run_names_the_start_and_the_verdict(project: Path, unchanged: tuple[Finetuned, list[Progress]]) -> None:
    done = unchanged[0]
    run = read_run(done.run_id, root=project)
    assert run.tags["start_weights_sha256"] == load_checkpoint(project / "start").sha256
    assert (run.tags["start"], run.tags["start_run"]) == ("mine", "none"), "no run trained it here"
    assert run.tags["compared_with_start"] == "not better"
    assert run.metrics["test_iou"] == run.metrics["test_iou_of_start"]
    assert run.metrics["test_iou_difference"] == 0
    assert {"tables/test_per_image.csv", "figures/before_after.png"} <= artifacts(project, done.run_id)


def test_the_next_fine_tuning_names_the_run_of_its_start(
    project: Path, unchanged: tuple[Finetuned, list[Progress]], parts: Parts
) -> None:
    first = unchanged[0]
    done = finetune_network(
        Start(first.checkpoint, "same"), parts, params(), output=project / "again", root=project, seed=1
    )
    assert done is not None
    assert read_run(done.run_id, root=project).tags["start_run"] == first.run_id
    assert read_config(done.checkpoint)["started_from"]["mlflow_run"] == first.run_id


def test_progress_is_told(unchanged: tuple[Finetuned, list[Progress]]) -> None:
    heard = unchanged[1]
    assert [(one.done, one.total) for one in heard if one.step == "training"] == [(1, 2), (2, 2)]
    assert [(one.done, one.total) for one in heard if one.step == "comparing"] == [(n, 12) for n in range(1, 13)]
    assert heard[0].text.startswith("epoch 1 of 2: validation IoU ")


@pytest.mark.parametrize("step", ["training", "comparing"])
def test_cancelling_writes_nothing_and_the_same_call_goes_on(project: Path, parts: Parts, step: str) -> None:
    heard: list[Progress] = []
    output = project / f"cancelled_{step}"
    call = {"output": output, "root": project, "seed": 7, "on_progress": heard.append}
    with pytest.raises(Cancelled, match="same call"):
        finetune_network(start(project), parts, params(), cancelled=lambda: heard[-1].step == step, **call)
    assert not output.exists()
    assert not output.with_name(f"{output.name}_report").exists()
    assert sum(one.step == "training" for one in heard) == (1 if step == "training" else 2)
    heard.clear()
    done = finetune_network(start(project), parts, params(), **call)
    assert done is not None
    assert done.verdict is not None
    assert read_run(done.run_id, root=project).status == "FINISHED"


def test_labels_of_the_wrong_side_make_it_worse(project: Path) -> None:
    """Trained on crops whose background is labelled as the somas, and tested on true labels."""
    wrong = [inverted_labels(noisy(number)) for number in range(6)]
    parts = Parts(tuple(wrong[:4]), tuple(wrong[4:]), tuple(noisy(number) for number in range(6, 13)))
    settings = SHORT.model_copy(update={"epochs": 3, "learning_rate": 2.0, "samples_per_epoch": 24})
    done = finetune_network(start(project), parts, params(settings), output=project / "wrong", root=project)
    assert done is not None
    assert done.verdict is not None
    assert done.verdict.outcome == "worse"
    assert done.verdict.sentence.endswith("keep the network mine")


def test_without_a_test_part_nothing_is_compared(project: Path) -> None:
    parts = Parts((noisy(1), noisy(2)), (noisy(3),), ())
    done = finetune_network(start(project), parts, params(), output=project / "alone", root=project)
    assert done is not None
    assert done.verdict is None
    assert not (done.report / "comparison.json").exists()


def test_a_test_image_that_is_trained_on_is_refused_before_anything_is_written(project: Path) -> None:
    parts = Parts((noisy(1), noisy(2)), (noisy(3),), (noisy(2),))
    with pytest.raises(SomaNetError, match="1 of 1 test images"):
        finetune_network(start(project), parts, params(), output=project / "leaking", root=project)
    assert not (project / "leaking").exists()
