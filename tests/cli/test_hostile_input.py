"""Input that is broken or hostile: one line that names the file, exit status 1, bounded memory and time.

Each case is a kind and goes through the real command, in a process of its own that may take 2 GB more than this one
and 20 s of processor time.
"""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from somanet.core.calibration import Calibration
from somanet.io.datasets.writers import write_pairs
from somanet.io.images import write_image
from somanet.tracking.formats import read_tracks
from tests.cli.hostile import IMAGE, MEMORY_BYTES, TRACKS, limited, run_limited
from tests.cli.hostile_cases import ALL
from tests.worlds import scene


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, bright: Path) -> Path:
    """A sound image, data set and network."""
    folder = tmp_path_factory.mktemp("hostile") / "sound"
    write_pairs(folder / "set", [scene("a"), scene("b"), scene("c")])
    write_image(folder / "good.png", IMAGE)
    shutil.copytree(bright, folder / "model")
    # Libraries that reserve addresses when first used do so here, not in the processes that are measured.
    (folder.parent / "t.csv").write_text(TRACKS)
    read_tracks(folder.parent / "t.csv", Calibration(1, 5))
    return folder


@pytest.mark.parametrize("kind", ALL)
def test_one_line_in_bounded_memory_and_time(
    kind: str, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, command, words = ALL[kind]
    monkeypatch.setenv("SOMANET_MAX_IMAGE_PIXELS", str(1 << 26))
    folder = tmp_path / "here"
    shutil.copytree(sound, folder)
    make(folder)
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    given = command.split(" ")
    if given[0] == "predict" and "--model" not in given:
        given += ["--model", "model"]
    outcome = run_limited(given, folder)
    assert outcome.code in (0, 1), outcome.stderr[-3000:]
    if words:
        assert outcome.code == 1, outcome
        assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
        assert re.search(words, outcome.stderr), outcome.stderr
    if outcome.code:
        assert len(outcome.stderr.splitlines()) == 1, outcome.stderr[-3000:]
        assert outcome.stderr.startswith("error: "), outcome.stderr


def test_the_limits_bind(tmp_path: Path) -> None:
    """A process that takes more memory is stopped, and so is one that takes more time."""
    taken = limited(lambda: np.ones(2 * MEMORY_BYTES, np.uint8), tmp_path)
    assert taken.code == 70
    assert "MemoryError" in taken.stderr
    assert limited(lambda: time.sleep(60), tmp_path, seconds=0.2).code == -1
    assert limited(lambda: None, tmp_path).code == 0
