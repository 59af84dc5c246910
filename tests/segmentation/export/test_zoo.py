"""A bioimage.io package: complete, valid, and passing the zoo's own test."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from somanet.analysis.network import BUNDLED
from somanet.core.errors import SomaNetError
from somanet.core.hashing import sha256_file
from somanet.segmentation.export import export_bioimageio, make_card
from tests.worlds import save_bright_network

ROOT = Path(__file__).resolve().parents[3]
TESTER = ROOT / "build" / "bioimageio" / "bin" / "bioimageio"
"""`make bioimageio` makes it: bioimageio.core in an environment of its own."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("bioimageio.spec", "onnx", "onnxruntime"):
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("zoo")
    source = save_bright_network(folder / "model")
    card = make_card(source, name="Bright pixels", authors=["A. Golgi", "S. Cajal"], licence="CC-BY-4.0")
    assert export_bioimageio(source, folder / "package.zip", card=card, mlflow_run="abc") < 1e-4
    return folder / "package.zip"


def described(package: Path) -> dict[str, Any]:
    with zipfile.ZipFile(package) as archive:
        return dict(yaml.safe_load(archive.read("rdf.yaml")))


def test_it_says_what_it_is(package: Path) -> None:
    told = described(package)
    assert told["license"] == "CC-BY-4.0"
    assert [author["name"] for author in told["authors"]] == ["A. Golgi", "S. Cajal"]
    assert told["config"]["somanet"]["weights_sha256"] == sha256_file(package.parent / "model" / "model.safetensors")
    assert told["config"]["somanet"]["mlflow_run"] == "abc"
    assert told["weights"]["onnx"]["opset_version"] == 17
    [image], [answer] = told["inputs"], told["outputs"]
    assert [axis["type"] for axis in image["axes"]] == ["batch", "channel", "space", "space"]
    assert [axis["size"] for axis in image["axes"][2:]] == [{"min": 192, "step": 32}] * 2
    assert answer["axes"][1]["channel_names"] == ["soma"]
    with zipfile.ZipFile(package) as archive:
        text = archive.read("README.md").decode()
    assert "its probability is at least 0.5" in text
    assert "three channels from 0 to 255" in text


def test_its_test_image_gives_its_test_output(package: Path) -> None:
    """The network's logit is 20 (intensity − 0.5) of three equal channels, but for the ε of its batch norms."""
    import onnxruntime

    with zipfile.ZipFile(package) as archive:
        image, answer = (np.load(io.BytesIO(archive.read(f"test_{name}.npy"))) for name in ("input", "output"))
        session = onnxruntime.InferenceSession(archive.read("network.onnx"), providers=["CPUExecutionProvider"])
    assert image.shape == (1, 3, 224, 288)
    np.testing.assert_allclose(answer[0, 0], 1 / (1 + np.exp(-20 * (image[0, 0] / 255 - 0.5))), atol=1e-4)
    assert answer.max() > 0.8 > 0.2 > answer.min()
    np.testing.assert_allclose(session.run(None, {"images": image})[0], answer, atol=1e-4)


def test_a_package_names_its_authors_and_licence(tmp_path: Path) -> None:
    source = save_bright_network(tmp_path / "model")
    for authors, licence in (([], "MIT"), (["S. Cajal"], None)):
        with pytest.raises(SomaNetError, match=r"--author NAME.*--license"):
            make_card(source, name="Bright pixels", authors=authors, licence=licence)


def test_the_zoos_rules_are_kept(tmp_path: Path) -> None:
    for name in ("bioimageio.spec", "onnx", "onnxruntime"):
        pytest.importorskip(name)
    source = save_bright_network(tmp_path / "model")
    for words, licence, name in (("license", "home-made", "Bright pixels"), ("name", "MIT", "Bright/pixels")):
        card = make_card(source, name=name, authors=["S. Cajal"], licence=licence)
        with pytest.raises(SomaNetError, match=f"The zoo's rules do not allow this package: {words}"):
            export_bioimageio(source, tmp_path / "package.zip", card=card)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_package_is_called_a_zip(tmp_path: Path) -> None:
    card = make_card(save_bright_network(tmp_path / "model"), name="Bright", authors=["S. Cajal"], licence="MIT")
    with pytest.raises(SomaNetError, match=r"ends in \.zip"):
        export_bioimageio(tmp_path / "model", tmp_path / "package", card=card)


def test_the_card_is_the_one_beside_the_network_without_links_that_lead_nowhere() -> None:
    card = make_card(BUNDLED, name="SomaNet network", authors=["SomaNet contributors"], licence="MIT")
    original = (BUNDLED / "README.md").read_text(encoding="utf-8")
    assert "](recipe.yaml)" in original
    assert "](recipe.yaml)" not in card.text
    assert "recipe.yaml" in card.text
    assert card.text.startswith(original[:200])


@pytest.mark.slow
def test_it_passes_the_zoos_own_test(tmp_path: Path) -> None:
    if not TESTER.exists():
        pytest.skip("no environment with bioimageio.core: make bioimageio")
    card = make_card(BUNDLED, name="SomaNet network", authors=["SomaNet contributors"], licence="MIT")
    export_bioimageio(BUNDLED, tmp_path / "package.zip", card=card)
    done = subprocess.run([TESTER, "test", tmp_path / "package.zip"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Reproduce test outputs from test inputs (onnx)" in done.stdout
