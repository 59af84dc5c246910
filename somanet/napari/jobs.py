"""What the panel does besides editing: analyse, draw a soma, find somas that touch, measure anew, retrain."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from somanet.analysis import names
from somanet.analysis.source import MovieSource
from somanet.core.errors import SomaNetError
from somanet.core.files import json_object
from somanet.core.progress import counted, tell
from somanet.io.movies import open_movie
from somanet.napari.opening import Results
from somanet.napari.places import Contact, touching
from somanet.tracking.detections import Labels

if TYPE_CHECKING:
    from somanet.napari.clicking import Drawn
    from somanet.training.finetuning import Finetuned

NUMBERS = (
    ("frequency_corrected_per_h", "saltations per hour", ""),
    ("rms_speed_1h_um_per_h", "net speed over an hour", " µm/h"),
)
"""Of `summary.json`: name, words, unit."""
REACH_DIAMETERS = 2.5
"""Somas whose centres are farther apart do not touch."""


@dataclass(frozen=True)
class Choices:
    """What a person chose on the command line.

    Attributes:
        reading: how a movie without results is read, as for :class:`somanet.analysis.source.MovieSource`.
        output: the folder for its results.
        corrections: the file of corrections; by default beside the results.
        model: the network for new somas, analyses and as the start of a training; by default the bundled one.
        training_set: the folder of crops.
    """

    reading: Mapping[str, Any] = field(default_factory=dict)
    output: Path | None = None
    corrections: Path | None = None
    model: str | None = None
    training_set: Path | None = None

    def using(self, network: Path) -> Choices:
        """The same with another network."""
        return replace(self, model=str(network))


def leave_out_triton() -> None:
    """Keep torch from importing Triton, unless it has.

    Triton brings an LLVM of its own, and ends the program if it is loaded after that of Mesa, which draws napari's
    canvas where no graphics card does. Only compiled networks need it, and there are none here.
    """
    sys.modules.setdefault("triton", None)  # type: ignore[arg-type]


class SomaDrawer:
    """Draws somas from clicks; the network is loaded at the first one."""

    def __init__(self, manifest: Mapping[str, Any], model: str | None) -> None:
        """Take the manifest of the results, for the size of the somas, and the network's name."""
        segment = (manifest.get("parameters") or {}).get("segment") or {}
        self._rescale: float = segment.get("rescale") or 1.0
        self._model = model
        self._segmenter: Any = None

    def draw(self, image: NDArray[Any], labels_YX: Labels, at_yx: tuple[float, float], diameter_px: float) -> Drawn:
        """The soma at a click; see :func:`somanet.napari.clicking.draw_soma`."""
        from somanet.analysis.network import open_networks
        from somanet.napari.clicking import draw_soma

        if self._segmenter is None:
            models = None if self._model is None else [self._model]
            self._segmenter = open_networks(models, device="auto", rescale=self._rescale, keep_haze=True).segmenter
        return draw_soma(self._segmenter, image, labels_YX, at_yx, diameter_px=diameter_px)


def find_contacts(results: Results, diameter_px: float) -> dict[int, list[Contact]]:
    """The somas that touch in automatic results, by frame; only frames in which some are near each other are read."""
    found = {}
    groups = {int(str(t)): rows[["y_px", "x_px"]].to_numpy(float) for t, rows in results.tracks.groupby("frame")}
    assert results.base.labels is not None
    with open_movie(results.base.labels, labels=True) as labels:  # its own: two threads cannot read one file
        for t in counted(sorted(groups), len(groups), doing="looking for somas that touch", unit="frame"):
            centres = [(float(y), float(x)) for y, x in groups[t]]
            if contacts := touching(partial(labels.frame, t), centres, REACH_DIAMETERS * diameter_px):
                found[t] = contacts
    return found


def with_scale(source: MovieSource, pixel_size_um: float | None, frame_interval_min: float | None) -> MovieSource:
    """A movie with the scale that the person gave."""
    interval = None if source.times is not None else frame_interval_min
    return replace(source, pixel_size_um=pixel_size_um, frame_interval_min=interval)


def results_beside(source: MovieSource) -> Path:
    """Where the results of a movie go, if the person does not say."""
    return source.path.resolve().parent / f"{source.name}_somanet"


def training_set_beside(results: Path) -> Path:
    """Where crops go, if the person does not say: one set for all results of a folder."""
    return results.resolve().parent / "training_set"


