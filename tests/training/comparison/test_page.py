"""The comparison's files from hand-made scores."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from somanet.evaluation.image_tables import SCORES
from somanet.io.images import read_image
from somanet.training.comparison.artefact import FILES, write_comparison
from somanet.training.comparison.networks import ComparedNetwork, Cost
from somanet.training.comparison.page import comparison_markdown
from somanet.training.comparison.pairing import pair_networks
from tests.markdown_tables import unpadded
from tests.training.comparison.worlds import image_table, metrics, network

NETWORKS = [
    ComparedNetwork("baseline", "untouched", metrics(0.25)),
    ComparedNetwork("tuned", "last 3 blocks", metrics(0.5, spread=0.02, n_seeds=3), cost=Cost(61.4, 9121)),
    ComparedNetwork("silent", "finds nothing", metrics(None)),
]
NUCLEI = {"paper": metrics(0.75)}
EIGHT = [0.5, 0.6, 0.7, 0.8, 0.5, 0.6, 0.7, 0.8]
PAIRED = [network("low", [value - 0.1 for value in EIGHT]), network("high", EIGHT)]


def tables(text: str) -> list[list[list[str]]]:
    """The Markdown tables of a text, as rows of cells."""
    found: list[list[list[str]]] = []
    inside = False
    for line in unpadded(text).splitlines():
        if line.startswith("|"):
            if not inside:
                found.append([])
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        inside = line.startswith("|")
    return found


def test_the_markdown_is_three_whole_tables() -> None:
    parsed = tables(comparison_markdown(NETWORKS, nuclei=NUCLEI))
    assert len(parsed) == 3
    for table in parsed:
        assert {len(row) for row in table} == {len(table[0])}
        assert set(table[1]) == {"---"}
    assert [row[0] for row in parsed[0][2:]] == ["baseline", "tuned", "silent"]
    assert [row[0] for row in parsed[1][2:]] == ["baseline", "tuned", "silent"]
    assert [row[0] for row in parsed[2][2:]] == ["paper"]


def test_the_cells() -> None:
    head, _, baseline, tuned, silent = tables(comparison_markdown(NETWORKS))[0]
    baseline_of, tuned_of, silent_of = (dict(zip(head, row, strict=True)) for row in (baseline, tuned, silent))
    assert baseline_of["IoU"] == "0.25 [0.15, 0.35]"
    assert baseline_of["trained"] == baseline_of["time / seed"] == "–"
    assert tuned_of["IoU"] == "0.50 ± 0.02 [0.40, 0.60]"
    assert tuned_of["seeds"] == "3"
    assert tuned_of["trained"] == "9,121"
    assert tuned_of["time / seed"] == "61 s"
    assert {silent_of[name] for name in ("IoU", "precision", "size bias", "noise / image")} == {"–"}


def test_speed_has_a_column_only_where_somebody_measured_it() -> None:
    quick = ComparedNetwork("quick", "", metrics(0.5), cost=Cost(inference_mpx_per_s=3.456))
    [first, *_] = tables(comparison_markdown([NETWORKS[0], quick]))
    assert first[0][-1] == "Mpx / s"
    assert [row[-1] for row in first[2:]] == ["–", "3.46"]
    assert "Mpx" not in comparison_markdown(NETWORKS)


def test_a_score_without_an_interval_is_still_shown() -> None:
    """Where no resample defines it, the interval is null in JSON; a run's interior has none at all."""
    row = metrics(0.5)
    row["interval95"]["iou"] = [None, None]
    row["interior"] = {"iou": 0.5}
    scores, interior = tables(comparison_markdown([ComparedNetwork("a", "", row)]))
    assert scores[2][3] == "0.50 [nan, nan]"
    assert interior[2][1:3] == ["0.50", "–"]


def test_without_nuclei_there_are_two_tables() -> None:
    text = comparison_markdown(NETWORKS, data="Validation neurons", notes=["A last word."])
    assert len(tables(text)) == 2
    assert text.startswith("Validation neurons: 5 images.")
    assert text.endswith("\n\nA last word.\n")
    assert "no per-image scores of baseline, tuned, silent." in text
    assert comparison_markdown(NETWORKS[:1]).startswith("5 images.")
    assert "per-image scores" not in comparison_markdown(NETWORKS[:1])


def test_differences_have_a_table() -> None:
    """−0.1 on each of 8 images: p = 2/2^8 = 0.0078, which Holm leaves to one network."""
    text = comparison_markdown(PAIRED, pair_networks(PAIRED))
    table = tables(text)[1]
    head, _, low, high = table
    assert head == ["network", "Δ IoU", "Δ precision", "Δ recall", "Δ accuracy", "Δ mean AP 0.5–0.9", "rank"]
    assert low == ["low", "**−0.10 [−0.10, −0.10], p 0.0078**", *["0.00 [0.00, 0.00], p 1"] * 4, "2.0 ± 0.0"]
    assert high == ["high", *["reference"] * 5, "1.0 ± 0.0"]
    assert "Differences from **high** (the best IoU here)" in text
    assert "8 images: no corrected p can be below 0.0078." in text
    assert "The reference was chosen on these images" in text
    named = comparison_markdown(PAIRED, pair_networks(PAIRED, reference="low"))
    assert "Differences from **low** (as named)" in named
    assert "won" not in named


