"""A lock follows a change of the code only if the code before and after compute the same, on real trainings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from somanet.core.errors import SomaNetError
from somanet.core.files import read_json
from tests.pipelines.conftest import Project, copy_tree, shrink
from tests.tools.locks.worlds import CODE, change_code, edit_lock, made_in, run
from tests.tools.pull_request.worlds import commit, git
from tools.locks import blessing
from tools.locks.blessing import bless_lock
from tools.locks.checking import problems
from tools.locks.computing import small, with_those_before
from tools.locks.locked import is_code, md5s, stages_of
from tools.locks.proofs import PROOFS
from tools.same_numbers.comparing import RecordedNumbers

ROOT = Path(__file__).resolve().parents[3]
LABELS = Path("somanet/segmentation/inference/instances.py")


def test_what_is_computed_leads_to_the_stages_and_no_further() -> None:
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert with_those_before(["evaluate"], graph) == {"data", "manifest", "pretrain", "finetune", "evaluate"}
    assert with_those_before(["baseline"], graph) == {"data", "manifest", "pretrain", "baseline"}
    assert with_those_before(["track"], graph) == {"data", "segment", "track"}
    assert with_those_before(["report", "trust"], graph) == {"trust"}


@pytest.mark.parametrize("profile", [".", "profiles/real", "profiles/study"])
def test_a_profile_is_computed_on_few_simulated_data_with_all_its_variants(profile: str) -> None:
    params = yaml.safe_load((ROOT / profile / "params.yaml").read_text(encoding="utf-8"))
    less = small(params)
    assert less["data"]["kind"] == "simulated"
    assert (less["data"]["simulated"]["train_crops"], less["seeds"]) == (8, [0])
    assert less["data"]["simulated"]["movie_frames"] <= 24
    assert (less["pretrain"], less["finetune"]) == (params["pretrain"], params["finetune"])


def test_what_cannot_be_blessed_is_said_before_anything_is_computed(tmp_path: Path) -> None:
    project = made_in(tmp_path)

    def refused(match: str) -> None:
        before = {path: path.read_bytes() for path in (project / "dvc.lock", project / "params.yaml")}
        with pytest.raises(SomaNetError, match=match) as caught:
            bless_lock(project, project, echo=pytest.fail)
        assert str(caught.value).isprintable()
        assert {path: path.read_bytes() for path in before} == before
        assert not (project / PROOFS).exists()

    refused("has the present code: there is nothing to bless")
    change_code(project)
    refused("uncommitted changes: a proof names the commits")
    commit(project, "other code")
    edit_lock(project, "finetune@a", "somanet/loop", md5="e" * 32)
    commit(project, "a lock of no code")
    refused("no commit of this branch has the code that it records")
    (project / "params.yaml").write_text("finetune: {a: {rate: 1}, b: {rate: 3}}\n")
    commit(project, "another rate")
    refused("finetune@b differs in more than its code: params.yaml: finetune.b changed")
    (project / "dvc.lock").unlink()
    with pytest.raises(SomaNetError, match="there is no lock to bless"):
        bless_lock(project, project, echo=pytest.fail)


def recorded(weights: str) -> RecordedNumbers:
    """A recording of one network, of which only the hash counts."""
    files = {"models/a.safetensors": {"bytes": weights * 64, "parts": {"w": weights * 64}}}
    return RecordedNumbers(Path("nowhere"), {"cpus": 2}, (), files)


@pytest.mark.parametrize("same", [True, False])
def test_the_lock_follows_only_if_both_codes_computed_the_same(
    same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is computed is made up here. The older code is found in the history."""
    project = made_in(tmp_path)
    start = git(project, "rev-parse", "HEAD")
    (project / "pipelines/evaluate.py").write_text((project / "pipelines/evaluate.py").read_text() + "# more\n")
    run(project)
    newest = commit(project, "evaluated again")
    change_code(project)
    after = commit(project, "other code")
    steps = []

    def record(checkout: Path, profile: Path, *_: Path, wanted: set[str]) -> RecordedNumbers:
        assert (profile, wanted) == (project, {"finetune"})
        steps.append((checkout / CODE / "steps.py").read_text())
        return recorded("a" if same or len(steps) == 1 else "b")

    monkeypatch.setattr(blessing, "record_stages", record)
    before = (project / "dvc.lock").read_text()
    if not same:
        with pytest.raises(SomaNetError, match=r"not blessed: the change alters outputs.*\n  models/a\.safetensors"):
            bless_lock(project, project, echo=print)
        assert git(project, "status", "--porcelain") == ""
        return
    bless_lock(project, project, echo=print)
    assert steps == ["STEPS = 3\n", "STEPS = 1 + 2\n"]
    old, new = before.splitlines(), (project / "dvc.lock").read_text().splitlines()
    changed = [one for one, other in zip(old, new, strict=True) if one != other]
    assert {line.split(":")[0].strip() for line in changed} == {"md5", "size"}
    assert len(changed) == 4  # of two trainings
    assert problems(project, base=start) == problems(project, base="HEAD") == []
    [proof] = read_json(project / PROOFS, expected="proofs")["proofs"]
    assert (proof["before"], proof["after"]) == (newest, after)
    assert set(proof["stages"]) == {"finetune@a", "finetune@b"}
    assert proof["compared"] == {"models/a.safetensors": "a" * 64}


