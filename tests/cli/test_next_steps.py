"""What messages name as the next step works as it is typed: commands and options exist, and paths are quoted."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tifffile
from typer.main import get_command

import somanet as package
from somanet.cli import app
from somanet.corrections import NAME
from tests.analysis.worlds import frames_TYX, save_movie
from tests.cli.invoking import refusal, run
from tests.cli.test_analyze import QUICK
from tests.cli.test_correct import edits_of, record
from tests.worlds import save_bright_network, somanet

CODE = Path(package.__file__).parent
PLACE = "␣"
"""Stands for what is filled in."""


def texts() -> Iterator[tuple[str, str]]:
    """Every string in the code with its place, and every call of ``typed`` as the command that it makes."""
    for file in sorted(CODE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            place = f"{file.relative_to(CODE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                parts = [one.value if isinstance(one, ast.Constant) else PLACE for one in node.values]
                yield place, "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield place, node.value
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "typed":
                words = [one.value if isinstance(one, ast.Constant) else PLACE for one in node.args]
                yield place, f"`somanet {' '.join(map(str, words))}`"


def commands() -> list[tuple[str, str]]:
    found = [(place, words) for place, text in texts() for words in re.findall(r"`somanet ([a-z][^`]*)`", text)]
    assert len(found) > 100
    return found


def test_every_command_that_is_named_exists_with_its_options() -> None:
    for place, text in commands():
        command: Any = get_command(app)
        words = text.split()
        while words and words[0] != "…" and hasattr(command, "commands"):
            assert words[0] in command.commands, f"{place}: {text}"
            command = command.commands[words.pop(0)]
        options = {name for parameter in getattr(command, "params", ()) for name in parameter.opts}
        asked = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z-]+(=.*)?", word)}
        assert asked <= {*options, "--help"}, f"{place}: {text}"


NAMES = {"done.to", "name", "run_id", "table.removesuffix('_per_image.csv')"}
"""Filled in as they are: names in MLflow and of sweeps, which have no spaces."""


def test_paths_in_commands_are_quoted() -> None:
    """That is, commands with paths are made by :func:`somanet.core.typed.typed`, not by hand."""
    for file in sorted(CODE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            text = ""
            for one in node.values if isinstance(node, ast.JoinedStr) else ():
                if isinstance(one, ast.Constant):
                    text += str(one.value)
                    continue
                inside = re.search(r"(`|Next: |alone: |them: |first \()somanet [a-z][^`;,\n]*$", text)
                by_hand = inside and isinstance(one, ast.FormattedValue) and ast.unparse(one.value) not in NAMES
                assert not by_hand, f"{file.relative_to(CODE)}:{node.lineno}: {ast.unparse(one)}"
                text += PLACE


def printed(text: str, *, filled: dict[str, str] | None = None) -> list[str]:
    """The one command of SomaNet in a message, as the shell takes it; words in capitals are filled in."""
    [command] = re.findall(r"`somanet ([^`]+)`|(?:Next|them): somanet ([^\n]+)", text)
    return [(filled or {}).get(word, word) for word in shlex.split("".join(command))]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A movie in a folder of its own, and its results elsewhere, under names with spaces."""
    folder = tmp_path_factory.mktemp("typed")
    save_bright_network(folder / "model")
    (folder / "raw data").mkdir()
    save_movie(folder / "raw data" / "day 1.ome.tif", frames_TYX(jump_at=6))
    assert somanet("analyze", *ANALYZE, "--output", "my study/cell's", cwd=folder) is None
    return folder


ANALYZE = ("raw data/day 1.ome.tif", "--model", "model", *QUICK)
RESULT = "my study/cell's"


@pytest.fixture
def lab(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "lab"))
    return Path()


def cut(table: Path) -> None:
    """What a person does to a table of tracks: the second one is two from frame 3 on."""
    rows = pd.read_csv(table)
    rows.loc[(rows["track_id"] == 2) & (rows["frame"] > 2), "track_id"] = 99
    rows.to_csv(table, index=False)


def n_tracks(folder: str | Path) -> int:
    return int(pd.read_csv(Path(folder) / "tracks.csv")["track_id"].nunique())


def test_recorded_corrections_are_applied_as_the_note_says(lab: Path) -> None:
    """First beside the automatic results; then, as the record grew, in the corrected folder itself."""
    edits = edits_of(lab / RESULT)
    record(lab / RESULT, edits[1:2])
    told = run("analyze", *ANALYZE, "--output", RESULT)
    run(*printed(told), *QUICK)
    corrected = Path(f"{RESULT}_corrected")
    before = n_tracks(RESULT)
    assert n_tracks(corrected) == before + 1
    record(corrected, edits[2:])
    told = run("cohort", "my study")
    run(*printed(told, filled={"PATH/day 1.ome.tif": ANALYZE[0]}), *QUICK)
    assert n_tracks(corrected) == before + 2
    assert "that these numbers do not show" not in run("cohort", "my study")


