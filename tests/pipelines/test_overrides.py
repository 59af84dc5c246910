"""`dvc exp run -S`: every value of a parameter file can be set alone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from pipelines import names
from somanet.core.errors import SomaNetError
from somanet.provenance.dvc_guard import CHECKED, LINKED, check_overridable

ROOT = Path(__file__).resolve().parents[2]
PROFILES = [ROOT, *sorted(folder for folder in (ROOT / "profiles").iterdir() if (folder / "params.yaml").exists())]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a project with this one's stages, parameters and code."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    for package in LINKED:
        (tmp_path / package).symlink_to(ROOT / package)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def leaves(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from leaves(one, (*place, str(key)))
    else:
        yield place, value


def another(value: Any) -> Any:
    """A value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return [7]
    return 987 if value is None or isinstance(value, int) else 0.123 if isinstance(value, float) else "another"


def check_every_leaf(params: Path, folder: Path) -> None:
    before = dict(leaves(yaml.safe_load(params.read_text(encoding="utf-8"))))
    copy = folder / "params.yaml"
    settable = [place for place in before if not any("." in key for key in place)]  # of a sweep's keys with dots
    assert len(settable) > 0.9 * len(before)
    for place in settable:
        shutil.copyfile(params, copy)
        new = another(before[place])
        apply_overrides(copy, [f"{'.'.join(place)}={yaml.safe_dump(new, default_flow_style=True).split(chr(10))[0]}"])
        after = dict(leaves(yaml.safe_load(copy.read_text(encoding="utf-8"))))
        assert after == before | {place: new}, place


def test_every_value_can_be_set_alone(tmp_path: Path) -> None:
    check_every_leaf(ROOT / "params.yaml", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES[1:], ids=lambda path: path.name)
def test_every_value_of_a_profile_can_be_set_alone(profile: Path, tmp_path: Path) -> None:
    check_every_leaf(profile / "params.yaml", tmp_path)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.name)
def test_no_two_sections_are_one_mapping(profile: Path) -> None:
    check_overridable(profile / "params.yaml")


@pytest.mark.parametrize(
    ("text", "override", "places"),
    [
        (
            "one: {training: &all {rate: 1}}\ntwo: {training: *all}\n", "one.training.rate=5",
            "one.training and two.training",
        ),
        (
            "one: &all {rate: 1, augment: {mode: paper}}\ntwo: {<<: *all, rate: 2}\n", "one.augment.mode=none",
            "one.augment and two.augment",
        ),
        ("one: {space: &all [1, 2]}\ntwo: {space: *all}\n", "", "one.space and two.space"),
    ],
)  # fmt: skip
def test_shared_mappings_are_refused_because_the_old_value_comes_back(
    text: str, override: str, places: str, tmp_path: Path
) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(text)
    with pytest.raises(SomaNetError, match=places):
        check_overridable(params)
    if override:
        apply_overrides(params, [override])
        assert yaml.safe_load(params.read_text()) == yaml.safe_load(text)  # DVC wrote it, and nothing is different


def test_a_merge_of_plain_values_may_stay(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("one: &all {rate: 1, size: 2}\ntwo: {<<: *all, rate: 3}\n")
    check_overridable(params)
    apply_overrides(params, ["one.size=5"])
    assert yaml.safe_load(params.read_text()) == {"one": {"rate": 1, "size": 5}, "two": {"rate": 3, "size": 2}}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("+tracks.min_track_h=1", "unknown parameter 'tracks'. Did you mean 'track'"),
        ("+finetune.compact_all.training.learning_rates=1", "Did you mean 'learning_rate'"),
        ("finetune.compact_all.training=5", "finetune.compact_all.training"),
        ("track.min_track_h=short", "track.min_track_h"),
        ("track.min_track_h=1", None),
    ],
)
def test_an_experiment_with_an_override_that_no_stage_reads_is_refused_before_it_runs(
    override: str, words: str | None, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC itself proposes the `+`, and would say that it ran an experiment."""
    apply_overrides(project / "params.yaml", [override])
    monkeypatch.setenv("DVC_EXP_NAME", "loud-fox")
    if words is None:
        names.main()
        assert CHECKED.exists()
    else:
        with pytest.raises(SomaNetError, match=re.escape(words)) as caught:
            names.main()
        assert str(caught.value).startswith("params.yaml: ")
        assert str(caught.value).isprintable()
        assert not CHECKED.exists()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mlruns", "MLFLOW_TRACKING_URI is mlruns: a folder"),
        ("ftp://host/runs", "MLFLOW_TRACKING_URI begins with ftp://"),
        ("http://127.0.0.1:9", None),
        ("", None),
    ],
)
def test_an_address_that_can_be_no_store_stops_the_pipeline_at_its_first_stage(
    address: str, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not answer stops nothing: stages that are up to date need none."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    if words is None:
        names.main()
    else:
        with pytest.raises(SomaNetError, match=re.escape(words)):
            names.main()
    assert CHECKED.exists() == (words is None)
