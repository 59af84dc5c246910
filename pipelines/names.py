"""Stage `names`: refuse, before any other stage runs, what would stop or mislead one.

Parameters that would become shell text; overrides of an experiment that change nothing; an address of the MLflow store
that can be none.
"""

import os
import sys
from pathlib import Path

from somanet.core.errors import SomaNetError
from somanet.core.files import write_json
from somanet.provenance.dvc_guard import CHECKED, check_overridable, check_pipeline

PARAMS = Path("params.yaml")


def main() -> None:
    check_pipeline(Path("dvc.yaml"))
    if "DVC_EXP_NAME" in os.environ:  # set by `dvc exp run`, which may have changed the parameters
        from somanet.config import load_params

        check_overridable(PARAMS)
        load_params(PARAMS)  # a section that no stage reads would run nothing, without a word
    if address := os.environ.get("MLFLOW_TRACKING_URI"):
        from somanet.provenance.mlflow.store import check_scheme

        check_scheme(address)  # not whether it answers: a stage that needs no store runs without it
    write_json(CHECKED, {"plain": True})


if __name__ == "__main__":  # without `stage`, whose imports take seconds: this runs at every `dvc repro`
    try:
        main()
    except SomaNetError as problem:
        sys.exit(f"error: {problem}")
