"""Ctrl-C: one line, the status that shells know, and what was finished stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from somanet import cli
from somanet.core.calibration import Calibration
from somanet.io.images import write_image
from somanet.io.movies import write_movie
from somanet.segmentation.inference.segmenter import Segmenter

LINE = "Interrupted: outputs that were complete stay, nothing is half-written."


def test_a_command_that_is_interrupted_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    write_image(tmp_path / "cell.png", np.random.default_rng(0).poisson(50, (64, 80)).astype(np.uint8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Segmenter, "deciding", interrupt)
    monkeypatch.setattr(sys, "argv", ["somanet", "predict", "cell.png", "--output", "labels"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 128 + signal.SIGINT
    assert capsys.readouterr().err.splitlines()[-1] == LINE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cell.png"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_of_several_movies_the_finished_ones_stay(tmp_path: Path) -> None:
    """Sent to all processes, as a terminal does, once the first movie is finished."""
    for number in range(4):
        frames = np.random.default_rng(number).normal(200, 5, (12 if number == 0 else 400, 96, 120))
        frames[:, 40:56, 50 + number : 66 + number] += 3000
        write_movie(tmp_path / "movies" / f"{number}.tif", frames.astype(np.uint16), Calibration(1.28, 12.0))
    command = [sys.executable, "-m", "somanet", "analyze", "movies", "--workers", "2", "--output", "out"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        until = time.monotonic() + 300
        while not (tmp_path / "out" / "0" / "manifest.json").exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 128 + signal.SIGINT
    assert said.splitlines()[-1] == LINE
    assert "Traceback" not in said
    assert (tmp_path / "out" / "0" / "tracks.csv").exists()
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
