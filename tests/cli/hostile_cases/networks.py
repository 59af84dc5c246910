"""Weights and configurations of networks."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from somanet.core.hashing import sha256_file
from tests.cli.hostile_cases.base import Cases, Maker

CASES: Cases = {}


def network(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor] | bytes]) -> Maker:
    """The bundled-like network with other weights, and the hash that fits them."""

    def make(folder: Path) -> None:
        from safetensors.torch import load_file

        weights, config = folder / "model" / "model.safetensors", folder / "model" / "config.json"
        changed = change(load_file(weights))
        if isinstance(changed, bytes):
            weights.write_bytes(changed)
        else:
            save_file(changed, weights)
        content = json.loads(config.read_text(encoding="utf-8"))
        content["weights"]["sha256"] = sha256_file(weights)
        config.write_text(json.dumps(content))

    return make


def config(**changes: object) -> Maker:
    def make(folder: Path) -> None:
        path = folder / "model" / "config.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(content | changes))

    return make


HUGE = {"architecture": "Unet", "encoder": "resnet18", "decoder_channels": [10**7] * 5}
for kind, maker, words in (
    ("weights that are text, with their hash", network(lambda _: b"no weights"), "safetensors"),
    ("weights with a header of 2⁶² bytes", network(lambda _: struct.pack("<Q", 2**62) + b"{}"), "safetensors"),
    ("weights without content", network(lambda _: b""), "safetensors"),
    (
        "weights with a NaN",
        network(lambda t: {n: v * torch.nan if v.is_floating_point() else v for n, v in t.items()}),
        "NaN or infinite weights",
    ),
    ("weights of another network", network(lambda _: {"a": torch.zeros(3)}), "do not fit its network"),
    ("a network with layers of 10⁷ channels", config(model=HUGE), r"model.*config\.json|do not fit"),
    (
        "a configuration nested deeply",
        lambda folder: (folder / "model/config.json").write_text("[" * 10**5),
        r"config\.json is not JSON \(nested too deeply\)",
    ),
    (
        "weights that are a folder",
        lambda folder: ((folder / "model/model.safetensors").unlink(), (folder / "model/model.safetensors").mkdir()),
        "lacks model",
    ),
):
    CASES[kind] = maker, "predict good.png --model model --output out", words


def of_type(kind: str, item_bytes: int) -> Maker:
    """The weights' names and shapes, every value a zero of another type."""

    def change(tensors: dict[str, torch.Tensor]) -> bytes:
        head, end = {}, 0
        for name, value in tensors.items():
            start, end = end, end + value.numel() * item_bytes
            head[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [start, end]}
        text = json.dumps(head).encode()
        return struct.pack("<Q", len(text)) + text + bytes(end)

    return network(change)


UNUSUAL = {
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "F8_E8M0": 1,
    "BOOL": 1,
    "I8": 1,
    "U8": 1,
    "I16": 2,
    "U16": 2,
    "I32": 4,
    "U32": 4,
}
UNUSUAL |= {"U64": 8, "C64": 8, "F4": 1, "F6_E2M3": 1, "X9": 1}
for kind, item_bytes in UNUSUAL.items():
    CASES[f"weights of the type {kind}"] = (
        of_type(kind, item_bytes),
        "predict good.png --model model --output out",
        "of a type in which no network computes|weights in the format safetensors",
    )
CASES["weights that are whole numbers"] = (
    of_type("I64", 8),
    "predict good.png --model model --output out",
    "tensors hold whole numbers",
)
for kind, item_bytes in {"F16": 2, "BF16": 2, "F64": 8}.items():
    CASES[f"weights of the type {kind}"] = of_type(kind, item_bytes), "predict good.png --model model --output out", ""
