"""A session: every contender in turn, in its own process, in several rounds."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.contenders import HERE, Contender
from benchmarks.peers.environments import find
from benchmarks.peers.measuring import rate_seconds

ROOT = Path(__file__).resolve().parents[2]
Found = dict[str, Any]


@dataclass
class Session:
    """The settings that all contenders share.

    Attributes:
        environments: folder of the other programs' environments.
        threads: number that each may use, one image at a time.
        side_px: side of the square image for timing networks alone.
        limit_s: seconds after which a contender starts no further image.
        rounds, repeats: number of rounds; number of network runs on the square image in each.
    """

    environments: Path
    threads: int
    side_px: int
    limit_s: float
    rounds: int
    repeats: int
    peak_gflops: float = 0.0
    missing: dict[str, str] = field(default_factory=dict)

    def run(self, environment: str, job: Found, folder: Path) -> Found:
        """One job in a fresh process.

        Raises:
            RuntimeError: there is no such environment, or the process failed; the message gives the reason in one line.
        """
        place = find(environment, self.environments)
        if place.python is None:
            raise RuntimeError(place.reason)
        task, result = folder / "job.json", folder / "result.json"
        result.unlink(missing_ok=True)
        task.write_text(json.dumps(job | {"threads": self.threads, "result": str(result)}), encoding="utf-8")
        command = [str(place.python), "-m", "benchmarks.peers.worker", str(task)]
        variables = self._variables(folder)
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, check=False)
        if done.returncode or not result.exists():
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise RuntimeError(lines[-1] if lines else f"ended with status {done.returncode}")
        found: Found = json.loads(result.read_text(encoding="utf-8"))
        return found

    def measure(self, contenders: Sequence[Contender], images: Sequence[np.ndarray], labels: Path) -> dict[str, Found]:
        """Run all contenders in rounds over the same images; the best round of each counts.

        Args:
            contenders: the contenders; those that cannot run are put into :attr:`missing`.
            images: as stored.
            labels: folder for meaningful labels, one subfolder per contender.
        """
        best: dict[str, Found] = {}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "images").mkdir()
            for number, image in enumerate(images):
                np.save(folder / "images" / f"{number:04}.npy", image)
            for turn in range(self.rounds):
                peak: float = self.run(HERE, {"task": "peak"}, folder)["gflops"]
                self.peak_gflops = max(self.peak_gflops, peak)
                for contender in contenders:
                    if contender.name in self.missing or _too_slow(best.get(contender.name), self.limit_s):
                        continue
                    keep = labels / contender.name if contender.segments and turn == 0 else None
                    try:
                        found = self._measure_one(contender, folder, keep)
                        best[contender.name] = better(best.get(contender.name), found, self.threads)
                    except RuntimeError as error:
                        self.missing[contender.name] = str(error)
                        best.pop(contender.name, None)
        return best

    def _measure_one(self, contender: Contender, folder: Path, keep: Path | None) -> Found:
        """One round of one contender, keeping its labels if requested."""
        if keep is not None:
            keep.mkdir(parents=True)
        job = {
            "task": "measure",
            "contender": contender.as_dict(),
            "images": str(folder / "images"),
            "labels": str(keep or ""),
            "side_px": self.side_px,
            "limit_s": self.limit_s,
            "repeats": self.repeats,
        }
        return self.run(contender.environment, job, folder)

    def _variables(self, folder: Path) -> dict[str, str]:
        """The same threads for all, no GPU, nothing written outside the session's folder."""
        count = str(self.threads)
        return {
            **os.environ,
            **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), count),
            "CUDA_VISIBLE_DEVICES": "",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CELLPOSE_LOCAL_MODELS_PATH": str(folder / "cellpose"),
        }


def better(old: Found | None, new: Found, threads: int) -> Found:
    """The faster of two rounds, for image set and network separately; the larger of the two memory peaks."""
    if old is None:
        return new

    def cost(found: Found) -> float:
        return float(rate_seconds((found["seconds"], found["processor_s"]), threads) / found["pixels"])

    kept = dict(new if cost(new) < cost(old) else old)
    kept["peak_mb"] = max(old["peak_mb"], new["peak_mb"])
    kept["start_s"] = min(old["start_s"], new["start_s"])
    if "network" in old:
        kept["network"] = min(old["network"], new["network"], key=lambda network: network["seconds"])
    return kept


def _too_slow(found: Found | None, limit_s: float) -> bool:
    """Whether one round is enough."""
    return found is not None and bool(found["seconds"] > limit_s)
