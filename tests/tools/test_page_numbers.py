"""Numbers on pages: those of this repository, and worlds in which they are right and wrong."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from somanet.core.errors import SomaNetError
from tools.page_numbers.__main__ import named_complaints, table_complaints
from tools.page_numbers.checking import check, mended
from tools.page_numbers.named import complaints
from tools.page_numbers.pages import find_place, read_page, share_checked
from tools.page_numbers.printed import Printed, numbers_in
from tools.page_numbers.sources import value_of
from tools.page_numbers.tables import differing_rows

ROOT = Path(__file__).resolve().parents[2]

PAGE = """\
# Results

The network has **1,234,567** parameters and a [temperature](network.md#heat) of
`1.62`; IoU 0.84 [0.80, 0.88],
6 % too small, and loses −0.10.

```bash
somanet predict a.tif --threshold 0.5
```

| network | IoU |
| --- | --- |
| small | 0.71 |
| large | 0.836 |
"""
MADE = {"temperature": 1.6199, "iou": [0.8356, 0.8021, 0.8849], "small": True, "parameters": 1234567, "loss": -0.104}


def world(folder: Path, quantities: dict[str, object], known: dict[str, str] | None = None) -> Path:
    (folder / "docs").mkdir()
    (folder / "page.md").write_text(PAGE, encoding="utf-8")
    (folder / "other.md").write_text("It has an IoU of 0.84 and a temperature of 1.6.\n", encoding="utf-8")
    (folder / "made.json").write_text(json.dumps(MADE), encoding="utf-8")
    content = {"quantities": quantities, "tables": {}, "known_differences": known or {}, "foreign_options": {}}
    (folder / "docs" / "numbers.yaml").write_text(
        yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    return folder


def test_the_numbers_on_the_pages_are_right() -> None:
    """`make page-numbers` says which file or page has another number; `--mend` corrects the pages."""
    found = check(ROOT)
    assert [str(one) for one in found.differences] == []
    assert found.problems == ()
    assert len(found.places) > 100


def test_the_tables_on_pages_are_those_of_their_files() -> None:
    assert table_complaints(ROOT) == []


def test_targets_and_options_on_pages_exist() -> None:
    assert named_complaints(ROOT) == []


@given(st.decimals(-9999, 9999, allow_nan=False, allow_infinity=False, places=6), st.integers(0, 4))
def test_a_number_is_its_value_rounded_and_no_neighbour(value: Decimal, digits: int) -> None:
    unit = Decimal(1).scaleb(-digits)
    rounded = value.quantize(unit, ROUND_HALF_EVEN)
    assert Printed(f"{rounded:f}").rounds(value)
    for away in (rounded + unit, rounded - unit):
        assert Printed(f"{away:f}").rounds(value) is (abs(away - value) <= unit / 2)  # a tie may go either way
    assert Printed(f"{rounded:f}").showing(value).value == rounded


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,234,567 of 5, 6", ["1234567", "5", "6"]),
        ("−0.572 [−0.6, +.52]", ["-0.572", "-0.6", "0.52"]),
        ("0.5–0.9, ±3", ["0.5", "0.9", "3"]),
        ("torch 2.14.1, run888, t36_y037", []),
        ("256.", ["256"]),
    ],
)
def test_numbers_are_found(text: str, numbers: list[str]) -> None:
    assert [one.value for one in numbers_in(text)] == [Decimal(number) for number in numbers]


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("0.96", "0.957", True),
        ("0.95", "0.957", False),
        ("0.96", "0.96", True),
        ("0.96", "0.97", False),
        ("0.84", "0.845", True),  # of 0.8449
        ("24", "23.6", True),
        ("23", "23.6", False),
    ],
)
def test_pages_agree_if_both_can_be_one_value(one: str, other: str, agree: bool) -> None:
    assert Printed(one).agrees(Printed(other)) is agree
    assert Printed(other).agrees(Printed(one)) is agree


def test_a_percentage_is_a_share() -> None:
    assert Printed("6", percent=True).rounds(Decimal("0.0551"))
    assert Printed("6", percent=True).agrees(Printed("0.06"))
    assert not Printed("6", percent=True).agrees(Printed("0.07"))
    assert Printed("6", percent=True).showing(Decimal("0.0741")).text == "7"


def test_a_place_is_found_across_lines_emphasis_and_links() -> None:
    place = find_place(read_page("page.md", PAGE), "The network has {} parameters and a temperature of {}; IoU")
    assert [number.text for number in place.numbers] == ["1,234,567", "1.62"]
    assert [PAGE[first:last] for first, last in place.spans] == ["1,234,567", "1.62"]
    assert place.line == 3


def test_the_first_place_after_a_heading() -> None:
    page = read_page("page.md", "# One\nIoU 0.1\n# Two\nIoU 0.2\nIoU 0.3\n")
    assert find_place(page, "# Two >> IoU {}").numbers == (Printed("0.2"),)
    with pytest.raises(SomaNetError, match="not on the page"):
        find_place(page, "# Three >> IoU {}")


@pytest.mark.parametrize(
    ("words", "message"),
    [("IoU of {}", "are not on the page"), ("| {} |", "stand there 2 times"), ("temperature", "has no {}")],
)
def test_words_that_are_no_place(words: str, message: str) -> None:
    with pytest.raises(SomaNetError, match=message):
        find_place(read_page("page.md", PAGE), words)


def test_right_numbers_pass(tmp_path: Path) -> None:
    root = world(
        tmp_path,
        {
            "temperature": {"from": "made.json#/temperature", "pages": {"page.md": "temperature of {};"}},
            "IoU": {
                "from": [f"made.json#/iou/{n}" for n in range(3)],
                "pages": {"page.md": "IoU {} [{}, {}]"},
            },
            "parameters in millions": {
                "from": {"entry": "made.json#/parameters", "times": 1},
                "pages": {"page.md": "has {} parameters"},
            },
            "loss": {"from": "made.json#/loss", "pages": {"page.md": "loses {}."}},
            "IoU on both": {"pages": {"page.md": "IoU {} [", "other.md": "IoU of {} and"}},
        },
    )
    found = check(root)
    assert (found.differences, found.problems) == ((), ())
    assert (found.n_quantities, found.n_sourced, len(found.places)) == (5, 4, 6)


def test_a_wrong_number_is_named_and_mended_with_its_digits(tmp_path: Path) -> None:
    root = world(
        tmp_path,
        {
            "temperature": {"from": "made.json#/temperature", "pages": {"page.md": "temperature of {};"}},
            "parameters": {"from": "made.json#/parameters", "pages": {"page.md": "has {} parameters"}},
            "loss": {"from": "made.json#/loss", "pages": {"page.md": "loses {}."}},
            "IoU": {"pages": {"page.md": "| large | {} |", "other.md": "IoU of {} and"}},
        },
    )
    made = {**MADE, "temperature": 1.7512, "parameters": 7654321, "loss": -0.207}
    (root / "made.json").write_text(json.dumps(made), encoding="utf-8")
    (root / "other.md").write_text("It has an IoU of 0.85 and.\n", encoding="utf-8")
    found = check(root)
    assert [str(one) for one in found.differences] == [
        "page.md:4: temperature: 1.62, but made.json#/temperature has 1.7512",
        "page.md:3: parameters: 1,234,567, but made.json#/parameters has 7654321",
        "page.md:5: loss: −0.10, but made.json#/loss has -0.207",
        "other.md:1: IoU: 0.85, but page.md:14 has 0.836",
    ]
    expected = PAGE.replace("1.62", "1.75").replace("1,234,567", "7,654,321").replace("−0.10", "−0.21")
    assert mended(found.pages["page.md"], found.differences) == expected
    assert mended(found.pages["other.md"], found.differences) == "It has an IoU of 0.84 and.\n"


def test_a_known_difference_passes_until_it_is_gone(tmp_path: Path) -> None:
    wrong = {"IoU": {"pages": {"page.md": "| small | {} |", "other.md": "IoU of {} and"}}}
    found = check(world(tmp_path, wrong, {"IoU": "another network"}))
    assert (found.differences, found.problems) == ((), ())
    (tmp_path / "other.md").write_text("IoU of 0.71 and\n", encoding="utf-8")
    assert "no longer differs" in check(tmp_path).problems[0]


@pytest.mark.parametrize(
    ("quantity", "message"),
    [
        ({"pages": {"page.md": "| large | {} |"}}, "nothing to compare"),
        ({"pages": {"missing.md": "{}", "page.md": "| large | {} |"}}, "no such page"),
        ({"from": "made.json#/iou/7", "pages": {"page.md": "| large | {} |"}}, "no entry /iou/7"),
        ({"from": "made.json#/small", "pages": {"page.md": "| large | {} |"}}, "no number"),
        ({"from": "lost.json#/iou", "pages": {"page.md": "| large | {} |"}}, "no such JSON"),
        ({"from": "made.json#/temperature", "pages": {"page.md": "IoU {} [{}, "}}, "gives 2 numbers, expected 1"),
        ({"from": {"guess": "1"}, "pages": {"page.md": "| large | {} |"}}, "is no source"),
    ],
)
def test_what_cannot_be_compared_is_a_problem(tmp_path: Path, quantity: dict[str, object], message: str) -> None:
    [problem] = check(world(tmp_path, {"a": quantity})).problems
    assert problem.startswith("a: ")
    assert message in problem
    assert "\n" not in problem


def test_sources(tmp_path: Path) -> None:
    root = world(tmp_path, {})
    (root / "a.toml").write_text('[a]\nb = ">=3.11"\n', encoding="utf-8")
    assert value_of("a.toml#/a/b", root) == Decimal("3.11")
    assert value_of({"bytes": "page.md", "times": 0.001}, root) == Decimal(len(PAGE.encode())) / 1000
    assert value_of({"count": "*.md"}, root) == 2
    assert value_of({"python": "somanet.core.limits:IMAGE_PIXELS.default"}, root) == 4096 * 4096
    assert value_of({"option": "simulate --seed"}, root) == 0
    for wrong in (
        {"bytes": "no.md"},
        {"python": "somanet.core.limits:NO"},
        {"option": "simulate --no"},
        {"count": "x*"},
    ):
        with pytest.raises(SomaNetError, match=r"numbers\.yaml|no such"):
            value_of(wrong, root)


def test_tables_repeat_those_of_a_file() -> None:
    made = "| row | seeds | IoU |\n| --- | --- | --- |\n| a | 3 | −0.001 [0.000] |\n| b | 3 | 0.71 |\n"
    made += "\n| row | run |\n|-|-|\n| a | x |\n"
    page = "| row | IoU |\n| --- | --- |\n| a | −0.001 [+0.000] |\n| b | 0.71 |\n| mine | 1 |\n"
    assert differing_rows("page.md", page, "made.md", made) == []
    assert differing_rows("page.md", page.replace("0.71", "0.72"), "made.md", made) == [
        "page.md:4: b, IoU: 0.72, but made.md:4 has 0.71"
    ]
    [bold] = differing_rows("page.md", page.replace("−0.001 [+0.000]", "**−0.001 [+0.000]**"), "made.md", made)
    assert "a, IoU" in bold
    [none] = differing_rows("page.md", "| x | y |\n|-|-|\n| 1 | 2 |\n", "made.md", made)
    assert "no row" in none


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`make demo` and make sure\n", []),
        ("`make demos`\n", ["page.md:1: `make demos`: the Makefile has no such target."]),
        ("\n```bash\nmake peers ARGS='make it'  # make this\n```\n", []),
        ("`--keep-haze`", []),
        ("`--keep-hase`", ["page.md:1: `--keep-hase`: no such option."]),
        ("```\nsomanet predict a --seeds 3\n```\n", ["page.md:2: `--seeds`: no such option."]),
        ("`git commit --amend`, `mlflow server --host 0`", []),
        ("`--host`", []),
    ],
)
def test_targets_and_options_that_do_not_exist(text: str, found: list[str]) -> None:
    assert complaints("page.md", text, ROOT, {"--host": "mlflow"}) == found


def test_commands_and_links_are_no_numbers_to_check() -> None:
    page = read_page("page.md", "# A 1\n[b 2](c.md#3)\n```\n4\n```\nIoU 5\n")
    place = find_place(page, "IoU {}")
    assert share_checked(page, [place]) == (1, 3)
