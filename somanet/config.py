"""`params.yaml` as frozen types: every key is known and in range, or the file is refused with one line."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, Field, StringConstraints, ValidationError, model_validator

from somanet.errors import SomaNetError
from somanet.migration.settings import MigrateSettings
from somanet.segmentation.settings import Fraction, InstanceSettings, ModelSpec, PositiveInt, Settings, TrainSettings
from somanet.study.settings import StudyParams
from somanet.sweep.settings import SweepParams
from somanet.tracking.settings import TrackSettings

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""Names of networks and variants: they become parts of commands and paths, so they are kept plain."""

PooledScore = Literal["iou", "precision", "recall", "f1", "accuracy", "mean_ap"]
"""Scores of a data set that are better when higher, and that its per-image table gives."""

SettingsT = TypeVar("SettingsT", bound=BaseModel)


class SimulatedData(Settings):
    """The embedded default: how much to simulate."""

    nuclei_images: PositiveInt
    nuclei_px: Annotated[int, Field(ge=64)]
    train_crops: PositiveInt
    val_crops: PositiveInt
    crop_px: Annotated[int, Field(ge=64)]
    movie_frames: PositiveInt
    movie_px: Annotated[int, Field(ge=64)]


class MovieEntry(Settings):
    """A movie, and what is known of it, as paths inside `data.input`."""

    file: str
    channel: str | None = None
    pixel_size_um: Annotated[float, Field(gt=0)] | None = None
    """Where the file does not say."""
    frame_interval_min: Annotated[float, Field(gt=0)] | None = None
    reference_tracks: str | None = None
    """CSV of true or trusted tracks, to score with: `track,frame,y_px,x_px`, or any format of tracks."""
    reference_labels: str | None = None
    """Label movie, value = track id, to score with."""


class DataFolders(Settings):
    """Real data, as paths inside `data.input`."""

    source: str
    """Nuclei in the Kaggle layout or as image and label pairs: a folder or a zip."""
    source_split: str | None
    """CSV image_id,split with train, val and test; none = a seeded split by `manifest.fractions`."""
    target_train: str
    target_val: str
    movies: tuple[MovieEntry, ...]


class DataParams(Settings):
    """Where the images come from."""

    kind: Literal["simulated", "folders"]
    input: str
    """What the data follow from, for DVC to watch: the simulation's code, or the data folder."""
    simulated: SimulatedData | None = None
    folders: DataFolders | None = None

    @model_validator(mode="after")
    def _described(self) -> DataParams:
        if getattr(self, self.kind) is None:
            raise ValueError(f"kind is {self.kind!r}, so the section {self.kind!r} must be there")
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
    """What is accepted."""

    max_overlap_fraction: Fraction
    """Masks that overlap by more than this share of the smaller one get their image rejected."""
    fractions: SplitFractions


class PretrainParams(Settings):
    """A network and its training on nuclei."""

    model: ModelSpec
    training: TrainSettings


class FinetuneParams(Settings):
    """A named variant: a pretrained network and its retraining on neurons."""

    start: Name
    """Which network of the `pretrain` section."""
    weights: Literal["pretrained", "initial", "random"]
    """`initial`: as that network's own training began (an ImageNet encoder, say); `random`: from scratch."""
    input: Literal["rgb", "contrasts", "background"] | None = None
    """How images enter this variant's network; none = as its start's."""
    instances: InstanceSettings | None = None
    """How this variant's probabilities become labels; none = as its network's."""
    images: PositiveInt | None = None
    """Train on so many of the images only; none = on all."""
    images_drawn: Literal["first", "by_seed"] = "first"
    """`by_seed`: each seed draws its own, nested: those of `images: 2` are among those of `images: 4`."""
    training: TrainSettings

    def adapt(self, spec: ModelSpec) -> ModelSpec:
        """The start's spec with what this variant changes."""
        changes = {"input": self.input, "instances": self.instances}
        return spec.model_copy(update={name: value for name, value in changes.items() if value is not None})


class EvaluateParams(Settings):
    """How predictions are scored."""

    thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    panel_images: PositiveInt

    @model_validator(mode="after")
    def _ascending(self) -> EvaluateParams:
        if not self.thresholds or list(self.thresholds) != sorted(set(self.thresholds)):
            raise ValueError(f"thresholds must ascend, at least one, found {list(self.thresholds)}")
        return self


class SegmentParams(Settings):
    """Which network labels the movies."""

    model: str
    """Checkpoint folder, seen from the parameter file."""
    symmetries: Literal[1, 4, 8] = 1
    """Ways in which it sees each frame, see :class:`somanet.segmentation.segmenter.Segmenter`."""


class ReportParams(Settings):
    """What people look at."""

    overlay: bool


