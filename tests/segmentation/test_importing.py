"""Weights of UNet-pytorch become a checkpoint with the same outputs, and others are refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from somanet.core.errors import SomaNetError
from somanet.segmentation.importing import import_unet_pytorch
from somanet.segmentation.network.checkpoint import load_checkpoint
from somanet.segmentation.network.inputs import to_input
from tests.segmentation.foreign_unet import foreign_unet

Y, X = 48, 80


@pytest.mark.parametrize("in_channels", [3, 1])
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state}], ids=["plain", "wrapped"])
def test_the_outputs_are_the_same(tmp_path: Path, in_channels: int, wrap: Callable[[dict], dict]) -> None:
    """Of an 8-bit image: theirs from 0 to 255, ours through SomaNet's preprocessing; computed in double precision."""
    theirs = foreign_unet(in_channels=in_channels)
    torch.save(wrap(theirs.state_dict()), tmp_path / "model.pt")
    import_unet_pytorch(tmp_path / "model.pt", tmp_path / "out")
    checkpoint = load_checkpoint(tmp_path / "out")
    assert sum(p.numel() for p in checkpoint.model.parameters()) == (1_944_529 if in_channels == 3 else 1_944_241)
    assert checkpoint.metadata["imported"]["file"] == "model.pt"
    image = np.random.default_rng(4).integers(0, 256, (Y, X, 3)).astype(np.uint8)
    if in_channels == 1:
        image = np.repeat(image[..., :1], 3, axis=-1)
    pixels = torch.from_numpy(image.transpose(2, 0, 1)[None, :in_channels].astype(np.float32))
    with torch.no_grad():
        expected = theirs.double()(pixels.double())
        logits = checkpoint.model.double()(torch.from_numpy(to_input(image, checkpoint.spec))[None].double())
    assert expected.std() > 0.02  # the network is no constant
    np.testing.assert_allclose(logits.sigmoid(), expected, atol=2e-7)


def test_channels_that_are_not_swapped_show(tmp_path: Path) -> None:
    """The same weights, names changed and nothing else, give other outputs: the check above can fail."""
    theirs = foreign_unet()
    torch.save(theirs.state_dict(), tmp_path / "model.pt")
    import_unet_pytorch(tmp_path / "model.pt", tmp_path / "out")
    ours = load_checkpoint(tmp_path / "out").model
    image = torch.rand(1, 3, Y, X)
    with torch.no_grad():
        before = ours(image)
        for level in range(1, 5):
            weight = ours.get_submodule(f"up{level}").get_parameter("0.weight")
            weight.copy_(torch.cat(weight.chunk(2, dim=1)[::-1], dim=1))
            assert (ours(image) - before).abs().max() > 1e-3, level


def test_a_network_trained_on_several_gpus_is_read(tmp_path: Path) -> None:
    state = {f"module.{name}": value.half() if value.is_floating_point() else value
             for name, value in foreign_unet().state_dict().items()}  # fmt: skip
    torch.save(state, tmp_path / "model.pt")
    import_unet_pytorch(tmp_path / "model.pt", tmp_path / "out")
    assert load_checkpoint(tmp_path / "out").spec.architecture == "paper-unet"


class Attack:
    """What a pickle may do when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("attacked"),)  # type: ignore[return-value]


def without_a_bias(state: dict[str, torch.Tensor]) -> None:
    del state["conv7.0.bias"]


def with_nan(state: dict[str, torch.Tensor]) -> None:
    state["conv2.0.weight"][3, 1] = float("nan")


def broken(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    def write(path: Path) -> object:
        state = dict(foreign_unet().state_dict())
        return torch.save(change(state) or state, path)

    return write


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "another architecture": (
        lambda path: torch.save(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)).state_dict(), path),
        "another architecture: it has 0.weight",
    ),
    "a wider one": (lambda path: torch.save(foreign_unet(first=32).state_dict(), path), "UNet-pytorch's larger UNet"),
    "two classes": (lambda path: torch.save(foreign_unet(classes=2).state_dict(), path), "one class, found 3 and 2"),
    "four channels": (lambda path: torch.save(foreign_unet(in_channels=4).state_dict(), path), "found 4 and 1"),
    "a part": (broken(lambda state: {k: v for k, v in state.items() if "conv7" not in k}), "it lacks conv7"),
    "a tensor less": (broken(without_a_bias), "1 of"),
    "a tensor more": (broken(lambda state: state.update({"conv7.9.bias": torch.zeros(3)})), "up3.9.bias"),
    "NaN": (broken(with_nan), "NaN"),
    "no first weight": (broken(lambda state: {k: v for k, v in state.items() if k != "conv1.0.weight"}), "1 of"),
    "no last weight": (broken(lambda state: {k: v for k, v in state.items() if k != "conv10.weight"}), "1 of"),
    "no axes": (broken(lambda state: state.update({"conv1.0.weight": torch.tensor(1.0)})), "1 of"),
    "no half": (broken(lambda state: state.update({"conv6.0.weight": torch.zeros(128, 1, 3, 3)})), "1 of"),
    "no numbers": (broken(lambda state: state.update({"conv2.0.bias": torch.zeros(32, device="meta")})), "meta"),
    "sparse": (broken(lambda state: state.update({"conv2.0.bias": torch.zeros(32).to_sparse()})), "sparse|else"),
    "complex": (broken(lambda state: state.update({"conv2.0.bias": torch.zeros(32) + 1j})), "complex64"),
    "whole": (broken(lambda state: state.update({"conv2.0.bias": torch.zeros(32, dtype=torch.int32)})), "int32"),
    "negative": (broken(lambda state: state.update({"conv2.1.running_var": -torch.ones(32)})), "below 0"),
    "a module": (lambda path: torch.save(foreign_unet(), path), "whole module"),
    "a list": (lambda path: torch.save([torch.zeros(3)], path), "found list"),
    "an attack": (lambda path: torch.save(Attack(), path), "whole module"),
    "a pickle": (lambda path: path.write_bytes(pickle.dumps(Attack())), "UNet-pytorch"),
    "text": (lambda path: path.write_text("hello"), "UNet-pytorch"),
    "nothing": (lambda path: None, "model.pt"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_weights_are_refused_in_one_line(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write, words = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "model.pt")
    with pytest.raises(SomaNetError, match=words) as error:
        import_unet_pytorch(tmp_path / "model.pt", tmp_path / "out")
    assert "\n" not in str(error.value)
    assert "weights_only" not in str(error.value)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "attacked").exists()
