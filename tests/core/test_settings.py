"""The base of settings: frozen, without unknown keys or impossible numbers; and values changed by dotted names."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from pydantic import Field, ValidationError

from somanet.core.errors import SomaNetError
from somanet.core.settings import Settings, override, parse, with_setting
from somanet.migration.settings import MigrateSettings
from somanet.tracking.settings import TrackSettings
from somanet.training.loop.settings import TrainSettings
from somanet.training.paper.settings import StudyParams
from somanet.training.sweep.settings import SweepParams


class Lens(Settings):
    """One setting of every kind."""

    zoom: float = 1.0
    turns: int = 0
    range_um: tuple[float, float] = (0.0, 1.0)
    colours: dict[str, float] = Field(default_factory=dict)
    anything: Any = None


@pytest.mark.parametrize("kind", [TrainSettings, TrackSettings, MigrateSettings, StudyParams, SweepParams])
def test_every_section_is_built_on_the_base(kind: type) -> None:
    assert issubclass(kind, Settings)


def test_settings_are_frozen_and_know_their_keys() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Lens().zoom = 2.0  # type: ignore[misc]
    with pytest.raises(SomaNetError, match=r"lens\.yaml: unknown parameter 'zom'\. Did you mean 'zoom'\?"):
        parse(Lens, {"zom": 2}, source="lens.yaml")


@pytest.mark.parametrize(
    "values",
    [
        {"zoom": math.inf},
        {"zoom": math.nan},
        {"zoom": -3.5e38},
        {"turns": 2**63},
        {"turns": -math.inf},
        {"range_um": (0.0, math.inf)},
        {"range_um": (0.0, 1e300)},
        {"colours": {"red": math.nan}},
        {"anything": [1, {"deep": math.inf}]},
    ],
)
def test_numbers_beyond_any_use_are_refused_wherever_they_stand(values: dict[str, Any]) -> None:
    with pytest.raises(SomaNetError, match=f"lens.yaml: {next(iter(values))}.*Input should be") as error:
        parse(Lens, values, source="lens.yaml")
    assert "\n" not in str(error.value)


def test_the_largest_numbers_pass() -> None:
    """Those of 32-bit floats and 64-bit integers; a truth value is a whole number too, and passes."""
    values = {"zoom": 3.4028234663852886e38, "turns": 2**63 - 1, "anything": (True, "1e300", None)}
    assert parse(Lens, values, source="x").model_dump(exclude_unset=True) == values


# Overrides


def test_an_override_changes_one_value_and_copies_the_rest() -> None:
    before = {"finetune": {"a": {"epochs": 8, "loss": "bce"}, "b": {"epochs": 5}}, "seeds": [0]}
    kept = copy.deepcopy(before)
    after = override(before, ["finetune.a.epochs=3", "seeds=[1, 2]"])
    assert before == kept
    assert after == {"finetune": {"a": {"epochs": 3, "loss": "bce"}, "b": {"epochs": 5}}, "seeds": [1, 2]}


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("0.5", 0.5), ("null", None), ("true", True), ("[1, 2]", [1, 2]), ("{b: 1}", {"b": 1}), ("", None)],
)
def test_the_right_side_is_yaml(text: str, value: object) -> None:
    assert override({}, [f"a.b={text}"]) == {"a": {"b": value}}


def test_the_right_side_may_hold_an_equals_sign_and_later_assignments_win() -> None:
    assert override({}, ["a=b=c"]) == {"a": "b=c"}
    assert override({"a": 1}, ["a=2", "a=3"]) == {"a": 3}


@pytest.mark.parametrize("text", ["[1", "{a: 1", "2024-13-45", "9" * 5000, "[" * 5000])
def test_a_right_side_that_is_no_yaml(text: str) -> None:
    with pytest.raises(SomaNetError, match=r"is not valid YAML\. Check brackets and quotes") as error:
        override({}, [f"a={text}"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("assignment", ["training.epochs", "=3", "", "training.=3", ".epochs=3", "a..b=3"])
def test_an_assignment_that_is_none(assignment: str) -> None:
    with pytest.raises(SomaNetError, match=r"Expected key=value such as training\.epochs=3"):
        override({}, [assignment])


@pytest.mark.parametrize("value", ["online", 3, [1]])
def test_a_value_for_a_whole_section_names_its_parameters(value: Any) -> None:
    with pytest.raises(
        SomaNetError, match=r"'augment' is a section, found .*: set one .*, such as augment\.mode\. It has"
    ):
        parse(TrainSettings, {"augment": value}, source="settings")
    with pytest.raises(SomaNetError, match=r"'unlabelled' is a section, .*, such as unlabelled\.weight\."):
        parse(TrainSettings, {"unlabelled": value}, source="settings")


def test_a_setting_is_changed_by_its_dotted_name_and_the_given_values_stay() -> None:
    values = {"training": {"epochs": 3, "augment": None}, "start": "paper"}
    changed = with_setting(values, "training.augment.mode", "none")
    assert changed == {"training": {"epochs": 3, "augment": {"mode": "none"}}, "start": "paper"}
    assert values["training"] == {"epochs": 3, "augment": None}
    with pytest.raises(SomaNetError, match=r"'start.weights': 'start' is 'paper', which has no settings of its own"):
        with_setting(values, "start.weights", 1)
