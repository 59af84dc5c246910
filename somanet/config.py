"""`params.yaml` as frozen types: every key is known and in range, or the file is refused with one line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from somanet.core.errors import SomaNetError
from somanet.core.names import InsidePath, Name
from somanet.core.settings import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Settings,
    parse,
    read_yaml,
)
from somanet.migration.settings import MigrateSettings
from somanet.provenance.code import profile_owner
from somanet.segmentation.engines.devices import check_device
from somanet.tracking.settings import TrackSettings
from somanet.training.experiments.recording import Profile
from somanet.training.paper.settings import StudyParams
from somanet.training.settings import FinetuneParams, PretrainParams
from somanet.training.sweep.settings import SweepParams


def _as_device(wanted: str) -> str:
    try:
        return check_device(wanted)
    except SomaNetError as error:
        raise ValueError(str(error)) from error  # so that the message names the setting


InferenceDevice = Annotated[str, AfterValidator(_as_device)]
"""Where a network computes: `auto`, `cpu`, `cuda`, `cuda:1`, …"""
PooledScore = Literal["iou", "precision", "recall", "f1", "accuracy", "mean_ap"]
"""Scores of a data set for which higher is better, and which its per-image table has."""


class SimulatedCohort(Settings):
    """Movies of groups of donors with given effects, see :func:`somanet.simulation.cohorts.cohort_movies`."""

    groups: dict[Name, dict[str, float]] = Field(min_length=1)
    """Name → what differs from the default settings of simulated neurons."""
    donors: PositiveInt
    movies_per_donor: PositiveInt = 1
    donor_spread: Fraction = 0.1
    frames: PositiveInt
    px: Annotated[int, Field(ge=64)]


class SimulatedData(Settings):
    """The built-in default: how much to simulate."""

    nuclei_images: PositiveInt
    nuclei_px: Annotated[int, Field(ge=64)]
    train_crops: PositiveInt
    val_crops: PositiveInt
    crop_px: Annotated[int, Field(ge=64)]
    movie_frames: PositiveInt
    movie_px: Annotated[int, Field(ge=64)]
    cohort: SimulatedCohort | None = None
    """Further movies, of groups of donors; none by default."""


class MovieEntry(Settings):
    """A movie and its reference data, as paths inside `data.input`."""

    file: InsidePath
    channel: str | None = None
    pixel_size_um: PositiveFloat | None = None
    """If the file lacks it."""
    frame_interval_min: PositiveFloat | None = None
    times: InsidePath | None = None
    """Instead of an interval: a table of the times of all frames, `frame` and `t_h` or `t_min`."""
    reference_tracks: InsidePath | None = None
    """Ground truth or manually annotated tracks for scoring: CSV `track,frame,y_px,x_px`, or any track format."""
    reference_labels: InsidePath | None = None
    """Label movie for scoring, value = track id."""
    donor: str | None = None
    group: str | None = None
    batch: str | None = None
    """Whose cells it shows, for the cohort; named for all movies or for none."""


class DataFolders(Settings):
    """Real data, as paths inside `data.input`."""

    source: InsidePath
    """Nuclei in the Kaggle layout or as image and label pairs: a folder or a zip."""
    source_split: InsidePath | None = None
    """CSV image_id,split with train, val and test; none = a seeded split by `manifest.fractions`."""
    target_train: InsidePath
    target_val: InsidePath
    movies: tuple[MovieEntry, ...]


class DataParams(Settings):
    """The source of the images."""

    kind: Literal["simulated", "folders"]
    input: str
    """What the data depend on, for DVC to track: the simulation's code, or the data folder."""
    simulated: SimulatedData | None = None
    folders: DataFolders | None = None

    @model_validator(mode="after")
    def _described(self) -> DataParams:
        if getattr(self, self.kind) is None:
            raise ValueError(f"kind is {self.kind!r}, so the section {self.kind!r} is required")
        return self


class SplitFractions(Settings):
    """Shares of the source images, by image."""

    train: Fraction
    val: Fraction
    test: Fraction

    @model_validator(mode="after")
    def _whole(self) -> SplitFractions:
        if abs(self.train + self.val + self.test - 1) > 1e-9:
            raise ValueError(f"the fractions must sum to 1, found {self.train + self.val + self.test:g}")
        return self


class ManifestParams(Settings):
    """Rules for accepting images."""

    max_overlap_fraction: Fraction
    """An image is rejected if masks overlap by more than this share of the smaller one."""
    fractions: SplitFractions


class EvaluateParams(Settings):
    """How predictions are scored."""

    thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    panel_images: PositiveInt
    device: InferenceDevice = "auto"
    """Where the networks compute, see :func:`somanet.segmentation.engines.devices.find_device`."""

    @model_validator(mode="after")
    def _ascending(self) -> EvaluateParams:
        if not self.thresholds or list(self.thresholds) != sorted(set(self.thresholds)):
            raise ValueError(f"thresholds must ascend, at least one, found {list(self.thresholds)}")
        return self


