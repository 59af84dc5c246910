"""`promote`: four networks that differ in one number, scored on eight images as their tables say."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException

from somanet.io.datasets.writers import write_kaggle
from somanet.provenance.mlflow import DatasetRef, list_aliases, read_run, read_version, register_run, track_run
from somanet.provenance.mlflow.client import open_client
from somanet.segmentation.network.checkpoint import load_checkpoint, save_checkpoint
from somanet.segmentation.network.settings import ModelSpec
from tests.worlds import bright_network, make_project, mlflow_may_warn, scene, somanet

LEVELS = [0.5, 0.6, 0.7, 0.8, 0.9, 0.3, 0.4, 0.6]
RULE = "promote: {evaluation: neurons, metric: iou, min_images: 5, tolerances: {precision: 0.02}}\n"


@pytest.fixture(autouse=True)
def _mlflow_may_warn() -> Iterator[None]:
    with mlflow_may_warn():
        yield


def table(more: float = 0.0, *, fp: int = 2, n: int = 8) -> pd.DataFrame:
    """Eight images; each IoU is `more` than at the first network, and `fp` somas of ten are false."""
    rows = {"name": [f"image{i}" for i in range(n)], "iou": [level + more for level in LEVELS[:n]], "n_true": 10}
    rows |= {"n_pred": 8 + fp, "tp_0.5": 8, "fp_0.5": fp, "fn_0.5": 2, "noise_objects": 0, "merges": 0, "splits": 0}
    return pd.DataFrame(rows)


SCORED = {"first": table(), "better": table(0.05), "best": table(0.08), "worse": table(-0.1), "noisy": table(0.1, fp=4)}
SCORED |= {"fewer": table(0.2, n=7), "here": table(), "there": table(0.1)}
DATA = {"here": "a" * 32, "there": "b" * 32}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The project and its runs by name; `unscored` has no table, and `stopped` did not finish."""
    root = make_project(tmp_path_factory.mktemp("promote") / "project", tmp_path_factory.getbasetemp())
    (root / "params.yaml").write_text(RULE)
    runs = {}
    with mlflow_may_warn():
        for i, name in enumerate((*SCORED, "unscored", "stopped")):
            network = bright_network()
            with torch.no_grad():
                network.head.bias.fill_(-10.0 - 0.001 * i)
            sha256 = save_checkpoint(root / name, network, ModelSpec(), {})
            try:
                data = [DatasetRef("val", "val", digest=DATA[name], context="test on neurons")] if name in DATA else []
                with track_run(name, experiment="e", root=root, datasets=data, system_metrics=False) as run:
                    runs[name] = run.run_id
                    run.set_tags({"weights_sha256": sha256})
                    run.log_file(root / name, "checkpoint")
                    if name in SCORED:
                        run.log_table(SCORED[name], "neurons_per_image.csv")
                    if name == "stopped":
                        raise KeyboardInterrupt
            except KeyboardInterrupt:
                pass
    return root, runs


@pytest.fixture
def project(made: tuple[Path, dict[str, str]]) -> Iterator[Path]:
    """The project with an empty registry."""
    yield made[0]
    (made[0] / "params.yaml").write_text(RULE)
    with contextlib.suppress(MlflowException):  # a test that registered nothing
        open_client(made[0]).delete_registered_model("somanet")


@pytest.fixture
def runs(made: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return made[1]


def promote(project: Path, *arguments: object) -> str | None:
    return somanet("promote", *arguments, cwd=project)


def test_the_first_becomes_champion_without_a_rival_and_a_better_one_replaces_it(
    project: Path, runs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert promote(project, runs["first"]) is None
    assert list_aliases(project) == {"champion": "1"}
    assert "no champion to compare" in read_version("1", project).tags["promotion.reason"]

    assert promote(project, runs["better"], "--to", "challenger") is None
    assert list_aliases(project) == {"champion": "1", "challenger": "2"}
    capsys.readouterr()
    assert promote(project, "challenger") is None
    shown = capsys.readouterr().out
    assert "0.600 → 0.650  +0.050 [+0.050, +0.050]" in shown
    assert "version 2 of the registered model" in shown
    assert list_aliases(project) == {"champion": "2"}  # of one network, and no longer a challenger
    tags = read_version("2", project).tags
    assert tags["promotion.previous_champion"] == tags["promotion.against"] == "1"
    assert tags["promotion.reason"].startswith("Better: iou 0.6500 against 0.6000")
    assert tags["weights_sha256"] == load_checkpoint(project / "better").sha256
    numbers = json.loads(tags["promotion.numbers"])
    assert set(numbers) == {"iou", "precision"}
    assert numbers["iou"]["low"] == pytest.approx(0.05)
    assert json.loads(tags["promotion.rule"])["tolerances"] == {"precision": 0.02}
    assert read_version("2", project).run_id == runs["better"]
    [network, scores, why] = read_version("2", project).description.split("\n\n")
    assert network == f"better of the experiment e, run `{runs['better']}`."
    assert scores == ("On neurons (8 images): IoU 0.650, precision 0.800, recall 0.800, accuracy 0.667, mean AP 0.667.")
    assert why.startswith("Champion because: Better: iou 0.6500 against 0.6000")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "worse",
            r"Not promoted: run {worse} \(worse\)\. Not better with 95 % confidence: iou 0\.5000 against 0\.6000",
        ),
        ("noisy", "but others are worse than tolerated: precision 0.6667 against 0.8000, tolerated 0.02"),
        ("fewer", r"scored on different images \(7 and 8\): only the champion has image7\. .* --record` does so"),
        ("unscored", "has no evaluation 'neurons'; it has none at all.*--model {unscored}.*--record neurons"),
        ("stopped", "is KILLED, expected FINISHED"),
        ("first", "is the champion already"),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(project: Path, runs: dict[str, str], name: str, words: str) -> None:
    assert promote(project, runs["first"]) is None
    error = promote(project, runs[name])
    assert error is not None
    assert re.search(words.format(**runs), error)
    assert "\n" not in error
    assert list_aliases(project) == {"champion": "1"}
    assert len(open_client(project).search_model_versions("name = 'somanet'")) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["0" * 32], "is not in sqlite:///mlruns/mlflow.db"),
        (["nobody"], "is not in sqlite"),
        ([], "Expected a RUN to promote, or --roll-back"),
        (["x", "--roll-back"], "give it without RUN and --to"),
        (["x", "--reason", "y"], "--reason goes with --roll-back"),
        (["--roll-back"], "There is no champion to roll back"),
        (["x", "--params", "nowhere.yaml"], "nowhere.yaml not found"),
        (["x", "--params", "wrong.yaml"], "section promote: unknown parameter 'metrics'. Did you mean 'metric'?"),
    ],
)
def test_bad_input_is_one_line(project: Path, arguments: list[str], words: str) -> None:
    (project / "wrong.yaml").write_text(RULE.replace("metric:", "metrics:"))
    error = promote(project, *arguments)
    assert error is not None
    assert words in error
    assert "\n" not in error