def only_labels(params: dict[str, Any]) -> None:
    shrink(params, {"compact": "compact"}, {"compact_all": "all"})
    sizes = {"nuclei_images": 12, "nuclei_px": 64, "train_crops": 6, "val_crops": 4, "crop_px": 64}
    params["data"]["simulated"] = {**sizes, "movie_frames": 4, "movie_px": 64}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project's own code, with a lock of its trainings and of what scores them."""
    project = copy_tree(tmp_path_factory.mktemp("blessing") / "project", ".")
    (project.root / "dvc.lock").unlink()
    project.change(only_labels)
    project.dvc("repro", "evaluate", "baseline")
    project.commit("results")
    return project


def edit(project: Project, old: str, new: str) -> str:
    """Change a line of the label extraction; the commit."""
    file = project.root / LABELS
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")
    return commit(project.root, "label extraction")


TRAININGS = {"pretrain@compact": "compact", "finetune@all": "all"}
"""Stage → its network or variant."""


def code_in_lock(project: Project, stage: str) -> dict[str, str | None]:
    deps = md5s(stages_of((project.root / "dvc.lock").read_bytes())[stage], "deps")
    return {path: md5 for path, md5 in deps.items() if is_code(path)}


def code_left(project: Project, stage: str) -> dict[str, str | None]:
    """The hashes of its code in a training's own outputs."""
    file = project.root / "reports" / stage.partition("@")[0] / TRAININGS[stage] / "training.json"
    return dict(read_json(file, expected="a training", keys=["code"])["code"])


@pytest.mark.e2e
def test_a_training_leaves_the_hashes_that_its_lock_has(project: Project) -> None:
    """As DVC computed them, not SomaNet."""
    for stage in TRAININGS:
        left = code_left(project, stage)
        assert left == code_in_lock(project, stage)
        assert {f"pipelines/{stage.partition('@')[0]}.py", "somanet/training/loop"} <= set(left)


@pytest.mark.e2e
def test_a_change_that_alters_labels_is_refused(project: Project) -> None:
    before = (project.root / "dvc.lock").read_bytes()
    start = git(project.root, "rev-parse", "HEAD")
    drop = "_drop_small(labels, settings.min_area_px, min_cut_px)"
    edit(project, f"renumber({drop})", f"renumber(ndimage.grey_erosion({drop}, size=3))")  # a pixel less all round
    assert len(problems(project.root, base=start)) == 2
    with pytest.raises(
        SomaNetError, match=r"(?s)The lock is not blessed: the change alters outputs\..*labels/bundled/"
    ) as caught:
        bless_lock(project.root, project.root, echo=print)
    assert not re.search(r"safetensors|data/packed", str(caught.value))  # trainings are the same
    assert (project.root / "dvc.lock").read_bytes() == before
    assert not (project.root / PROOFS).exists()
    git(project.root, "reset", "--quiet", "--hard", start)


@pytest.mark.e2e
def test_a_change_that_alters_nothing_is_proven_and_the_lock_follows_it(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only hashes of the code are new in the lock; DVC has nothing to run, and the proof holds for this move alone."""
    start = git(project.root, "rev-parse", "HEAD")
    after = edit(project, "    keep[0] = False\n    return np.where", "    keep[0] = 1 < 0\n    return np.where")
    stages = {"baseline@compact", "evaluate@all"}
    assert {line.split()[1] for line in problems(project.root, base=start)} == stages
    done = bless_lock(project.root, project.root, echo=print)
    assert "are the same" in done[0]
    changed = git(project.root, "diff", "--unified=0", "--", "dvc.lock").splitlines()[4:]
    lines = [line for line in changed if not line.startswith("@@")]
    assert len(lines) > 2
    assert [line for line in lines if not re.fullmatch(r"[+-]      (md5|size|nfiles): \S+", line)] == []
    assert problems(project.root, base=start) == []
    assert project.dvc("repro", "--dry", "evaluate", "baseline").count("Running stage") == 1  # the check, names
    [proof] = read_json(project.root / PROOFS, expected="proofs")["proofs"]
    assert (proof["before"], proof["after"]) == (start, after)
    assert set(proof["stages"]) == stages
    names = set(proof["compared"])
    assert "models/finetune/all/seed0/model.safetensors" in names
    for network in ("bundled", "pretrain/compact", "finetune/all"):
        assert [name for name in names if name.startswith(f"labels/{network}/")]
    assert [name for name in names if name.endswith("per_image.csv")]
    commit(project.root, "proven")
    with pytest.raises(SomaNetError, match="nothing to bless"):
        bless_lock(project.root, project.root, echo=print)
