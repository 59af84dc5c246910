"""From a file back to the data. The pipeline is three stages in a hand-written dvc.lock; the hashes are DVC's."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml

from somanet.data.layouts import write_kaggle
from somanet.errors import SomaNetError
from somanet.files import sha256_file
from somanet.lineage.chain import Chain, chain_text
from somanet.lineage.hashes import Hashes, cache_folder, cache_object
from somanet.lineage.trace import trace
from somanet.mlops import DatasetRef, track_run, write_run_file
from somanet.segmentation.checkpoint import save_checkpoint
from somanet.segmentation.settings import ModelSpec
from tests.worlds import TWO_SOMAS, bright_network, draw, make_project, mlflow_may_warn, photograph, scene, somanet


@pytest.fixture(autouse=True)
def _mlflow_may_warn() -> Iterator[None]:
    with mlflow_may_warn():
        yield


def link(chain: Chain, what: str) -> dict[str, Any]:
    """The one link of a kind."""
    [found] = [one.as_dict() for one in chain.links if one.what == what]
    return found


def kinds(chain: Chain) -> list[str]:
    return [one.what for one in chain.links]


# Hashes


def test_hashes_are_those_of_dvc(tmp_path: Path) -> None:
    """DVC itself names a folder of six files, of which the patterns leave a.txt, `ü b.txt`, kept.log and linked.txt.

    In the linked folder there is one more, which DVC does not follow.
    """
    from dvc.repo import Repo

    names = ("a.txt", "sub/ü b.txt", "sub/c.pyc", "__pycache__/d.txt", "sub/e.log", "sub/kept.log", "sub/deep/f.tmp")
    for name in names:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "g.txt").write_text("g")
    (tmp_path / "data" / "linked.txt").symlink_to(tmp_path / "elsewhere" / "g.txt")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".dvcignore").write_text("# not these\n__pycache__/\n*.py[cod]\n*.log\n!kept.log\ndata/**/*.tmp\n")
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        repo.add([str(tmp_path / "data")])
    [out] = yaml.safe_load((tmp_path / "data.dvc").read_text())["outs"]
    assert out["nfiles"] == 4
    assert Hashes(tmp_path).md5(tmp_path / "data") == out["md5"]
    assert cache_object(out["md5"], tmp_path).is_file()
    (tmp_path / "data" / "a.txt").write_text("b")
    assert Hashes(tmp_path).md5(tmp_path / "data") != out["md5"]


def test_hashes_are_those_of_the_lock() -> None:
    """What the repository's locks record and nobody has changed since has the recorded hash."""
    root = Path(__file__).resolve().parents[1]
    hashes, same = Hashes(root), set()
    for lock in (root / "dvc.lock", *root.glob("profiles/*/dvc.lock")):
        for stage in yaml.safe_load(lock.read_text())["stages"].values():
            for entry in (*stage.get("deps", ()), *stage.get("outs", ())):
                path = lock.parent / entry["path"]
                if path.exists() and hashes.md5(path) == entry["md5"]:
                    same.add(entry["md5"])
    assert len(same) > 10


def test_what_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("somanet.lineage.hashes.LARGEST_BYTES", 2)
    (tmp_path / "f").write_text("abc")
    assert Hashes(tmp_path).md5(tmp_path / "f") is None
    assert Hashes(tmp_path).md5(tmp_path) is None
    with pytest.raises(FileNotFoundError):
        Hashes(tmp_path).md5(tmp_path / "none")


def test_the_cache_may_lie_elsewhere(tmp_path: Path) -> None:
    assert cache_folder(tmp_path) == tmp_path / ".dvc" / "cache"
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n[cache]\n    dir = ../../shared\n")
    assert cache_folder(tmp_path) == (tmp_path / ".." / "shared").resolve()
    (tmp_path / ".dvc" / "config.local").write_text("['remote \"x\"']\n    url = y\n[cache]\n    dir = /far\n")
    assert cache_folder(tmp_path) == Path("/far")
    (tmp_path / ".dvc" / "config").write_text("no section\n")
    assert cache_folder(tmp_path) == tmp_path / ".dvc" / "cache"


