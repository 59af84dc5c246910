"""Splits: disjoint, complete, deterministic, whatever the order; a movie is never divided."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somanet.core.errors import SomaNetError
from somanet.io.datasets.splits import describe_left_out, make_split, read_part, read_split, write_split

FRACTIONS = {"train": 0.7, "val": 0.2, "test": 0.1}
NAMES = st.lists(st.text("abc0/_", min_size=1, max_size=6), unique=True, min_size=3, max_size=40)


@pytest.mark.parametrize("part", ["../train", "a/b", "..", "train\x1b[31m", ".git"])
def test_a_part_whose_name_is_a_path_is_refused(part: str, tmp_path: Path) -> None:
    """Parts become folders: of a data set for YOLO programs, say."""
    (tmp_path / "split.csv").write_text(f"image_id,split\na,train\nb,{part}\n")
    with pytest.raises(SomaNetError, match=r"split\.csv, line 3: expected train, val or test as the split") as caught:
        read_split(tmp_path / "split.csv")
    assert str(caught.value).isprintable()


def test_capitals_and_long_words_are_the_same_parts(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("image_id,split\na,Train\nb,train\nc,Validation\nd,TESTING\ne,valid\n")
    assert read_split(tmp_path / "split.csv") == {"train": ("a", "b"), "val": ("c", "e"), "test": ("d",)}
    assert read_part(tmp_path / "split.csv", "Training", names="abcde") == ("a", "b")


@pytest.mark.parametrize(
    ("word", "meant"), [("trainn", "Did you mean train?"), ("vali", "Did you mean val?"), ("7", "")]
)
def test_other_words_are_no_parts(word: str, meant: str, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text(f"image_id,split\na,train\nb,{word}\n")
    with pytest.raises(SomaNetError, match="line 3: expected train, val or test as the split") as caught:
        read_split(tmp_path / "split.csv")
    assert f"found {word!r}. {meant}" in str(caught.value)


def test_images_of_no_part_are_counted() -> None:
    parts = {"train": ("a",), "val": ("d",)}
    assert describe_left_out("s.csv", parts, "dcba") == ("s.csv: 2 of 4 images are in no part, such as 'b'",)
    assert describe_left_out("s.csv", parts, "ad") == ()


@given(names=NAMES, seed=st.integers(0, 2**32), data=st.data())
def test_laws_by_image(names: list[str], seed: int, data: st.DataObject) -> None:
    split = make_split(names, fractions=FRACTIONS, seed=seed)
    parts = list(split.values())
    assert list(split) == ["train", "val", "test"]
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert all(parts)
    shuffled = data.draw(st.permutations(names))
    assert make_split(shuffled, fractions=FRACTIONS, seed=seed) == split
    for part, fraction in FRACTIONS.items():
        assert abs(len(split[part]) - fraction * len(names)) <= 2


@given(movies=st.lists(st.integers(0, 9), min_size=1, max_size=60), seed=st.integers(0, 99), as_map=st.booleans())
def test_laws_by_movie(movies: list[int], seed: int, as_map: bool) -> None:
    names = {f"m{movie}_{i}": f"m{movie}" for i, movie in enumerate(movies)}
    group = names if as_map else names.__getitem__
    if len(set(movies)) < 3:
        with pytest.raises(SomaNetError, match="groups into 3 parts"):
            make_split(names, fractions=FRACTIONS, seed=seed, group=group)
        return
    split = make_split(names, fractions=FRACTIONS, seed=seed, group=group)
    seen = [{names[name] for name in part} for part in split.values()]
    assert all(seen)
    assert sum(map(len, seen)) == len(set.union(*seen)) == len(set(movies))
    assert sorted(name for part in split.values() for name in part) == sorted(names)


def test_a_split_may_come_from_a_spreadsheet(tmp_path: Path) -> None:
    """Semicolons, capitals, a suffix, blank rows; macOS decomposes the names of files."""
    names = [unicodedata.normalize("NFD", "Zürich"), "007", "a.b", "c"]
    text = "Image_ID;Split;note\r\nZürich.png;val;x\r\n007;train;\r\na.b;train;\r\nc.tif;val;\r\n;;\r\n"
    (tmp_path / "split.csv").write_bytes(text.encode("cp1252"))
    assert read_split(tmp_path / "split.csv", names=names) == {"train": ("007", "a.b"), "val": (names[0], "c")}
    with pytest.raises(SomaNetError, match=r"1 of 4 ids are not in the data set, such as 'c\.tif'"):
        read_split(tmp_path / "split.csv", names=names[:3])


def test_a_part_is_read_or_missed(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("image_id,split\nb,test\na,val\nc,val\n")
    assert read_part(tmp_path / "split.csv", "val", names="abcd") == ("a", "c")
    with pytest.raises(SomaNetError, match=r"split\.csv has no part 'train'; it has val, test\.$"):
        read_part(tmp_path / "split.csv", "train", names="abcd")


def test_the_seed_matters() -> None:
    names = [f"i{i}" for i in range(30)]
    splits = {make_split(names, fractions=FRACTIONS, seed=seed)["test"] for seed in range(5)}
    assert len(splits) > 1


@pytest.mark.parametrize(
    ("names", "fractions", "group", "words"),
    [
        (["a", "a", "b"], {"train": 1.0}, None, "twice"),
        (["a", "b"], {"train": 0.5, "val": 0.4}, None, "sum to 1"),
        (["a", "b"], {"train": 1.5, "val": -0.5}, None, "above 0"),
        (["a", "b"], {}, None, "above 0"),
        (["a", "b"], {"train": 1.0}, {"a": "m"}, "no group is given for 'b'"),
    ],
)
def test_what_cannot_be_split(
    names: list[str], fractions: dict[str, float], group: dict[str, str] | None, words: str
) -> None:
    with pytest.raises(SomaNetError, match=words):
        make_split(names, fractions=fractions, seed=1, group=group)


def test_a_split_is_read_back(tmp_path: Path) -> None:
    split = make_split(["NA", "007", "null", "x y", "é"], fractions={"train": 0.6, "val": 0.4}, seed=3)
    write_split(tmp_path / "split.csv", split)
    assert read_split(tmp_path / "split.csv", names=["NA", "007", "null", "x y", "é", "more"]) == split


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,split\na,train\n", r"lacks \['image_id'\]"),
        ("image_id,split\n", "found none"),
        ("image_id,split\na,train\na,train\n", "listed twice"),
        ("image_id,split\na,train\nb,val\na,val\n", "'a' is in 'train' and in 'val'"),
        ("image_id,split\na,train\nb,\n", "line 3"),
        ("image_id,split\nz,train\n", "not in the data set"),
        ("", "empty file"),
    ],
)
def test_what_is_no_split(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(SomaNetError, match=words):
        read_split(tmp_path / "split.csv", names=["a", "b"])
