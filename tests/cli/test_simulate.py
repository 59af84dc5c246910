"""`somanet simulate` into its own folder: the new data are there, and nothing of the old among them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.cli.invoking import refusal, run

SMALL = ("--nuclei", "0", "--crops", "0", "--frames", "3", "--size-px", "64")


def cohort(output: Path, *groups: str, donors: int, options: tuple[str, ...] = ()) -> str:
    asked = [word for group in groups for word in ("--group", group)]
    return run("simulate", "--output", output, *SMALL, *asked, "--donors", donors, *options)


def test_a_cohort_replaces_its_own_larger_one_and_says_what_is_gone(tmp_path: Path) -> None:
    out = tmp_path / "my cohort"
    cohort(out, "control", "patient", donors=2)
    assert "Removed" not in cohort(out, "control", "patient", donors=2)
    said = cohort(out, "control", donors=2)
    gone = "patient_1_1.ome.tif, patient_2_1.ome.tif"
    assert f"Removed from {out / 'movies'} (not written by this run): {gone}\n" in said
    names = ["control_1_1", "control_2_1"]
    assert sorted(path.name for path in (out / "truth").iterdir() if path.is_dir()) == names
    assert sorted(path.name for path in (out / "movies").glob("*.tif")) == [f"{name}.ome.tif" for name in names]
    assert pd.read_csv(out / "conditions.csv")["movie"].tolist() == [f"{name}.ome.tif" for name in names]


@pytest.mark.parametrize("place", ["movies", "truth/control_1_1"])
def test_a_persons_file_among_the_movies_stops_it(tmp_path: Path, place: str) -> None:
    """The message names it; with --replace the folder is kept."""
    cohort(tmp_path, "control", donors=1)
    (tmp_path / place / "notes.txt").write_text("mine")
    before = pd.read_csv(tmp_path / "truth.csv")
    asked = ("simulate", "--output", tmp_path, *SMALL, "--group", "other", "--donors", 1)
    named = Path(place, "notes.txt").relative_to(place.split("/")[0])
    assert f"contains files that SomaNet did not write, or that were changed since ({named})" in refusal(*asked)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "truth.csv"), before)
    top = place.split("/")[0]
    assert f"Kept the previous folder as {tmp_path / top}.before" in run(*asked, "--replace")
    assert (tmp_path / f"{top}.before" / Path(place).relative_to(top) / "notes.txt").read_text() == "mine"
