"""Sources that a user can name: files, folders, variants."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.io.tables import write_table
from somanet.training.comparison.sources import collect_networks, read_scores, read_variant
from tests.training.comparison.worlds import image_table, metrics


def write_scores(file: Path, value: float = 0.5, *, table: str = "") -> None:
    write_json(file, metrics(value, n_images=3))
    if table:
        write_table(file.with_name(table), image_table([value] * 3).assign(name=["NA", "007", "x"]))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two variants, the first trained with two seeds; and two files."""
    monkeypatch.chdir(tmp_path)
    for name in ("all", "last3"):
        write_scores(tmp_path / "reports/evaluate" / name / "metrics.json", table="per_image.csv")
    trained = tmp_path / "reports/finetune/all"
    weights = {str(seed): f"{seed:064x}" for seed in (10, 9)}
    training = {"trainable_parameters": 9121, "seconds_per_seed": 61.4, "weights_sha256": weights}
    write_json(trained / "training.json", training)
    write_scores(tmp_path / "mine.json", table="mine_per_image.csv")
    write_scores(tmp_path / "theirs/metrics.json")
    return tmp_path


def test_files_folders_and_variants_by_name(project: Path) -> None:
    found = collect_networks(["mine.json", "theirs", "last3"], root=project).networks
    assert [one.name for one in found] == ["mine", "theirs", "last3"]
    assert [one.per_image is not None for one in found] == [True, False, True]
    assert list(found[0].per_image["name"]) == ["NA", "007", "x"]  # type: ignore[index]


def test_all_variants(project: Path) -> None:
    found = collect_networks([], root=project, variants=True).networks
    assert [one.name for one in found] == ["all", "last3"]
    assert (found[0].cost.train_seconds, found[0].cost.trainable_parameters) == (61.4, 9121)
    assert list(found[0].weights.items()) == [(9, f"{9:064x}"), (10, f"{10:064x}")]
    assert math.isnan(found[1].cost.train_seconds)


def test_words_and_speed_come_along(project: Path) -> None:
    write_json(project / "quick.json", {**metrics(0.5), "inference_mpx_per_s": 2.5})
    assert read_scores(project / "quick.json").cost.inference_mpx_per_s == 2.5
    assert read_variant("all", what="all layers").what == "all layers"


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (
            ["lite9"],
            r"lite9 not found: .*not .* a run id of 32 .*or a variant in reports/evaluate \(there are all, last3\)",
        ),
        ([], "Nothing to compare"),
        (["all", "reports/evaluate/all"], r"Two networks share a name \(all\)"),
        (["0" * 32], "no mlruns/mlflow.db yet"),
    ],
)
def test_what_is_not_there_is_named(project: Path, sources: list[str], words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        collect_networks(sources, root=project)
    assert not (project / "mlruns").exists()


def test_a_folder_without_reports_has_no_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SomaNetError, match=r"no variant in reports/evaluate\. Run this in the folder of a profile"):
        collect_networks([], root=tmp_path, variants=True)
