"""`compare` with all its options."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from somanet.core.files import write_json
from somanet.io.tables import write_table
from somanet.provenance.mlflow.client import open_client
from tests.test_readme import commands, problem_with, somanet_arguments
from tests.training.comparison.worlds import image_table, metrics, write_run
from tests.worlds import make_project, mlflow_may_warn, somanet

ROOT = Path(__file__).resolve().parents[2]
FILES = ["comparison.json", "comparison.md", "comparison.png"]


@pytest.fixture(autouse=True)
def _mlflow_may_warn() -> Iterator[None]:
    with mlflow_may_warn():
        yield


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two variants and a file, of the same 3 images."""
    folder = make_project(tmp_path / "project", tmp_path_factory.getbasetemp())
    for name, value in (
        ("reports/evaluate/all/metrics", 0.75),
        ("reports/evaluate/last3/metrics", 0.5),
        ("mine", 0.25),
    ):
        write_json(folder / f"{name}.json", metrics(value, n_images=3))
        table = name.replace("metrics", "per_image") if "metrics" in name else f"{name}_per_image"
        write_table(folder / f"{table}.csv", image_table([value] * 3))
    return folder


def written(project: Path) -> dict:
    return json.loads((project / "out/comparison.json").read_text(encoding="utf-8"))


def test_variants_a_file_and_a_run_beside_a_named_reference(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(project, "trained", {"neurons": image_table([0.3] * 3)})
    arguments = ["mine.json", run, "--variants", "--reference", "mine", "--score", "iou", "--output", "out"]
    assert somanet("compare", *arguments, cwd=project) is None
    rows = written(project)
    assert list(rows) == ["mine", "all", "last3", "trained"]
    assert {name: row["difference"]["iou"]["value"] for name, row in rows.items() if name != "mine"} == pytest.approx(
        {"all": 0.5, "last3": 0.25, "trained": 0.05}
    )
    shown = capsys.readouterr().out
    assert (project / "out/comparison.md").read_text(encoding="utf-8") in shown
    assert "Written: out/comparison.json, out/comparison.md, out/comparison.png (4 networks)" in shown


def test_the_files_are_stored_in_a_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parent = write_run(project, "sweep", {})
    assert somanet("compare", "all", "last3", "--log-to", parent, "--output", "out", cwd=project) is None
    assert f"Stored: comparison/ of run {parent}" in capsys.readouterr().out
    stored = [Path(one.path).name for one in open_client(project).list_artifacts(parent, "comparison")]
    assert sorted(stored) == FILES
    assert open_client(project).get_run(parent).info.status == "FINISHED"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--variants", "--reference", "lite9"], "There is no network 'lite9' to compare with. Use one of all, last3"),
        (["--variants", "--score", "dice"], "There is no score 'dice'"),
        (["--variants", "--log-to", "f" * 32], f"The run {'f' * 32} is not in sqlite:///mlruns/mlflow.db"),
        (["--experiment", "sweeps"], "There is no experiment 'sweeps'"),
        (["--study", "f" * 32], f"The run {'f' * 32} is not in sqlite:///mlruns/mlflow.db"),
        (["lite9"], "lite9 not found: it is not a file or folder"),
        ([], "Nothing to compare"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(project: Path, arguments: list[str], words: str) -> None:
    error = somanet("compare", *arguments, "--output", "out", cwd=project)
    assert error is not None
    assert words in error
    assert len(error.splitlines()) == 1
    assert not (project / "out").exists()


def test_an_edited_page_leaves_the_older_numbers(project: Path) -> None:
    assert somanet("compare", "all", "last3", "--output", "out", cwd=project) is None
    older = written(project)
    page = project / "out/comparison.md"
    page.write_text("mine")
    error = somanet("compare", "all", "mine.json", "--output", "out", cwd=project)
    assert error is not None
    assert "comparison.md was not written by SomaNet, or was changed since" in error
    assert (written(project), page.read_text()) == (older, "mine")
    assert somanet("compare", "all", "mine.json", "--output", "out", "--replace", cwd=project) is None
    assert list(written(project)) == ["all", "mine"]
    assert (project / "out/comparison.before.md").read_text() == "mine"


def test_scores_that_are_compared_are_not_replaced(project: Path) -> None:
    """Named as text, since sources may be runs and variants: they are inputs all the same, and so are their tables."""
    scores = project / "out/comparison.json"
    write_json(scores, metrics(0.5, n_images=3))
    before = scores.read_bytes()
    for source in ("out/comparison.json", str(scores)):
        error = somanet("compare", source, "mine.json", "--output", "out", "--replace", cwd=project)
        assert error is not None
        assert "is an input of this command" in error
    assert [path.name for path in scores.parent.iterdir() if path.name[0] != "."] == ["comparison.json"]
    assert scores.read_bytes() == before


def test_the_page_s_commands_exist() -> None:
    text = (ROOT / "docs/comparison.md").read_text(encoding="utf-8")
    given = [arguments for line in commands(text) if (arguments := somanet_arguments(line)) is not None]
    assert len(given) >= 4
    assert [problem for arguments in given if (problem := problem_with(arguments))] == []
