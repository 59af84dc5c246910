"""A lock must say what ran: it is refused if the tree is another, or if its hashes moved without a run or a proof."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from tests.tools.locks.worlds import CODE, change_code, edit_lock, made_in, run
from tests.tools.pull_request.worlds import commit, git
from tools.locks.checking import problems
from tools.locks.locked import Move
from tools.locks.proofs import PROOFS, Proof, add_proof, is_proven


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return made_in(tmp_path)


def test_what_ran_is_accepted_here_and_in_a_fresh_clone(project: Path, tmp_path: Path) -> None:
    """A clone has neither the networks nor their cache, and bytecode of the code is no change of it."""
    (project / CODE / "__pycache__").mkdir()
    (project / ".dvcignore").write_text("__pycache__/\n")
    (project / CODE / "__pycache__/steps.pyc").touch()
    assert problems(project, base="HEAD") == []
    git(project, "clone", "--quiet", str(project), str(tmp_path / "clone"))
    assert problems(tmp_path / "clone", base="HEAD") == []


@pytest.mark.slow
def test_other_code_and_other_parameters_than_the_lock_s_are_refused(project: Path) -> None:
    change_code(project)
    found = problems(project, base="HEAD")
    assert [line.split(" has ")[0] for line in found] == ["dvc.lock: finetune@a", "dvc.lock: finetune@b"]
    assert all("has not run with this tree: somanet/loop is modified. Run it (`make repro`)" in one for one in found)
    run(project)
    assert problems(project, base="HEAD") == []  # new runs, new records
    (project / "params.yaml").write_text("finetune: {a: {rate: 1}, b: {rate: 3}}\n")
    [line] = problems(project, base="HEAD")
    assert "finetune@b has not run with this tree: params.yaml: finetune.b changed" in line


def test_a_result_in_git_that_is_not_the_run_s_is_refused(project: Path) -> None:
    (project / "reports/metrics.json").write_text('{"iou": 0.9}')
    [line] = problems(project, base="HEAD")
    assert "evaluate has not run with this tree: reports/metrics.json is modified" in line


def test_a_lock_whose_stages_do_not_fit_together_is_refused(project: Path) -> None:
    """The network that was scored must be the one that the training left, also where neither is here."""
    shutil.rmtree(project / "models")
    edit_lock(project, "report", "models/a", md5="e" * 32)
    [line] = problems(project, base="HEAD")
    assert "report has not run with this tree: models/a is another than the one that its stage left" in line


def test_a_lock_edited_by_hand_is_refused_even_if_it_fits_the_tree(project: Path) -> None:
    """Also after it was committed: the record of the run is the one that the old code left."""
    new = change_code(project)
    for stage in ("finetune@a", "finetune@b"):
        edit_lock(project, stage, CODE, md5=new, size=14)
    lines = problems(project, base="HEAD")
    assert len(lines) == 2
    assert "finetune@a has other hashes of somanet/loop than at" in lines[0]
    assert "but the same outputs: it did not run, or that is not proven. Was the lock edited?" in lines[0]
    before = git(project, "rev-parse", "HEAD")
    commit(project, "The lock follows the code")
    assert problems(project, base=before) == lines
    run(project, "--force", "finetune")
    assert problems(project, base=before) == []


@pytest.mark.slow
def test_a_profile_s_lock_is_checked_as_well(project: Path) -> None:
    profile = project / "profiles" / "own"
    (profile / ".dvc").mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml", "dvc.lock", ".dvc/config"):
        shutil.copyfile(project / name, profile / name)
    for name in ("somanet", "pipelines", "reports"):
        (profile / name).symlink_to(f"../../{name}")
    assert problems(project, base="HEAD") == []
    change_code(project)
    assert [line.split(":")[0] for line in problems(project, base="HEAD")] == ["dvc.lock"] * 2 + [
        "profiles/own/dvc.lock"
    ] * 2
    assert "`make bless PROFILE=profiles/own`" in problems(project, base="HEAD")[-1]


def proof(*steps: tuple[str, str], stage: str = "finetune@a") -> list[Proof]:
    files = {"labels/a.tif": "f" * 64}
    return [Proof("c", "d", {stage: {CODE: {"before": old, "after": new}}}, files, {}) for old, new in steps]


def test_proofs_lead_from_one_hash_to_the_next() -> None:
    move = Move("finetune@a", CODE, "1", "3")
    assert is_proven(move, proof(("1", "3")))
    assert is_proven(move, proof(("0", "1"), ("1", "2"), ("2", "3")))
    assert not is_proven(move, proof(("2", "3"), ("1", "2")))
    assert not is_proven(move, proof(("1", "2")))
    assert not is_proven(move, proof(("1", "3"), stage="finetune@b"))
    assert not is_proven(Move("finetune@a", "somanet/io", "1", "3"), proof(("1", "3")))


def test_a_proof_beside_the_lock_allows_the_move_that_it_names_and_no_other(project: Path) -> None:
    new = change_code(project)
    for stage in ("finetune@a", "finetune@b"):
        old = edit_lock(project, stage, CODE, md5=new, size=14)["md5"]
    add_proof(project, *proof((old, new)))
    [line] = problems(project, base="HEAD")
    assert "finetune@b has other hashes" in line
    add_proof(project, *proof((old, new), stage="finetune@b"))
    assert problems(project, base="HEAD") == []


@pytest.mark.parametrize("text", ['{"proofs": [{"before": "c"}]}', "{}", "[]", "no JSON", '{"proofs": 3}'])
def test_a_file_that_is_no_proof_is_one_line(project: Path, text: str) -> None:
    (project / PROOFS).write_text(text)
    with pytest.raises(SomaNetError, match=r"dvc\.lock\.proofs\.json") as caught:
        problems(project, base="HEAD")
    assert str(caught.value).isprintable()
