"""The winner goes into params.yaml as added lines: everything else stays the same, byte for byte."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from somanet.config import load_params
from somanet.core.errors import SomaNetError
from somanet.core.settings import read_yaml
from somanet.training.sweep.report import Best, Report
from somanet.training.sweep.space import Dimension
from somanet.training.sweep.winner import winning_variant, write_variant

ROOT = Path(__file__).resolve().parents[3]
FILES = [ROOT / "params.yaml", *sorted((ROOT / "profiles").glob("*/params.yaml"))]
COMMENT = "`somanet sweep rates`: val_iou 0.8123 on held-out training neurons"
VALUES = {"training.learning_rate": 0.00012345678901234567, "instances.threshold": 0.4, "training.batch_size": 4}
SPACE = tuple(Dimension(name, choices=(value,)) for name, value in VALUES.items())


def report(values: dict[str, Any] | None) -> Report:
    best = None if values is None else Best((7,), 0.8123, None, values)
    return Report("rates-0", "val_iou", best, {}, Path(), "", None)


def copy(file: Path, folder: Path) -> Path:
    (folder / "params.yaml").write_bytes(file.read_bytes())
    return folder / "params.yaml"


def changes(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines removed and lines added."""
    lines = list(difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)))
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


def a_variant(params: Path) -> dict[str, Any]:
    finetune = read_yaml(params)["finetune"]
    return winning_variant(finetune[next(iter(finetune))], report(VALUES), SPACE)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.parent.name)
def test_lines_are_added_and_nothing_else_changes(file: Path, tmp_path: Path) -> None:
    params = copy(file, tmp_path)
    before, variant = params.read_text(encoding="utf-8"), a_variant(params)
    assert write_variant(params, "tuned", variant, comment=COMMENT, check=load_params)
    after = params.read_text(encoding="utf-8")
    removed, added = changes(before, after)
    assert removed == []
    assert added[:2] == ["  tuned:\n", f"    # {COMMENT}\n"]
    assert all(line.startswith("    ") for line in added[1:])
    assert before.count("#") + 1 == after.count("#")  # every comment is still there
    loaded = load_params(params)
    assert loaded.finetune["tuned"].training.learning_rate == VALUES["training.learning_rate"]
    assert loaded.finetune["tuned"].instances is not None
    assert loaded.finetune["tuned"].instances.threshold == 0.4
    assert {**read_yaml(params), "finetune": None} == {**read_yaml(file), "finetune": None}
    assert list(read_yaml(params)["finetune"]) == [*read_yaml(file)["finetune"], "tuned"]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.parent.name)
def test_a_round_trip_without_a_change_keeps_every_byte(file: Path, tmp_path: Path) -> None:
    params = copy(file, tmp_path)
    for name, variant in read_yaml(file)["finetune"].items():
        assert not write_variant(params, name, variant, comment=COMMENT, check=load_params, force=True)
    assert params.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.parent.name)
