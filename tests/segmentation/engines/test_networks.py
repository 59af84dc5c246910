"""Which networks can run on another engine: the lists in docs/engines.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp

from somanet.core.errors import SomaNetError
from somanet.segmentation.engines.graph import TOLERANCE, check_agreement, to_onnx
from somanet.segmentation.network.models import build_model
from somanet.segmentation.network.settings import ModelSpec

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "engines.md"
AGREE = [
    *((architecture, "resnet18") for architecture in (
        "Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PAN", "DeepLabV3", "DeepLabV3Plus", "Segformer",
    )),
    *(("Unet", encoder) for encoder in (
        "mobilenet_v2", "mit_b0", "tu-efficientnet_b0", "tu-tf_efficientnet_lite0", "tu-regnety_002",
        "tu-mobilenetv3_small_100", "tu-convnext_atto", "tu-edgenext_xx_small", "tu-fastvit_t8",
    )),
]  # fmt: skip
REFUSED = [
    ("PSPNet", "resnet18"), ("UPerNet", "resnet18"),
    *(("Unet", encoder) for encoder in (
        "tu-maxvit_pico_rw_256", "tu-swin_tiny_patch4_window7_224", "tu-hiera_tiny_224", "tu-mobilevitv2_050",
        "tu-efficientformerv2_s0",
    )),
]  # fmt: skip


def agreement(architecture: str, encoder: str) -> float:
    """The largest difference of a logit between ONNX Runtime and torch."""
    pytest.importorskip("onnxruntime")
    from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine

    model = build_model(ModelSpec(architecture=architecture, encoder=encoder)).eval()
    return check_agreement(OnnxRuntimeEngine(to_onnx(model, 3)).logits, model, 3, f"{architecture} with {encoder}")


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "encoder"), AGREE)
def test_a_network_agrees(architecture: str, encoder: str) -> None:
    assert agreement(architecture, encoder) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "encoder"), REFUSED)
def test_a_network_is_refused(architecture: str, encoder: str) -> None:
    with pytest.raises(SomaNetError, match="--engine torch"):
        agreement(architecture, encoder)


def test_the_guide_names_the_networks_that_are_tried() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    [paragraph] = re.findall(r"^- Networks that cannot be written.*?\n(?=\n|- )", text, re.MULTILINE | re.DOTALL)
    refused, _, agree = paragraph.partition("Tried, and agreeing")
    architectures = {cls.__name__ for cls in smp.MODEL_ARCHITECTURES_MAPPING.values()}
    for text, pairs in ((refused, REFUSED), (agree, AGREE)):
        words, quoted = set(re.findall(r"\w+", text)), set(re.findall(r"`([^`]+)`", text))
        assert words & architectures | {"Unet"} == {architecture for architecture, _ in pairs} | {"Unet"}
        assert quoted | {"resnet18"} == {encoder for _, encoder in pairs} | {"resnet18"}