def test_a_dry_run_changes_nothing(project: Path, runs: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert promote(project, runs["first"], "--dry-run") is None
    assert "Nothing was changed" in capsys.readouterr().out
    assert open_client(project).search_registered_models() == []
    assert promote(project, runs["first"]) is None
    assert promote(project, runs["better"]) is None
    before = {number: read_version(number, project) for number in ("1", "2")}
    assert promote(project, "--roll-back", "--dry-run") is None
    assert promote(project, runs["best"], "--dry-run") is None
    assert {number: read_version(number, project) for number in ("1", "2")} == before


def test_rolling_back_goes_to_the_one_before(project: Path, runs: dict[str, str]) -> None:
    for name in ("first", "better", "best"):
        assert promote(project, runs[name]) is None
    assert list_aliases(project) == {"champion": "3"}
    assert promote(project, "--roll-back", "--reason", "it misses dim somas") is None
    assert list_aliases(project) == {"champion": "2"}
    reason = "Rolled back from version 3 to 2: it misses dim somas."
    assert [read_version(number, project).tags["rollback.reason"] for number in ("2", "3")] == [reason] * 2
    assert all(read_version(number, project).description.endswith(f"\n\n{reason}") for number in ("2", "3"))
    assert promote(project, "--roll-back") is None
    assert list_aliases(project) == {"champion": "1"}
    assert "is the first champion: there is no earlier one" in str(promote(project, "--roll-back"))
    # A candidate again: the same version, compared with the current champion.
    assert promote(project, runs["best"]) is None
    assert list_aliases(project) == {"champion": "3"}
    assert read_version("3", project).tags["promotion.previous_champion"] == "1"


def test_other_data_under_the_same_names_are_noticed(project: Path, runs: dict[str, str]) -> None:
    assert promote(project, runs["here"]) is None
    assert "was not scored on the data of the champion's" in str(promote(project, runs["there"]))
    assert promote(project, runs["better"]) is None  # the hash of its data was not recorded


def test_a_network_without_the_pipeline_is_scored_into_its_run_and_promoted(
    project: Path, runs: dict[str, str]
) -> None:
    """Both networks find the drawn somas: the second is equal to the champion, not better."""
    write_kaggle(project / "val.zip", [scene(name) for name in "ab"])
    for name in ("unscored", "best"):
        arguments = ["--model", runs[name], "--truth", "val.zip", "--output", "m.json", "--record", "drawn"]
        assert somanet("evaluate", *arguments, cwd=project) is None
    assert read_run(runs["best"], root=project).metrics["iou_drawn"] == 1.0
    (project / "params.yaml").write_text(RULE.replace("neurons", "drawn").replace("5", "2"))
    assert promote(project, runs["unscored"]) is None
    assert "Not better with 95 % confidence: iou 1.0000 against 1.0000" in str(promote(project, runs["best"]))
    for arguments, words in (
        (["--model", "best", "--record", "Not A Name"], "expected lower-case letters"),
        (["--predictions", "val", "--record", "drawn"], "--record adds a network's own scores to the run"),
    ):
        assert words in str(somanet("evaluate", *arguments, "--truth", "val.zip", "--output", "m.json", cwd=project))


def test_a_network_that_no_run_trained_cannot_be_recorded(project: Path) -> None:
    network = bright_network()
    with torch.no_grad():
        network.head.bias.fill_(-3.0)
    save_checkpoint(project / "stranger", network, ModelSpec(), {})
    write_kaggle(project / "val.zip", [scene("a")])
    arguments = ["--model", "stranger", "--truth", "val.zip", "--output", "none.json", "--record", "drawn"]
    assert "No finished run here trained the weights" in str(somanet("evaluate", *arguments, cwd=project))
    assert not (project / "none.json").exists()


def test_a_version_of_a_run_is_registered_once(project: Path, runs: dict[str, str]) -> None:
    first = register_run(runs["first"], project, tags={"a": "1"})
    again = register_run(runs["first"], project, tags={"b": "2"})
    assert again.number == first.number
    assert again.tags == {"a": "1", "b": "2"}
