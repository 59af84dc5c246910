"""The real profile's results in git: an archive of its lock and trees, which a trace reads like a folder."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from somanet.provenance.trace.trace import trace

PROFILE = Path(__file__).resolve().parents[3] / "profiles" / "real"
ARCHIVE = PROFILE / "results.zip"

pytestmark = pytest.mark.skipif(not ARCHIVE.exists(), reason="the profile has run since, and has a lock of its own")


@pytest.fixture
def extracted(tmp_path: Path) -> Path:
    (tmp_path / ".dvc").mkdir()
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path / "build" / "real")
    return tmp_path / "build" / "real"


def test_the_archive_is_the_only_lock_and_its_files_are_those_in_git(extracted: Path) -> None:
    """Two locks of one profile would contradict each other; a lock of a new run replaces the archive."""
    assert not (PROFILE / "dvc.lock").exists()
    beside = [path for path in extracted.rglob("*") if path.is_file() and path.parent != extracted]
    same = [path for path in beside if (PROFILE / path.relative_to(extracted)).exists()]
    assert len(beside) > len(same) > 5
    for path in same:
        assert path.read_bytes() == (PROFILE / path.relative_to(extracted)).read_bytes()


def test_a_score_in_it_leads_to_its_network_and_its_data(extracted: Path) -> None:
    """Every score and history there has the hash that the lock records; networks and data are in no cache."""
    chain = trace(extracted / "reports/evaluate/lite0_all/metrics.json")
    stages = {link.name.split(" in ")[0] for link in chain.links if link.what == "stage"}
    assert stages == {"data", "manifest", "pretrain@lite0", "finetune@lite0_all", "evaluate@lite0_all"}
    assert not [text for text in chain.changed if "its output" in text]
    assert any("models/finetune/lite0_all" in text for text in chain.missing)