# A pipeline


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """data → train → score, as their stages left them: files, lock, and the MLflow runs of two networks."""
    root = make_project(tmp_path_factory.mktemp("lineage") / "project", tmp_path_factory.getbasetemp())
    (root / ".dvc").mkdir()
    files = {"code.py": "1", "data/a.csv": "1,2", "data/b.csv": "3,4", "reports/metrics.json": '{"iou": 0.5}'}
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    (root / "params.yaml").write_text("seed: 3\ntrain: {epochs: 2, deep: {lr: 0.1}}\n")
    base = save_checkpoint(root / "base", bright_network(), ModelSpec(), {})
    runs = {"base_sha256": base}
    with mlflow_may_warn():
        with track_run("base", experiment="pretrain", root=root, system_metrics=False) as run:
            run.set_tags({"weights_sha256": base, "start_weights_sha256": "random"})
        runs["base"] = run.run_id
        sha256 = save_checkpoint(
            root / "models" / "seed0", _other_network(), ModelSpec(), {"start_weights_sha256": base}
        )
        data = DatasetRef("data", root / "data", digest=None, context="training", n_images=2)
        with track_run(
            "mine", experiment="finetune", root=root, params={"epochs": 2}, datasets=[data], system_metrics=False
        ) as run:
            run.set_tags({"weights_sha256": sha256, "start_weights_sha256": base})
            write_run_file(root / "reports" / "runs" / "seed0.json", run)
        runs |= {"mine": run.run_id, "sha256": sha256}
    _write_lock(root)
    return root, runs


def _other_network() -> Any:
    import torch

    network = bright_network()
    with torch.no_grad():
        network.head.bias.fill_(-9.0)
    return network


def _write_lock(root: Path) -> None:
    hashes = Hashes(root)

    def entry(path: str) -> dict[str, Any]:
        return {"path": path, "hash": "md5", "md5": hashes.md5(root / path)}

    stages = {
        "data": {"cmd": "get", "deps": [entry("code.py")], "outs": [entry("data")]},
        "train@mine": {
            "cmd": "python train.py mine",
            "deps": [entry("code.py"), entry("data")],
            "params": {"params.yaml": {"seed": 3, "train": {"epochs": 2, "deep": {"lr": 0.1}}}},
            "outs": [entry("models/seed0"), entry("reports/runs")],
        },
        "score": {"cmd": "score", "deps": [entry("models/seed0")], "outs": [entry("reports/metrics.json")]},
        "elsewhere": {"cmd": "x", "deps": [entry("code.py")], "outs": [{"path": "other", "md5": "0" * 32}]},
    }
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False))
    for md5 in (hashes.md5(root / "data"), hashes.md5(root / "models" / "seed0")):
        folder = root / ("data" if md5 == hashes.md5(root / "data") else "models/seed0")
        listed = [{"md5": hashes.md5(path), "relpath": path.name} for path in sorted(folder.iterdir())]
        cache_object(str(md5), root).parent.mkdir(parents=True, exist_ok=True)
        cache_object(str(md5), root).write_text(json.dumps(listed))


