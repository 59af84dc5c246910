"""Networks on disk: a folder with `model.safetensors` and `config.json`, whole or absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from somanet.core.errors import SomaNetError
from somanet.core.files import atomic_path, make_readable, read_json, write_json
from somanet.core.foreign import check_file, parsing
from somanet.core.hashing import sha256_file
from somanet.core.limits import WEIGHTS_BYTES
from somanet.core.settings import Settings
from somanet.segmentation.network.intended_use import OLDER_SECTION as OLDER_INTENDED_USE
from somanet.segmentation.network.intended_use import SECTION as INTENDED_USE
from somanet.segmentation.network.intended_use import IntendedUse
from somanet.segmentation.network.object_confidence import SECTION as OBJECT_CONFIDENCE
from somanet.segmentation.network.object_confidence import ObjectConfidence
from somanet.segmentation.network.settings import ModelSpec
from somanet.segmentation.network.temperature import SECTION as TEMPERATURE_SCALING
from somanet.segmentation.network.temperature import TemperatureScaling

if TYPE_CHECKING:
    from torch import Tensor, dtype, nn

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
FORMAT = 1

_Section = TypeVar("_Section", bound=Settings)


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and its metadata.

    Attributes:
        model: in evaluation mode, on the CPU.
        spec: how it is built and how images are preprocessed for it.
        sha256: hash of the weights file.
        metadata: training settings, scores, provenance, as written at training.
        intended_use: its intended use.
        temperature_scaling: temperature scaling of its soma probabilities; None if it was never fitted.
        object_confidence: how its logits become the confidence in an object; None if it was never fitted.
    """

    model: nn.Module
    spec: ModelSpec
    sha256: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    intended_use: IntendedUse = field(default_factory=IntendedUse)
    temperature_scaling: TemperatureScaling | None = None
    object_confidence: ObjectConfidence | None = None

    @property
    def temperature(self) -> float:
        """The number by which soma logits are divided to calibrate them; 1 if it was never fitted."""
        return 1.0 if self.temperature_scaling is None else self.temperature_scaling.temperature


def save_checkpoint(folder: Path | str, model: nn.Module, spec: ModelSpec, metadata: Mapping[str, Any]) -> str:
    """Write a checkpoint folder atomically, replacing an older one; returns the weights' SHA-256."""
    from safetensors.torch import save_file

    # contiguous in the default layout, so that equal weights give equal bytes whatever the layout in training
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in model.state_dict().items()}
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        save_file(tensors, temporary / WEIGHTS)
        make_readable(temporary / WEIGHTS)
        digest = sha256_file(temporary / WEIGHTS)
        config = {
            **metadata,
            "format": FORMAT,
            "model": spec.model_dump(mode="json"),
            "weights": {"file": WEIGHTS, "sha256": digest},
        }
        write_json(temporary / CONFIG, config)
    return digest


