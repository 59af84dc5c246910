"""Temporal context: it starts as the trained network, all frames of a sample change alike, held-out columns stay so."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.temporal import __main__ as command
from benchmarks.temporal.inputs import inflate, input_of, on_scale_of_first, triplet
from benchmarks.temporal.page import dim_difference
from benchmarks.temporal.samples import TemporalSamples, faded_alike, windows_of
from benchmarks.temporal.scores import HeldOut, contrast_table, scored
from somanet.analysis.network import BUNDLED
from somanet.core.calibration import FileCalibration
from somanet.core.errors import SomaNetError
from somanet.io.datasets.layouts import LabelledImage
from somanet.io.datasets.writers import write_kaggle
from somanet.io.movies import write_movie
from somanet.segmentation.network.checkpoint import load_checkpoint
from somanet.segmentation.network.forward import predict_logits
from somanet.segmentation.network.inputs import to_input
from somanet.segmentation.network.settings import InstanceSettings, ModelSpec
from somanet.training.loop.settings import AugmentSettings, TrainSettings
from tests.worlds import bright_network

SPEC = ModelSpec(input="contrasts", instances=InstanceSettings(threshold=0.5))
T, Y, X = 4, 48, 80


def disc(y: float, x: float, radius: float = 5.0) -> np.ndarray:
    rows, columns = np.ogrid[:Y, :X]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def movie() -> tuple[np.ndarray, np.ndarray]:
    """Two cells that move right by 3 px a frame: 7, bright, at y 14; 9, at y 34, a tenth as far above the noise."""
    rng = np.random.default_rng(0)
    frames = rng.normal(1000, 20, (T, Y, X))
    tracks = np.zeros((T, Y, X), np.int32)
    for t in range(T):
        for track, y, light in ((7, 14, 4000), (9, 34, 400)):
            frames[t][disc(y, 50 + 3 * t)] += light
            tracks[t][disc(y, 50 + 3 * t)] = track
    return frames.astype(np.uint16), tracks


# What the network sees


def test_at_first_the_network_is_the_trained_one_whatever_the_neighbours_show() -> None:
    trained = load_checkpoint(BUNDLED)
    inflated = copy.deepcopy(trained.model)
    inflate(inflated)
    rng = np.random.default_rng(1)
    inputs = rng.random((9, 64, 96)).astype(np.float32)
    expected = predict_logits(trained.model, inputs[:3])
    assert np.abs(expected).max() > 1
    for _ in range(2):
        np.testing.assert_allclose(predict_logits(inflated, inputs), expected, atol=1e-4)
        inputs[3:] = rng.random((6, 64, 96))
    inflated(torch.from_numpy(inputs[None])).sum().backward()
    first = next(module for module in inflated.modules() if isinstance(module, torch.nn.Conv2d))
    assert first.weight.grad is not None
    assert (first.weight.grad[:, 3:].abs().amax(dim=(0, 2, 3)) > 0).all()  # but it can learn to use them


def test_at_the_ends_of_a_movie_the_frame_stands_for_its_neighbour() -> None:
    frames = np.arange(5)[:, None, None] * np.ones((5, 2, 3), int)
    assert [triplet(frames, t)[:, 0, 0].tolist() for t in (0, 2, 4)] == [[0, 0, 1], [2, 1, 3], [4, 3, 4]]
    assert triplet(frames[:1], 0)[:, 0, 0].tolist() == [0, 0, 0]  # a still


def test_a_frame_alone_is_prepared_as_everywhere_and_its_neighbours_on_its_scale() -> None:
    frames, _ = movie()
    seen = triplet(frames, 1)
    seen[1] = seen[0]
    seen[2] = seen[0] // 2
    inputs = input_of(on_scale_of_first(seen), SPEC)
    expected = to_input(seen[0], SPEC, inverted=False)
    np.testing.assert_allclose(inputs[:3], expected, atol=1e-5)
    np.testing.assert_array_equal(inputs[3:6], inputs[:3])
    assert inputs[6].max() < 0.6 * expected[0].max()  # half as bright, and stays so


# What it is trained on


def training(**changes: Any) -> TrainSettings:
    quiet = {"mode": "online", "independent": True, "intensity_probability": 0.0, "noise_probability": 0.0}
    augment = AugmentSettings.model_validate({**quiet, **changes.pop("augment", {})})
    return TrainSettings(size_px=32, batch_size=2, augment=augment, **changes)


def crop(tracks: np.ndarray, name: str = "t01_y002_x003", *, ignored: bool = False) -> LabelledImage:
    place = np.s_[2:42, 3:73]
    labels = np.searchsorted([7, 9], tracks[1][place], side="right").astype(np.int32)
    return LabelledImage(name, np.zeros((40, 70), np.uint8), labels, ignored=labels == 2 if ignored else None)


def test_all_frames_of_a_sample_are_turned_and_zoomed_alike() -> None:
    """In a movie of equal frames all three parts of every input are equal, and cells lie where the targets are."""
    frames, tracks = movie()
    still = np.repeat(frames[1:2], 3, axis=0)
    windows = windows_of([crop(tracks)], still, np.repeat(tracks[1:2], 3, axis=0), end_x_px=X)
    settings = training(augment={"scale_range": (0.5, 1.8), "elastic_probability": 1.0, "brighter_elsewhere": 3.0})
    samples = TemporalSamples(windows, SPEC, settings, seed=3, n=12)
    somas = 0
    for inputs, targets in (samples[n] for n in range(len(samples))):
        assert torch.equal(inputs[:3], inputs[3:6])
        assert torch.equal(inputs[:3], inputs[6:])
        if (soma := targets[0] > 0).sum() > 20 and (~soma).any():
            somas += 1
            assert inputs[2][soma].mean() > inputs[2][~soma].mean()
    assert somas >= 4


def test_the_same_sample_again_and_another_with_another_seed() -> None:
    frames, tracks = movie()
    windows = windows_of([crop(tracks, ignored=True)], frames, tracks, end_x_px=X)
    settings = training(augment={"noise_probability": 1.0, "fade_probability": 0.5})
    first, again, other = (TemporalSamples(windows, SPEC, settings, seed=seed, n=5)[4] for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert first[0].shape == (9, 32, 32)
    targets = torch.cat([TemporalSamples(windows, SPEC, settings, seed=0, n=20)[n][1] for n in range(20)])
    assert targets.min() == -1  # ignored cells stay so


def test_a_cell_is_faded_by_the_same_share_in_every_frame_wherever_it_is() -> None:
    frames, tracks = movie()
    units = np.moveaxis(on_scale_of_first(triplet(frames, 1)), 0, -1)
    tracks_YXK = np.moveaxis(triplet(tracks, 1), 0, -1)
    settings = AugmentSettings(mode="online", fade_probability=0.5, fade_range=(0.3, 0.300001))

    def light(image: np.ndarray, track: int) -> np.ndarray:
        return np.array(
            [image[..., k][tracks_YXK[..., k] == track].mean() - np.median(image[..., k]) for k in range(3)]
        )

    seen = set()
    for seed in range(12):
        faded = faded_alike(units, tracks_YXK, settings, np.random.default_rng(seed))
        shares = light(faded, 7) / light(units, 7)
        assert np.ptp(shares) < 0.02
        assert min(abs(shares.mean() - 1), abs(shares.mean() - 0.3)) < 0.05
        seen.add(round(float(shares.mean())))
    assert seen == {0, 1}


@pytest.mark.parametrize(
    ("name", "end", "words"),
    [
        ("t01_y002_x003", 72, "reaches beyond x = 72"),
        ("t01_y002_x007", 80, "labels are not the movie's"),
        ("cell_3", 80, "named after its frame and place"),
    ],
)
def test_no_window_of_held_out_columns_or_of_another_movie(name: str, end: int, words: str) -> None:
    frames, tracks = movie()
    with pytest.raises(SomaNetError, match=words):
        windows_of([crop(tracks, name)], frames, tracks, end_x_px=end)
    with pytest.raises(SomaNetError, match="no crops"):
        windows_of([], frames, tracks, end_x_px=end)


# How it is scored


def test_only_held_out_columns_count_and_dim_somas_are_those_of_low_contrast() -> None:
    """The bright cell is found; the dim one, at a tenth of its light, is not. Its columns are at x ≥ 44."""
    frames, tracks = movie()
    tracks[0][5:12, 5:12] = 3  # left of what counts
    contrast = contrast_table(frames, tracks, 44)
    assert sorted(contrast["track"].unique()) == [7, 9]
    assert contrast.groupby("track")["contrast"].max()[9] < contrast.groupby("track")["contrast"].min()[7] / 5
    held_out = HeldOut(frames, tracks, tracks == 9, contrast, 44)
    images, somas = scored(bright_network().eval(), SPEC, held_out, (0.5,), temporal=False, alone=False)
    assert somas.groupby("track")["matched"].mean().to_dict() == {7: 1.0, 9: 0.0}
    counts = images.groupby("ignoring")[["tp_0.5", "fp_0.5", "fn_0.5"]].sum()
    assert counts.loc[False].tolist() == [T, 0, T]
    assert counts.loc[True].tolist() == [T, 0, 0]


def test_the_interval_of_dim_somas_draws_cells() -> None:
    """Cell 1, dim in three frames: found in all against none. Cell 2, in one: lost. (3 − 1)/4; between −1 and 1."""

    def rows(found: dict[int, list[bool]]) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {"seed": 0, "track": track, "t": t, "matched": value, "dim": track < 3}
                for track, values in found.items()
                for t, value in enumerate(values)
            ]
        )

    ours = rows({1: [True, True, True], 2: [False], 3: [True]})
    theirs = rows({1: [False, False, False], 2: [True], 3: [False]})
    value, low, high = dim_difference({"a": ours, "b": theirs}, "a", "b")
    assert (value, low, high) == pytest.approx((0.5, -1.0, 1.0))


# The command


def test_whole_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    frames, tracks = movie()
    train_items = [crop(tracks)]
    frames = np.dstack([frames, frames])  # the right half is held out
    tracks = np.dstack([tracks, np.where(tracks > 0, tracks + 10, 0)])
    folder = tmp_path / "data/neuritetracker"
    folder.mkdir(parents=True)
    for name in ("cell_body", "nucleus"):
        write_movie(folder / f"{name}.tif", frames, FileCalibration())
    write_movie(folder / "soma_labels.tif", tracks.astype(np.uint16), FileCalibration())
    places = [(t, n, *np.argwhere(tracks[t] == n).mean(axis=0)) for t in range(T) for n in (7, 9, 17, 19)]
    pd.DataFrame(places, columns=["frame", "track", "y_px", "x_px"]).to_csv(folder / "tracks.csv", index=False)
    write_kaggle(tmp_path / "data/soma/train", train_items)
    monkeypatch.setattr(command, "LATER_X_PX", X)
    begun: list[bool] = []

    def counted(*arguments: Any, **options: Any) -> Any:
        begun.append(options["temporal"])
        return command_fine_tuned(*arguments, **options)

    command_fine_tuned = command.fine_tuned
    monkeypatch.setattr(command, "fine_tuned", counted)

    def run(*options: str) -> str:
        given = [tmp_path / "data", "--samples", 8, "--size", 32, "--output", tmp_path / "out", *options]
        monkeypatch.setattr(sys, "argv", ["temporal", *map(str, given)])
        command.main()
        return capsys.readouterr().out

    run("--seeds", "0")
    assert begun == [False, True]
    first = pd.read_csv(tmp_path / "out/temporal_0_somas.csv")
    assert first.groupby("threshold")["track"].apply(set).tolist() == 3 * [{17, 19}]
    text = run("--seeds", "0", "1")
    assert begun == [False, True, False, True]
    for words in ("fine-tuned, three frames", "Recall of dim somas, three frames − single frames", "both together"):
        assert words in text
    (tmp_path / "out/temporal_0_somas.csv").unlink()
    run("--seeds", "0", "1")
    assert begun[4:] == [True]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out/temporal_0_somas.csv"), first)
    with pytest.raises(SomaNetError, match="another start or schedule"):
        run("--samples", "6")