@pytest.fixture
def project(made: tuple[Path, dict[str, str]], tmp_path: Path) -> Path:
    shutil.copytree(made[0], tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def runs(made: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return made[1]


def test_scores_lead_back_to_the_raw_data(project: Path, runs: dict[str, str]) -> None:
    chain = trace(project / "reports" / "metrics.json")
    assert chain.changed == chain.missing == ()
    assert kinds(chain) == ["file", "stage", "stage", "run", "data", "stage", "data"]
    assert [one.name for one in chain.links if one.what == "stage"] == ["score", "train@mine", "data"]
    assert chain.links[0].facts["sha256"] == sha256_file(project / "reports" / "metrics.json")
    assert chain.links[0].facts["dvc_md5"] == hashlib.md5(b'{"iou": 0.5}').hexdigest()
    train = next(one.as_dict() for one in chain.links if one.name == "train@mine")
    assert set(train["made_from"]) == {"stage data", f"run {runs['mine']}"}
    assert train["params"] == {"seed": 3, "train": {"epochs": 2, "deep": {"lr": 0.1}}}
    run = link(chain, "run")
    assert (run["experiment"], run["status"], run["params"]) == ("finetune", "FINISHED", {"epochs": "2"})
    assert run["weights_sha256"] == runs["sha256"]
    assert run["started_from"] == runs["base_sha256"]


def test_a_network_leads_to_its_run_and_to_what_it_started_from(project: Path, runs: dict[str, str]) -> None:
    chain = trace(project / "models" / "seed0" / "model.safetensors")
    networks = [one for one in chain.links if one.what == "network"]
    assert [one.name for one in networks] == [runs["sha256"], runs["base_sha256"]]
    assert networks[0].made_from == (f"run {runs['mine']}", f"network {runs['base_sha256']}")
    assert networks[1].made_from == (f"run {runs['base']}",)
    assert {one.name for one in chain.links if one.what == "run"} == {runs["mine"], runs["base"]}
    assert chain.changed == ()


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


def test_data_that_a_run_used_and_that_changed(project: Path) -> None:
    """DVC's lock may follow the new data; the run's own digest still tells."""
    (project / "data" / "a.csv").write_text("9")
    _write_lock(project)
    changed = trace(project / "models" / "seed0").changed
    assert [one for one in changed if one.startswith("data data") and "the run used" in one]


@pytest.mark.parametrize(
    ("gone", "traced", "words"),
    [
        ("mlruns", "reports/metrics.json", "the run is not in this project's store"),
        ("data", "reports/metrics.json", "stage data: not here, but in DVC's cache (`dvc checkout` brings it): data"),
        ("models", "reports/metrics.json", "stage train@mine: not here, but in DVC's cache"),
        (
            "reports/runs",
            "reports/metrics.json",
            "neither here nor in DVC's cache (`dvc pull` or `dvc repro`): reports/",
        ),
        ("reports/metrics.json", "reports/metrics.json", "the file is not here"),
    ],
)
def test_what_is_missing_is_said(project: Path, runs: dict[str, str], gone: str, traced: str, words: str) -> None:
    assert not any(words in one for one in trace(project / traced).missing)
    path = project / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    chain = trace(project / traced)
    assert any(words in one for one in chain.missing), chain.missing
    if gone == "mlruns":
        assert f"run {runs['mine']}" in {one.id for one in chain.links}  # named by the file that DVC restores
        assert not (project / "mlruns").exists()  # looking makes no store


def test_another_commit_is_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from somanet.mlops import runfile

    real = runfile.record_of

    def at_commit(*arguments: Any) -> Any:
        record = real(*arguments)
        record.tags["mlflow.source.git.commit"] = "a" * 40
        return record

    monkeypatch.setattr("somanet.mlops.runfile.record_of", at_commit)
    monkeypatch.setattr("somanet.lineage.trace.collect", _at("a" * 40))
    assert trace(project / "reports" / "metrics.json").changed == ()
    monkeypatch.setattr("somanet.lineage.trace.collect", _at("b" * 40))
    [changed] = trace(project / "reports" / "metrics.json").changed
    assert f"it ran the code of commit {'a' * 40}; the project is now at {'b' * 40}" in changed


def _at(commit: str) -> Any:
    from dataclasses import replace

    from somanet.provenance import collect

    return lambda root: replace(collect(root), git_commit=commit)


@pytest.mark.parametrize(
    ("name", "words"), [("stranger.csv", "Nothing here tells where stranger"), ("none.csv", "none.csv not found")]
)
def test_a_file_of_unknown_origin_is_one_line(project: Path, name: str, words: str) -> None:
    (project / "stranger.csv").write_text("1")
    with pytest.raises(SomaNetError, match=words) as error:
        trace(project / name)
    assert "\n" not in str(error.value)


def test_an_input_is_where_the_chain_begins(project: Path) -> None:
    chain = trace(project / "code.py")
    assert kinds(chain) == ["file"]
    assert "the chain begins here" in chain.links[0].facts["origin"]
    assert chain.changed == ()
    (project / "code.py").write_text("2")
    assert "its md5 is now" in trace(project / "code.py").changed[0]


# Files of the commands


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, made: tuple[Path, dict[str, str]]) -> Path:
    """An analysis, predictions and scores, made with a network of the project above."""
    root = tmp_path_factory.mktemp("lab") / "project"
    shutil.copytree(made[0], root)
    frames = np.stack([photograph(draw(TWO_SOMAS), np.uint16)] * 6)
    tifffile.imwrite(root / "movie.tif", frames, imagej=True, metadata={"axes": "TYX"})
    write_kaggle(root / "set.zip", [scene("a"), scene("b")])
    scale = ["--pixel-size-um", 1, "--frame-interval-min", 10, "--no-overlay"]
    commands = [
        ["analyze", "movie.tif", "--model", "models/seed0", "--output", "out", *scale],
        ["predict", "set.zip", "--model", "models/seed0", "--output", "labels"],
        ["evaluate", "--predictions", "labels", "--truth", "set.zip", "--output", "scores.json"],
        ["export", "models/seed0", "--output", "half"],
    ]
    for command in commands:
        with mlflow_may_warn():
            assert somanet(*command, cwd=root) is None
    return root


@pytest.mark.parametrize("name", ["migration.csv", "report.html", "labels.tif", "manifest.json", ""])
def test_a_file_of_an_analysis(lab: Path, runs: dict[str, str], name: str) -> None:
    chain = trace(lab / "out" / name)
    assert kinds(chain)[:2] == ["file", "analysis"]
    analysis = link(chain, "analysis")
    assert analysis["made_from"] == ["data movie", f"network {runs['sha256']}"]
    assert "track" in analysis["parameters"]
    movie = next(one for one in chain.links if one.id == "data movie")
    assert movie.facts["sha256"] == sha256_file(lab / "movie.tif")
    assert f"run {runs['mine']}" in {one.id for one in chain.links}
    assert f"network {runs['base_sha256']}" in {one.id for one in chain.links}
    assert not [one for one in chain.changed if one.startswith("file")]


def test_a_table_that_was_edited(lab: Path, tmp_path: Path) -> None:
    """Copied as a whole, an analysis tells of itself wherever it lies; networks are named, their runs elsewhere."""
    shutil.copytree(lab / "out", tmp_path / "out")
    assert trace(tmp_path / "out", root=lab).changed == ()
    with (tmp_path / "out" / "migration.csv").open("a") as file:
        file.write("\n")
    for asked in ("out", "out/migration.csv"):
        [changed] = trace(tmp_path / asked, root=lab).changed
        assert "migration.csv is now" in changed
    assert trace(tmp_path / "out" / "summary.json", root=lab).changed == ()


def test_labels_and_their_scores(lab: Path, runs: dict[str, str]) -> None:
    labels = trace(lab / "labels" / "a.tif")
    assert kinds(labels)[:2] == ["file", "predictions"]
    scores = trace(lab / "scores.json")
    assert kinds(scores)[:2] == ["file", "scores"]
    for chain in (labels, scores):
        assert {"data set.zip", f"network {runs['sha256']}"} <= {one.id for one in chain.links}


def test_an_exported_network_leads_to_the_one_it_was_made_from(lab: Path, runs: dict[str, str]) -> None:
    chain = trace(lab / "half")
    first, second = [one for one in chain.links if one.what == "network"][:2]
    assert first.made_from == (f"network {runs['sha256']}",)
    assert second.name == runs["sha256"]
    assert f"run {runs['mine']}" in {one.id for one in chain.links}


def test_the_command_prints_text_or_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert somanet("trace", "reports/metrics.json", cwd=project) is None
    text = capsys.readouterr().out
    assert text.startswith("reports/metrics.json\n    sha256: ")
    assert "\nstage train@mine\n    command: python train.py mine\n" in text
    assert text.rstrip().endswith("What could be checked is as it was recorded.")
    assert somanet("trace", "reports/metrics.json", "--json", cwd=project) is None
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == "reports/metrics.json"
    assert [one["id"] for one in told["links"]][:2] == ["file reports/metrics.json", "stage score"]
    assert {"commit", "uncommitted_changes", "versions"} <= set(told["now"])
    error = somanet("trace", "nowhere.csv", cwd=project)
    assert error is not None
    assert "not found" in error
