"""params.yaml: what is in the repository loads; every misspelt, missing or wrong value is one line with a remedy."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from somanet.config import DataFolders, Params, SegmentParams, load_params, profile_of
from somanet.core.errors import SomaNetError
from somanet.core.settings import override, parse, read_yaml
from somanet.provenance.dvc_guard import LINKED
from somanet.segmentation.network.settings import InstanceSettings
from somanet.training.loop.settings import AugmentSettings, TrainSettings

ROOT = Path(__file__).resolve().parents[1]
PROFILES = sorted(path.parent for path in (ROOT / "profiles").glob("*/params.yaml"))


def values(*assignments: str) -> dict[str, Any]:
    """The default parameters with changes."""
    return override(read_yaml(ROOT / "params.yaml"), assignments)


def load(*assignments: str) -> Params:
    return parse(Params, values(*assignments), source="params.yaml")


# What the repository holds


def test_the_default_is_simulated_and_complete() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.data.kind == "simulated"
    assert {"paper", "compact"} <= set(params.pretrain)
    assert params.finetune["paper_last3"].training.trainable_blocks == 3
    assert params.finetune["paper_last3"].training.augment.mode == "paper"


@pytest.mark.parametrize("path", ["../secret.zip", "/etc/passwd", "a/../../b"])
@pytest.mark.parametrize("field", ["source", "source_split", "target_train", "target_val"])
def test_data_folders_do_not_lead_out_of_the_input(field: str, path: str) -> None:
    inside = {"source": "a.zip", "source_split": None, "target_train": "b", "target_val": "c"}
    assert DataFolders.model_validate({**inside, "movies": [{"file": "m/a.tif"}]}).source == "a.zip"
    for values in ({**inside, field: path, "movies": []}, {**inside, "movies": [{"file": path}]}):
        with pytest.raises(ValidationError, match="inside the data folder"):
            DataFolders.model_validate(values)


def test_runs_are_named_after_their_profile_and_simulated_data_are_apart() -> None:
    folders = {"real": ROOT / "profiles" / "real", "study": ROOT / "profiles" / "study", "": ROOT}
    for name, folder in folders.items():
        profile = profile_of(load_params(folder / "params.yaml"), folder)
        assert (profile.name, profile.experiment("finetune")) == (
            name,
            "finetune" if name == "real" else "finetune-simulated",
        )


def test_there_are_profiles() -> None:
    assert PROFILES


@pytest.mark.parametrize("folder", PROFILES, ids=lambda path: path.name)
def test_every_profile_loads_and_runs_the_same_graph(folder: Path) -> None:
    """It is a DVC project of its own: copies of small files, links to the code; `make profiles` writes them."""
    load_params(folder / "params.yaml")
    for name in ("dvc.yaml", ".dvcignore", ".dvc/.gitignore"):
        assert (folder / name).read_bytes() == (ROOT / name).read_bytes()
    for name in LINKED:
        assert (folder / name).readlink() == Path("../..") / name
    for project in (ROOT, folder):
        config = (project / ".dvc/config").read_text(encoding="utf-8")
        assert "analytics = false" in config
        assert "check_update = false" in config


def test_every_section_is_a_stage_or_read_by_one() -> None:
    stages = set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    assert {"data", "manifest", "pretrain", "finetune", "evaluate"} <= stages & set(Params.model_fields)


@pytest.mark.parametrize("folder", PROFILES, ids=lambda path: path.name)
def test_variants_with_fewer_images_take_the_first_ones(folder: Path) -> None:
    """Their recorded results do."""
    variants = load_params(folder / "params.yaml").finetune.values()
    assert {variant.images_drawn for variant in variants if variant.images is not None} <= {"first"}


# What is refused


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("sed=3", "unknown parameter 'sed'. Did you mean 'seed'?"),
        ("zzz=3", "unknown parameter 'zzz'. Known: seed, seeds, plotted"),
        ("data.simulated.nuclei_image=3", "'data.simulated.nuclei_image'. Did you mean 'nuclei_images'?"),
        ("pretrain.paper.training.learning_rat=0.1", "Did you mean 'learning_rate'?"),
        ("pretrain.paper.model.instances.thresholdd=0.3", "Did you mean 'threshold'?"),
        ("finetune.compact_all.instances.thresholdd=0.3", "Did you mean 'threshold'?"),
        ("finetune.paper_last3.training.augment.mod=online", "Did you mean 'mode'?"),
        ("evaluate.thresholdss=[0.5]", "Did you mean 'thresholds'?"),
        ("finetune.compact_all.images_draw=first", "Did you mean 'images_drawn'?"),
        ("finetune.compact_all.training.unlabelled.wait=1", "Did you mean 'weight'?"),
        ("manifest.fractions.validation=0.1", "unknown parameter 'manifest.fractions.validation'"),
    ],
)
def test_an_unknown_key_gets_its_nearest(assignment: str, words: str) -> None:
    with pytest.raises(SomaNetError) as error:
        load(assignment)
    assert words in str(error.value)
    assert str(error.value).startswith("params.yaml: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("seed=-1", "seed: Input should be greater than or equal to 0, found -1"),
        ("seeds=[]", "seeds must have at least one seed, each only once"),
        ("seeds=[1, 1]", "seeds must have at least one seed, each only once"),
        ("pretrain.paper.training.epochs=0", "pretrain.paper.training.epochs: Input should be greater than 0, found 0"),
        ("pretrain.paper.training.learning_rate=-1", "learning_rate: Input should be greater than 0"),
        ("pretrain.paper.training.size_px=100", "size_px: Input should be a multiple of 32, found 100"),
        ("pretrain.paper.training.loss=hinge", "loss: Input should be 'bce', 'bce+dice', 'focal' or 'tversky'"),
        ("finetune.paper_last3.training.trainable_blocks=0", "trainable_blocks"),
        ("pretrain.paper.model.encoder=resnet18", "paper-unet has fixed widths"),
        ("pretrain.compact.model.encoder=null", "needs an encoder"),
        ("manifest.max_overlap_fraction=1.5", "less than or equal to 1, found 1.5"),
        ("manifest.fractions.train=0.9", "manifest.fractions: the fractions must sum to 1, found 1.2"),
        ('pretrain={"x; touch pwned": {}}', "pretrain.x; touch pwned"),
        ("data.kind=folders", "data: kind is 'folders', so the section 'folders' is required"),
        ("data.simulated.crop_px=8", "data.simulated.crop_px"),
        ("finetune.paper_last3.start=papr", "finetune.paper_last3.start is 'papr'; pretrain has ['compact', 'paper']"),
        ("plotted=nothing", "plotted is 'nothing'; finetune has"),
        ("segment.device=nonsense", "segment.device: Unknown device 'nonsense'; expected auto, cpu, cuda, cuda:N"),
        ("evaluate.device=cuda1", "evaluate.device: Unknown device 'cuda1'"),
        ("evaluate.thresholds=[0.5, 1.5]", "evaluate.thresholds.1: Input should be less than 1, found 1.5"),
    ],
)
def test_a_value_out_of_range(assignment: str, words: str) -> None:
    with pytest.raises(SomaNetError) as error:
        load(assignment)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("pretrain.paper.training.learning_rate=.inf", "learning_rate: Input should be a finite number, found inf"),
        ("pretrain.paper.training.learning_rate=.nan", "learning_rate: Input should be a finite number, found nan"),
        (
            "pretrain.paper.training.learning_rate=1.0e+300",
            "learning_rate: Input should be less than or equal to 1000, found 1e+300",
        ),
        (
            "pretrain.paper.training.learning_rate=1e300",
            "learning_rate: Input should be less than or equal to 1000, found '1e300'",
        ),
        (
            "finetune.paper_last3.training.augment.scale_range=[0.5, 1.0e+300]",
            "augment.scale_range.1: Input should be less than",
        ),
        ("track.max_step_um=.inf", "track.max_step_um: Input should be a finite number, found inf"),
        ("migrate.sigma_um=1.0e+300", "migrate.sigma_um: Input should be less than or equal to 1000"),
        ("trust.intervals_min=[5, .inf]", "trust.intervals_min.1: Input should be a finite number, found inf"),
        ("study.threshold.threshold=.inf", "study.threshold.threshold: Input should be a finite number"),
        ("promote.tolerances.recall=.inf", "promote.tolerances.recall: Input should be a finite number"),
        ("sweep.rates.space={a: {low: 1, high: .inf}}", "sweep.rates.space.a.high: Input should be a finite number"),
        ("sweep.rates.space={a: [1, .inf]}", "sweep.rates.space.a.choices: Input should be a finite number"),
        ("trust.movie_frames=.inf", "trust.movie_frames: Input should be a finite number"),
        ("seed=" + "9" * 30, "seed: Input should be at most 9.2e+18"),
    ],
)
def test_a_number_beyond_any_use(assignment: str, words: str) -> None:
    with pytest.raises(SomaNetError) as error:
        load(assignment)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["Paper", "paper-2", "2paper", "p/../x", "a b"])
def test_a_name_must_be_plain(name: str) -> None:
    """It becomes part of commands and paths."""
    broken = values()
    broken["pretrain"] = {**broken["pretrain"], name: broken["pretrain"]["paper"]}
    with pytest.raises(SomaNetError, match="should match pattern"):
        parse(Params, broken, source="params.yaml")


@pytest.mark.parametrize(
    ("section", "key"), [(None, "seed"), (None, "evaluate"), ("data", "input"), ("manifest", "fractions")]
)
def test_a_missing_key(section: str | None, key: str) -> None:
    broken = copy.deepcopy(values())
    del (broken[section] if section else broken)[key]
    dotted = f"{section}.{key}" if section else key
    with pytest.raises(SomaNetError, match=f"parameter '{dotted}' is missing"):
        parse(Params, broken, source="params.yaml")


def test_an_unknown_key_is_told_before_the_gap_it_leaves() -> None:
    broken = values()
    broken["sede"] = broken.pop("seed")
    with pytest.raises(SomaNetError, match=r"unknown parameter 'sede'\. Did you mean 'seed'"):
        parse(Params, broken, source="params.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "expected YAML, but it cannot be read"),
        ("- 1\n- 2\n", "must hold `key: value` lines, found list"),
        ("", "found NoneType"),
        ("just words", "found str"),
        ("a: 2024-13-45", "cannot be read .month must be in 1..12"),
        ("a: " + "9" * 5000, "cannot be read .Exceeds the limit"),
        ("a: " + "[" * 5000, "exceeded maximum nesting depth"),
    ],
)
def test_what_is_no_parameter_file(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(SomaNetError, match=words) as error:
        load_params(tmp_path / "params.yaml")
    assert "\n" not in str(error.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"seed: \xff\xfe")
    with pytest.raises(SomaNetError, match="expected a YAML file in UTF-8"):
        load_params(tmp_path / "params.yaml")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SomaNetError, match=r"nowhere\.yaml not found. Run from the project's folder"):
        load_params(tmp_path / "nowhere.yaml")


def test_parameters_are_frozen() -> None:
    params = load()
    with pytest.raises(ValidationError, match="frozen"):
        params.seed = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        params.pretrain["paper"].training.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (AugmentSettings, {"scale_range": (1.2, 0.8)}),
        (AugmentSettings, {"noise_probability": 1.1}),
        (InstanceSettings, {"threshold": -0.1}),
        (TrainSettings, {"ema_decay": 1.0}),
        (TrainSettings, {"workers": 17}),
        (TrainSettings, {"size_px": 0}),
    ],
)
def test_settings_know_their_ranges(kind: type, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind(**wrong)
    kind()


def test_a_power_of_ten_is_a_number() -> None:
    """YAML 1.1 reads 1e-3 as words; the settings read it as a number all the same."""
    assert load("pretrain.paper.training.learning_rate=1e-3").pretrain["paper"].training.learning_rate == 0.001


@pytest.mark.parametrize(("section", "expected"), [({}, 1), ({"symmetries": 8}, 8)])
def test_tta_of_segmentation_need_not_be_given(section: dict[str, int], expected: int) -> None:
    assert parse(SegmentParams, {"model": "m", **section}, source="params.yaml").symmetries == expected


def test_other_numbers_of_tta_are_refused() -> None:
    with pytest.raises(SomaNetError, match=r"symmetries: Input should be 1, 4 or 8, found 3"):
        parse(SegmentParams, {"model": "m", "symmetries": 3}, source="params.yaml")
