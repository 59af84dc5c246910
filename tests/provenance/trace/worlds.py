"""What the tests of traces share: looking into a chain, and a `dvc.lock` that fits the files as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from somanet.provenance.trace.chain import Chain
from somanet.provenance.trace.hashes import Hashes, cache_object
from tests.worlds import bright_network


def link(chain: Chain, what: str) -> dict[str, Any]:
    """The one link of a kind."""
    [found] = [one.as_dict() for one in chain.links if one.what == what]
    return found


def kinds(chain: Chain) -> list[str]:
    """The ids of the links, starting with the file."""
    return [one.what for one in chain.links]


def other_network() -> Any:
    """Other weights than those of the bright network."""
    import torch

    network = bright_network()
    with torch.no_grad():
        network.head.bias.fill_(-9.0)
    return network


def write_lock(root: Path) -> None:
    """Three stages in a row and one apart, with the lists of folders in DVC's cache."""
    hashes = Hashes(root)

    def entry(path: str) -> dict[str, Any]:
        return {"path": path, "hash": "md5", "md5": hashes.md5(root / path)}

    stages = {
        "data": {"cmd": "get", "deps": [entry("code.py")], "outs": [entry("data")]},
        "train@mine": {
            "cmd": "python train.py mine",
            "deps": [entry("code.py"), entry("data")],
            "params": {"params.yaml": {"seed": 3, "train": {"epochs": 2, "deep": {"lr": 0.1}}}},
            "outs": [entry("models/seed0")],
        },
        "score": {"cmd": "score", "deps": [entry("models/seed0")], "outs": [entry("reports/metrics.json")]},
        "elsewhere": {"cmd": "x", "deps": [entry("code.py")], "outs": [{"path": "other", "md5": "0" * 32}]},
    }
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False))
    for md5 in (hashes.md5(root / "data"), hashes.md5(root / "models" / "seed0")):
        folder = root / ("data" if md5 == hashes.md5(root / "data") else "models/seed0")
        listed = [{"md5": hashes.md5(path), "relpath": path.name} for path in sorted(folder.iterdir())]
        cache_object(str(md5), root).parent.mkdir(parents=True, exist_ok=True)
        cache_object(str(md5), root).write_text(json.dumps(listed))