class SegmentParams(Settings):
    """The network that segments the movies."""

    model: str
    """Checkpoint folder, relative to the parameter file."""
    symmetries: Literal[1, 4, 8] = 1
    """Test-time augmentation of each frame, see :class:`somanet.segmentation.inference.segmenter.Segmenter`."""
    device: InferenceDevice = "auto"
    """Where the network computes, see :func:`somanet.segmentation.engines.devices.find_device`."""


class CorrectParams(Settings):
    """A person's corrections of movies, see :mod:`somanet.corrections`."""

    folder: str
    """Folder with `NAME.jsonl` for each movie that was corrected, relative to the parameter file."""


class ReportParams(Settings):
    """The report and the video of a movie."""

    overlay: bool


class CohortParams(Settings):
    """The comparison of groups of donors."""

    conditions: str
    """CSV with movie, and donor, group and batch as far as known, relative to the parameter file; the stage `data`
    writes `data/raw/conditions.csv`."""
    reference: str | None = None
    """The group that the others are compared with; none = describe the movies only."""
    paired: Literal["donor"] | None = None
    """`donor`: the same donor id in two groups is the same donor."""


class PromoteParams(Settings):
    """When a network replaces the champion, see :func:`somanet.training.promotion.rule.decide`."""

    evaluation: Name
    """Name of the recorded scores to compare: the pipeline's are `neurons`."""
    metric: PooledScore
    """The score that must improve: the 95 % bootstrap interval of the paired difference over images lies above 0."""
    min_images: PositiveInt
    """With fewer images there is no decision."""
    tolerances: dict[PooledScore, NonNegativeFloat]
    """Other scores, and by how much each may be worse."""


class TrustParams(Settings):
    """Validation of each number on simulated cells: the small version of `benchmarks/trust.py`."""

    intervals_min: tuple[PositiveFloat, ...] = Field(min_length=1)
    """Frame intervals of the tracks-only experiments."""
    replicates: Annotated[int, Field(ge=2)]
    """Experiments per frame interval and detector."""
    cells: PositiveInt
    hours: Annotated[float, Field(ge=4)]
    """Length of a tracks-only movie."""
    model: str
    """Folder of the network that segments the simulated movies."""
    movies: PositiveInt
    movie_intervals_min: tuple[PositiveFloat, ...] = Field(min_length=1)
    movie_frames: Annotated[int, Field(ge=12)]
    movie_px: Annotated[int, Field(ge=64)]
    """Height of a simulated movie; the width is an eighth more."""


class Params(Settings):
    """One section per stage."""

    seed: NonNegativeInt
    seeds: tuple[NonNegativeInt, ...]
    """One fine-tuning per seed; the spread over them is reported."""
    plotted: Name
    """The variant whose curves `dvc plots` draws."""
    data: DataParams
    manifest: ManifestParams
    pretrain: dict[Name, PretrainParams]
    finetune: dict[Name, FinetuneParams]
    evaluate: EvaluateParams
    segment: SegmentParams
    track: TrackSettings
    correct: CorrectParams
    migrate: MigrateSettings
    report: ReportParams
    cohort: CohortParams
    trust: TrustParams
    promote: PromoteParams
    study: StudyParams
    sweep: dict[Name, SweepParams] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_starts(self) -> Params:
        for name, variant in self.finetune.items():
            if variant.start not in self.pretrain:
                raise ValueError(f"finetune.{name}.start is {variant.start!r}; pretrain has {sorted(self.pretrain)}")
        for name, sweep in self.sweep.items():
            if sweep.base not in self.finetune:
                raise ValueError(f"sweep.{name}.base is {sweep.base!r}; finetune has {sorted(self.finetune)}")
        if self.plotted not in self.finetune:
            raise ValueError(f"plotted is {self.plotted!r}; finetune has {sorted(self.finetune)}")
        self.study.check_names(set(self.pretrain), set(self.finetune))
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds must have at least one seed, each only once")
        return self


def profile_of(params: Params, folder: Path | None = None) -> Profile:
    """How the runs of a parameter file are named.

    Args:
        params: its content.
        folder: its folder; None: the working folder, in which a stage runs.
    """
    place = (folder or Path.cwd()).resolve()
    name = place.name if profile_owner(place) is not None else ""
    return Profile(name, simulated=params.data.kind == "simulated")


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and check a parameter file.

    Raises:
        SomaNetError: it is missing or not YAML, or a key is unknown (similar names are given), missing or out of range.
    """
    return parse(Params, read_yaml(path), source=str(path))