def test_replacing_any_variant_touches_its_own_lines_only(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lines end where the next one is blank or indented by two or less: a name, or a comment that goes before it.

    A variant with an anchor that others use is refused, and nothing is written.
    """
    params, before = copy(file, tmp_path), file.read_text(encoding="utf-8")
    names = list(read_yaml(file)["finetune"])
    for name in {names[0], names[len(names) // 2], names[-1]}:
        params.write_text(before, encoding="utf-8")
        [start] = [found.start() for found in re.finditer(rf"^  {name}:", before, re.MULTILINE)]
        end = re.compile(r"^(?:  )?\S|^\n", re.MULTILINE).search(before, start + 3)
        assert end is not None
        own, kept = before[start : end.start()], before[end.start() :]
        variant = {"start": "paper", "weights": "random", "training": {"epochs": 77}}
        if (anchor := re.search(r"&(\w+)", own)) and f"*{anchor[1]}" in kept:
            with pytest.raises(SomaNetError, match="an anchor in"):
                write_variant(params, name, variant, comment=COMMENT, check=load_params, force=True)
            assert params.read_text(encoding="utf-8") == before
            continue
        assert write_variant(params, name, variant, comment=COMMENT, check=load_params, force=True)
        after = params.read_text(encoding="utf-8")
        assert after.startswith(before[:start])
        assert after.endswith(kept)
        assert after[start : len(after) - len(kept)].splitlines() == [
            f"  {name}:",
            f"    # {COMMENT}",
            "    start: paper",
            "    weights: random",
            "    training:",
            "      epochs: 77",
        ]


def test_the_same_winner_again_changes_nothing(tmp_path: Path) -> None:
    params = copy(FILES[0], tmp_path)
    write_variant(params, "tuned", a_variant(params), comment=COMMENT, check=load_params)
    content = params.read_bytes()
    assert not write_variant(params, "tuned", a_variant(params), comment="another", check=load_params)
    assert params.read_bytes() == content


def test_another_variant_of_that_name_is_replaced_only_by_force(tmp_path: Path) -> None:
    """The old lines go, the new ones come in their place, and the variants around them stay."""
    params = copy(FILES[0], tmp_path)
    before, names = params.read_text(encoding="utf-8"), list(read_yaml(params)["finetune"])
    with pytest.raises(SomaNetError, match=r"already has another variant finetune\.paper_last3\..*--force"):
        write_variant(params, "paper_last3", a_variant(params), comment=COMMENT, check=load_params)
    assert params.read_text(encoding="utf-8") == before
    write_variant(params, "paper_last3", a_variant(params), comment=COMMENT, check=load_params, force=True)
    assert list(read_yaml(params)["finetune"]) == names
    assert load_params(params).finetune["paper_last3"].training.batch_size == 4
    removed, added = changes(before, params.read_text(encoding="utf-8"))
    assert all(line.startswith(("  paper_last3:", "    ")) for line in (*removed, *added))


WORLDS = {
    "the section is the last": "a: 1\nfinetune:\n  x: {start: p}\n  y:\n    start: p  # why\n",
    "it has no last line end": "finetune:\n  x:\n    start: p",
    "a comment of the next section": "finetune:\n  x:\n    start: p\n\n# about b\nb: 2\n",
    "indented by four": "finetune:\n    x:\n        start: p\nb: 2\n",
    "an alias": "finetune:\n  x: &x\n    start: p\n  y: *x\nb: 2\n",
    "a text of two lines": "finetune:\n  x:\n    start: |\n      p\n      q\nb: 2\n",
    "windows line ends": "finetune:\r\n  x:\r\n    start: p\r\nb: 2\r\n",
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_however_the_section_is_written(world: str, tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_bytes(world.encode())
    before = read_yaml(params)
    write_variant(params, "new", {"start": "p", "training": {"epochs": 3}}, comment="c", check=str)
    after = params.read_bytes().decode()
    expected = {**before["finetune"], "new": {"start": "p", "training": {"epochs": 3}}}
    assert yaml.safe_load(after) == {**before, "finetune": expected}
    assert [line for line in world.split("\n") if line and line not in after] == []


@pytest.mark.parametrize("world", ["finetune: {x: {start: p}}\n", "a: 1\n", "finetune:\n"])
def test_a_section_that_is_not_written_in_lines_is_left_alone(world: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(world)
    with pytest.raises(SomaNetError, match="no finetune section in block style"):
        write_variant(tmp_path / "params.yaml", "new", {"start": "p"}, comment="c", check=load_params)
    assert (tmp_path / "params.yaml").read_text() == world


def test_an_anchor_that_others_use_is_not_torn_out(tmp_path: Path) -> None:
    world = "finetune:\n  x: &x\n    start: p\n  y: *x\n"
    (tmp_path / "params.yaml").write_text(world)
    with pytest.raises(SomaNetError, match="cannot be"):
        write_variant(tmp_path / "params.yaml", "x", {"start": "q"}, comment="c", check=load_params, force=True)
    assert (tmp_path / "params.yaml").read_text() == world


def test_a_file_that_would_not_load_is_not_written(tmp_path: Path) -> None:
    params = copy(FILES[0], tmp_path)
    before = params.read_bytes()
    with pytest.raises(SomaNetError, match="multiple of 32"):
        write_variant(
            params, "tuned", {**a_variant(params), "training": {"size_px": 100}}, comment=COMMENT, check=load_params
        )
    assert params.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_without_a_winner_nothing_is_written() -> None:
    with pytest.raises(SomaNetError, match="no trial is complete"):
        winning_variant({}, report(None), SPACE)
    with pytest.raises(SomaNetError, match="no winner among seeds"):
        winning_variant({}, report({}), (Dimension("seed", choices=(0, 1)),))
