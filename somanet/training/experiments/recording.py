"""Where an experiment is recorded, under which name and with which data, by which process."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from somanet.io.datasets.layouts import LabelledImage
from somanet.provenance.code import project_root
from somanet.provenance.dvc_records import dvc_digest
from somanet.provenance.mlflow import SIMULATED, DatasetRef
from somanet.training.settings import FinetuneParams

NETWORK = "network"
"""Tag of a run: its name without the seed, and a hash of its settings and data. Runs with the same tag differ in their
seed only, so their mean is that of one network."""

TRAINING, VALIDATION = "training", "validation"
"""The use of a data set in a training."""


@dataclass(frozen=True)
class Profile:
    """The parameter file that a pipeline runs with.

    Attributes:
        name: of the profile's folder; empty for the project's own `params.yaml`.
        simulated: whether its data are simulated. Their runs have experiments of their own, since their scores say
            nothing about real data.
    """

    name: str = ""
    simulated: bool = False

    def experiment(self, stage: str) -> str:
        """The MLflow experiment of a stage: `finetune`, or `finetune-simulated`."""
        return f"{stage}{SIMULATED}" if self.simulated else stage

    def run_name(self, name: str) -> str:
        """A run's name with the profile before it and DVC's experiment after it: `real/small@loud-fox`."""
        experiment = dvc_experiment()
        return f"{self.name}/" * bool(self.name) + name + f"@{experiment}" * bool(experiment)


def dvc_experiment() -> str:
    """The name of the DVC experiment that this process is part of; empty outside `dvc exp run`."""
    return os.environ.get("DVC_EXP_NAME", "")


@dataclass(frozen=True)
class Recording:
    """Where an experiment is recorded, and under which name.

    Attributes:
        root: the project, whose `mlruns/` holds the store and the state of unfinished trainings.
        experiment: the MLflow experiment, e.g. `pretrain`.
        network: the run's name without its seed, e.g. profile and variant.
        datasets: the data used.
        tags: further tags.
        seed: of the training, for the run's name; None leaves it out.
        variant: name of the network or variant in the parameter file, which becomes the logged model's.
        scored_on: name of the validation images; by default that of their data set.
        about: parameters that say where a training comes from: its start, the choice of its images.
        parent_run_id: the parent run, such as a sweep.
    """

    root: Path
    experiment: str
    network: str
    datasets: Sequence[DatasetRef] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    variant: str = ""
    scored_on: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    parent_run_id: str | None = None

    @classmethod
    def here(cls, experiment: str, network: str, datasets: Sequence[DatasetRef], **more: Any) -> Recording:
        """In the project that contains the working folder, named after DVC's experiment too, if there is one."""
        return cls(project_root(), experiment, Profile().run_name(network), datasets, variant=network, **more)

    @classmethod
    def of_stage(
        cls, stage: str, network: str, datasets: Sequence[DatasetRef], *, profile: Profile, **more: Any
    ) -> Recording:
        """Of a network or variant of a profile, in the project that contains the working folder."""
        about = {"profile": profile.name or "default", **more.pop("about", {})}
        tags = {"variant": network, "profile": profile.name or "default"}
        experiment, name = profile.experiment(stage), profile.run_name(network)
        return cls(project_root(), experiment, name, datasets, tags, variant=network, about=about, **more)

    @property
    def name(self) -> str:
        """The run's name."""
        return self.network if self.seed is None else f"{self.network}-seed{self.seed}"

    @property
    def model(self) -> str:
        """The name of the logged model; MLflow allows no separators in it."""
        return re.sub(r"[^\w\-]", "_", self.variant or self.network)

    @property
    def validated_on(self) -> str:
        """The name of the validation images."""
        return self.scored_on or _names(self._used_for(VALIDATION)) or VALIDATION

    def parameters(self) -> dict[str, Any]:
        """What a run records beside the settings and hashes that decide its training: names and origins."""
        used = {use: self._used_for(use) for use in (TRAINING, VALIDATION)}
        data = {use: {"name": _names(sets), "dvc": self._digests(sets)} for use, sets in used.items() if sets}
        named = {"variant": self.variant or self.network, "dvc_experiment": dvc_experiment() or "none"}
        return {**named, **self.about, "data": data}

    def _used_for(self, use: str) -> list[DatasetRef]:
        return [one for one in self.datasets if one.context == use]

    def _digests(self, sets: Sequence[DatasetRef]) -> str:
        """DVC's hashes of whole data sets, of which a training may use a part that its seed draws."""
        return ", ".join(dvc_digest(one.path, self.root) or "untracked" for one in sets)


def _names(sets: Sequence[DatasetRef]) -> str:
    return ", ".join(dict.fromkeys(one.name for one in sets))


def dataset_ref(path: Path, context: str, items: Sequence[LabelledImage]) -> DatasetRef:
    """A data set for MLflow, with its DVC hash."""
    n_objects = int(sum(len(set(item.labels.flat)) - (0 in item.labels) for item in items))
    return DatasetRef(path.name, path.resolve(), context=context, n_images=len(items), profile={"n_objects": n_objects})


def origin_of(variant: FinetuneParams) -> dict[str, Any]:
    """What a variant's run records of its start and images; the weights and images themselves are recorded by hash."""
    return {"start": variant.start, "weights": variant.weights, "images_drawn": variant.images_drawn}


def is_main_process() -> bool:
    """Whether this process writes files: the first of those started by `torchrun`, or the only one."""
    return os.environ.get("RANK", "0") == "0"
