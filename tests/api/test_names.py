"""The names that programs build on: which there are, what they take, and that they cost nothing until they are used."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import somanet

ROOT = Path(somanet.__file__).parents[1]

SIGNATURES = {
    "Analysis": ["folder", "kept=()"],
    "Calibration": ["pixel_size_um", "frame_interval_min", "times_h=None"],
    "Measurement": ["tracks", "measures"],
    "Segmentation": [
        "labels_YX",
        "objects",
        "rescale",
        "n_haze",
        "inverted",
        "notes",
        "clipping",
        "appearance",
        "second_look",
    ],
    "analyze": [
        *("movie", "output", "*model=None", "*pixel_size_um=None", "*frame_interval_min=None", "*times=None"),
        *("*channel=None", "*z=None", "*axes=None", "*position=None", "*allow_truncated=False"),
        *("*any_modality=False", "*tracks=None", "*corrections=None", "*settings=None", "*export=()"),
        *("*report=True", "*overlay=True", "*style='outlines'", "*replace=False"),
    ],
    "load_model": [
        *("model='bundled'", "*engine='auto'", "*device='auto'", "*tta=1", "*diameter_px=None", "*rescale=None"),
        "*keep_haze=False",
    ],
    "measure": ["tracks", "calibration=None", "*settings=None"],
    "open_analysis": ["folder"],
    "read_tracks": [
        *("path", "*pixel_size_um=None", "*frame_interval_min=None", "*position_unit=None", "*time_unit=None"),
    ],
}
MEMBERS = {
    "Analysis": {
        *("cells", "folder", "kept", "labels", "manifest", "notes", "pauses", "report", "saltations", "statistics"),
        *("summary", "tracks"),
    },
    "Calibration": {
        *("frame_interval_h", "frame_interval_min", "hours", "in_intervals", "pixel_area_um2", "pixel_size_um"),
        "times_h",
    },
    "Measurement": {"cells", "measures", "notes", "pauses", "saltations", "statistics", "summary", "tracks"},
    "Model": {"describe", "engine", "folders", "for_movies", "notes", "segment", "sha256"},
    "Segmentation": {
        "appearance",
        "clipping",
        "inverted",
        "labels_YX",
        "n_haze",
        "notes",
        "objects",
        "rescale",
        "second_look",
    },
}


def arguments(of: object) -> list[str]:
    """Name and default of each; keyword-only ones with a star."""
    found = []
    for one in inspect.signature(of).parameters.values():  # type: ignore[arg-type]
        star = "*" if one.kind is one.KEYWORD_ONLY else ""
        found.append(f"{star}{one.name}" + ("" if one.default is one.empty else f"={one.default!r}"))
    return found


def test_the_names_are_these() -> None:
    assert sorted(somanet.__all__) == sorted({*SIGNATURES, "Model", "SomaNetError"})
    assert {name for name in dir(somanet) if not name.startswith("_")} == set(somanet.__all__)


@pytest.mark.parametrize("name", SIGNATURES)
def test_arguments_keep_their_names_and_defaults(name: str) -> None:
    assert arguments(getattr(somanet, name)) == SIGNATURES[name]


def test_methods_keep_theirs() -> None:
    taken = ["self", "image", "*diameter_px=None", "*any_modality=False"]
    assert arguments(somanet.Model.segment) == arguments(somanet.Model.describe) == taken


@pytest.mark.parametrize("name", MEMBERS)
def test_members_are_these(name: str, model: somanet.Model) -> None:
    kind = getattr(somanet, name)
    own = {*vars(kind), *getattr(kind, "__dataclass_fields__", {}), *(vars(model) if name == "Model" else ())}
    assert {one for one in own if one[0] != "_"} == MEMBERS[name]


@pytest.mark.parametrize("name", somanet.__all__)
def test_everything_is_documented(name: str) -> None:
    kind = getattr(somanet, name)
    assert len(inspect.getdoc(kind) or "") > 30
    documented = inspect.getdoc(kind) or ""
    if inspect.isfunction(kind):
        assert [one for one in inspect.signature(kind).parameters if f"{one}:" not in documented] == []
        assert "SomaNetError" in documented


def test_the_types_are_those_of_the_names() -> None:
    """`__init__.pyi`, which type checkers read, names each from the module that it is loaded from."""
    stub = (ROOT / "somanet" / "__init__.pyi").read_text(encoding="utf-8")
    lines = [f"from {getattr(somanet, name).__module__} import {name} as {name}" for name in somanet.__all__]
    assert sorted(line for line in stub.splitlines() if line.startswith("from ")) == sorted(lines)


def test_a_name_that_is_none_is_an_ordinary_mistake() -> None:
    with pytest.raises(AttributeError, match="module 'somanet' has no attribute 'analyse'"):
        _ = somanet.analyse  # type: ignore[attr-defined]


def test_importing_loads_nothing() -> None:
    """Besides the package itself only modules of the standard library."""
    code = "import sys; before = set(sys.modules); import somanet; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, env={}
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded - set(sys.stdlib_module_names) == {"somanet"}
