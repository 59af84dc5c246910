"""Description and saved views of each experiment on MLflow's page, with the relevant columns and charts."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from somanet.core.errors import first_line
from somanet.provenance.mlflow.client import open_client, outage_errors
from somanet.provenance.mlflow.collisions import insert_rows
from somanet.provenance.mlflow.scoring import DECIDING_SCORES, score_name
from somanet.provenance.mlflow.store import unreachable
from somanet.provenance.mlflow.views import Section, View, view_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

DESCRIPTION = "mlflow.note.content"
PAGE = "somanet.page"
"""Tag: hashes of the views and the description that SomaNet wrote, so that changes and deletions by users persist."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """The content of an experiment's page.

    Attributes:
        title: what its runs are and which metric decides: the first line, the only one visible when folded.
        text: further description.
        views: saved views, the most important first.
    """

    title: str
    text: str
    views: tuple[View, ...]

    def description(self, experiment_id: str) -> str:
        """Title, links to the views, and text, as Markdown."""
        links = " · ".join(f"[{view.name}]({view.link(experiment_id)})" for view in self.views)
        return f"{self.title} Look at: {links}\n\n{self.text}"


_RATES = ("training.learning_rate", "training.batch_size", "training.weight_decay")
_SETTINGS = ("variant", "profile", *_RATES, "training.trainable_blocks", "training.loss", "model.encoder", "seed")
_SCORES = (*DECIDING_SCORES, "mean_ap")
_CURVES = Section("Learning curves", "LINE", (*DECIDING_SCORES, "val_loss", "train_loss"))
_TABLE = View("Scores", (*_SCORES, "best_epoch", "train_seconds"), _SETTINGS)
_NESTED = View("Nested", _SCORES, _SETTINGS, nested=True)
_PARALLEL = View("Hyperparameters", _SCORES, _SETTINGS, (Section("Hyperparameters", "PARALLEL", ("iou",), _RATES),))


def _charts(name: str, *, group_by: str | None = None) -> View:
    sections = (Section("Scores", "BAR", DECIDING_SCORES), _CURVES)
    return View(name, _SCORES, sections=sections, group_by=group_by)


_CURVE_CHARTS = _charts("Curves")
_VARIANTS = _charts("Variants", group_by="network")
"""By the tag of runs that differ in their seed only."""

_NUCLEI = tuple(score_name(score, "nuclei") for score in DECIDING_SCORES)
_NEURONS = tuple(score_name(score, "neurons") for score in DECIDING_SCORES)

_MOVIES = (
    "migration_frequency_per_h",
    "migration_mean_length_um",
    "migration_mobile_speed_um_per_h",
    "migration_mean_pause_h",
    "migration_n_cells",
    "migration_n_events",
)

PAGES: Mapping[str, Page] = MappingProxyType(
    {
        "pretrain": Page(
            "Networks trained on stained nuclei; **iou** decides.",
            "One run per network: its training, scored on its validation nuclei (`iou`, `precision`, …), and without "
            "fine-tuning on held-out nuclei (`iou_nuclei`, …) and on neurons (`iou_neurons`, …).",
            (View("Scores", (*DECIDING_SCORES, *_NUCLEI, *_NEURONS, "train_seconds"), _SETTINGS), _CURVE_CHARTS),
        ),
        "finetune": Page(
            "Networks fine-tuned on neuron somas; **iou** decides.",
            "One run per variant and seed: its training, and its scores on the validation images, which the tag "
            "`scored_on` names. A training is the parent of the movies that its network segmented; a study's trainings "
            "name it in a tag.",
            (_TABLE, _NESTED, _VARIANTS, _PARALLEL),
        ),
        "sweep": Page(
            "Hyperparameter searches; **iou** compares trials.",
            "One parent run per search, whose parameter `metric` names its objective; below it one run per trial and "
            "seed, scored on training images that the search held out.",
            (_TABLE, _NESTED, _CURVE_CHARTS, _PARALLEL),
        ),
        "train": Page(
            "Networks trained by `somanet train`; **iou** decides.",
            "One run per training, with the scores on its validation images, which the tag `scored_on` names.",
            (_TABLE, _CURVE_CHARTS, _PARALLEL),
        ),
        "movies": Page(
            "Analysed movies whose network was trained elsewhere.",
            "One run per movie: its migration, and scores of its tracks (`tracks_…`) if there is a ground truth.",
            (View("Migration", _MOVIES, ("pixel_size_um", "frame_interval_min"), nested=True),),
        ),
    }
)
"""By experiment; others, named by users, are left as they are."""

SIMULATED = "-simulated"
"""The end of the name of an experiment for runs on simulated data, which has the same page."""


def describe_experiment(
    client: MlflowClient, name: str, experiment_id: str, tags: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Give one of the project's experiments its description and views, once; existing ones of the user are kept.

    If the store rejects them, there is only a warning: the runs matter more than their presentation.

    Args:
        client: client of the store.
        name: name of the experiment; unknown ones are left alone.
        experiment_id: its id.
        tags: its present tags.
    """
    page = PAGES.get(name.removesuffix(SIMULATED))
    if page is None:
        return
    views, text = view_tags(page.views), page.description(experiment_id)
    given = f"{_hash(json.dumps(views))} {_hash(text)}"
    before = tags.get(PAGE)
    if before == given:
        return
    present = tags.get(DESCRIPTION)
    ours = present is None if before is None else present is not None and before.endswith(_hash(present))
    new = {DESCRIPTION: text, **views} if ours else views
    try:
        for key, value in {**new, PAGE: given}.items():
            insert_rows(partial(client.set_experiment_tag, experiment_id, key, value), n_rows=1)
    except outage_errors() as error:
        _log.warning("The experiment %s got no description in MLflow: %s", name, first_line(error))


def score_addresses(root: Path | str, url: str) -> dict[str, str]:
    """Where a page of MLflow shows the scores of each experiment, by its name; the one with the newest run first.

    The addresses open MLflow's mode for training: its other one begins with an empty page of traces.

    Args:
        root: the project.
        url: the page, such as ``http://127.0.0.1:5000``.

    Raises:
        SomaNetError: the store does not respond.
    """
    client = open_client(root)
    begun: dict[str, tuple[int, str]] = {}
    try:
        for experiment in client.search_experiments():
            page = PAGES.get(experiment.name.removesuffix(SIMULATED))
            newest = client.search_runs([experiment.experiment_id], order_by=["start_time DESC"], max_results=1)
            if page is not None and newest:
                address = f"{url.rstrip('/')}/{page.views[0].link(experiment.experiment_id)}"
                begun[experiment.name] = (newest[0].info.start_time, address)
    except outage_errors() as error:
        raise unreachable(root, error) from error
    return {name: address for name, (_, address) in sorted(begun.items(), key=lambda item: -item[1][0])}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def describe_experiments(root: Path | str) -> None:
    """Run :func:`describe_experiment` for all experiments of a store, which may be older than the descriptions."""
    client = open_client(root)
    try:
        found = client.search_experiments()
    except outage_errors() as error:
        _log.warning("The experiments got no descriptions in MLflow: %s", first_line(error))
        return
    for experiment in found:
        describe_experiment(client, experiment.name, experiment.experiment_id, experiment.tags)