@pytest.mark.parametrize("corrected", [False, True])
def test_an_edited_table_is_put_into_effect_as_the_message_says(lab: Path, corrected: bool) -> None:
    """By what an analysis and a study say of it; the movie is named where it is known."""
    if corrected:
        record(lab / RESULT, edits_of(lab / RESULT)[2:])
        run("correct", RESULT, "--movie", ANALYZE[0], "--output", RESULT, *QUICK)
    before = n_tracks(RESULT)
    cut(lab / RESULT / "tracks.csv")
    edited = (lab / RESULT / "tracks.csv").read_bytes()
    by_study = printed(refusal("cohort", "my study"), filled={"PATH/day 1.ome.tif": ANALYZE[0]})
    by_analysis = printed(refusal("analyze", *ANALYZE, "--output", RESULT))
    assert set(by_analysis) <= set(by_study)  # which has the scale, as it does not know the file
    said = run(*by_study, *QUICK)
    assert "tracks.before.csv" in said
    assert (lab / RESULT / "tracks.before.csv").read_bytes() == edited
    assert n_tracks(RESULT) == before + 1
    assert (lab / RESULT / "labels.tif").exists() == corrected  # of a table alone nobody knows the outlines
    run("cohort", "my study")


def test_an_edited_table_costs_no_outlines_and_no_settings(lab: Path) -> None:
    """The network's labels and detections stay under names that the message says before; so do the measurement's."""
    settings = ("--set", "migrate.sigma_um=0.5", "--set", "migrate.drift=cells")
    run("analyze", *ANALYZE, *settings, "--output", RESULT)
    kept = {name: (lab / RESULT / name).read_bytes() for name in ("labels.tif", "somas.csv")}
    cut(lab / RESULT / "tracks.csv")
    line = refusal("analyze", *ANALYZE, "--output", RESULT)
    assert (
        "labels.tif, somas.csv, which a table of tracks does not give, as labels.before.tif, somas.before.csv;" in line
    )
    said = run(*printed(line), *QUICK)
    for name, content in kept.items():
        copy = lab / RESULT / name.replace(".", ".before.")
        assert copy.read_bytes() == content
        assert f"Kept the previous file as {copy}\n" in said
    assert "Removed from" not in said
    migrate = json.loads((lab / RESULT / "manifest.json").read_text(encoding="utf-8"))["parameters"]["migrate"]
    assert (migrate["sigma_um"], migrate["drift"]) == (0.5, "cells")


def test_an_edited_table_of_a_movie_without_scale_is_measured_as_the_message_says(lab: Path) -> None:
    """The file has no scale, so that the command has it."""
    tifffile.imwrite("bare.tif", frames_TYX(jump_at=6), metadata={"axes": "TYX"})
    scale = ("--pixel-size-um", "1.3", "--frame-interval-min", "7.5")
    run("analyze", "bare.tif", *scale, "--model", "model", "--output", "bare", *QUICK)
    cut(lab / "bare" / "tracks.csv")
    command = printed(refusal("analyze", "bare.tif", *scale, "--model", "model", "--output", "bare", *QUICK))
    assert set(scale) <= set(command)
    run(*command, *QUICK)
    assert pd.read_csv("bare/tracks.csv")["track_id"].max() == 99


def test_tracks_of_ones_own_are_taken_back_as_the_note_says(lab: Path) -> None:
    """The results differ in a setting, so that tracks are measured as they are, and the note names the command."""
    shutil.copyfile(f"{RESULT}/tracks.csv", "my study/tracks.csv")
    cut(lab / "my study/tracks.csv")
    arguments = ("analyze", ANALYZE[0], "--tracks", "my study/tracks.csv", "--set", "migrate.sigma_um=0.5", *QUICK)
    run(*printed(run(*arguments, "--output", "apart/x")), *QUICK)
    assert n_tracks(f"{RESULT}_corrected") == n_tracks(RESULT) + 1
    assert (Path(f"{RESULT}_corrected") / NAME).exists()


def test_the_steps_after_simulating_predicting_and_selecting_work(lab: Path) -> None:
    small = ("--nuclei", "0", "--frames", "0", "--size-px", "64")
    said = run("simulate", "--output", "my sim", "--crops", "2", *small)
    assert "2" in run(*printed(said))
    said = run("data", "select", "my sim/crops.zip", "--count", "1", "--output", "my sim/one.zip")
    assert printed(said, filled={"MODEL": "m"}) == ["train", "my sim/one.zip", "--output", "m"]
    said = run("predict", "my sim/crops.zip", "--model", "model", "--output", "my labels", "--any-modality")
    run(*printed(said, filled={"FOLDER": "my sim/crops.zip"}))
    assert Path("metrics.json").exists()
    movies = ("--nuclei", "0", "--crops", "0", "--frames", "4", "--size-px", "96")
    said = run("simulate", "--output", "my groups", *movies, "--group", "a", "--group", "b", "--donors", "1")
    assert printed(said)[1:4] == ["my groups/movies", "--output", "STUDY"]
    assert printed(run("simulate", "--output", "alone", *movies))[1] == "alone/movie.ome.tif"


def test_a_file_instead_of_a_command(lab: Path) -> None:
    line = somanet("raw data/day 1.ome.tif", cwd=lab)
    assert line is not None
    assert shlex.split(line.split("`")[3]) == ["somanet", "analyze", "raw data/day 1.ome.tif", "--output", "FOLDER"]