class PromoteParams(Settings):
    """When a network replaces the champion, see :func:`somanet.promotion.rule.decide`."""

    evaluation: Name
    """Name of the recorded scores to compare: the pipeline's are `neurons`."""
    metric: PooledScore
    """Must be better: the 95 % bootstrap interval of the paired difference over images lies above 0."""
    min_images: PositiveInt
    """On fewer images nothing is decided."""
    tolerances: dict[PooledScore, Annotated[float, Field(ge=0)]]
    """Other scores, and by how much each may be worse."""


class AnalysisParams(Settings):
    """How a movie is analysed once its somas are found."""

    track: TrackSettings
    migrate: MigrateSettings


Minutes = Annotated[float, Field(gt=0)]


class TrustParams(Settings):
    """How far each number can be trusted, measured on simulated cells: the small version of `benchmarks/trust.py`."""

    intervals_min: tuple[Minutes, ...] = Field(min_length=1)
    """Frame intervals of the tracks-only experiments."""
    replicates: Annotated[int, Field(ge=2)]
    """Experiments per frame interval and detector."""
    cells: PositiveInt
    hours: Annotated[float, Field(ge=4)]
    """Length of a tracks-only movie."""
    model: str
    """Folder of the network that segments the simulated movies."""
    movies: PositiveInt
    movie_intervals_min: tuple[Minutes, ...] = Field(min_length=1)
    movie_frames: Annotated[int, Field(ge=12)]
    movie_px: Annotated[int, Field(ge=64)]
    """Height of a simulated movie; the width is an eighth more."""


class Params(Settings):
    """One section per stage."""

    root: str
    """Where the code lies, seen from this file."""
    seed: Annotated[int, Field(ge=0)]
    seeds: tuple[Annotated[int, Field(ge=0)], ...]
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
    migrate: MigrateSettings
    report: ReportParams
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
            raise ValueError("seeds must name each seed once, at least one")
        return self


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and check a parameter file.

    Raises:
        SomaNetError: it is missing, no YAML, or a key is unknown, missing or out of range; nearest names are given.
    """
    return parse(Params, read_yaml(path), source=str(path))


def read_yaml(path: Path | str) -> dict[str, Any]:
    """A YAML file that holds a mapping."""
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SomaNetError(f"{path} not found. Run from the project's folder, or name the file.") from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise SomaNetError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise SomaNetError(f"{path} must hold `key: value` lines, found {type(content).__name__}.")
    return content


def parse(kind: type[SettingsT], values: Mapping[str, Any], *, source: str) -> SettingsT:
    """Check values against a settings type; the first problem becomes one line."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SomaNetError(f"{source}: {_explain(kind, error)}") from error


def override(values: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Values with dotted assignments such as `training.epochs=3` applied; the right side is YAML.

    Raises:
        SomaNetError: an assignment without `=`.
    """
    result: dict[str, Any] = {**values}
    for assignment in assignments:
        dotted, equals, text = assignment.partition("=")
        if not equals or not dotted:
            raise SomaNetError(f"Expected key=value such as training.epochs=3, found {assignment!r}.")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SomaNetError(f"{assignment!r}: {text!r} is no YAML value. Check brackets and quotes.") from error
        result = with_setting(result, dotted, value)
    return result


def with_setting(values: Mapping[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    """Nested values with one of them, named like `training.epochs`, changed; what was given stays as it is.

    Raises:
        SomaNetError: a part of the name is a value and not a section.
    """
    first, _, rest = dotted.partition(".")
    if not rest:
        return {**values, first: value}
    section = values.get(first) or {}
    if not isinstance(section, Mapping):
        raise SomaNetError(f"{dotted!r}: {first!r} is {section!r}, which has no settings of its own.")
    return {**values, first: with_setting(section, rest, value)}


def _explain(kind: type[BaseModel], error: ValidationError) -> str:
    problems = error.errors()
    # an unknown key explains a missing one, so it goes first
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    location = problem["loc"]
    # pydantic adds the names of a union's members, such as constrained-int, which are no keys
    dotted = ".".join(str(part) for part in location if not str(part).startswith(("constrained-", "literal[")))
    if problem["type"] == "extra_forbidden":
        known = _keys(kind, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
        return f"unknown parameter {dotted!r}. {hint}"
    if problem["type"] == "missing":
        return f"parameter {dotted!r} is missing."
    message = problem["msg"].removeprefix("Value error, ")
    more = f" ({len(problems) - 1} more problems)" if len(problems) > 1 else ""
    found = "" if isinstance(problem["input"], dict) else f", found {problem['input']!r}"
    return f"{dotted or 'the file'}: {message}{found}{more}."


def _keys(kind: Any, location: Sequence[int | str]) -> list[str]:
    """Field names of the settings type at a place inside another."""
    for part in location:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(part)].annotation
        else:
            kind = typing.get_args(kind)[-1]
        options = [arg for arg in typing.get_args(kind) if isinstance(arg, type) and issubclass(arg, BaseModel)]
        if options and typing.get_origin(kind) is not dict:
            kind = options[0]
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []
