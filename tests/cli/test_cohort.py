"""A whole cohort as a lab would make one: simulated donors, corrected tracks, one command, a trace."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from somanet.core.calibration import FileCalibration
from somanet.io.movies import write_movie
from tests.worlds import somanet

SIZES = ("--nuclei", "0", "--crops", "0", "--frames", "40", "--size-px", "200", "--frame-interval-min", "10")


def test_groups_are_simulated_with_their_effects(tmp_path: Path) -> None:
    """Two donors: movies, ground truth, conditions, and the true settings of each."""
    groups = ("--group", "control", "--group", "patient:jump_length_um=12,motile_fraction=1")
    small = ("--nuclei", "0", "--crops", "0", "--frames", "3", "--size-px", "64", "--donors", "1")
    assert somanet("simulate", "--output", "sim", *small, *groups, "--donor-spread", "0", cwd=tmp_path) is None
    conditions, truth = (pd.read_csv(tmp_path / "sim" / f"{name}.csv") for name in ("conditions", "truth"))
    assert conditions["group"].tolist() == ["control", "patient"]
    assert truth["jump_length_um"].tolist() == [25, 12]
    assert truth["motile_fraction"].tolist() == [0.85, 1]
    for movie in conditions["movie"]:
        assert (tmp_path / "sim" / "movies" / movie).is_file()
        names = {path.name for path in (tmp_path / "sim" / "truth" / movie.removesuffix(".ome.tif")).iterdir()}
        assert {"labels.tif", "tracks.csv", "saltations.csv"} <= names


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("a:jump=3", "no setting 'jump'"),
        ("a:jump_length_um=far", "SETTING=NUMBER"),
        (":x=1", "a name before the colon"),
    ],
)
def test_groups_that_cannot_be_simulated_are_refused(tmp_path: Path, group: str, words: str) -> None:
    message = somanet("simulate", "--output", "sim", *SIZES, "--group", group, cwd=tmp_path)
    assert message is not None
    assert words in message
    assert not (tmp_path / "sim").exists()


@pytest.mark.slow
def test_a_cohort_of_given_tracks_from_simulation_to_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The patients' jumps are half as long and as frequent; no network is needed, as the true tracks are given."""
    groups = ("--group", "control:somas_per_mm2=150", "--group", "patient:somas_per_mm2=150,jump_length_um=12")
    assert somanet("simulate", "--output", "sim", *SIZES, *groups, "--donors", "3", "--seed", "4", cwd=tmp_path) is None
    for movie in sorted((tmp_path / "sim" / "movies").glob("*.ome.tif")):
        name = movie.name.removesuffix(".ome.tif")
        given = ("--tracks", f"sim/truth/{name}/tracks.csv", "--no-report", "--no-overlay")
        assert somanet("analyze", movie, "--output", f"study/{name}", *given, cwd=tmp_path) is None
        assert "made or corrected by a person" in (tmp_path / "study" / name / "methods.md").read_text(encoding="utf-8")
    asked = ("--conditions", "sim/conditions.csv", "--reference", "control")
    assert somanet("cohort", "study", *asked, cwd=tmp_path) is None
    length = pd.read_csv(tmp_path / "study" / "comparison.csv").set_index("number").loc["mean_length_corrected_um"]
    assert (length["donors_reference"], length["donors_group"]) == (3, 3)
    assert length["p_adjusted"] < 0.05
    assert length["low"] < 12 - 25 + 5
    assert length["high"] < 0
    assert length["without_one_donor_high"] < 0
    capsys.readouterr()
    assert somanet("trace", "study/comparison.csv", "--json", cwd=tmp_path) is None
    links = json.loads(capsys.readouterr().out)["links"]
    assert sum(link["what"] == "analysis" for link in links) == 6
    assert sum("corrected tracks" in str(link.get("used_for")) for link in links) == 6
    paired = somanet("cohort", "study", *asked, "--paired", "donor", cwd=tmp_path)
    assert paired is None
    problems = pd.read_csv(tmp_path / "study" / "comparison.csv")["problem"]
    assert problems.str.contains("0 donor").all()


def test_a_cohort_needs_results_and_groups_a_table(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "c.csv").write_text("movie,donor,group\na,1,x\n")
    for arguments, words in (
        (("study",), "somanet analyze MOVIES"),
        (("nowhere",), "expected a folder"),
        (("study", "--reference", "x"), "--conditions"),
        (("study", "--paired", "donor"), "--conditions"),
        (("study", "--conditions", "c.csv", "--reference", "x"), "found none"),
    ):
        message = somanet("cohort", *arguments, cwd=tmp_path)
        assert message is not None
        assert words in message
    shutil.rmtree(tmp_path / "study")


def test_rows_movies_and_groups_that_do_not_fit_are_named_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The network does not exist, which is noticed after the table and before the first movie."""
    for seed, name in enumerate(("x", "y")):
        frames = np.random.default_rng(seed).integers(90, 110, (3, 32, 48)).astype(np.uint16)
        (tmp_path / "movies").mkdir(exist_ok=True)
        write_movie(tmp_path / "movies" / f"{name}.ome.tif", frames, FileCalibration(1.0, 10.0).complete())

    def analyze(table: str, reference: str) -> str:
        (tmp_path / "c.csv").write_text(table)
        asked = ("--conditions", "c.csv", "--reference", reference, "--model", "nowhere")
        message = somanet("analyze", "movies", "--output", "study", *asked, cwd=tmp_path)
        assert message is not None
        assert not (tmp_path / "study").exists()
        return message

    both = "Movie;Donor;Group\nx;1;control\nY.ome.TIF;2;drug\n"
    assert "Did you mean 'control'? Use one of control, drug" in analyze(both, "Controls")
    assert "no row for 'y'; rows of no movie here: 'z'" in analyze(both.replace("Y.ome", "z"), "control")
    assert "nowhere" in analyze(f"{both}z;3;drug\n", "control")
    assert "note: c.csv: rows of no movie here: z" in capsys.readouterr().err
