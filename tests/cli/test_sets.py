"""Several data sets in one training, and some images of one to mix in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from somanet.cli.training import _sets
from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import open_dataset
from somanet.io.datasets.writers import write_kaggle, write_pairs
from tests.worlds import scene, somanet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    different = [replace(scene(f"a{i}"), image=scene().image + np.uint8(i)) for i in range(10)]
    write_kaggle(folder / "a.zip", different)
    write_pairs(folder / "b", [scene(f"b{i}") for i in range(5)])
    write_pairs(folder / "v", [scene("v0")])
    (folder / "split.csv").write_text("image_id,split\na0,train\na1,train\na2,train\na3,val\n")
    return folder


def names(sets: list) -> list[list[str]]:
    return [sorted(item.name for item in items) for _, items in sets]


def test_each_set_gives_a_fifth_to_validation(folder: Path) -> None:
    training, validation = _sets([folder / "a.zip", folder / "b"], None, None, seed=0, binary=None, only_class=None)
    assert [len(items) for items in names(training)] == [8, 4]
    assert [len(items) for items in names(validation)] == [2, 1]
    assert not {n for part in names(training) for n in part} & {n for part in names(validation) for n in part}
    assert [path.name for path, _ in training] == ["a.zip", "b"]


def test_another_set_can_validate_all(folder: Path) -> None:
    training, validation = _sets(
        [folder / "a.zip", folder / "b"], folder / "v", None, seed=0, binary=None, only_class=None
    )
    assert [len(items) for items in names(training)] == [10, 5]
    assert names(validation) == [["v0"]]


def test_a_split_is_of_one_set(folder: Path) -> None:
    training, validation = _sets([folder / "a.zip"], None, folder / "split.csv", seed=0, binary=None, only_class=None)
    assert names(training) == [["a0", "a1", "a2"]]
    assert names(validation) == [["a3"]]
    with pytest.raises(SomaNetError, match="one data set, found 2"):
        _sets([folder / "a.zip", folder / "b"], None, folder / "split.csv", seed=0, binary=None, only_class=None)
    with pytest.raises(SomaNetError, match="not both"):
        _sets([folder / "a.zip"], folder / "v", folder / "split.csv", seed=0, binary=None, only_class=None)


def test_some_images_can_be_chosen(folder: Path, tmp_path: Path) -> None:
    def chosen(name: str, *options: object) -> set[str]:
        arguments = ("data", "select", folder / "a.zip", "--output", tmp_path / name, "--count", 2, *options)
        assert somanet(*arguments, cwd=tmp_path) is None
        return set(open_dataset(tmp_path / name).names)

    first = chosen("x")
    assert first == chosen("again")
    assert len(first) == 2
    assert {frozenset(chosen(f"s{seed}", "--seed", seed)) for seed in range(4)} != {frozenset(first)}
    assert chosen("t", "--split", folder / "split.csv") < {"a0", "a1", "a2"}


def test_more_images_than_there_are_is_refused(folder: Path, tmp_path: Path) -> None:
    arguments = ("--split", folder / "split.csv", "--part", "val", "--output", tmp_path / "o", "--count", 2)
    message = somanet("data", "select", folder / "a.zip", *arguments, cwd=tmp_path)
    assert message is not None
    assert "at least 2 images to select from, found 1" in message
    assert not (tmp_path / "o").exists()
    message = somanet("data", "select", folder / "a.zip", *arguments[:2], "--part", "v", *arguments[4:], cwd=tmp_path)
    assert message is not None
    assert "has no part 'v'; it has train, val" in message
