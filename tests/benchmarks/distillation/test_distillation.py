"""Distillation: narrower copies of a network, what a student learns, and which images it may see."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.distillation.empty_tiles import empty_share
from benchmarks.distillation.front import verdicts
from benchmarks.distillation.images import (
    FRAMES,
    held_out_names,
    refuse_held_out,
    repeated,
    training_images,
    unlabelled_frames,
)
from benchmarks.distillation.learning import distilled, imitation_loss, settings_for
from benchmarks.distillation.pruning import Cut, apply
from benchmarks.distillation.students import Student, save
from benchmarks.yolo.sets import LATER_X_PX
from somanet.analysis.network import BUNDLED
from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.segmentation.network.checkpoint import load_checkpoint
from somanet.training.loop.samples import TrainingSamples


def test_a_channel_that_others_repeat_is_taken_out_without_a_change() -> None:
    """Of four channels two are faint copies of the first: one channel and the fourth say all."""
    rng = torch.Generator().manual_seed(0)
    image = torch.randn(1, 2, 9, 11, generator=rng)
    maker = nn.Conv2d(2, 4, 1)
    with torch.no_grad():
        maker.weight.copy_(torch.tensor([[3.0, 0], [0.3, 0], [0.1, 0], [0, 2]])[:, :, None, None])
    norm, reader, after = nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5)
    network = nn.Sequential(maker, norm, reader, after).eval()
    with torch.no_grad():
        inputs, expected = norm(maker(image)), network(image)
        columns = nn.functional.unfold(inputs, 3)[0].T
        apply(Cut((maker, norm), reader, after, 2), columns)
        found = network(image)
    assert maker.weight.shape[0] == norm.num_features == reader.in_channels == 2
    torch.testing.assert_close(found[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1], rtol=0.02, atol=0.02)


def test_a_narrow_student_has_the_asked_widths_and_can_be_read_again(tmp_path: Path) -> None:
    teacher = load_checkpoint(BUNDLED)
    student = Student("narrow", 1e-3, (48, 32, 16, 16), encoder_share=0.25)
    examples = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    model = student.starting(teacher, examples, seed=0)
    widths = [block.conv2[0].out_channels for block in model.get_submodule("decoder").blocks]  # type: ignore[union-attr]
    assert widths == [48, 32, 16, 16]
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    assert shapes["encoder.model.blocks.1.0.conv_dw.weight"][0] == 32, "a quarter of 96, in steps of 16"
    save(model, tmp_path)
    with torch.inference_mode():
        torch.testing.assert_close(student.load(teacher, tmp_path)(examples), model(examples))


def test_imitation_costs_nothing_if_equal_and_else_the_divergence() -> None:
    """Teacher 1/2, student 3/4: 1/2 ln(1/2 / 3/4) + 1/2 ln(1/2 / 1/4) = ln(2) - ln(3) / 2."""
    half = torch.zeros(2, 3, 4, 5)
    assert float(imitation_loss(half, half)) == pytest.approx(0, abs=1e-6)
    assert float(imitation_loss(half + np.log(3), half)) == pytest.approx(np.log(2) - np.log(3) / 2, abs=1e-6)


def test_a_student_comes_closer_to_its_teacher() -> None:
    """A teacher that is a threshold of the first contrast, and a student of one convolution that can be one."""

    def teacher(inputs_NCHW: np.ndarray) -> np.ndarray:
        return np.repeat(8 * (inputs_NCHW[:, :1] - 0.5), 3, axis=1).astype(np.float32)

    rng = np.random.default_rng(0)
    spec = load_checkpoint(BUNDLED).spec
    picture = rng.integers(0, 255, (70, 90), dtype=np.uint8)
    items = [LabelledImage("a", picture, np.zeros(picture.shape, np.int32))]
    settings = settings_for(120, 0.5, batch_size=4).model_copy(update={"size_px": 32, "ema_decay": 0.8})
    samples = TrainingSamples(items, spec, settings, seed=0)
    torch.manual_seed(0)
    student = nn.Conv2d(3, 3, 1)
    inputs = torch.stack([samples[number][0] for number in range(8)])
    expected = torch.from_numpy(teacher(inputs.numpy()))

    def distance(model: nn.Module) -> Tensor:
        with torch.inference_mode():
            return imitation_loss(model(inputs), expected)

    before = float(distance(student))
    lines: list[str] = []
    trained = distilled(student, teacher, samples, settings, report=lines.append)
    assert float(distance(trained)) < 0.3 * before
    assert lines[-1].startswith("step 30/30: loss ")


def test_held_out_images_are_refused_by_name_and_the_movie_is_cut() -> None:
    """Trips the check once for each kind of image, and passes without them."""
    image = np.zeros((6, LATER_X_PX + 4), np.uint8)
    fine = repeated("dsb2018", [LabelledImage("seen", image, image.astype(np.int32))], 2)
    held_out = {"dsb2018": frozenset({"tested"}), "somas": frozenset({"t36_y037_x440"})}
    refuse_held_out(fine, held_out)
    assert [item.name for item in fine] == ["dsb2018/seen/0", "dsb2018/seen/1"]
    for name in ("dsb2018/tested/0", "varied/tested/0", "somas/t36_y037_x440/3"):
        with pytest.raises(SomaNetError, match="is held out"):
            refuse_held_out([*fine, dataclasses.replace(fine[0], name=name)], held_out)
    with pytest.raises(SomaNetError, match="444 columns, expected 440"):
        refuse_held_out([dataclasses.replace(fine[0], name=f"{FRAMES}/0003/0")], held_out)


def test_without_the_training_sets_the_error_says_how_to_build_them(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match="make bundled-sets"):
        training_images(tmp_path, tmp_path / "sets")


@pytest.mark.real
def test_no_pixel_of_the_held_out_region_is_in_the_frames(data_root: Path) -> None:
    frames = unlabelled_frames(data_root / "neuritetracker" / "cell_body.tif")
    assert {(item.image.shape[1], bool(item.ignored.all())) for item in frames if item.ignored is not None} == {
        (LATER_X_PX, True)
    }
    names = held_out_names(data_root)
    assert len(names["somas"]) == 5
    assert len(names["dsb2018"]) > 100


def test_the_verdict_names_what_is_missed() -> None:
    """Twice as fast as the paper's network in the same engine and eight times as built; 0.01 is lost on one set."""

    def row(ms: float, later: float | None) -> dict[str, object]:
        times = {"ms_per_mpx": dict.fromkeys(("square", "nuclei to labels", "movie to labels"), ms)}
        names = ("nuclei 0.5", "nuclei mean", "soma/val mean")
        return times if later is None else times | {"scores": dict.fromkeys(names, 0.8) | {"later mean": later}}

    rows = {
        "paper as built": row(800, None),
        "paper": row(200, None),
        "bundled": row(80, 0.75),
        "small": row(100, 0.74),
    }
    found = verdicts(rows)
    assert found["bundled"] == "all reached"
    assert found["small"] == "nuclei to labels: 2.0 × paper; movie to labels: 2.0 × paper; later mean -0.010"


def test_a_tile_is_empty_if_nothing_is_in_it_or_near() -> None:
    """Of 4 x 6 px in tiles of 2: a dot in the first tile; with a margin of 1 px it is near three others too, of 6."""
    something = np.zeros((4, 6), bool)
    something[1, 1] = True
    assert empty_share(something, tile_px=2, margin_px=0) == pytest.approx(5 / 6)
    assert empty_share(something, tile_px=2, margin_px=1) == pytest.approx(2 / 6)
