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
_SETTINGS = (*_RATES, "training.trainable_blocks", "training.loss", "model.encoder", "seed")
_CURVES = Section("Learning curves", "LINE", ("val_iou", "val_loss", "train_loss"))


def _scores(of: str) -> tuple[str, ...]:
    return (f"{of}_iou", f"{of}_precision", f"{of}_accuracy", f"{of}_mean_ap")


def _table(of: str) -> View:
    return View("Scores", (*_scores(of), "best_epoch", "train_seconds"), _SETTINGS)


def _nested(of: str) -> View:
    return View("Nested", _scores(of), _SETTINGS, nested=True)


def _charts(of: str, *, group_by: str | None = None) -> View:
    sections = (Section("Scores", "BAR", _scores(of)[:3]), _CURVES)
    return View("Variants" if group_by else "Curves", _scores(of), sections=sections, group_by=group_by)


def _parallel(of: str) -> View:
    section = Section("Hyperparameters", "PARALLEL", (f"{of}_iou",), _RATES)
    return View("Hyperparameters", _scores(of), _SETTINGS, (section,))


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
            "Networks trained on stained nuclei; **nuclei_iou** decides.",
            "One run per network: its training, and its scores without fine-tuning on held-out nuclei (`nuclei_…`) and "
            "on neurons (`neurons_…`).",
            (
                View("Scores", (*_scores("nuclei")[:3], *_scores("neurons")[:3], "train_seconds"), _SETTINGS),
                _charts("nuclei"),
            ),
        ),
        "finetune": Page(
            "Networks fine-tuned on neuron somas; **neurons_iou** decides.",
            "One run per variant and seed: its training, and its scores on the validation images (`neurons_…`). A "
            "study is the parent of its trainings, a training the parent of the movies that its network segmented.",
            (_table("neurons"), _nested("neurons"), _charts("neurons", group_by="variant"), _parallel("neurons")),
        ),
        "sweep": Page(
            "Hyperparameter searches; **holdout_iou** compares trials.",
            "One parent run per search, whose parameter `metric` names its objective; below it one run per trial and "
            "seed, scored on training images that the search held out (`holdout_…`).",
            (_table("holdout"), _nested("holdout"), _charts("holdout"), _parallel("holdout")),
        ),
        "movies": Page(
            "Analysed movies whose network was trained elsewhere.",
            "One run per movie: its migration, and scores of its tracks (`tracks_…`) if there is a ground truth.",
            (View("Migration", _MOVIES, ("pixel_size_um", "frame_interval_min"), nested=True),),
        ),
    }
)
"""By experiment; others, named by users, are left as they are."""


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
    page = PAGES.get(name)
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