def read_config(folder: Path | str) -> dict[str, Any]:
    """The checkpoint's `config.json` as written, but for sections that have another name today.

    Raises:
        SomaNetError: the folder or the file is missing, or is not a checkpoint's.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise SomaNetError(
            f"No checkpoint at {folder}: expected a folder with {CONFIG} and {WEIGHTS}, as `somanet train` writes."
        )
    config = read_json(path, expected="a checkpoint's config.json", keys=("format", "weights", "model"))
    if config["format"] != FORMAT:
        raise SomaNetError(
            f"{path} has checkpoint format {config['format']}, expected {FORMAT}: use the SomaNet that wrote it."
        )
    weights = config["weights"]
    if not isinstance(weights, dict) or not isinstance(weights.get("sha256"), str):
        raise SomaNetError(f"{path} lacks weights.sha256; expected a checkpoint's config.json. Was it edited?")
    if OLDER_INTENDED_USE in config:
        older = config.pop(OLDER_INTENDED_USE)
        config.setdefault(INTENDED_USE, older)
    return config


def load_checkpoint(folder: Path | str) -> Checkpoint:
    """Read a checkpoint and verify its weights.

    Raises:
        SomaNetError: it is missing, its weights do not have the recorded SHA-256, or they do not fit the network.
    """
    from safetensors.torch import load_file

    from somanet.segmentation.network.models import build_model

    folder = Path(folder)
    config = read_config(folder)
    try:
        spec = ModelSpec.model_validate(config["model"])
    except ValidationError as error:
        first = error.errors()[0]
        raise SomaNetError(
            f"{folder / CONFIG} describes a network this SomaNet cannot build: "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}."
        ) from error
    intended_use = (
        _section(folder, config, INTENDED_USE, IntendedUse, "the intended use of its network") or IntendedUse()
    )
    temperature_scaling = _section(
        folder, config, TEMPERATURE_SCALING, TemperatureScaling, "what `somanet calibrate` writes"
    )
    object_confidence = _section(
        folder, config, OBJECT_CONFIDENCE, ObjectConfidence, "what `somanet calibrate --confidence` writes"
    )
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise SomaNetError(f"The checkpoint {folder} lacks {WEIGHTS}. Was it copied whole? `dvc pull` restores it.")
    digest = sha256_file(weights)
    if digest != config["weights"]["sha256"]:
        raise SomaNetError(
            f"The weights in {folder} are not those its {CONFIG} names: expected sha256 "
            f"{config['weights']['sha256'][:12]}…, found {digest[:12]}…. The file is damaged or was replaced; "
            "`dvc checkout` or a new training restores it."
        )
    check_file(weights, "the weights of a network", limit=WEIGHTS_BYTES)
    with parsing(
        weights, "weights in the format safetensors", remedy="Another file under this name? A new training restores it."
    ):
        tensors = load_file(weights)
    usual = _number_types()
    if unusual := [(name, value.dtype) for name, value in tensors.items() if value.dtype not in usual]:
        raise SomaNetError(
            f"{weights}: {len(unusual)} of {len(tensors)} tensors have numbers of a type in which no network computes, "
            f"such as {unusual[0][0]} ({str(unusual[0][1]).removeprefix('torch.')}); expected float16, bfloat16, "
            "float32 or float64, and int64 for counts. Save the network in float32, or train anew."
        )
    if wrong := [name for name, value in tensors.items() if not _computable(name, value)]:
        raise SomaNetError(
            f"{weights}: {len(wrong)} of {len(tensors)} tensors have NaN or infinite weights, such as {wrong[0]}: this "
            "network would find nothing. Its training diverged, or the file was damaged before it was hashed; train "
            "anew, with a lower learning rate."
        )
    with parsing(folder / CONFIG, "a network that can be built", remedy="Was the configuration edited?"):
        _check_size(spec, tensors, folder)
        model = build_model(spec, load_encoder_weights=False)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise SomaNetError(f"The weights in {folder} do not fit its network: {str(error).splitlines()[0]}") from error
    known = ("format", "model", "weights", INTENDED_USE, TEMPERATURE_SCALING, OBJECT_CONFIDENCE)
    metadata = {key: value for key, value in config.items() if key not in known}
    return Checkpoint(model.eval(), spec, digest, metadata, intended_use, temperature_scaling, object_confidence)


def _number_types() -> frozenset[dtype]:
    """Those of weights and of counts (int64); torch stores others that it hardly computes with, or not at all."""
    import torch

    return frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64})


def _computable(name: str, value: Tensor) -> bool:
    """Whether all values are finite; in 16 bits a variance above 65504 is infinite, and its channel is its bias."""
    if not value.is_floating_point():
        return True
    if name.endswith(".running_var"):
        return not bool((value.isnan() | value.isneginf()).any())
    return bool(value.isfinite().all())


def _check_size(spec: ModelSpec, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Refuse a network of another size than its weights, before memory is taken for it, or weights that are counts."""
    import torch
    from torch.overrides import TorchFunctionMode

    from somanet.segmentation.network.models import build_model

    class _LinspaceOnCpu(TorchFunctionMode):
        """Encoders such as mit_b0 read numbers of a linspace while they are built, and a meta tensor has none."""

        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            more = {"device": "cpu"} if func is torch.linspace else {}
            return func(*args, **{**(kwargs or {}), **more})

    with torch.device("meta"), _LinspaceOnCpu():
        empty = build_model(spec, load_encoder_weights=False).state_dict()
    described = sum(value.numel() for value in empty.values())
    stored = sum(value.numel() for value in tensors.values())
    if described != stored:
        raise SomaNetError(
            f"The weights in {folder} do not fit its network: {CONFIG} describes one of {described} numbers, {WEIGHTS} "
            f"has {stored}. Were they mixed up with those of another network?"
        )
    whole = [name for name, value in tensors.items() if not value.is_floating_point()]
    if mixed := [name for name in whole if name in empty and empty[name].is_floating_point()]:
        raise SomaNetError(
            f"{folder / WEIGHTS}: {len(mixed)} of {len(tensors)} tensors hold whole numbers, such as {mixed[0]}; "
            "expected weights in float16, bfloat16, float32 or float64. Were they quantised? Export them anew."
        )


def _section(
    folder: Path, config: Mapping[str, Any], name: str, kind: type[_Section], expected: str
) -> _Section | None:
    """An optional section of a configuration; None if it is missing."""
    if name not in config:
        return None
    try:
        return kind.model_validate(config[name])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([name, *map(str, first["loc"])])
        raise SomaNetError(
            f"{folder / CONFIG}: expected {expected} in {where}, found something else: {first['msg']}. Was it edited, "
            "or written by a newer SomaNet?"
        ) from error
