"""From folders of results to all outputs of a cohort: every file, the comparison in it, and what it must say."""

from __future__ import annotations

import base64
import json
import re
import shutil
from html import escape, unescape
from pathlib import Path

import pandas as pd
import pytest

from somanet.analysis import names
from somanet.analysis.cohort.results import find_results, read_result, read_results
from somanet.analysis.cohort.tables import COMPARISON
from somanet.analysis.cohort.write import Question, build_cohort
from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file, sha256_tree
from somanet.core.markdown import table
from somanet.migration.groups import COMPARED, PAIRED_T, WELCH
from somanet.provenance.trace.trace import trace
from tests.analysis.cohort.worlds import conditions, question, save_study
from tests.analysis.worlds import save_results, tracks
from tests.markdown_tables import unpadded

FILES = {
    "movies.csv", "donors.csv", "cells.csv", "summary.json", "comparison.csv", "comparison.json", "figures",
    "report.html", "methods.md", "cohort.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study as it is after `somanet cohort`."""
    root = tmp_path_factory.mktemp("work") / "study"
    folders = save_study(root)
    build_cohort(folders, root, question(root / "conditions.csv", folders))
    return root


@pytest.fixture
def copy(study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(study, tmp_path / "study"))


def rebuild(root: Path, **options: object) -> None:
    folders = find_results(root)
    build_cohort(folders, root, question(root.parent / "c.csv", folders, **options))


def row(root: Path, number: str = "frequency_corrected_per_h") -> dict[str, object]:
    return pd.read_csv(root / names.COMPARISON).set_index("number").loc[number].to_dict()


def test_every_output_is_there_beside_the_movies(study: Path) -> None:
    movies = {folder.name for folder in find_results(study)}
    assert len(movies) == 12
    assert {path.name for path in study.iterdir()} == {*FILES, *movies, "conditions.csv"}
    record = json.loads((study / names.COHORT_RECORD).read_text(encoding="utf-8"))
    assert set(record["files"]) == FILES - {"cohort.json"}
    assert all(sha256_tree(study / name) == sha256 for name, sha256 in record["files"].items())
    assert set(record["movies"]) == movies
    assert record["movies"]["control00"]["results"] == "control00"


def test_groups_are_compared_between_donors(study: Path) -> None:
    """3.33 against 6.33 saltations in 9.83 h, and a correction for dead time that grows with their frequency."""
    table = pd.read_csv(study / names.COMPARISON)
    assert table["number"].tolist() == list(COMPARED)
    found = row(study)
    assert (found["donors_reference"], found["donors_group"]) == (3, 3)
    assert (found["movies_group"], found["cells_group"]) == (6, 24)
    assert found["mean_reference"] == pytest.approx(3.33 / 9.83, rel=0.15)
    assert 3 / 9.83 < found["difference"] < 6 / 9.83
    assert found["low"] > 0
    assert found["p_value"] <= found["p_adjusted"] < 0.05
    assert found["test"] == WELCH
    assert found["correction"] == "Benjamini-Hochberg over 5 tests"
    assert found["without_one_donor_low"] < found["difference"] < found["without_one_donor_high"]
    assert found["mixed_difference"] == pytest.approx(found["difference"], rel=0.2)
    assert found["difference_by_model"] == pytest.approx(found["difference"], rel=0.3)
    metric = json.loads((study / names.COMPARISON_METRIC).read_text(encoding="utf-8"))
    assert metric["patient - control"]["frequency_corrected_per_h"]["difference"] == pytest.approx(found["difference"])


def test_tables_of_movies_donors_and_cells(study: Path) -> None:
    movies, donors = (pd.read_csv(study / name) for name in (names.MOVIES, names.DONORS))
    assert (movies["donor"] == movies["movie"].str[:-1]).all()
    assert movies["n_cells"].tolist() == [4] * 12
    assert movies["density_per_mm2"].tolist() == pytest.approx([4 / 1.1] * 12)
    assert donors["n_movies"].tolist() == [2] * 6
    assert len(pd.read_csv(study / names.CELLS)) == 48
    summary = json.loads((study / names.SUMMARY).read_text(encoding="utf-8"))
    assert set(summary) == {"all", "control", "patient"}
    assert (summary["all"]["n_donors"], summary["all"]["intervals_over"]) == (6, "donor")


def test_the_page_is_one_file_that_names_test_effect_n_and_sensitivity(study: Path) -> None:
    page = (study / names.REPORT).read_text(encoding="utf-8")
    assert not re.search(
        r"https?://(?!www\.w3\.org)|<script|\{\w+\}", page.split("<style>")[0] + page.split("</style>")[1]
    )
    assert page.count("<img ") == len(COMPARED)
    assert "<h3>Methods: comparison of groups</h3>" in page
    assert "**" not in page
    for words in (WELCH, "Hedges' g", "adjusted p", "n = 3 and 3 donors", "Without one donor", "(1 | donor)"):
        assert escape(words) in page, words


def saved_files(page: str) -> dict[str, str]:
    """What the page's links save, by file name."""
    links = re.findall(r'<a class="save" download="([^"]+)" href="data:[^"]+;charset=utf-8;base64,([^"]+)"', page)
    return {unescape(name): base64.b64decode(data).decode() for name, data in links}


def test_the_page_saves_every_figure_and_table_as_the_folder_has_it(study: Path) -> None:
    saved = saved_files((study / names.REPORT).read_text(encoding="utf-8"))
    tables = {f"study_{Path(name).stem}.csv": study / name for name in (names.COMPARISON, names.DONORS, names.MOVIES)}
    figures = {f"study_{number}.svg": study / names.FIGURES / f"{number}.svg" for number in COMPARED}
    assert set(saved) == {*tables, *figures}
    for name, path in (tables | figures).items():
        assert saved[name] == path.read_text(encoding="utf-8"), name


def test_the_page_has_one_count_of_saltations(study: Path) -> None:
    """The rows of all movies' tables; what the frequency counts is a part of them, and said to be."""
    page = (study / names.REPORT).read_text(encoding="utf-8")
    n = sum(len(pd.read_csv(folder / names.SALTATIONS)) for folder in find_results(study))
    counted = int(pd.read_csv(study / names.MOVIES)["n_events"].sum())
    assert n >= counted > 0
    assert f"<dt>Saltations</dt><dd>{n}</dd>" in page
    assert f"{n} saltations were found in all movies. The frequency counts {counted}, those whose start" in page
    assert ">Saltations counted<" in page
    assert ">Saltations<" not in page.replace("<dt>Saltations</dt>", "")


def test_every_row_and_column_of_the_page_has_a_header_and_every_table_a_name(study: Path) -> None:
    page = (study / names.REPORT).read_text(encoding="utf-8")
    tables = re.findall(r'<table aria-labelledby="(\w+)">(.*?)</table>', page, re.DOTALL)
    assert [name for name, _ in tables] == ["comparisons", "sensitivity", "donors", "movies"]
    for name, content in tables:
        assert f'<h2 id="{name}">' in page
        head, *rows = re.findall(r"<tr>(.*?)</tr>", content, re.DOTALL)
        assert set(re.findall(r"<(t[hd][^>]*)>", head)) == {'th scope="col"'}
        assert rows
        for row in rows:
            assert re.findall(r"<(t[hd])", row)[0] == "th"
            assert row.count('<th scope="row">') == row.count("<th") == 1
    assert set(re.findall(r'<a href="#(\w+)"', page)) <= set(re.findall(r'id="(\w+)"', page))


def test_figures_have_real_letters_and_equal_cohorts_equal_bytes(study: Path, copy: Path) -> None:
    svg = (study / names.FIGURES / f"{COMPARED[0]}.svg").read_text(encoding="utf-8")
    assert ">control" in svg
    assert "<text" in svg
    pdf = (study / names.FIGURES / f"{COMPARED[0]}.pdf").read_bytes()
    assert b"/TrueType" in pdf or b"/Type0" in pdf
    assert b"/Type3" not in pdf
    shutil.rmtree(copy / names.FIGURES)
    folders = find_results(copy)
    build_cohort(folders, copy, Question(copy / "conditions.csv", "control"))
    for name in FILES:
        assert sha256_tree(copy / name) == sha256_tree(study / name), name


def test_the_methods_say_how(study: Path) -> None:
    text = (study / names.METHODS).read_text(encoding="utf-8")
    for words in (
        "12 movies of 6 donors",
        "10 min apart",
        WELCH,
        "Benjamini-Hochberg",
        "Hedges",
        "statsmodels",
        "scipy",
        "without each donor in turn",
    ):
        assert words in text, words


def test_a_comparison_is_traced_to_its_movies_corrections_and_networks(copy: Path) -> None:
    save_results(copy / "control00", tracks(4, seed=3, jumps=3), corrected=True)
    rebuild(copy)
    found = trace(copy / names.COMPARISON, root=copy)
    kinds = [one.what for one in found.links]
    assert kinds.count("analysis") == 12
    assert kinds.count("network") == 1
    assert {"mine.csv of control00", "c.csv", "control00", "patient21"} <= {
        one.name for one in found.links if one.what == "data"
    }
    [cohort] = [one for one in found.links if one.what == "cohort"]
    assert cohort.changed == ()
    save_results(copy / "patient00", tracks(4, seed=8, jumps=5))
    [cohort] = [one for one in trace(copy / names.COMPARISON, root=copy).links if one.what == "cohort"]
    assert cohort.changed == ("the movie patient00 was analysed again since",)
    with (copy / names.COMPARISON).open("a") as file:
        file.write("\n")
    assert any("comparison.csv is now" in text for text in trace(copy / names.COMPARISON, root=copy).changed)


def test_corrected_movies_count_and_take_precedence(copy: Path) -> None:
    """The correction of a movie lies beside its automatic analysis; both are of one movie."""
    corrected = save_results(copy / "by_hand", tracks(3, seed=1, jumps=2), corrected=True)
    manifest = json.loads((corrected / names.MANIFEST).read_text(encoding="utf-8"))
    automatic = json.loads((copy / "control00" / names.MANIFEST).read_text(encoding="utf-8"))
    manifest["input"] |= {"movie": "control00", "sha256": automatic["input"]["sha256"]}
    (corrected / names.MANIFEST).write_text(json.dumps(manifest))
    results, notes = read_results(find_results(copy))
    assert results["control00"].folder == corrected
    assert "by_hand" in notes[0]
    shutil.copytree(corrected, copy / "again")
    with pytest.raises(SomaNetError, match="two folders of results"):
        read_results(find_results(copy))


@pytest.mark.parametrize("name", [names.TRACKS, names.MIGRATION, names.SUMMARY])
def test_results_that_were_changed_are_refused(study: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(study / "patient11", tmp_path / "patient11"))
    (folder / name).write_text((folder / name).read_text(encoding="utf-8") + "\n")
    with pytest.raises(SomaNetError, match=rf"{name} was changed after the analysis.*--replace") as error:
        read_result(folder)
    in_place = f"--tracks {folder / names.TRACKS} --output {folder} --replace"
    assert (in_place in str(error.value)) == (name == names.TRACKS)


@pytest.mark.parametrize("other", [{"sha256": "f" * 64}, {"position": "1"}], ids=["another file", "another position"])
def test_a_corrected_movie_replaces_no_other_of_its_name(tmp_path: Path, other: dict[str, str]) -> None:
    """`day1/movie.tif` corrected and `day2/movie.tif` are two movies; so are two positions of a file."""
    for name, corrected in (("automatic", False), ("by_hand", True)):
        folder = save_results(tmp_path / name, tracks(3, seed=1, jumps=2), corrected=corrected)
        manifest = json.loads((folder / names.MANIFEST).read_text(encoding="utf-8"))
        manifest["input"] |= {"movie": "movie", "sha256": "e" * 64, "position": "0"} | (other if corrected else {})
        (folder / names.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(SomaNetError, match=r"Two movies are called 'movie': .*automatic and .*by_hand"):
        read_results(find_results(tmp_path))


def test_positions_of_one_file_are_movies_of_their_own(study: Path, tmp_path: Path) -> None:
    folders = [Path(shutil.copytree(study / name, tmp_path / name)) for name in ("control00", "control10")]
    for position, folder in enumerate(folders):
        manifest = json.loads((folder / names.MANIFEST).read_text(encoding="utf-8"))
        manifest["input"] |= {"sha256": "e" * 64, "position": str(position)}
        (folder / names.MANIFEST).write_text(json.dumps(manifest))
    assert list(read_results(folders)[0]) == ["control00", "control10"]


def test_one_movie_under_two_names_is_refused(study: Path, tmp_path: Path) -> None:
    """Its cells would count twice, as those of two donors."""
    folders = [Path(shutil.copytree(study / name, tmp_path / name)) for name in ("control00", "control10")]
    manifests = [json.loads((folder / names.MANIFEST).read_text(encoding="utf-8")) for folder in folders]
    manifests[1]["input"]["sha256"] = manifests[0]["input"]["sha256"]
    (folders[1] / names.MANIFEST).write_text(json.dumps(manifests[1]))
    with pytest.raises(SomaNetError, match="'control00' and 'control10' are the same movie under two names"):
        read_results(folders)


def test_equal_movies_get_no_such_warning(study: Path) -> None:
    record = json.loads((study / names.COHORT_RECORD).read_text(encoding="utf-8"))
    assert not any("differ" in text for text in record["warnings"])


def test_donors_with_ids_in_both_groups_are_six_unless_paired(copy: Path) -> None:
    rebuild(copy, shared=True)
    assert row(copy)["test"] == WELCH
    assert pd.isna(row(copy)["paired"])
    assert "--paired donor" in str(row(copy)["notes"])
    assert json.loads((copy / names.SUMMARY).read_text(encoding="utf-8"))["all"]["n_donors"] == 6
    rebuild(copy, shared=True, paired=True)
    assert (row(copy)["test"], row(copy)["paired"]) == (PAIRED_T, "donor")
    assert json.loads((copy / names.SUMMARY).read_text(encoding="utf-8"))["all"]["n_donors"] == 3
    for name in (names.REPORT, names.METHODS):
        assert PAIRED_T in (copy / name).read_text(encoding="utf-8"), name


def test_one_donor_per_group_gives_a_reason_instead_of_a_p(study: Path, tmp_path: Path) -> None:
    some = [study / name for name in ("control00", "control01", "patient00")]
    build_cohort(some, tmp_path / "out", question(tmp_path / "c.csv", some))
    table = pd.read_csv(tmp_path / "out" / names.COMPARISON)
    assert table["p_value"].isna().all()
    assert table["problem"].str.contains("two per group").all()


def test_movies_without_conditions_stand_for_themselves(study: Path, tmp_path: Path) -> None:
    cohort = build_cohort([study / "control00", study / "patient00"], tmp_path / "out", Question())
    assert cohort.comparisons == []
    assert cohort.summaries["all"].level == "movie"
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES - {
        "donors.csv", "comparison.csv", "comparison.json"
    }  # fmt: skip


def test_movies_in_which_nothing_was_found_have_no_numbers_and_no_comparison(tmp_path: Path) -> None:
    nothing = tracks(1, seed=0, jumps=3).head(0)
    folders = [
        save_results(tmp_path / f"{group}0{movie}", nothing) for group in ("control", "patient") for movie in (0, 1)
    ]
    cohort = build_cohort(folders, tmp_path / "out", question(tmp_path / "c.csv", folders))
    assert cohort.comparisons == []
    assert pd.read_csv(tmp_path / "out" / names.MOVIES)["n_cells"].tolist() == [0] * 4
    assert "No cell is seen long enough" in (tmp_path / "out" / names.REPORT).read_text(encoding="utf-8")


def test_files_of_a_person_in_the_study_stay(copy: Path) -> None:
    """A table that was changed is replaced only with --replace; a note among the results stays in any case."""
    (copy / "notes.txt").write_text("mine")
    rebuild(copy)
    assert (copy / "notes.txt").read_text() == "mine"
    with (copy / names.MOVIES).open("a") as file:
        file.write("\n")
    with pytest.raises(SomaNetError, match=r"movies\.csv was changed since SomaNet wrote it"):
        rebuild(copy)


def test_the_folders_of_the_movies_stay_in_place(copy: Path) -> None:
    """Another process may be writing there: the study is the same folder afterwards, and so are those inside."""
    before = {path: path.stat().st_ino for path in (copy, *find_results(copy))}
    rebuild(copy)
    assert {path: path.stat().st_ino for path in before} == before


def test_a_folder_without_results_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match="found none"):
        find_results(tmp_path / "nowhere")
    with pytest.raises(SomaNetError, match=r"somanet analyze MOVIES --output STUDY"):
        find_results(tmp_path)


def test_the_conditions_are_not_written_over(study: Path, tmp_path: Path) -> None:
    """They may lie in the study, under any name but that of an output."""
    folders = [study / "control00", study / "patient00"]
    out = tmp_path / "out"
    build_cohort(folders, out, Question())
    path = conditions(out / "donors.csv", folders)
    before = sha256_file(path)
    with pytest.raises(SomaNetError, match=r"donors\.csv"):
        build_cohort(folders, out, Question(path, "control"))
    assert sha256_file(path) == before


def test_the_docs_list_every_column_of_the_comparison() -> None:
    """When this fails, what it prints belongs into the page."""
    rows = [(f"`{column.name}`", column.meaning) for column in COMPARISON.columns]
    page = Path(__file__).resolve().parents[3] / "docs" / "analysis.md"
    assert unpadded(table(("column", "meaning"), rows)) in unpadded(page.read_text(encoding="utf-8"))
