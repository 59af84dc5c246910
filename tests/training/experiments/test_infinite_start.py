"""A network with infinite numbers, as an older export with 16 bits made them, is no start of a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from somanet.core.errors import SomaNetError
from somanet.segmentation.network.checkpoint import load_checkpoint, save_checkpoint
from tests.worlds import save_bright_network, scene, somanet


def test_it_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    from somanet.io.datasets.writers import write_pairs

    loaded = load_checkpoint(save_bright_network(tmp_path / "model"))
    name = next(name for name in loaded.model.state_dict() if name.endswith("running_var"))
    loaded.model.state_dict()[name][0] = float("inf")
    save_checkpoint(tmp_path / "infinite", loaded.model, loaded.spec, {})
    write_pairs(tmp_path / "crops", [scene(one) for one in "abc"])
    command = ["finetune", "crops", "--val", "crops", "--start", "infinite", "--output", "out"]
    error = somanet(*command, "--set", "training.epochs=1", cwd=tmp_path)
    assert error is not None
    assert f"The network to start from has infinite numbers in {name}; expected finite ones." in error
    assert not (tmp_path / "out").exists()
    with pytest.raises(SomaNetError):
        load_checkpoint(tmp_path / "out")
