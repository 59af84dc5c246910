"""Which engine is chosen, the notes about it, and what is refused."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from somanet.core.errors import SomaNetError
from somanet.core.extras import PACKAGES
from somanet.segmentation.engines import EIGHT_BITS, ENGINES, choice, engine_of, with_engine
from somanet.segmentation.network.checkpoint import Checkpoint
from somanet.segmentation.network.settings import ModelSpec
from tests.segmentation.engines.worlds import FAST, FixedSize, WithoutOnnx, bright_checkpoint


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make packages appear to be missing."""

    def hide(*names: str) -> None:
        find = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *rest: None if name in names else find(name, *rest)
        )

    return hide


def need(*engines: str) -> None:
    for package in {package for engine in engines for package in FAST[engine]}:
        pytest.importorskip(package)


def test_auto_takes_the_fastest_that_is_installed(without: Any) -> None:
    need("openvino", "onnxruntime")
    assert with_engine(bright_checkpoint()).engine == "onnxruntime"
    without("onnxruntime")
    choice = with_engine(bright_checkpoint())
    assert (choice.engine, choice.notes) == ("openvino", ())


def test_auto_without_any_says_so_and_names_what_to_install(without: Any) -> None:
    without("openvino", "onnxruntime")
    checkpoint = bright_checkpoint()
    choice = with_engine(checkpoint)
    assert (choice.engine, choice.checkpoint) == ("torch", checkpoint)
    [note] = choice.notes
    assert "somanet[onnx]" in note


@pytest.mark.parametrize(("name", "extra"), [("openvino", "openvino"), ("onnxruntime", "onnx")])
def test_an_engine_that_is_missing_names_its_extra(without: Any, name: Any, extra: str) -> None:
    without(name)
    with pytest.raises(SomaNetError, match=rf"--engine {name} needs {name}, .*somanet\[{extra}\].*--engine torch"):
        with_engine(bright_checkpoint(), name)


def test_an_engine_that_does_not_load_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("onnxruntime")
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libgomp.so.1 not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with pytest.raises(SomaNetError, match=r"onnxruntime is installed but cannot be loaded: libgomp\.so\.1 not found"):
        with_engine(bright_checkpoint(), "onnxruntime")


@pytest.mark.parametrize("model", [FixedSize(), WithoutOnnx()])
def test_auto_falls_to_torch_and_says_why(model: torch.nn.Module) -> None:
    need("openvino", "onnxruntime")
    checkpoint = Checkpoint(model.eval(), ModelSpec(), "0" * 64)
    choice = with_engine(checkpoint)
    assert (choice.engine, choice.checkpoint) == ("torch", checkpoint)
    assert [note.partition(":")[0] for note in choice.notes] == [
        "not segmenting with onnxruntime", "not segmenting with openvino", "segmenting with torch",
    ]  # fmt: skip


def test_an_engine_that_does_not_agree_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    need("openvino", "onnxruntime")
    from somanet.segmentation.engines.onnxruntime_engine import OnnxRuntimeEngine

    right = OnnxRuntimeEngine.logits
    monkeypatch.setattr(OnnxRuntimeEngine, "logits", lambda self, images: right(self, images) + np.float32(0.01))
    choice = with_engine(bright_checkpoint())
    assert choice.engine == "openvino"
    assert "does not agree with torch" in choice.notes[0]
    with pytest.raises(SomaNetError, match="does not agree"):
        with_engine(bright_checkpoint(), "onnxruntime")


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(
        SomaNetError, match="'tensorrt'; there are auto, openvino, onnxruntime, onnxruntime-int8, torch"
    ):
        with_engine(bright_checkpoint(), "tensorrt")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in ENGINES if name not in ("auto", EIGHT_BITS)])
def test_what_computes_is_recorded(name: Any) -> None:
    need(*({name} & set(FAST)))
    checkpoint = with_engine(bright_checkpoint(), name).checkpoint
    record = engine_of(checkpoint.model)
    assert record["name"] == name
    assert record["precision"] == "float32"
    assert record["version"] == (torch.__version__ if name == "torch" else record["version"])
    assert record["version"][0].isdigit()


def test_openvino_is_imported_without_its_telemetry() -> None:
    need("openvino")
    code = (
        "import sys; from somanet.segmentation.engines.openvino_engine import import_openvino; import_openvino(); "
        "print(sum(name.startswith('openvino_telemetry.') for name in sys.modules), 'openvino' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True"]


def test_onnxruntime_is_imported_without_its_telemetry(tmp_path: Path) -> None:
    """With it, importing leaves an id in the temporary folder and one in the home folder, at once."""
    need("onnxruntime")
    code = "from somanet.segmentation.engines.onnxruntime_engine import import_onnxruntime; import_onnxruntime()"
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    without = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", code], env=without | places, check=True)
    assert list(tmp_path.iterdir()) == []


def test_every_fast_engine_has_an_extra_and_its_packages() -> None:
    assert set(choice.EXTRAS) == set(choice.FASTEST_FIRST) == set(FAST)
    assert {name: PACKAGES[extra] for name, extra in choice.EXTRAS.items()} == FAST
