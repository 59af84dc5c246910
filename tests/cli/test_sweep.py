"""`somanet sweep` as a user runs it: its output, errors in one line, and the winner in params.yaml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from somanet.config import load_params
from somanet.core.settings import parse, read_yaml
from somanet.training.sweep.settings import SweepParams
from somanet.training.sweep.space import read_space
from tests.test_readme import commands, problem_with, somanet_arguments
from tests.training.sweep.worlds import ROOT, Trainings, make_sweep_project, sweep_values, use_formula
from tests.worlds import somanet

SPACE = {"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sweep_project(
        tmp_path / "project",
        tmp_path_factory.getbasetemp(),
        rates=sweep_values(space=SPACE, trials=2),
        seeds=sweep_values(sampler="grid", trials=None, space={"seed": [0, 1]}),
    )


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    return use_formula(monkeypatch, recorded=False)


def change(project: Path, **sweep: Any) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["sweep"]["rates"] |= sweep
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def test_no_minutes_start_no_trial(project: Path, trainings: Trainings) -> None:
    error = somanet("sweep", "rates", "--minutes", "0", cwd=project)
    assert error is not None
    assert "No trial is complete (none was started)" in error
    assert trainings.begun == []


def test_the_winner_becomes_a_variant(project: Path, trainings: Trainings, capsys: pytest.CaptureFixture[str]) -> None:
    before = (project / "params.yaml").read_text()
    assert somanet("sweep", "rates", cwd=project) is None
    said = capsys.readouterr().out
    assert "Sweep rates: new Optuna study" in said
    assert "6 neuron images for training, 2 held out for scoring" in said
    assert "Best: trial " in said
    assert "MLflow run: parent" in said
    assert said.rstrip().endswith("Next: somanet sweep rates --write-back NAME, or somanet ui")
    assert (project / "params.yaml").read_text() == before

    assert somanet("sweep", "rates", "--write-back", "tuned", cwd=project) is None
    said = capsys.readouterr().out
    assert "2 of 2 trials done" in said
    assert said.rstrip().endswith("Next: dvc repro finetune@tuned evaluate@tuned compare")
    assert len(trainings.begun) == 2
    tuned, tiny = (load_params(project / "params.yaml").finetune[name] for name in ("tuned", "tiny"))
    assert tuned.training.learning_rate != tiny.training.learning_rate
    assert f"training.learning_rate: {tuned.training.learning_rate}" in said
    assert tuned.training.model_copy(update={"learning_rate": tiny.training.learning_rate}) == tiny.training

    assert "--force" in str(somanet("sweep", "rates", "--write-back", "paper_last3", cwd=project))
    assert "lower-case letters" in str(somanet("sweep", "rates", "--write-back", "Tuned!", cwd=project))


def test_a_grid_over_seeds(project: Path, trainings: Trainings, capsys: pytest.CaptureFixture[str]) -> None:
    assert somanet("sweep", "seeds", cwd=project) is None
    said = capsys.readouterr().out
    assert "Best: mean of trials 0, 1, val_iou " in said
    assert "standard deviation 0.0000" in said
    assert said.rstrip().endswith("Next: somanet ui")
    assert trainings.seeds == [0, 1]


def test_outside_of_the_pipeline(project: Path, trainings: Trainings, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "data/packed/target_train").rename(project / "crops")
    (project / "models/pretrain/paper").rename(project / "network")
    outside = ["--data", "crops", "--start", "network"]
    assert somanet("sweep", "rates", *outside, "--trials", 1, "--output", "out", cwd=project) is None
    said = capsys.readouterr().out
    assert said.rstrip().endswith("somanet sweep rates --data crops --start network --write-back NAME, or somanet ui")
    assert (project / "out/trials.csv").exists()
    assert somanet("sweep", "rates", *outside, "--trials", 1, "--write-back", "tuned", cwd=project) is None
    expected = "Next: somanet finetune crops --start network --params params.yaml --variant tuned --output models/tuned"
    assert capsys.readouterr().out.rstrip().endswith(expected)


@pytest.mark.parametrize(
    ("arguments", "sweep", "words"),
    [
        (["raets"], {}, "params.yaml has no sweep.raets; it has rates, seeds."),
        (["rates"], {"space": {"training.learning_rat": [1]}}, "Did you mean 'training.learning_rate'?"),
        (["rates"], {"space": {"training.size_px": [64, 100]}}, "multiple of 32, found 100"),
        (["rates"], {"space": {"training.epochs": {"low": 9, "high": 3}}}, "low must be below high"),
        (["rates"], {"space": {"training.learning_rate": {"low": 0, "high": 1, "log": True}}}, "must lie above 0"),
        (["rates"], {"base": "tinny"}, "sweep.rates.base is 'tinny'; finetune has"),
        (["rates"], {"trials": None}, "needs trials or minutes"),
        (["rates"], {"space": {"start": ["paper", "nowhere"]}}, "start 'nowhere' is not a network"),
        (["rates", "--start", "x"], {"space": {"start": ["paper"]}}, "--start names one network, but the space varies"),
        (["rates", "--data", "nowhere"], {}, "nowhere"),
        (["rates", "--params", "none.yaml"], {}, "none.yaml not found"),
        (["rates", "--scheduler", "tcp://node01:8786"], {}, "is not encrypted"),
        (["rates", "--tls-ca-file", "ca.pem"], {}, "give all three, or none"),
        (
            ["rates", *("--tls-ca-file", "a.pem", "--tls-cert", "a.pem", "--tls-key", "b.pem")],
            {},
            "Certificates are for --scheduler",
        ),
        (["rates"], {"holdout": 0.01}, ""),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_trained(
    arguments: list[str], sweep: dict[str, Any], words: str, project: Path, trainings: Trainings
) -> None:
    change(project, **sweep)
    line = somanet("sweep", *arguments, cwd=project)
    if not words:  # the smallest hold-out is one image
        assert line is None
        return
    assert line is not None
    assert words in line
    assert "\n" not in line
    assert trainings.begun == []
    assert not (project / "mlruns/sweeps").exists()


def test_what_is_missing_is_named_with_the_command_that_makes_it(project: Path, trainings: Trainings) -> None:
    (project / "models/pretrain/paper/config.json").unlink()
    assert "Run `dvc repro manifest pretrain@paper` first" in str(somanet("sweep", "rates", cwd=project))
    (project / "data/packed/target_train").rename(project / "elsewhere")
    assert "`dvc repro manifest" in str(somanet("sweep", "rates", cwd=project))


def test_sweeps_need_their_extra(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("somanet.core.extras.missing", lambda extra: (f"a package of {extra}",))
    assert somanet("sweep", "rates", cwd=project) == (
        "error: somanet sweep needs a package of sweeps, not found here: pip install 'somanet[sweeps]'."
    )
    monkeypatch.setattr("somanet.core.extras.missing", lambda extra: ("distributed",) if extra == "cluster" else ())
    assert somanet("sweep", "rates", "--workers", "2", cwd=project) == (
        "error: A cluster (--workers, --scheduler) needs distributed, not found here: pip install 'somanet[cluster]'."
    )


@pytest.mark.parametrize("guide", ["docs/sweeps.md", "examples/slurm/README.md"])
def test_the_commands_of_the_guides_are_accepted(guide: str) -> None:
    text = re.sub(r"^ {3,4}", "", (ROOT / guide).read_text(encoding="utf-8"), flags=re.MULTILINE)  # blocks in lists
    given = [somanet_arguments(line) for line in commands(text)]
    sweeps = [arguments for arguments in given if arguments]
    assert sweeps
    assert [problem for arguments in sweeps if (problem := problem_with(arguments))] == []


def test_the_sweeps_of_the_guide_are_possible() -> None:
    """Its first YAML block is a whole section; the second one goes below it."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/sweeps.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    first, second = (yaml.safe_load(block) for block in blocks)
    raw = read_yaml(ROOT / "params.yaml")
    for sweep in (first["sweep"]["rates"], second["seeds"]):
        chosen = parse(SweepParams, sweep, source="docs/sweeps.md")
        assert read_space(chosen, raw["finetune"][chosen.base], source="docs/sweeps.md")


