"""How crops are divided: no movie, place or image on both sides, and every crop keeps its part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.origins import Origin, read_origins
from somanet.io.datasets.writers import write_pairs
from somanet.training.finetuning import Crop, Parts, check_apart, divide, read_crops
from somanet.training.finetuning.crops import LEAST_UNITS, with_earlier
from tests.training.finetuning.worlds import noisy

SIZE = (32, 48)


def crop(number: int, origin: Origin | None = None, *, pixels: int | None = None) -> Crop:
    """A crop of noise; those with equal ``pixels`` are the same image."""
    image = np.random.default_rng(number if pixels is None else pixels).integers(0, 255, SIZE).astype(np.uint8)
    return Crop(Path("set"), LabelledImage(f"crop{number:02d}", image, np.ones(SIZE, np.int32)), origin)


def of_movies(counts: Sequence[int]) -> list[Crop]:
    """Crops of movies `m0`, `m1` …, each with so many."""
    movies = [movie for movie, count in enumerate(counts) for _ in range(count)]
    return [crop(number, Origin(f"m{movie}")) for number, movie in enumerate(movies)]


def movies(part: Sequence[Crop]) -> set[str]:
    return {one.origin.movie for one in part if one.origin is not None}


def everything(parts: Parts) -> list[str]:
    return sorted(one.item.name for part in (parts.train, parts.val, parts.test) for one in part)


@pytest.mark.parametrize("counts", [[5, 1, 1, 4], [1] * 12, [3] * 20, [8, 1, 1]])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_movie_is_on_two_sides(counts: list[int], seed: int) -> None:
    crops = of_movies(counts)
    parts = divide(crops, seed=seed)
    assert everything(parts) == [one.item.name for one in crops]
    assert parts.train
    assert parts.val
    assert parts.test
    assert not movies(parts.test) & (movies(parts.train) | movies(parts.val))
    assert not movies(parts.train) & movies(parts.val)
    assert parts.units.kind == "movie"
    if len(counts) >= 2 * LEAST_UNITS:
        assert len(movies(parts.test)) >= LEAST_UNITS


def test_of_two_movies_one_is_held_out_and_the_other_divided() -> None:
    parts = divide(of_movies([4, 4]), seed=0)
    assert len(movies(parts.test)) == 1
    assert movies(parts.train) == movies(parts.val) != movies(parts.test)
    assert any("too few movies" in note for note in parts.notes)


def test_crops_of_one_movie_that_overlap_stay_together() -> None:
    """Nine places, each seen at two times 5 px apart: the same cells."""
    places = [(0, 0), (0, 60), (0, 120), (50, 0), (50, 60), (50, 120), (100, 0), (100, 60), (100, 120)]
    crops = [
        crop(10 * number + time, Origin("m", top + 5 * time, left)) for number, (top, left) in enumerate(places)
        for time in (0, 1)
    ]  # fmt: skip
    parts = divide(crops, seed=3)
    assert parts.units.kind == "place"
    for one in (parts.train, parts.val, parts.test):
        numbers = [int(each.item.name[4:]) // 10 for each in one]
        assert all(numbers.count(number) == 2 for number in numbers)
    assert any("one movie" in note for note in parts.notes)


def test_without_a_record_images_are_divided_and_a_note_says_so() -> None:
    crops = [crop(number, Origin("m") if number else None) for number in range(8)]
    parts = divide(crops, seed=0)
    assert parts.units.kind == "crop"
    assert len(parts.test) == 2
    assert any("no record names the movie of 1 of 8 crops" in note for note in parts.notes)


def test_an_image_that_is_there_twice_is_on_one_side() -> None:
    """Also under another name and in another set."""
    crops = [crop(number, pixels=number // 2) for number in range(12)]
    parts = divide(crops, seed=1)
    sides = [{int(each.item.name[4:]) // 2 for each in part} for part in (parts.train, parts.val, parts.test)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 6


@pytest.mark.parametrize(("n", "n_test"), [(2, 0), (3, 1), (8, 2), (11, 3), (12, 6), (40, 10)])
def test_how_many_are_held_out(n: int, n_test: int) -> None:
    parts = divide([crop(number) for number in range(n)], seed=0)
    assert len(parts.test) == n_test
    assert len(parts.train) >= 1
    assert len(parts.val) >= 1


def test_the_draw_depends_on_the_seed_only() -> None:
    crops = [crop(number) for number in range(20)]
    assert divide(crops, seed=4) == divide(crops, seed=4)
    assert divide(crops, seed=4).digests() == divide(crops[::-1], seed=4).digests()
    assert len({tuple(divide(crops, seed=seed).digests()["test"]) for seed in range(5)}) > 1


def test_a_crop_keeps_its_part_from_one_fine_tuning_to_the_next() -> None:
    """With new crops and another draw: what was trained on is never tested on, what was tested on stays."""
    first = divide([crop(number) for number in range(16)], seed=0)
    second = divide([crop(number) for number in range(30)], seed=1, before=first.digests())
    old, new = first.digests(), second.digests()
    assert set(old["test"]) <= set(new["test"])
    assert set(old["train"]) <= set(new["train"])
    assert set(old["val"]) <= set(new["val"])
    assert len(new["test"]) == 8, "a quarter of 30, with those that were held out before"


def test_new_crops_of_a_movie_that_was_trained_on_are_trained_on() -> None:
    crops = of_movies([2] * 8)
    first = divide(crops, seed=0)
    trained = min(movies(first.train))
    more = [*crops, *(crop(100 + number, Origin(trained)) for number in range(3))]
    second = divide(more, seed=5, before=first.digests())
    assert trained in movies(second.train)
    assert trained not in movies(second.test) | movies(second.val)


def test_what_was_once_trained_on_stays_so_in_the_record() -> None:
    earlier = {"train": ["a", "b"], "val": ["c"], "test": ["d"]}
    found = with_earlier({"train": ["d", "e"], "val": ["c"], "test": ["f"]}, earlier)
    assert found == {"train": ["a", "b", "d", "e"], "val": ["c"], "test": ["f"]}
    assert with_earlier({"train": ["a"], "val": [], "test": []}, "damaged") == {"train": ["a"], "val": [], "test": []}


def test_test_images_among_the_others_are_refused() -> None:
    parts = Parts((crop(1),), (crop(2),), (crop(7, pixels=2), crop(8)))
    with pytest.raises(SomaNetError, match=r"1 of 2 test images .* set: crop07 \(set: crop02\)"):
        check_apart(parts)
    check_apart(Parts((crop(1),), (crop(2),), (crop(3),)))


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(SomaNetError, match="from 0 to below 1"):
        divide([crop(1), crop(2)], seed=0, test_share=share)


def test_one_crop_is_too_few() -> None:
    with pytest.raises(SomaNetError, match="expected at least two"):
        divide([crop(1)], seed=0)


def test_origins_are_read_from_the_table_beside_the_images(tmp_path: Path) -> None:
    assert read_origins(tmp_path) == {}
    (tmp_path / "crops.csv").write_text("crop;input;frame;y_px;x_px\na;well 1;3;10;20\nb;;;;\nc;well 2;;;\n")
    assert read_origins(tmp_path) == {"a": Origin("well 1", 10, 20), "c": Origin("well 2")}
    for text, words in (
        ("crop,input\na,x\na,y\n", "line 3: 'a' is there twice"),
        ("crop,input,y_px\na,x,ten\n", "expected a whole number of pixels, found 'ten'"),
        ("crop\na\n", r"lacks \['input'\]"),
    ):
        (tmp_path / "crops.csv").write_text(text)
        with pytest.raises(SomaNetError, match=words):
            read_origins(tmp_path)


def test_origins_are_written_beside_the_images_and_a_new_set_replaces_them(tmp_path: Path) -> None:
    origins = {"crop01": Origin("well 1, 3", 10, 20), "crop02": Origin("well 2")}
    items = [noisy(1).item, noisy(2).item]
    write_pairs(tmp_path / "set", items, origins=origins)
    assert read_origins(tmp_path / "set") == origins
    assert [one.origin for one in read_crops([tmp_path / "set"])] == [origins["crop01"], origins["crop02"]]
    write_pairs(tmp_path / "set", items[:1])
    assert read_origins(tmp_path / "set") == {}
