"""Where an experiment is recorded, with which data, by which process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from somanet.io.datasets.layouts import LabelledImage
from somanet.provenance.code import project_root
from somanet.provenance.mlflow import DatasetRef


@dataclass(frozen=True)
class Recording:
    """Where an experiment is recorded.

    Attributes:
        root: the project, whose `mlruns/` holds the store and the state of unfinished trainings.
        experiment: the MLflow experiment, e.g. `pretrain`.
        name: the run's name, e.g. the variant and its seed.
        datasets: the data used.
        tags: further tags.
    """

    root: Path
    experiment: str
    name: str
    datasets: Sequence[DatasetRef] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls, experiment: str, name: str, datasets: Sequence[DatasetRef], **tags: str) -> Recording:
        """In the project that contains the working folder."""
        return cls(project_root(), experiment, name, datasets, tags)


def dataset_ref(path: Path, context: str, items: Sequence[LabelledImage]) -> DatasetRef:
    """A data set for MLflow, with its DVC hash."""
    n_objects = int(sum(len(set(item.labels.flat)) - (0 in item.labels) for item in items))
    return DatasetRef(path.name, path.resolve(), context=context, n_images=len(items), profile={"n_objects": n_objects})


def is_main_process() -> bool:
    """Whether this process writes files: the first of those started by `torchrun`, or the only one."""
    return os.environ.get("RANK", "0") == "0"