@pytest.mark.slow
def test_a_real_sweep_with_real_runs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is replaced: networks are built, trained, scored, drawn and recorded."""
    from somanet.core.files import read_json
    from somanet.provenance.mlflow import child_runs
    from somanet.provenance.mlflow.client import open_client
    from tests.worlds import mlflow_may_warn

    with mlflow_may_warn():
        assert somanet("sweep", "rates", cwd=project) is None
        summary = read_json(project / "reports/sweeps/rates/sweep.json", expected="a sweep's summary")
        children = child_runs(summary["mlflow_run"], root=project)
        client = open_client(project)
        for run in children:
            assert run.tags["weights_sha256"]
            assert {"iou", "precision", "accuracy", "best_val_iou"} <= set(run.metrics)
            assert (run.tags["scored_on"], run.params["sweep"]) == ("holdout", "rates")
            assert {one.path for one in client.list_artifacts(run.run_id)} >= {"checkpoint", "figures", "tables"}
        parent = {one.path for one in client.list_artifacts(summary["mlflow_run"])}
    assert len(children) == 2
    assert parent == {"figures", "sweep.json", "tables"}
    [network] = summary["best"]["networks"]
    assert (project / network / "model.safetensors").exists()
    assert (
        somanet("predict", "data/packed/target_train/images", "--model", network, "--output", "x", cwd=project) is None
    )
