"""Parameter files, settings and options."""

from __future__ import annotations

from somanet.core.calibration import Calibration
from somanet.io.movies import write_movie
from tests.cli.hostile import (
    ALIASES,
    FRAMES,
)
from tests.cli.hostile_cases.base import ANALYZE, TRAIN, Cases, file

CASES: Cases = {}

for kind, text, words in (
    ("YAML with a date that is none", "pretrain: 2001-13-45\n", r"p\.yaml"),
    ("YAML with !!int x", "pretrain: !!int x\n", r"p\.yaml"),
    ("YAML with !!timestamp x", "pretrain: !!timestamp x\n", r"p\.yaml"),
    ("YAML with a Python object", "pretrain: !!python/object/apply:os.getcwd []\n", r"p\.yaml"),
    ("YAML nested 10⁵ deep", "pretrain: " + "[" * 10**5, r"p\.yaml: .*(nesting|levels)"),
    ("YAML whose aliases multiply", ALIASES, "p.yaml: .*YAML_VALUES"),
    ("YAML that contains itself", "pretrain: &a [*a]\n", r"p\.yaml: the YAML alias \*a lies within"),
    ("YAML of a number of 10⁵ digits", "pretrain: " + "9" * 10**5, r"p\.yaml"),
    (
        "YAML of a hexadecimal number of 10⁵ digits",
        "pretrain: {paper: {model: {}, training: {epochs: 0x" + "f" * 10**5 + "}}}\nfinetune: {}\n",
        "thousands of digits",
    ),
    ("YAML with an unhashable key", "? [a]\n: b\n", r"p\.yaml"),
    ("YAML of NUL bytes", "\0" * 9, r"p\.yaml"),
    ("an empty YAML file", "", r"p\.yaml must hold"),
    ("a setting of .inf", "pretrain: {paper: {model: {}, training: {learning_rate: .inf}}}\nfinetune: {}\n", "finite"),
    (
        "a setting of 1e300",
        "pretrain: {paper: {model: {}, training: {learning_rate: 1.0e+300}}}\nfinetune: {}\n",
        "less than or equal to 1000",
    ),
):
    CASES[kind] = (
        file("p.yaml", text),
        "train set --network paper --params p.yaml --output net",
        words,
    )
for setting in (
    "training.learning_rate=.inf",
    "training.learning_rate=1.0e+300",
    "training.epochs=9223372036854775807000",
    "training.batch_size=1000000000",
    "training.size_px=32000000",
    "training.augment.elastic_sigma=1.0e+30",
    "training.samples_per_epoch=1000000000000",
    "training.augment.scale_range=[1.0e-30,1]",
    "model.instances.threshold=.nan",
):
    CASES[f"the setting {setting}"] = (lambda _folder: None), f"{TRAIN} --set {setting}", setting.partition("=")[0]
for option in ("rescale 1e30", "rescale nan", "rescale 1e-30", "diameter 1e300", "diameter 1e-300", "diameter inf"):
    CASES[f"an option of {option}"] = (
        (lambda _folder: None),
        f"predict good.png --output out --{option}",
        option.split()[0],
    )
CASES["settings nested deeply"] = (lambda _folder: None), f"{TRAIN} --set training.epochs={'[' * 10**4}", "valid YAML"
CASES["a pixel size of 1e300"] = (
    lambda folder: write_movie(folder / "m.tif", FRAMES, Calibration(1, 5)),
    ANALYZE.replace("um 1 ", "um 1e300 "),
    "cannot be right",
)
