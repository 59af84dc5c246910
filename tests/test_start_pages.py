"""docs/start: commands are accepted; the biologist's run in their order, the engineer's are those of tested pages."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image

from somanet.config import load_params
from tests.test_docs_site import targets, without_code
from tests.test_readme import ROOT, commands, make_targets, problem_with, somanet_arguments
from tests.worlds import somanet

PAGES = {name: (ROOT / f"docs/start/{name}.md").read_text(encoding="utf-8") for name in ("biologist", "engineer")}
STEP_LINES = 60
"""Two screens of thirty lines."""


def steps(page: str) -> dict[str, str]:
    """The numbered sections of a page."""
    parts = re.split(r"^## (\d+\. .+)$", PAGES[page], flags=re.MULTILINE)
    return dict(zip(parts[1::2], (part.partition("\n## ")[0] for part in parts[2::2]), strict=True))


def typed(page: str) -> list[str]:
    """The commands of a page's steps, in their order."""
    return [command for text in steps(page).values() for command in commands(text)]


@pytest.mark.parametrize("page", PAGES)
def test_steps_are_short_and_the_page_has_pictures(page: str) -> None:
    found = steps(page)
    assert list(found) == sorted(found, key=lambda title: int(title.partition(".")[0]))
    assert len(found) >= 7
    for title, text in found.items():
        assert len(text.splitlines()) <= STEP_LINES, title
        assert len(without_code(text).split()) <= 250, title
    assert sum(target.endswith(".png") for target in targets(PAGES[page])) >= 2


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_accepted(page: str) -> None:
    inline = re.findall(r"`(somanet [a-z][^`]*)`", without_code(PAGES[page]).replace("\n", " "))
    given = {command: somanet_arguments(command) for command in [*typed(page), *inline]}
    refused = {command: problem_with(words) for command, words in given.items() if words}
    assert len(refused) >= 6
    assert {command: problem for command, problem in refused.items() if problem} == {}


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_exists(page: str) -> None:
    named = {
        w for line in typed(page) if line.startswith("make ") for w in line.split()[1:] if re.fullmatch("[a-z-]+", w)
    }
    named |= set(re.findall(r"`make ([a-z][a-z-]*)", PAGES[page]))
    assert named <= make_targets()


def test_the_engineers_commands_are_those_that_a_test_types() -> None:
    """Of docs/week.md or the README; what is added is the environment, and a comparison that other tests make."""
    known = {
        command for name in ("docs/week.md", "README.md") for command in commands((ROOT / name).read_text("utf-8"))
    }
    own = [command for command in typed("engineer") if command not in known]
    assert own == ["somanet compare --variants --reference compact_scratch --output comparison"]


def test_the_engineers_variant_is_possible(tmp_path: Path) -> None:
    """Among the others in `params.yaml`, with the types of the settings."""
    [text] = re.findall(r"^```yaml\n(.*?)^```", PAGES["engineer"], flags=re.MULTILINE | re.DOTALL)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["finetune"] |= yaml.safe_load(text)["finetune"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    assert "compact_slow" in load_params(tmp_path / "params.yaml").finetune
    assert "compact_scratch" in params["finetune"]


def move_a_spot(trackmate: Path) -> None:
    """What a person does in TrackMate: one spot is moved by 3 px."""
    tree = ET.parse(trackmate)
    spot = next(tree.iter("Spot"))
    spot.set("POSITION_X", str(float(spot.get("POSITION_X", "0")) + 3))
    tree.write(trackmate, encoding="utf-8", xml_declaration=True)


@pytest.mark.real
def test_the_page_shows_what_the_check_prints(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copyfile(data_root / "neuritetracker/cell_body.tif", tmp_path / "movie.tif")
    [shown] = re.findall(r"^```text\n(.*?)^```", PAGES["biologist"], flags=re.MULTILINE | re.DOTALL)
    assert somanet("data", "check", "movie.tif", cwd=tmp_path) is None
    assert shown.splitlines() == capsys.readouterr().out.rstrip().splitlines()


@pytest.mark.slow
@pytest.mark.e2e
def test_a_biologist_types_the_page(tmp_path: Path) -> None:
    """Two groups of two donors, twelve frames; all that she does by hand is one spot in TrackMate."""
    simulate = "simulate --output sim --nuclei 0 --crops 0 --frames 12 --size-px 200 --seed 4 --donors 2 --movies 1"
    assert (
        somanet(*shlex.split(simulate), "--group", "control", "--group", "patient:jump_length_um=15", cwd=tmp_path)
        is None
    )
    shutil.copytree(tmp_path / "sim/movies", tmp_path / "movies")
    shutil.copyfile(tmp_path / "sim/conditions.csv", tmp_path / "conditions.csv")
    shutil.copyfile(next((tmp_path / "movies").rglob("*.tif")), tmp_path / "movie.tif")
    [example] = re.findall(r"^```csv\n(.*?)\n", PAGES["biologist"], flags=re.MULTILINE)
    assert set(example.split(",")) <= set(pd.read_csv(tmp_path / "conditions.csv").columns)
    lines = [command for command in typed("biologist") if somanet_arguments(command)]
    assert len(lines) >= 7
    for command in lines:
        if "--from tracks.xml" in command:
            move_a_spot(tmp_path / "tracks.xml")
        assert somanet(*(somanet_arguments(command) or ()), cwd=tmp_path) is None, command
    for name in (
        "results/report.html",
        "results/methods.md",
        "corrected/report.html",
        "study/report.html",
        "study/methods.md",
    ):
        assert (tmp_path / name).is_file(), name
    assert pd.read_csv(tmp_path / "corrected/tracks.csv")["edited"].sum() == 1
    strip = [
        sys.executable,
        "-m",
        "tools.strip",
        "results",
        "--panels",
        "3",
        "--field-um",
        "60",
        "--output",
        "strip.png",
    ]
    subprocess.run(strip, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    with Image.open(tmp_path / "strip.png") as picture:
        assert picture.size == (3 * 240 - 4, 2 * 236 + 4)