def network_beside(training_set: Path) -> Path:
    """Where a network trained on a set goes: a new folder each time."""
    number = 1
    while (place := training_set.parent / f"network_{number}").exists():
        number += 1
    return place


def analyse(source: MovieSource, output: Path, model: str | None) -> Path:
    """Analyse a movie as `somanet analyze` does; gives the folder of results.

    Raises:
        SomaNetError: it cannot be analysed, or the folder has other files.
    """
    from somanet.analysis.movie import AnalysisNetworks, Options, analyze_movie
    from somanet.analysis.network import about_networks, open_networks
    from somanet.analysis.replacing import check_output, goes_aside
    from somanet.analysis.source import check_intended_use
    from somanet.core.results import check_results
    from somanet.provenance.code import project_root
    from somanet.segmentation.inference.at_once import usual_workers

    options = Options(overlay=False)
    check_output(output, movie=source.name, automatic=True, path=source.path)
    with source.open() as movie:
        aside = goes_aside(output, source.path, position=movie.position)
        check_results(output, names.RESULTS, writes=options.files(), aside=aside)
        source.calibration(movie)
    opened = open_networks(None if model is None else [model], device="auto", at_once=usual_workers())
    check_intended_use([source], opened.segmenter.intended_use)
    network = AnalysisNetworks(opened.segmenter, about_networks(opened, project_root()))
    analyze_movie(source, output, network=network, options=options, aside=aside)
    return output


def measure(results: Results, source: MovieSource, corrections: Path) -> str:
    """Measure results anew with their corrections, in their folder; gives a sentence on how far the numbers moved.

    Raises:
        SomaNetError: as for :func:`somanet.analysis.movie.correct_movie`.
    """
    from somanet.analysis.movie import Options, correct_movie

    before = json_object(results.folder / names.SUMMARY)
    overlay = (results.folder / names.OVERLAY).exists()
    correct_movie(
        results.folder,
        results.folder,
        corrections_file=corrections,
        movie=source.path,
        options=Options(overlay=overlay, report=(results.folder / names.REPORT).exists()),
    )
    after = json_object(results.folder / names.SUMMARY)
    return f"Measured anew: {moved(before, after)}. The report is {results.folder / names.REPORT}"


def moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """How far the numbers of two `summary.json` are apart, in words."""
    said = []
    for name, words, unit in NUMBERS:
        old, new = ((one.get("numbers") or {}).get(name, {}).get("value") for one in (before, after))
        if old is not None or new is not None:
            said.append(f"{words} {_rounded(old)} → {_rounded(new)}{unit}")
    cells = " → ".join(str(one.get("n_cells")) for one in (before, after))
    return ", ".join([f"cells {cells}", *said])


def _rounded(value: float | None) -> str:
    from somanet.analysis.report.definitions import in_words

    return "unknown" if value is None else in_words(value)


def verdict(done: Finetuned) -> str:
    """Whether a fine-tuned network is better than its start, in a sentence."""
    return "nothing was compared" if done.verdict is None else done.verdict.sentence


def is_better(done: Finetuned) -> bool:
    """Whether a fine-tuned network was shown to be better than its start."""
    return done.verdict is not None and done.verdict.outcome == "better"


def retrain(training_set: Path, output: Path, model: str | None) -> Finetuned:
    """Fine-tune a network on a training set, and compare it with its start on crops that are not trained on.

    Raises:
        SomaNetError: there is no set, too few crops, or as for
            :func:`somanet.training.finetuning.finetune_network`.
    """
    from somanet.analysis.network import BUNDLED_NAME, network_folder
    from somanet.segmentation.network.checkpoint import read_config
    from somanet.training.finetuning import Start, divide, finetune_network, read_crops
    from somanet.training.finetuning.crops import SECTION
    from somanet.training.finetuning.recipe import own_crops

    if not training_set.is_dir():
        raise SomaNetError(f"There is no training set yet ({training_set}): add crops first.")
    folder = network_folder(model)
    parts = divide(read_crops([training_set]), seed=0, before=read_config(folder).get(SECTION))
    done = finetune_network(
        Start(folder, model or BUNDLED_NAME),
        parts,
        own_crops(),
        output=output,
        on_progress=lambda one: tell(one.text, one.done, one.total),
    )
    assert done is not None  # one process
    return done
