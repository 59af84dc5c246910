"""Tracing back through a pipeline of three stages, by a dvc.lock with DVC's hashes."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from somanet.core.hashing import sha256_file
from somanet.provenance.trace.chain import chain_text
from somanet.provenance.trace.trace import trace
from tests.provenance.trace.worlds import kinds


def test_scores_lead_back_to_the_raw_data(project: Path, runs: dict[str, str]) -> None:
    chain = trace(project / "reports" / "metrics.json")
    assert chain.changed == chain.missing == ()
    trained = ["network", "run", "data", "network", "run"]  # the network, then the one that it started from
    assert kinds(chain) == ["file", "stage", "stage", *trained, "stage", "data"]
    assert [one.name for one in chain.links if one.what == "stage"] == ["score", "train@mine", "data"]
    assert chain.links[0].metadata["sha256"] == sha256_file(project / "reports" / "metrics.json")
    assert chain.links[0].metadata["dvc_md5"] == hashlib.md5(b'{"iou": 0.5}').hexdigest()
    train = next(one.as_dict() for one in chain.links if one.name == "train@mine")
    assert set(train["made_from"]) == {"stage data", f"network {runs['sha256']}"}
    assert train["params"] == {"seed": 3, "train": {"epochs": 2, "deep": {"lr": 0.1}}}
    run = next(one.as_dict() for one in chain.links if one.name == runs["mine"])
    assert (run["experiment"], run["status"], run["params"]) == ("finetune", "FINISHED", {"epochs": "2"})
    assert run["weights_sha256"] == runs["sha256"]
    assert run["started_from"] == runs["base_sha256"]


@pytest.mark.parametrize(
    ("file", "text", "traced", "words"),
    [
        ("reports/metrics.json", "{}", "reports/metrics.json", "file reports/metrics.json: its md5 is now"),
        ("code.py", "2", "reports/metrics.json", "stage train@mine: its dependency code.py is now"),
        ("data/a.csv", "9", "data/a.csv", "file data/a.csv: its md5 is now"),
        ("data/a.csv", "9", "reports/metrics.json", "stage data: its output data is now"),
        ("params.yaml", "seed: 4\n", "reports/metrics.json", "params.yaml: seed is now 4, dvc.lock has 3"),
        ("params.yaml", "seed: 3\ntrain: {epochs: 2, deep: {lr: 1}}\n", "models/seed0",
         "params.yaml: train is now deep: lr: 1, dvc.lock has 0.1"),
        ("models/seed0/model.safetensors", "x", "models/seed0", "model.safetensors is now"),
    ],
)  # fmt: skip
def test_what_has_changed_since_is_said(project: Path, file: str, text: str, traced: str, words: str) -> None:
    before = trace(project / traced)
    assert not any(words in one for one in before.changed)
    (project / file).write_text(text)
    after = trace(project / traced)
    assert any(words in one for one in after.changed), after.changed
    assert "Changed since (!)" in chain_text(after)


@pytest.mark.parametrize(
    ("gone", "traced", "words"),
    [
        ("mlruns", "reports/metrics.json", "no run that trained these weights is in this project's store"),
        ("data", "reports/metrics.json", "stage data: not here, but in DVC's cache (`dvc checkout` restores it): data"),
        ("models", "reports/metrics.json", "stage train@mine: not here, but in DVC's cache"),
        ("code.py", "reports/metrics.json", "neither here nor in DVC's cache (`dvc pull` or `dvc repro`): code.py"),
        ("reports/metrics.json", "reports/metrics.json", "the file is missing"),
    ],
)
def test_what_is_missing_is_said(project: Path, runs: dict[str, str], gone: str, traced: str, words: str) -> None:
    assert not any(words in one for one in trace(project / traced).missing)
    path = project / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    chain = trace(project / traced)
    assert any(words in one for one in chain.missing), chain.missing
    if gone == "mlruns":
        assert f"network {runs['sha256']}" in {one.id for one in chain.links}  # its weights would lead to the run
        assert not (project / "mlruns").exists()  # tracing creates no store


def test_an_input_is_where_the_chain_begins(project: Path) -> None:
    chain = trace(project / "code.py")
    assert kinds(chain) == ["file"]
    assert "the chain begins here" in chain.links[0].metadata["origin"]
    assert chain.changed == ()
    (project / "code.py").write_text("2")
    assert "its md5 is now" in trace(project / "code.py").changed[0]