def test_the_page_says_what_few_images_cannot_show() -> None:
    """Two others on 3 images: the smallest p is 2/8, after Holm 1/2."""
    three = [network(name, [0.1 * place, 0.5, 0.6]) for place, name in enumerate("abc")]
    text = comparison_markdown(three, pair_networks(three))
    assert "3 images: no corrected p can be below 0.5, whatever the networks do." in text


def test_who_has_no_table_is_named() -> None:
    networks = [*PAIRED, ComparedNetwork("bare", "", metrics(0.5, n_images=8))]
    text = comparison_markdown(networks, pair_networks(networks))
    assert "Not in this table, for lack of per-image scores: bare." in text
    assert [row[0] for row in tables(text)[1][2:]] == ["low", "high"]


def test_an_image_without_predictions_counts_with_its_somas() -> None:
    """1 of 4 found on every other image, without false ones: recall 4/32 against 16/32; the precision is still 1."""
    networks = [PAIRED[1], ComparedNetwork("gaps", "", metrics(0.4, n_images=8), image_table(EIGHT, tp=[0, 1] * 4))]
    row = tables(comparison_markdown(networks, pair_networks(networks)))[1][3]
    assert row[2] == "0.00 [0.00, 0.00], p 1"
    assert row[3].startswith("**−0.38 [")


@pytest.mark.parametrize("networks", [NETWORKS, NETWORKS[:1], NETWORKS[2:], PAIRED], ids=["3", "1", "undefined", "2"])
def test_the_files(networks: list[ComparedNetwork], tmp_path: Path) -> None:
    files = write_comparison(networks, tmp_path, nuclei=NUCLEI)
    assert files == [tmp_path / name for name in FILES]
    written = json.loads(files[0].read_text(encoding="utf-8"))
    assert list(written) == [one.name for one in networks]
    for one in networks:
        row = written[one.name]
        assert row["iou"] == one.metrics["iou"]
        assert row["interval95"]["iou"] == dict(zip(("low", "high"), one.metrics["interval95"]["iou"], strict=True))
        assert row.get("trainable_parameters") == (9121 if one.name == "tuned" else None)
    page = comparison_markdown(networks, pair_networks(networks), nuclei=NUCLEI)
    assert files[1].read_text(encoding="utf-8") == page
    assert read_image(files[2]).ndim == 3


def test_numbers_are_flat_for_dvc(tmp_path: Path) -> None:
    """`dvc metrics diff` follows names and leaves out lists."""
    write_comparison(PAIRED, tmp_path)
    written = json.loads((tmp_path / FILES[0]).read_text(encoding="utf-8"))
    assert "difference" not in written["high"]
    difference = written["low"]["difference"]
    assert difference["from"] == "high"
    assert set(difference) == {"from", *SCORES}
    assert difference["iou"] == {
        "value": pytest.approx(-0.1), "low": pytest.approx(-0.1), "high": pytest.approx(-0.1),
        "p": 2 / 2**8, "p_holm": 2 / 2**8,
    }  # fmt: skip
    assert (written["low"]["mean_rank"], written["low"]["rank_spread"]) == (2, 0)

    def leaves(value: object) -> list[object]:
        return [leaf for one in value.values() for leaf in leaves(one)] if isinstance(value, dict) else [value]

    assert all(isinstance(leaf, int | float | str | None) for leaf in leaves(written))


def test_equal_scores_give_equal_bytes(tmp_path: Path) -> None:
    """DVC compares bytes: a date in a picture would run what follows again."""
    for folder in ("a", "b"):
        write_comparison(PAIRED, tmp_path / folder, nuclei=NUCLEI)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_other_numbers_of_images_are_refused_even_without_tables(tmp_path: Path) -> None:
    other = ComparedNetwork("other", "", metrics(0.5, n_images=9))
    with pytest.raises(SomaNetError, match="baseline was scored on 5 images, other on 9"):
        write_comparison([NETWORKS[0], other], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_costs_that_nobody_recorded_are_not_in_the_numbers(tmp_path: Path) -> None:
    write_comparison([ComparedNetwork("a", "", metrics(0.5), cost=Cost(math.nan, 12.0, 2.5))], tmp_path)
    row = json.loads((tmp_path / FILES[0]).read_text(encoding="utf-8"))["a"]
    assert (row["trainable_parameters"], row["inference_mpx_per_s"]) == (12, 2.5)
    assert "train_seconds" not in row


def test_names_and_notes_are_shown_and_not_obeyed() -> None:
    """Networks are named after files: such a name, in every table and sentence of the page, is no markup."""
    evil = "<img src=x onerror=alert(1)>`[a](http://b)\x1b[31m|**"
    shown = r"\<img src=x onerror=alert(1)>\`\[a\](http://b) \[31m\|\*\*"
    one, two = network(evil, [0.5, 0.6, 0.7]), network("other", [0.4, 0.5, 0.6])
    page = comparison_markdown([one, two], pair_networks([one, two]), notes=[f"Left out: {evil}."])
    assert page.count(shown) >= 5
    rest = page.replace(shown, "")
    assert "onerror" not in rest
    assert "\x1b" not in page
    assert f"Differences from **{shown}**" in page
